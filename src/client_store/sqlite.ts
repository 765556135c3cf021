/**
 * §4.1 The messages of a Client over the end of its process, in an SQLite file.
 *
 * On Deno it needs `--allow-read` and `--allow-write` for the file and its `-wal` beside it.
 *
 * @example
 * ```ts
 * import { connect } from "@plumb/mqtt/client";
 * import { openClientStore } from "@plumb/mqtt/client/sqlite";
 *
 * const store = openClientStore("./kitchen.db");
 * const client = await connect("mqtt://127.0.0.1:1883", { clientId: "kitchen", store });
 * await client.publish("home/kitchen/temperature", "21.5", { qos: 1 }); // it is on the disk before it leaves
 * await client.close();
 * store.close();
 * ```
 *
 * Knows records and the file; refuses to know what is in the records.
 * @module
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { ClientStore } from "../client_api/options.ts";
import { ClientStoreError, type ClientStoreOptions } from "./options.ts";

export { type ClientStore, ClientStoreError, type ClientStoreOptions };

/** `plmc` */
const APPLICATION_ID = 0x706c6d63;
const VERSION = 1;

/**
 * Opens a file, or makes it. One Client at a time may use it.
 * @throws {ClientStoreError} when it is in use, no store of a Client, or cannot be read.
 */
export function openClientStore(path: string, options: ClientStoreOptions = {}): SqliteClientStore {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 0 });
    return new Records(database, options.durability ?? "fsync");
  } catch (error) {
    database?.close();
    if (error instanceof ClientStoreError) throw new ClientStoreError(`${path} ${error.message}`);
    const message = error instanceof Error ? error.message : String(error);
    const why = /locked|busy/i.test(message) ? "is in use by another Client" : `cannot be used: ${message}`;
    throw new ClientStoreError(`${path} ${why}`, { cause: error });
  }
}

/** Records in one table of a file. `openClientStore()` makes it. */
export interface SqliteClientStore extends ClientStore {
  /** What was committed, in order of the keys. */
  load(): [key: number, record: Uint8Array][];
  /** One transaction. What fails is done by the next one. @throws as SQLite does. */
  commit(): void;
  /** Closes the file; what was not committed is lost. */
  close(): void;
}

/** Hidden behind the interface, so that a program's types need none of `node:sqlite`. */
class Records implements SqliteClientStore {
  readonly #database: DatabaseSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  /** Since the last commit; undefined stands for a record that is deleted. */
  readonly #changes: Map<number, Uint8Array | undefined> = new Map();

  constructor(database: DatabaseSync, durability: "fsync" | "os") {
    this.#database = database;
    // The lock is taken with the first read and held; WAL without a file of shared memory.
    database.exec("PRAGMA locking_mode = EXCLUSIVE");
    database.exec(
      `PRAGMA journal_mode = WAL; PRAGMA synchronous = ${durability === "fsync" ? "FULL" : "NORMAL"}`,
    );
    const number = (name: string) => Object.values(database.prepare(`PRAGMA ${name}`).get()!)[0];
    const { tables } = database.prepare("SELECT count(*) AS tables FROM sqlite_master").get()!;
    if (tables === 0) {
      database.exec(
        `BEGIN; PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${VERSION};
         CREATE TABLE records (key INTEGER PRIMARY KEY, record BLOB NOT NULL); COMMIT`,
      );
    } else if (number("application_id") !== APPLICATION_ID) {
      throw new ClientStoreError("is no store of a Client");
    } else if (number("user_version") !== VERSION) {
      throw new ClientStoreError(
        `has version ${number("user_version")}: there is only version ${VERSION} yet`,
      );
    }
    database.exec("BEGIN IMMEDIATE; COMMIT"); // whether it is ours alone shows now
    this.#put = database.prepare(
      "INSERT INTO records VALUES (?, ?) ON CONFLICT DO UPDATE SET record = excluded.record",
    );
    this.#delete = database.prepare("DELETE FROM records WHERE key = ?");
  }

  /** What was committed, in order of the keys. */
  load(): [key: number, record: Uint8Array][] {
    const rows = this.#database.prepare("SELECT key, record FROM records ORDER BY key").all();
    return rows.map(({ key, record }) => [key as number, record as Uint8Array]);
  }

  /** Takes effect with the next commit. */
  put(key: number, record: Uint8Array): void {
    this.#changes.set(key, record);
  }

  /** Takes effect with the next commit. */
  delete(key: number): void {
    this.#changes.set(key, undefined);
  }

  /** One transaction. What fails is done by the next one. @throws as SQLite does. */
  commit(): void {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      for (const [key, record] of this.#changes) {
        if (record === undefined) this.#delete.run(key);
        else this.#put.run(key, record);
      }
      this.#database.exec("COMMIT");
    } catch (error) {
      try {
        this.#database.exec("ROLLBACK");
      } catch { /* it has ended with the error */ }
      throw error;
    }
    this.#changes.clear();
  }

  /** Closes the file; what was not committed is lost. */
  close(): void {
    this.#database.close();
  }
}
