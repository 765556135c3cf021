/**
 * The database of browsers, with promises, and the lock that makes it one owner's; on a page, and in workers of any kind.
 * Knows the objects of IndexedDB and of Web Locks; refuses to know what is kept.
 * @module
 */

/** How much a commit waits for: `strict` for the disk, `relaxed` for the system. */
export type DatabaseDurability = "strict" | "relaxed";

/** A value that records can be found by. Arrays are compared element by element. */
export type Key = number | string | readonly Key[];

/** Keys from one to another, both among them. */
export interface KeyRange {
  readonly lower: unknown;
  readonly upper: unknown;
}

/** A question to the database. */
export interface DatabaseRequest<T> {
  readonly result: T;
  readonly error: unknown;
  onsuccess: (() => void) | null;
  onerror: (() => void) | null;
}

/** What records and indexes are asked. */
export interface DatabaseSource {
  get(key: Key | KeyRange): DatabaseRequest<unknown>;
  getAll(keys?: Key | KeyRange | null, count?: number): DatabaseRequest<unknown[]>;
  getAllKeys(keys?: Key | KeyRange | null, count?: number): DatabaseRequest<unknown[]>;
  count(keys?: Key | KeyRange): DatabaseRequest<number>;
}

/** Records by their keys. */
export interface DatabaseRecords extends DatabaseSource {
  put(value: unknown, key?: Key): unknown;
  delete(keys: Key | KeyRange): unknown;
  clear(): unknown;
  index(name: string): DatabaseSource;
  createIndex(name: string, path: string | readonly string[]): unknown;
}

/** All or nothing. It ends by itself when nothing has been asked any more. */
export interface DatabaseTransaction {
  readonly error: unknown;
  oncomplete: (() => void) | null;
  onabort: (() => void) | null;
  objectStore(name: string): DatabaseRecords;
  abort(): void;
}

/** An open database. */
export interface OpenDatabase {
  transaction(
    stores: readonly string[],
    mode: "readonly" | "readwrite",
    options?: { readonly durability: DatabaseDurability },
  ): DatabaseTransaction;
  createObjectStore(
    name: string,
    options?: { readonly keyPath: string | readonly string[] },
  ): DatabaseRecords;
  /** The browser has closed it: the user has cleared what the origin keeps, or the browser's own process for it has ended. */
  onclose: (() => void) | null;
  close(): void;
}

interface Locks {
  request(
    name: string,
    options: { readonly signal: AbortSignal },
    held: () => Promise<void>,
  ): Promise<unknown>;
}

const browser = globalThis as unknown as {
  readonly navigator?: { readonly locks?: Locks };
  readonly indexedDB?: {
    open(
      name: string,
      version: number,
    ): DatabaseRequest<OpenDatabase> & {
      onupgradeneeded: ((event: { readonly oldVersion: number }) => void) | null;
    };
  };
  readonly IDBKeyRange: { bound(lower: unknown, upper: unknown): KeyRange };
};

/** Keys from `lower` to `upper`, both among them. */
export function keysBetween(lower: Key, upper: Key): KeyRange {
  return browser.IDBKeyRange.bound(lower, upper);
}

/** Gets the lock of this name; what it resolves with gives it back. Where there are no Web Locks there is nothing to get. */
export function locked(name: string, signal: AbortSignal): Promise<() => void> {
  const locks = browser.navigator?.locks;
  if (locks === undefined) return Promise.resolve(() => {});
  return new Promise((resolve, reject) => {
    locks.request(name, { signal }, () => new Promise<void>((release) => resolve(release))).catch(reject);
  });
}

/**
 * Opens a database of this origin; `upgrade` makes its stores if it is of an earlier version, 0 if it is new. Undefined where there is no
 * IndexedDB.
 */
export async function openDatabase(
  name: string,
  version: number,
  upgrade: (database: OpenDatabase, from: number) => void,
): Promise<OpenDatabase | undefined> {
  if (browser.indexedDB === undefined) return undefined;
  const request = browser.indexedDB.open(name, version);
  request.onupgradeneeded = ({ oldVersion }) => upgrade(request.result, oldVersion);
  return await answered(request);
}

/** Resolves with the answer. Within a transaction nothing else may be awaited, or it ends. */
export function answered<T>(request: DatabaseRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Resolves when the transaction is safe, as far as its durability says. */
export function finished(transaction: DatabaseTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}

/** Makes the caller the owner of a database: the number that stands under `key` of `store` from now on. */
export async function claimed(database: OpenDatabase, store: string, key: Key): Promise<number> {
  const transaction = database.transaction([store], "readwrite");
  const over = finished(transaction);
  const records = transaction.objectStore(store);
  const before = records.get(key);
  let owner = 0;
  before.onsuccess = () => {
    owner = ((before.result as number | undefined) ?? 0) + 1;
    records.put(owner, key);
  };
  await over;
  return owner;
}

/** Aborts the transaction if the database has another owner by now; `taken` is called then. */
export function abortUnlessOwned(
  transaction: DatabaseTransaction,
  store: string,
  key: Key,
  owner: number,
  taken: () => void,
): void {
  const present = transaction.objectStore(store).get(key);
  present.onsuccess = () => {
    if (present.result === owner) return;
    taken();
    transaction.abort();
  };
}

/** Name and message of whatever was thrown. */
export function errorParts(error: unknown): { readonly kind: string; readonly message: string } {
  const { name: kind = "", message = String(error) } = (error ?? {}) as { name?: string; message?: string };
  return { kind, message };
}
