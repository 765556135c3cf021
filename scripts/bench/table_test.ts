import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { short, tableOf } from "./table.ts";

describe("tableOf()", () => {
  test("aligns names left and numbers right", () => {
    assertEquals(
      tableOf(["", "ns"], [["a", "1,000"], ["long", "7"]]),
      "         ns\n----  -----\na     1,000\nlong      7",
    );
  });
});

describe("short()", () => {
  test("shows three digits that count", () => {
    assertEquals([0.25, 9.999, 99.5, 1_234_567.8].map(short), ["0.25", "10.00", "99.5", "1,234,568"]);
  });
});
