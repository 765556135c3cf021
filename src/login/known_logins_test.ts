/** Who has logged in from where is remembered, within bounds. @module */
import { assert, assertEquals } from "@std/assert";
import { test } from "node:test";
import { KnownLogins } from "./known_logins.ts";

test("a pair is remembered, and no other one", () => {
  const known = new KnownLogins();
  known.add("ann", "a", 10);
  assertEquals([known.has("ann", "a"), known.has("ann", "b"), known.has("bob", "a")], [true, false, false]);
});

test("the pair that was added first gives way, and one that comes again is new", () => {
  const known = new KnownLogins();
  for (const user of ["ann", "bob", "ann", "cid"]) known.add(user, "a", 2);
  assertEquals(["ann", "bob", "cid"].map((user) => known.has(user, "a")), [true, false, true]);
  assertEquals(known.size, 2);
});

test("a user with addresses without end does not push out the others", () => {
  const known = new KnownLogins();
  known.add("ann", "a", 5_000);
  for (let i = 0; i < 20_000; i++) known.add("mallory", `${i}`, 5_000);
  assert(known.has("ann", "a") && known.has("mallory", "19999"));
  assert(known.size <= 1_001, `${known.size}`);
});
