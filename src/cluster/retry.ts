/**
 * Tries again for a while.
 * Knows when the next try is due and when it is enough; refuses to know what is tried.
 * @module
 */
import type { Clock } from "./clock.ts";
import { CLUSTER } from "./limits.ts";

/** The tries of one operation. */
export class Retry {
  readonly #clock: Clock;
  readonly #until: number;
  #pauseMs: number = CLUSTER.pauseMs;

  /** `forMs`: no try begins later; Infinity for ever. */
  constructor(clock: Clock, forMs: number = CLUSTER.retryMs) {
    this.#clock = clock;
    this.#until = clock.now() + forMs;
  }

  /** Calls `again` after a pause; false if it has been tried long enough. */
  later(again: () => void): boolean {
    const at = this.#clock.now() + this.#pauseMs;
    if (at > this.#until) return false;
    this.#pauseMs = Math.min(2 * this.#pauseMs, CLUSTER.pauseMsMax);
    this.#clock.at(at, again);
    return true;
  }
}
