/**
 * §4.1 Where batches of facts go in a browser: to its database, one transaction each.
 * Knows their order and which failed; refuses to know the facts in them.
 * @module
 */
import {
  abortUnlessOwned,
  type DatabaseDurability,
  type DatabaseTransaction,
  errorParts,
  finished,
  type OpenDatabase,
  openDatabase,
} from "../runtime/indexed_db.ts";
import type { Disk, DiskEvents, LoadRequest } from "../store/disk.ts";
import { StoreError } from "../store/error.ts";
import { readFacts } from "../store/fact.ts";
import { Reader } from "./load.ts";
import { DATABASE_VERSION, makeStores, META, OWNER, ROWS, Rows } from "./rows.ts";

/** Deliveries removed in one transaction: the next batch waits behind it. */
const REMOVED_AT_ONCE = 500;

/** A database that is open, and whose it is. */
export interface OwnedDatabase {
  /** For people. */
  readonly name: string;
  readonly title: string;
  database: OpenDatabase;
  readonly owner: number;
  readonly durability: DatabaseDurability;
}

/** What waits for its turn behind batches: a page, a snapshot. */
interface Reading {
  /** So many batches were given before. */
  readonly behind: number;
  run(): Promise<void>;
}

/** One thing at a time, in the order in which it was asked for. */
export class IndexedDbDisk implements Disk {
  readonly #owned: OwnedDatabase;
  readonly #events: DiskEvents;
  #batches: Uint8Array[] = [];
  #given = 0;
  #applied = 0;
  readonly #readings: Reading[] = [];
  /** Sessions that are over and still have records. */
  readonly #ended: number[];
  /** By session: until when messages that wait are to be removed. */
  readonly #expired: Map<number, number> = new Map();
  #isStuck = false;
  #isRunning = false;
  /** The browser has closed the database. */
  #isLost = false;
  #closed: (() => void) | undefined;

  constructor(owned: OwnedDatabase, ended: readonly number[], events: DiskEvents) {
    this.#owned = owned;
    this.#ended = [...ended];
    this.#events = events;
    this.#watch();
    this.#run();
  }

  apply(batch: Uint8Array<ArrayBuffer>): void {
    this.#batches.push(batch);
    this.#given++;
    this.#run();
  }

  retry(): void {
    this.#isStuck = false;
    this.#run();
  }

  load(request: LoadRequest): void {
    this.#behind(async () => {
      let page = new Uint8Array();
      try {
        page = await this.#read((reader) => reader.page(request));
      } catch (error) {
        this.#events.damaged(troubleOf(this.#owned.name, error));
      }
      this.#events.loaded(request.request, page);
    });
  }

  /** Reads what is safe, all of one moment, behind the batches that were given before. */
  read<T>(read: (reader: Reader) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) =>
      this.#behind(() =>
        this.#read(read).then(resolve, (error) => reject(troubleOf(this.#owned.name, error)))
      )
    );
  }

  async close(): Promise<void> {
    if (this.#isRunning) await new Promise<void>((resolve) => this.#closed = resolve);
    this.#isStuck = true;
    this.#owned.database.close();
  }

  #behind(run: () => Promise<void>): void {
    this.#readings.push({ behind: this.#given, run });
    this.#run();
  }

  async #run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    for (let next; (next = this.#next()) !== undefined;) await next();
    this.#isRunning = false;
    this.#closed?.();
  }

  #next(): (() => Promise<void>) | undefined {
    const [reading] = this.#readings;
    if (reading !== undefined && (this.#isStuck || reading.behind <= this.#applied)) {
      this.#readings.shift();
      return reading.run;
    }
    if (this.#isStuck) return undefined;
    if (this.#batches.length > 0) return () => this.#write(this.#batches[0]!);
    if (this.#closed === undefined && this.#ended.length + this.#expired.size > 0) return () => this.#tidy();
    return undefined;
  }

  async #write(batch: Uint8Array): Promise<void> {
    try {
      const rows = await this.#change((rows) => readFacts(batch, rows));
      this.#ended.push(...rows.ended); // not before: a batch that fails ends nothing
      for (const [session, until] of rows.expiring) {
        this.#expired.set(session, Math.max(until, this.#expired.get(session) ?? 0));
      }
    } catch (error) {
      this.#isStuck = true;
      return this.#events.failed(troubleOf(this.#owned.name, error));
    }
    this.#batches.shift();
    this.#events.applied(++this.#applied);
  }

  /** Removes some records that are over. */
  async #tidy(): Promise<void> {
    try {
      const [expired] = this.#expired;
      if (expired !== undefined) {
        let isDone = false;
        await this.#change(async (rows) => {
          isDone = await rows.removeExpired(...expired, REMOVED_AT_ONCE);
        });
        if (isDone) this.#expired.delete(expired[0]);
        return;
      }
      const session = this.#ended.at(-1)!;
      let isDone = false;
      await this.#change(async (rows) => {
        isDone = await rows.removeEnded(session, REMOVED_AT_ONCE);
      });
      if (isDone) this.#ended.splice(this.#ended.indexOf(session), 1);
    } catch { // the next batch fails for the same reason, and says so; the next broker removes them
      this.#ended.length = 0;
      this.#expired.clear();
    }
  }

  /** One transaction: all of what `body` writes is safe, or nothing. */
  async #change(body: (rows: Rows) => void | Promise<void>): Promise<Rows> {
    if (this.#isLost) await this.#reopen();
    const { name, database, durability, owner } = this.#owned;
    const transaction = database.transaction([META, ...ROWS], "readwrite", { durability });
    const over = finished(transaction);
    let isTaken = false;
    abortUnlessOwned(transaction, META, OWNER, owner, () => isTaken = true);
    const rows = new Rows(transaction);
    const written = guarded(transaction, () => body(rows));
    try {
      await Promise.all([over, written]);
      return rows;
    } catch (error) {
      await over.catch(() => {});
      throw isTaken ? new StoreError("locked", `${name} was opened by another broker, or cleared`) : error;
    }
  }

  async #read<T>(read: (reader: Reader) => Promise<T>): Promise<T> {
    if (this.#isLost) await this.#reopen();
    return await read(new Reader(this.#owned.database.transaction([META, ...ROWS], "readonly")));
  }

  #watch(): void {
    this.#owned.database.onclose = () => this.#isLost = true;
  }

  /** The database that is there now is ours only if it still says so. */
  async #reopen(): Promise<void> {
    const database = await openDatabase(this.#owned.title, DATABASE_VERSION, makeStores);
    this.#owned.database = database!;
    this.#isLost = false;
    this.#watch();
  }
}

/** What throws aborts the transaction. */
export async function guarded(
  transaction: DatabaseTransaction,
  body: () => void | Promise<void>,
): Promise<void> {
  try {
    await body();
  } catch (error) {
    try {
      transaction.abort();
    } catch { // it has been already
    }
    throw error;
  }
}

/** An error of the browser in words. */
export function troubleOf(name: string, error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const { kind, message } = errorParts(error);
  if (kind === "QuotaExceededError") {
    return new StoreError("full", `${name} is full: the browser gives this origin no more room`);
  }
  if (kind === "VersionError") {
    const known = `${DATABASE_VERSION}, which is the last one that is known here`;
    return new StoreError("newer", `${name} is of a later version than ${known}`);
  }
  return new StoreError("io", `${name} cannot be used: ${message}`);
}
