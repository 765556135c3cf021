/** §4.1 The store in the storage of a Durable Object keeps what every store must, in transactions. @module */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, test } from "node:test";
import { storeContract } from "../testing/store_contract.ts";
import { keyOf, message, record, subscription, waiting } from "../testing/store_scene.ts";
import { StubStorage } from "../testing/stub_storage.ts";
import { openStorageStore } from "./storage_store.ts";

storeContract("StorageStore", async () => {
  const storage = new StubStorage();
  return { store: await openStorageStore(storage), reopen: () => openStorageStore(storage), close: () => {} };
});

describe("A commit to the storage", () => {
  test("writes what has changed, once, and takes no transaction for nothing", async () => {
    const storage = new StubStorage();
    const store = await openStorageStore(storage);
    assertEquals(store.commit(), undefined);
    const key = keyOf("a");
    store.saved(key, record("a"));
    for (let order = 1; order <= 300; order++) store.queued(key, waiting(order));
    store.subscribed(key, subscription("x".repeat(60_000)));
    await store.commit();
    assertEquals([storage.size, storage.transactions], [302, 1]);
    store.dropped(key);
    store.retained("t", message("t"));
    await store.commit();
    assertEquals([storage.size, storage.transactions], [1, 2]);
    assertEquals(store.commit(), undefined);
  });

  test("that fails is made up for by the next one, as things are then", async () => {
    const storage = new StubStorage();
    const store = await openStorageStore(storage);
    storage.isBroken = true;
    const key = keyOf("a");
    store.saved(key, record("a"));
    store.queued(key, waiting(1));
    store.queued(key, waiting(2));
    const failing = store.commit()!;
    store.finished(key, waiting(1));
    await assertRejects(() => failing, Error, "disk full");
    storage.isBroken = false;
    await store.commit();
    const [session] = [...(await openStorageStore(storage)).sessions()];
    assertEquals([session!.waiting.count, session!.waiting.from], [1, 2]);
    assert(storage.size === 2);
  });
});
