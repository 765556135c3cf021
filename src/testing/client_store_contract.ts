/**
 * What each store of a Client has to do, wherever it keeps its records.
 * Knows `ClientStore`; refuses to know files and databases.
 * @module
 */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { ClientStore } from "../client_api/options.ts";
import { testBroker } from "../test_broker/mod.ts";
import { patient, until } from "./patience.ts";

/** A store that can be closed. */
export type ClosableStore = ClientStore & { close(): void };

/** Where the stores of one test are: `open()` opens the same one again. */
export interface StorePlace {
  open(): ClosableStore | Promise<ClosableStore>;
  /** The test is over. */
  done?(): void;
}

/** Registers the tests of a store; `place()` makes a new place. */
export function clientStoreContract(name: string, place: () => StorePlace): void {
  async function within(body: (open: StorePlace["open"]) => Promise<void>): Promise<void> {
    const { open, done } = place();
    try {
      await body(open);
    } finally {
      done?.();
    }
  }

  async function recordsOf(store: ClosableStore): Promise<[number, number[]][]> {
    return [...await store.load()].map(([key, record]) => [key, [...record]]);
  }

  describe(`A store of a Client: ${name}`, () => {
    test(
      "has what was committed when it is opened again, in order, and nothing else",
      patient,
      () =>
        within(async (open) => {
          const store = await open();
          assertEquals(await recordsOf(store), []);
          for (const key of [300, -5, 2 ** 40, 7]) store.put(key, Uint8Array.of(key & 255));
          store.delete(7);
          await store.commit();
          store.put(300, Uint8Array.of(1, 2, 3));
          store.put(8, Uint8Array.of());
          await store.commit();
          store.put(9, Uint8Array.of(9));
          store.close();
          const again = await open();
          assertEquals(await recordsOf(again), [[-5, [251]], [8, []], [300, [1, 2, 3]], [2 ** 40, [0]]]);
          again.close();
        }),
    );

    test(
      "has what is put while a commit is under way in the next one",
      patient,
      () =>
        within(async (open) => {
          const store = await open();
          store.put(1, Uint8Array.of(1));
          store.put(2, Uint8Array.of(2));
          const first = store.commit();
          store.put(1, Uint8Array.of(11));
          store.delete(2);
          await first;
          await store.commit();
          assertEquals(await recordsOf(store), [[1, [11]]]);
          store.close();
        }),
    );

    for (const qos of [1, 2] as const) {
      test(
        `brings a QoS ${qos} message through the end of the process that published it offline`,
        patient,
        () =>
          within(async (open) => {
            await using broker = testBroker();
            const reader = await broker.connect({ clientId: "reader" });
            const news = await reader.subscribe("news", { qos });
            const store = await open();
            let isDead = false;
            let commits = 0;
            const never = new Promise<never>(() => {});
            const client = await broker.connect({
              clientId: "kitchen",
              store: {
                load: () => store.load(),
                put: (key, record) => store.put(key, record),
                delete: (key) => store.delete(key),
                commit: async () => {
                  if (isDead) await never;
                  await store.commit();
                  commits++;
                },
              },
              dial: (url, options) => isDead ? never : broker.dial(url, options),
            });
            broker.isReachable = false;
            broker.cut();
            await broker.settle();
            const before = commits;
            client.publish("news", "from before", { qos }).catch(() => {}); // its process ends before it is sent
            await until(() => commits > before, "a commit");
            isDead = true;
            store.close();

            broker.isReachable = true;
            const again = await open();
            const successor = await broker.connect({ clientId: "kitchen", store: again });
            await successor.publish("news", "from after", { qos });
            await broker.advance(60_000);
            const got: string[] = [];
            for await (const { bytes } of news) if (got.push(new TextDecoder().decode(bytes)) === 2) break;
            assertEquals(got, ["from before", "from after"]);
            assertEquals(news.waiting, 0);
            await successor.close();
            assertEquals(await recordsOf(again), []);
            again.close();
          }),
      );
    }
  });
}
