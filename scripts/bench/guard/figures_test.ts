import { assertEquals } from "@std/assert";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { pathOf } from "../../lib/tree.ts";
import { judge, measuredOf, SCENARIOS } from "./figures.ts";

describe("judge()", () => {
  test("lets a ratio be a quarter worse, and no more", () => {
    assertEquals(judge(1.24, 1), "ok");
    assertEquals(judge(1.26, 1), "worse");
  });
  test("tells what is so much better that it should be written down", () => {
    assertEquals(judge(0.79, 1), "better");
    assertEquals(judge(0.81, 1), "ok");
  });
  test("knows nothing of what was never written, nor of what is no number", () => {
    assertEquals(judge(1, undefined), "unknown");
    assertEquals(judge(NaN, 1), "unknown");
  });
});

describe("measuredOf()", () => {
  test("takes the median of the pairs, not of the runs", () => {
    const pairs = [{ brokerNs: 200, baselineNs: 100 }, { brokerNs: 600, baselineNs: 200 }, {
      brokerNs: 9_000,
      baselineNs: 3_000,
    }];
    assertEquals(measuredOf("pairs QoS 0", pairs), {
      scenario: "pairs QoS 0",
      brokerNs: 600,
      baselineNs: 200,
      ratio: 3,
      from: 2,
      to: 3,
    });
  });
});

test("ratios.json has every scenario of both runtimes", () => {
  const ratios = JSON.parse(readFileSync(pathOf("scripts/bench/guard/ratios.json"), "utf8"));
  for (const runtime of ["deno", "bun"]) {
    for (const scenario of SCENARIOS) assertEquals(typeof ratios[runtime]?.[scenario], "number", scenario);
  }
});
