/**
 * §4.2 A Network Connection through a `MessagePort`: to a worker, or between the tabs of a browser.
 * Knows the messages that both ends exchange; refuses to know workers, and which runtime it is.
 *
 * Bytes travel as `Uint8Array`. A number gives so many bytes of room back, `null` is the end of one half, `false` ends both at once. Each end
 * may have `WINDOW_BYTES` under way: a reader that pauses holds the writer back.
 * @module
 */
import type { Transport, TransportHandler } from "../transport/transport.ts";

/** The part of a port that is used here; one of `node:worker_threads` has it too. */
export interface PortLike {
  /** Sends a message, and gives the buffers away. */
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  /** Called for each message; setting it begins the port. */
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  /** Told of `close`, where ports have that event. */
  addEventListener?(type: "close", listener: () => void): void;
  /** Ends both ends. */
  close(): void;
}

/** Bytes that may be under way in each direction. Both ends count on it. */
export const WINDOW_BYTES: number = 256 * 1024;

/** Room is given back in such portions, so that not each message is answered by one. */
const CREDIT_BYTES = WINDOW_BYTES / 4;

/** The transport of one end. The other end is to be one too, in this version. */
export function messagePortTransport(port: PortLike, label = "port"): Transport {
  return new PortTransport(port, label);
}

class PortTransport implements Transport {
  readonly label: string;
  readonly #port: PortLike;
  #handler: TransportHandler | undefined;
  /** Bytes that the other end still takes. */
  #room = WINDOW_BYTES;
  /** Bytes that we have taken, and not given back. */
  #taken = 0;
  #owesDrained = false;
  #isPaused = false;
  /** What came while we were paused. */
  #waiting: Uint8Array[] = [];
  /** Our half has ended. */
  #isEnded = false;
  /** The other's half has. */
  #isPeerEnded = false;
  #isOver = false;

  constructor(port: PortLike, label: string) {
    this.#port = port;
    this.label = label;
  }

  start(handler: TransportHandler): void {
    this.#handler = handler;
    this.#port.addEventListener?.("close", () => this.#lost());
    this.#port.onmessage = ({ data }) => this.#told(data);
  }

  write(chunk: Uint8Array): number {
    if (this.#isEnded) return 0;
    const taken = Math.min(chunk.length, this.#room);
    if (taken < chunk.length) this.#owesDrained = true;
    if (taken === 0) return 0;
    const copy = new Uint8Array(chunk.subarray(0, taken));
    this.#room -= taken;
    this.#port.postMessage(copy, [copy.buffer]);
    return taken;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    if (this.#waiting.length > 0 || this.#isPeerEnded) queueMicrotask(() => this.#goOn());
  }

  close(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#owesDrained = false;
    this.#say(null);
    this.resume(); // what still arrives is thrown away
  }

  abort(): void {
    if (this.#isOver) return;
    this.#isEnded = true;
    this.#say(false);
    queueMicrotask(() => this.#end());
  }

  #say(what: number | null | false): void {
    this.#port.postMessage(what, []);
  }

  #told(data: unknown): void {
    if (this.#isOver) return;
    if (data === false) return this.#end(new Error("Connection reset by peer"));
    if (typeof data === "number") {
      this.#room += data;
      if (!this.#owesDrained) return;
      this.#owesDrained = false;
      return this.#guarded(() => this.#handler!.drained());
    }
    if (data === null) this.#isPeerEnded = true;
    else this.#waiting.push(data as Uint8Array);
    this.#goOn();
  }

  #goOn(): void {
    while (!this.#isPaused && !this.#isOver) {
      const chunk = this.#waiting.shift();
      if (chunk === undefined) break;
      this.#taken += chunk.length;
      if (this.#taken >= CREDIT_BYTES) {
        this.#say(this.#taken);
        this.#taken = 0;
      }
      if (!this.#isEnded) this.#guarded(() => this.#handler!.received(chunk));
    }
    if (this.#isPaused || this.#isOver || !this.#isPeerEnded) return;
    if (!this.#isEnded) this.#say(null);
    this.#end();
  }

  /** Without an event `close`, and after `abort()`, the other end learns of it by a message. */
  #lost(): void {
    this.#end(this.#isEnded ? undefined : new Error("The port was closed"));
  }

  #end(error?: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#isEnded = true;
    this.#waiting = [];
    this.#port.close();
    if (error === undefined) this.#handler?.closed();
    else this.#handler?.closed(error);
  }

  /** An exception of the handler ends this connection, and no other. */
  #guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#say(false);
      this.#end(error instanceof Error ? error : new Error(String(error)));
    }
  }
}
