/**
 * One broker for one data directory: locks that end with its process, however that ends.
 *
 * One is SQLite's lock of an empty database of its own, `broker.lock`, which every system has. A person may remove that
 * file, so the data file itself is locked too, where that can be had apart from the locks that SQLite takes of it:
 * others may read and write it meanwhile.
 * Knows how the two are taken; refuses to know the content of the files.
 * @module
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type FileLock, lockFile } from "../runtime/file_lock.ts";
import { StoreError, troubleWith } from "./error.ts";
import { STORE_FILE } from "./files.ts";

/** An open lock. */
export interface Lock {
  /**
   * Locks the data file that is there now: it was made, or another took its place.
   * @throws {StoreError} `locked` if it is taken already.
   */
  cover(): void;
  /** Ends it; the data file must be closed by then. */
  release(): void;
}

function inUse(directory: string): StoreError {
  return new StoreError("locked", `${directory} is in use by another broker`);
}

/** Data files of this process that are locked, as `DEVICE:INODE`: to open and close one would end SQLite's locks of it. */
const covered: Set<string> = /* @__PURE__ */ new Set();

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
    throw inUse(directory);
  }
  held.add(database);
  let file: FileLock | undefined;
  let own: string | undefined;
  const data = join(directory, STORE_FILE);
  const lock: Lock = {
    cover() {
      const { dev, ino } = statSync(data, { throwIfNoEntry: false }) ?? {};
      const there = `${dev}:${ino}`;
      if (ino === undefined || there === own) return;
      const taken = covered.has(there) ? "taken" : lockFile(data);
      if (taken === "taken") throw inUse(directory);
      file?.release(); // of a file that was set aside
      covered.delete(own!);
      covered.add(own = there);
      file = taken;
    },
    release() {
      file?.release();
      covered.delete(own!);
      held.delete(database);
      database.close();
    },
  };
  try {
    lock.cover();
    return lock;
  } catch (error) {
    lock.release();
    throw error;
  }
}
