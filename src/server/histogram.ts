/**
 * How often something took how long.
 * Knows times and buckets; refuses to know what is timed.
 * @module
 */

/** The bound of the first bucket: µs. */
const FIRST_US = 10;
/** Buckets with a bound; each bound is twice the one before: 10 µs to 5.24 s. */
const BOUNDED = 20;

/** The bounds of all histograms: s. A time that is a bound counts as below it. */
export const BUCKET_BOUNDS: readonly number[] = Array.from(
  { length: BOUNDED },
  (_, i) => FIRST_US * 2 ** i / 1e6,
);

/** A histogram at one moment. */
export interface HistogramStats {
  /** How often: in the bucket of each of `BUCKET_BOUNDS`, and above the last one. */
  readonly counts: readonly number[];
  /** All times together: s. */
  readonly sum: number;
}

/** Counts of one kind of times. */
export class Histogram {
  readonly #counts: Float64Array = new Float64Array(BOUNDED + 1);
  /** ms. */
  #sum = 0;

  /** Something took so many ms; `times` things did. */
  add(ms: number, times = 1): void {
    const firsts = ms * 1_000 / FIRST_US;
    const bucket = firsts <= 1 ? 0 : firsts > 2 ** BOUNDED ? BOUNDED : 32 - Math.clz32(Math.ceil(firsts) - 1);
    this.#counts[bucket]! += times;
    this.#sum += ms * times;
  }

  /** The counts at present. */
  get stats(): HistogramStats {
    return { counts: [...this.#counts], sum: this.#sum / 1_000 };
  }
}
