/**
 * A rate: so many tokens come each second, and as many as one second brings may wait.
 * Knows numbers and times; refuses to know what a token stands for.
 * @module
 */

/** One bucket, full at first. What is taken too many is a debt, which the tokens to come pay. */
export class TokenBucket {
  readonly #perSecond: number;
  #tokens: number;
  #at: number;
  /** When it first came to be in debt since it was full the last time: ms; Infinity if it has not. */
  overSince: number = Infinity;

  /** `perSecond`: above 0; Infinity has no end. `now`: ms. */
  constructor(perSecond: number, now: number) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond;
    this.#at = now;
  }

  /** Takes so many tokens; returns the ms until there is no debt, 0 if there is none. */
  take(count: number, now: number): number {
    if (this.#perSecond === Infinity) return 0;
    const came = Math.max(0, now - this.#at) * this.#perSecond / 1000;
    this.#at = now;
    const tokens = this.#tokens + came;
    if (tokens >= this.#perSecond) this.overSince = Infinity;
    this.#tokens = Math.min(this.#perSecond, tokens) - count;
    if (this.#tokens >= 0) return 0;
    if (this.overSince === Infinity) this.overSince = now;
    return Math.ceil(-this.#tokens * 1000 / this.#perSecond);
  }
}
