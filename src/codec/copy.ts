/**
 * Copies bytes between arrays, the one thing the hot path does most.
 * Knows what is fast at which length; refuses to know what the bytes mean.
 * @module
 */

/** Below this many bytes a loop beats the view that `set` needs. */
const LOOP_BYTES_MAX = 24;

/** Copies `source[from, until)` to `target`, which may be the same but not overlap, from `at` on; the caller has made sure of the room. */
export function copyBytes(
  target: Uint8Array,
  at: number,
  source: Uint8Array,
  from: number,
  until: number,
): void {
  if (until - from <= LOOP_BYTES_MAX) {
    for (let i = from; i < until; i++) target[at++] = source[i]!;
  } else if (target === source) target.copyWithin(at, from, until); // makes no view, and costs a third
  else target.set(from === 0 && until === source.length ? source : source.subarray(from, until), at);
}

/** Whether `a[at, at + length)` and `b[from, from + length)` hold the same bytes. */
export function sameBytes(a: Uint8Array, at: number, b: Uint8Array, from: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[at + i] !== b[from + i]) return false;
  return true;
}
