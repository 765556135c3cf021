/**
 * Answers that come when the test says so, and whose consequences follow at once.
 * Knows the two callbacks of a promise; refuses to know who waits.
 * @module
 */

/** Not a promise: what follows from it follows at once, in the call that ends it. `begin` is called with the first listener. */
export function byHand<T>(
  begin: (done: (value: T) => void, failed: (error: Error) => void) => void,
): Promise<T> {
  type Listener = (end: { readonly value: T } | { readonly error: Error }) => void;
  const listeners: Listener[] = [];
  let ended: Parameters<Listener>[0] | undefined;
  const end = (how: Parameters<Listener>[0]): void => {
    ended = how;
    for (const listener of listeners) listener(how);
  };
  const then = (done?: (value: T) => void, failed?: (error: Error) => void): void => {
    const listener: Listener = (how) => "error" in how ? failed?.(how.error) : done?.(how.value);
    listeners.push(listener);
    if (ended !== undefined) listener(ended);
    else if (listeners.length === 1) begin((value) => end({ value }), (error) => end({ error }));
  };
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
