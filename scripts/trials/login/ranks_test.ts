/** The rank test tells lots of two sources apart, and no others. @module */
import { assert, assertEquals } from "@std/assert";
import { test } from "node:test";
import { rankTest } from "./ranks.ts";

/** Numbers that look like chance and are the same each time. */
function numbers(count: number, seed: number): number[] {
  return Array.from({ length: count }, () => (seed = seed * 48_271 % 2_147_483_647) / 2_147_483_647);
}

test("lots of one source are one", () => {
  assert(rankTest(numbers(200, 1), numbers(200, 2)) > 0.05);
  assertEquals(rankTest(Array(50).fill(1), Array(50).fill(1)), 1);
});

test("a shift of a fifth of the spread is seen in 200", () => {
  assert(rankTest(numbers(200, 1), numbers(200, 2).map((one) => one + 0.2)) < 0.001);
});

test("an example of a textbook: ranks 1 to 20 against 21 to 40", () => {
  const first = Array.from({ length: 20 }, (_, i) => i);
  const p = rankTest(first, first.map((one) => one + 20));
  assert(p > 5e-8 && p < 1e-7, `${p}`);
});
