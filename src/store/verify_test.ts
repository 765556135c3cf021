/** Everything that can be wrong with a store is found, and named in a line. @module */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import {
  change,
  contentsOf,
  digest,
  fill,
  FILLING,
  inDirectory,
  overwrite,
  PAGE_BYTES,
  rootOf,
  tamper,
} from "../testing/store_files.ts";
import { keyOf, record } from "../testing/store_scene.ts";
import { openStore, StoreError } from "./mod.ts";
import { type Verified, verifyStore } from "./verify.ts";

const SMALL = { sessions: 3, waiting: 3, retained: 3 } as const;

function verified(path: string): { lines: string[]; counts: Verified } {
  const lines: string[] = [];
  const counts = verifyStore(path, (line) => lines.push(line));
  assertEquals(counts.faults, lines.length);
  for (const line of lines) assert(!line.includes("\n"));
  return { lines, counts };
}

describe("verifyStore()", () => {
  test("counts what is there, and changes nothing", () =>
    inDirectory(async (directory) => {
      const path = await fill(directory);
      const before = digest(path);
      const { lines, counts } = verified(path);
      assertEquals(lines, []);
      const waiting = FILLING.sessions * (FILLING.waiting + 2);
      assertEquals(counts, { ...contentsOf(), waiting, bytes: statSync(path).size, faults: 0 });
      assertEquals(digest(path), before);
    }));

  test("looks at the store of a broker that goes on", () =>
    inDirectory(async (directory) => {
      const store = openStore(directory, { worker: false, durability: "os" });
      [...store.sessions(), ...store.retainedMessages()];
      store.saved(keyOf("one"), record("one"));
      await store.commit();
      const { lines, counts } = verified(join(directory, "plumb.sqlite"));
      assertEquals([lines, counts.sessions], [[], 1]);
      await store.close();
    }));

  test("does not miss what a session that is over has left", () =>
    inDirectory(async (directory) => {
      const path = await fill(directory, SMALL);
      tamper(path, "DELETE FROM session WHERE id = 2", "INSERT INTO ended VALUES (2)");
      assertEquals(verified(path).lines, []);
    }));

  const faults: Readonly<Record<string, readonly [sql: string, lines: readonly string[]]>> = {
    "a session that is lost": ["DELETE FROM session WHERE id = 2", [
      "will: 1 of session 2, which is not there",
      "subscription: 2 of session 2, which is not there",
      "received: 1 of session 2, which is not there",
      "delivery: 8 of session 2, which is not there",
    ]],
    "a session that is over and there": ["INSERT INTO ended VALUES (2)", [
      "session 2: it is over, and still there",
    ]],
    "a message that is lost": [
      "DELETE FROM message",
      [25, 26, 27].map((id) => `delivery ${id}: its message 25 is not there`),
    ],
    "a message for nobody": [
      "INSERT INTO message (id, topic, payload, header) VALUES (9000, 't', x'', 50)",
      ["message 9000: no delivery refers to it"],
    ],
    "a Packet Identifier used twice": [
      "UPDATE delivery SET packet_id = 1 WHERE packet_id = 2 AND session = 2",
      ["session 2: 2 deliveries under Packet Identifier 1"],
    ],
    "two messages in one delivery": [
      "UPDATE delivery SET message = 25 WHERE id = 1",
      ["delivery 1: it has two messages: topic, payload, properties, header, publisher and 25"],
    ],
    "no message in a delivery": [
      "UPDATE delivery SET topic = NULL, header = NULL WHERE id = 1",
      ["delivery 1: it has no topic, header"],
    ],
    "a filter that is none": [
      `UPDATE subscription SET filter = 't/+x' WHERE filter = 't/1/#'`,
      [`subscription 2 "t/+x": its filter "t/+x" is none (MQTT-4.7.1-2)`],
    ],
    "a header that is none": ["UPDATE retained SET header = 54 WHERE topic = 'r/1'", [
      "retained 2: PUBLISH with QoS 3",
    ]],
    "properties that are none": ["UPDATE will SET properties = x'01010101' WHERE session = 1", [
      "will 1: PUBLISH with property 0x1 more than once",
    ]],
    "a step that does not fit": ["UPDATE delivery SET step = 2 WHERE id = 1", [
      "delivery 1: its packet_id is 0 at step 2",
    ]],
    "a text where a number should be": ["UPDATE received SET packet_id = 'x' WHERE session = 1", [
      "received 1 ?: its packet_id is no integer",
    ]],
  };
  for (const [what, [sql, expected]] of Object.entries(faults)) {
    test(`finds ${what}`, () =>
      inDirectory(async (directory) => {
        const path = await fill(directory, SMALL);
        tamper(path, sql);
        assertEquals(verified(path).lines, expected);
      }));
  }

  for (
    const [what, sql, says] of [
      ["more", "DELETE FROM delivery WHERE id = 1", /^delivery 1: it is in an index alone$/],
      [
        "fewer",
        "INSERT INTO delivery SELECT 9000, session, step, qos, retain, packet_id, released, identifiers, share, " +
        "bytes, message, topic, payload, properties, header, expires_at, publisher FROM delivery WHERE id = 1",
        /missing from index delivery_waiting/,
      ],
    ] as const
  ) {
    test(`finds an index that knows ${what} rows`, () =>
      inDirectory(async (directory) => {
        const path = await fill(directory, SMALL);
        const root = rootOf(path, "delivery_waiting");
        const page = readFileSync(path).subarray((root - 1) * PAGE_BYTES, root * PAGE_BYTES);
        tamper(path, sql);
        change(path, (bytes) => {
          bytes.set(page, (root - 1) * PAGE_BYTES);
          return bytes;
        });
        assertMatch(verified(path).lines.join("; "), says);
      }));
  }

  test("finds pages that cannot be read, and goes on", () =>
    inDirectory(async (directory) => {
      const path = await fill(directory);
      const pages = statSync(path).size / PAGE_BYTES;
      overwrite(path, [Math.floor(pages / 2)]);
      const { lines, counts } = verified(path);
      assert(lines.length > 0);
      assertMatch(lines.join("; "), new RegExp(`page ${Math.floor(pages / 2)}\\b`));
      assertEquals([counts.sessions, counts.retained], [contentsOf().sessions, contentsOf().retained]);
    }));

  for (
    const [what, damage] of [["a first page", (path: string) => overwrite(path, [1])], [
      "a file",
      (path: string) => writeFileSync(path, "no database\n".repeat(1_000)),
    ]] as const
  ) {
    test(`finds ${what} that is noise`, () =>
      inDirectory(async (directory) => {
        const path = await fill(directory, SMALL);
        damage(path);
        assertEquals(verified(path).lines, [`${path}: file is not a database`]);
      }));
  }

  test("does not look at what is not ours", () =>
    inDirectory(async (directory) => {
      const path = await fill(directory, SMALL);
      tamper(path, "PRAGMA application_id = 7");
      assertEquals(assertThrows(() => verifyStore(path, () => {}), StoreError).trouble, "foreign");
      assert(readdirSync(directory).length > 0);
    }));
});
