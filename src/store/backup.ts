/**
 * A copy of a store, all of one moment, made while its broker may go on; and a smaller file for the same content.
 * Knows how SQLite copies; refuses to know the content of the store.
 * @module
 */
import { renameSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { Database } from "./database.ts";
import { troubleWith } from "./error.ts";
import { bytesOf, removeDatabase, STORE_FILE, syncFile, syncName } from "./files.ts";
import { takeBackInterrupted } from "./rollback_journal.ts";
import { lockDirectory } from "./lock.ts";
import { assertOurs } from "./ours.ts";
import { type Contents, contentsOf } from "./salvage.ts";

/** The content of a copy. */
export interface BackedUp extends Contents {
  readonly bytes: number;
}

/**
 * Copies the store at `path` to `to`: the copy gets that name when it is complete, and replaces a file of that name then.
 * This thread is blocked meanwhile; a broker that has `path` open goes on.
 * @throws {StoreError}
 */
export function backUp(path: string, to: string): BackedUp {
  const part = `${to}.part-${process.pid}`;
  try {
    removeDatabase(part);
    takeBackInterrupted(path);
    const database = new DatabaseSync(path, { readOnly: true });
    try {
      assertOurs(database, path);
      database.prepare("VACUUM INTO ?").run(part);
    } finally {
      database.close();
    }
    const contents = contentsOf(part);
    syncFile(part);
    renameSync(part, to);
    syncName(to);
    return { ...contents, bytes: bytesOf(to) };
  } catch (error) {
    removeDatabase(part);
    const trouble = troubleWith(path, error);
    const isOurs = trouble.trouble === "corrupt" || trouble.trouble === "foreign" ||
      trouble.trouble === "newer";
    throw isOurs ? trouble : troubleWith(to, error);
  }
}

/** How large a file was, and is. */
export interface Compacted {
  readonly before: number;
  readonly after: number;
}

/**
 * Writes the store of a directory anew, without the room of deleted rows.
 * @throws {StoreError} `locked` if a broker has it.
 */
export function compact(directory: string): Compacted {
  const path = join(directory, STORE_FILE);
  const lock = lockDirectory(directory);
  try {
    takeBackInterrupted(path);
    new Database(path, "fsync").close(); // it is ours, and its log is written back
    const before = bytesOf(path);
    const database = new DatabaseSync(path);
    try {
      database.exec("VACUUM");
    } finally {
      database.close();
    }
    return { before, after: bytesOf(path) };
  } catch (error) {
    throw troubleWith(path, error);
  } finally {
    lock.release();
  }
}
