import { assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { least, median, most } from "./statistics.ts";

describe("median()", () => {
  test("is the middle one, or between the two", () => {
    assertEquals(median([9, 1, 5]), 5);
    assertEquals(median([4, 1, 2, 100]), 3);
  });
  test("does not sort its argument", () => {
    const values = [3, 1, 2];
    median(values);
    assertEquals(values, [3, 1, 2]);
  });
  test("refuses nothing", () => {
    assertThrows(() => median([]), RangeError);
  });
});

describe("least() and most()", () => {
  test("find the ends", () => {
    assertEquals([least([3, 1, 2]), most([3, 1, 2])], [1, 3]);
  });
});
