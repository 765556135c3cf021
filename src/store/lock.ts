/**
 * One broker for one data directory: a lock that ends with its process, however that ends.
 * Knows SQLite's own file locks; refuses to know the files that they guard.
 * @module
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { StoreError, troubleWith } from "./error.ts";

/** An open lock; `release()` ends it. */
export interface Lock {
  release(): void;
}

/** Every open lock: a database that is garbage gets closed, which would release its lock. */
const held: Set<DatabaseSync> = /* @__PURE__ */ new Set();

/**
 * Takes the lock of a directory.
 * @throws {StoreError} `locked` if it is taken already.
 */
export function lockDirectory(directory: string): Lock {
  const path = join(directory, "broker.lock");
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 0 });
    database.exec("BEGIN EXCLUSIVE"); // of an empty database: nothing is ever written
  } catch (error) {
    database?.close();
    const trouble = troubleWith(path, error);
    if (trouble.trouble !== "locked") throw trouble;
    throw new StoreError("locked", `${directory} is in use by another broker`);
  }
  held.add(database);
  return {
    release: () => {
      held.delete(database);
      database.close();
    },
  };
}
