/**
 * §4.1 Reads a browser's database: what a broker needs at first, and pages of the messages that wait.
 * Knows which records make a session; refuses to know how they are written.
 * @module
 */
import type {
  DeliveryRecord,
  Message,
  StoredSession,
  StoredWaiting,
  SubscriptionRecord,
} from "../broker/mod.ts";
import { EXPIRY_STEP_MS } from "../delivery/message.ts";
import {
  answered,
  type DatabaseSource,
  type DatabaseTransaction,
  type Key,
  keysBetween,
} from "../runtime/indexed_db.ts";
import { BatchWriter } from "../store/batch.ts";
import type { LoadRequest } from "../store/disk.ts";
import type { QueuedFact, SavedFact, SubscribedFact } from "../store/fact.ts";
import type { Found } from "../store/fact_store.ts";
import { HAS_ROW, identifiersOf } from "../store/load.ts";
import { type MessageColumns, MessageMaker } from "../store/message_row.ts";
import { packMessages } from "../store/packed_messages.ts";
import { writeWaiting } from "../store/page.ts";
import { Step } from "../store/schema.ts";
import { CLOCK, META, type RowsName } from "./rows.ts";

/** Records that are read in one go: their messages are in memory together. */
const ROWS_AT_ONCE = 64;

/** Reads the records of one transaction; nothing else may be awaited meanwhile. */
export class Reader {
  readonly #transaction: DatabaseTransaction;
  readonly #maker: MessageMaker = new MessageMaker();
  /** Messages that several deliveries share, as long as the one that was asked for last is. */
  readonly #shared: Map<number, Message> = new Map();

  constructor(transaction: DatabaseTransaction) {
    this.#transaction = transaction;
  }

  /** All records of a store. */
  async all<T>(name: RowsName): Promise<T[]> {
    return await answered(this.#transaction.objectStore(name).getAll()) as T[];
  }

  /** The time of the last commits: ms since the epoch. */
  async clock(): Promise<number | undefined> {
    return await answered(this.#transaction.objectStore(META).get(CLOCK)) as number | undefined;
  }

  /** Every delivery in ascending order, with its message. */
  async *deliveries(): AsyncIterable<readonly [QueuedFact, Message]> {
    for await (const rows of chunks<QueuedFact>(this.#transaction.objectStore("delivery"), order)) {
      for (const row of rows) yield [row, await this.messageOf(row)];
    }
  }

  /** The message of a delivery, wherever that stands. */
  async messageOf({ own, shared }: QueuedFact): Promise<Message> {
    if (own !== undefined) return this.#maker.make(own);
    const before = this.#shared.get(shared!);
    if (before !== undefined) return before;
    const columns = await answered(this.#transaction.objectStore("message").get(shared!));
    const message = this.#maker.make(columns as MessageColumns);
    this.#shared.set(shared!, message);
    return message;
  }

  /** What a broker needs at first. */
  async found(): Promise<Found> {
    const sessions = await this.all<SavedFact>("session");
    const subscriptions = grouped(await this.all<SubscribedFact>("subscription"));
    const received = grouped(await this.all<{ session: number; packetId: number }>("received"));
    const ended = await this.all<{ session: number }>("ended");
    const deliveries = new Map<number, DeliveryRecord[]>();
    const waiting = new Map<number, Waiting>();
    let lastOrder = 0;
    for await (const rows of chunks<QueuedFact>(this.#transaction.objectStore("delivery"), order)) {
      for (const row of rows) {
        lastOrder = Math.max(lastOrder, row.order, row.released);
        if (row.step === Step.WAITING) {
          of(waiting, row.session, () => new Waiting()).add(row);
          continue;
        }
        of(deliveries, row.session, () => []).push(await this.#delivery(row));
      }
    }
    const retained = (await this.all<MessageColumns>("retained")).map((row) => this.#maker.make(row));
    return {
      lastOrder,
      lastSession: [...sessions, ...ended].reduce((most, { session }) => Math.max(most, session), 0),
      retained: [...packMessages(retained)],
      sessions: sessions.map((row): StoredSession => ({
        storeId: row.session,
        session: sessionOf(row, this.#maker),
        subscriptions: (subscriptions.get(row.session) ?? []).map(subscriptionOf),
        deliveries: deliveries.get(row.session) ?? [],
        waiting: (waiting.get(row.session) ?? new Waiting()).sum,
        received: (received.get(row.session) ?? []).map(({ packetId }) => packetId),
      })),
    };
  }

  async #delivery(row: QueuedFact): Promise<DeliveryRecord> {
    return deliveryOf(row, await this.messageOf(row));
  }

  /** Deliveries of one session that wait, in order from `from` on, as `readPage()` of the store reads them. */
  async page({ session, from, messages, bytes }: LoadRequest): Promise<Uint8Array<ArrayBuffer>> {
    const out = new BatchWriter();
    const index = this.#transaction.objectStore("delivery").index("session");
    let [count, sum] = [0, 0];
    for await (const rows of chunks<QueuedFact>(index, (row) => [session, row.order], [session, from])) {
      for (const row of rows) {
        if (row.step !== Step.WAITING) continue;
        sum += row.bytes;
        if (count === messages || count > 0 && sum > bytes) return out.take();
        writeWaiting(out, row, await this.messageOf(row));
        count++;
      }
    }
    return out.take();
  }
}

/** Records in the order of their keys, some at a time; an index by two keys gives those with the first one of `from`. */
async function* chunks<T>(
  source: DatabaseSource,
  keyOf: (row: T) => Key,
  from: Key = -Infinity,
): AsyncIterable<T[]> {
  const most = Array.isArray(from) ? [from[0] as Key, Infinity] : Infinity;
  for (let next = from;;) {
    const rows = await answered(source.getAll(keysBetween(next, most), ROWS_AT_ONCE)) as T[];
    if (rows.length > 0) yield rows;
    if (rows.length < ROWS_AT_ONCE) return;
    const last = keyOf(rows.at(-1)!);
    next = Array.isArray(last) ? [last[0] as Key, last[1] + 1] : last as number + 1;
  }
}

function order({ order }: QueuedFact): number {
  return order;
}

/** The sum of what waits in one session. */
class Waiting {
  #count = 0;
  #bytes = 0;
  #from = Infinity;
  readonly #expiring: Map<number, { at: number; count: number; bytes: number }> = new Map();

  add({ order, bytes, expiresAt }: QueuedFact): void {
    this.#count++;
    this.#bytes += bytes;
    this.#from = Math.min(this.#from, order);
    if (expiresAt === null) return;
    const at = Math.floor((expiresAt + EXPIRY_STEP_MS - 1) / EXPIRY_STEP_MS) * EXPIRY_STEP_MS;
    const step = of(this.#expiring, at, () => ({ at, count: 0, bytes: 0 }));
    step.count++;
    step.bytes += bytes;
  }

  get sum(): StoredWaiting {
    const expiring = [...this.#expiring.values()].sort((a, b) => a.at - b.at);
    return {
      count: this.#count,
      bytes: this.#bytes,
      from: this.#from,
      ...expiring.length > 0 && { expiring },
    };
  }
}

/** The session of a record. */
export function sessionOf(row: SavedFact, maker: MessageMaker): StoredSession["session"] {
  const { will } = row;
  return {
    clientId: row.clientId,
    level: row.level as 3 | 4 | 5,
    expirySeconds: row.expirySeconds,
    expiresAt: row.connected === 1 ? undefined : row.expiresAt ?? Infinity,
    user: row.user ?? undefined,
    address: row.address ?? undefined,
    will: will && {
      message: maker.make(will.message),
      delaySeconds: will.delaySeconds,
      dueAt: will.dueAt ?? undefined,
    },
  };
}

/** The subscription of a record. */
export function subscriptionOf(row: SubscribedFact): SubscriptionRecord {
  return {
    filter: row.filter,
    qos: row.qos as 0 | 1 | 2,
    noLocal: row.noLocal === 1,
    retainAsPublished: row.retainAsPublished === 1,
    retainHandling: row.retainHandling as 0 | 1 | 2,
    identifier: row.identifier,
  };
}

/** The delivery of a record. */
export function deliveryOf(row: QueuedFact, message: Message): DeliveryRecord {
  return {
    order: row.order,
    message,
    qos: row.qos as 1 | 2,
    retain: row.retain === 1,
    subscriptionIdentifiers: identifiersOf(row.identifiers ?? undefined),
    share: row.share ?? undefined,
    packetId: row.packetId,
    released: row.released,
    storeState: HAS_ROW,
  };
}

/** Records by their session. */
export function grouped<T extends { readonly session: number }>(rows: readonly T[]): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const row of rows) of(groups, row.session, () => []).push(row);
  return groups;
}

function of<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, value = make());
  return value;
}
