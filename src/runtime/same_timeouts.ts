/**
 * Timeouts of one length: one timer for all of them, since thousands may wait at once and nearly all are let go before their time.
 * Knows their order; refuses to know what is waited for.
 * @module
 */
import { setTimeout } from "node:timers";

/** Something that has its time. */
export interface Waiting {
  /** Its time is over, and it is no longer known. */
  timedOut(): void;
}

/** All that wait for the same time, the first to be over at the front. They keep no process alive. */
class SameTimeouts {
  readonly #ms: number;
  /** With the time of each, of `performance.now()`. */
  readonly #waiting = new Map<Waiting, number>();
  #isArmed = false;

  constructor(ms: number) {
    this.#ms = ms;
  }

  add(one: Waiting): void {
    this.#waiting.set(one, performance.now() + this.#ms);
    if (!this.#isArmed) this.#arm(this.#ms);
  }

  delete(one: Waiting): void {
    this.#waiting.delete(one);
  }

  #arm(ms: number): void {
    this.#isArmed = true;
    setTimeout(this.#due, ms).unref();
  }

  readonly #due = (): void => {
    this.#isArmed = false;
    const now = performance.now();
    for (const [one, at] of this.#waiting) {
      if (at > now) return this.#arm(at - now);
      this.#waiting.delete(one);
      one.timedOut();
    }
  };
}

/** By their length, ms: as many as there are settings of it. */
const all = new Map<number, SameTimeouts>();

/** What calls `timedOut()` of each that is added and not deleted within `ms`. */
export function sameTimeouts(ms: number): Pick<SameTimeouts, "add" | "delete"> {
  let found = all.get(ms);
  if (found === undefined) all.set(ms, found = new SameTimeouts(ms));
  return found;
}
