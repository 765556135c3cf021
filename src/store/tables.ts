/**
 * §4.1 The columns of each table, and the values that a broker can work with.
 * Knows one row at a time; refuses to know other rows, and how rows are read.
 * @module
 */
import { decodeUtf8 } from "../codec/utf8.ts";
import { parseFilter } from "../topic/filter.ts";
import { isTopicName } from "../topic/name.ts";
import { type MessageColumns, MessageMaker } from "./message_row.ts";
import { Step } from "./schema.ts";

/** The kind of a column's values; with a question mark, NULL too. A time is ms since the epoch. */
export type Kind = "integer" | "integer?" | "text" | "text?" | "bytes" | "bytes?" | "time?";

/** A value of a column. */
export type Value = number | string | Uint8Array | null;
/** A row, by the names of its columns. */
export type Row = Record<string, Value>;

/** A table. */
export interface Table {
  readonly name: string;
  /** The columns of its primary key; the first is a whole number. */
  readonly keys: readonly string[];
  readonly columns: Readonly<Record<string, Kind>>;
  /** Columns that a file of an earlier version does not have; each may be NULL. */
  readonly added?: readonly string[];
  /** What must hold of a column besides its kind, in SQL; only what a broker would take for something else. */
  readonly ranges?: Readonly<Record<string, string>>;
  /** Values that may stand in the place of one that is damaged: they keep more than the row deserves, never less. */
  readonly mends: Row;
  /** The fault, in words, of a row whose columns are of their kinds; undefined if it has none. */
  fault(row: Row): string | undefined;
}

const TEXT_BYTES_MAX = 65_535;
const IDENTIFIER_MAX = 268_435_455;
const U32_MAX = 0xffff_ffff;
/** PUBLISH of any QoS and RETAIN; DUP is never kept. */
const PUBLISH = 0x30;
const QOS_AND_RETAIN = 0x07;
const IS_PUBLISH = `BETWEEN ${PUBLISH} AND ${PUBLISH + QOS_AND_RETAIN}`;
/** Beyond every date that a program can write. */
const MS_MAX = 8.64e15;

const MESSAGE = {
  topic: "text",
  payload: "bytes",
  properties: "bytes?",
  header: "integer",
  publisher: "text?",
} as const;

const OWN_MESSAGE = {
  topic: "text?",
  payload: "bytes?",
  properties: "bytes?",
  header: "integer?",
  expires_at: "time?",
  publisher: "text?",
} as const;

/** A message of a delivery that is released: only its Packet Identifier is needed any more. */
export const RELEASED_MESSAGE: Row = {
  message: null,
  topic: "",
  payload: new Uint8Array(0),
  properties: null,
  header: PUBLISH + 4,
  expires_at: null,
  publisher: null,
};

/** All tables; a table comes before the tables that refer to it. */
export const TABLES: readonly Table[] = [
  {
    name: "session",
    keys: ["id"],
    columns: {
      id: "integer",
      client_id: "text",
      level: "integer",
      expiry_seconds: "integer",
      connected: "integer",
      expires_at: "time?",
      user: "text?",
      address: "text?",
    },
    added: ["user", "address"],
    ranges: {
      level: "BETWEEN 3 AND 5",
      expiry_seconds: `BETWEEN 0 AND ${U32_MAX}`,
      connected: "BETWEEN 0 AND 1",
    },
    mends: { level: 5, expiry_seconds: U32_MAX, connected: 1, expires_at: null, user: null, address: null },
    fault: (row) =>
      textFault(row, "client_id") ?? among(row, "level", 3, 5) ?? among(row, "expiry_seconds", 0, U32_MAX) ??
        among(row, "connected", 0, 1),
  },
  { name: "ended", keys: ["session"], columns: { session: "integer" }, mends: {}, fault: () => undefined },
  {
    name: "will",
    keys: ["session"],
    columns: { session: "integer", ...MESSAGE, delay_seconds: "integer", due_at: "time?" },
    ranges: { header: IS_PUBLISH, delay_seconds: `BETWEEN 0 AND ${U32_MAX}` },
    mends: { delay_seconds: 0, due_at: null, publisher: null },
    fault: (row) => among(row, "delay_seconds", 0, U32_MAX) ?? messageFault({ ...row, expires_at: null }),
  },
  {
    name: "subscription",
    keys: ["session", "filter"],
    columns: {
      session: "integer",
      filter: "text",
      qos: "integer",
      no_local: "integer",
      retain_as_published: "integer",
      retain_handling: "integer",
      identifier: "integer",
    },
    ranges: {
      qos: "BETWEEN 0 AND 2",
      no_local: "BETWEEN 0 AND 1",
      retain_as_published: "BETWEEN 0 AND 1",
      retain_handling: "BETWEEN 0 AND 2",
      identifier: `BETWEEN 0 AND ${IDENTIFIER_MAX}`,
    },
    mends: { no_local: 0, retain_as_published: 0, retain_handling: 0, identifier: 0 },
    fault: (row) =>
      textFault(row, "filter") ?? filterFault(row["filter"] as string) ?? among(row, "qos", 0, 2) ??
        among(row, "no_local", 0, 1) ?? among(row, "retain_as_published", 0, 1) ??
        among(row, "retain_handling", 0, 2) ?? among(row, "identifier", 0, IDENTIFIER_MAX),
  },
  {
    name: "received",
    keys: ["session", "packet_id"],
    columns: { session: "integer", packet_id: "integer" },
    ranges: { packet_id: "BETWEEN 1 AND 65535" },
    mends: {},
    fault: (row) => among(row, "packet_id", 1, 65_535),
  },
  {
    name: "message",
    keys: ["id"],
    columns: { id: "integer", ...MESSAGE, expires_at: "time?" },
    ranges: { header: IS_PUBLISH },
    mends: { expires_at: null, publisher: null },
    fault: messageFault,
  },
  {
    name: "delivery",
    keys: ["id"],
    columns: {
      id: "integer",
      session: "integer",
      step: "integer",
      qos: "integer",
      retain: "integer",
      packet_id: "integer",
      released: "integer",
      identifiers: "text?",
      share: "text?",
      bytes: "integer",
      message: "integer?",
      ...OWN_MESSAGE,
    },
    ranges: {
      step: "BETWEEN 0 AND 3",
      qos: "BETWEEN 1 AND 2",
      retain: "BETWEEN 0 AND 1",
      packet_id: "BETWEEN 0 AND 65535",
      released: ">= 0",
      bytes: "> 0",
    },
    mends: { retain: 0, expires_at: null, publisher: null },
    fault: deliveryFault,
  },
  {
    name: "retained",
    keys: ["rowid"],
    columns: { ...MESSAGE, expires_at: "time?" },
    ranges: { header: IS_PUBLISH },
    mends: { expires_at: null, publisher: null },
    fault: messageFault,
  },
];

/** The value of a column as SQLite gives it (numbers as bigint, texts as bytes); undefined if it is not of its kind. */
export function valueOf(kind: Kind, value: unknown): Value | undefined {
  if (value === null) return kind.endsWith("?") ? null : undefined;
  switch (kind) {
    case "integer":
    case "integer?":
      return typeof value === "bigint" && Number.isSafeInteger(Number(value)) ? Number(value) : undefined;
    case "time?":
      return typeof value === "number" && Number.isFinite(value) ? value : undefined;
    case "text":
    case "text?":
      return value instanceof Uint8Array ? decodeUtf8(value, 0, value.length) : undefined;
    case "bytes":
    case "bytes?":
      return value instanceof Uint8Array ? value : undefined;
  }
}

/**
 * SQL for the rows of a table in which a column has a value that is not of its kind or out of its range: the first key, the
 * column and the value. `there` are the columns that the file has.
 */
export function wrongRows({ name, keys, columns, ranges = {} }: Table, there: readonly string[]): string {
  const cases = there.map((column) => {
    const kind = columns[column]!;
    const types = TYPES[kind].map((type) => `'${type}'`);
    const range = ranges[column] === undefined ? "" : ` AND ${column} ${ranges[column]}`;
    const time = kind === "time?" ? ` AND (${column} IS NULL OR abs(${column}) <= ${MS_MAX})` : "";
    return `WHEN NOT (typeof(${column}) IN (${types})${range}${time}) THEN '${column} is ' || quote(substr(${column}, 1, 20))`;
  });
  return `SELECT quote(${keys[0]}) AS key, wrong FROM (SELECT ${keys[0]}, CASE ${cases.join(" ")} END AS wrong
    FROM ${name}) WHERE wrong IS NOT NULL LIMIT 1`;
}

const TYPES: Readonly<Record<Kind, readonly string[]>> = {
  "integer": ["integer"],
  "integer?": ["integer", "null"],
  "text": ["text"],
  "text?": ["text", "null"],
  "bytes": ["blob"],
  "bytes?": ["blob", "null"],
  "time?": ["real", "null"],
};

/** The row with `mends` in the place of values that are damaged, if that makes it a good one; undefined if not. */
export function mended(table: Table, row: Row): Row | undefined {
  const { mends, columns } = table;
  const wrong = Object.keys(columns).filter((column) =>
    row[column] === null && !columns[column]!.endsWith("?")
  );
  const some: Row = { ...row };
  for (const column of wrong) if (column in mends) some[column] = mends[column]!;
  if (table.name === "session" && some["expires_at"] === null) some["connected"] = 1; // its interval begins anew
  const isWhole = wrong.every((column) => column in mends);
  if (isWhole && table.fault(some) === undefined) return some;
  const all = { ...row, ...mends };
  return isWhole && table.fault(all) === undefined ? all : undefined;
}

function among(row: Row, column: string, least: number, most: number): string | undefined {
  const value = row[column] as number;
  return value < least || value > most ? `its ${column} is ${value}` : undefined;
}

function textFault(row: Row, column: string): string | undefined {
  const text = row[column] as string;
  const fits = text.length > 0 && !text.includes("\0") && encoder.encode(text).length <= TEXT_BYTES_MAX;
  return fits ? undefined : `its ${column} is none`;
}

const encoder = /* @__PURE__ */ new TextEncoder();

function filterFault(filter: string): string | undefined {
  const parsed = parseFilter(filter);
  return typeof parsed === "string" ? `its filter ${JSON.stringify(filter)} is none (${parsed})` : undefined;
}

function messageFault(row: Row): string | undefined {
  const topic = row["topic"] as string;
  if (!isTopicName(topic)) return `its topic ${JSON.stringify(topic)} is none`;
  return textFault(row, "topic") ?? frameFault(row);
}

const maker = /* @__PURE__ */ new MessageMaker();

function frameFault(row: Row): string | undefined {
  const header = row["header"] as number;
  if ((header & ~QOS_AND_RETAIN) !== PUBLISH) return `its header is ${header}`;
  try {
    maker.passing(row as unknown as MessageColumns);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function deliveryFault(row: Row): string | undefined {
  const { step, released, identifiers, share, message } = row;
  const outOfRange = among(row, "step", 0, 3) ?? among(row, "qos", step === Step.RELEASED ? 2 : 1, 2) ??
    among(row, "retain", 0, 1);
  if (outOfRange !== undefined) return outOfRange;
  const waits = step === Step.WAITING || step === Step.WAITING_SHARED;
  const wrongIdentifier = among(row, "packet_id", waits ? 0 : 1, waits ? 0 : 65_535);
  if (wrongIdentifier !== undefined) return `${wrongIdentifier} at step ${step}`;
  if (((released as number) > 0) !== (step === Step.RELEASED) || (released as number) < 0) {
    return `its released is ${released} at step ${step}`;
  }
  if (identifiers !== null && !areIdentifiers(identifiers as string)) {
    return `its identifiers are ${identifiers}`;
  }
  if (step === Step.WAITING ? share !== null : step === Step.WAITING_SHARED && share === null) {
    return `its share is ${JSON.stringify(share)} at step ${step}`;
  }
  if (share !== null) {
    const wrong = filterFault(share as string);
    if (wrong !== undefined) return wrong;
  }
  const own = Object.keys(OWN_MESSAGE).filter((column) => row[column] !== null && column !== "expires_at");
  if (message !== null) {
    return own.length === 0 ? undefined : `it has two messages: ${own.join(", ")} and ${message}`;
  }
  const missing = ["topic", "payload", "header"].filter((column) => row[column] === null);
  if (missing.length > 0) return `it has no ${missing.join(", ")}`;
  return step === Step.RELEASED ? frameFault(row) : messageFault(row);
}

function areIdentifiers(json: string): boolean {
  try {
    const list = JSON.parse(json);
    return Array.isArray(list) && list.length > 0 &&
      list.every((each) => Number.isInteger(each) && each >= 1 && each <= IDENTIFIER_MAX);
  } catch {
    return false;
  }
}
