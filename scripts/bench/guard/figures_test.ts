import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { judge, measuredOf } from "./figures.ts";

describe("judge()", () => {
  test("lets a broker be a quarter worse than it was, and no more", () => {
    assertEquals(judge(1.24), "ok");
    assertEquals(judge(0.5), "ok");
    assertEquals(judge(1.26), "worse");
  });
  test("knows nothing of what is no number", () => {
    assertEquals(judge(NaN), "unknown");
    assertEquals(judge(0), "unknown");
  });
});

describe("measuredOf()", () => {
  test("takes the median of the pairs, not of the runs", () => {
    const pairs = [{ nowNs: 200, beforeNs: 100 }, { nowNs: 600, beforeNs: 200 }, {
      nowNs: 9_000,
      beforeNs: 3_000,
    }];
    assertEquals(measuredOf("pairs QoS 0", pairs), {
      scenario: "pairs QoS 0",
      nowNs: 600,
      beforeNs: 200,
      ratio: 3,
      from: 2,
      to: 3,
    });
  });
});
