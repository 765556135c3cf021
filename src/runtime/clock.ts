/**
 * The time that engines are given.
 * Knows the clock of the machine; refuses to know deadlines.
 * @module
 */

/** Gives ms since the epoch, whole, and never goes back. */
export type Clock = () => number;

/**
 * The wall clock's time at the start of the process, plus the time that has passed since: setting the machine's clock neither ends
 * Keep Alives nor revives expired messages.
 */
export function wallClock(): number {
  return Math.floor(performance.timeOrigin + performance.now());
}
