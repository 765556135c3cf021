/**
 * The first 16 bytes of every payload: run, time, number, publisher.
 * Knows where they stand; refuses to know packets.
 * @module
 */

/** Bytes of a stamp, the smallest payload. */
export const STAMP_BYTES = 16;

/** Which run a message belongs to: four bytes from `at`. */
export function runAt(bytes: Uint8Array, at: number): number {
  return u32(bytes, at);
}

/** When it was sent, or should have been: µs, of which the lowest 32 bits are kept. */
export function timeAt(bytes: Uint8Array, at: number): number {
  return u32(bytes, at + 4);
}

/** Its number among the messages of its publisher, from 1. */
export function numberAt(bytes: Uint8Array, at: number): number {
  return u32(bytes, at + 8);
}

/** Its publisher, from 0. */
export function publisherAt(bytes: Uint8Array, at: number): number {
  return u32(bytes, at + 12);
}

/** Writes a stamp at `at`; `us` may be a whole number of any size. */
export function putStamp(
  bytes: Uint8Array,
  at: number,
  run: number,
  us: number,
  number: number,
  publisher: number,
): void {
  putU32(bytes, at, run);
  putU32(bytes, at + 4, us % 0x1_0000_0000 >>> 0);
  putU32(bytes, at + 8, number);
  putU32(bytes, at + 12, publisher);
}

/** µs from a stamp's time to `us`, if that is less than half an hour; 0 where threads' clocks make it less than nothing. */
export function elapsedUs(stamped: number, us: number): number {
  return Math.max(0, (us % 0x1_0000_0000 >>> 0) - stamped | 0);
}

function u32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!) >>> 0;
}

function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
