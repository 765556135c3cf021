/** §3.3.2.3.4 What the aliases of a peer stand for. @module */
import { assertEquals } from "@std/assert";
import { test } from "node:test";
import { TopicAliases } from "./topic_aliases.ts";

const BYTES = new TextEncoder().encode("-topic-other");

function text(bytes: Uint8Array | undefined): string | undefined {
  return bytes && new TextDecoder().decode(bytes);
}

test("[MQTT-3.3.2-12] an alias stands for what it was set to last, in whatever order they are set", () => {
  const aliases = new TopicAliases(10);
  assertEquals([aliases.maximum, aliases.get(1)], [10, undefined]);
  aliases.set(10, BYTES, 1, 6);
  aliases.set(2, BYTES, 7, 12);
  assertEquals([10, 2, 1, 9].map((alias) => text(aliases.get(alias))), [
    "topic",
    "other",
    undefined,
    undefined,
  ]);
  aliases.set(10, BYTES, 7, 12);
  assertEquals([text(aliases.get(10)), text(aliases.get(2))], ["other", "other"]);
});

test("an alias outlives the bytes it was set from", () => {
  const aliases = new TopicAliases(1);
  const bytes = BYTES.slice();
  aliases.set(1, bytes, 1, 6);
  bytes.fill(0);
  assertEquals(text(aliases.get(1)), "topic");
});
