/**
 * §6 Network Connections by the WebSocket object that browsers (and Deno, Bun and Node) have.
 * Knows its events and its buffer; refuses to know frames and packets.
 * @module
 */
import type { Transport, TransportHandler } from "../transport/transport.ts";
import type { Dialer } from "./options.ts";

/** Bytes that the object may keep to be sent; above it a write takes none. */
const BUFFERED_BYTES_MAX = 1_048_576;
/** The object tells nobody that its buffer has been sent: ms between two looks. */
const LOOK_MS = 20;
/** ms: a peer that does not answer our Close is waited for so long. */
const CLOSE_MS = 5_000;

/** The part of the object that is used. */
interface Socket {
  binaryType: string;
  readonly bufferedAmount: number;
  readonly protocol: string;
  send(bytes: Uint8Array): void;
  close(): void;
  onopen: (() => void) | null;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onerror: (() => void) | null;
  onclose:
    | ((
      event: { readonly code: number; readonly reason: string; readonly wasClean: boolean },
    ) => void)
    | null;
}

const { WebSocket, setTimeout } = globalThis as unknown as {
  readonly WebSocket: new (url: string, protocol: string) => Socket;
  setTimeout(run: () => void, ms: number): unknown;
};

/** Opens a WebSocket; the path `/` means `/mqtt`. A name and a password in the URL are for MQTT, and not sent. */
export const dialWebSocket: Dialer = (url, { signal }) =>
  new Promise((resolve, reject) => {
    const target = new URL(url);
    target.username = target.password = target.hash = "";
    if (target.pathname === "/") target.pathname = "/mqtt";
    const socket = new WebSocket(target.href, "mqtt"); // [MQTT-6.0.0-3]
    socket.binaryType = "arraybuffer";
    const end = () => {
      socket.onopen = socket.onclose = null;
      socket.close();
      reject(signal.reason);
    };
    if (signal.aborted) return end();
    signal.addEventListener("abort", end, { once: true });
    const settled = () => signal.removeEventListener("abort", end);
    socket.onerror = () => {}; // it tells nothing, and `close` follows
    socket.onclose = ({ code, reason }) => {
      settled();
      reject(new Error(`${target.host}: no WebSocket (${code}${reason && `, ${reason}`})`));
    };
    socket.onopen = () => {
      settled();
      if (socket.protocol === "mqtt") resolve(new SocketTransport(socket, `websocket ${target.host}`));
      else {
        socket.onclose = null;
        socket.close();
        reject(new Error(`${target.host}: the server does not choose the subprotocol mqtt`)); // [MQTT-6.0.0-4]
      }
    };
  });

/** An open WebSocket object. Each write is one message. */
class SocketTransport implements Transport {
  readonly label: string;
  readonly isUnpausable = true;
  readonly #socket: Socket;
  #handler: TransportHandler | undefined;
  /** What came before `start()`. */
  #early: (() => void)[] = [];
  #isLooking = false;
  #isEnded = false;
  #isOver = false;

  constructor(socket: Socket, label: string) {
    this.label = label;
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#message(data);
    socket.onclose = ({ code, reason, wasClean }) => {
      this.#over(
        wasClean || this.#isEnded
          ? undefined
          : new Error(`The WebSocket was closed: ${code} ${reason}`.trim()),
      );
    };
  }

  start(handler: TransportHandler): void {
    this.#handler = handler;
    const early = this.#early;
    this.#early = [];
    queueMicrotask(() => early.forEach((run) => run()));
  }

  #message(data: unknown): void {
    if (this.#isEnded) return;
    if (this.#handler === undefined) this.#early.push(() => this.#message(data));
    else if (!(data instanceof ArrayBuffer)) {
      this.#fail(new Error("The peer has sent a WebSocket message that is not binary [MQTT-6.0.0-1]"));
    } else if (data.byteLength > 0) this.#handler.received(new Uint8Array(data));
  }

  write(chunk: Uint8Array): number {
    if (this.#isEnded) return 0;
    if (this.#socket.bufferedAmount > BUFFERED_BYTES_MAX) {
      this.#look();
      return 0;
    }
    this.#socket.send(chunk); // [MQTT-6.0.0-1]; the object copies it
    return chunk.length;
  }

  #look(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    setTimeout(() => {
      this.#isLooking = false;
      if (this.#isEnded) return;
      if (this.#socket.bufferedAmount > BUFFERED_BYTES_MAX / 2) this.#look();
      else this.#handler?.drained();
    }, LOOK_MS);
  }

  /** The object reads whatever its user does. */
  pause(): void {}

  resume(): void {}

  close(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#socket.close();
    setTimeout(() => this.#over(undefined), CLOSE_MS);
  }

  abort(): void {
    queueMicrotask(() => this.#fail(undefined));
    this.#isEnded = true;
  }

  #fail(error: Error | undefined): void {
    this.#isEnded = true;
    this.#socket.close();
    this.#over(error);
  }

  #over(error: Error | undefined): void {
    if (this.#handler === undefined) this.#early.push(() => this.#over(error));
    else if (!this.#isOver) {
      this.#isOver = this.#isEnded = true;
      this.#handler.closed(error);
    }
  }
}
