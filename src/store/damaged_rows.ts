/**
 * Reads the rows of a damaged table, past pages that cannot be read: rows behind a bad page are reached from the other end
 * of the table, rows between two bad pages by halving the range of keys.
 * Knows how SQLite is asked; refuses to know the use of the rows.
 * @module
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type Row, type Table, type Value, valueOf } from "./tables.ts";

/** A row, and its fault in words; undefined if it has none. */
export interface FoundRow {
  readonly row: Row;
  readonly fault: string | undefined;
}

/** Rows read at once, at most. */
const ROWS_MAX = 256;
/** Values above this size are read one by one. */
const SMALL_BYTES_MAX = 16 * 1024;
/** The rest of a table is given up after so many attempts in a row without a row; or so many, if none was found at all. */
const FAILURES_MAX = 2_000;
const FAILURES_MAX_EMPTY = 256;
/** A table is given up after so many attempts, whether they find rows or not. */
const ATTEMPTS_MAX = 50_000;

type Interval = readonly [low: number, high: number];
/** A parameter of a statement. */
type Asked = number | bigint | Uint8Array | null;
/** A place between rows. */
type Place = readonly Asked[];

/**
 * The rows of a table. Where a page cannot be read, `unreadable` is called, and rows come in any order, some of them twice.
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
  /** Intervals of keys far beyond the rows found so far: probably empty, so they come last. */
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

/** The columns of a table that the file has: one of an earlier version lacks some. */
export function columnsIn(database: DatabaseSync, { name, columns, added = [] }: Table): string[] {
  const all = Object.keys(columns);
  if (added.length === 0) return all;
  try {
    database.prepare(`SELECT ${added} FROM ${name} LIMIT 0`).all();
    return all;
  } catch {
    return all.filter((column) => !added.includes(column));
  }
}

/** Halves an interval: by scale if it spans several, else by distance. Most keys are small, of an unknown scale. */
function between(low: number, high: number): number {
  if (high > 4 * low) return Math.floor(Math.sqrt(low) * Math.sqrt(high));
  return low + Math.floor((high - low) / 2);
}

type Direction = "up" | "down";

/** Asks for the rows of one table. */
class Reader {
  /** The highest key found so far. */
  highest = 0;
  /** Attempts without a row since the last row; `rowsAround()` counts them, `walk()` sets them back. */
  failures = 0;
  /** The last error that a query ended in. */
  error: unknown;
  readonly #table: Table;
  readonly #up: StatementSync;
  readonly #down: StatementSync;
  readonly #large: Map<string, StatementSync> = new Map();

  constructor(database: DatabaseSync, table: Table) {
    this.#table = table;
    const { name, keys } = table;
    const columns = columnsIn(database, table).flatMap((column) => {
      const kind = table.columns[column]!;
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

  /** Goes from one end towards the other; gives the first key that `walk()` could not read past, undefined at the other end. */
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
      } else if (column in raw) value = valueOf(kind, raw[column]);
      else value = null; // of a version that does not have it
      if (value === undefined) fault ??= `its ${column} is no ${kind.replace("?", "")}`;
      row[column] = value ?? null;
    }
    return { row, fault: fault ?? this.#table.fault(row) };
  }
}

/** Behind every text. */
const LAST_TEXT = Uint8Array.of(255);

/** Whether `place` follows `before`: in a damaged page rows may be out of order, and would be read again and again. */
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
