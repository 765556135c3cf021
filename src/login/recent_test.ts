/** What was used lately is remembered, within bounds, at a cost that does not grow. @module */
import { assert, assertEquals } from "@std/assert";
import { test } from "node:test";
import { Recent } from "./recent.ts";

test("the last half stays, all that is used again stays, and no more than may", () => {
  const recent = new Recent<number>();
  for (let i = 0; i < 1_000; i++) {
    recent.set(`${i}`, i, 100);
    recent.set("again", -1, 100);
    assert(recent.size <= 100, `${recent.size}`);
    assertEquals(recent.get("again"), -1);
    for (let back = 0; back < Math.min(49, i + 1); back++) assertEquals(recent.get(`${i - back}`), i - back);
  }
  assertEquals(recent.get("0"), undefined);
});

test("no more than may stay, however few that are", () => {
  for (const most of [1, 2, 3]) {
    const recent = new Recent<number>();
    for (let i = 0; i < 10; i++) {
      recent.set(`${i}`, i, most);
      assert(recent.size <= most, `${recent.size}`);
      assertEquals(recent.get(`${i}`), i);
    }
  }
});

test("a value is replaced, and forgotten", () => {
  const recent = new Recent<number>();
  for (const value of [1, 2]) recent.set("a", value, 2);
  recent.set("b", 3, 2);
  assertEquals([recent.get("a"), recent.get("b"), recent.size], [2, 3, 2]);
  recent.delete("a");
  recent.delete("b");
  assertEquals([recent.get("a"), recent.get("b"), recent.size], [undefined, undefined, 0]);
});
