/** A broker that ended while its file had no log yet: killed, or by a power cut, in its first milliseconds. @module */
import { assertEquals, assertThrows } from "@std/assert";
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import {
  change,
  contentsOf,
  fill,
  FILLING,
  folder,
  inDirectory,
  PAGE_BYTES,
} from "../testing/store_files.ts";
import { backUp, compact } from "./backup.ts";
import { openStore, STORE_FILE, type StoreEvent } from "./mod.ts";
import { verifyStore } from "./verify.ts";
import { patient } from "../testing/patience.ts";

const SECTOR_BYTES = 512;
const NONCE = 0x1234;

/** A journal as SQLite writes it: how many pages the file had, and the first of them. */
function journalOf(pages: number, first?: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(SECTOR_BYTES + (first === undefined ? 0 : 4 + PAGE_BYTES + 4));
  const view = new DataView(bytes.buffer);
  bytes.set([0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]);
  const numbers = [first === undefined ? 0 : 1, NONCE, pages, SECTOR_BYTES, PAGE_BYTES];
  for (const [i, number] of numbers.entries()) view.setUint32(8 + 4 * i, number);
  if (first !== undefined) {
    let sum = NONCE;
    for (let at = PAGE_BYTES - 200; at > 0; at -= 200) sum += first[at]!;
    view.setUint32(SECTOR_BYTES, 1);
    bytes.set(first, SECTOR_BYTES + 4);
    view.setUint32(SECTOR_BYTES + 4 + PAGE_BYTES, sum);
  }
  return bytes;
}

/** Fails unless SQLite says of the file what it says after a power cut. */
function assertInterrupted(path: string): void {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    assertThrows(() => database.prepare("SELECT * FROM sqlite_schema").all(), Error, "readonly database");
  } finally {
    database.close();
  }
}

/** A new file whose first page was just written; its journal says that it was empty. */
function newFile(directory: string): string {
  const path = join(directory, STORE_FILE);
  const database = new DatabaseSync(path);
  database.exec("PRAGMA journal_mode = WAL");
  database.close();
  writeFileSync(`${path}-journal`, journalOf(0));
  assertInterrupted(path);
  return path;
}

/** A backup whose header was just being changed so that it has a log. */
async function restored(directory: string): Promise<string> {
  const copy = join(directory, "copy");
  backUp(await fill(folder(directory, "original")), copy);
  const path = join(directory, STORE_FILE);
  copyFileSync(copy, path);
  const before = readFileSync(path);
  writeFileSync(`${path}-journal`, journalOf(before.length / PAGE_BYTES, before.subarray(0, PAGE_BYTES)));
  change(path, (bytes) => {
    bytes.set([2, 2], 18);
    return bytes.fill(0xff, 200, PAGE_BYTES); // and torn
  });
  assertInterrupted(path);
  return path;
}

/** Opens a store and closes it; gives how many sessions it has, and what it told. */
async function open(directory: string): Promise<[sessions: number, events: StoreEvent["kind"][]]> {
  const events: StoreEvent["kind"][] = [];
  const store = openStore(directory, {
    worker: false,
    durability: "os",
    onEvent: ({ kind }) => events.push(kind),
  });
  const sessions = [...store.sessions()].length;
  await store.close();
  return [sessions, events];
}

describe("a broker ended while its file had no log yet, and", () => {
  test("it starts again with a new file", patient, () =>
    inDirectory(async (directory) => {
      const path = newFile(directory);
      assertEquals(await open(directory), [0, ["made"]]);
      assertEquals(existsSync(`${path}-journal`), false);
      assertEquals(await open(directory), [0, []]);
    }));

  test(
    "it starts again with a backup that was put in the file's place",
    patient,
    () =>
      inDirectory(async (directory) => {
        await restored(directory);
        assertEquals(await open(directory), [FILLING.sessions, []]);
      }),
  );

  test("`verify` reads the backup", patient, () =>
    inDirectory(async (directory) => {
      const path = await restored(directory);
      const faults: string[] = [];
      const { sessions } = verifyStore(path, (fault) => faults.push(fault));
      assertEquals([sessions, faults], [FILLING.sessions, []]);
    }));

  test(
    "`verify` finds nothing wrong with the new file, and nothing in it",
    patient,
    () =>
      inDirectory((directory) => {
        const path = newFile(directory);
        const lines: string[] = [];
        const { sessions, faults } = verifyStore(path, (fault) => lines.push(fault));
        assertEquals([sessions, faults, lines], [0, 0, []]);
      }),
  );

  test("`backup` copies the backup, and the new file", patient, () =>
    inDirectory(async (directory) => {
      const { sessions } = backUp(await restored(directory), join(directory, "again"));
      assertEquals(sessions, contentsOf().sessions);
      const copy = join(folder(directory, "empty"), STORE_FILE);
      assertEquals(backUp(newFile(folder(directory, "new")), copy).sessions, 0);
      assertEquals((await open(join(directory, "empty")))[0], 0);
    }));

  test("`compact` leaves what is in them", patient, () =>
    inDirectory(async (directory) => {
      await restored(directory);
      compact(directory);
      assertEquals((await open(directory))[0], FILLING.sessions);
      const other = folder(directory, "new");
      newFile(other);
      compact(other);
      assertEquals((await open(other))[0], 0);
    }));

  test(
    "the journal of a new file does not empty the backup that was put in its place",
    patient,
    () =>
      inDirectory(async (directory) => {
        newFile(directory);
        backUp(await fill(folder(directory, "original")), join(directory, STORE_FILE));
        assertEquals(await open(directory), [FILLING.sessions, []]);
      }),
  );

  test("a journal that was never complete is no trouble", patient, () =>
    inDirectory(async (directory) => {
      for (const journal of [new Uint8Array(0), new Uint8Array(SECTOR_BYTES), journalOf(0).subarray(0, 20)]) {
        const path = newFile(folder(directory, `${journal.length}-${journal[0] ?? ""}`));
        writeFileSync(`${path}-journal`, journal);
        assertEquals((await open(join(path, "..")))[0], 0);
      }
    }));
});
