/**
 * Two joined WebSocket objects, as a runtime of requests gives them: what one sends, the other is told of behind the present call.
 * Knows messages, Close and failure; refuses to know what the messages mean.
 * @module
 */
import type { EdgeSocket, SocketEnd } from "../edge/socket.ts";

type Event = { readonly data?: unknown } & SocketEnd;
type Kind = "message" | "close" | "error";

/** One end. Nothing is copied before it is handed over, so that a sender who changes what was sent is found out. */
export class StubSocket implements EdgeSocket {
  binaryType = "blob";
  peer!: StubSocket;
  /** Bytes of each message that was sent here. */
  readonly sizes: number[] = [];
  /** How the other end said Close, if it did. */
  closedWith: number | undefined;
  readonly #listeners: { readonly kind: Kind; readonly listener: (event: Event) => void }[] = [];
  readonly #waiting: { readonly kind: Kind; readonly event: () => Event }[] = [];
  #isAccepted = false;
  #isClosed = false;

  accept(): void {
    this.#isAccepted = true;
    this.#tell();
  }

  send(bytes: Uint8Array | string): void {
    if (this.#isClosed) throw new TypeError("Can't call WebSocket send() after close()");
    this.sizes.push(bytes.length);
    this.peer.#told("message", () => ({ data: typeof bytes === "string" ? bytes : bytes.slice().buffer }));
  }

  close(code = 1005): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.peer.closedWith = code;
    this.peer.#told("close", () => ({ code, reason: "" }));
  }

  /** The network fails: both ends are told. */
  fail(): void {
    for (const end of [this, this.peer]) {
      end.#isClosed = true;
      end.#told("error", () => ({}));
    }
  }

  addEventListener(kind: Kind, listener: (event: never) => void): void {
    this.#listeners.push({ kind, listener: listener as (event: Event) => void });
  }

  #told(kind: Kind, event: () => Event): void {
    this.#waiting.push({ kind, event });
    this.#tell();
  }

  #tell(): void {
    if (!this.#isAccepted) return;
    queueMicrotask(() => {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      for (const { kind, listener } of this.#listeners) if (kind === next.kind) listener(next.event());
      this.#tell();
    });
  }
}

/** Both ends, none of them accepted. */
export class StubPair {
  readonly 0: StubSocket = new StubSocket();
  readonly 1: StubSocket = new StubSocket();

  constructor() {
    this[0].peer = this[1];
    this[1].peer = this[0];
  }
}

/** The answer 101, which no constructor of a runtime of sockets makes. */
export function upgraded(webSocket: StubSocket, protocol: string): Response {
  const headers = new Headers({ "sec-websocket-protocol": protocol });
  return { status: 101, headers, webSocket } as unknown as Response;
}
