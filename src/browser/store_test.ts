/** §4.1 The store of a broker in a browser, in a copy of IndexedDB on the runtime of the test. @module */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { IDBFactory, IDBKeyRange, IDBObjectStore } from "fake-indexeddb";
import { describe, test } from "node:test";
import { StoreError } from "../store/error.ts";
import { patient } from "../testing/patience.ts";
import { storeContract } from "../testing/store_contract.ts";
import { keyOf, message, record, subscription, waiting } from "../testing/store_scene.ts";
import { type BrowserStore, importSnapshot, openBrowserStore } from "./store.ts";

const page = globalThis as unknown as {
  indexedDB?: InstanceType<typeof IDBFactory>;
  IDBKeyRange?: typeof IDBKeyRange;
};

/** Other databases from here on. */
function anew(): void {
  page.indexedDB = new IDBFactory();
  page.IDBKeyRange = IDBKeyRange;
}

for (const durability of ["fsync", "os"] as const) {
  storeContract(`IndexedDB, ${durability}`, async () => {
    anew();
    let open: BrowserStore = await openBrowserStore("home", { durability });
    return {
      store: open,
      reopen: async () => {
        await open.close();
        return open = await openBrowserStore("home", { durability });
      },
      close: () => open.close(),
    };
  });
}

/** Deno has Web Locks, Bun has none: until the end of the block neither has. */
function withoutLocks(): Disposable {
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator")!;
  Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });
  return { [Symbol.dispose]: () => void Object.defineProperty(globalThis, "navigator", before) };
}

/** The names of the stores that have records, with how many. */
async function counts(name: string): Promise<Record<string, number>> {
  const database = await new Promise<IDBDatabaseLike>((resolve) => {
    const request = page.indexedDB!.open(`plumb-broker:${name}`);
    request.onsuccess = () => resolve(request.result as unknown as IDBDatabaseLike);
  });
  const found: Record<string, number> = {};
  for (const store of database.objectStoreNames) {
    if (store === "meta") continue;
    const request = database.transaction([store]).objectStore(store).count();
    await new Promise<void>((resolve) => request.onsuccess = () => resolve());
    if (request.result > 0) found[store] = request.result;
  }
  database.close();
  return found;
}

interface IDBDatabaseLike {
  readonly objectStoreNames: Iterable<string>;
  transaction(stores: string[]): {
    objectStore(name: string): { count(): { result: number; onsuccess: () => void } };
  };
  close(): void;
}

describe("A store of a broker in IndexedDB", () => {
  test("keeps nothing of sessions that are over, however many messages wait in them", patient, async () => {
    anew();
    const store = await openBrowserStore("home");
    const [one, other] = [keyOf("one"), keyOf("other")];
    for (const key of [one, other]) store.saved(key, record(key.clientId));
    store.subscribed(one, subscription("a/#"));
    store.received(one, 7, true);
    for (let order = 1; order <= 1_200; order += 2) {
      const shared = message(`t/${order}`);
      store.queued(one, waiting(order, { message: shared }));
      store.queued(other, waiting(order + 1, { message: shared }));
    }
    await store.commit();
    store.dropped(one);
    await store.commit();
    await store.close();
    const again = await openBrowserStore("home"); // what is left is removed here at the latest
    await again.snapshot();
    await again.close();
    const last = await openBrowserStore("home");
    await last.close();
    assertEquals(await counts("home"), { delivery: 600, message: 600, session: 1 });
  });

  test(
    "fails the commits of the broker that had it before, where no lock keeps the second one out",
    patient,
    async () => {
      anew();
      using _ = withoutLocks();
      const one = await openBrowserStore("home");
      one.saved(keyOf("c"), record("c"));
      await one.commit();
      const other = await openBrowserStore("home");
      one.retained("a", message("a"));
      await assertRejects(
        async () => void await one.commit(),
        StoreError,
        "home was opened by another broker",
      );
      other.retained("b", message("b"));
      await other.commit();
      await other.close();
      assertEquals(await counts("home"), { retained: 1, session: 1 });
      await one.close().catch(() => {});
    },
  );

  test("writes the batch that failed, and those behind it, in their order once it can", patient, async () => {
    anew();
    const store = await openBrowserStore("home");
    const key = keyOf("c");
    store.saved(key, record("c"));
    await store.commit();
    const prototype = IDBObjectStore.prototype as unknown as { put: (...args: unknown[]) => unknown };
    const { put } = prototype;
    prototype.put = () => {
      throw Object.assign(new Error("no room"), { name: "QuotaExceededError" });
    };
    store.subscribed(key, subscription("a"));
    await assertRejects(
      async () => void await store.commit(),
      StoreError,
      "home is full: the browser gives this origin no more room",
    );
    prototype.put = put;
    store.unsubscribed(key, "a");
    store.subscribed(key, subscription("b"));
    await store.commit();
    await store.close();
    const again = await openBrowserStore("home");
    const [session] = again.sessions();
    assertEquals(session!.subscriptions.map(({ filter }) => filter), ["b"]);
    await again.close();
  });

  test("moves all deadlines when the clock was set meanwhile", patient, async () => {
    anew();
    const { now } = Date;
    try {
      Date.now = () => 1_000_000; // a board without a clock begins in 1970
      const store = await openBrowserStore("home");
      const key = keyOf("c");
      const will = { message: message("w"), delaySeconds: 1, dueAt: 1_005_000 };
      store.saved(key, record("c", { expiresAt: 1_060_000, will }));
      store.queued(key, waiting(1, { message: message("t", { expiresAt: 1_030_000 }) }));
      store.retained("r", message("r", { expiresAt: 1_040_000 }));
      await store.commit();
      await store.close();
      Date.now = () => 1_900_000_000_000;
      let jump: unknown;
      const again = await openBrowserStore("home", { clockSet: (from) => jump = from });
      assertEquals(jump, { from: 1_000_000, to: 1_900_000_000_000 });
      const [found] = again.sessions();
      assertEquals(
        [found!.session.expiresAt, found!.session.will!.dueAt],
        [1_900_000_060_000, 1_900_000_005_000],
      );
      assertEquals([...again.retainedMessages()].map(({ expiresAt }) => expiresAt), [1_900_000_040_000]);
      const [delivery] = await again.load(keyOf("c", found!), 0, 10, 1e6);
      assertEquals(delivery!.message.expiresAt, 1_900_000_030_000);
      await again.close();
    } finally {
      Date.now = now;
    }
  });

  test("says why it cannot be opened", patient, async () => {
    anew();
    const opened = new Promise<{ close(): void }>((resolve) => {
      const request = page.indexedDB!.open("plumb-broker:newer", 2);
      request.onsuccess = () => resolve(request.result);
    });
    (await opened).close();
    await assertRejects(() => openBrowserStore("newer"), StoreError, "newer is of a later version than 1");
    delete page.indexedDB;
    await assertRejects(() => openBrowserStore("home"), StoreError, "home needs IndexedDB");
  });
});

describe("A snapshot of a store in IndexedDB", () => {
  test("is refused where there is content, unless that is to be replaced", patient, async () => {
    anew();
    const store = await openBrowserStore("home");
    store.retained("a", message("a"));
    await store.commit();
    const snapshot = await store.snapshot();
    await store.close();
    await assertRejects(() => importSnapshot("home", snapshot), StoreError, "home has content already");
    await importSnapshot("home", snapshot, { replace: true });
    await importSnapshot("other", snapshot);
    assertEquals([await counts("home"), await counts("other")], [{ retained: 1 }, { retained: 1 }]);
  });

  test("changes nothing if a byte of it is another one", patient, async () => {
    anew();
    const store = await openBrowserStore("home");
    const key = keyOf("c");
    store.saved(key, record("c"));
    store.queued(key, waiting(1));
    await store.commit();
    const bytes = new Uint8Array(await (await store.snapshot()).arrayBuffer());
    await store.close();
    for (let at = 0; at < bytes.length; at++) {
      const wrong = bytes.slice();
      wrong[at]! ^= 1 << at % 8;
      await assertRejects(
        () => importSnapshot("home", wrong, { replace: true }),
        StoreError,
        "the snapshot: ",
      );
      const cut = bytes.subarray(0, at);
      await assertRejects(() => importSnapshot("home", cut, { replace: true }), StoreError, "the snapshot: ");
    }
    assertEquals(await counts("home"), { delivery: 1, session: 1 });
    assert(bytes.length > 100);
  });
});
