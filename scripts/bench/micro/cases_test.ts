import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { CASES } from "./child.ts";

describe("the cases", () => {
  test("have names of their own", () => {
    assertEquals(new Set(CASES.map(({ name }) => name)).size, CASES.length);
  });

  /** Those that take long to make are left to the benchmark itself. */
  const small = CASES.filter(({ name }) => !/,000|retained/.test(name));
  for (const { name, make } of small) {
    test(`${name} does what it says`, () => {
      const bench = make();
      for (let i = 0; i < 2; i++) {
        bench.reset?.();
        assert(Number.isFinite(bench.run(bench.together ?? Math.min(3, bench.most ?? 3))));
      }
      bench.reset?.();
    });
  }
});
