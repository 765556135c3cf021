/**
 * The time, the same in all threads of a process.
 * Knows the runtime's clock; refuses to know what is timed.
 * @module
 */

const ORIGIN_US = performance.timeOrigin * 1000;

/** µs since the epoch. It costs a tenth of a µs or more: ask once for each chunk, not for each message. */
export function nowUs(): number {
  return ORIGIN_US + performance.now() * 1000;
}
