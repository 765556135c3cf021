/**
 * §6 Network Connections by a WebSocket object that is accepted: one end of a `WebSocketPair`, or what `fetch()` of such a runtime gives.
 * Knows its events, and what bounds the bytes of a stream whose object cannot be held back; refuses to know requests and packets.
 * @module
 */
import type { Transport, TransportHandler } from "../transport/transport.ts";

/** The part of the object that is used. */
export interface EdgeSocket {
  /** Events come from now on. */
  accept?(): void;
  /** As `ArrayBuffer`, where the object has the choice. */
  binaryType?: string;
  /** Bytes that are not sent yet, where the object tells them. */
  readonly bufferedAmount?: number;
  /** Sends one binary message. */
  send(bytes: Uint8Array): void;
  /** Says Close, or answers it. */
  close(code?: number, reason?: string): void;
  /** Events of a message, of its end, and of its failure. */
  addEventListener(type: "message", listener: (event: { readonly data?: unknown }) => void): void;
  /** As above. */
  addEventListener(type: "close" | "error", listener: (event: SocketEnd) => void): void;
}

/** How a WebSocket ended, as far as the event says it. */
export interface SocketEnd {
  /** RFC 6455 §7.4; 1006 without Close. */
  readonly code?: number;
  /** In words. */
  readonly reason?: string;
}

/** What bounds the bytes of one connection. */
export interface EdgeBounds {
  /**
   * Bytes that are handed to the runtime while nothing comes from the peer. Above it no more leave until something does: an acknowledgement,
   * or the PINGREQ that Keep Alive demands. Default 16 MiB.
   */
  readonly unheardBytesMax?: number;
  /** Bytes that come while nothing may be received; above it the connection ends. Default 16 MiB. */
  readonly heldBytesMax?: number;
}

const BOUND_BYTES = 16 * 1024 * 1024;
/** Of one message: such runtimes refuse large ones, from 1 MiB on. */
const MESSAGE_BYTES_MAX = 256 * 1024;
/** ms: a peer that does not answer our Close is waited for so long. */
const CLOSE_MS = 5_000;

/** RFC 6455 §7.4.1 */
const Code = { NORMAL: 1000, UNSUPPORTED_DATA: 1003, ABNORMAL: 1006 } as const;

const { setTimeout, clearTimeout } = globalThis as unknown as {
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
};

/** The transport of a WebSocket that nobody has accepted yet. */
export function edgeTransport(socket: EdgeSocket, label: string, bounds: EdgeBounds = {}): Transport {
  return new EdgeTransport(socket, label, bounds);
}

class EdgeTransport implements Transport {
  readonly label: string;
  readonly #socket: EdgeSocket;
  readonly #unheardBytesMax: number;
  readonly #heldBytesMax: number;
  #handler: TransportHandler | undefined;
  #unheardBytes = 0;
  #owesDrained = false;
  #isPaused = false;
  /** What came before `start()`, or while we were paused. */
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  /** The stream is over, behind what is held. */
  #end: { readonly error: Error | undefined } | undefined;
  /** Our half has ended. */
  #isEnded = false;
  #isOver = false;
  #closing: unknown;

  constructor(socket: EdgeSocket, label: string, { unheardBytesMax, heldBytesMax }: EdgeBounds) {
    this.label = label;
    this.#socket = socket;
    this.#unheardBytesMax = unheardBytesMax ?? BOUND_BYTES;
    this.#heldBytesMax = heldBytesMax ?? BOUND_BYTES;
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => this.#message(data));
    socket.addEventListener("close", ({ code = Code.ABNORMAL, reason = "" }) => {
      const isClean = code === Code.NORMAL || code === 1001 || code === 1005;
      this.#close(Code.NORMAL); // answers it: some runtimes do not do so by themselves
      this.#over(
        isClean || this.#isEnded
          ? undefined
          : new Error(`The WebSocket was closed: ${code} ${reason}`.trim()),
      );
    });
    socket.addEventListener(
      "error",
      () => this.#over(this.#isEnded ? undefined : new Error("The WebSocket failed")),
    );
    socket.accept?.();
  }

  start(handler: TransportHandler): void {
    this.#handler = handler;
    if (this.#held.length > 0 || this.#end !== undefined) queueMicrotask(() => this.#goOn());
  }

  write(chunk: Uint8Array): number {
    if (this.#isEnded || this.#end !== undefined) return 0;
    const room = Math.max(
      0,
      this.#unheardBytesMax - Math.max(this.#unheardBytes, this.#socket.bufferedAmount ?? 0),
    );
    const taken = Math.min(chunk.length, room);
    if (taken < chunk.length) this.#owesDrained = true;
    for (let at = 0; at < taken; at += MESSAGE_BYTES_MAX) { // [MQTT-6.0.0-2]
      // [MQTT-6.0.0-1] A copy: the chunk is the caller's again, and the runtime may not have sent it.
      this.#send(chunk.slice(at, Math.min(at + MESSAGE_BYTES_MAX, taken)));
    }
    this.#unheardBytes += taken;
    return taken;
  }

  #send(bytes: Uint8Array): void {
    try {
      this.#socket.send(bytes);
    } catch (error) { // it has closed, and its event is on the way
      queueMicrotask(() => this.#fail(Code.NORMAL, error as Error));
    }
  }

  /** The object reads whatever its user does: what comes is held here, up to a bound. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    queueMicrotask(() => this.#goOn());
  }

  close(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#owesDrained = false;
    this.#close(Code.NORMAL);
    this.#closing = setTimeout(() => this.#over(undefined), CLOSE_MS);
    this.resume(); // what still arrives is thrown away
  }

  abort(): void {
    if (this.#isOver) return;
    this.#isEnded = true;
    queueMicrotask(() => this.#fail(Code.NORMAL, undefined));
  }

  #message(data: unknown): void {
    if (this.#end !== undefined || this.#isOver) return;
    if (!(data instanceof ArrayBuffer)) {
      const error = "The peer has sent a WebSocket message that is not binary [MQTT-6.0.0-1]";
      return this.#fail(Code.UNSUPPORTED_DATA, new Error(error));
    }
    this.#heard();
    if (this.#isEnded || this.#isOver || data.byteLength === 0) return;
    this.#held.push(new Uint8Array(data));
    this.#heldBytes += data.byteLength;
    if (this.#handler !== undefined && !this.#isPaused) return this.#goOn();
    if (this.#heldBytes > this.#heldBytesMax) {
      this.#fail(
        Code.NORMAL,
        new Error(`The peer has sent ${this.#heldBytes} bytes that cannot be received yet`),
      );
    }
  }

  /** Whatever the peer sends says that it is there, and mostly that it has read what it was sent. */
  #heard(): void {
    this.#unheardBytes = 0;
    if (!this.#owesDrained) return;
    this.#owesDrained = false;
    this.#handler?.drained();
  }

  #goOn(): void {
    const handler = this.#handler!;
    while (!this.#isOver && (!this.#isPaused || this.#isEnded)) {
      const chunk = this.#held.shift();
      if (chunk === undefined) break;
      this.#heldBytes -= chunk.length;
      if (!this.#isEnded) handler.received(chunk);
    }
    if (this.#end !== undefined && this.#held.length === 0) this.#finish();
  }

  #fail(code: number, error: Error | undefined): void {
    this.#close(code);
    this.#held = [];
    this.#isPaused = false;
    this.#over(error);
  }

  /** The stream is over once what is held has been received. */
  #over(error: Error | undefined): void {
    this.#end ??= { error };
    this.#isEnded ||= error !== undefined;
    if (this.#handler !== undefined) this.#goOn();
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = this.#isEnded = true;
    clearTimeout(this.#closing);
    const { error } = this.#end!;
    if (error === undefined) this.#handler!.closed();
    else this.#handler!.closed(error);
  }

  #close(code: number): void {
    try {
      this.#socket.close(code);
    } catch {
      // it is closed, or has failed: that is what is wanted
    }
  }
}
