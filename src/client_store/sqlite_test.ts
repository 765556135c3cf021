/**
 * A Client's messages in an SQLite file.
 * @module
 */
import { assertThrows } from "@std/assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import { clientStoreContract } from "../testing/client_store_contract.ts";
import { patient } from "../testing/patience.ts";
import { ClientStoreError, openClientStore } from "./sqlite.ts";

function inFolder(body: (path: string) => void): () => void {
  return () => {
    const folder = mkdtempSync(join(tmpdir(), "plumb-client-store-"));
    try {
      body(join(folder, "client.db"));
    } finally {
      rmSync(folder, { recursive: true });
    }
  };
}

for (const durability of ["fsync", "os"] as const) {
  clientStoreContract(`SQLite, ${durability}`, () => {
    const folder = mkdtempSync(join(tmpdir(), "plumb-client-store-"));
    return {
      open: () => openClientStore(join(folder, "client.db"), { durability }),
      done: () => rmSync(folder, { recursive: true }),
    };
  });
}

describe("A store of a Client in a file", () => {
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
});
