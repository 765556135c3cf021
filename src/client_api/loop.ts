/**
 * The event loop, as a Client needs it, of any runtime and browser.
 * Knows turns and timers; refuses to know what they are for.
 * @module
 */

/** When things are done: the runtime's loop in production, one of virtual time in tests. */
export interface ClientLoop {
  /** ms since the epoch, of the wall clock: it goes on while the machine sleeps. */
  now(): number;
  /** Runs `run` when what goes on now is over: what is sent until then leaves together. */
  endOfTurn(run: () => void): void;
  /** Runs `run` at the time `ms`, or later; if that is weeks away, maybe earlier. Returns how to cancel it. */
  at(ms: number, run: () => void): () => void;
}

/** The longest that a timer can wait. */
const WAIT_MS_MAX = 2 ** 31 - 1;

/** The loop of this runtime. */
export function systemLoop(): ClientLoop {
  const { setImmediate = queueMicrotask, setTimeout, clearTimeout } = globalThis as unknown as {
    setImmediate?: (run: () => void) => unknown;
    setTimeout(run: () => void, ms: number): unknown;
    clearTimeout(timer: unknown): void;
  };
  return {
    now: Date.now,
    endOfTurn: (run) => void setImmediate(run),
    at(ms, run) {
      const timer = setTimeout(run, Math.min(Math.max(ms - Date.now(), 0), WAIT_MS_MAX));
      return () => clearTimeout(timer);
    },
  };
}
