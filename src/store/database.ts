/**
 * §4.1 The store's file: facts in, one transaction for each batch; sessions, messages and pages of queues out.
 * Knows SQLite and the tables; refuses to know threads, and who waits for what.
 * @module
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { DeliveryRecord, Message, StoredSession, SubscriptionRecord } from "../broker/mod.ts";
import { EMPTY } from "../codec/publish_view.ts";
import { BatchReader, BatchWriter } from "./batch.ts";
import { StoreError, troubleWith } from "./error.ts";
import { Fact, readColumns, readMessage, writeMessage } from "./facts.ts";
import { type MessageColumns, MessageMaker } from "./frame.ts";
import { assertOurs } from "./ours.ts";
import { APPLICATION_ID, MIGRATIONS, SCHEMA_VERSION } from "./schema.ts";

/** Whether a commit waits for the disk (`fsync`), or leaves that to the system (`os`). */
export type Sync = "fsync" | "os";

/** How long a commit waits for somebody else who writes, a person with `sqlite3` perhaps. */
const BUSY_MS = 5_000;
/** Pages of the log after which it is written back. */
const CHECKPOINT_PAGES = 4_000;
/** What the log is cut to once it has been written back. */
const LOG_BYTES_MAX = 64 * 1024 * 1024;
const CACHE_KIB = 16 * 1024;
/** So many messages with payloads up to that size are read together. */
const ROWS_AT_ONCE = 500;
const SMALL_BYTES_MAX = 16 * 1024;
/** Deliveries of sessions that are over, removed at a time: nobody waits long behind that. */
const REMOVED_AT_ONCE = 2_000;

const MESSAGE = "topic, payload, properties, header, expires_at, publisher";

type Value = string | number | Uint8Array | null;

/** One open file. Every method may throw a `StoreError`. */
export class Database {
  /** Of the file. */
  readonly path: string;
  readonly #db: DatabaseSync;
  readonly #statements: Map<string, StatementSync> = new Map();
  readonly #maker: MessageMaker = new MessageMaker();
  /** Sessions that are over and still have deliveries. */
  readonly #ended: number[];
  /** Those that the batch at hand ends. */
  #dropping: number[] = [];

  /** Opens or makes the file, and brings it to our version. */
  constructor(path: string, sync: Sync) {
    this.path = path;
    this.#db = this.#try(() => new DatabaseSync(path, { enableForeignKeyConstraints: false }));
    try {
      this.#try(() => this.#open(sync));
      this.#ended = this.#all("SELECT session FROM ended").map((row) => row["session"] as number);
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
    for (let next = version; next < SCHEMA_VERSION; next++) {
      this.#transaction(() =>
        this.#db.exec(
          `${MIGRATIONS[next]}; PRAGMA user_version = ${next + 1}; PRAGMA application_id = ${APPLICATION_ID}`,
        )
      );
    }
  }

  /** Makes all facts of a batch safe together, or none. */
  apply(batch: Uint8Array): void {
    this.#dropping = [];
    this.#try(() =>
      this.#transaction(() => {
        for (const from = new BatchReader(batch); from.more;) this.#fact(from);
      })
    );
    for (const id of this.#dropping) this.#ended.push(id); // not before: a batch that fails ends nothing
  }

  #fact(from: BatchReader): void {
    const fact = from.u8();
    switch (fact) {
      case Fact.QUEUED:
        return this.#queued(from);
      case Fact.ADVANCED: {
        const order = from.f64();
        const step = from.u8();
        const packetId = from.u32();
        return this.#run(
          "UPDATE delivery SET step = ?, packet_id = ?, released = ? WHERE id = ?",
          step,
          packetId,
          from.f64(),
          order,
        );
      }
      case Fact.FINISHED:
        return this.#run("DELETE FROM delivery WHERE id = ?", from.f64());
      case Fact.MESSAGE: {
        const id = from.f64();
        return this.#run(
          `INSERT INTO message (id, ${MESSAGE}) VALUES (?, ?, ?, ?, ?, ?, ?)`,
          id,
          ...values(readColumns(from)),
        );
      }
      case Fact.RECEIVED: {
        const session = from.f64();
        const packetId = from.u32();
        return from.u8() === 1
          ? this.#run("INSERT OR IGNORE INTO received (session, packet_id) VALUES (?, ?)", session, packetId)
          : this.#run("DELETE FROM received WHERE session = ? AND packet_id = ?", session, packetId);
      }
      case Fact.RETAINED: {
        const topic = from.text()!;
        return from.u8() === 0 ? this.#run("DELETE FROM retained WHERE topic = ?", topic) : this.#run(
          `INSERT OR REPLACE INTO retained (${MESSAGE}) VALUES (?, ?, ?, ?, ?, ?)`,
          ...values(readColumns(from)),
        );
      }
      case Fact.SAVED:
        return this.#saved(from);
      case Fact.DROPPED:
        return this.#dropped(from.f64());
      case Fact.SUBSCRIBED:
        return this.#run(
          `INSERT OR REPLACE INTO subscription
            (session, filter, qos, no_local, retain_as_published, retain_handling, identifier)
           VALUES (?, ?, ?, ?, ?, ?, ?)`,
          from.f64(),
          from.text()!,
          from.u8(),
          from.u8(),
          from.u8(),
          from.u8(),
          from.u32(),
        );
      case Fact.UNSUBSCRIBED:
        return this.#run(
          "DELETE FROM subscription WHERE session = ? AND filter = ?",
          from.f64(),
          from.text()!,
        );
    }
    throw new StoreError("io", `A batch with a fact of kind ${fact}`);
  }

  #queued(from: BatchReader): void {
    const own: Value[] = [
      from.f64(),
      from.f64(),
      from.u8(),
      from.u8(),
      from.u8(),
      from.u32(),
      from.f64(),
      from.text() ?? null,
      from.text() ?? null,
      from.u32(),
    ];
    const message = from.f64();
    const shared = message === 0 ? [null, ...values(readColumns(from))] : [message, ...NO_MESSAGE];
    this.#run(
      `INSERT INTO delivery
        (id, session, step, qos, retain, packet_id, released, identifiers, share, bytes, message, ${MESSAGE})
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ...own,
      ...shared,
    );
  }

  #saved(from: BatchReader): void {
    const id = from.f64();
    this.#run(
      `INSERT INTO session (id, client_id, level, expiry_seconds, connected, expires_at) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET level = excluded.level, expiry_seconds = excluded.expiry_seconds,
         connected = excluded.connected, expires_at = excluded.expires_at`,
      id,
      from.text()!,
      from.u8(),
      from.u32(),
      from.u8(),
      orNull(from.f64()),
    );
    if (from.u8() === 0) return this.#run("DELETE FROM will WHERE session = ?", id);
    const delaySeconds = from.u32();
    const dueAt = orNull(from.f64());
    const { topic, payload, properties, header, publisher } = readColumns(from);
    this.#run(
      `INSERT OR REPLACE INTO will
        (session, topic, payload, properties, header, publisher, delay_seconds, due_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      id,
      topic,
      payload,
      properties,
      header,
      publisher,
      delaySeconds,
      dueAt,
    );
  }

  /** Without its row a session is over; `tidy()` removes the rest. */
  #dropped(id: number): void {
    this.#run("DELETE FROM session WHERE id = ?", id);
    this.#run("INSERT OR IGNORE INTO ended (session) VALUES (?)", id);
    this.#dropping.push(id);
  }

  /** Whether `tidy()` has something to do. */
  get untidy(): boolean {
    return this.#ended.length > 0;
  }

  /** Removes some of what a session that is over has left. */
  tidy(): void {
    const id = this.#ended.at(-1)!;
    let isDone = false;
    this.#try(() =>
      this.#transaction(() => {
        for (const step of ["step = 0", "step > 0"]) {
          this.#run(
            `DELETE FROM delivery WHERE id IN
               (SELECT id FROM delivery WHERE session = ? AND ${step} LIMIT ${REMOVED_AT_ONCE})`,
            id,
          );
        }
        const left = this.#all(
          `SELECT EXISTS (SELECT 1 FROM delivery WHERE session = ? AND step = 0) OR
                  EXISTS (SELECT 1 FROM delivery WHERE session = ? AND step > 0) AS some`,
          id,
          id,
        );
        isDone = left[0]!["some"] === 0;
        if (!isDone) return;
        for (const table of ["will", "subscription", "received", "ended"]) {
          this.#run(`DELETE FROM ${table} WHERE session = ?`, id);
        }
      })
    );
    if (isDone) this.#ended.splice(this.#ended.indexOf(id), 1);
  }

  /** The highest number that a session has or had. */
  lastSession(): number {
    return Math.max(
      this.#number("SELECT max(id) FROM session"),
      this.#number("SELECT max(session) FROM ended"),
    );
  }

  /** The highest `order` or `released`. */
  lastOrder(): number {
    return Math.max(
      this.#number("SELECT max(id) FROM delivery"),
      this.#number("SELECT max(released) FROM delivery WHERE step > 0"),
    );
  }

  /** Every session, in no order. */
  *sessions(): Iterable<StoredSession> {
    const subscriptions = this.#grouped(
      "SELECT * FROM subscription ORDER BY session",
      (row): SubscriptionRecord => ({
        filter: row["filter"] as string,
        qos: row["qos"] as 0 | 1 | 2,
        noLocal: row["no_local"] === 1,
        retainAsPublished: row["retain_as_published"] === 1,
        retainHandling: row["retain_handling"] as 0 | 1 | 2,
        identifier: row["identifier"] as number,
      }),
    );
    const received = this.#grouped(
      "SELECT * FROM received ORDER BY session",
      (row) => row["packet_id"] as number,
    );
    const shared = new Map<number, Message>();
    const deliveries = this.#grouped(
      `${SELECT_DELIVERY} WHERE step > 0 ORDER BY delivery.id`,
      (row) => this.#delivery(row, shared),
    );
    const waiting = new Map<number, StoredSession["waiting"]>();
    const counts = `SELECT session, count(*) AS count, sum(bytes) AS bytes, min(id) AS "from" FROM delivery
                    WHERE step = 0 GROUP BY session`;
    for (const { session, count, bytes, from } of this.#rows(counts)) {
      waiting.set(session as number, {
        count: count as number,
        bytes: bytes as number,
        from: from as number,
      });
    }
    const wills = this.#grouped("SELECT *, NULL AS expires_at FROM will", (row) => ({
      message: this.#maker.make(columnsOf(row)),
      delaySeconds: row["delay_seconds"] as number,
      dueAt: row["due_at"] as number | null ?? undefined,
    }));
    for (const row of this.#rows("SELECT * FROM session")) {
      const id = row["id"] as number;
      yield {
        storeId: id,
        session: {
          clientId: row["client_id"] as string,
          level: row["level"] as 3 | 4 | 5,
          expirySeconds: row["expiry_seconds"] as number,
          expiresAt: row["connected"] === 1 ? undefined : row["expires_at"] as number | null ?? Infinity,
          will: wills.get(id)?.[0],
        },
        subscriptions: subscriptions.get(id) ?? [],
        deliveries: deliveries.get(id) ?? [],
        waiting: waiting.get(id) ?? { count: 0, bytes: 0, from: Infinity },
        received: received.get(id) ?? [],
      };
    }
  }

  #delivery(row: Row, shared: Map<number, Message>): DeliveryRecord {
    const id = row["message"] as number | null;
    const message = (id === null ? undefined : shared.get(id)) ?? this.#maker.make(columnsOf(row));
    if (id !== null) shared.set(id, message);
    return {
      order: row["id"] as number,
      message,
      qos: row["qos"] as 1 | 2,
      retain: row["retain"] === 1,
      subscriptionIdentifiers: identifiersOf(row["identifiers"] as string | null ?? undefined),
      share: row["share"] as string | null ?? undefined,
      packetId: row["packet_id"] as number,
      released: row["released"] as number,
      storeState: HAS_ROW,
    };
  }

  /**
   * Every retained message. Many rows come as one: a runtime takes a microsecond for each value that it makes an object of,
   * and there may be millions.
   */
  *retainedMessages(): Iterable<Message> {
    const sql = `
      SELECT max(rowid) AS last, CAST(group_concat(CAST(payload AS TEXT), '') AS BLOB) AS payloads,
        CAST(group_concat(CAST(coalesce(properties, x'') AS TEXT), '') AS BLOB) AS properties,
        json_group_array(json_array(topic, header, length(payload), length(properties), expires_at, publisher)) AS rest
      FROM (SELECT rowid, * FROM retained WHERE rowid > ? AND length(payload) <= ${SMALL_BYTES_MAX}
            ORDER BY rowid LIMIT ${ROWS_AT_ONCE})`;
    for (let last: Value = -1;;) {
      const row: Row = this.#all(sql, last)[0]!;
      const { payloads, properties, rest } = row;
      if (row["last"] === null) break;
      yield* this.#unpacked(payloads as Uint8Array, properties as Uint8Array, JSON.parse(rest as string));
      last = row["last"]!;
    }
    const large = this.#rows(`SELECT rowid FROM retained WHERE length(payload) > ${SMALL_BYTES_MAX}`);
    for (const { rowid } of large) {
      const [row] = this.#all("SELECT * FROM retained WHERE rowid = ?", rowid!);
      yield this.#maker.make(columnsOf(row!));
    }
  }

  /** Messages whose bytes have come in one piece each: their payloads, and their properties. */
  *#unpacked(payloads: Uint8Array, properties: Uint8Array, rest: Packed[]): Iterable<Message> {
    let payloadAt = 0;
    let propertiesAt = 0;
    for (const [topic, header, payload, own, expires_at, publisher] of rest) {
      yield this.#maker.make({
        topic,
        header,
        payload: payloads.subarray(payloadAt, payloadAt += payload),
        properties: own === null ? null : own === 0 ? EMPTY : properties.subarray(
          propertiesAt,
          propertiesAt += own,
        ),
        expires_at,
        publisher,
      });
    }
  }

  /**
   * Deliveries of one session that wait, in order from `from` on, as `readPage()` reads them. Those that cannot be read are
   * passed over, and `damaged` is told why.
   */
  page(
    session: number,
    from: number,
    messages: number,
    bytes: number,
    damaged: (error: StoreError) => void,
  ): Uint8Array<ArrayBuffer> {
    const out = new BatchWriter();
    for (let next = from; out.length === 0;) {
      const listed = this.#all(LIST_WAITING, session, next, messages);
      if (listed.length === 0) break;
      const ids = firstBytes(listed, bytes);
      next = ids.at(-1)! + 1;
      for (const row of this.#waiting(session, ids, damaged)) {
        try {
          const message = this.#maker.make(columnsOf(row));
          const identifiers = row["identifiers"] as string | null ?? undefined;
          identifiersOf(identifiers);
          out.f64(row["id"] as number);
          out.u8(row["qos"] as number);
          out.u8(row["retain"] as number);
          out.text(identifiers);
          writeMessage(out, message);
        } catch (error) {
          damaged(
            new StoreError("corrupt", `${this.path}: delivery ${row["id"]}: ${(error as Error).message}`),
          );
        }
      }
    }
    return out.take();
  }

  /** Rows of deliveries of a session, one by one where a page of the file cannot be read. */
  #waiting(session: number, ids: readonly number[], damaged: (error: StoreError) => void): Row[] {
    try {
      return this.#all(SELECT_WAITING, session, ids[0]!, ids.at(-1)!);
    } catch {
      return ids.flatMap((id) => {
        try {
          return this.#all(SELECT_WAITING, session, id, id);
        } catch (error) {
          damaged(error as StoreError);
          return [];
        }
      });
    }
  }

  /** Says what is wrong with the file, nothing if it is sound. */
  check(): string[] {
    const rows = this.#all("PRAGMA quick_check(10)").map((row) => Object.values(row)[0] as string);
    return rows.length === 1 && rows[0] === "ok" ? [] : rows;
  }

  /** Whether it has not been closed. */
  get isOpen(): boolean {
    return this.#db.isOpen;
  }

  /** Writes the log back and closes the file. */
  close(): void {
    try {
      this.#db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch { // what is in the log stays there, and is read the next time
    }
    this.#db.close();
  }

  #transaction(body: () => void): void {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      body();
      this.#db.exec("COMMIT");
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  #try<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw troubleWith(this.path, error);
    }
  }

  #prepared(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) this.#statements.set(sql, statement = this.#db.prepare(sql));
    return statement;
  }

  #run(sql: string, ...values: Value[]): void {
    this.#prepared(sql).run(...values);
  }

  #all(sql: string, ...values: Value[]): Row[] {
    return this.#try(() => this.#prepared(sql).all(...values)) as Row[];
  }

  /** All at once: where a page cannot be read, `iterate()` of Deno 2.9 ends without a word, as if there were no more. */
  #rows(sql: string, ...values: Value[]): Row[] {
    return this.#try(() => this.#db.prepare(sql).all(...values)) as Row[];
  }

  /** The one value of the one row, 0 for NULL. */
  #number(sql: string): number {
    const row = this.#all(sql)[0];
    return row === undefined ? 0 : Number(Object.values(row)[0] ?? 0);
  }

  #grouped<T>(sql: string, make: (row: Row) => T): Map<number, T[]> {
    const groups = new Map<number, T[]>();
    for (const row of this.#rows(sql)) {
      const session = row["session"] as number;
      const group = groups.get(session);
      if (group === undefined) groups.set(session, [make(row)]);
      else group.push(make(row));
    }
    return groups;
  }
}

type Row = Record<string, Value>;

/** What is left of a row without its bytes: lengths of payload and properties in their place. */
type Packed = [
  topic: string,
  header: number,
  payload: number,
  properties: number | null,
  expires_at: number | null,
  publisher: string | null,
];

const NO_MESSAGE: readonly Value[] = [null, null, null, null, null, null];

const SELECT_DELIVERY = `
  SELECT delivery.id, session, step, qos, retain, packet_id, released, identifiers, share, bytes, message,
    coalesce(message.topic, delivery.topic) AS topic, coalesce(message.payload, delivery.payload) AS payload,
    coalesce(message.properties, delivery.properties) AS properties,
    coalesce(message.header, delivery.header) AS header,
    coalesce(message.expires_at, delivery.expires_at) AS expires_at,
    coalesce(message.publisher, delivery.publisher) AS publisher
  FROM delivery LEFT JOIN message ON message.id = delivery.message`;

const SELECT_WAITING = `${SELECT_DELIVERY} WHERE delivery.session = ? AND delivery.step = 0
  AND delivery.id BETWEEN ? AND ? ORDER BY delivery.id`;

/** From the index alone. */
const LIST_WAITING =
  "SELECT id, bytes FROM delivery WHERE session = ? AND step = 0 AND id >= ? ORDER BY id LIMIT ?";

/** As many of the first as have so many bytes together, but the first in any case. */
function firstBytes(listed: readonly Row[], bytes: number): number[] {
  const ids: number[] = [];
  let sum = 0;
  for (const row of listed) {
    sum += row["bytes"] as number;
    if (ids.length > 0 && sum > bytes) break;
    ids.push(row["id"] as number);
  }
  return ids;
}

/** What the store notes on a delivery that has a row: see `SqliteStore`. */
export const HAS_ROW = 2;

/** The deliveries of a page. */
export function readPage(page: Uint8Array): DeliveryRecord[] {
  const found: DeliveryRecord[] = [];
  for (const from = new BatchReader(page); from.more;) {
    found.push({
      order: from.f64(),
      qos: from.u8() as 1 | 2,
      retain: from.u8() === 1,
      subscriptionIdentifiers: identifiersOf(from.text()),
      message: readMessage(from),
      share: undefined,
      packetId: 0,
      released: 0,
      storeState: HAS_ROW,
    });
  }
  return found;
}

const NO_IDENTIFIERS: readonly number[] = [];

function identifiersOf(json: string | undefined): readonly number[] {
  return json === undefined ? NO_IDENTIFIERS : JSON.parse(json);
}

function columnsOf(row: Row): MessageColumns {
  return row as unknown as MessageColumns;
}

function values({ topic, payload, properties, header, expires_at, publisher }: MessageColumns): Value[] {
  return [topic, payload, properties, header, expires_at, publisher];
}

function orNull(time: number): number | null {
  return time === Infinity ? null : time;
}
