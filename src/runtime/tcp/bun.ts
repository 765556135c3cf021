/**
 * §4.2 Network Connections over TCP on Bun, by `Bun.listen` and `Bun.connect`.
 * Knows Bun's sockets; refuses to know the meaning of the bytes. Why not `node:net`: spec/decisions/0011-tcp-per-runtime.md
 * @module
 */
import { setImmediate } from "node:timers";
import type { Transport, TransportHandler } from "../../transport/transport.ts";
import {
  type Accept,
  AFTER_CLOSE_BYTES_MAX,
  BACKLOG,
  isSocketPath,
  labelOf,
  type Listener,
  ListenError,
  type ListenOptions,
  type PeerInfo,
  plainAddress,
} from "../endpoint.ts";

/** The part of Bun's socket that is used here. TCP_NODELAY is on from the start. */
export interface BunSocket {
  /** Ours; undefined where the peer was gone before it was accepted. */
  data: BunTransport | undefined;
  /** Undefined where the peer is gone. */
  readonly remoteAddress: string | undefined;
  readonly remotePort: number;
  /** Hands to the kernel as many bytes as it takes at once and keeps none; -1 once the socket is closed. */
  write(chunk: Uint8Array): number;
  pause(): void;
  resume(): void;
  /** Sends the end of the stream; reading goes on. */
  shutdown(): void;
  /** Closes the descriptor; the kernel still sends the bytes that it took. */
  end(): void;
  /** Resets the connection. */
  terminate(): void;
}

export interface BunHandlers {
  readonly binaryType: "uint8array";
  open(socket: BunSocket): void;
  data(socket: BunSocket, chunk: Uint8Array): void;
  drain(socket: BunSocket): void;
  end(socket: BunSocket): void;
  close(socket: BunSocket, error?: Error): void;
  error(socket: BunSocket, error: Error): void;
}

interface BunSlice {
  listen(
    options: BunAddress & {
      readonly allowHalfOpen: true;
      readonly reusePort?: boolean;
      readonly socket: BunHandlers;
    },
  ): { readonly hostname: string; readonly port: number; readonly fd: number; stop(force: boolean): void };
  connect(
    options: BunAddress & { readonly allowHalfOpen: true; readonly socket: BunHandlers },
  ): Promise<BunSocket>;
}

type BunAddress = { readonly hostname: string; readonly port: number } | { readonly unix: string };

function bunAddress(host: string, port: number): BunAddress {
  return isSocketPath(host) ? { unix: host } : { hostname: host, port };
}

const { Bun: bun, process } = globalThis as unknown as { Bun: BunSlice; process: ProcessSlice };

/** One connection, with TLS or without. Holds no buffer: the kernel takes the bytes that are written or leaves them with the caller. */
export class BunTransport implements Transport {
  readonly #socket: BunSocket;
  readonly #peer: PeerInfo;
  #handler: TransportHandler | undefined;
  /** A `write()` was short: `drained()` is owed. */
  #short = false;
  #closing = false;
  /** Bytes that came since. */
  #discarded = 0;
  /** `closed()` was called or is about to be. */
  #over = false;
  /** Inside a call to the socket: events that it raises meanwhile wait until the call is over. */
  #calling = false;
  #failure: Error | undefined;

  constructor(socket: BunSocket, peer: PeerInfo) {
    this.#socket = socket;
    this.#peer = peer;
  }

  get label(): string {
    return labelOf(this.#peer);
  }

  get started(): boolean {
    return this.#handler !== undefined;
  }

  start(handler: TransportHandler): void {
    this.#handler = handler;
    if (this.#over) queueMicrotask(() => this.#tell());
    else this.#socket.resume();
  }

  write(chunk: Uint8Array): number {
    if (this.#closing || this.#over) return 0;
    this.#calling = true;
    const taken = this.#socket.write(chunk);
    this.#calling = false;
    if (taken < chunk.length) this.#short = true;
    return taken < 0 ? 0 : taken;
  }

  pause(): void {
    if (!this.#closing && !this.#over) this.#socket.pause();
  }

  resume(): void {
    if (!this.#over) this.#socket.resume();
  }

  close(): void {
    if (this.#closing || this.#over) return;
    this.#closing = true;
    this.#short = false;
    this.#calling = true;
    this.#socket.resume();
    this.#socket.shutdown();
    this.#calling = false;
  }

  abort(): void {
    if (this.#over) return;
    this.#calling = true;
    this.#socket.terminate();
    this.#calling = false;
  }

  received(chunk: Uint8Array): void {
    if (this.#over) return;
    if (!this.#closing) return this.#handler?.received(chunk);
    this.#discarded += chunk.length;
    if (this.#discarded > AFTER_CLOSE_BYTES_MAX) this.abort();
  }

  /** Bun raises this event also without need. */
  drained(): void {
    if (!this.#short || this.#over) return;
    this.#short = false;
    this.#handler?.drained();
  }

  /** The peer ended its half. Answers to this turn's last bytes still go out, then our half ends too. */
  ended(): void {
    setImmediate(() => {
      if (this.#over) return;
      this.closed(undefined);
      this.#socket.end();
    });
  }

  failed(error: Error): void {
    this.#failure = error;
    this.abort();
  }

  closed(error: Error | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#failure ??= error;
    if (this.#handler === undefined) return;
    if (this.#calling) queueMicrotask(() => this.#tell());
    else this.#tell();
  }

  #tell(): void {
    if (this.#failure === undefined) this.#handler?.closed();
    else this.#handler?.closed(this.#failure);
  }
}

/** One object for all sockets of a listener, and one for all sockets that we dial. */
export function handlers(opened: (socket: BunSocket) => void, isUnix = false): BunHandlers {
  return {
    binaryType: "uint8array",
    open(socket: BunSocket): void {
      if (socket.remoteAddress === undefined && !isUnix) { // reset before it was accepted: `close` follows
        socket.terminate();
        return;
      }
      opened(socket);
      // A transport that is started later must not miss bytes that arrive until then.
      if (!socket.data?.started) socket.pause();
    },
    data: (socket, chunk) => socket.data?.received(chunk),
    drain: (socket) => socket.data?.drained(),
    end: (socket) => socket.data?.ended(),
    close: (socket, error) => socket.data?.closed(error),
    // An exception out of one of the above; it is our fault and ends this connection only.
    error: (socket, error) => socket.data?.failed(error),
  };
}

/** The peer of a socket. */
export function peerOf({ remoteAddress, remotePort }: BunSocket, transport: "tcp" | "tls"): PeerInfo {
  return { address: plainAddress(remoteAddress ?? ""), port: remotePort, transport };
}

/** Opens a TCP listener; rejects with a `ListenError`. */
// deno-lint-ignore require-await
export async function listenTcp(options: ListenOptions, accept: Accept): Promise<Listener> {
  const { host, port, reusePort = false } = options;
  const isUnix = isSocketPath(host);
  const socket = handlers((opened) => {
    const peer: PeerInfo = isUnix ? { address: host, port: 0, transport: "unix" } : peerOf(opened, "tcp");
    accept(opened.data = new BunTransport(opened, peer), peer);
  }, isUnix);
  let listener: ReturnType<BunSlice["listen"]>;
  try {
    const address = bunAddress(host, port);
    listener = bun.listen({ ...address, allowHalfOpen: true, ...reusePort && { reusePort }, socket });
  } catch (error) {
    throw new ListenError(options, error);
  }
  lengthenQueue(listener.fd, options.backlog ?? BACKLOG);
  return {
    host,
    port: isUnix ? 0 : listener.port,
    // deno-lint-ignore require-await
    close: async () => listener.stop(false),
  };
}

/** Of sockets that we dial. */
const DIALLED = /* @__PURE__ */ handlers((opened) => {
  opened.data = new BunTransport(opened, peerOf(opened, "tcp"));
});

/** Connects, by a Unix socket if the host is its path; rejects with the system's error. */
export async function dialTcp(
  { host, port }: { readonly host: string; readonly port: number },
): Promise<Transport> {
  const socket = isSocketPath(host)
    ? handlers((opened) => {
      opened.data = new BunTransport(opened, { address: host, port: 0, transport: "unix" });
    }, true)
    : DIALLED;
  const { data } = await bun.connect({ ...bunAddress(host, port), allowHalfOpen: true, socket });
  if (data === undefined) {
    throw Object.assign(new Error("The connection was reset at once"), { code: "ECONNRESET" });
  }
  return data;
}

/**
 * Bun 1.4 listens with a queue of 512 and ignores `backlog`, in `Bun.listen` and in `node:net`. A second listen(2) on the
 * same descriptor changes the length. Where that cannot be done the 512 remain.
 */
export function lengthenQueue(descriptor: number, backlog: number): void {
  const library = LIBRARIES[process.platform];
  if (library === undefined || descriptor < 0) return;
  try {
    const { symbols, close } = process.getBuiltinModule("bun:ffi").dlopen(library, {
      listen: { args: ["i32", "i32"], returns: "i32" },
    });
    symbols.listen(descriptor, backlog);
    close();
  } catch { /* A libc by another name. */ }
}

/** `node:process` would do as well, but bundlers for browsers, which look at this file too, know it by other exports. */
interface ProcessSlice {
  readonly platform: string;
  getBuiltinModule(name: "bun:ffi"): FfiSlice;
}

interface FfiSlice {
  dlopen(
    library: string,
    symbols: { readonly listen: { readonly args: readonly string[]; readonly returns: string } },
  ): { readonly symbols: { listen(descriptor: number, backlog: number): number }; close(): void };
}

const LIBRARIES: Readonly<Record<string, string>> = { linux: "libc.so.6", darwin: "libSystem.B.dylib" };
