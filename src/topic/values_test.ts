/** §4.7 What stands at one place of a tree. @module */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { append, has, minus, plus, type Values } from "./values.ts";

describe("Values", () => {
  test("hold what came and has not gone, in its order, whether few or very many", () => {
    const step = fc.record({ comes: fc.boolean(), value: fc.integer({ min: 1, max: 200 }) });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 200 }), fc.array(step, { maxLength: 400 }), (first, steps) => {
        let values: Values<number>;
        let wanted: number[] = [];
        const come = (value: number) => {
          assertEquals(has(values, value), wanted.includes(value));
          if (wanted.includes(value)) return;
          values = plus(values, value);
          wanted.push(value);
        };
        for (let value = 1; value <= first; value++) come(value);
        for (const { comes, value } of steps) {
          if (comes) come(value);
          else {
            values = minus(values, value);
            wanted = wanted.filter((other) => other !== value);
          }
          const out: number[] = [];
          append(values, out);
          assertEquals(out, wanted);
        }
        for (const value of wanted) values = minus(values, value);
        assertEquals(values, undefined);
      }),
    );
  });
});
