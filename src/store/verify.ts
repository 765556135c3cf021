/**
 * Looks for faults of a store, and changes nothing; its broker may go on meanwhile.
 * Knows which rows belong together; refuses to know how damage is mended.
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { rowsAround } from "./damaged_rows.ts";
import { troubleWith } from "./error.ts";
import { bytesOf } from "./files.ts";
import { takeBackInterrupted } from "./rollback_journal.ts";
import { assertOurs } from "./ours.ts";
import { Step } from "./schema.ts";
import { type Row, type Table, TABLES } from "./tables.ts";

/** Counts of the rows that were looked at, and of faults. */
export interface Verified {
  readonly bytes: number;
  readonly sessions: number;
  readonly subscriptions: number;
  /** Messages on their way to Clients, whether they wait or are sent. */
  readonly deliveries: number;
  readonly waiting: number;
  readonly retained: number;
  readonly faults: number;
}

const FAULTS_MAX = 10_000;

/** Rules between rows: each row of a query is a fault. */
const RULES: readonly { readonly sql: string; says(row: Row): string }[] = [
  ...["will", "subscription", "received", "delivery"].map((table) => ({
    sql: `SELECT session, count(*) AS count FROM ${table}
          WHERE NOT EXISTS (SELECT 1 FROM session WHERE session.id = ${table}.session)
            AND NOT EXISTS (SELECT 1 FROM ended WHERE ended.session = ${table}.session) GROUP BY session`,
    says: ({ session, count }: Row) => `${table}: ${count} of session ${session}, which is not there`,
  })),
  {
    sql: "SELECT id FROM session WHERE EXISTS (SELECT 1 FROM ended WHERE ended.session = session.id)",
    says: ({ id }) => `session ${id}: it is over, and still there`,
  },
  {
    sql: `SELECT id, message FROM delivery WHERE message IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM message WHERE message.id = delivery.message)`,
    says: ({ id, message }) => `delivery ${id}: its message ${message} is not there`,
  },
  {
    sql:
      "SELECT id FROM message WHERE NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.message = message.id)",
    says: ({ id }) => `message ${id}: no delivery refers to it`,
  },
  {
    sql: "SELECT quote(at) AS at FROM clock WHERE typeof(at) <> 'real'",
    says: ({ at }) => `clock: its at is ${at}`,
  },
  { // SQLite does not look for these
    sql: `SELECT id FROM delivery INDEXED BY delivery_waiting WHERE step = 0
            AND NOT EXISTS (SELECT 1 FROM delivery AS own NOT INDEXED WHERE own.id = delivery.id)`,
    says: ({ id }) => `delivery ${id}: it is in an index alone`,
  },
  {
    sql: `SELECT session, packet_id, count(*) AS count FROM delivery WHERE step >= ${Step.SENT}
          GROUP BY session, packet_id HAVING count(*) > 1`,
    says: ({ session, packet_id, count }) =>
      `session ${session}: ${count} deliveries under Packet Identifier ${packet_id}`,
  },
];

/**
 * Looks at every page and every row of the file at `path`; `fault` is called with each fault, in one line.
 * A change that was interrupted before the file had its log is taken back first, or nothing could be read.
 * @throws {StoreError} when it cannot be read at all, or is not ours.
 */
export function verifyStore(path: string, fault: (line: string) => void): Verified {
  let faults = 0;
  const tell = (line: string) => {
    if (++faults <= FAULTS_MAX) fault(line.replaceAll(/\s+/g, " "));
  };
  const counts = { session: 0, subscription: 0, delivery: 0, retained: 0 } as Record<string, number>;
  let waiting = 0;
  takeBackInterrupted(path);
  const database = openOurs(path, tell);
  try {
    if (database !== undefined) {
      checkPages(database, tell);
      for (const table of TABLES) {
        for (const { row, fault } of rowsAround(database, table)) {
          counts[table.name] = (counts[table.name] ?? 0) + 1;
          if (table.name === "delivery" && (row["step"] as number) < Step.SENT) waiting++;
          if (fault !== undefined) tell(`${nameOf(table, row)}: ${fault}`);
        }
      }
      checkRules(database, tell);
    }
  } finally {
    database?.close();
  }
  return {
    bytes: bytesOf(path) + bytesOf(`${path}-wal`),
    sessions: counts["session"]!,
    subscriptions: counts["subscription"]!,
    deliveries: counts["delivery"]!,
    waiting,
    retained: counts["retained"]!,
    faults,
  };
}

/** Opens the file at its present state; undefined if it is too damaged for that. */
function openOurs(path: string, tell: (line: string) => void): DatabaseSync | undefined {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readOnly: true });
    database.exec("BEGIN");
    assertOurs(database, path);
    return database;
  } catch (error) {
    database?.close();
    const trouble = troubleWith(path, error);
    if (trouble.trouble !== "corrupt") throw trouble;
    tell(trouble.message);
    return undefined;
  }
}

function checkPages(database: DatabaseSync, tell: (line: string) => void): void {
  let rows = 0;
  try {
    // Row by row: the check may end in an error behind the faults it has found, on Deno in silence.
    const check = database.prepare("PRAGMA integrity_check(1000)");
    for (const row of check.iterate()) {
      rows++;
      const said = String(Object.values(row)[0]);
      if (said === "ok") continue;
      for (const line of said.split("\n")) if (!line.startsWith("***")) tell(line);
    }
  } catch { // the lines found before it say more
  }
  if (rows === 0) tell("a page cannot be read");
}

function checkRules(database: DatabaseSync, tell: (line: string) => void): void {
  for (const { sql, says } of RULES) {
    try {
      for (const row of database.prepare(`${sql} LIMIT ${FAULTS_MAX}`).all()) tell(says(row as Row));
    } catch { // a page that cannot be read, which is reported already
    }
  }
}

/** `delivery 17`, `subscription 3 "a/b"`. */
function nameOf({ name, keys }: Table, row: Row): string {
  return [
    name,
    ...keys.map((key) => typeof row[key] === "string" ? JSON.stringify(row[key]) : row[key] ?? "?"),
  ]
    .join(" ");
}
