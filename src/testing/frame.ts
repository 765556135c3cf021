/**
 * Frames by hand, for tests: bytes as the standard draws them, with the lengths counted.
 * Knows length prefixes; refuses to know the codec, so that a test does not repeat its mistakes.
 * @module
 */

/** A byte, or bytes. */
export type Part = number | readonly number[] | Uint8Array;

/** Parts one behind the other. */
export function bytesOf(...parts: readonly Part[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => typeof part === "number" ? [part] : [...part]));
}

/** §2.1 a packet: its first byte, the Remaining Length, and the parts. */
export function frame(first: number, ...parts: readonly Part[]): Uint8Array {
  const body = bytesOf(...parts);
  return bytesOf(first, varint(body.length), body);
}

/** §1.5.4 a string with its length; an array stands for the bytes of one that is no string. */
export function utf8(value: string | readonly number[]): number[] {
  return binary(typeof value === "string" ? new TextEncoder().encode(value) : value);
}

/** §1.5.6 binary data with its length. */
export function binary(value: readonly number[] | Uint8Array): number[] {
  return [value.length >> 8, value.length & 0xff, ...value];
}

/** §1.5.7 a string pair. */
export function pair(name: string, value: string): number[] {
  return [...utf8(name), ...utf8(value)];
}

/** §2.2.2 properties with their length. */
export function properties(...parts: readonly Part[]): number[] {
  const list = bytesOf(...parts);
  return [...varint(list.length), ...list];
}

/** §1.5.5 the shortest form. */
export function varint(value: number): number[] {
  return value < 0x80 ? [value] : [value & 0x7f | 0x80, ...varint(value >>> 7)];
}
