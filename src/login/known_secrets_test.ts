/** Answers about secrets are remembered for a time, as many as may be, each for its own parts. @module */
import { assertEquals, assertNotEquals } from "@std/assert";
import { test } from "node:test";
import { KnownSecrets } from "./known_secrets.ts";

test("an answer lives as long as it may", () => {
  let now = 0;
  const known = new KnownSecrets<string>(10, 100, () => now);
  known.set("a", "yes");
  now = 99;
  assertEquals(known.get("a"), "yes");
  now = 100;
  assertEquals(known.get("a"), undefined);
  now = 0;
  assertEquals(known.get("a"), undefined); // it is gone
});

test("above the number the oldest gives way", () => {
  const known = new KnownSecrets<number>(2, 100, () => 0);
  for (const [index, key] of ["a", "b", "a", "c"].entries()) known.set(key, index);
  assertEquals(["a", "b", "c"].map((key) => known.get(key)), [2, undefined, 3]);
});

test("two lists of parts have two keys, and two processes too", () => {
  const known = new KnownSecrets<never>(0, 0);
  assertEquals(known.keyOf("ab", "c"), known.keyOf("ab", new Uint8Array([0x63])));
  for (const parts of [["a", "bc"], ["abc"], ["ab", "c", ""], ["ab", "c", undefined]]) {
    assertNotEquals(known.keyOf("ab", "c"), known.keyOf(...parts));
  }
  assertNotEquals(known.keyOf(""), known.keyOf(undefined));
  assertNotEquals(known.keyOf("ab"), new KnownSecrets<never>(0, 0).keyOf("ab"));
});
