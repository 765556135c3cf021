/**
 * Answers that come when the test says so, and whose consequences follow at once.
 * Knows the two callbacks of a promise; refuses to know who waits.
 * @module
 */

/** Not a promise: what follows from it follows at once, in the call that ends it. */
export function byHand<T>(
  then: (done: (value: T) => void, failed: (error: Error) => void) => void,
): Promise<T> {
  return { then } as unknown as Promise<T>;
}

/** A question that waits for the test. */
export class Hand<T> {
  readonly later: Promise<T>;
  #done: (value: T) => void = () => {};
  #failed: (error: Error) => void = () => {};

  constructor() {
    this.later = byHand((done, failed) => {
      this.#done = done;
      this.#failed = failed;
    });
  }

  /** Answers, as often as the test wants. */
  answer(value: T): void {
    this.#done(value);
  }

  /** Fails in place of an answer. */
  fail(error: Error): void {
    this.#failed(error);
  }
}
