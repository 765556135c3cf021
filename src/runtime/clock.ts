/**
 * The time that engines are given.
 * Knows the clock of the machine; refuses to know what time is for.
 * @module
 */

/** Gives ms since the epoch, whole, and never goes back. */
export type Clock = () => number;

/**
 * The wall's time as it was when the process started, going on evenly: whoever sets the machine's clock neither ends Keep Alives nor
 * revives what has expired.
 */
export function wallClock(): number {
  return Math.floor(performance.timeOrigin + performance.now());
}
