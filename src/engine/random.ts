/**
 * Numbers that look random, from a seed.
 * Knows arithmetic; refuses to know entropy: an owner that needs unguessable numbers passes another source.
 * @module
 */

/** Gives an integer from 0 to 2^32 - 1 at each call. */
export type Random = () => number;

/** The same seed gives the same numbers on every machine. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e37_79b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0_aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a_2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
}
