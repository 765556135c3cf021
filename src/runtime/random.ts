/**
 * Random numbers that peers cannot guess, for assigned Client Identifiers and hashes.
 * Knows the system's entropy; refuses to know its use.
 * @module
 */
import type { Random } from "../engine/random.ts";

/** Integers from 0 to 2^32 - 1, fetched from the system some at a time. */
export function systemRandom(): Random {
  const numbers = new Uint32Array(64);
  let next = numbers.length;
  return () => {
    if (next === numbers.length) {
      crypto.getRandomValues(numbers);
      next = 0;
    }
    return numbers[next++]!;
  };
}
