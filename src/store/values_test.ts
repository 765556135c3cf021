/** §4.1 A value that no broker has written is found when the file is opened, whichever column it is in. @module */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fill, inDirectory, tamper } from "../testing/store_files.ts";
import { openStore, STORE_FILE, type StoreEvent } from "./mod.ts";
import { type Kind, TABLES } from "./tables.ts";
import { verifyStore } from "./verify.ts";

/** Values that are not of a kind, and that SQLite stores as they are in a column of it. */
const WRONG: Readonly<Record<Kind, readonly string[]>> = {
  "integer": ["'soon'", "2.5"],
  "integer?": ["'soon'", "x'01'"],
  "text": ["x'61'"],
  "text?": ["x'61'"],
  "bytes": ["'text'"],
  "bytes?": ["'text'"],
  "time?": ["'soon'", "9e999"],
};

/** One row of a table, where it is not the first. */
const ONE: Readonly<Record<string, string>> = {
  subscription: "filter = 't/0/#'",
  received: "session = 1",
  ended: "session = 77",
  message: "id = (SELECT max(id) FROM message)",
};

let bytes: Uint8Array | undefined;

/** A file in which nothing is wrong, with a row in each table. */
async function sound(): Promise<Uint8Array> {
  if (bytes === undefined) {
    await inDirectory(async (directory) => {
      const path = await fill(directory, { sessions: 2, waiting: 1, retained: 2, bytes: 20 });
      tamper(path, "INSERT INTO ended VALUES (77)");
      bytes = Uint8Array.from(readFileSync(path));
    });
  }
  return bytes!;
}

/** Opens and closes the store of a directory; gives the events. */
async function opened(directory: string): Promise<StoreEvent[]> {
  const events: StoreEvent[] = [];
  const store = openStore(directory, {
    worker: false,
    durability: "os",
    onEvent: (event) => events.push(event),
  });
  await store.close();
  return events;
}

describe("a value of a wrong kind", () => {
  for (const { name, columns } of TABLES) {
    for (const [column, kind] of Object.entries(columns)) {
      test(`in ${name}.${column} has the file set aside, and is named`, async () => {
        for (const value of WRONG[kind]) {
          await inDirectory(async (directory) => {
            const path = join(directory, STORE_FILE);
            writeFileSync(path, await sound());
            try {
              tamper(path, `UPDATE ${name} SET ${column} = ${value} WHERE ${ONE[name] ?? "rowid = 1"}`);
            } catch (error) { // the column takes nothing else: a primary key
              assertStringIncludes((error as Error).message, "datatype mismatch");
              return;
            }
            const [event, ...more] = await opened(directory);
            assert(event?.kind === "set aside" && more.length === 0, `${value} is not found`);
            assertStringIncludes(event.why, `${name} `);
            assertStringIncludes(event.why, `its ${column} is `);
            assertEquals(verifyStore(path, () => {}).faults, 0);
            assertEquals(await opened(directory), []);
          });
        }
      });
    }
  }

  test("that costs a session its interval does not cost it what is in it", () =>
    inDirectory(async (directory) => {
      const path = await fill(directory, { sessions: 2, waiting: 3 });
      tamper(path, "UPDATE session SET expiry_seconds = 'soon' WHERE client_id = 'client-0'");
      const [event] = await opened(directory);
      assert(event?.kind === "set aside");
      assertEquals([event.saved.sessions, event.saved.mended, event.saved.unusable], [2, 1, 0]);
      assertEquals(event.saved.deliveries, 16);
    }));
});
