/**
 * §4.1 Reads a store's file when it is opened: sessions, retained messages, the last numbers.
 * Knows which rows make a session; refuses to know how damage is dealt with, and the messages that wait (page.ts reads them).
 * @module
 */
import type { DeliveryRecord, Message, StoredSession, SubscriptionRecord } from "../broker/mod.ts";
import { EMPTY } from "../codec/publish_view.ts";
import { EXPIRY_STEP_MS } from "../delivery/message.ts";
import type { Database } from "./database.ts";
import { type MessageColumns, MessageMaker } from "./message_row.ts";
import type { Row, Value } from "./tables.ts";

/** So many retained messages with payloads up to `SMALL_BYTES_MAX` are read together. */
const ROWS_AT_ONCE = 500;
const SMALL_BYTES_MAX = 16 * 1024;

/** The highest number that a session has or had. */
export function lastSession(database: Database): number {
  return Math.max(
    number(database, "SELECT max(id) FROM session"),
    number(database, "SELECT max(session) FROM ended"),
  );
}

/** The highest `order` or `released`. */
export function lastOrder(database: Database): number {
  return Math.max(
    number(database, "SELECT max(id) FROM delivery"),
    number(database, "SELECT max(released) FROM delivery WHERE step > 0"),
  );
}

/** The stamps of topics, where several nodes are one Server. */
export function storedStamps(database: Database): (readonly [topic: string, stamp: number])[] {
  const [table] = database.rows("SELECT 1 FROM sqlite_schema WHERE name = 'retained_stamp'");
  if (table === undefined) return [];
  return database.rows("SELECT topic, stamp FROM retained_stamp ORDER BY stamp").map((row) =>
    [row["topic"] as string, row["stamp"] as number] as const
  );
}

/** Every session, in no order. */
export function* storedSessions(database: Database): Iterable<StoredSession> {
  const maker = new MessageMaker();
  const subscriptions = grouped(
    database,
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
  const received = grouped(
    database,
    "SELECT * FROM received ORDER BY session",
    (row) => row["packet_id"] as number,
  );
  const shared = new Map<number, Message>();
  const deliveries = grouped(
    database,
    `${SELECT_DELIVERY} WHERE step > 0 ORDER BY delivery.id`,
    (row) => delivery(row, maker, shared),
  );
  const waiting = new Map<number, StoredSession["waiting"]>();
  const counts = `SELECT session, count(*) AS count, sum(bytes) AS bytes, min(id) AS "from" FROM delivery
                  WHERE step = 0 GROUP BY session`;
  const expiring = grouped(
    database,
    `SELECT session, CAST((expires_at + ${
      EXPIRY_STEP_MS - 1
    }) / ${EXPIRY_STEP_MS} AS INTEGER) * ${EXPIRY_STEP_MS} AS at,
       count(*) AS count, sum(bytes) AS bytes
     FROM delivery INDEXED BY delivery_expiring WHERE step = 0 AND expires_at IS NOT NULL GROUP BY 1, 2`,
    ({ at, count, bytes }) => ({ at: at as number, count: count as number, bytes: bytes as number }),
  );
  for (const { session, count, bytes, from } of database.rows(counts)) {
    const some = expiring.get(session as number);
    waiting.set(session as number, {
      count: count as number,
      bytes: bytes as number,
      from: from as number,
      ...(some !== undefined && { expiring: some }),
    });
  }
  const wills = grouped(database, "SELECT *, NULL AS expires_at FROM will", (row) => ({
    message: maker.make(columnsOf(row)),
    delaySeconds: row["delay_seconds"] as number,
    dueAt: row["due_at"] as number | null ?? undefined,
  }));
  for (const row of database.rows("SELECT * FROM session")) {
    const id = row["id"] as number;
    yield {
      storeId: id,
      session: {
        clientId: row["client_id"] as string,
        level: row["level"] as 3 | 4 | 5,
        expirySeconds: row["expiry_seconds"] as number,
        expiresAt: row["connected"] === 1 ? undefined : row["expires_at"] as number | null ?? Infinity,
        user: row["user"] as string | null ?? undefined,
        address: row["address"] as string | null ?? undefined,
        will: wills.get(id)?.[0],
      },
      subscriptions: subscriptions.get(id) ?? [],
      deliveries: deliveries.get(id) ?? [],
      waiting: waiting.get(id) ?? { count: 0, bytes: 0, from: Infinity },
      received: received.get(id) ?? [],
    };
  }
}

function delivery(row: Row, maker: MessageMaker, shared: Map<number, Message>): DeliveryRecord {
  const id = row["message"] as number | null;
  const message = (id === null ? undefined : shared.get(id)) ?? maker.make(columnsOf(row));
  if (id !== null) shared.set(id, message);
  return deliveryOf(row, message);
}

/** The delivery of a row, with its message. */
export function deliveryOf(row: Row, message: Message): DeliveryRecord {
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
export function* storedRetained(database: Database): Iterable<Message> {
  const maker = new MessageMaker();
  const sql = `
    SELECT max(rowid) AS last, CAST(group_concat(CAST(payload AS TEXT), '') AS BLOB) AS payloads,
      CAST(group_concat(CAST(coalesce(properties, x'') AS TEXT), '') AS BLOB) AS properties,
      json_group_array(json_array(topic, header, length(payload), length(properties), expires_at, publisher)) AS rest
    FROM (SELECT rowid, * FROM retained WHERE rowid > ? AND length(payload) <= ${SMALL_BYTES_MAX}
          ORDER BY rowid LIMIT ${ROWS_AT_ONCE})`;
  for (let last: Value = -1;;) {
    const row: Row = database.all(sql, last)[0]!;
    const { payloads, properties, rest } = row;
    if (row["last"] === null) break;
    yield* unpacked(maker, payloads as Uint8Array, properties as Uint8Array, JSON.parse(rest as string));
    last = row["last"]!;
  }
  const large = database.rows(`SELECT rowid FROM retained WHERE length(payload) > ${SMALL_BYTES_MAX}`);
  for (const { rowid } of large) {
    const [row] = database.all("SELECT * FROM retained WHERE rowid = ?", rowid!);
    yield maker.make(columnsOf(row!));
  }
}

/** Messages whose bytes have come in one piece each: their payloads, and their properties. */
function* unpacked(
  maker: MessageMaker,
  payloads: Uint8Array,
  properties: Uint8Array,
  rest: WithoutBytes[],
): Iterable<Message> {
  let payloadAt = 0;
  let propertiesAt = 0;
  for (const [topic, header, payload, own, expires_at, publisher] of rest) {
    yield maker.make({
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

/** A retained message without its bytes: lengths of payload and properties in their place. */
type WithoutBytes = [
  topic: string,
  header: number,
  payload: number,
  properties: number | null,
  expires_at: number | null,
  publisher: string | null,
];

/** A delivery with its message, wherever that stands. */
export const SELECT_DELIVERY = `
  SELECT delivery.id, session, step, qos, retain, packet_id, released, identifiers, share, bytes, message,
    coalesce(message.topic, delivery.topic) AS topic, coalesce(message.payload, delivery.payload) AS payload,
    coalesce(message.properties, delivery.properties) AS properties,
    coalesce(message.header, delivery.header) AS header,
    coalesce(message.expires_at, delivery.expires_at) AS expires_at,
    coalesce(message.publisher, delivery.publisher) AS publisher
  FROM delivery LEFT JOIN message ON message.id = delivery.message`;

/** `storeState` of a delivery that is as its row says: `Note.WRITTEN` of `FactStore`. */
export const HAS_ROW = 2;

const NO_IDENTIFIERS: readonly number[] = [];

/** The Subscription Identifiers of a delivery, from its column. */
export function identifiersOf(json: string | undefined): readonly number[] {
  return json === undefined ? NO_IDENTIFIERS : JSON.parse(json);
}

/** The message of a row that has its columns. */
export function columnsOf(row: Row): MessageColumns {
  return row as unknown as MessageColumns;
}

/** The one value of the one row, 0 for NULL. */
function number(database: Database, sql: string): number {
  const row = database.all(sql)[0];
  return row === undefined ? 0 : Number(Object.values(row)[0] ?? 0);
}

function grouped<T>(database: Database, sql: string, make: (row: Row) => T): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const row of database.rows(sql)) {
    const session = row["session"] as number;
    const group = groups.get(session);
    if (group === undefined) groups.set(session, [make(row)]);
    else group.push(make(row));
  }
  return groups;
}
