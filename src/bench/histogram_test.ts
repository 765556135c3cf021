/**
 * The histogram against a sorted array.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { Histogram } from "./histogram.ts";

const values = fc.array(
  fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 0xffff_ffff })),
  { minLength: 1, maxLength: 200 },
);

function histogramOf(all: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const value of all) histogram.add(value);
  return histogram;
}

describe("Histogram", () => {
  test("tells percentiles to within a bucket, never too low", () => {
    fc.assert(fc.property(values, fc.double({ min: 0, max: 1, noNaN: true }), (all, share) => {
      const sorted = [...all].sort((a, b) => a - b);
      const exact = sorted[Math.max(1, Math.ceil(share * all.length)) - 1]!;
      const told = histogramOf(all).percentile(share);
      assert(told >= exact, `${told} is below ${exact}`);
      assert(told <= exact * (1 + 1 / 64), `${told} is far above ${exact}`);
    }));
  });

  test("is exact below 128 µs", () => {
    for (let us = 0; us < 128; us++) assertEquals(histogramOf([us]).percentile(0.5), us);
  });

  test("adds up with others, also when they come as a buffer", () => {
    fc.assert(fc.property(values, values, (a, b) => {
      const sum = histogramOf(a);
      sum.addAll(new Histogram(histogramOf(b).buffer));
      const both = histogramOf([...a, ...b]);
      assertEquals(sum.buckets(), both.buckets());
      assertEquals([sum.count, sum.largest], [both.count, both.largest]);
    }));
  });

  test("takes what is below nothing or above its range as the least and the largest", () => {
    assertEquals(histogramOf([-5]).percentile(1), 0);
    assertEquals(histogramOf([2 ** 40]).percentile(1), 2 ** 32 - 1);
    assertEquals(new Histogram().percentile(0.5), 0);
  });
});
