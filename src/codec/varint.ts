/**
 * §1.5.5 Variable Byte Integer: its largest value, its size and its bytes.
 * Knows the number; refuses to know where it stands (reader.ts and writer.ts read and write it).
 * @module
 */

/** §1.5.5 the largest Variable Byte Integer, four bytes of seven bits: 268435455. */
export const VARINT_MAX = 0x0fff_ffff;

/** §1.5.5 bytes that the shortest form of `value` takes, 1 to 4, for a value of 0 to {@linkcode VARINT_MAX}. */
export function varintSize(value: number): 1 | 2 | 3 | 4 {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  return 4;
}

/** §1.5.5 writes the shortest form of `value` into `bytes` from `at` on; returns where it ends. Checks nothing. */
export function putVarint(bytes: Uint8Array, at: number, value: number): number {
  while (value > 0x7f) {
    bytes[at++] = value & 0x7f | 0x80;
    value >>>= 7;
  }
  bytes[at++] = value;
  return at;
}
