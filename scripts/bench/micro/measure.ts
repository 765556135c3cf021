/**
 * Nanoseconds and bytes of one operation, from many short repetitions.
 * Knows clocks, warming up and the heap's counters; refuses to know what is done.
 * @module
 */
import process from "node:process";
import { least, median } from "../statistics.ts";
import type { Bench } from "./bench.ts";

/** How long to look. */
export interface Effort {
  /** Before anything counts: the compilers' turn. */
  readonly warmUpMs: number;
  /** For all that counts. */
  readonly measureMs: number;
  /** For one repetition: short, so that many of them are not interrupted. */
  readonly repetitionMs: number;
}

/** What is usual. */
export const EFFORT: Effort = { warmUpMs: 100, measureMs: 150, repetitionMs: 1.5 };

/** What one operation costs. */
export interface Figures {
  /** The fastest repetition. */
  readonly nsMin: number;
  /** The one in the middle. */
  readonly nsMedian: number;
  /** `nsMin` as a multiple of its base's, which is run in turn with it; absent without one. */
  readonly ratio?: number;
  /** Bytes it takes from the heap, and for buffers outside of it; undefined where the runtime does not tell. */
  readonly heapBytes: number | undefined;
  readonly bufferBytes: number | undefined;
  /** Repetitions that counted. */
  readonly repetitions: number;
  /** What the runs returned: proof that they ran. */
  readonly checksum: number;
}

/** Nothing that does something is faster: below it the work has been left out. */
const NS_LEAST = 0.25;
const REPETITIONS_LEAST = 15;
const REPETITIONS_MOST = 400;

/** Measures, and beside it its base, if it has one; throws for a result that cannot be right. */
export function measure(bench: Bench, effort: Effort = EFFORT, base?: Bench): Figures {
  const subject = new Subject(bench, effort);
  const other = base && new Subject(base, effort);
  const each: number[] = [];
  const eachOfBase: number[] = [];
  const end = performance.now() + effort.measureMs * (other === undefined ? 1 : 2);
  while (each.length < REPETITIONS_MOST && (each.length < REPETITIONS_LEAST || performance.now() < end)) {
    each.push(subject.repeat());
    if (other !== undefined) eachOfBase.push(other.repeat());
  }
  const nsMin = least(each);
  if (!(nsMin >= NS_LEAST)) throw new Error(`${nsMin} ns is no time: the work has been left out`);
  const bytes = allocated(bench, bench.most);
  bench.reset?.();
  return {
    nsMin,
    nsMedian: median(each),
    ...(other !== undefined && { ratio: nsMin / least(eachOfBase) }),
    heapBytes: bytes?.heap,
    bufferBytes: bytes?.buffers,
    repetitions: each.length,
    checksum: subject.checksum,
  };
}

/** A benchmark that is warm, and how often it is done in one repetition. */
class Subject {
  /** Of what its runs have returned. */
  checksum = 0;
  readonly #bench: Bench;
  #times: number;

  constructor(bench: Bench, { warmUpMs, repetitionMs }: Effort) {
    this.#bench = bench;
    const { most = 1e7, together = 1 } = bench;
    this.#times = together;
    for (const end = performance.now() + warmUpMs; performance.now() < end;) {
      const ms = this.repeat() * this.#times / 1e6;
      if (ms < repetitionMs / 2) this.#times = Math.min(this.#times * 2, most);
      else if (ms > repetitionMs * 2) this.#times = Math.max(together, this.#times >> 1);
    }
  }

  /** Nanoseconds of one operation. */
  repeat(): number {
    this.#bench.reset?.();
    const began = performance.now();
    const result = this.#bench.run(this.#times);
    const ms = performance.now() - began;
    if (!Number.isFinite(result)) throw new Error("A run returns no number");
    this.checksum = (this.checksum + result) % 1_000_003;
    return ms * 1e6 / this.#times;
  }
}

interface Bytes {
  readonly heap: number;
  readonly buffers: number;
}

/** Bytes that one operation allocates; undefined where that cannot be known. */
export function allocated(bench: Bench, most = 1e7): Bytes | undefined {
  if (!heapIsCounted()) return undefined;
  const { together = 1 } = bench;
  const first = grownBy(bench, together);
  const guess = Math.max(1, first.heap, first.buffers);
  const times = together * Math.max(1, Math.min(most / together, 1_000, Math.floor(YOUNG_BYTES / guess)));
  const all: Bytes[] = [];
  for (let i = 0; i < ALLOCATIONS; i++) {
    const bytes = grownBy(bench, times);
    if (bytes.heap >= -NOISE_BYTES && bytes.buffers >= 0) all.push(bytes);
  }
  if (all.length <= ALLOCATIONS / 2) return undefined;
  return {
    heap: Math.round(Math.max(0, median(all.map(({ heap }) => heap))) / times),
    buffers: Math.round(median(all.map(({ buffers }) => buffers)) / times),
  };
}

/** So little is seldom interrupted by a collection, which shows as less than nothing or is the odd one out. */
const YOUNG_BYTES = 128 * 1024;
const ALLOCATIONS = 5;
/** What asking costs is not always the same. */
const NOISE_BYTES = 1_024;

function grownBy(bench: Bench, times: number): Bytes {
  bench.reset?.();
  collectGarbage();
  collectGarbage(); // the first one frees buffers while we go on, the second waits for that
  const before = process.memoryUsage();
  const between = process.memoryUsage();
  bench.run(times);
  const after = process.memoryUsage();
  const own = between.heapUsed - before.heapUsed; // asking costs too
  return { heap: after.heapUsed - between.heapUsed - own, buffers: after.external - between.external };
}

/** Whether there is a way to collect garbage now. */
export function collectGarbage(): boolean {
  const { gc, Bun } = globalThis as unknown as { gc?: () => void; Bun?: { gc(force: boolean): void } };
  if (Bun !== undefined) Bun.gc(true);
  else if (gc !== undefined) gc();
  else return false;
  return true;
}

let counted: boolean | undefined;

/** Whether the runtime's counter goes up with each object, as V8's does; JavaScriptCore's waits for a collection. */
export function heapIsCounted(): boolean {
  counted ??= (() => {
    if (!collectGarbage()) return false;
    let held: unknown;
    const objects = 1_000;
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < objects; i++) held = { a: i, b: held === undefined };
    return held !== undefined && process.memoryUsage().heapUsed - before >= objects * 16;
  })();
  return counted;
}
