/**
 * The event loop and the clock, as an engine's driver needs them.
 * Knows how each runtime orders sockets, immediates and timers; refuses to know drivers.
 * @module
 */
import { clearTimeout, setImmediate, setTimeout } from "node:timers";
import { wallClock } from "./clock.ts";

/** Cancels one call of `Loop.at()`; does nothing once its function has run. */
export type Cancel = () => void;

/** When things are done: the runtime's loop in production, one of virtual time in tests. */
export interface Loop {
  /** ms since the epoch, whole, never going back. */
  now(): number;
  /** Runs `run` when the sockets that were readable together have all been read. */
  endOfTurn(run: () => void): void;
  /** Runs `run` when every socket has had its chance, for work that takes many turns. */
  afterInput(run: () => void): void;
  /** Runs `run` at the time `ms`, or a little later; if that is weeks away, maybe earlier. */
  at(ms: number, run: () => void): Cancel;
}

/** The longest that a timer can wait. */
const WAIT_MS_MAX = 2 ** 31 - 1;
/** Deadlines within this time are run together: they are seconds long, and there may be one per connection. */
const WAIT_MS_MIN = 10;

/**
 * The loop of this runtime. A turn ends with `setImmediate` on both: a microtask on Bun comes after each single socket, a timer
 * of 0 ms comes a millisecond late.
 */
export const systemLoop: Loop = {
  now: wallClock,
  endOfTurn: (run) => void setImmediate(run),
  afterInput: "Deno" in globalThis ? afterTimers : (run) => void setImmediate(run),
  at(ms: number, run: () => void): Cancel {
    const timer = setTimeout(run, Math.min(Math.max(ms - wallClock(), WAIT_MS_MIN), WAIT_MS_MAX));
    return () => clearTimeout(timer);
  },
};

/**
 * A timer of 0 ms. On Deno an immediate that follows an immediate comes before any socket is looked at: turns of 1 ms, one behind the
 * other, let a round trip of 0.2 ms take 57.
 */
function afterTimers(run: () => void): void {
  setTimeout(run, 0);
}
