/**
 * A Client's messages in an SQLite file.
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import { testBroker } from "../test_broker/mod.ts";
import { patient } from "../testing/patience.ts";
import { ClientStoreError, openClientStore } from "./sqlite.ts";

function inFolder(body: (path: string) => void | Promise<void>): () => Promise<void> {
  return async () => {
    const folder = mkdtempSync(join(tmpdir(), "plumb-client-store-"));
    try {
      await body(join(folder, "client.db"));
    } finally {
      rmSync(folder, { recursive: true });
    }
  };
}

describe("A store of a Client", () => {
  test(
    "has what was committed when it is opened again, in order, and nothing else",
    patient,
    inFolder((path) => {
      const store = openClientStore(path);
      assertEquals(store.load(), []);
      for (const key of [300, -5, 2 ** 40, 7]) store.put(key, Uint8Array.of(key & 255));
      store.delete(7);
      store.commit();
      store.put(300, Uint8Array.of(1, 2, 3));
      store.put(8, Uint8Array.of());
      store.commit();
      store.put(9, Uint8Array.of(9));
      store.close();
      const again = openClientStore(path, { durability: "os" });
      assertEquals(again.load().map(([key, record]) => [key, [...record]]), [
        [-5, [251]],
        [8, []],
        [300, [1, 2, 3]],
        [2 ** 40, [0]],
      ]);
      again.close();
    }),
  );

  test(
    "is one Client's at a time",
    patient,
    inFolder((path) => {
      const store = openClientStore(path);
      assertThrows(() => openClientStore(path), ClientStoreError, "in use by another Client");
      store.close();
      openClientStore(path).close();
    }),
  );

  test(
    "takes no file of another kind, of another version, or that is no database",
    patient,
    inFolder((path) => {
      const other = new DatabaseSync(path);
      other.exec("CREATE TABLE a (b)");
      other.close();
      assertThrows(() => openClientStore(path), ClientStoreError, "is no store of a Client");
      openClientStore(`${path}2`).close();
      const newer = new DatabaseSync(`${path}2`);
      newer.exec("PRAGMA user_version = 2");
      newer.close();
      assertThrows(() => openClientStore(`${path}2`), ClientStoreError, "has version 2");
      writeFileSync(`${path}3`, "no database".repeat(1_000));
      assertThrows(() => openClientStore(`${path}3`), ClientStoreError, "cannot be used");
    }),
  );

  for (const qos of [1, 2] as const) {
    test(
      `brings a QoS ${qos} message through the end of the process that published it offline`,
      patient,
      inFolder(async (path) => {
        await using broker = testBroker();
        const reader = await broker.connect({ clientId: "reader" });
        const news = await reader.subscribe("news", { qos });
        const store = openClientStore(path);
        let isDead = false;
        const never = new Promise<never>(() => {});
        const client = await broker.connect({
          clientId: "kitchen",
          store: {
            load: () => store.load(),
            put: (key, record) => store.put(key, record),
            delete: (key) => store.delete(key),
            commit: () => isDead ? never : store.commit(),
          },
          dial: (url, options) => isDead ? never : broker.dial(url, options),
        });
        broker.isReachable = false;
        broker.cut();
        await broker.settle();
        client.publish("news", "from before", { qos }).catch(() => {}); // its process ends before it is sent
        await broker.settle();
        isDead = true;
        store.close();

        broker.isReachable = true;
        const again = openClientStore(path);
        const successor = await broker.connect({ clientId: "kitchen", store: again });
        await successor.publish("news", "from after", { qos });
        await broker.advance(60_000);
        const got: string[] = [];
        for await (const { bytes } of news) if (got.push(new TextDecoder().decode(bytes)) === 2) break;
        assertEquals(got, ["from before", "from after"]);
        assertEquals(news.waiting, 0);
        await successor.close();
        assertEquals(again.load(), []);
        again.close();
      }),
    );
  }
});
