/**
 * How often each duration came, in buckets that grow with the duration.
 * Knows counts; refuses to know what was measured.
 * @module
 */

/** Buckets for each doubling: a value is told to 1 part in 64. */
const PER_DOUBLING = 64;
/** Below this every value has a bucket of its own. */
const EXACT = 2 * PER_DOUBLING;
const SHIFT = 6;
/** Values are at most 2³² - 1, more than an hour in µs. */
const BUCKETS = EXACT + PER_DOUBLING * (32 - SHIFT - 1);
const LARGEST = 0xffff_ffff;

/** Counts whole µs from 0 to 2³² - 1. Larger values count as the largest. */
export class Histogram {
  readonly #counts: Float64Array;
  #count = 0;
  #largest = 0;

  /** `counts`: what `buffer` of another one gave. */
  constructor(counts?: ArrayBuffer) {
    this.#counts = counts === undefined ? new Float64Array(BUCKETS) : new Float64Array(counts).slice();
    if (counts === undefined) return;
    for (let i = 0; i < BUCKETS; i++) {
      if (this.#counts[i] === 0) continue;
      this.#count += this.#counts[i]!;
      this.#largest = highest(i);
    }
  }

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  /** µs, the largest, to within a bucket; 0 if there is none. */
  get largest(): number {
    return this.#largest;
  }

  /** The counts, to be sent to another thread. */
  get buffer(): ArrayBuffer {
    return this.#counts.slice().buffer as ArrayBuffer;
  }

  /** One more of `us`. */
  add(us: number): void {
    const value = us < 0 ? 0 : us > LARGEST ? LARGEST : us >>> 0;
    const bucket = bucketOf(value);
    this.#counts[bucket]!++;
    this.#count++;
    if (value > this.#largest) this.#largest = highest(bucket);
  }

  /** All that another one has counted. */
  addAll(other: Histogram): void {
    for (let i = 0; i < BUCKETS; i++) this.#counts[i]! += other.#counts[i]!;
    this.#count += other.#count;
    this.#largest = Math.max(this.#largest, other.#largest);
  }

  /** µs that a share of all (0 to 1) do not exceed, to within a bucket; 0 if there is none. */
  percentile(share: number): number {
    const wanted = Math.max(1, Math.ceil(share * this.#count));
    let seen = 0;
    for (let i = 0; i < BUCKETS; i++) {
      seen += this.#counts[i]!;
      if (seen >= wanted) return highest(i);
    }
    return 0;
  }

  /** The buckets that have something: the largest value of each in µs, and how many. */
  buckets(): (readonly [us: number, count: number])[] {
    const found: [number, number][] = [];
    this.#counts.forEach((count, i) => {
      if (count > 0) found.push([highest(i), count]);
    });
    return found;
  }
}

function bucketOf(value: number): number {
  if (value < EXACT) return value;
  const doublings = 31 - SHIFT - Math.clz32(value);
  return doublings * PER_DOUBLING + (value >>> doublings);
}

/** The largest value of a bucket. */
function highest(bucket: number): number {
  if (bucket < EXACT) return bucket;
  const doublings = Math.floor(bucket / PER_DOUBLING) - 1;
  return (bucket - doublings * PER_DOUBLING + 1) * 2 ** doublings - 1;
}
