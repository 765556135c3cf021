/**
 * The file of a shard while it is brought up to where its log ends.
 * Knows its place, its making and its thread; refuses to know what is read from logs.
 * @module
 */
import { closeSync, openSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { SYSTEM_CLOCK } from "../../store/clock.ts";
import { Database, type Sync } from "../../store/database.ts";
import { type Disk, type DiskEvents, LocalDisk } from "../../store/disk.ts";
import { DiskThread } from "../../store/disk_thread.ts";
import { type StoreError, troubleWith } from "../../store/error.ts";
import { bytesOf, removeDatabase, STORE_FILE } from "../../store/files.ts";
import { Ended } from "../../store/tidy.ts";
import type { ReplayFile } from "../shard_claim.ts";
import type { ShardPlace } from "../shard_entry.ts";

const MAKE =
  "CREATE TABLE IF NOT EXISTS place (id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, number INTEGER NOT NULL)";
/** Ending of the file while a checkpoint comes. */
const COMING = ".coming";

/** Where a file is; undefined if there is none that says so. */
export function placeIn(path: string): ShardPlace | undefined {
  if (bytesOf(path) === 0) return undefined;
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    const row = database.prepare("SELECT epoch, number FROM place").get();
    if (row === undefined) return undefined;
    return { epoch: row["epoch"] as number, number: row["number"] as number };
  } catch {
    return undefined;
  } finally {
    database?.close();
  }
}

/** See `ReplayFile`. */
export class ShardReplay implements ReplayFile {
  readonly path: string;
  readonly #worker: URL | false;
  readonly #sync: Sync;
  #place: ShardPlace | undefined;
  #disk: Disk | undefined;
  #posted = 0;
  #applied: ((trouble?: string) => void) | undefined;
  #coming: number | undefined;
  #isClosed = false;

  /** @throws {StoreError} */
  constructor(directory: string, sync: Sync, worker: URL | false) {
    this.path = join(directory, STORE_FILE);
    this.#sync = sync;
    this.#worker = worker;
    this.#place = placeIn(this.path);
    if (this.#place === undefined) this.clear();
  }

  get place(): ShardPlace | undefined {
    return this.#place;
  }

  clear(): void {
    removeDatabase(this.path);
    this.#place = undefined;
  }

  restore(bytes: Uint8Array, isLast: boolean): void {
    if (this.#isClosed) return;
    const coming = this.path + COMING;
    this.#coming ??= openSync(coming, "w", 0o600);
    for (let at = 0; at < bytes.length;) at += writeSync(this.#coming, bytes, at);
    if (!isLast) return;
    closeSync(this.#coming);
    this.#coming = undefined;
    renameSync(coming, this.path);
    this.#place = placeIn(this.path);
  }

  apply(batches: readonly Uint8Array[], place: ShardPlace, applied: (trouble?: string) => void): void {
    if (this.#isClosed) return; // it was given up
    try {
      this.#disk ??= this.#open();
    } catch (error) {
      return applied(troubleWith(this.path, error).message);
    }
    this.#applied = (trouble) => {
      this.#applied = undefined;
      this.#place = place;
      applied(trouble);
    };
    this.#posted += batches.length;
    for (const batch of batches) this.#disk.apply(new Uint8Array(batch)); // a copy: slice() of a Buffer is none
  }

  /**
   * Closes it: a store may be opened then. `epoch`: in which the shard has been claimed, so that the file is known to be of that though
   * nothing is written in it.
   */
  async close(epoch?: number): Promise<void> {
    this.#isClosed = true;
    if (this.#coming !== undefined) closeSync(this.#coming);
    await this.#disk?.close();
    this.#makeTable(epoch);
  }

  #open(): Disk {
    this.#makeTable();
    const events: DiskEvents = {
      applied: (count) => count >= this.#posted && this.#applied?.(),
      failed: (error: StoreError) => this.#applied?.(error.message),
      damaged: () => {},
      loaded: () => {},
    };
    if (this.#worker !== false) return new DiskThread(this.#worker, this.path, this.#sync, events);
    const database = new Database(this.path, this.#sync);
    return new LocalDisk(database, new Ended(database), SYSTEM_CLOCK, events);
  }

  #makeTable(epoch?: number): void {
    new Database(this.path, this.#sync).close(); // of our version
    const database = new DatabaseSync(this.path);
    try {
      database.exec(MAKE);
      if (epoch !== undefined) database.prepare("INSERT OR REPLACE INTO place VALUES (1, ?, 0)").run(epoch);
    } finally {
      database.close();
    }
  }
}
