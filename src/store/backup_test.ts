/** A copy of a store is whole or not there, and a compacted one has lost nothing but room. @module */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import {
  contentsOf,
  digest,
  fill,
  folder,
  inDirectory,
  overwrite,
  PAGE_BYTES,
  tamper,
} from "../testing/store_files.ts";
import { keyOf, record } from "../testing/store_scene.ts";
import { backUp, compact } from "./backup.ts";
import { hasStaleLog } from "./files.ts";
import { openStore, STORE_FILE, StoreError } from "./mod.ts";
import { verifyStore } from "./verify.ts";
import { patient } from "../testing/patience.ts";

const QUICK = { worker: false, durability: "os" } as const;

function faultsOf(path: string): string[] {
  const faults: string[] = [];
  verifyStore(path, (line) => faults.push(line));
  return faults;
}

describe("backUp()", () => {
  test("copies everything, and says what", patient, () =>
    inDirectory(async (directory) => {
      const path = await fill(directory);
      const before = digest(path);
      const to = join(directory, "copy");
      assertEquals(backUp(path, to), { ...contentsOf(), bytes: statSync(to).size });
      assertEquals(faultsOf(to), []);
      assertEquals(digest(path), before);
      assertEquals(readdirSync(directory).filter((name) => name.includes("part")), []);
    }));

  test(
    "copies what a broker that goes on has acknowledged, and only that",
    patient,
    () =>
      inDirectory(async (directory) => {
        const path = await fill(folder(directory, "data"));
        const store = openStore(join(path, ".."), QUICK);
        const [first] = [...store.sessions(), ...store.retainedMessages()].length > 0 ? ["new"] : [];
        store.saved(keyOf(first!), record(first!));
        await store.commit();
        store.saved(keyOf("not yet"), record("not yet"));
        const to = join(directory, "copy");
        assertEquals(backUp(path, to).sessions, contentsOf().sessions + 1);
        await store.commit();
        await store.close();
      }),
  );

  test("a broker starts with it", patient, () =>
    inDirectory(async (directory) => {
      const path = await fill(folder(directory, "data"));
      backUp(path, join(folder(directory, "other"), STORE_FILE));
      const events: unknown[] = [];
      const store = openStore(join(directory, "other"), { ...QUICK, onEvent: (event) => events.push(event) });
      assertEquals([...store.sessions()].length, contentsOf().sessions);
      assertEquals([...store.retainedMessages()].length, contentsOf().retained);
      await store.close();
      assertEquals(events, []);
    }));

  test("replaces what was there, when it is complete", () =>
    inDirectory(async (directory) => {
      const path = await fill(directory, { sessions: 1 });
      const to = join(directory, "copy");
      writeFileSync(to, "old");
      assertEquals(backUp(path, to).sessions, 1);
    }));

  test("leaves nothing behind when it cannot be written", () =>
    inDirectory(async (directory) => {
      const path = await fill(directory, { sessions: 1 });
      const to = join(directory, "nowhere", "copy");
      const { trouble, message } = assertThrows(() => backUp(path, to), StoreError);
      assertEquals([trouble, message.startsWith(`${to}: `)], ["unwritable", true]);
    }));

  test("leaves what was there when the store cannot be read", () =>
    inDirectory(async (directory) => {
      const path = await fill(directory);
      const pages = statSync(path).size / PAGE_BYTES;
      overwrite(path, [Math.floor(pages / 2)]);
      const to = join(directory, "copy");
      writeFileSync(to, "old");
      const { trouble, message } = assertThrows(() => backUp(path, to), StoreError);
      assertEquals([trouble, message.startsWith(`${path}: `)], ["corrupt", true]);
      assertEquals(statSync(to).size, 3);
      assertEquals(readdirSync(directory).filter((name) => name.includes("part")), []);
    }));
});

describe("compact()", () => {
  test("gives room back, and nothing else", patient, () =>
    inDirectory(async (directory) => {
      const path = await fill(directory);
      tamper(path, "DELETE FROM retained");
      const { before, after } = compact(directory);
      assertEquals(readdirSync(directory).filter((name) => name.endsWith("-wal")), []);
      assert(after < before && after === statSync(path).size, `${before} ${after}`);
      assertEquals(faultsOf(path), []);
      const { sessions, deliveries } = verifyStore(path, () => {});
      assertEquals([sessions, deliveries], [contentsOf().sessions, contentsOf().deliveries]);
    }));

  test("leaves a file that has a log", () =>
    inDirectory(async (directory) => {
      const path = await fill(directory, { sessions: 1 });
      compact(directory);
      const database = new DatabaseSync(path);
      database.exec("UPDATE session SET level = 4");
      assert(statSync(`${path}-wal`).size > 0);
      assertEquals(hasStaleLog(path), false);
      database.close();
    }));

  test("refuses while a broker has it", () =>
    inDirectory(async (directory) => {
      const store = openStore(directory, QUICK);
      const { trouble, message } = assertThrows(() => compact(directory), StoreError);
      assertEquals(trouble, "locked");
      assertMatch(message, /is in use by another broker/);
      await store.close();
      assert(existsSync(join(directory, STORE_FILE)));
      compact(directory);
    }));
});
