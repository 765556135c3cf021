/**
 * §4.1 The messages of a Client over the end of its page, in the browser's IndexedDB; on a page, and in workers of any kind.
 *
 * A browser that needs room may remove it, unless the page has asked for `navigator.storage.persist()`.
 *
 * @example
 * ```ts
 * import { connect } from "@plumb/mqtt/client/browser";
 * import { openClientStore } from "@plumb/mqtt/client/indexed-db";
 *
 * const store = await openClientStore("kitchen");
 * const client = await connect("wss://broker.example/mqtt", { clientId: "kitchen", store });
 * await client.publish("home/kitchen/temperature", "21.5", { qos: 1 }); // it is in the database before it leaves
 * ```
 *
 * Knows records and the database; refuses to know what is in the records.
 * @module
 */
import type { ClientStore } from "../client_api/options.ts";
import {
  abortUnlessOwned,
  answered,
  claimed,
  type DatabaseDurability,
  errorParts,
  finished,
  locked,
  type OpenDatabase,
  openDatabase,
} from "../runtime/indexed_db.ts";
import { ClientStoreError, type ClientStoreOptions } from "./options.ts";

export { ClientStoreError, type ClientStoreOptions };

const VERSION = 1;
const RECORDS = "records";
/** Under `OWNER_KEY` the number of times that the database has been opened: the last one to open it owns it. */
const OWNER = "owner";
const OWNER_KEY = 0;
/** ms: a page that is loaded anew may be there before the old one has let go. */
const WAIT_MS = 2_000;

/** How a store in a browser is opened. */
export interface BrowserStoreOptions extends ClientStoreOptions {
  /** Ends the wait for another Client that has the store, in another tab, say; default: after two seconds. */
  readonly signal?: AbortSignal;
}

/**
 * Opens a database of this origin by its name, or makes it. One Client at a time may use it: another one, in whatever tab or worker,
 * waits for the end of the first. Where a browser has no Web Locks (on pages by `http:` of another machine) the one that
 * opens it last gets it, and commits of the other fail.
 *
 * Rejects with a `ClientStoreError` when it is in use or cannot be read, or with the reason of `signal`.
 */
export async function openClientStore(
  name: string,
  { durability = "fsync", signal }: BrowserStoreOptions = {},
): Promise<IndexedDbClientStore> {
  const title = `plumb:${name}`;
  const release = await locked(title, signal ?? AbortSignal.timeout(WAIT_MS)).catch((error) => {
    if (signal?.aborted) throw error;
    throw new ClientStoreError(`${name} is in use by another Client`, { cause: error });
  });
  let database: OpenDatabase | undefined;
  try {
    database = await openDatabase(title, VERSION, (fresh) => {
      for (const store of [RECORDS, OWNER]) fresh.createObjectStore(store);
    });
    if (database === undefined) throw new ClientStoreError("needs IndexedDB, which is not there");
    const owner = await claimed(database, OWNER, OWNER_KEY);
    return new IndexedDbClientStore(
      name,
      database,
      owner,
      durability === "fsync" ? "strict" : "relaxed",
      release,
    );
  } catch (error) {
    database?.close();
    release();
    throw told(name, error);
  }
}

/** Records in one database. `openClientStore()` makes it. */
export class IndexedDbClientStore implements ClientStore {
  readonly #name: string;
  readonly #database: OpenDatabase;
  readonly #owner: number;
  readonly #durability: DatabaseDurability;
  readonly #release: () => void;
  /** Since the last commit; undefined stands for a record that is deleted. */
  #changes: Map<number, Uint8Array | undefined> = new Map();

  /** @internal */
  constructor(
    name: string,
    database: OpenDatabase,
    owner: number,
    durability: DatabaseDurability,
    release: () => void,
  ) {
    this.#name = name;
    this.#database = database;
    this.#owner = owner;
    this.#durability = durability;
    this.#release = release;
  }

  /** What was committed, in order of the keys. */
  async load(): Promise<[key: number, record: Uint8Array][]> {
    try {
      const records = this.#database.transaction([RECORDS], "readonly").objectStore(RECORDS);
      const [keys, values] = await Promise.all([
        answered(records.getAllKeys()),
        answered(records.getAll()),
      ]);
      return keys.map((key, i) => [key as number, values[i] as Uint8Array]);
    } catch (error) {
      throw told(this.#name, error);
    }
  }

  /** Takes effect with the next commit. */
  put(key: number, record: Uint8Array): void {
    this.#changes.set(key, record);
  }

  /** Takes effect with the next commit. */
  delete(key: number): void {
    this.#changes.set(key, undefined);
  }

  /**
   * One transaction. What fails is done by the next one. Rejects with a `ClientStoreError`: there is no room for more, another Client has
   * opened the store, or the user has deleted what this origin keeps.
   */
  async commit(): Promise<void> {
    const changes = this.#changes;
    this.#changes = new Map();
    try {
      await this.#write(changes);
    } catch (error) {
      this.#changes = new Map([...changes, ...this.#changes]);
      throw told(this.#name, error);
    }
  }

  async #write(changes: ReadonlyMap<number, Uint8Array | undefined>): Promise<void> {
    const transaction = this.#database.transaction([RECORDS, OWNER], "readwrite", {
      durability: this.#durability,
    });
    const over = finished(transaction);
    let isTaken = false;
    abortUnlessOwned(transaction, OWNER, OWNER_KEY, this.#owner, () => isTaken = true);
    const records = transaction.objectStore(RECORDS);
    for (const [key, record] of changes) {
      if (record === undefined) records.delete(key);
      else records.put(record, key);
    }
    await over.catch((error) => {
      throw isTaken ? new ClientStoreError("was opened by another Client") : error;
    });
  }

  /** Closes the database when what is committed is safe; another Client may open it. What was not committed is lost. */
  close(): void {
    this.#database.close();
    this.#release();
  }
}

/** The error in words. */
function told(name: string, error: unknown): ClientStoreError {
  const { kind, message } = errorParts(error);
  if (error instanceof ClientStoreError) return new ClientStoreError(`${name} ${message}`);
  const why = kind === "QuotaExceededError"
    ? "is full: the browser gives this origin no more room"
    : kind === "VersionError"
    ? `is of a later version than ${VERSION}, which is the last one that is known here`
    : `cannot be used: ${message}`;
  return new ClientStoreError(`${name} ${why}`, { cause: error });
}
