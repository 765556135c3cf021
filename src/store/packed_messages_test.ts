/** §4.1 Packed messages come back as they were, and packs are let go one by one. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { message, shown } from "../testing/store_scene.ts";
import { packMessages, unpackMessages } from "./packed_messages.ts";

describe("packMessages()", () => {
  const messages = Array.from({ length: 3_000 }, (_, i) => ({
    ...message(`r/${i}`, {
      bytes: i % 300,
      level: i % 2 === 0 ? 5 : 4,
      qos: i % 3 === 0 ? 1 : 0,
      retain: true,
    }),
    expiresAt: i % 5 === 0 ? 1_800_000_000_000 + i : Infinity,
    publisher: i % 7 === 0 ? undefined : `publisher ${i}`,
  }));

  test("each message comes back as it was, in order", () => {
    const packs = [...packMessages(messages)];
    assert(packs.length > 1 && packs.length < 10);
    assertEquals([...unpackMessages(packs)].map(shown), messages.map(shown));
  });

  test("a pack whose messages have been taken is held no more", () => {
    const packs = [...packMessages(messages)];
    const before = packs.length;
    const taking = unpackMessages(packs)[Symbol.iterator]();
    for (let i = 0; i < 2_900; i++) taking.next();
    assert(packs.length < before - 1);
  });

  test("of nothing there is no pack", () => {
    assertEquals([...packMessages([])], []);
  });
});
