/** Rates: a second's worth at once, then no more than the rate, whatever the pattern. @module */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { TokenBucket } from "./token_bucket.ts";

describe("TokenBucket", () => {
  test("a second's worth is there at once, and what is taken too many is waited for", () => {
    const bucket = new TokenBucket(10, 0);
    for (let i = 0; i < 10; i++) assertEquals(bucket.take(1, 0), 0);
    assertEquals(bucket.take(1, 0), 100);
    assertEquals(bucket.take(1, 100), 100);
    assertEquals(bucket.take(100, 200), 10_000);
    assertEquals(bucket.take(0, 60_000), 0);
    assertEquals(bucket.take(11, 60_000), 100);
  });

  test("a clock that stands or goes back gives nothing", () => {
    const bucket = new TokenBucket(1, 1_000);
    assertEquals([bucket.take(1, 1_000), bucket.take(1, 0)], [0, 1_000]);
  });

  test("is over since its first debt, until it is full again", () => {
    const bucket = new TokenBucket(10, 0);
    const since = [[10, 0], [1, 50], [1, 400], [0, 1_100], [0, 1_300], [11, 1_301], [1, 1_302]].map(
      ([count, now]) => {
        bucket.take(count!, now!);
        return bucket.overSince;
      },
    );
    assertEquals(since, [Infinity, 50, 50, 50, Infinity, 1_301, 1_301]);
  });

  test("Infinity has no end", () => assertEquals(new TokenBucket(Infinity, 0).take(1e12, 0), 0));

  test("who waits as told gets a second's worth and the rate, and no more", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000 }),
        fc.array(fc.tuple(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 0, max: 500 })), {
          minLength: 1,
        }),
        (rate, takes) => {
          const bucket = new TokenBucket(rate, 0);
          let now = 0;
          let taken = 0;
          for (const [count, idle] of takes) {
            assert(taken <= rate + rate * now / 1000 + 1e-6, `${taken} at ${now}`);
            taken += count;
            now += bucket.take(count, now) + idle;
          }
        },
      ),
    );
  });
});
