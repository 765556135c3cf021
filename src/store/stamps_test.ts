/** §3.3.1.3 Where several nodes are one Server, a store keeps which change of a retained message was the last. @module */
import { assertEquals } from "@std/assert";
import { test } from "node:test";
import type { Message } from "../broker/mod.ts";
import { inDirectory } from "../testing/store_files.ts";
import { MessageMaker } from "./message_row.ts";
import { openStore, type SqliteStore } from "./mod.ts";

const QUICK = { worker: false, durability: "os" } as const;

function message(topic: string): Message {
  const row = {
    topic,
    payload: new Uint8Array(1),
    properties: null,
    header: 0x31,
    expires_at: null,
    publisher: null,
  };
  return new MessageMaker().make(row);
}

function stampsIn(store: SqliteStore): (readonly [string, number])[] {
  return [...store.stamps()].sort();
}

test("stamps come back with a store, those of removed messages too, but for those that are not needed any more", () =>
  inDirectory(async (directory) => {
    const first = openStore(directory, QUICK);
    assertEquals(stampsIn(first), []);
    first.retained("a", message("a"));
    first.stamped("a", 5);
    first.retained("b", message("b"));
    first.stamped("b", 6);
    await first.commit();
    first.retained("b", undefined);
    first.stamped("b", 2 ** 51 + 1);
    first.stamped("c", 7);
    await first.commit();
    first.stamped("c", 0);
    await first.close();
    const second = openStore(directory, QUICK);
    assertEquals(stampsIn(second), [["a", 5], ["b", 2 ** 51 + 1]]);
    assertEquals([...second.retainedMessages()].map(({ topic }) => topic), ["a"]);
    await second.close();
  }));
