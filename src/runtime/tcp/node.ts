/**
 * §4.2 Network Connections over TCP on Node, by `node:net`.
 * Knows Node's sockets; refuses to know the meaning of the bytes. How its bytes are read and written: spec/decisions/0035-node-third-runtime.md
 * @module
 */
import type { OnReadOpts, Server, Socket } from "node:net";
import { setImmediate } from "node:timers";
import type { Transport, TransportHandler } from "../../transport/transport.ts";
import { builtin } from "../builtin.ts";
import { ChunkPool } from "../chunk_pool.ts";
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
  systemCode,
} from "../endpoint.ts";

const net = builtin("node:net");
const { existsSync } = builtin("node:fs");

/**
 * `write()` copies into one of these: what the kernel does not take at once Node keeps, and sends later. When the kernel has taken all
 * of it, which is nearly always, the buffer is free again at once: a fan-out uses the same one for all its receivers.
 */
const WRITES = new ChunkPool(64 * 1024, 64);
/** Every connection reads into this one, whose bytes are the handler's only during its call: Node itself makes an array for each read. */
const READ = new Uint8Array(64 * 1024);
/** Its callback comes behind the bytes that were written before it. */
const NOTHING = new Uint8Array();

/** One connection, with at most one write under way. */
class NodeTransport implements Transport {
  readonly #socket: Socket;
  readonly #peer: PeerInfo;
  #handler: TransportHandler | undefined;
  /** The buffer of the write under way. */
  #sending: Uint8Array | undefined;
  /** A `write()` was short: `drained()` is owed. */
  #short = false;
  #paused = false;
  #closing = false;
  /** Bytes that came since. */
  #discarded = 0;
  /** Nothing can be sent or received any more. */
  #dead = false;
  /** The socket is closed, and `closed()` was called, or is to be called by `start()`. */
  #over = false;
  #failure: Error | undefined;

  /** The socket is paused, and was made with `reader.options`. */
  constructor(socket: Socket, reader: Reader, peer: PeerInfo) {
    this.#socket = socket;
    this.#peer = peer;
    reader.received = (chunk) => {
      this.#received(chunk);
      return !this.#paused; // `resume()` may begin to read a tick later, when there was a `pause()` meanwhile
    };
    // An error event without a listener would end the process.
    socket.on("error", (error) => this.#failed(error));
    socket.on("close", () => this.#closed());
  }

  get label(): string {
    return labelOf(this.#peer);
  }

  start(handler: TransportHandler): void {
    this.#handler = handler;
    if (this.#over) return queueMicrotask(() => this.#tell());
    this.#socket.on("end", () => this.#ended());
    this.#socket.resume();
  }

  write(chunk: Uint8Array): number {
    if (this.#closing || this.#dead) return 0;
    if (this.#sending !== undefined) {
      this.#short = true;
      return 0;
    }
    let taken = 0;
    while (taken < chunk.length && this.#sending === undefined) {
      const copy = WRITES.take();
      const piece = chunk.subarray(taken, taken + copy.length);
      copy.set(piece);
      taken += piece.length;
      this.#socket.write(copy.subarray(0, piece.length));
      if (this.#socket.writableLength === 0) WRITES.give(copy);
      else this.#sending = copy;
    }
    if (this.#sending !== undefined) this.#socket.write(NOTHING, this.#sent);
    if (taken < chunk.length) this.#short = true;
    return taken;
  }

  pause(): void {
    if (this.#closing || this.#dead) return;
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (this.#dead) return;
    this.#paused = false;
    this.#socket.resume();
  }

  close(): void {
    if (this.#closing || this.#dead) return;
    this.#closing = true;
    this.#short = false;
    this.#socket.end();
    this.resume();
  }

  abort(): void {
    if (this.#dead) return;
    this.#dead = true;
    // A reset frees at once what a peer that does not read has left in the kernel. A socket whose half has ended cannot be reset, nor
    // can one of a path.
    const isReset = this.#sending !== undefined && !this.#closing && this.#peer.transport === "tcp";
    if (isReset) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  #received(chunk: Uint8Array): void {
    if (this.#dead) return;
    if (this.#closing) {
      this.#discarded += chunk.length;
      if (this.#discarded > AFTER_CLOSE_BYTES_MAX) this.abort();
      return;
    }
    try {
      this.#handler!.received(chunk);
    } catch (error) {
      this.#broke(error);
    }
  }

  /** The peer ended its half. Answers to this turn's last bytes still go out, then our half ends too. */
  #ended(): void {
    setImmediate(() => {
      if (this.#dead) return;
      this.#closing = true;
      this.#socket.destroySoon();
    });
  }

  readonly #sent = (error?: Error | null): void => {
    const copy = this.#sending!;
    this.#sending = undefined;
    if (error) return; // Node may still have the buffer
    WRITES.give(copy);
    if (!this.#short || this.#closing || this.#dead) return;
    this.#short = false;
    try {
      this.#handler?.drained();
    } catch (error) {
      this.#broke(error);
    }
  };

  /** The handler threw: our fault, which ends this connection only. */
  #broke(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new Error(String(error));
    this.abort();
  }

  #failed(error: Error): void {
    if (this.#dead) return; // an error after our own abort() is not reported
    this.#failure ??= error;
    this.#dead = true;
  }

  #closed(): void {
    this.#dead = true;
    this.#over = true;
    if (this.#handler !== undefined) this.#tell();
  }

  #tell(): void {
    if (this.#failure === undefined) this.#handler!.closed();
    else this.#handler!.closed(this.#failure);
  }
}

/** Of one socket: has it read into `READ`. */
class Reader {
  /** False stops reading. */
  received: (chunk: Uint8Array) => boolean = () => false;
  readonly options: OnReadOpts = {
    buffer: READ,
    callback: (bytes) => this.received(READ.subarray(0, bytes)),
  };
}

/**
 * The socket of an accepted connection, made anew to have it read into `READ`, which `net.createServer()` cannot be told.
 * `handle` is the one part of `net.Socket` here that is not documented.
 */
function readInto(accepted: Socket, reader: Reader): Socket {
  const owner = accepted as unknown as { _handle: unknown };
  const handle = owner._handle;
  owner._handle = null; // it closes nothing any more
  const options = { handle, allowHalfOpen: true, pauseOnCreate: true, onread: reader.options };
  return new net.Socket(options as object);
}

/** Opens a TCP listener; rejects with a `ListenError`. The socket is open when it returns, but for a host that is a name. */
export function listenTcp(options: ListenOptions, accept: Accept): Promise<Listener> {
  const { host, port, backlog = BACKLOG, reusePort = false } = options;
  const isUnix = isSocketPath(host);
  const server = net.createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) => {
    const peer = isUnix ? unixPeer(host) : tcpPeer(socket);
    if (peer === undefined) { // reset before it was accepted
      socket.on("error", ignore).destroy();
      return;
    }
    const reader = new Reader();
    const transport = new NodeTransport(readInto(socket, reader), reader, peer);
    try {
      accept(transport, peer);
    } catch (error) {
      transport.abort();
      options.troubled?.(error as Error);
    }
  });
  return listening(server, options, isUnix ? { path: host, backlog } : { host, port, backlog, reusePort });
}

function listening(
  server: Server,
  options: ListenOptions,
  where: {
    readonly backlog: number;
    readonly host?: string;
    readonly port?: number;
    readonly path?: string;
    readonly reusePort?: boolean;
  },
): Promise<Listener> {
  const { host } = options;
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      // So Node says that the directory is not there.
      const isLost = isSocketPath(host) && systemCode(error) === "EACCES" &&
        !existsSync(host.replace(/\/[^/]*$/, "/"));
      if (isLost) Object.assign(error, { code: "ENOENT" });
      reject(new ListenError(options, error));
    });
    server.listen(where, () => {
      server.removeAllListeners("error").on("error", (error) => options.troubled?.(error));
      const address = server.address();
      resolve({
        host,
        port: typeof address === "object" && address !== null ? address.port : 0,
        // deno-lint-ignore require-await
        close: async () => void server.close(),
      });
    });
  });
}

/** Connects, by a Unix socket if the host is its path; rejects with the system's error. */
export function dialTcp(
  { host, port }: { readonly host: string; readonly port: number },
): Promise<Transport> {
  const isUnix = isSocketPath(host);
  const reader = new Reader();
  return new Promise((resolve, reject) => {
    const socket = net.connect({
      ...isUnix ? { path: host } : { host, port },
      allowHalfOpen: true,
      noDelay: true,
      onread: reader.options,
    } as object as { path: string });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.pause().off("error", reject);
      const peer = isUnix ? unixPeer(host) : tcpPeer(socket);
      if (peer !== undefined) return resolve(new NodeTransport(socket, reader, peer));
      socket.on("error", ignore).destroy();
      reject(Object.assign(new Error("The connection was reset at once"), { code: "ECONNRESET" }));
    });
  });
}

function unixPeer(path: string): PeerInfo {
  return { address: path, port: 0, transport: "unix" };
}

/** Undefined where the peer is gone. */
function tcpPeer({ remoteAddress, remotePort }: Socket): PeerInfo | undefined {
  if (remoteAddress === undefined) return undefined;
  return { address: plainAddress(remoteAddress), port: remotePort!, transport: "tcp" };
}

function ignore(): void {}
