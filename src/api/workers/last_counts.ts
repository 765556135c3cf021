/**
 * What each worker said last of its counts, so that those of the broker never fall when a worker is away, or was started again.
 * Knows counts; refuses to know who asks for them.
 * @module
 */
import { countsOf, sumOf } from "./sum.ts";

/** What one worker has counted. */
interface Counts {
  /** When its process was started. */
  since: number;
  last: object;
  /** Of its processes that have ended, together. */
  ended: object | undefined;
}

/** Of all other workers. */
export class LastCounts {
  readonly #by: Map<number, Counts> = new Map();

  /** A worker has said this. */
  took(worker: number, since: number, figures: object): void {
    const before = this.#by.get(worker);
    const last = countsOf(figures);
    if (before === undefined) return void this.#by.set(worker, { since, last, ended: undefined });
    if (before.since !== since) {
      before.ended = sumOf([before.last, ...before.ended === undefined ? [] : [before.ended]]);
      before.since = since;
    }
    before.last = last;
  }

  /** What counts besides what workers have just said; all of those that are `missing`. */
  besides(missing: readonly number[]): object[] {
    return [...this.#by].flatMap(([worker, { last, ended }]) => [
      ...ended === undefined ? [] : [ended],
      ...missing.includes(worker) ? [last] : [],
    ]);
  }
}
