/** §4.1 A store goes by the clock that it is given. @module */
import { assert, assertEquals } from "@std/assert";
import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fill, inDirectory, tamper } from "../testing/store_files.ts";
import { keyOf, message, record, waiting } from "../testing/store_scene.ts";
import {
  openStore,
  type OpenStoreOptions,
  type SqliteStore,
  STORE_FILE,
  type StoreClock,
  type StoreEvent,
} from "./mod.ts";

/** A clock whose time goes on when a test says so. */
class HandClock implements StoreClock {
  #now: number;
  readonly #due: { at: number; action: () => void }[] = [];

  constructor(now = 1_700_000_000_000) {
    this.#now = now;
  }

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

  test("removes what has expired in portions, and an earlier broker's too", () =>
    inDirectory(async (directory) => {
      const clock = new HandClock();
      const key = keyOf("a");
      const store = open(directory, clock);
      store.saved(key, record("a"));
      const expiring = message("t", { expiresAt: 1_000 });
      for (let order = 1; order <= 3_000; order++) store.queued(key, waiting(order, { message: expiring }));
      store.queued(key, waiting(4_000));
      await store.commit();
      store.expired(key, 1_000);
      await store.commit();
      assertEquals([count(directory, "delivery"), clock.waiting], [3_001, 1]);
      clock.advance(0);
      assertEquals(count(directory, "delivery"), 1_001);
      await store.close();

      const next = openStore(directory, { worker: false, durability: "os", clock });
      const [found] = [...next.sessions()];
      assertEquals([found!.waiting.count, found!.waiting.expiring?.map(({ count }) => count)], [1_001, [
        1_000,
      ]]);
      next.expired({ clientId: "a", storeId: found!.storeId }, 1_024);
      await next.commit();
      clock.advance(0);
      assertEquals([count(directory, "delivery"), count(directory, "message"), clock.waiting], [1, 0, 0]);
      await next.close();
    }));

  /** The deadlines of all tables that a store begun at `first` has when it is opened at `then`, and the events. */
  async function deadlinesAt(first: number, then: number): Promise<[(number | null)[], StoreEvent[]]> {
    let found: (number | null)[] = [];
    const events: StoreEvent[] = [];
    await inDirectory(async (directory) => {
      const store = open(directory, new HandClock(first));
      const hour = first + 3_600_000;
      const key = keyOf("a");
      const expiring = message("t", { expiresAt: hour });
      const will = { message: message("w"), delaySeconds: 3_600, dueAt: hour };
      store.saved(key, record("a", { expiresAt: hour, will }));
      const other = keyOf("b");
      store.saved(other, record("b", { expiresAt: Infinity }));
      for (const [i, one] of [key, other].entries()) store.queued(one, waiting(i + 1, { message: expiring }));
      store.queued(key, waiting(3, { message: message("own", { expiresAt: hour }) }));
      store.queued(key, waiting(4));
      store.retained("t", expiring);
      await store.commit();
      await store.close();
      await open(directory, new HandClock(then), { onEvent: (event) => events.push(event) }).close();
      const database = new DatabaseSync(join(directory, STORE_FILE), { readOnly: true });
      const sql = `SELECT expires_at AS at FROM session UNION ALL SELECT due_at FROM will UNION ALL
        SELECT expires_at FROM delivery UNION ALL SELECT expires_at FROM message UNION ALL SELECT expires_at FROM retained`;
      found = database.prepare(sql).all().map(({ at }) => at as number | null);
      database.close();
    });
    return [found, events];
  }

  const YEAR = 365 * 24 * 3_600_000;
  const jumps = {
    "from 1970 to now": [1_000, 1_790_000_000_000],
    "from 2006 to now": [1_136_073_600_000, 1_790_000_000_000],
    "two days back": [1_790_000_000_000, 1_790_000_000_000 - 172_800_000],
    "300 seconds back": [1_790_000_000_000, 1_790_000_000_000 - 300_000],
  } as const;
  for (const [what, [first, then]] of Object.entries(jumps)) {
    test(`moves all deadlines when it has jumped ${what}, and says so`, async () => {
      const [found, [event, ...more]] = await deadlinesAt(first, then);
      const hour = then + 3_600_000;
      assertEquals(found, [hour, null, hour, hour, hour, hour, null, hour, hour]);
      assert(event?.kind === "clock set" && more.length === 0);
      assertEquals([event.from, event.to], [first, then]);
    });
  }

  test("moves none when a broker has rested for days, or the clock was corrected a little", async () => {
    const first = 1_790_000_000_000;
    const hour = first + 3_600_000;
    for (const then of [first - 900, first, first + YEAR]) {
      const [found, events] = await deadlinesAt(first, then);
      assertEquals([found, events], [[hour, null, hour, hour, hour, hour, null, hour, hour], []]);
    }
  });

  test("a time in the file that is none is damage", () =>
    inDirectory(async (directory) => {
      const path = await fill(directory, { sessions: 1, waiting: 1, retained: 1 });
      tamper(path, "UPDATE clock SET at = 'noon'");
      const events: StoreEvent[] = [];
      await open(directory, new HandClock(), { onEvent: (event) => events.push(event) }).close();
      const [event] = events;
      assert(event?.kind === "set aside");
      assertEquals(event.saved.sessions, 1);
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
