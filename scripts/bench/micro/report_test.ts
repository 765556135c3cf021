import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, test } from "node:test";
import type { Figures } from "./measure.ts";
import { merged, microTable } from "./report.ts";

const ROUND: Figures = {
  nsMin: 10,
  nsMedian: 20,
  heapBytes: 48,
  bufferBytes: undefined,
  repetitions: 30,
  checksum: 1,
};

describe("merged()", () => {
  test("takes the least minimum and the median of medians", () => {
    const rounds = [ROUND, { ...ROUND, nsMin: 8, nsMedian: 40 }, { ...ROUND, nsMin: 12, nsMedian: 22 }];
    assertEquals(merged(rounds), {
      nsMin: 8,
      nsMedian: 22,
      heapBytes: 48,
      bufferBytes: undefined,
      repetitions: 90,
      rounds: 3,
    });
  });
});

describe("microTable()", () => {
  test("says where nothing is known and what went wrong", () => {
    const text = microTable(
      ["a"],
      ["deno", "bun"],
      (_, runtime) => runtime === "deno" ? merged([ROUND]) : undefined,
    );
    assertStringIncludes(text, "–");
    assertStringIncludes(text, "wrong");
  });

  test("has a column for the ratio where a case has a base", () => {
    const table = (ratio?: number) =>
      microTable(["a"], ["bun"], () => merged([{ ...ROUND, ...(ratio !== undefined && { ratio }) }]));
    assertStringIncludes(table(2.5), " ratio ");
    assertStringIncludes(table(2.5), " 2.50 ");
    assertEquals(table().includes(" ratio "), false);
  });
});
