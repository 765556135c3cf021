/**
 * §4.1 Durable sessions, queues and retained messages of a broker in a browser, in its IndexedDB; on a page, and in workers of any kind.
 * Knows how a database is opened, and by whom; refuses to know the records in it.
 * @module
 */
import {
  answered,
  claimed,
  type DatabaseTransaction,
  finished,
  locked,
  type OpenDatabase,
  openDatabase,
} from "../runtime/indexed_db.ts";
import type { StoreClock } from "../store/clock.ts";
import { type ClockJump, jumpOf } from "../store/deadlines.ts";
import { StoreError } from "../store/error.ts";
import { type QueuedFact, readFacts, type SavedFact, type SubscribedFact } from "../store/fact.ts";
import { FactStore, type FactStoreOptions } from "../store/fact_store.ts";
import { type MessageColumns, MessageMaker } from "../store/message_row.ts";
import { checkedSnapshot, compareTexts, SnapshotWriter } from "../store/snapshot.ts";
import { browserClock } from "./clock.ts";
import { guarded, IndexedDbDisk, troubleOf } from "./disk.ts";
import { deliveryOf, grouped, Reader, sessionOf, subscriptionOf } from "./load.ts";
import { CLOCK, DATABASE_VERSION, makeStores, META, OWNER, ROWS, Rows, type SharedRow } from "./rows.ts";

/** ms: a page that is loaded anew may be there before the worker of the old one has let go. */
const WAIT_MS = 2_000;

/** How a store in a browser is opened. */
export interface OpenBrowserStoreOptions {
  /** `fsync` (default): what is acknowledged outlives a power cut; `os`: it outlives the browser. */
  readonly durability?: "fsync" | "os";
  /** Ends the wait for another broker that has the store, in another tab, say; default: after two seconds. */
  readonly signal?: AbortSignal;
  /** Called when the clock was set since the store was last written, and all deadlines have moved with it. */
  readonly clockSet?: (jump: ClockJump) => void;
  /** Called when messages cannot be read. */
  readonly damaged?: (error: StoreError) => void;
}

/**
 * Opens the database of this origin that has this name, or makes it, and reads it. One broker at a time may use it: another one, in
 * whatever tab or worker, waits for the end of the first. Where a browser has no Web Locks (on pages by `http:` of another machine) the one
 * that opens it last gets it, and commits of the other fail.
 *
 * A browser that needs room may remove it, unless the origin has been promised that it stays: this asks for that where it can, on a page.
 * In a worker nobody can, so a page has to call `navigator.storage.persist()`.
 *
 * Rejects with a `StoreError` when it is in use (`locked`), of a later version (`newer`) or cannot be read, or with the reason of `signal`.
 */
export async function openBrowserStore(
  name: string,
  options: OpenBrowserStoreOptions = {},
): Promise<BrowserStore> {
  const { durability = "fsync", signal, clockSet, damaged = () => {} } = options;
  const now = browserClock();
  const { title, database, release } = await openOwn(name, signal);
  try {
    const owner = await claimed(database, META, OWNER);
    const jump = await moveWithClock(database, now());
    const transaction = database.transaction([META, ...ROWS], "readonly");
    const reader = new Reader(transaction);
    const found = await reader.found();
    const ended = (await reader.all<{ session: number }>("ended")).map(({ session }) => session);
    if (jump !== undefined) clockSet?.(jump);
    void (browser.navigator?.storage?.persist?.() ?? Promise.resolve()).catch(() => {});
    const owned = {
      name,
      title,
      database,
      owner,
      durability: durability === "fsync" ? "strict" : "relaxed",
    } as const;
    return new BrowserStore((events) => new IndexedDbDisk({ ...owned }, ended, events), {
      found,
      clock: { now, after },
      intervalMs: 0,
      damaged,
      closed: release,
    });
  } catch (error) {
    database.close();
    release();
    throw troubleOf(name, error);
  }
}

/** A store in a database of a browser. `openBrowserStore()` makes it. */
export class BrowserStore extends FactStore {
  readonly #disk: IndexedDbDisk;

  /** @internal */
  constructor(make: (events: FactStore) => IndexedDbDisk, options: Omit<FactStoreOptions, "disk">) {
    let made: IndexedDbDisk | undefined;
    super({ ...options, disk: (events) => made = make(events) });
    this.#disk = made!;
  }

  /**
   * Everything that is safe, all of one moment, as `plumb import` and `importSnapshot()` read it. The broker may go on.
   * Rejects with a `StoreError` if it cannot be read.
   */
  snapshot(): Promise<Blob> {
    return this.#disk.read(async (reader) => new Blob(await snapshotOf(reader)));
  }
}

/**
 * Puts the content of a snapshot, of `BrowserStore.snapshot()` or `plumb export`, into the database of this name. No broker may have it.
 * Rejects with a `StoreError`, and has changed nothing, when the bytes are no snapshot or a damaged one, when the database is in use, and
 * when there is something in it already, unless that is to be replaced.
 */
export async function importSnapshot(
  name: string,
  snapshot: Uint8Array | Blob,
  options: { readonly replace?: boolean; readonly signal?: AbortSignal } = {},
): Promise<void> {
  const bytes = snapshot instanceof Uint8Array ? snapshot : new Uint8Array(await snapshot.arrayBuffer());
  const batches = checkedSnapshot(bytes, "the snapshot");
  const { database, release } = await openOwn(name, options.signal);
  try {
    const transaction = database.transaction([META, ...ROWS], "readwrite", { durability: "strict" });
    const over = finished(transaction);
    over.catch(() => {});
    await guarded(transaction, async () => {
      if (!options.replace && await hasContent(transaction)) {
        throw new StoreError("locked", `${name} has content already`);
      }
      const meta = transaction.objectStore(META);
      meta.put(((await answered(meta.get(OWNER)) as number | undefined) ?? 0) + 1, OWNER);
      for (const store of ROWS) transaction.objectStore(store).clear();
      const rows = new Rows(transaction);
      for (const batch of batches) readFacts(batch, rows);
    });
    await over;
  } catch (error) {
    throw troubleOf(name, error);
  } finally {
    database.close();
    release();
  }
}

async function hasContent(transaction: DatabaseTransaction): Promise<boolean> {
  for (const store of ["session", "retained"] as const) {
    if (await answered(transaction.objectStore(store).count()) > 0) return true;
  }
  return false;
}

/** All records as facts, in the one order that a snapshot has. */
async function snapshotOf(reader: Reader): Promise<Uint8Array<ArrayBuffer>[]> {
  const maker = new MessageMaker();
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  const out = new SnapshotWriter((chunk) => chunks.push(chunk));
  out.time(await reader.clock());
  const subscriptions = grouped(await reader.all<SubscribedFact>("subscription"));
  const received = grouped(await reader.all<{ session: number; packetId: number }>("received"));
  const sessions = await reader.all<SavedFact>("session");
  for (const row of sessions) {
    out.session(
      row.session,
      sessionOf(row, maker),
      (subscriptions.get(row.session) ?? []).map(subscriptionOf),
      (received.get(row.session) ?? []).map(({ packetId }) => packetId),
    );
  }
  const ids = new Set(sessions.map(({ session }) => session));
  for await (const [row, message] of reader.deliveries()) {
    if (ids.has(row.session)) out.delivery(row.session, deliveryOf(row, message), row.shared);
  }
  const retained = await reader.all<MessageColumns>("retained");
  retained.sort((a, b) => compareTexts(a.topic, b.topic));
  for (const row of retained) out.retained(maker.make(row));
  out.end();
  return chunks;
}

interface Opened {
  readonly title: string;
  readonly database: OpenDatabase;
  release(): void;
}

/** The database, for this caller alone. */
async function openOwn(name: string, signal?: AbortSignal): Promise<Opened> {
  const title = `plumb-broker:${name}`;
  const release = await locked(title, signal ?? AbortSignal.timeout(WAIT_MS)).catch((error) => {
    if (signal?.aborted) throw error;
    throw new StoreError("locked", `${name} is in use by another broker`);
  });
  try {
    const database = await openDatabase(title, DATABASE_VERSION, makeStores);
    if (database !== undefined) return { title, database, release };
    throw new StoreError("unwritable", `${name} needs IndexedDB, which is not there`);
  } catch (error) {
    release();
    throw troubleOf(name, error);
  }
}

/** Moves all deadlines with the clock, if that has jumped since the last commit; gives the jump. */
async function moveWithClock(database: OpenDatabase, now: number): Promise<ClockJump | undefined> {
  const transaction = database.transaction([META, ...ROWS], "readwrite", { durability: "strict" });
  const over = finished(transaction);
  const last = await answered(transaction.objectStore(META).get(CLOCK)) as number | undefined;
  const passed = last === undefined ? 0 : jumpOf(last, now);
  if (passed !== 0) {
    const moved = (at: number | null) => at === null ? null : at + passed;
    const each = async <T>(name: (typeof ROWS)[number], change: (row: T) => T) => {
      const rows = transaction.objectStore(name);
      for (const row of await answered(rows.getAll()) as T[]) rows.put(change(row));
    };
    const message = <T extends MessageColumns>(row: T): T => ({ ...row, expires_at: moved(row.expires_at) });
    await each<SavedFact>("session", (row) => ({
      ...row,
      expiresAt: moved(row.expiresAt),
      will: row.will && { ...row.will, dueAt: moved(row.will.dueAt) },
    }));
    await each<QueuedFact>("delivery", (row) => ({
      ...row,
      expiresAt: moved(row.expiresAt),
      own: row.own && message(row.own),
    }));
    await each<SharedRow>("message", message);
    await each<MessageColumns>("retained", message);
    transaction.objectStore(META).put(now, CLOCK);
  }
  await over;
  return passed === 0 ? undefined : { from: last!, to: now };
}

const after: StoreClock["after"] = (ms, action) => {
  const timer = setTimeout(action, ms);
  return () => clearTimeout(timer);
};

const browser = globalThis as unknown as {
  readonly navigator?: { readonly storage?: { persist?(): Promise<boolean> } };
};
