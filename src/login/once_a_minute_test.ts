/**
 * What is told at most once a minute.
 * @module
 */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { OnceAMinute } from "./once_a_minute.ts";

const MINUTE = 60_000;

describe("OnceAMinute", () => {
  test("each name is due once a minute, and then says how often it was not", () => {
    const told = new OnceAMinute();
    const at = (name: string, now: number) => told.isDue(name, now) ? told.left(name) : "not due";
    assertEquals([at("a", 0), at("a", 1), at("b", 2), at("a", MINUTE - 1)], [0, "not due", 0, "not due"]);
    assertEquals([at("a", MINUTE), at("b", MINUTE + 2), at("a", MINUTE + 3)], [2, 0, "not due"]);
    assertEquals([at("a", 2 * MINUTE), at("a", 3 * MINUTE)], [1, 0]);
  });

  test("a clock that is put back begins a new minute", () => {
    const told = new OnceAMinute();
    assertEquals([told.isDue("a", 1_000), told.isDue("a", 999), told.isDue("a", 1_000)], [true, true, false]);
  });

  test("what was not due is overdue when the minute is over, the last of it with how many others", () => {
    const told = new OnceAMinute<string>();
    for (const item of ["1", "2", "3", "4"]) told.isDue("a", 0, item);
    told.isDue("b", 0, "5");
    told.isDue("c", 1, "6");
    told.isDue("c", 1, "7");
    assertEquals([told.overdue(MINUTE - 1), told.hasMore], [[], true]);
    assertEquals(told.overdue(MINUTE), [{ item: "4", more: 2 }]);
    assertEquals([told.overdue(MINUTE), told.hasMore], [[], true]);
    assertEquals([told.isDue("a", MINUTE + 1, "8"), told.isDue("b", MINUTE + 1, "9")], [false, true]);
    assertEquals([told.overdue(MINUTE + 1), told.hasMore], [[{ item: "7", more: 0 }], true]);
    assertEquals([told.overdue(MINUTE + 2, true), told.hasMore], [[{ item: "8", more: 0 }], false]);
    assertEquals(told.overdue(9 * MINUTE, true), []);
  });

  test("a name that is due takes what was not with it", () => {
    const told = new OnceAMinute<string>();
    for (const item of ["1", "2", "3"]) told.isDue("a", 0, item);
    assertEquals([told.isDue("a", MINUTE, "4"), told.left("a"), told.hasMore], [true, 2, false]);
    assertEquals(told.overdue(2 * MINUTE), []);
  });

  test("a thousand names are told apart, all others count as one, until others are over", () => {
    const told = new OnceAMinute<string>();
    const dueOf = (from: number, to: number, now: number) =>
      Array.from({ length: to - from }, (_, i) => `${from + i}`).filter((name) =>
        told.isDue(name, now, name)
      );
    assertEquals(dueOf(0, 1_000, 0).length, 1_000);
    assertEquals(dueOf(1_000, 2_000, 1), ["1000"]);
    assertEquals(dueOf(0, 2_000, 2), []);
    assertEquals(told.overdue(MINUTE + 1).length, 1_001);
    assertEquals(dueOf(3_000, 3_002, MINUTE + 2), []); // the others have just been told of
    assertEquals(told.overdue(3 * MINUTE).map(({ item }) => item), ["3001"]);
    assertEquals(dueOf(4_000, 5_000, 3 * MINUTE).length, 999); // beside the others
    assertEquals(dueOf(6_000, 7_000, 4 * MINUTE).length, 1_000);
  });
});
