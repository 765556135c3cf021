/**
 * §4.1 Files of earlier versions. `src/testing/files/store_version_N.sqlite.gz` was made at that version by
 * `deno run -A src/testing/store_fixture.ts src/testing/files/store_version_N.sqlite.gz`.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { Pair } from "../testing/pair.ts";
import { inDirectory, overwrite, rootOf, tamper } from "../testing/store_files.ts";
import { backUp } from "./backup.ts";
import { openStore, STORE_FILE, type StoreEvent } from "./mod.ts";
import { SCHEMA_VERSION } from "./schema.ts";
import { verifyStore } from "./verify.ts";

/** Puts the file of a version into a directory; gives its path. */
function restore(directory: string, version: number): string {
  const from = new URL(`../testing/files/store_version_${version}.sqlite.gz`, import.meta.url);
  const path = join(directory, STORE_FILE);
  writeFileSync(path, gunzipSync(readFileSync(from)));
  return path;
}

function versionOf(path: string): unknown {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return database.prepare("PRAGMA user_version").get()!["user_version"];
  } finally {
    database.close();
  }
}

/** The expiry of the messages of `store_fixture.ts`. */
const EXPIRES_AT = 4_000_000_000_000;

describe("a file of version 1", () => {
  test("is brought to the present version, with all that is in it", () =>
    inDirectory(async (directory) => {
      const path = restore(directory, 1);
      assertEquals(versionOf(path), 1);
      const events: StoreEvent[] = [];
      const store = openStore(directory, { worker: false, onEvent: (event) => events.push(event) });
      const sessions = [...store.sessions()].sort((a, b) => a.storeId - b.storeId);
      assertEquals(
        sessions.map(({ session, subscriptions, deliveries, waiting, received }) => [
          session.clientId,
          session.user,
          session.address,
          session.will?.message.topic,
          subscriptions.length,
          deliveries.length,
          waiting.count,
          (waiting.expiring ?? []).map(({ count }) => count),
          received,
        ]),
        [
          ["client-0", undefined, undefined, "w/0", 2, 4, 4, [], [9]],
          ["client-1", undefined, undefined, "w/1", 2, 4, 4, [], [9]],
          ["expiring-a", undefined, undefined, undefined, 0, 0, 1, [1], []],
          ["expiring-b", undefined, undefined, undefined, 0, 0, 1, [1], []],
          ["expiring-c", undefined, undefined, undefined, 0, 0, 1, [1], []],
          ["expiring-d", undefined, undefined, undefined, 0, 0, 1, [1], []],
        ],
      );
      const retained = [...store.retainedMessages()].map(({ topic, expiresAt }) => [topic, expiresAt]);
      assertEquals(retained.sort(), [
        ["expiring", EXPIRES_AT],
        ["r/0", Infinity],
        ["r/1", Infinity],
        ["r/2", Infinity],
      ]);
      const { storeId, session: { clientId } } = sessions[5]!;
      const [shared] = await store.load({ storeId, clientId }, 0, 10, 1e9);
      assertEquals([shared!.message.topic, shared!.message.expiresAt], ["expiring", EXPIRES_AT]);
      await store.close();
      assertEquals([events, versionOf(path)], [[], SCHEMA_VERSION]);
      const faults: string[] = [];
      verifyStore(path, (line) => faults.push(line));
      assertEquals(faults, []);
    }));

  test("serves a broker, whose sessions have the Client that connected last", () =>
    inDirectory(async (directory) => {
      restore(directory, 1);
      let store = openStore(directory, { worker: false, durability: "os" });
      let pair = new Pair({ store });
      const kept = { cleanStart: false, properties: { sessionExpiryInterval: 600 } } as const;
      const client = pair.connect({ ...kept, clientId: "client-0" });
      assert(client.takePublishes().length > 0);
      pair.connect({ ...kept, clientId: "new", username: "ada" });
      await store.close();
      store = openStore(directory, { worker: false, durability: "os" });
      pair = new Pair({ store });
      const [old, made] = ["client-0", "new"].map((clientId) => pair.broker.session(clientId)!);
      assertEquals([old!.user, old!.address], [undefined, "192.0.2.1"]);
      assertEquals([made!.user, made!.address], ["ada", "192.0.2.1"]);
      await store.close();
    }));

  test("is verified and copied as it is", () =>
    inDirectory((directory) => {
      const path = restore(directory, 1);
      const faults: string[] = [];
      assertEquals(verifyStore(path, (line) => faults.push(line)).sessions, 6);
      assertEquals(faults, []);
      const copy = join(directory, "copy");
      assertEquals(backUp(path, copy).sessions, 6);
      assertEquals([versionOf(path), versionOf(copy)], [1, 1]);
    }));

  const damages: Readonly<Record<string, (path: string) => void>> = {
    "has a value that is none": (path) => tamper(path, "UPDATE session SET level = 'five' WHERE id = 1"),
    "has a page that cannot be read": (path) => overwrite(path, [rootOf(path, "retained")]),
    "has lost its first page": (path) => overwrite(path, [1]),
  };
  for (const [what, damage] of Object.entries(damages)) {
    test(`that ${what} is set aside, and its sessions are saved`, () =>
      inDirectory(async (directory) => {
        damage(restore(directory, 1));
        const events: StoreEvent[] = [];
        await openStore(directory, { worker: false, onEvent: (event) => events.push(event) }).close();
        const [event, ...more] = events;
        assert(event?.kind === "set aside" && more.length === 0);
        assertEquals([event.saved.sessions, event.saved.subscriptions], [6, 4]);
        const path = join(directory, STORE_FILE);
        assertEquals(versionOf(path), SCHEMA_VERSION);
        assertEquals(verifyStore(path, () => {}).faults, 0);
      }));
  }
});

describe("a file whose version is 0 though it has tables", () => {
  test("is set aside and named, and all is saved", () =>
    inDirectory(async (directory) => {
      const path = restore(directory, 1);
      tamper(path, "PRAGMA user_version = 0");
      const events: StoreEvent[] = [];
      await openStore(directory, { worker: false, onEvent: (event) => events.push(event) }).close();
      const [event] = events;
      assert(event?.kind === "set aside" && event.why.includes("its version is 0"));
      assertEquals([event.saved.sessions, event.saved.deliveries, event.saved.retained], [6, 20, 4]);
    }));
});
