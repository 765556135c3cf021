/** §4.1 The SQLite store brings back what every store must, on this thread and on one of its own. @module */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { storeContract } from "../testing/store_contract.ts";
import { openStore, type OpenStoreOptions, type SqliteStore } from "./mod.ts";

function subject(options: OpenStoreOptions): Parameters<typeof storeContract>[1] {
  return () => {
    const directory = mkdtempSync(join(tmpdir(), "plumb-store-"));
    let open: SqliteStore = openStore(directory, options);
    return {
      store: open,
      reopen: async () => {
        await open.close();
        return open = openStore(directory, options);
      },
      close: async () => {
        await open.close();
        rmSync(directory, { recursive: true });
      },
    };
  };
}

// Without fsync: that changes when a power cut hurts, not what comes back, and it is slow.
// A thread, or a clock, has the same facts written by the same code: there fewer choices of places for a commit are tried.
storeContract("SQLite, with a thread", subject({ durability: "os" }), "fewChoices");
storeContract("SQLite, without", subject({ durability: "os", worker: false }));
storeContract("SQLite, at intervals", subject({ durability: 1, worker: false }), "fewChoices");
