/** What stands in for `node:util` agrees with it. @module */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import util from "node:util";
import { inspect, isDeepStrictEqual } from "./stand_ins/node_util.ts";

class Named {
  readonly value: unknown;

  constructor(value: unknown) {
    this.value = value;
  }
}

const circle: unknown[] = [];
circle.push(circle);

const VALUES: readonly unknown[] = [
  undefined,
  null,
  0,
  -0,
  NaN,
  1n,
  "",
  "a",
  [],
  [undefined],
  new Array(1),
  {},
  { a: undefined },
  { a: 1, b: 2 },
  { b: 2, a: 1 },
  { a: 1, b: 3 },
  Object.create(null),
  Uint8Array.of(1, 2),
  Uint8Array.of(1, 3),
  Int8Array.of(1, 2),
  Uint8Array.of(0, 1, 2).subarray(1),
  new Map([["a", 1]]),
  new Map([["a", 2]]),
  new Map([[{ a: 1 }, 1]]),
  new Set([1]),
  new Set([{ a: 1 }]),
  new Set([{ a: 2 }]),
  new Date(0),
  new Date(1),
  /a/,
  /a/g,
  new Error("a"),
  new Error("b"),
  new TypeError("a"),
  new Named(1),
  new Named(2),
  circle,
];

describe("what stands in for node:util", () => {
  test("finds the same values equal", () => {
    for (const one of VALUES) {
      for (const other of [...VALUES, structured(one)]) {
        assertEquals(
          isDeepStrictEqual(one, other),
          util.isDeepStrictEqual(one, other),
          `${util.inspect(one)} and ${util.inspect(other)}`,
        );
      }
    }
  });

  test("finds the same values of any form equal", () => {
    const value = fc.anything({ withMap: true, withSet: true, withTypedArray: true, withDate: true });
    fc.assert(fc.property(value, value, (one, other) => {
      assertEquals(isDeepStrictEqual(one, other), util.isDeepStrictEqual(one, other));
      assertEquals(isDeepStrictEqual(one, structured(one)), util.isDeepStrictEqual(one, structured(one)));
    }));
  });

  test("writes what can be told apart", () => {
    assertEquals(inspect({ a: [1, "b"], c: Uint8Array.of(9) }), `{ a: [ 1, "b" ], c: Uint8Array(1) [ 9 ] }`);
    assertEquals(inspect(new Map([["a", new Set([1])]])), `Map { "a" => Set { 1 } }`);
    assertEquals(inspect(circle), "[ [Circular] ]");
    assertEquals(inspect(new Named(1n)), "Named { value: 1n }");
  });
});

/** A copy where one can be had. */
function structured(value: unknown): unknown {
  try {
    return structuredClone(value);
  } catch {
    return value;
  }
}
