/**
 * §4.1 Opens the store of a data directory: lock, version, soundness, thread.
 * Knows the files and their faults; refuses to know the rows in them.
 * @module
 */
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { parseFilter } from "../topic/filter.ts";
import { type StoreClock, SYSTEM_CLOCK } from "./clock.ts";
import { columnsIn } from "./damaged_rows.ts";
import { Database, type Sync } from "./database.ts";
import { type Disk, type DiskEvents, LocalDisk } from "./disk.ts";
import { type ClockJump, moveWithClock } from "./deadlines.ts";
import { DiskThread } from "./disk_thread.ts";
import { StoreError, troubleWith } from "./error.ts";
import {
  BESIDE,
  bytesOf,
  hasStaleLog,
  isThere,
  madeBetween,
  removeDatabase,
  STORE_FILE,
  syncName,
} from "./files.ts";
import { lastOrder, lastSession, storedRetained, storedSessions, storedStamps } from "./load.ts";
import { lockDirectory } from "./lock.ts";
import { assertOurs } from "./ours.ts";
import { packMessages } from "./packed_messages.ts";
import { takeBackInterrupted } from "./rollback_journal.ts";
import { contentsOf, salvage, type Salvaged } from "./salvage.ts";
import { MIGRATIONS } from "./schema.ts";
import { FactStore, type Found } from "./fact_store.ts";
import { TABLES, wrongRows } from "./tables.ts";
import { Ended } from "./tidy.ts";

export { STORE_FILE };

/** A file up to this size is read through before it is used, in a second or less; of a larger one only `foundIn()` reads. */
const CHECK_BYTES_MAX = 256 * 1024 * 1024;
const LARGE_TABLES: readonly string[] = ["message", "delivery", "retained"];

/** How safe an acknowledged message is: `fsync` and `os` as `Sync`; a number: ms between commits, for which no acknowledgement waits. */
export type Durability = Sync | number;

/** How a store is opened. */
export interface OpenStoreOptions {
  /** Default `fsync`. */
  readonly durability?: Durability;
  /** Refuses a damaged file, which else is set aside, and its readable rows saved. Default false. */
  readonly strict?: boolean;
  /**
   * The script of the disk's thread, false for none. The default is our own, unless all of this has been bundled into one
   * file: then it is false.
   */
  readonly worker?: URL | false;
  /** Called for each event of opening and using it. */
  readonly onEvent?: (event: StoreEvent) => void;
  /** For intervals and the removal of ended sessions. Default: the system's clock; the disk's thread always goes by that. */
  readonly clock?: StoreClock;
}

/** An event that the owner of a broker should see. */
export type StoreEvent =
  | { readonly kind: "made"; readonly path: string }
  | {
    readonly kind: "set aside";
    readonly path: string;
    readonly to: string;
    readonly why: string;
    readonly saved: Salvaged;
  }
  /** Found while it is in use. Its readable rows stay in use; when it is opened the next time, it is set aside. */
  | { readonly kind: "damaged"; readonly path: string; readonly why: string }
  /** The clock was set since the file was last written, and all deadlines have moved with it: ms since the epoch. */
  | ({ readonly kind: "clock set"; readonly path: string } & ClockJump);

/** Endings of the new file with the saved rows of a damaged one: while it is written, and once it is complete. */
const SAVING = ".saving";
const SAVED = ".saved";
/** A file with this behind its name says how the other turned out to be damaged while it was in use. */
const SUSPECT = ".suspect";

/**
 * Opens the store of a data directory; both are made if they are not there.
 * @throws {StoreError} if another broker has it, if it cannot be written, if its version is newer, or (`strict`) if it is damaged.
 */
export function openStore(directory: string, options: OpenStoreOptions = {}): FactStore {
  return openStoreOver(directory, options, (events, inner) => inner(events));
}

/** Makes the disk of a store: the one of its file, or one over that. */
export type OverDisk = (events: DiskEvents, inner: (events: DiskEvents) => Disk) => Disk;

/** The same with a disk over that of the file. @throws {StoreError} */
export function openStoreOver(directory: string, options: OpenStoreOptions, over: OverDisk): FactStore {
  const { durability = "fsync", strict = false, worker = ourWorker(), onEvent, clock = SYSTEM_CLOCK } =
    options;
  const sync = durability === "os" ? "os" : "fsync";
  try {
    const first = mkdirSync(directory, { recursive: true });
    for (const made of first === undefined ? [] : madeBetween(directory, first)) syncName(made);
  } catch (error) {
    throw troubleWith(directory, error);
  }
  const lock = lockDirectory(directory);
  try {
    const path = join(directory, STORE_FILE);
    takeBackInterrupted(path);
    const isNew = bytesOf(path) === 0 && bytesOf(`${path}-wal`) === 0 && !isThere(path + SAVED);
    const { database, ended, found, jump } = openSound(path, sync, strict, clock, onEvent);
    try {
      lock.cover();
    } catch (error) {
      database.close();
      throw error;
    }
    if (isNew) onEvent?.({ kind: "made", path });
    if (jump !== undefined) onEvent?.({ kind: "clock set", path, ...jump });
    return new FactStore({
      found,
      disk: (events) =>
        over(
          events,
          (events) =>
            worker === false
              ? new LocalDisk(database, ended, clock, events)
              : new DiskThread(worker, path, sync, events),
        ),
      clock,
      intervalMs: typeof durability === "number" ? durability : 0,
      damaged: once(({ message }) => {
        markSuspect(path, message);
        onEvent?.({ kind: "damaged", path, why: message });
      }),
      closed: () => {
        if (database.isOpen) database.close();
        lock.release();
      },
    });
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** The script of the thread, as long as it stands beside this file; false too where Deno does not let us read it. */
export function ourWorker(): URL | false {
  const [, ending] = /\/store\/open(\.[jt]s)$/.exec(import.meta.url) ?? [];
  if (ending === undefined) return false;
  const script = new URL(`./worker${ending}`, import.meta.url);
  try {
    // Deno asks for --allow-sys=uid where access() is called.
    if (script.protocol === "file:") statSync(script);
    return script;
  } catch {
    return false;
  }
}

/** An open file and its content. */
interface Opened {
  readonly database: Database;
  readonly ended: Ended;
  readonly found: Found;
  readonly jump: ClockJump | undefined;
}

function openSound(
  path: string,
  sync: Sync,
  strict: boolean,
  clock: StoreClock,
  onEvent: OpenStoreOptions["onEvent"],
): Opened {
  if (isThere(path + SAVED)) { // a process ended within `replace()`
    const to = replace(path, clock);
    const opened = checked(path, sync, clock);
    const saved = { ...contentsOf(path), unusable: 0, mended: 0 };
    onEvent?.({ kind: "set aside", path, to, why: `${path}: it was being set aside`, saved });
    return opened;
  }
  if (hasStaleLog(path)) {
    for (const ending of BESIDE) rmSync(path + ending, { force: true });
  }
  let why: StoreError;
  try {
    return checked(path, sync, clock);
  } catch (error) {
    why = troubleWith(path, error);
    if (why.trouble !== "corrupt" || strict) throw why;
  }
  const saved = save(path);
  const to = replace(path, clock);
  const opened = checked(path, sync, clock);
  onEvent?.({ kind: "set aside", path, to, why: why.message, saved });
  return opened;
}

/** Opens a file in which nothing is known to be wrong, and which has not been changed where something is. */
function checked(path: string, sync: Sync, clock: StoreClock): Opened {
  if (bytesOf(path) > 0) checkPages(path);
  else if (bytesOf(`${path}-wal`) > 0) {
    throw new StoreError("corrupt", `${path}: it is empty, and its log is not`);
  }
  const database = new Database(path, sync);
  try {
    const ended = new Ended(database);
    const jump = moveWithClock(database, clock.now());
    const found = foundIn(database);
    rmSync(path + SUSPECT, { force: true });
    return { database, ended, found, jump };
  } catch (error) {
    database.close();
    if (error instanceof StoreError) throw error;
    throw new StoreError("corrupt", `${path}: ${(error as Error).message}`); // a row with an impossible value
  }
}

function checkPages(path: string): void {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readOnly: true });
    const version = assertOurs(database, path);
    if (isThere(path + SUSPECT)) throw new StoreError("corrupt", readFileSync(path + SUSPECT, "utf8").trim());
    const changed = changedIn(database, version);
    if (changed !== undefined) {
      throw new StoreError("corrupt", `${path}: its ${changed} is not as it was made`);
    }
    const isLarge = bytesOf(path) > CHECK_BYTES_MAX;
    if (version > 0) checkValues(database, path, isLarge);
    if (isLarge) return;
    const [row] = database.prepare("PRAGMA quick_check(1)").all();
    const said = String(Object.values(row!)[0]);
    if (said !== "ok") throw new StoreError("corrupt", `${path}: ${said.replaceAll(/\s+/g, " ")}`);
  } catch (error) {
    throw troubleWith(path, error);
  } finally {
    database?.close();
  }
}

/** Finds values that no broker has written: SQLite takes a text for a number. Of a large file only tables of sessions are read. */
function checkValues(database: DatabaseSync, path: string, isLarge: boolean): void {
  for (const table of TABLES) {
    if (isLarge && LARGE_TABLES.includes(table.name)) continue;
    const row = database.prepare(wrongRows(table, columnsIn(database, table))).get();
    if (row === undefined) continue;
    throw new StoreError("corrupt", `${path}: ${table.name} ${row["key"]}: its ${row["wrong"]}`);
  }
}

/** The first table, index, trigger or view that is not as our migrations make it. Others may have their own besides. */
function changedIn(database: DatabaseSync, version: number): string | undefined {
  const entries = (of: DatabaseSync) => of.prepare("SELECT type, name, sql FROM sqlite_schema").all();
  const template = new DatabaseSync(":memory:");
  try {
    for (const sql of MIGRATIONS.slice(0, version)) template.exec(sql);
    const there = new Map(entries(database).map(({ name, sql }) => [name, sql]));
    const changed = entries(template).find(({ name, sql }) => there.get(name!) !== sql);
    return changed && `${changed["type"]} ${changed["name"]}`;
  } finally {
    template.close();
  }
}

/** The content that a broker needs at first: read before the store is used, while a damaged file can still be set aside. */
export function foundIn(database: Database): Found {
  const sessions = [...storedSessions(database)];
  for (const { subscriptions } of sessions) {
    for (const { filter } of subscriptions) {
      if (typeof parseFilter(filter) === "string") {
        throw new Error(`${JSON.stringify(filter)} is no Topic Filter`);
      }
    }
  }
  return {
    sessions,
    retained: [...packMessages(storedRetained(database))],
    stamps: storedStamps(database),
    lastOrder: lastOrder(database),
    lastSession: lastSession(database),
  };
}

/** Writes the readable rows to a file with another name. */
function save(path: string): Salvaged {
  try {
    removeDatabase(path + SAVING);
    const saved = salvage(path, path + SAVING);
    for (const ending of BESIDE) rmSync(path + SAVING + ending, { force: true });
    renameSync(path + SAVING, path + SAVED);
    syncName(path);
    return saved;
  } catch (error) {
    removeDatabase(path + SAVING);
    throw troubleWith(path, error);
  }
}

/**
 * Gives the damaged file another name, which is returned, and its name to the file with the saved rows. If the process ends
 * between the two, `openSound()` calls this again at the next start.
 */
function replace(path: string, clock: StoreClock): string {
  const to = `${path}.damaged-${new Date(clock.now()).toISOString().replaceAll(/[:.]/g, "-")}`;
  for (const ending of [...BESIDE, ""]) {
    if (isThere(path + ending)) renameSync(path + ending, to + ending);
  }
  renameSync(path + SAVED, path);
  rmSync(path + SUSPECT, { force: true });
  syncName(path);
  return to;
}

/** Has the file set aside when it is opened the next time: the check at opening may not find the damage that a read found. */
function markSuspect(path: string, why: string): void {
  try {
    writeFileSync(path + SUSPECT, `${why}\n`);
  } catch { // not even that can be written
  }
}

/** `action` for the first call, nothing for others. */
function once<T>(action: (value: T) => void): (value: T) => void {
  let isDone = false;
  return (value) => {
    if (isDone) return;
    isDone = true;
    action(value);
  };
}
