/**
 * Reads the rows of a table, around what cannot be read: what stands behind a bad page is reached from the other end, and
 * what stands between two by halving.
 * Knows how SQLite is asked; refuses to know what the rows are for.
 * @module
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type Row, type Table, type Value, valueOf } from "./tables.ts";

/** A row, and what is wrong with it. */
export interface FoundRow {
  readonly row: Row;
  readonly fault: string | undefined;
}

/** Rows read at once, at most. */
const ROWS_MAX = 256;
/** Larger ones are read one by one. */
const SMALL_BYTES_MAX = 16 * 1024;
/** Attempts in a row that find nothing, after which the rest of a table is given up; and those for one that has none yet. */
const FAILURES_MAX = 2_000;
const FAILURES_MAX_EMPTY = 256;
/** And all of them. */
const ATTEMPTS_MAX = 50_000;

type Interval = readonly [low: number, high: number];
/** Something for SQLite. */
type Asked = number | bigint | Uint8Array | null;
/** A place between rows. */
type Place = readonly Asked[];

/**
 * The rows of a table. Where something cannot be read, `unreadable` is told, rows may come twice, and their order is none.
 * Never throws for damage.
 */
export function* rowsAround(
  database: DatabaseSync,
  table: Table,
  unreadable: (error: unknown) => void = () => {},
): Iterable<FoundRow> {
  let reader: Reader;
  try {
    reader = new Reader(database, table);
  } catch (error) { // the schema cannot be read, or has no such table
    return unreadable(error);
  }
  /** What is far beyond the rows found so far is probably nothing at all: it comes last. */
  const far: Interval[] = [[1, Number.MAX_SAFE_INTEGER]];
  const near: Interval[] = [];
  for (let attempts = 0; attempts < ATTEMPTS_MAX; attempts++) {
    const next = near.shift() ?? far.pop();
    if (next === undefined) return;
    const low = yield* reader.walk("up", ...next);
    if (low === undefined) continue;
    const high = yield* reader.walk("down", low, next[1]);
    unreadable(reader.error);
    if (high === undefined || low >= high) continue;
    if (++reader.failures > (reader.highest === 0 ? FAILURES_MAX_EMPTY : FAILURES_MAX)) return;
    const middle = between(low, high);
    for (const half of [[middle + 1, high], [low, middle]] as const) {
      (half[0] <= 2 * reader.highest ? near : far).push(half);
    }
  }
}

/** Halves: first the scale, then the distance. Numbers are mostly small, and nobody knows how small. */
function between(low: number, high: number): number {
  if (high > 4 * low) return Math.floor(Math.sqrt(low) * Math.sqrt(high));
  return low + Math.floor((high - low) / 2);
}

type Direction = "up" | "down";

/** Asks for the rows of one table. */
class Reader {
  /** The highest key found so far. */
  highest = 0;
  /** Counted outside, from the last row on. */
  failures = 0;
  /** The last that stood in the way. */
  error: unknown;
  readonly #table: Table;
  readonly #up: StatementSync;
  readonly #down: StatementSync;
  readonly #large: Map<string, StatementSync> = new Map();

  constructor(database: DatabaseSync, table: Table) {
    this.#table = table;
    const { name, keys } = table;
    const columns = Object.entries(table.columns).flatMap(([column, kind]) => {
      if (kind.startsWith("text")) return `CAST(${column} AS BLOB) AS ${column}`;
      if (!kind.startsWith("bytes")) return column;
      const own = database.prepare(`SELECT ${column} FROM ${name} WHERE ${keys[0]} = ?`);
      this.#large.set(column, own);
      return `CASE WHEN length(${column}) <= ${SMALL_BYTES_MAX} THEN ${column} END AS ${column},
        length(${column}) > ${SMALL_BYTES_MAX} AS ${column}_large`;
    });
    if (table.columns[keys[0]!] === undefined) columns.push(keys[0]!);
    const place = keys.map((key) => table.columns[key] === "text" ? "CAST(? AS TEXT)" : "?");
    const select = (comparison: string, bound: string, order: string) => {
      const statement = database.prepare(
        `SELECT ${columns} FROM ${name} WHERE (${keys}) ${comparison} (${place}) AND ${keys[0]} ${bound} ?
         ORDER BY ${keys.map((key) => key + order)} LIMIT ?`,
      );
      statement.setReadBigInts(true);
      return statement;
    };
    this.#up = select(">", "<=", "");
    this.#down = select("<", ">=", " DESC");
  }

  /** Goes from one end towards the other; gives the first key that it has not come past, undefined at the other end. */
  *walk(direction: Direction, low: number, high: number): Generator<FoundRow, number | undefined> {
    const { keys, columns } = this.#table;
    const isUp = direction === "up";
    const second: Asked[] = keys.slice(1).map((key) =>
      isUp ? columns[key] === "text" ? LAST_TEXT : Number.MAX_SAFE_INTEGER : null
    );
    let place: Place = [isUp ? low - 1 : high + 1, ...second];
    let reached = isUp ? low : high;
    for (let limit = 1;;) {
      const rows = this.#rows(isUp ? this.#up : this.#down, [...place, isUp ? high : low, limit]);
      const last = rows?.at(-1);
      if (rows === undefined || (last !== undefined && !isBeyond(this.#place(last), place, isUp))) {
        if (limit === 1) return reached;
        limit = 1;
        continue;
      }
      for (const row of rows) yield this.#checked(row);
      if (rows.length > 0) {
        this.failures = 0;
        this.highest = Math.max(this.highest, Number(rows[0]![keys[0]!]), Number(last![keys[0]!]));
      }
      if (rows.length < limit) return undefined;
      place = this.#place(last!);
      const step = keys.length > 1 ? 0 : isUp ? 1 : -1; // of several keys the first may have more rows
      reached = Number(place[0]) + step;
      limit = Math.min(limit * 4, ROWS_MAX);
    }
  }

  #rows(statement: StatementSync, values: Asked[]): Record<string, unknown>[] | undefined {
    try {
      return statement.all(...values);
    } catch (error) {
      this.error = error;
      return undefined;
    }
  }

  #place(row: Record<string, unknown>): Place {
    return this.#table.keys.map((key) => row[key] as Asked);
  }

  #checked(raw: Record<string, unknown>): FoundRow {
    const { keys, columns } = this.#table;
    const row: Row = { [keys[0]!]: Number(raw[keys[0]!]) };
    let fault: string | undefined;
    for (const [column, kind] of Object.entries(columns)) {
      let value: Value | undefined;
      if (raw[`${column}_large`] === 1n) {
        try {
          value = this.#large.get(column)!.get(raw[keys[0]!] as bigint)![column] as Uint8Array;
        } catch (error) {
          fault ??= `its ${column} cannot be read: ${(error as Error).message}`;
        }
      } else value = valueOf(kind, raw[column]);
      if (value === undefined) fault ??= `its ${column} is no ${kind.replace("?", "")}`;
      row[column] = value ?? null;
    }
    return { row, fault: fault ?? this.#table.fault(row) };
  }
}

/** Behind every text. */
const LAST_TEXT = Uint8Array.of(255);

/** Whether rows are in order: in a damaged page they may not be, and then would come again and again. */
function isBeyond(place: Place, before: Place, isUp: boolean): boolean {
  for (let i = 0; i < place.length; i++) {
    const order = compare(place[i]!, before[i]!);
    if (order !== 0) return isUp ? order > 0 : order < 0;
  }
  return false;
}

function compare(a: Asked, b: Asked): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? -1 : 1;
  if (!(a instanceof Uint8Array) || !(b instanceof Uint8Array)) return Number(a) - Number(b);
  for (let i = 0; i < a.length && i < b.length; i++) {
    if (a[i] !== b[i]) return a[i]! - b[i]!;
  }
  return a.length - b.length;
}
