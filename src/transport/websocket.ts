/**
 * §6 MQTT over WebSocket: a `Transport` over a `Transport` whose upgrade is done. Bytes travel in binary frames, cut anywhere
 * [MQTT-6.0.0-2] [MQTT311-6.0.0-2].
 * Knows RFC 6455 framing, closing and pings, for both roles; refuses to know the upgrade, packets, sockets and time.
 *
 * All payloads of one chunk are unmasked in place, moved together and handed over in one call; the payload of a long frame is handed over as
 * it comes. Each `write()` is one frame. A peer that ends the WebSocket, or breaks a rule, has ended the stream.
 * @module
 */
import type { Transport, TransportHandler } from "./transport.ts";
import {
  CloseCode,
  closeCodeOf,
  CONTROL_BYTES_MAX,
  FrameHeader,
  HEADER_BYTES_MAX,
  mask,
  Opcode,
  protocolError,
  rotated,
  WebSocketError,
  writeHeader,
} from "./websocket_frames.ts";

/** How one end of a WebSocket works. */
export interface WebSocketOptions {
  /** RFC 6455 §5.3: given for a Client, which masks what it sends: 32 bits for each frame that nobody can foresee. */
  readonly key?: () => number;
  /** Called when the peer has broken a rule, which ends the WebSocket. */
  readonly broken?: (error: WebSocketError) => void;
  /** Called when the transport below is over: nothing more comes of this one. */
  readonly over?: (transport: WebSocketTransport) => void;
}

/** So many bytes are joined with the header of their frame; the rest of a longer frame of a Client is masked in portions of so many. */
const JOINED_BYTES_MAX = 16 * 1024;
/** Bytes that a peer may send between our Close frame and its own. */
const AFTER_CLOSE_BYTES_MAX = 1024 * 1024;
/** Calls of `keepAlive()` that the transport below may outlive the WebSocket. */
const LINGERING_ROUNDS = 2;

/** Nothing is kept in it between two calls. */
const scratch = new Uint8Array(HEADER_BYTES_MAX + JOINED_BYTES_MAX);
const scratchView = new DataView(scratch.buffer);
const NOTHING = new Uint8Array();

/** `closing`: our Close frame has gone, and the peer's is awaited. `over`: nothing goes either way any more. */
type State = "open" | "closing" | "over";

/** One end of a WebSocket. */
export class WebSocketTransport implements Transport, TransportHandler {
  readonly #below: Transport;
  readonly #key: (() => number) | undefined;
  readonly #whenBroken: WebSocketOptions["broken"];
  readonly #whenOver: WebSocketOptions["over"];
  #handler: TransportHandler | undefined;
  #state: State = "open";

  readonly #frame: FrameHeader;
  /** The beginning of a header that was cut. */
  #head: Uint8Array = NOTHING;
  /** Bytes of the frame's payload that have not come. */
  #missing = 0;
  /** A message goes on in the next data frame. */
  #isFragmented = false;
  /** What has come of the payload of a control frame that was cut. */
  #control: Uint8Array = NOTHING;
  #bytesAfterClose = 0;

  /** Bytes of a header or of a control frame that the transport below did not take. */
  #pending: Uint8Array = NOTHING;
  /** Bytes that the frame under way still needs. */
  #owed = 0;
  /** The masking key for the next of them. */
  #owedKey = 0;
  /** The payload of the last Ping without an answer: an end need not answer more than the last one (RFC 6455 §5.5.3). */
  #pong: Uint8Array | undefined;
  #wantsPing = false;
  #hasWritten = false;
  #owesDrained = false;
  /** The transport below is to be closed when all of `#pending` has gone. */
  #endsBelow = false;
  #lingering = 0;

  /** `below` is not started yet; its first byte is the first one behind the upgrade. */
  constructor(below: Transport, { key, broken, over }: WebSocketOptions = {}) {
    this.#below = below;
    this.#whenBroken = broken;
    this.#whenOver = over;
    this.#key = key;
    this.#frame = new FrameHeader(key === undefined);
  }

  get label(): string {
    return this.#below.label;
  }

  get memoryBytes(): number {
    return this.#below.memoryBytes ?? 0;
  }

  start(handler: TransportHandler): void {
    this.#handler = handler;
    this.#below.start(this);
  }

  pause(): void {
    if (this.#state === "open") this.#below.pause();
  }

  resume(): void {
    this.#below.resume();
  }

  write(chunk: Uint8Array): number {
    if (this.#state !== "open") return 0;
    let taken = 0;
    if (this.#isFlushed()) {
      if (this.#owed > 0) taken = this.#payload(chunk.subarray(0, this.#owed));
      if (taken < chunk.length && this.#owed === 0 && this.#areControlsSent()) {
        taken += this.#begin(taken === 0 ? chunk : chunk.subarray(taken));
      }
    }
    this.#owesDrained = taken < chunk.length;
    return taken;
  }

  /** RFC 6455 §7.1.2; a frame that is cut off in the middle has no room for a Close frame. */
  close(): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#owesDrained = false;
    if (!this.#sayClose(CloseCode.NORMAL)) this.#below.close();
    this.#below.resume(); // the peer's Close frame is to be seen
  }

  abort(): void {
    this.#state = "over";
    this.#below.abort();
  }

  /**
   * Sends a Ping if nothing has been written since the last call, so that no proxy takes the connection for idle; and ends what stays open
   * below for two calls after the WebSocket is over. Called every 15 s or so.
   */
  keepAlive(): void {
    if (this.#state === "over") {
      if (++this.#lingering >= LINGERING_ROUNDS) this.#below.abort();
    } else if (this.#state === "open") {
      this.#wantsPing = !this.#hasWritten;
      this.#areControlsSent();
      this.#hasWritten = false;
    }
  }

  // ── From below ─────────────────────────────────────────────────────────────────────────────────────────────────────

  received(chunk: Uint8Array): void {
    if (this.#state !== "open" && (this.#bytesAfterClose += chunk.length) > AFTER_CLOSE_BYTES_MAX) {
      return this.#below.abort();
    }
    if (this.#state === "over") return;
    const bytes = this.#head.length === 0 ? chunk : joined(this.#head, chunk);
    this.#head = NOTHING;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let begin = -1;
    let end = 0;
    let at = 0;
    let ending: (() => void) | undefined;
    try {
      while (at < bytes.length && ending === undefined) {
        if (this.#missing === 0) {
          const header = this.#readHeader(view, at);
          if (header === 0) {
            this.#head = new Uint8Array(bytes.subarray(at)); // slice() of a Buffer of Node would be no copy
            break;
          }
          at += header;
        }
        const { opcode, key } = this.#frame;
        const length = Math.min(this.#missing, bytes.length - at);
        const isData = opcode <= Opcode.BINARY;
        if (isData && begin < 0) begin = end = at;
        mask(view, at, view, isData ? end : at, length, key);
        this.#missing -= length;
        this.#frame.key = rotated(key, length);
        if (isData) end += length;
        else ending = this.#controlled(bytes.subarray(at, at + length));
        at += length;
      }
    } catch (error) {
      ending = () => this.#broken(error as WebSocketError);
    }
    if (end > begin && begin >= 0 && this.#state === "open") {
      this.#handler!.received(bytes.subarray(begin, end));
    }
    if (ending !== undefined) ending();
    else this.#areControlsSent();
  }

  drained(): void {
    if (!this.#isFlushed()) return;
    if (this.#endsBelow) return this.#below.close();
    if (this.#owed === 0 && !this.#areControlsSent()) return;
    if (!this.#owesDrained || this.#state !== "open") return;
    this.#owesDrained = false;
    this.#handler!.drained();
  }

  closed(error?: Error): void {
    this.#whenOver?.(this);
    this.#over(error);
  }

  // ── What comes ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** @throws {WebSocketError} */
  #readHeader(view: DataView, at: number): number {
    const frame = this.#frame;
    const bytes = frame.read(view, at, view.byteLength);
    if (view.byteLength - at < 2) return 0;
    const { opcode, isFinal } = frame;
    if (opcode <= Opcode.BINARY) this.#checkOrder(opcode);
    if (bytes === 0) return 0;
    this.#missing = frame.length;
    if (opcode <= Opcode.BINARY) this.#isFragmented = !isFinal;
    return bytes;
  }

  /** @throws {WebSocketError} */
  #checkOrder(opcode: number): void {
    if (opcode === Opcode.TEXT) {
      throw new WebSocketError(
        CloseCode.UNSUPPORTED_DATA,
        "a text frame: MQTT travels in binary frames",
        "MQTT-6.0.0-1",
      );
    }
    if (opcode === Opcode.BINARY === this.#isFragmented) {
      throw protocolError(
        this.#isFragmented ? "a message begins inside another one" : "a message goes on that has not begun",
      );
    }
  }

  /** Bytes of a control frame's payload have come; gives what is to be done if the WebSocket is over by it. */
  #controlled(bytes: Uint8Array): (() => void) | undefined {
    const isWhole = this.#missing === 0;
    const payload = this.#control.length === 0 ? bytes : joined(this.#control, bytes);
    this.#control = isWhole ? NOTHING : new Uint8Array(payload);
    if (!isWhole) return undefined;
    if (this.#frame.opcode === Opcode.PING) this.#pong = new Uint8Array(payload);
    if (this.#frame.opcode !== Opcode.CLOSE) return undefined;
    const code = closeCodeOf(payload);
    return () => this.#closedByPeer(code);
  }

  /** RFC 6455 §5.5.1: a Close frame is answered by one with its code. The peer's is the end of the stream; after our own, that below is. */
  #closedByPeer(code: number | undefined): void {
    if (this.#state === "over") return; // the handler has ended it meanwhile
    const isOurs = this.#state === "closing";
    if (!isOurs) this.#sayClose(code);
    this.#endBelow();
    if (isOurs) this.#state = "over";
    else this.#over();
  }

  #broken(error: WebSocketError): void {
    if (this.#state === "over") return;
    if (this.#state === "open") this.#sayClose(error.code);
    this.#endBelow();
    this.#whenBroken?.(error);
    this.#over(error);
  }

  /** Ends the transport below as soon as it has taken the Close frame. */
  #endBelow(): void {
    this.#endsBelow = true;
    if (this.#pending.length === 0 || this.#owed > 0) this.#below.close();
  }

  #over(error?: Error): void {
    const handler = this.#handler;
    this.#state = "over";
    this.#handler = undefined;
    if (handler === undefined) return;
    if (error === undefined) handler.closed();
    else handler.closed(error);
  }

  // ── What goes ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #down(bytes: Uint8Array): number {
    this.#hasWritten = true;
    return this.#below.write(bytes);
  }

  /** Begins a frame of these bytes; gives how many of them were taken. */
  #begin(bytes: Uint8Array): number {
    const { length } = bytes;
    const key = this.#key?.();
    const header = writeHeader(scratch, Opcode.BINARY, length, key);
    const first = length <= JOINED_BYTES_MAX ? bytes : bytes.subarray(0, JOINED_BYTES_MAX);
    this.#copy(first, header, key);
    const taken = this.#down(scratch.subarray(0, header + first.length));
    if (taken === 0) return 0;
    this.#owed = length;
    this.#owedKey = key ?? 0;
    if (taken < header) {
      this.#pending = scratch.slice(taken, header);
      return 0;
    }
    this.#advance(taken - header);
    const isShort = taken < header + first.length;
    return taken - header + (isShort || first === bytes ? 0 : this.#payload(bytes.subarray(first.length)));
  }

  #copy(bytes: Uint8Array, at: number, key: number | undefined): void {
    if (key === undefined) scratch.set(bytes, at);
    else {mask(
        new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
        0,
        scratchView,
        at,
        bytes.length,
        key,
      );}
  }

  #advance(bytes: number): void {
    this.#owed -= bytes;
    this.#owedKey = rotated(this.#owedKey, bytes);
  }

  /** Writes bytes of the frame under way; gives how many were taken. */
  #payload(bytes: Uint8Array): number {
    if (bytes.length === 0) return 0;
    let taken = 0;
    while (taken < bytes.length) {
      const part = this.#key === undefined ? bytes : bytes.subarray(taken, taken + JOINED_BYTES_MAX);
      if (this.#key !== undefined) this.#copy(part, 0, this.#owedKey);
      const written = this.#down(this.#key === undefined ? part : scratch.subarray(0, part.length));
      this.#advance(written);
      taken += written;
      if (written < part.length) break;
    }
    return taken;
  }

  /** Whether all of `#pending` has gone. */
  #isFlushed(): boolean {
    if (this.#pending.length === 0) return true;
    const taken = this.#down(this.#pending);
    this.#pending = taken === this.#pending.length ? NOTHING : this.#pending.subarray(taken);
    return this.#pending.length === 0;
  }

  /** Sends a Pong and a Ping where they are due; false if something waits for room, or for the end of a frame. */
  #areControlsSent(): boolean {
    if (this.#pong === undefined && !this.#wantsPing) return true;
    if (this.#state !== "open" || this.#owed > 0 || !this.#isFlushed()) return false;
    if (this.#pong !== undefined) this.#sayControl(Opcode.PONG, this.#pong);
    if (this.#wantsPing) this.#sayControl(Opcode.PING, NOTHING);
    this.#pong = undefined;
    this.#wantsPing = false;
    return this.#pending.length === 0;
  }

  /** False if the Close frame cannot go any more, since it would stand inside another frame. */
  #sayClose(code: number | undefined): boolean {
    this.#pong = undefined;
    this.#wantsPing = false;
    if (this.#owed > 0) return false;
    this.#sayControl(Opcode.CLOSE, code === undefined ? NOTHING : Uint8Array.of(code >> 8, code & 0xff));
    return true;
  }

  /** What the transport below does not take of it waits behind what waits already. */
  #sayControl(opcode: number, payload: Uint8Array): void {
    const key = this.#key?.();
    const frame = new Uint8Array(HEADER_BYTES_MAX + CONTROL_BYTES_MAX);
    const header = writeHeader(frame, opcode, payload.length, key);
    frame.set(payload, header);
    const view = new DataView(frame.buffer);
    if (key !== undefined) mask(view, header, view, header, payload.length, key);
    this.#pending = joined(this.#pending, frame.subarray(0, header + payload.length));
    this.#isFlushed();
  }
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}
