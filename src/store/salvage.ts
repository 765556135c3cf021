/**
 * Copies the readable rows of a damaged store into a new file.
 * Knows which rows are of use without which others; refuses to know the rows that were lost.
 * @module
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { rowsAround } from "./damaged_rows.ts";
import { Database } from "./database.ts";
import { troubleWith } from "./error.ts";
import { openForReading } from "./damaged_file.ts";
import { Step } from "./schema.ts";
import { mended, RELEASED_MESSAGE, type Row, type Table, TABLES } from "./tables.ts";

/** Counts of rows saved from a damaged store. Lost rows cannot be counted. */
export interface Salvaged {
  /** §4.1 */
  readonly sessions: number;
  /** §3.8 */
  readonly subscriptions: number;
  /** §4.3 messages on their way to Clients. */
  readonly deliveries: number;
  /** §3.3.1.3 */
  readonly retained: number;
  /** Rows that were found and are of no use: they have impossible values, or belong to lost rows. */
  readonly unusable: number;
  /** Rows that were saved with other values in the place of damaged ones: a session whose interval was lost never ends. */
  readonly mended: number;
}

/** The rows that a store has. */
export type Contents = Omit<Salvaged, keyof Dealt>;

/** The rows that could not be copied as they are. */
type Dealt = Pick<Salvaged, "unusable" | "mended">;

const NONE: Dealt = { unusable: 0, mended: 0 };
const ROWS_PER_TRANSACTION = 1_000;

/**
 * Copies the readable rows of the file at `from`, which stays as it is, into a new file at `to`.
 * @throws {StoreError} when `to` cannot be written.
 */
export function salvage(from: string, to: string): Salvaged {
  try {
    new Database(to, "os").close();
    const source = openForReading(from, `${to}.copy`);
    try {
      const target = new DatabaseSync(to, { enableForeignKeyConstraints: false });
      try {
        target.exec("PRAGMA synchronous = NORMAL"); // it is synced when it is closed
        const dealt = source.database === undefined ? NONE : copy(source.database, target);
        return { ...contents(target), ...dealt };
      } finally {
        target.close();
      }
    } finally {
      source.close();
    }
  } catch (error) {
    throw troubleWith(to, error);
  }
}

/** Counts of the rows of a store. */
export function contentsOf(path: string): Contents {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return contents(database);
  } finally {
    database.close();
  }
}

function contents(database: DatabaseSync): Contents {
  const rows = (table: string) =>
    database.prepare(`SELECT count(*) AS count FROM ${table}`).get()!["count"] as number;
  const isEmpty = rows("sqlite_schema") === 0; // its broker ended before it had made the tables
  const count = (table: string) => isEmpty ? 0 : rows(table);
  return {
    sessions: count("session"),
    subscriptions: count("subscription"),
    deliveries: count("delivery"),
    retained: count("retained"),
  };
}

function copy(source: DatabaseSync, target: DatabaseSync): Dealt {
  let unusable = 0;
  let repaired = 0;
  /** Sessions that were over before: their rows are not missed. */
  const ended = new Set<number>();
  for (const table of TABLES) {
    const insert = new Insert(target, table);
    for (const { row, fault } of rowsAround(source, table)) {
      if (table.name === "ended") ended.add(row["session"] as number);
      else if (ended.has(row["session"] as number)) continue;
      else if (table.name === "delivery" && row["step"] === Step.RELEASED) {
        // Its identifier must not be used for another message before PUBCOMP, or the Client takes that for this one.
        const released = { ...row, ...RELEASED_MESSAGE };
        if (table.fault(released) === undefined) insert.row(released);
        else unusable++;
      } else if (fault === undefined) insert.row(row);
      else {
        const whole = mended(table, row);
        if (whole === undefined) unusable++;
        else {
          insert.row(whole);
          repaired++;
        }
      }
    }
    insert.done();
  }
  return { unusable: unusable + removeDangling(target), mended: repaired };
}

/** Writes rows of one table, many in a transaction. */
class Insert {
  readonly #target: DatabaseSync;
  readonly #columns: readonly string[];
  readonly #statement: StatementSync;
  #open = 0;

  constructor(target: DatabaseSync, { name, columns }: Table) {
    this.#target = target;
    this.#columns = Object.keys(columns);
    const places = this.#columns.map(() => "?");
    this.#statement = target.prepare(`INSERT OR IGNORE INTO ${name} (${this.#columns}) VALUES (${places})`);
  }

  row(row: Row): void {
    if (this.#open === 0) this.#target.exec("BEGIN IMMEDIATE");
    this.#statement.run(...this.#columns.map((column) => row[column]!));
    if (++this.#open === ROWS_PER_TRANSACTION) this.done();
  }

  done(): void {
    if (this.#open > 0) this.#target.exec("COMMIT");
    this.#open = 0;
  }
}

/** Removes rows that refer to lost rows, in an order in which each is removed and counted once. */
const DANGLING: readonly string[] = [
  ...["will", "subscription", "received", "delivery"].map((table) =>
    `DELETE FROM ${table} WHERE NOT EXISTS (SELECT 1 FROM session WHERE session.id = ${table}.session)`
  ),
  `DELETE FROM delivery WHERE message IS NOT NULL
     AND NOT EXISTS (SELECT 1 FROM message WHERE message.id = delivery.message)`,
  `DELETE FROM delivery WHERE step > 1 AND EXISTS (SELECT 1 FROM delivery AS other WHERE other.session = delivery.session
     AND other.step > 0 AND other.step > 1 AND other.packet_id = delivery.packet_id AND other.id < delivery.id)`,
];

/** Gives the number of rows that were removed as of no use. */
function removeDangling(target: DatabaseSync): number {
  const run = (sql: string) => Number(target.prepare(sql).run().changes);
  target.exec("BEGIN IMMEDIATE");
  const unusable = DANGLING.reduce((sum, sql) => sum + run(sql), 0);
  run("DELETE FROM message WHERE NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.message = message.id)");
  run("DELETE FROM ended"); // their rows were not copied
  run(`UPDATE delivery SET expires_at = (SELECT expires_at FROM message WHERE message.id = delivery.message)
       WHERE message IS NOT NULL`);
  target.exec("COMMIT");
  return unusable;
}
