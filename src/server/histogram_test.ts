/** Times in buckets. @module */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { BUCKET_BOUNDS, Histogram } from "./histogram.ts";

describe("a histogram", () => {
  test("has bounds that each are twice the one before, from 10 µs to 5.24 s", () => {
    assertEquals([BUCKET_BOUNDS[0], BUCKET_BOUNDS.at(-1)], [0.00001, 5.24288]);
    for (let i = 1; i < BUCKET_BOUNDS.length; i++) {
      assert(Math.abs(BUCKET_BOUNDS[i]! / BUCKET_BOUNDS[i - 1]! - 2) < 1e-9);
    }
  });

  test("counts a time in the first bucket whose bound it does not exceed", () => {
    const times = fc.oneof(
      fc.double({ min: 0, max: 1e7, noNaN: true }),
      fc.integer({ min: 0, max: 22 }).map((power) => 0.01 * 2 ** power),
    );
    fc.assert(fc.property(times, (ms) => {
      const histogram = new Histogram();
      histogram.add(ms, 3);
      const { counts, sum } = histogram.stats;
      const at = BUCKET_BOUNDS.findIndex((bound) => ms <= bound * 1_000 * (1 + 1e-12));
      assertEquals(counts[at < 0 ? BUCKET_BOUNDS.length : at], 3, `${ms} ms`);
      assertEquals(counts.reduce((all, count) => all + count, 0), 3);
      assert(Math.abs(sum - ms * 3 / 1_000) <= 1e-9 * sum);
    }));
  });
});
