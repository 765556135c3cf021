/**
 * §4.1 Facts into rows: one transaction for each batch.
 * Knows which row a fact makes, changes or removes; refuses to know how facts are written, and threads.
 * @module
 */
import type { Database } from "./database.ts";
import { type FactHandler, type QueuedFact, readFacts, type SavedFact, type SubscribedFact } from "./fact.ts";
import type { MessageColumns } from "./message_row.ts";
import type { Value } from "./tables.ts";
import type { Ended } from "./tidy.ts";

const MESSAGE = "topic, payload, properties, header, expires_at, publisher";

const STAMPS =
  "CREATE TABLE IF NOT EXISTS retained_stamp (topic TEXT PRIMARY KEY, stamp REAL NOT NULL) WITHOUT ROWID";

/** Applies batches to one file. */
export class Applier implements FactHandler {
  readonly #database: Database;
  readonly #ended: Ended;
  /** Sessions that are dropped by the batch at hand. */
  #dropping: number[] = [];
  #hasStamps = false;
  /** Sessions in which messages have expired, and until when. */
  #expiring: [session: number, until: number][] = [];

  constructor(database: Database, ended: Ended) {
    this.#database = database;
    this.#ended = ended;
  }

  /** Makes all facts of a batch safe together, or none. */
  apply(batch: Uint8Array): void {
    this.applyAll([batch]);
  }

  /** The same for several batches in their order. */
  applyAll(batches: readonly Uint8Array[]): void {
    this.#dropping = [];
    this.#expiring = [];
    this.#hasStamps = false; // what makes the table may be taken back
    this.#database.transaction(() => batches.forEach((batch) => readFacts(batch, this)));
    for (const session of this.#dropping) this.#ended.add(session); // not before: a batch that fails ends nothing
    for (const [session, until] of this.#expiring) this.#ended.expired(session, until);
  }

  /** `Ended.tidy()` removes the rows. Should it not come to that, the next broker finds them expired. */
  expired(session: number, until: number): void {
    this.#expiring.push([session, until]);
  }

  time(now: number): void {
    this.#database.run("INSERT OR REPLACE INTO clock (id, at) VALUES (1, ?)", now);
  }

  /** The table is there where a shard's store is. */
  place(epoch: number, number: number): void {
    this.#database.run("INSERT OR REPLACE INTO place (id, epoch, number) VALUES (1, ?, ?)", epoch, number);
  }

  /** Without its row a session is over; `Ended.tidy()` removes the rest. */
  dropped(session: number): void {
    this.#database.run("DELETE FROM session WHERE id = ?", session);
    this.#database.run("INSERT OR IGNORE INTO ended (session) VALUES (?)", session);
    this.#dropping.push(session);
  }

  saved(fact: SavedFact): void {
    const { session, clientId, level, expirySeconds, connected, expiresAt, user, address, will } = fact;
    this.#database.run(
      `INSERT INTO session (id, client_id, level, expiry_seconds, connected, expires_at, user, address)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET level = excluded.level, expiry_seconds = excluded.expiry_seconds,
         connected = excluded.connected, expires_at = excluded.expires_at, user = excluded.user,
         address = excluded.address`,
      session,
      clientId,
      level,
      expirySeconds,
      connected,
      expiresAt,
      user,
      address,
    );
    if (will === undefined) return this.#database.run("DELETE FROM will WHERE session = ?", session);
    const { topic, payload, properties, header, publisher } = will.message;
    this.#database.run(
      `INSERT OR REPLACE INTO will
        (session, topic, payload, properties, header, publisher, delay_seconds, due_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      session,
      topic,
      payload,
      properties,
      header,
      publisher,
      will.delaySeconds,
      will.dueAt,
    );
  }

  subscribed(fact: SubscribedFact): void {
    this.#database.run(
      `INSERT OR REPLACE INTO subscription
        (session, filter, qos, no_local, retain_as_published, retain_handling, identifier)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
      fact.session,
      fact.filter,
      fact.qos,
      fact.noLocal,
      fact.retainAsPublished,
      fact.retainHandling,
      fact.identifier,
    );
  }

  unsubscribed(session: number, filter: string): void {
    this.#database.run("DELETE FROM subscription WHERE session = ? AND filter = ?", session, filter);
  }

  message(id: number, message: MessageColumns): void {
    this.#database.run(
      `INSERT INTO message (id, ${MESSAGE}) VALUES (?, ?, ?, ?, ?, ?, ?)`,
      id,
      ...values(message),
    );
  }

  queued(fact: QueuedFact): void {
    const { own } = fact;
    this.#database.run(
      `INSERT INTO delivery
        (id, session, step, qos, retain, packet_id, released, identifiers, share, bytes, message, ${MESSAGE})
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      fact.order,
      fact.session,
      fact.step,
      fact.qos,
      fact.retain,
      fact.packetId,
      fact.released,
      fact.identifiers,
      fact.share,
      fact.bytes,
      fact.shared,
      own?.topic ?? null,
      own?.payload ?? null,
      own?.properties ?? null,
      own?.header ?? null,
      fact.expiresAt,
      own?.publisher ?? null,
    );
  }

  advanced(order: number, step: number, packetId: number, released: number): void {
    this.#database.run(
      "UPDATE delivery SET step = ?, packet_id = ?, released = ? WHERE id = ?",
      step,
      packetId,
      released,
      order,
    );
  }

  finished(order: number): void {
    this.#database.run("DELETE FROM delivery WHERE id = ?", order);
  }

  received(session: number, packetId: number, open: boolean): void {
    this.#database.run(
      open
        ? "INSERT OR IGNORE INTO received (session, packet_id) VALUES (?, ?)"
        : "DELETE FROM received WHERE session = ? AND packet_id = ?",
      session,
      packetId,
    );
  }

  /** Its table is made when it is needed: one node alone has none. */
  stamped(topic: string, stamp: number): void {
    if (!this.#hasStamps) this.#database.run(STAMPS);
    this.#hasStamps = true;
    if (stamp === 0) return this.#database.run("DELETE FROM retained_stamp WHERE topic = ?", topic);
    this.#database.run("INSERT OR REPLACE INTO retained_stamp (topic, stamp) VALUES (?, ?)", topic, stamp);
  }

  retained(topic: string, message: MessageColumns | undefined): void {
    if (message === undefined) return this.#database.run("DELETE FROM retained WHERE topic = ?", topic);
    this.#database.run(
      `INSERT OR REPLACE INTO retained (${MESSAGE}) VALUES (?, ?, ?, ?, ?, ?)`,
      ...values(message),
    );
  }
}

function values({ topic, payload, properties, header, expires_at, publisher }: MessageColumns): Value[] {
  return [topic, payload, properties, header, expires_at, publisher];
}
