/**
 * Opens a damaged file for reading, and never changes it: if its first page or its length is wrong, a copy is mended, since all
 * files of a store begin alike.
 * Knows the header of SQLite's files; refuses to know the rows that are read then.
 * @module
 */
import { closeSync, copyFileSync, openSync, readSync, writeSync } from "node:fs";
import { DatabaseSync, type DatabaseSyncOptions } from "node:sqlite";
import { columnsIn } from "./damaged_rows.ts";
import { Database } from "./database.ts";
import { bytesOf, isThere, removeDatabase } from "./files.ts";
import { TABLES } from "./tables.ts";

/** The default page size of every SQLite since 2016; `Database` sets no other. */
const PAGE_BYTES = 4096;
const HEADER_BYTES = 100;
/** Where in the header the numbers stand that depend on the file. */
const CHANGES_AT = 24;
const PAGES_AT = 28;
const FREE_AT = 32;
const VALID_FOR_AT = 92;

/** An open file, or undefined if none could be opened; `close()` removes the copy that was made for it. */
export interface Readable {
  readonly database: DatabaseSync | undefined;
  close(): void;
}

/**
 * Opens the file at `path`, or the best copy that can be made of it, at `scratch`.
 * @throws the system's error when there is no room for a copy.
 */
export function openForReading(path: string, scratch: string): Readable {
  const own = bytesOf(path) > 0 ? open(path) : undefined; // beside an empty file SQLite removes the log
  if (own !== undefined && readableTables(own) === TABLES.length) {
    return {
      database: own,
      close: () => own.close(),
    };
  }
  own?.close();
  removeDatabase(scratch);
  const pages = firstPages(path, scratch);
  let best: { page: Uint8Array; tables: number } | undefined;
  copyFileSync(path, scratch);
  for (const page of pages) {
    const tables = tablesWith(page, path, scratch);
    if (tables > (best?.tables ?? 0)) best = { page, tables };
    if (tables === TABLES.length) break;
  }
  if (best !== undefined) putPage(best.page, path, scratch);
  const database = best && open(scratch);
  return {
    database,
    close() {
      database?.close();
      removeDatabase(scratch);
    },
  };
}

/** An option newer than its types: the schema may be written, and a file shorter than its header says may be read. */
const TRUSTING = { defensive: false } as DatabaseSyncOptions;

function open(path: string): DatabaseSync | undefined {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { ...TRUSTING, readOnly: true });
    database.exec("PRAGMA writable_schema = ON");
    return database;
  } catch {
    database?.close();
    return undefined;
  }
}

/** How many of our tables can be read from, or at least begun with. */
function readableTables(database: DatabaseSync): number {
  return TABLES.filter((table) => {
    const { name, keys } = table;
    try {
      database.prepare(`SELECT ${[...keys, ...columnsIn(database, table)]} FROM ${name} LIMIT 0`).all();
      database.prepare(`SELECT 1 FROM ${name} LIMIT 1`).all();
      return true;
    } catch {
      return false;
    }
  }).length;
}

function tablesWith(page: Uint8Array, path: string, scratch: string): number {
  putPage(page, path, scratch);
  const database = open(scratch);
  const count = database === undefined ? 0 : readableTables(database);
  database?.close();
  return count;
}

/** Makes it the first page of the copy. The log is copied anew: it may have a first page of its own, which counts. */
function putPage(page: Uint8Array, path: string, scratch: string): void {
  const pages = Math.max(1, Math.ceil(bytesOf(path) / PAGE_BYTES));
  const bytes = Uint8Array.from(page);
  const view = new DataView(bytes.buffer);
  view.setUint32(PAGES_AT, pages);
  view.setUint32(VALID_FOR_AT, view.getUint32(CHANGES_AT)); // this says that the number of pages is right
  bytes.fill(0, FREE_AT, FREE_AT + 8); // nothing is written, so no free page is looked for
  const file = openSync(scratch, "r+");
  try {
    writeSync(file, bytes, 0, bytes.length, 0);
  } finally {
    closeSync(file);
  }
  for (const ending of ["-wal", "-journal"]) {
    if (isThere(path + ending)) copyFileSync(path + ending, scratch + ending);
  }
}

/**
 * Guesses of the first page, the likeliest first: its own, with another number of pages; its own under a new header; one
 * with the tables of a new file; one with the tables of a file that was compacted or is a backup.
 */
function firstPages(path: string, scratch: string): Uint8Array[] {
  const template = `${scratch}.template`;
  removeDatabase(template);
  try {
    new Database(template, "os").close();
    const own = firstPage(path);
    const mended = Uint8Array.from(own);
    mended.set(firstPage(template).subarray(0, HEADER_BYTES));
    const fresh = schemaPage(template);
    const database = new DatabaseSync(template);
    database.exec("VACUUM");
    database.close();
    return [own, mended, fresh, schemaPage(template)];
  } finally {
    removeDatabase(template);
  }
}

/** A first page with the tables of a file and where they are: in short, so that one page is enough. */
function schemaPage(template: string): Uint8Array {
  const from = new DatabaseSync(template);
  const entries = from.prepare("SELECT name, rootpage, sql FROM sqlite_schema WHERE rootpage > 0").all();
  from.close();
  const path = `${template}.schema`;
  removeDatabase(path);
  const to = new DatabaseSync(path, TRUSTING);
  try {
    for (const { sql } of entries) {
      const text = String(sql).replaceAll(/--.*/g, "").replaceAll(/\s+/g, " ");
      if (text.startsWith("CREATE TABLE")) to.exec(text);
    }
    to.exec("PRAGMA writable_schema = ON");
    const place = to.prepare("UPDATE sqlite_schema SET rootpage = ? WHERE name = ?");
    for (const { name, rootpage } of entries) place.run(rootpage as number, name as string);
  } finally {
    to.close();
  }
  try {
    return firstPage(path);
  } finally {
    removeDatabase(path);
  }
}

function firstPage(path: string): Uint8Array {
  const bytes = new Uint8Array(PAGE_BYTES);
  const file = openSync(path, "r");
  try {
    readSync(file, bytes, 0, PAGE_BYTES, 0);
  } finally {
    closeSync(file);
  }
  return bytes;
}
