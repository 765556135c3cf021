/**
 * The time of a broker in a browser.
 * Knows the clock of the machine, which sleeps and is set; refuses to know deadlines.
 * @module
 */

/**
 * A clock: ms since the epoch, whole, never going back. It goes on while the machine sleeps, as `performance.now()` does not in every
 * browser; when the machine's clock is set back, it goes on from where it was.
 */
export function browserClock(read: () => number = Date.now): () => number {
  let last = -Infinity;
  let ahead = 0;
  return () => {
    const now = read() + ahead;
    if (now >= last) return last = now;
    ahead += last - now;
    return last;
  };
}
