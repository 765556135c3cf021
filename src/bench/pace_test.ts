/**
 * The timetable of a rate, and the stamps that keep it.
 * @module
 */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { Pace } from "./pace.ts";
import { elapsedUs, numberAt, publisherAt, putStamp, runAt, timeAt } from "./stamp.ts";

describe("Pace", () => {
  test("spreads a rate evenly over publishers", () => {
    const pace = new Pace(1e6, 1000, 4, [0, 1, 2, 3]);
    const told: number[] = [];
    assertEquals(pace.due(1e6 - 1, (publisher) => told.push(publisher)), 0);
    assertEquals(pace.due(1e6 + 5000, (publisher) => told.push(publisher)), 6);
    assertEquals(told, [0, 1, 2, 3, 0, 1]);
    assertEquals(pace.nextUs, 1e6 + 6000);
  });

  test("gives each thread its part of the same timetable", () => {
    const all = new Pace(0, 300, 5, [0, 1, 2, 3, 4]);
    const parts = [new Pace(0, 300, 5, [0, 2, 4]), new Pace(0, 300, 5, [1, 3])];
    const count = [0, 0, 0, 0, 0];
    for (const pace of parts) pace.due(1e6 - 1, (publisher) => count[publisher]!++);
    assertEquals(count, [60, 60, 60, 60, 60]);
    for (const publisher of count.keys()) {
      assertEquals(parts[0]!.dueUs(publisher, 7), all.dueUs(publisher, 7));
    }
  });

  test("has nothing to do for a thread without publishers", () => {
    const pace = new Pace(0, 10, 3, []);
    assertEquals([pace.nextUs, pace.due(1e9, () => {})], [Infinity, 0]);
  });
});

describe("a stamp", () => {
  test("comes back as it was written", () => {
    const bytes = new Uint8Array(20);
    putStamp(bytes, 2, 0xfedcba98, 1.7e15 + 0.5, 0xffffffff, 77);
    assertEquals([runAt(bytes, 2), numberAt(bytes, 2), publisherAt(bytes, 2)], [0xfedcba98, 0xffffffff, 77]);
    assertEquals(elapsedUs(timeAt(bytes, 2), 1.7e15 + 1234.5), 1234);
  });

  test("tells times right when the clock's lower half begins anew, and 0 for what is not yet", () => {
    const bytes = new Uint8Array(16);
    putStamp(bytes, 0, 1, 2 ** 32 * 5 - 10, 1, 0);
    assertEquals(elapsedUs(timeAt(bytes, 0), 2 ** 32 * 5 + 15), 25);
    assertEquals(elapsedUs(timeAt(bytes, 0), 2 ** 32 * 5 - 40), 0);
  });
});
