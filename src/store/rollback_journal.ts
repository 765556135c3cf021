/**
 * The rollback journal that an interrupted change leaves beside a file without a log.
 * Knows when there is one, and of which file; refuses to know the change.
 *
 * A store has a log from its first millisecond on. Before that, while a new file or a backup that was put in its place is given
 * its log, SQLite keeps a journal. When the process or the machine ends just then, the journal stays, and the file cannot be
 * read by a process that may not write: the first process that may write takes the change back.
 * @module
 */
import { closeSync, openSync, readSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { troubleWith } from "./error.ts";
import { bytesOf } from "./files.ts";

/** How long a broker that is just making the file is waited for. */
const BUSY_MS = 5_000;

/**
 * Takes back the change of the file at `path` that was interrupted, if there is one.
 * @throws {StoreError} if the file cannot be written. Damage is no error here: reading the file finds it.
 */
export function takeBackInterrupted(path: string): void {
  const journal = `${path}-journal`;
  if (bytesOf(journal) === 0) return;
  try {
    if (isOfAnotherFile(path, journal)) return rmSync(journal, { force: true });
    const database = new DatabaseSync(path, { timeout: BUSY_MS });
    try {
      database.prepare("SELECT count(*) FROM sqlite_schema").get();
    } finally {
      database.close();
    }
  } catch (error) {
    const trouble = troubleWith(path, error);
    if (trouble.trouble !== "corrupt") throw trouble;
  }
}

/**
 * Whether the journal says that its file was empty, and this one is more than one just made: a backup was put in the place
 * of a file that was hardly begun. SQLite would empty it.
 */
function isOfAnotherFile(path: string, journal: string): boolean {
  const header = new Uint8Array(HEADER_BYTES);
  const file = openSync(journal, "r");
  try {
    if (readSync(file, header, 0, HEADER_BYTES, 0) < HEADER_BYTES) return false;
  } finally {
    closeSync(file);
  }
  if (MAGIC.some((byte, i) => header[i] !== byte)) return false;
  const view = new DataView(header.buffer);
  return view.getUint32(PAGES_AT) === 0 && bytesOf(path) > view.getUint32(PAGE_BYTES_AT);
}

const HEADER_BYTES = 28;
const MAGIC = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7] as const;
/** Pages of the file before the change. */
const PAGES_AT = 16;
const PAGE_BYTES_AT = 24;
