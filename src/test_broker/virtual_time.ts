/**
 * An event loop for tests in which turns end at once and time passes only when a test says so.
 * Knows what is to run, and when; refuses to know what it does.
 * @module
 */
import type { ClientLoop } from "../client_api/loop.ts";
import type { Loop } from "../runtime/loop.ts";

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

/** One clock for a broker and all its Clients. */
export class VirtualTime implements ClientLoop, Loop {
  #now: number;
  readonly #timers: Set<Timer> = new Set();

  /** ms since the epoch. */
  constructor(now: number) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  endOfTurn(run: () => void): void {
    queueMicrotask(run);
  }

  afterInput(run: () => void): void {
    queueMicrotask(run);
  }

  afterLook(_sockets: number, run: () => void): void {
    queueMicrotask(run);
  }

  at(ms: number, run: () => void): () => void {
    const timer = { at: ms, run };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Lets time pass: each timer runs at its time, and all that follows from it is done before the next one. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      await settled();
      const first = this.#first();
      if (first === undefined || first.at > until) break;
      this.#timers.delete(first);
      this.#now = Math.max(this.#now, first.at);
      first.run();
    }
    this.#now = until;
    await settled();
  }

  #first(): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) if (timer.at < (first?.at ?? Infinity)) first = timer;
    return first;
  }
}

/** Resolves when no promise is left that could go on by itself. */
export function settled(): Promise<void> {
  const { setImmediate, setTimeout } = globalThis as unknown as {
    readonly setImmediate?: (run: () => void) => unknown;
    setTimeout(run: () => void): unknown;
  };
  return new Promise((resolve) => (setImmediate ?? setTimeout)(resolve));
}
