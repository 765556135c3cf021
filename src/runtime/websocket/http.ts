/**
 * HTTP requests on a port for WebSocket: the connection goes to the runtime's own HTTP server, which never listens itself.
 * Knows how a transport becomes a stream of Node; refuses to know what is asked for.
 * @module
 */
import http, { type RequestListener } from "node:http";
import { Duplex } from "node:stream";
import { clearTimeout, setTimeout } from "node:timers";
import type { PeerInfo } from "../../transport/peer.ts";
import type { Transport } from "../../transport/transport.ts";
import type { Accept } from "../endpoint.ts";

/** A peer that takes nothing more of an answer for so long is ended. */
const STILL_TIMEOUT_MS = 30_000;

/** Time for a whole request, body included, as `node:http` has it; there only a server that listens looks at the time. */
const REQUEST_TIMEOUT_MS = 300_000;

/**
 * Takes transports that begin with a request. One request each: Deno 2.9 ends the connection behind the first one. `failed` is told of an
 * exception of the listener, or of the rejection of its promise, which ends this request only.
 */
export function httpAcceptor(
  listener: RequestListener,
  failed: (error: Error) => void,
  requestTimeoutMs: number = REQUEST_TIMEOUT_MS,
): Accept {
  const server = http.createServer(async (request, response) => {
    const timer = setTimeout(() => request.complete || request.destroy(), requestTimeoutMs);
    response.once("close", () => clearTimeout(timer));
    response.setHeader("Connection", "close");
    try {
      await listener(request, response);
    } catch (error) {
      failed(error as Error);
      if (response.headersSent) response.destroy();
      else response.writeHead(500).end();
    }
  });
  return (transport, peer) => void server.emit("connection", new TransportDuplex(transport, peer));
}

/** As much of a socket as an HTTP server needs. */
class TransportDuplex extends Duplex {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly #transport: Transport;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** What `write()` did not take, and whom to tell. */
  #unsent: { readonly bytes: Uint8Array; readonly done: () => void } | undefined;

  constructor(transport: Transport, { address, port }: PeerInfo) {
    super({ allowHalfOpen: true });
    this.remoteAddress = address;
    this.remotePort = port;
    this.#transport = transport;
    transport.start({
      received: (chunk) => {
        if (!this.push(new Uint8Array(chunk))) transport.pause();
      },
      drained: () => {
        const { bytes, done } = this.#unsent ?? {};
        this.#unsent = undefined;
        clearTimeout(this.#timer);
        if (bytes !== undefined) this.#send(bytes, done!);
      },
      closed: () => {
        this.push(null);
        this.destroy();
        clearTimeout(this.#timer);
      },
    });
  }

  #wait(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#transport.abort(), STILL_TIMEOUT_MS);
  }

  /** HTTP servers set time-outs and flags of sockets; ours bound the time. */
  setTimeout(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  override _read(): void {
    this.#transport.resume();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.#send(chunk, done);
  }

  override _final(done: () => void): void {
    this.#transport.close();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (error !== null) this.#transport.abort();
    else {
      this.#transport.close(); // what was written still goes out
      this.#wait();
    }
    done(error);
  }

  #send(bytes: Uint8Array, done: () => void): void {
    const taken = this.#transport.write(bytes);
    if (taken === bytes.length) return done();
    this.#unsent = { bytes: bytes.subarray(taken), done };
    this.#wait();
  }
}
