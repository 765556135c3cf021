/**
 * §4.2 Network Connections over TCP on Deno, by `Deno.listen` and `Deno.connect`.
 * Knows Deno's connections; refuses to know the meaning of the bytes. Why not `node:net`: spec/decisions/0011-tcp-per-runtime.md
 * @module
 */
import { setImmediate, setTimeout } from "node:timers";
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
  systemCode,
} from "../endpoint.ts";
import { ChunkPool } from "../chunk_pool.ts";
import { endsReadTurn, inNextTurn, type TurnReader } from "../read_turns.ts";

/** The part of Deno's connection that is used here. */
interface DenoConn {
  readonly remoteAddr: { readonly hostname: string; readonly port: number };
  read(buffer: Uint8Array): Promise<number | null>;
  write(chunk: Uint8Array): Promise<number>;
  closeWrite(): Promise<void>;
  close(): void;
  setNoDelay(on: boolean): void;
}

interface DenoListener {
  /** Without a port for a Unix socket. */
  readonly addr: { readonly port?: number };
  accept(): Promise<DenoConn>;
  close(): void;
}

interface DenoSlice {
  listen(options: DenoAddress & { tcpBacklog: number; reusePort?: boolean }): DenoListener;
  connect(options: DenoAddress): Promise<DenoConn>;
}

type DenoAddress = { hostname: string; port: number } | { transport: "unix"; path: string };

function denoAddress(host: string, port: number): DenoAddress {
  return isSocketPath(host) ? { transport: "unix", path: host } : { hostname: host, port };
}

const deno: DenoSlice = (globalThis as unknown as { Deno: DenoSlice }).Deno;

/**
 * A read that waits owns its buffer, so an idle connection waits with a small one. A small one that comes back full
 * says that there is more: the next read has a large one, borrowed until it no longer fills.
 */
const IDLE_READ_BYTES = 1024;
/** Measured: the resource, the read that waits and its promises. */
const CONNECTION_BYTES = 9 * 1024;
const READS = new ChunkPool(64 * 1024, 64);
/**
 * `write()` copies into one of these, since the bytes must stay as they are until Deno's promise is kept. Twice as large ones
 * cost a fan-out a quarter more: each write under way has its own, and together they outgrow the processor's cache.
 */
const SMALL_WRITES = new ChunkPool(4 * 1024, 1024);
const LARGE_WRITES = new ChunkPool(32 * 1024, 128);

function poolFor(bytes: number): ChunkPool {
  return bytes <= SMALL_WRITES.bytes ? SMALL_WRITES : LARGE_WRITES;
}

/**
 * So many writes are begun in one go, the next ones in the next round of the loop. Deno finishes about 128 writes while they are begun, and
 * their copies are free again before the next round. It lets the others wait, each with a copy that no cache holds, and reads in
 * between: a fan-out to thousands then goes out in many small portions.
 */
const BURST_WRITES = 100;
/** Beside them so many of the bytes of a few packets: an answer does not wait for the rounds of a fan-out. */
const BURST_ANSWERS = 20;
const ANSWER_BYTES = 512;

/** Transports that wait for a round, first in, first out. */
class Lane {
  #waiting: DenoTransport[] = [];
  #past = 0;

  get length(): number {
    return this.#waiting.length - this.#past;
  }

  push(transport: DenoTransport): void {
    this.#waiting.push(transport);
  }

  shift(): DenoTransport {
    const first = this.#waiting[this.#past++]!;
    if (this.length === 0) {
      this.#waiting = [];
      this.#past = 0;
    }
    return first;
  }
}

/** Counts the writes that begin, and keeps the transports that must wait for the next round. */
class Bursts {
  #begun = 0;
  #answers = 0;
  readonly #waiting = new Lane();
  /** Those with little to write. They go first, and leave half of a round to the others. */
  readonly #brief = new Lane();

  /** Whether a write of so many bytes may begin now; if not, `transport.drained()` is called when it may. */
  begin(transport: DenoTransport, bytes: number): boolean {
    if (this.#begun < BURST_WRITES) {
      if (++this.#begun === BURST_WRITES) this.#goOnSoon();
      return true;
    }
    const isBrief = bytes <= ANSWER_BYTES;
    if (isBrief && this.#answers < BURST_ANSWERS) {
      this.#answers++;
      return true;
    }
    (isBrief ? this.#brief : this.#waiting).push(transport);
    return false;
  }

  #goOnSoon(): void {
    if (this.#waiting.length === 0) setImmediate(this.#next);
    else inNextTurn(this.#next); // a long burst: sockets are looked at meanwhile
  }

  readonly #next = (): void => {
    this.#begun = this.#answers = 0;
    this.#drain(this.#brief, BURST_WRITES / 2);
    this.#drain(this.#waiting, BURST_WRITES);
    this.#drain(this.#brief, BURST_WRITES);
  };

  #drain(lane: Lane, most: number): void {
    while (this.#begun < most && lane.length > 0) lane.shift().drained();
  }
}

const BURSTS = new Bursts();

/** One connection: at most one read and one write under way. */
class DenoTransport implements Transport, TurnReader {
  readonly memoryBytes: number = CONNECTION_BYTES;
  readonly #conn: DenoConn;
  readonly #peer: PeerInfo;
  #handler!: TransportHandler;
  /** The buffer of the write under way. */
  #sending: Uint8Array | undefined;
  /** How many of its bytes are sent, and how many are to be. */
  #sent = 0;
  #sendable = 0;
  /** A `write()` was short: the handler's `drained()` is owed. */
  #short = false;
  #paused = false;
  #small!: Uint8Array;
  /** The buffer of the read under way. */
  #reading!: Uint8Array;
  /** The buffer of the next read, while it is not begun because of `pause()` or because the loop has to turn. */
  #waiting: Uint8Array | undefined;
  #closing = false;
  /** Bytes that came since. */
  #discarded = 0;
  /** Nothing can be sent or received any more. */
  #dead = false;
  #failure: Error | undefined;

  constructor(conn: DenoConn, peer: PeerInfo) {
    this.#conn = conn;
    this.#peer = peer;
  }

  get label(): string {
    return labelOf(this.#peer);
  }

  start(handler: TransportHandler): void {
    this.#handler = handler;
    this.#read(this.#small = new Uint8Array(IDLE_READ_BYTES));
  }

  write(chunk: Uint8Array): number {
    if (this.#closing || this.#dead) return 0;
    if (this.#sending !== undefined || this.#short || !BURSTS.begin(this, chunk.length)) {
      this.#short = true;
      return 0;
    }
    const copy = poolFor(chunk.length).take();
    const taken = Math.min(chunk.length, copy.length);
    copy.set(taken < chunk.length ? chunk.subarray(0, taken) : chunk);
    if (taken < chunk.length) this.#short = true;
    this.#sending = copy;
    this.#sent = 0;
    this.#sendable = taken;
    this.#send();
    return taken;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#readOn();
  }

  close(): void {
    if (this.#closing || this.#dead) return;
    this.#closing = true;
    this.#short = false;
    this.#readOn();
    if (this.#sending === undefined) this.#endOurHalf();
  }

  abort(): void {
    this.#kill();
  }

  readInTurn(): void {
    if (!this.#paused || this.#closing) this.#readOn();
  }

  /** Not an async function: one that waits for its whole life would cost each idle connection half a KiB. */
  #read(buffer: Uint8Array): void {
    this.#reading = buffer;
    this.#conn.read(buffer).then(this.#onRead, this.#onFailure);
  }

  #readOn(): void {
    const buffer = this.#waiting;
    this.#waiting = undefined;
    if (buffer !== undefined) this.#read(buffer);
  }

  readonly #onRead = (length: number | null): void => {
    const buffer = this.#reading;
    const full = length === buffer.length;
    if (length === null || this.#dead) {
      if (buffer !== this.#small) READS.give(buffer);
      // The peer ended its half. Answers to this turn's last bytes still go out, then our half ends too.
      if (this.#closing || this.#dead) this.#over();
      else setImmediate(() => this.#ended());
      return;
    }
    if (!this.#closing) {
      try {
        this.#handler.received(full ? buffer : buffer.subarray(0, length));
      } catch (error) {
        this.#failure ??= asError(error);
        return this.#over();
      }
    } else if ((this.#discarded += length) > AFTER_CLOSE_BYTES_MAX) this.#kill();
    let next = buffer;
    if (!full && buffer !== this.#small) {
      READS.give(buffer);
      next = this.#small;
    } else if (full && buffer === this.#small) next = READS.take();
    if (this.#dead) return this.#read(next); // it fails, which is the end
    // After our close() all that arrives is read, paused or not, and thrown away.
    if (endsReadTurn(length, full, this) || (this.#paused && !this.#closing)) this.#waiting = next;
    else this.#read(next);
  };

  /** The peer's half is over: ours ends when the last answer has begun to be written. */
  #ended(): void {
    if (this.#short && this.#sending === undefined && !this.#dead) setImmediate(() => this.#ended());
    else this.#over();
  }

  readonly #onFailure = (error: unknown): void => {
    // After our own abort() the read fails too, which is no news.
    if (!this.#dead) this.#failure ??= asError(error);
    if (this.#reading !== this.#small) READS.give(this.#reading);
    this.#over();
  };

  /** Nothing more is read: the last call of the handler. */
  #over(): void {
    this.#kill();
    if (this.#failure === undefined) this.#handler.closed();
    else this.#handler.closed(this.#failure);
  }

  #send(): void {
    this.#conn.write(this.#sending!.subarray(this.#sent, this.#sendable)).then(
      this.#onWritten,
      this.#onUnwritten,
    );
  }

  readonly #onWritten = (length: number): void => {
    this.#sent += length;
    if (this.#sent < this.#sendable) return this.#send();
    this.#release();
    if (this.#dead) return;
    if (this.#closing) return this.#endOurHalf();
    this.drained();
  };

  /** Tells the handler that there is room, if that is owed. */
  drained(): void {
    if (!this.#short || this.#dead || this.#sending !== undefined) return;
    this.#short = false;
    try {
      this.#handler.drained();
    } catch (error) {
      this.#failure ??= asError(error);
      this.#kill();
    }
  }

  readonly #onUnwritten = (error: unknown): void => {
    if (!this.#dead) this.#failure ??= asError(error);
    this.#release();
    // The reader may be paused and would never learn of it.
    this.#kill();
  };

  #release(): void {
    const copy = this.#sending!;
    this.#sending = undefined;
    poolFor(copy.length).give(copy);
  }

  #endOurHalf(): void {
    // It fails when the peer has reset the connection, which the reader learns as well.
    this.#conn.closeWrite().catch(() => {});
  }

  /** Ends both halves; the reader then comes to its end, also in the middle of a wait. */
  #kill(): void {
    if (this.#dead) return;
    this.#dead = true;
    close(this.#conn);
    this.#readOn();
  }
}

/** Opens a TCP listener; rejects with a `ListenError`. */
// deno-lint-ignore require-await
export async function listenTcp(options: ListenOptions, accept: Accept): Promise<Listener> {
  const { host, port, backlog: tcpBacklog = BACKLOG, reusePort = false } = options;
  let listener: DenoListener;
  try {
    listener = deno.listen({ ...denoAddress(host, port), tcpBacklog, ...reusePort && { reusePort } });
  } catch (error) {
    throw new ListenError(options, error);
  }
  let open = true;
  const accepting = acceptAll(listener, options, accept, () => open);
  return {
    host,
    port: listener.addr.port ?? 0,
    close(): Promise<void> {
      if (open) close(listener);
      open = false;
      return accepting;
    },
  };
}

/** Connects, by a Unix socket if the host is its path; rejects with the system's error. */
export async function dialTcp(
  { host, port }: { readonly host: string; readonly port: number },
): Promise<Transport> {
  return transportOf(await deno.connect(denoAddress(host, port)), host).transport;
}

/** `host` as it was listened on, or called. */
function transportOf(conn: DenoConn, host: string): { transport: Transport; peer: PeerInfo } {
  const { hostname, port } = conn.remoteAddr;
  const peer: PeerInfo = isSocketPath(host)
    ? { address: host, port: 0, transport: "unix" }
    : { address: plainAddress(hostname), port, transport: "tcp" };
  if (peer.transport === "tcp") conn.setNoDelay(true);
  return { transport: new DenoTransport(conn, peer), peer };
}

/** Descriptors or memory ran out: trying again at once would only spin. */
const SHORTAGES: readonly string[] = ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"];
const SHORTAGE_WAIT_MS = 100;

/**
 * Connections that are accepted before the loop has to turn. An accept that finds one waiting resolves at once: a queue of thousands would
 * be accepted before any other socket is read. Much less than the 128 operations of a round of Deno's, which the others need too.
 */
const TURN_ACCEPTS = 32;

/** Accepts until the listener is closed. Never rejects: no single connection may end it. */
async function acceptAll(
  listener: DenoListener,
  options: ListenOptions,
  accept: Accept,
  open: () => boolean,
): Promise<void> {
  let short = false;
  for (let accepts = 1;; accepts++) {
    let conn: DenoConn;
    try {
      if (accepts % TURN_ACCEPTS === 0) await new Promise<void>(inNextTurn);
      conn = await listener.accept();
    } catch (error) {
      if (!open()) return;
      // Anything else is the peer's: a connection that was reset before it was accepted, say.
      if (!SHORTAGES.includes(systemCode(error))) continue;
      if (!short) options.troubled?.(asError(error));
      short = true;
      await new Promise((resolve) => setTimeout(resolve, SHORTAGE_WAIT_MS));
      continue;
    }
    short = false;
    try {
      const { transport, peer } = transportOf(conn, options.host);
      accept(transport, peer);
    } catch (error) {
      close(conn);
      options.troubled?.(asError(error));
    }
  }
}

/** Closes a resource that may be closed already, to which Deno responds with an exception. */
function close(resource: { close(): void }): void {
  try {
    resource.close();
  } catch { /* It is closed. */ }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
