/** Copies and comparisons against the plain ones. @module */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { copyBytes, sameBytes } from "./copy.ts";

/** A part of some bytes, on both sides of the length at which a loop gives way to `set`. */
const part = fc.uint8Array({ maxLength: 80 }).chain((bytes) =>
  fc.tuple(fc.nat({ max: bytes.length }), fc.nat({ max: bytes.length })).map(([a, b]) => ({
    bytes,
    from: Math.min(a, b),
    until: Math.max(a, b),
  }))
);

describe("copyBytes()", () => {
  test("it writes that part, and nothing else", () => {
    fc.assert(
      fc.property(part, fc.nat({ max: 20 }), fc.nat({ max: 5 }), ({ bytes, from, until }, at, after) => {
        const target = new Uint8Array(at + until - from + after).fill(0xaa);
        const expected = Uint8Array.from(target);
        for (let i = from; i < until; i++) expected[at + i - from] = bytes[i]!;
        copyBytes(target, at, bytes, from, until);
        assertEquals(target, expected);
      }),
    );
  });
});

describe("sameBytes()", () => {
  test("it says whether two parts are equal", () => {
    fc.assert(
      fc.property(part, fc.nat({ max: 9 }), fc.option(fc.nat()), ({ bytes, from, until }, at, change) => {
        const length = until - from;
        const other = new Uint8Array(at + length + 1);
        other.set(bytes.subarray(from, until), at);
        const changed = change !== null && length > 0;
        if (changed) other[at + change % length]! ^= 1;
        assertEquals(sameBytes(bytes, from, other, at, length), !changed);
        assertEquals(sameBytes(other, at, bytes, from, length), !changed);
      }),
    );
  });
});
