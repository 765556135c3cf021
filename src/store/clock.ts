/**
 * The time that a store goes by: the system's, or that of a test or a simulation.
 * Knows timers; refuses to know the actions that wait for them.
 * @module
 */
import { clearImmediate, clearTimeout, setImmediate, setTimeout } from "node:timers";

/** Tells the time, and calls back later. */
export interface StoreClock {
  /** ms since the epoch. */
  now(): number;
  /** Calls `action` once, `ms` from now; at 0 once the present call has returned. Calling the result cancels it. */
  after(ms: number, action: () => void): () => void;
}

/** The clock of the system, which goes as brokers do: the time of the start, and what has passed since. */
export const SYSTEM_CLOCK: StoreClock = {
  now: () => Math.floor(performance.timeOrigin + performance.now()),
  after(ms, action) {
    if (ms <= 0) {
      const immediate = setImmediate(action);
      return () => clearImmediate(immediate);
    }
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
};
