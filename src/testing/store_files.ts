/**
 * Data directories for tests: filled, damaged, and looked into.
 * Knows files and the facts of `store_scene.ts`; refuses to know what should come of it.
 * @module
 */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { openStore, STORE_FILE } from "../store/mod.ts";
import { keyOf, message, record, sent, subscription, waiting } from "./store_scene.ts";

/** What every SQLite of ours has. */
export const PAGE_BYTES = 4096;

/** A directory for one test. */
export async function inDirectory(body: (directory: string) => void | Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "plumb-files-"));
  try {
    await body(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** How much `fill()` writes. */
export interface Filling {
  readonly sessions: number;
  /** Messages that wait in each of them, on topics `t/SESSION/N`. */
  readonly waiting: number;
  /** On topics `r/N`. */
  readonly retained: number;
  readonly bytes: number;
}

/** What `fill()` writes if nothing is said. */
export const FILLING: Filling = { sessions: 12, waiting: 40, retained: 100, bytes: 300 };

/** What it leaves, as `salvage()` counts it. */
export function contentsOf(
  { sessions, waiting, retained }: Filling = FILLING,
): { sessions: number; subscriptions: number; deliveries: number; retained: number } {
  return { sessions, subscriptions: 2 * sessions, deliveries: (waiting + 5) * sessions, retained };
}

/**
 * Makes a store of sessions `client-N`, each with two subscriptions, messages that wait, one that all share, one that came by
 * a Shared Subscription, two sent, and one released; gives the path of its file.
 */
export async function fill(directory: string, filling: Partial<Filling> = {}): Promise<string> {
  const { sessions, waiting: count, retained, bytes } = { ...FILLING, ...filling };
  const store = openStore(directory, { durability: "os", worker: false });
  [...store.sessions(), ...store.retainedMessages()];
  let order = store.lastOrder();
  const keys = Array.from({ length: sessions }, (_, i) => keyOf(`client-${i}`));
  for (const [i, key] of keys.entries()) {
    const will = { message: message(`w/${i}`), delaySeconds: 5, dueAt: 2_000_000_000_000 };
    store.saved(key, record(key.clientId, { expirySeconds: 0xffff_ffff, expiresAt: Infinity, will }));
    store.subscribed(key, subscription(`t/${i}/#`));
    store.subscribed(key, subscription(`$share/g/s/${i}`, { identifier: i + 1, qos: 1 }));
    store.received(key, 9, true);
    for (let j = 0; j < count; j++) {
      store.queued(key, waiting(++order, { message: message(`t/${i}/${j}`, { bytes }) }));
    }
    store.queued(key, waiting(++order, { share: `$share/g/s/${i}`, subscriptionIdentifiers: [i + 1] }));
    for (let id = 1; id <= 2; id++) store.queued(key, sent(++order, id));
    store.queued(key, sent(++order, 3, { released: ++order }));
  }
  const shared = message("shared", { bytes: 700 });
  for (const key of keys) store.queued(key, waiting(++order, { message: shared }));
  for (let i = 0; i < retained; i++) {
    store.retained(`r/${i}`, message(`r/${i}`, { bytes, retain: true, qos: 1 }));
  }
  await store.commit();
  await store.close();
  return join(directory, STORE_FILE);
}

/** Writes a file anew, changed. */
export function change(path: string, how: (bytes: Uint8Array) => Uint8Array): void {
  writeFileSync(path, how(Uint8Array.from(readFileSync(path))));
}

/** Overwrites pages, counted from 1. */
export function overwrite(path: string, pages: readonly number[], byte = 0xff): void {
  change(path, (bytes) => {
    for (const page of pages) bytes.fill(byte, (page - 1) * PAGE_BYTES, page * PAGE_BYTES);
    return bytes;
  });
}

/** Does something to the rows that no broker would do. */
export function tamper(path: string, ...statements: string[]): void {
  const database = new DatabaseSync(path, { enableForeignKeyConstraints: false });
  try {
    for (const sql of statements) database.exec(sql);
  } finally {
    database.close();
  }
}

/** Pages of a table's own, the first of them its root. */
export function rootOf(path: string, name: string): number {
  const database = new DatabaseSync(path);
  try {
    return database.prepare("SELECT rootpage FROM sqlite_schema WHERE name = ?").get(
      name,
    )!["rootpage"] as number;
  } finally {
    database.close();
  }
}

/** Tells two contents apart. */
export function digest(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

/** Why a test cannot be done by this user, or false. */
export const notAsRoot: string | false = process.getuid?.() === 0 ? "root may write everywhere" : false;

/** A new folder in another. */
export function folder(directory: string, name: string): string {
  const path = join(directory, name);
  mkdirSync(path);
  return path;
}
