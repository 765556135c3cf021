/**
 * The files of a store: their names, sizes, and how one is made to stay.
 * Knows the file system; refuses to know the content of the files.
 * @module
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readSync, rmSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";

/** The file in the data directory. */
export const STORE_FILE = "plumb.sqlite";

/** Endings of the files that SQLite puts beside a database: its log, the log's index, and the journal if it has no log. */
export const BESIDE = ["-wal", "-shm", "-journal"] as const;

/** Bytes of a file, 0 if there is none. */
export function bytesOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Whether there is a file, perhaps an empty one. */
export function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Removes a database and the files beside it, if they are there. */
export function removeDatabase(path: string): void {
  for (const ending of ["", ...BESIDE]) rmSync(path + ending, { force: true });
}

/**
 * Whether a file stands beside a log that is not its own: it was put there in the place of another, a backup perhaps. Files
 * that have a log say so in their header, and SQLite would take any log that it finds.
 */
export function hasStaleLog(path: string): boolean {
  if (bytesOf(`${path}-wal`) === 0 || bytesOf(path) < HEADER_BYTES) return false;
  const header = new Uint8Array(HEADER_BYTES);
  const file = openSync(path, "r");
  try {
    readSync(file, header, 0, HEADER_BYTES, 0);
  } finally {
    closeSync(file);
  }
  return new TextDecoder().decode(header.subarray(0, MAGIC.length)) === MAGIC &&
    header[VERSION_AT] === WITHOUT_LOG;
}

const HEADER_BYTES = 100;
const MAGIC = "SQLite format 3\0";
const VERSION_AT = 18;
const WITHOUT_LOG = 1;

/** Waits until the disk has the content of a file. Not of one that SQLite has open in this process: its locks would end. */
export function syncFile(path: string): void {
  const file = openSync(path, "r+");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Waits until the disk has the name of a file, where the system can do that. */
export function syncName(path: string): void {
  try {
    const directory = openSync(dirname(path), "r");
    try {
      fsyncSync(directory);
    } finally {
      closeSync(directory);
    }
  } catch { // Windows has no such thing, and needs none
  }
}

/** Makes a directory, and those that it stands in, if they are not there, so that a power cut leaves them. */
export function makeDirectory(path: string): void {
  const first = mkdirSync(path, { recursive: true });
  if (first === undefined) return;
  for (let made = resolve(path); made.length >= resolve(first).length; made = dirname(made)) syncName(made);
}
