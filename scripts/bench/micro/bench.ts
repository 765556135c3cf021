/**
 * What a micro-benchmark is, and where results go so that no compiler leaves out the work behind them.
 * Knows the shape; refuses to know what is measured, and how.
 * @module
 */

/** Something that can be done many times. */
export interface Bench {
  /** How many are done together; 1 if it is not said. */
  readonly together?: number;
  /** Does it `times` times, a multiple of `together`, all of that timed. Returns a number that could not be known without doing it. */
  run(times: number): number;
  /** Between two runs, untimed: makes ready for the next one; throws if the last has not done what it should. */
  reset?(): void;
  /** How often it can be done between two resets; without it, as often as one likes. */
  readonly most?: number;
}

/** A benchmark that is made when its turn has come. */
export interface MicroCase {
  /** `group/what`, stable: figures are compared by it. */
  readonly name: string;
  make(): Bench;
  /** What it is compared with: the two are run in turn. */
  base?(): Bench;
}

/** Whatever is put in here might be read by somebody. */
export const sink: { value: unknown } = { value: undefined };

/** Throws unless it holds; a benchmark that does something else than it says is worse than none. */
export function must(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`The benchmark does not do what it says: ${what}`);
}
