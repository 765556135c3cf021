/**
 * Waits that end: for a promise, for a condition, for the next of many things.
 * Knows time; refuses to know what is waited for, but says its name when it does not come.
 * @module
 */

import { WAIT_MS } from "../../src/testing/patience.ts";

/** What `promise` resolves to; rejects after `ms` with what was awaited. */
export async function within<T>(promise: Promise<T>, what: string, ms: number = WAIT_MS): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Not within ${ms} ms: ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Things that happen, kept until somebody waits for them. */
export class Inbox<T> {
  readonly #items: T[] = [];
  #arrived: (() => void)[] = [];

  /** Things nobody has taken. */
  get items(): readonly T[] {
    return this.#items;
  }

  /** Something happened. */
  put(item: T): void {
    this.#items.push(item);
    const arrived = this.#arrived;
    this.#arrived = [];
    for (const wake of arrived) wake();
  }

  /** Takes the first thing that `test` accepts, waiting for it. */
  async take(what: string, test: (item: T) => boolean = () => true, ms: number = WAIT_MS): Promise<T> {
    const end = performance.now() + ms;
    for (;;) {
      const at = this.#items.findIndex(test);
      if (at >= 0) return this.#items.splice(at, 1)[0]!;
      const left = end - performance.now();
      const seen = `${what} (${this.#items.length} other things have come)`;
      await within(new Promise<void>((resolve) => this.#arrived.push(resolve)), seen, Math.max(0, left));
    }
  }

  /** Takes the first `count` things, waiting for them. */
  async takeMany(count: number, what: string, ms: number = WAIT_MS): Promise<T[]> {
    const end = performance.now() + ms;
    while (this.#items.length < count) {
      const left = Math.max(0, end - performance.now());
      const seen = `${count} times ${what}, ${this.#items.length} have come`;
      await within(new Promise<void>((resolve) => this.#arrived.push(resolve)), seen, left);
    }
    return this.#items.splice(0, count);
  }
}
