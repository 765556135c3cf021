/**
 * Packets as they pass through all workers, in one stream.
 * Knows lines and the records of a capture file; refuses to know how packets are traced.
 * @module
 */
import type { TraceEnd } from "../../broker/mod.ts";
import { type Call, MISSING_HEADER, type Operation, Reply } from "../operation.ts";
import type { Asking } from "./asking.ts";

/** Bounds of a trace that says none, as those of the engine. */
const PACKETS = 1_000;
const BYTES = 1_048_576;
/** Pieces of a worker that wait for the reader; then the worker waits. */
const WAITING_MAX = 64;

/** One packet in a stream, or what stands before and behind all. */
interface Entry {
  /** With the number of its worker. */
  readonly bytes: Uint8Array;
  /** Packets that it counts for, and bytes of them; 0 for the handshake of a capture file. */
  readonly packets: number;
  readonly size: number;
}

/** Takes a stream apart. */
interface Splitter {
  /** Complete entries, behind the first one, which all streams have alike. */
  push(piece: Uint8Array): Entry[];
  readonly ended: TraceEnd | undefined;
}

/** All workers trace; what one has said first is not said again by the others. */
export async function traceAmong(asking: Asking, operation: Operation, call: Call): Promise<unknown> {
  const isPcap = call.given["format"] === "pcap";
  const asked = call.body as { readonly packets?: number; readonly bytes?: number };
  const stop = new AbortController();
  const gone = () => stop.abort();
  call.signal.addEventListener("abort", gone);
  if (call.signal.aborted) gone();
  const own = await operation.run({ ...call, signal: stop.signal }) as Reply;
  try {
    const streams = await Promise.all(asking.others.map(async (worker) => {
      const read = await asking.read(worker, operation, call, stop.signal);
      return read === undefined ? [] : [{ worker, pieces: read }];
    }));
    const all = [{ worker: asking.number, pieces: own.body as AsyncIterable<Uint8Array> }, ...streams.flat()];
    const { missing } = asking;
    const body = merged(all, asked, missing, isPcap, stop);
    return new Reply(ending(body, () => call.signal.removeEventListener("abort", gone)), {
      ...own.headers,
      ...missing.length > 0 && { [MISSING_HEADER]: missing.join(", ") },
    });
  } catch (error) {
    stop.abort();
    call.signal.removeEventListener("abort", gone);
    throw error;
  }
}

async function* ending(body: AsyncIterable<Uint8Array>, over: () => void): AsyncGenerator<Uint8Array, void> {
  try {
    yield* body;
  } finally {
    over();
  }
}

interface Stream {
  readonly worker: number;
  readonly pieces: AsyncIterable<Uint8Array>;
}

async function* merged(
  streams: readonly Stream[],
  { packets: most = PACKETS, bytes: mostBytes = BYTES }: {
    readonly packets?: number;
    readonly bytes?: number;
  },
  missing: readonly number[],
  isPcap: boolean,
  stop: AbortController,
): AsyncGenerator<Uint8Array, void> {
  const waiting: { readonly splitter: Splitter; readonly entries: Entry[] }[] = [];
  const splitters: Splitter[] = [];
  let open = streams.length;
  let wake = (): void => {};
  /** Of workers that wait until something is read. */
  const held: (() => void)[] = [];
  const room = (): void => held.splice(0).forEach((go) => go());
  let failed: { readonly error: unknown } | undefined;
  let isRead = true;
  /** The first entry of the own stream; then the others begin. */
  let first: Uint8Array | undefined;
  const pump = async ({ worker, pieces }: Stream, isOwn: boolean) => {
    const splitter = isPcap
      ? new Records((bytes) => isOwn && (first = bytes))
      : new JsonEntries(worker, (bytes) => isOwn && (first = bytes));
    splitters.push(splitter);
    try {
      for await (const piece of pieces) {
        waiting.push({ splitter, entries: splitter.push(piece) });
        wake();
        while (isRead && waiting.length > WAITING_MAX) {
          await new Promise<void>((resolve) => held.push(resolve));
        }
        if (!isRead) break;
      }
    } catch (error) {
      if (isOwn) failed = { error };
      else missing = [...missing, worker].sort((one, other) => one - other); // it has ended in the middle
    } finally {
      open--;
      wake();
    }
  };
  for (const [i, stream] of streams.entries()) void pump(stream, i === 0);
  let packets = 0;
  let bytes = 0;
  let isBegun = false;
  let bound: TraceEnd | undefined;
  try {
    for (;;) {
      if (failed !== undefined) throw failed.error;
      if (!isBegun && first !== undefined) {
        isBegun = true;
        yield first;
      }
      if (isBegun) {
        for (const { entries } of waiting.splice(0)) {
          for (const entry of entries) {
            if (bytes + entry.size > mostBytes) bound ??= "bytes";
            if (bound !== undefined) break;
            yield entry.bytes;
            bytes += entry.size;
            packets += entry.packets;
            if (packets >= most) bound = "packets";
          }
        }
        room();
        if (bound !== undefined || open === 0) break;
      }
      if (!isBegun || waiting.length === 0) await new Promise<void>((resolve) => wake = resolve);
    }
    if (isPcap) return;
    const why = bound ?? splitters.map(({ ended }) =>
      ended
    ).find((one) => one !== undefined && one !== "time") ?? "time";
    const said = { ended: why, packets, ...missing.length > 0 && { missing } };
    yield new TextEncoder().encode(`${JSON.stringify(said)}\n`);
  } finally {
    isRead = false;
    stop.abort();
    room();
  }
}

const LINE_FEED = 0x0a;

/** Lines of JSON, each with the number of its worker. */
class JsonEntries implements Splitter {
  readonly #worker: number;
  readonly #begun: (line: Uint8Array) => void;
  readonly #decoder: TextDecoder = new TextDecoder();
  readonly #encoder: TextEncoder = new TextEncoder();
  #rest: Uint8Array = new Uint8Array(0);
  ended: TraceEnd | undefined;

  constructor(worker: number, begun: (line: Uint8Array) => void) {
    this.#worker = worker;
    this.#begun = begun;
  }

  push(piece: Uint8Array): Entry[] {
    const all = joined(this.#rest, piece);
    const entries: Entry[] = [];
    let from = 0;
    for (let end; (end = all.indexOf(LINE_FEED, from)) >= 0; from = end + 1) {
      const text = this.#decoder.decode(all.subarray(from, end));
      const { begun, ended, bytes = 0, hiddenBytes = 0 } = JSON.parse(text) as {
        begun?: object;
        ended?: TraceEnd;
        bytes?: number;
        hiddenBytes?: number;
      };
      if (begun !== undefined) this.#begun(all.slice(from, end + 1));
      else if (ended !== undefined) this.ended = ended;
      else {
        const line = `${text.slice(0, -1)},"worker":${this.#worker}}\n`;
        entries.push({ bytes: this.#encoder.encode(line), packets: 1, size: bytes - hiddenBytes });
      }
    }
    this.#rest = all.slice(from);
    return entries;
  }
}

/** Bytes before the first record of a capture file, and before the packet of each. */
const FILE_HEADER = 24;
const RECORD_HEADER = 16;
const PUSH = 0x08;

/** Records of a capture file, as src/api/pcap.ts writes them: the last one of a packet has PSH. */
class Records implements Splitter {
  readonly #begun: (header: Uint8Array) => void;
  #rest: Uint8Array = new Uint8Array(0);
  #isBegun = false;
  readonly ended = undefined;

  constructor(begun: (header: Uint8Array) => void) {
    this.#begun = begun;
  }

  push(piece: Uint8Array): Entry[] {
    const all = joined(this.#rest, piece);
    const view = new DataView(all.buffer, all.byteOffset, all.length);
    const entries: Entry[] = [];
    let from = 0;
    if (!this.#isBegun && all.length >= FILE_HEADER) {
      this.#isBegun = true;
      this.#begun(all.slice(0, from = FILE_HEADER));
    }
    while (this.#isBegun && from + RECORD_HEADER <= all.length) {
      const length = view.getUint32(from + 8);
      const end = from + RECORD_HEADER + length;
      if (end > all.length) break;
      const tcp = all[from + RECORD_HEADER]! >> 4 === 4 ? 20 : 40;
      const isLast = (all[from + RECORD_HEADER + tcp + 13]! & PUSH) !== 0;
      entries.push({ bytes: all.slice(from, end), packets: isLast ? 1 : 0, size: length - tcp - 20 });
      from = end;
    }
    this.#rest = all.slice(from);
    return entries;
  }
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array {
  if (one.length === 0) return other;
  const all = new Uint8Array(one.length + other.length);
  all.set(one);
  all.set(other, one.length);
  return all;
}
