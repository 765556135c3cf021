/**
 * §4.1 Facts into the records of a browser's database. A record is the fact that made it, so that a person finds all its fields there.
 * Knows which record a fact makes, changes or removes; refuses to know transactions, and how records are read.
 * @module
 */
import {
  answered,
  type DatabaseRecords,
  type DatabaseTransaction,
  keysBetween,
  type OpenDatabase,
} from "../runtime/indexed_db.ts";
import type { FactHandler, QueuedFact, SavedFact, SubscribedFact } from "../store/fact.ts";
import type { MessageColumns } from "../store/message_row.ts";
import { Step } from "../store/schema.ts";

/** The version that this code reads and writes. */
export const DATABASE_VERSION = 1;

/** Under `OWNER` the number of times that the database has been opened, under `CLOCK` the time of the last commits. */
export const META = "meta";
export const OWNER = "owner";
export const CLOCK = "clock";

/** Records by their stores, and the keys that they have. */
const KEYS = {
  session: "session",
  subscription: ["session", "filter"],
  received: ["session", "packetId"],
  delivery: "order",
  message: "id",
  retained: "topic",
  ended: "session",
} as const;

/** The stores that have records. */
export type RowsName = keyof typeof KEYS;

/** All of them. */
export const ROWS: readonly RowsName[] = Object.keys(KEYS) as RowsName[];

/** A message that several deliveries share: its number is the order of the first one. */
export interface SharedRow extends MessageColumns {
  readonly id: number;
}

/** Makes what is not there yet. */
export function makeStores(database: OpenDatabase, from: number): void {
  if (from >= DATABASE_VERSION) return;
  database.createObjectStore(META);
  for (const name of ROWS) {
    const rows = database.createObjectStore(name, { keyPath: KEYS[name] });
    if (name !== "delivery") continue;
    rows.createIndex("session", ["session", "order"]);
    rows.createIndex("shared", "shared"); // null is no key: only deliveries that share a message are in it
    rows.createIndex("expiring", ["session", "expiresAt"]);
  }
}

/** Every key of a session, in a store whose keys begin with it. */
export function keysOf(session: number): ReturnType<typeof keysBetween> {
  return keysBetween([session], [session, []]);
}

/** Writes facts within one transaction. */
export class Rows implements FactHandler {
  readonly #transaction: DatabaseTransaction;
  /** Sessions that these facts have ended. */
  readonly ended: number[] = [];
  /** Sessions in which messages have expired, and until when. */
  readonly expiring: [session: number, until: number][] = [];

  constructor(transaction: DatabaseTransaction) {
    this.#transaction = transaction;
  }

  #rows(name: RowsName): DatabaseRecords {
    return this.#transaction.objectStore(name);
  }

  /** Without its record a session is over; `removeEnded()` removes the rest. */
  dropped(session: number): void {
    this.#rows("session").delete(session);
    this.#rows("ended").put({ session });
    this.ended.push(session);
  }

  saved(fact: SavedFact): void {
    const { will } = fact;
    const message = will && { ...detached(will.message), expires_at: null }; // it counts from when it is published
    this.#rows("session").put({ ...fact, will: will && { ...will, message } });
  }

  subscribed(fact: SubscribedFact): void {
    this.#rows("subscription").put(fact);
  }

  unsubscribed(session: number, filter: string): void {
    this.#rows("subscription").delete([session, filter]);
  }

  message(id: number, message: MessageColumns): void {
    this.#rows("message").put({ id, ...detached(message) });
  }

  queued(fact: QueuedFact): void {
    const { own } = fact;
    this.#rows("delivery").put({ ...fact, own: own && detached(own) });
  }

  advanced(order: number, step: number, packetId: number, released: number): void {
    const deliveries = this.#rows("delivery");
    const found = deliveries.get(order);
    found.onsuccess = () => {
      if (found.result !== undefined) {
        deliveries.put({ ...found.result as QueuedFact, step, packetId, released });
      }
    };
  }

  finished(order: number): void {
    const deliveries = this.#rows("delivery");
    const found = deliveries.get(order);
    found.onsuccess = () => {
      const { shared = null } = (found.result ?? {}) as Partial<QueuedFact>;
      deliveries.delete(order);
      if (shared === null) return;
      const left = deliveries.index("shared").count(shared);
      left.onsuccess = () => {
        if (left.result === 0) this.#rows("message").delete(shared);
      };
    };
  }

  received(session: number, packetId: number, open: boolean): void {
    if (open) this.#rows("received").put({ session, packetId });
    else this.#rows("received").delete([session, packetId]);
  }

  retained(topic: string, message: MessageColumns | undefined): void {
    if (message === undefined) this.#rows("retained").delete(topic);
    else this.#rows("retained").put(detached(message));
  }

  /** `removeExpired()` removes them. Should it not come to that, the next broker finds them expired. */
  expired(session: number, until: number): void {
    this.expiring.push([session, until]);
  }

  time(now: number): void {
    this.#transaction.objectStore(META).put(now, CLOCK);
  }

  /** Removes up to `most` deliveries of a session that is over, then the rest of it; true if nothing is left. */
  async removeEnded(session: number, most: number): Promise<boolean> {
    const keys = keysBetween([session, -Infinity], [session, Infinity]);
    const orders = await answered(this.#rows("delivery").index("session").getAllKeys(keys, most));
    for (const order of orders) this.finished(order as number);
    if (orders.length === most) return false;
    for (const name of ["subscription", "received"] as const) this.#rows(name).delete(keysOf(session));
    this.#rows("ended").delete(session);
    return true;
  }

  /** §3.3.2.3.3 Removes up to `most` messages that wait in a session alone and expire at `until` or before; true if no more do. */
  async removeExpired(session: number, until: number, most: number): Promise<boolean> {
    const keys = keysBetween([session, -Infinity], [session, until]);
    const rows = await answered(this.#rows("delivery").index("expiring").getAll(keys)) as QueuedFact[];
    const over = rows.filter(({ step }) => step === Step.WAITING).slice(0, most);
    for (const { order } of over) this.finished(order);
    return over.length < most;
  }
}

/** With bytes of its own: a database keeps the whole buffer that a view stands in. */
function detached(message: MessageColumns): MessageColumns {
  const { payload, properties } = message;
  return { ...message, payload: payload.slice(), properties: properties && properties.slice() };
}
