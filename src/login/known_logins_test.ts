/** Who has logged in from where is remembered, within bounds. @module */
import { assert, assertEquals } from "@std/assert";
import { test } from "node:test";
import { KnownLogins } from "./known_logins.ts";

test("a pair is remembered, and no other one", () => {
  const known = new KnownLogins();
  known.add("ann", "a", 10);
  assertEquals([known.has("ann", "a"), known.has("ann", "b"), known.has("bob", "a")], [true, false, false]);
});

test("the last half stays, a pair that comes again stays, and no more than may", () => {
  const known = new KnownLogins();
  for (let i = 0; i < 1_000; i++) {
    known.add(`user ${i}`, "a", 100);
    known.add("ann", "a", 100);
    assert(known.size <= 100, `${known.size}`);
    assert(known.has("ann", "a"));
    for (let back = 0; back < Math.min(49, i + 1); back++) assert(known.has(`user ${i - back}`, "a"));
  }
  assert(!known.has("user 0", "a"));
});

test("a user with addresses without end does not push out the others", () => {
  const known = new KnownLogins();
  known.add("ann", "a", 5_000);
  for (let i = 0; i < 20_000; i++) known.add("mallory", `${i}`, 5_000);
  assert(known.has("ann", "a") && known.has("mallory", "999"));
  assertEquals(known.size, 1_001);
});
