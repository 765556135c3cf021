/**
 * §4.1 A snapshot of the SQLite store of a data directory, and a data directory made of a snapshot.
 * Knows the files, and in which order rows are read; refuses to know the bytes of a snapshot.
 * @module
 */
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { Applier } from "./apply.ts";
import { backUp } from "./backup.ts";
import { Database } from "./database.ts";
import { StoreError, troubleWith } from "./error.ts";
import {
  BESIDE,
  bytesOf,
  hasStaleLog,
  isThere,
  removeDatabase,
  STORE_FILE,
  syncFile,
  syncName,
} from "./files.ts";
import { columnsOf, deliveryOf, SELECT_DELIVERY, storedSessions } from "./load.ts";
import { lockDirectory } from "./lock.ts";
import { MessageMaker } from "./message_row.ts";
import { type Contents, contentsOf } from "./salvage.ts";
import { checkedSnapshot, SnapshotWriter } from "./snapshot.ts";
import { Ended } from "./tidy.ts";

/** Rows that are in memory together. */
const ROWS_AT_ONCE = 500;

/** The content of a snapshot. */
export interface Snapshotted extends Contents {
  readonly bytes: number;
}

/**
 * Writes a snapshot of the store at `path` to `to`, all of one moment: it gets that name when it is complete, and replaces a file of that
 * name then. This thread is blocked meanwhile; a broker that has `path` open goes on.
 * @throws {StoreError}
 */
export function exportStore(path: string, to: string): Snapshotted {
  const copy = `${to}.copy-${process.pid}`;
  const part = `${to}.part-${process.pid}`;
  try {
    const { bytes: _, ...contents } = backUp(path, copy);
    const database = new Database(copy, "os"); // of our version from here on
    try {
      const file = attempt(to, () => openSync(part, "w", 0o600));
      try {
        attempt(to, () => writeSnapshot(database, new SnapshotWriter((chunk) => writeFileSync(file, chunk))));
      } finally {
        closeSync(file);
      }
    } finally {
      database.close();
    }
    attempt(to, () => {
      syncFile(part);
      renameSync(part, to);
      syncName(to);
    });
    return { ...contents, bytes: bytesOf(to) };
  } finally {
    removeDatabase(copy);
    rmSync(part, { force: true });
  }
}

function writeSnapshot(database: Database, out: SnapshotWriter): void {
  const maker = new MessageMaker();
  out.time(database.all("SELECT at FROM clock")[0]?.["at"] as number | undefined);
  const sessions = [...storedSessions(database)].sort((a, b) => a.storeId - b.storeId);
  for (const { storeId, session, subscriptions, received } of sessions) {
    out.session(storeId, session, subscriptions, received);
  }
  const deliveries = `${SELECT_DELIVERY} WHERE delivery.id > ? AND EXISTS
    (SELECT 1 FROM session WHERE session.id = delivery.session) ORDER BY delivery.id LIMIT ${ROWS_AT_ONCE}`;
  for (let last = -1;;) {
    const rows = database.all(deliveries, last);
    for (const row of rows) {
      const message = maker.passing(columnsOf(row));
      out.delivery(row["session"] as number, deliveryOf(row, message), row["message"] as number | null);
    }
    if (rows.length < ROWS_AT_ONCE) break;
    last = rows.at(-1)!["id"] as number;
  }
  const retained = `SELECT * FROM retained WHERE topic > ? ORDER BY topic LIMIT ${ROWS_AT_ONCE}`;
  for (let last = "";;) {
    const rows = database.all(retained, last);
    for (const row of rows) out.retained(maker.passing(columnsOf(row)));
    if (rows.length < ROWS_AT_ONCE) break;
    last = rows.at(-1)!["topic"] as string;
  }
  out.end();
}

/**
 * Makes the store of a data directory out of the snapshot in a file; the directory is made if it is not there. It is complete, or nothing
 * has changed.
 * @throws {StoreError} if the file is no snapshot, or a damaged one; if a broker has the directory, and if there is a store in it already,
 * unless that is to be replaced.
 */
export function importStore(file: string, directory: string, replace: boolean): Snapshotted {
  const bytes = attempt(file, () => readFileSync(file));
  const batches = checkedSnapshot(bytes, file);
  attempt(directory, () => mkdirSync(directory, { recursive: true }));
  const path = join(directory, STORE_FILE);
  const lock = lockDirectory(directory);
  const part = `${path}.importing`;
  try {
    if (isThere(path) && !replace) throw new StoreError("locked", `${path} is there already`);
    removeDatabase(part);
    const database = new Database(part, "os");
    try {
      const applier = new Applier(database, new Ended(database));
      applier.applyAll(batches);
    } finally {
      database.close();
    }
    for (const ending of BESIDE) rmSync(part + ending, { force: true });
    const contents = contentsOf(part);
    syncFile(part);
    if (isThere(path)) withoutLog(path);
    renameSync(part, path);
    syncName(path);
    return { ...contents, bytes: bytesOf(path) };
  } catch (error) {
    removeDatabase(part);
    throw troubleWith(path, error);
  } finally {
    lock.release();
  }
}

/** What is in the log beside the file goes into it, or another file of its name would be read with that log. */
function withoutLog(path: string): void {
  if (!hasStaleLog(path)) {
    try {
      new Database(path, "fsync").close();
    } catch { // it is damaged, and is replaced
    }
  }
  for (const ending of BESIDE) rmSync(path + ending, { force: true });
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw troubleWith(path, error);
  }
}
