/**
 * Where batches go: to the file in this thread, or in one of its own.
 * Knows their order and which failed; refuses to know the facts in them.
 * @module
 */
import { Applier } from "./apply.ts";
import type { StoreClock } from "./clock.ts";
import type { Database, Sync } from "./database.ts";
import { type StoreError, type StoreTrouble, troubleWith } from "./error.ts";
import { pageOf } from "./page.ts";
import type { Ended } from "./tidy.ts";

/** The answers of a disk, at once or later. */
export interface DiskEvents {
  /** So many batches have been made safe, counted from the first. */
  applied(count: number): void;
  /** The next batch could not be made safe: it waits for `retry()`, and the others behind it. */
  failed(error: StoreError): void;
  /** The file is damaged: something in it cannot be read. The rest goes on. */
  damaged(error: StoreError): void;
  /** The answer to a `load()`. */
  loaded(request: number, page: Uint8Array<ArrayBuffer>): void;
}

/** A page of waiting deliveries that is asked for. */
export interface LoadRequest {
  readonly request: number;
  readonly session: number;
  readonly from: number;
  readonly messages: number;
  readonly bytes: number;
}

/** Takes batches; a `load()` finds every batch that was given before it. */
export interface Disk {
  /** Makes a batch safe. The caller gives its bytes away. */
  apply(batch: Uint8Array<ArrayBuffer>): void;
  /** Tries again the batch that failed, and the batches behind it. */
  retry(): void;
  /** Asks for a page. */
  load(request: LoadRequest): void;
  /** Closes the file. */
  close(): Promise<void>;
}

/** A message to the worker. It has buffers, not views: Deno looks at every element of a view. */
export type DiskCall =
  | { readonly apply: ArrayBuffer; readonly length: number }
  | { readonly load: LoadRequest }
  | { readonly retry: true }
  | { readonly close: true };

/** A message from the worker. */
export type DiskAnswer =
  | { readonly applied: number }
  | { readonly failed: string; readonly trouble: StoreTrouble }
  | { readonly damaged: string }
  | { readonly loaded: number; readonly page: ArrayBuffer; readonly length: number }
  | { readonly closed: true };

/** The `workerData` of the worker. */
export interface DiskStart {
  readonly plumbStore: { readonly path: string; readonly sync: Sync };
}

/** A disk in this thread: every call takes as long as the file does. */
export class LocalDisk implements Disk {
  readonly #database: Database;
  readonly #applier: Applier;
  readonly #ended: Ended;
  readonly #events: DiskEvents;
  readonly #clock: StoreClock;
  #batches: Uint8Array[] = [];
  #applied = 0;
  #stuck = false;
  #tidying = false;

  constructor(database: Database, ended: Ended, clock: StoreClock, events: DiskEvents) {
    this.#database = database;
    this.#applier = new Applier(database, ended);
    this.#ended = ended;
    this.#clock = clock;
    this.#events = events;
    this.#tidySoon();
  }

  apply(batch: Uint8Array<ArrayBuffer>): void {
    this.#batches.push(batch);
    if (!this.#stuck) this.#run();
  }

  retry(): void {
    this.#run();
  }

  load({ request, session, from, messages, bytes }: LoadRequest): void {
    let page = new Uint8Array();
    let damage: StoreError | undefined;
    try {
      page = pageOf(this.#database, session, from, messages, bytes, (error) => damage ??= error);
    } catch (error) {
      damage = troubleWith(this.#database.path, error);
    }
    if (damage !== undefined) this.#events.damaged(damage);
    this.#events.loaded(request, page);
  }

  close(): Promise<void> {
    this.#database.close();
    return Promise.resolve();
  }

  #run(): void {
    try {
      for (this.#stuck = false; this.#batches.length > 0; this.#batches.shift()) {
        this.#applier.apply(this.#batches[0]!);
        this.#applied++;
      }
    } catch (error) {
      this.#stuck = true;
      return this.#events.failed(troubleWith(this.#database.path, error));
    }
    this.#events.applied(this.#applied);
    this.#tidySoon();
  }

  /** Removes the rows of ended sessions, a little at a time. */
  #tidySoon(): void {
    if (this.#tidying || !this.#ended.untidy) return;
    this.#tidying = true;
    this.#clock.after(0, () => {
      if (!this.#database.isOpen) return;
      try {
        this.#ended.tidy();
        this.#tidying = false;
        this.#tidySoon();
      } catch { // the next batch fails for the same reason, and says so
        this.#tidying = false;
      }
    });
  }
}
