/**
 * §4.1 The store's file: opened, brought to our version, asked and changed by statements.
 * Knows SQLite; refuses to know the tables (apply.ts writes them, load.ts and page.ts read them).
 * @module
 */
import { statfsSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { troubleWith } from "./error.ts";
import { bytesOf } from "./files.ts";
import { assertOurs } from "./ours.ts";
import { APPLICATION_ID, MIGRATIONS, SCHEMA_VERSION } from "./schema.ts";
import type { Row, Value } from "./tables.ts";

/** Whether a commit waits for the disk (`fsync`), or leaves that to the system (`os`). */
export type Sync = "fsync" | "os";

/** How long a commit waits for another process that writes, `sqlite3` perhaps. */
const BUSY_MS = 5_000;
/** Pages of the log after which it is written back. */
const CHECKPOINT_PAGES = 4_000;
/** Size to which the log is cut once it has been written back. */
const LOG_BYTES_MAX = 64 * 1024 * 1024;
const CACHE_KIB = 16 * 1024;

/** One open file. Every method may throw a `StoreError`. */
export class Database {
  /** Of the file. */
  readonly path: string;
  readonly #db: DatabaseSync;
  readonly #statements: Map<string, StatementSync> = new Map();
  /** The disk was full: the log is written back when there is room for all of it, and not before. */
  #isStarved = false;

  /** Opens or makes the file, and brings it to our version. */
  constructor(path: string, sync: Sync) {
    this.path = path;
    this.#db = this.#try(() => new DatabaseSync(path, { enableForeignKeyConstraints: false }));
    try {
      this.#try(() => this.#open(sync));
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  #open(sync: Sync): void {
    this.#db.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
    const version = assertOurs(this.#db, this.path);
    this.#db.exec(
      `PRAGMA journal_mode = WAL;
       PRAGMA synchronous = ${sync === "fsync" ? "FULL" : "NORMAL"};
       PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
       PRAGMA journal_size_limit = ${LOG_BYTES_MAX};
       PRAGMA cache_size = -${CACHE_KIB};
       PRAGMA temp_store = MEMORY`,
    );
    if (version === SCHEMA_VERSION) return;
    this.transaction(() => {
      for (const sql of MIGRATIONS.slice(version)) this.#db.exec(sql);
      this.#db.exec(`PRAGMA user_version = ${SCHEMA_VERSION}; PRAGMA application_id = ${APPLICATION_ID}`);
    });
  }

  /** Whether it has not been closed. */
  get isOpen(): boolean {
    return this.#db.isOpen;
  }

  /** Writes the log back and closes the file. */
  close(): void {
    try {
      this.#db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch { // the log stays as it is, and is read the next time
    }
    this.#db.close();
  }

  /** Makes all changes of `body` safe together, or none. */
  transaction(body: () => void): void {
    if (this.#isStarved) this.#writeBack();
    this.#try(() => {
      this.#db.exec("BEGIN IMMEDIATE");
      try {
        body();
        this.#db.exec("COMMIT");
      } catch (error) {
        if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
        throw error;
      }
    });
  }

  #try<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      const trouble = troubleWith(this.path, error);
      if (trouble.trouble === "full" && this.isOpen) this.#starve();
      throw trouble;
    }
  }

  /**
   * From now on the log may take all the room there is. To write it back makes the file larger, page by page, and counts
   * only when it is done: with less room than that needs, it would take what is left and be of no use.
   */
  #starve(): void {
    this.#isStarved = true;
    this.#setPragma("wal_autocheckpoint", 0);
  }

  /** Writes the log back if there is room for the pages that the file does not have yet; the log then begins anew. */
  #writeBack(): void {
    try {
      const { page_count: pages } = this.#db.prepare("PRAGMA page_count").get() as { page_count: number };
      const { page_size: size } = this.#db.prepare("PRAGMA page_size").get() as { page_size: number };
      if (pages * size - bytesOf(this.path) > roomFor(this.path)) return;
      const [done] = this.#db.prepare("PRAGMA wal_checkpoint(PASSIVE)").all() as { busy: number }[];
      if (done?.busy !== 0) return;
    } catch {
      return;
    }
    this.#isStarved = false;
    this.#setPragma("wal_autocheckpoint", CHECKPOINT_PAGES);
  }

  #setPragma(name: string, value: number): void {
    this.#db.prepare(`PRAGMA ${name} = ${value}`).all();
  }

  #prepared(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) this.#statements.set(sql, statement = this.#db.prepare(sql));
    return statement;
  }

  /** One change, within a `transaction()`. */
  run(sql: string, ...values: Value[]): void {
    this.#prepared(sql).run(...values);
  }

  /** All rows of a query that is asked often. */
  all(sql: string, ...values: Value[]): Row[] {
    return this.#try(() => this.#prepared(sql).all(...values)) as Row[];
  }

  /** All rows of a query that is asked once: where a page cannot be read, `iterate()` of Deno 2.9 ends without a word, as if there were no more. */
  rows(sql: string, ...values: Value[]): Row[] {
    return this.#try(() => this.#db.prepare(sql).all(...values)) as Row[];
  }
}

/** Free bytes of the disk that has the file; Infinity if that cannot be known: Deno asks for a permission of its own. */
function roomFor(path: string): number {
  try {
    const { bavail, bsize } = statfsSync(path);
    return Number(bavail) * Number(bsize);
  } catch {
    return Infinity;
  }
}
