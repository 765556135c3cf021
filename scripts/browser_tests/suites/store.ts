/**
 * What stores must do: the broker's in memory, and where there is IndexedDB the broker's and the Client's in it.
 * Knows which stores this engine can have; refuses to know what a store must do.
 * @module
 */
import "../../../src/broker/store_contract_test.ts";
import { openClientStore } from "../../../src/client_store/indexed_db.ts";
import { type BrowserStore, openBrowserStore } from "../../../src/browser/store.ts";
import { clientStoreContract } from "../../../src/testing/client_store_contract.ts";
import { storeContract } from "../../../src/testing/store_contract.ts";

const page = globalThis as unknown as {
  readonly indexedDB?: { deleteDatabase(name: string): unknown };
};

/** Databases of earlier runs have other names. */
const run = Date.now().toString(36);
let places = 0;

if (page.indexedDB !== undefined) {
  for (const durability of ["fsync", "os"] as const) {
    clientStoreContract(`IndexedDB, ${durability}`, () => {
      const name = `browser-tests-${run}-${++places}`;
      return {
        open: () => openClientStore(name, { durability }),
        done: () => void page.indexedDB!.deleteDatabase(`plumb:${name}`),
      };
    });
    storeContract(`broker, IndexedDB, ${durability}`, async () => {
      const name = `browser-tests-${run}-${++places}`;
      let open: BrowserStore = await openBrowserStore(name, { durability });
      return {
        store: open,
        reopen: async () => {
          await open.close();
          return open = await openBrowserStore(name, { durability });
        },
        close: async () => {
          await open.close();
          page.indexedDB!.deleteDatabase(`plumb-broker:${name}`);
        },
      };
    });
  }
}
