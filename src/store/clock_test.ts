/** §4.1 A store goes by the clock that it is given. @module */
import { assert, assertEquals } from "@std/assert";
import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fill, inDirectory, tamper } from "../testing/store_files.ts";
import { keyOf, record, waiting } from "../testing/store_scene.ts";
import { openStore, type OpenStoreOptions, type SqliteStore, STORE_FILE, type StoreClock } from "./mod.ts";

/** A clock whose time goes on when a test says so. */
class HandClock implements StoreClock {
  #now = 1_700_000_000_000;
  readonly #due: { at: number; action: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, action: () => void): () => void {
    const entry = { at: this.#now + ms, action };
    this.#due.push(entry);
    return () => {
      const at = this.#due.indexOf(entry);
      if (at >= 0) this.#due.splice(at, 1);
    };
  }

  /** How many calls are due some time. */
  get waiting(): number {
    return this.#due.length;
  }

  advance(ms: number): void {
    this.#now += ms;
    for (const entry of this.#due.filter(({ at }) => at <= this.#now)) {
      this.#due.splice(this.#due.indexOf(entry), 1);
      entry.action();
    }
  }
}

function open(directory: string, clock: StoreClock, options: OpenStoreOptions = {}): SqliteStore {
  const store = openStore(directory, { worker: false, durability: "os", clock, ...options });
  [...store.sessions(), ...store.retainedMessages()];
  return store;
}

function count(directory: string, table: string): number {
  const database = new DatabaseSync(join(directory, STORE_FILE), { readOnly: true });
  try {
    return database.prepare(`SELECT count(*) AS count FROM ${table}`).get()!["count"] as number;
  } finally {
    database.close();
  }
}

describe("a store with a clock of its own", () => {
  test("commits at intervals when an interval is over", () =>
    inDirectory(async (directory) => {
      const clock = new HandClock();
      const store = open(directory, clock, { durability: 50 });
      store.saved(keyOf("a"), record("a"));
      assertEquals(store.commit(), undefined);
      clock.advance(49);
      store.saved(keyOf("b"), record("b"));
      assertEquals(store.commit(), undefined);
      assertEquals([count(directory, "session"), clock.waiting], [0, 1]);
      clock.advance(1);
      assertEquals([count(directory, "session"), clock.waiting], [2, 0]);
      store.saved(keyOf("c"), record("c"));
      store.commit();
      clock.advance(50);
      assertEquals(count(directory, "session"), 3);
      await store.close();
    }));

  test("is called back no more once it is closed", () =>
    inDirectory(async (directory) => {
      const clock = new HandClock();
      const store = open(directory, clock, { durability: 50 });
      store.saved(keyOf("a"), record("a"));
      store.commit();
      await store.close();
      assertEquals([count(directory, "session"), clock.waiting], [1, 0]);
    }));

  test("removes what an ended session leaves when it is called back", () =>
    inDirectory(async (directory) => {
      const clock = new HandClock();
      const store = open(directory, clock);
      const key = keyOf("a");
      store.saved(key, record("a"));
      for (let order = 1; order <= 3_000; order++) store.queued(key, waiting(order));
      await store.commit();
      store.dropped(key);
      await store.commit();
      assertEquals([count(directory, "delivery"), count(directory, "ended")], [3_000, 1]);
      clock.advance(0);
      assertEquals([count(directory, "delivery"), count(directory, "ended")], [1_000, 1]);
      clock.advance(0);
      assertEquals([count(directory, "delivery"), count(directory, "ended")], [0, 0]);
      assertEquals(clock.waiting, 0);
      await store.close();
    }));

  test("names a damaged file by it", () =>
    inDirectory(async (directory) => {
      const path = await fill(directory, { sessions: 1, waiting: 1, retained: 1 });
      tamper(path, "DROP INDEX delivery_begun");
      await open(directory, new HandClock()).close();
      assert(existsSync(`${path}.damaged-2023-11-14T22-13-20-000Z`));
    }));
});

describe("a page", () => {
  test("is there at once if the disk is in this thread, and comes by a promise if not", async () => {
    for (const options of [{ worker: false as const }, {}]) {
      await inDirectory(async (directory) => {
        const store = openStore(directory, { durability: "os", ...options });
        [...store.sessions(), ...store.retainedMessages()];
        const key = keyOf("a");
        store.saved(key, record("a"));
        for (let order = 1; order <= 3; order++) store.queued(key, waiting(order));
        const page = store.load(key, 2, 10, 1e9);
        assertEquals(page instanceof Promise, options.worker === undefined);
        assertEquals((await page).map(({ order }) => order), [2, 3]);
        await store.close();
      });
    }
  });
});
