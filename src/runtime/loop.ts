/**
 * The event loop and the clock, as an engine's driver needs them.
 * Knows how each runtime orders sockets, immediates and timers; refuses to know drivers.
 * @module
 */
import { clearTimeout, setImmediate, setTimeout } from "node:timers";
import { wallClock } from "./clock.ts";
import { inLaterTurn } from "./read_turns.ts";

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
  /** Runs `run` when each of so many sockets has been looked at, and what had come there by now has been read. */
  afterLook(sockets: number, run: () => void): void;
  /** Runs `run` at the time `ms`, or a little later; if that is weeks away, maybe earlier. */
  at(ms: number, run: () => void): Cancel;
}

/** The longest that a timer can wait. */
const WAIT_MS_MAX = 2 ** 31 - 1;
/** Deadlines within this time are run together: they are seconds long, and there may be one per connection. */
const WAIT_MS_MIN = 10;

/**
 * The loop of this runtime. A turn ends with `setImmediate` on all: a microtask on Bun comes after each single socket, a timer
 * of 0 ms comes a millisecond late.
 */
export const systemLoop: Loop = {
  now: wallClock,
  endOfTurn: (run) => void setImmediate(run),
  // On Deno an immediate that follows an immediate comes before any socket is looked at: turns of 1 ms, one behind the other, let a
  // round trip of 0.2 ms take 57.
  afterInput: "Deno" in globalThis ? inLaterTurn : (run) => void setImmediate(run),
  afterLook,
  at(ms: number, run: () => void): Cancel {
    const timer = setTimeout(run, Math.min(Math.max(ms - wallClock(), WAIT_MS_MIN), WAIT_MS_MAX));
    return () => clearTimeout(timer);
  },
};

/** Rounds of the loop that bytes take at most from a socket to its reader: through TLS, and behind a read that ended its turn. */
const LOOK_ROUNDS = 8;
/** Sockets that are read in one round: Deno ends a round after 128 operations, and all ask the kernel for 1,024 events at a time. */
const ROUND_SOCKETS = 100;

/**
 * Rounds of a timer and an immediate. On every runtime a timer runs only after the kernel was asked for events, which an immediate
 * behind an immediate does not say on Deno. A process that was stopped finds its timers due, and bytes in its sockets: so many
 * rounds later they are read, however long that takes.
 */
function afterLook(sockets: number, run: () => void): void {
  let rounds = LOOK_ROUNDS + Math.ceil(sockets / ROUND_SOCKETS);
  const round = (): void => {
    if (rounds-- === 0) run();
    else setTimeout(() => setImmediate(round), 0);
  };
  round();
}
