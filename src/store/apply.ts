/**
 * §4.1 Facts into rows: one transaction for each batch.
 * Knows which row a fact makes, changes or removes; refuses to know threads, and what removes the rest of a session.
 * @module
 */
import { BatchReader } from "./batch.ts";
import type { Database } from "./database.ts";
import { StoreError } from "./error.ts";
import { Fact, readColumns } from "./fact.ts";
import type { MessageColumns } from "./message_row.ts";
import type { Value } from "./tables.ts";
import type { Ended } from "./tidy.ts";

const MESSAGE = "topic, payload, properties, header, expires_at, publisher";

/** Applies batches to one file. */
export class Applier {
  readonly #database: Database;
  readonly #ended: Ended;
  /** Those that the batch at hand ends. */
  #dropping: number[] = [];

  constructor(database: Database, ended: Ended) {
    this.#database = database;
    this.#ended = ended;
  }

  /** Makes all facts of a batch safe together, or none. */
  apply(batch: Uint8Array): void {
    this.#dropping = [];
    this.#database.transaction(() => {
      for (const from = new BatchReader(batch); from.more;) this.#fact(from);
    });
    for (const id of this.#dropping) this.#ended.add(id); // not before: a batch that fails ends nothing
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
        return this.#database.run(
          "UPDATE delivery SET step = ?, packet_id = ?, released = ? WHERE id = ?",
          step,
          packetId,
          from.f64(),
          order,
        );
      }
      case Fact.FINISHED:
        return this.#database.run("DELETE FROM delivery WHERE id = ?", from.f64());
      case Fact.MESSAGE: {
        const id = from.f64();
        return this.#database.run(
          `INSERT INTO message (id, ${MESSAGE}) VALUES (?, ?, ?, ?, ?, ?, ?)`,
          id,
          ...values(readColumns(from)),
        );
      }
      case Fact.RECEIVED: {
        const session = from.f64();
        const packetId = from.u32();
        return from.u8() === 1
          ? this.#database.run(
            "INSERT OR IGNORE INTO received (session, packet_id) VALUES (?, ?)",
            session,
            packetId,
          )
          : this.#database.run("DELETE FROM received WHERE session = ? AND packet_id = ?", session, packetId);
      }
      case Fact.RETAINED: {
        const topic = from.text()!;
        return from.u8() === 0
          ? this.#database.run("DELETE FROM retained WHERE topic = ?", topic)
          : this.#database.run(
            `INSERT OR REPLACE INTO retained (${MESSAGE}) VALUES (?, ?, ?, ?, ?, ?)`,
            ...values(readColumns(from)),
          );
      }
      case Fact.SAVED:
        return this.#saved(from);
      case Fact.DROPPED:
        return this.#dropped(from.f64());
      case Fact.SUBSCRIBED:
        return this.#database.run(
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
        return this.#database.run(
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
    this.#database.run(
      `INSERT INTO delivery
        (id, session, step, qos, retain, packet_id, released, identifiers, share, bytes, message, ${MESSAGE})
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ...own,
      ...shared,
    );
  }

  #saved(from: BatchReader): void {
    const id = from.f64();
    this.#database.run(
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
    if (from.u8() === 0) return this.#database.run("DELETE FROM will WHERE session = ?", id);
    const delaySeconds = from.u32();
    const dueAt = orNull(from.f64());
    const { topic, payload, properties, header, publisher } = readColumns(from);
    this.#database.run(
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
    this.#database.run("DELETE FROM session WHERE id = ?", id);
    this.#database.run("INSERT OR IGNORE INTO ended (session) VALUES (?)", id);
    this.#dropping.push(id);
  }
}

const NO_MESSAGE: readonly Value[] = [null, null, null, null, null, null];

function values({ topic, payload, properties, header, expires_at, publisher }: MessageColumns): Value[] {
  return [topic, payload, properties, header, expires_at, publisher];
}

function orNull(time: number): number | null {
  return time === Infinity ? null : time;
}
