/**
 * §4.1 A store in the transactional storage of a Durable Object, or whatever keeps values under keys: all in memory, and what changed is written.
 * Knows which key each fact stands under; refuses to know the choice of facts. Each delivery has a copy of its message.
 * @module
 */
import {
  type Commit,
  type DeliveryRecord,
  MemoryStore,
  type Message,
  type SessionKey,
  type SessionRecord,
  type SessionStore,
  type StoredWill,
  type SubscriptionRecord,
} from "../broker/mod.ts";
import { viewOf } from "../codec/publish_view.ts";

/** The part of such a storage that is used. Values are cloned as `structuredClone()` does it. */
export interface Storage {
  /** Every value whose key begins so, in the order of the keys. */
  list(options: { readonly prefix: string }): Promise<ReadonlyMap<string, unknown>>;
  /** What `act` writes is there as a whole, or not at all. */
  transaction(act: (transaction: StorageWriter) => Promise<void>): Promise<unknown>;
}

/** What writes. */
export interface StorageWriter {
  /** Up to `KEYS_MAX` of them. */
  put(entries: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** Up to `KEYS_MAX` of them. */
  delete(keys: string[]): Promise<unknown>;
}

/** A Durable Object's storage takes no more at once. */
const KEYS_MAX = 128;
const PREFIX = "mqtt/";

interface KeptMessage {
  readonly topic: string;
  readonly frame: Uint8Array;
  readonly level5: boolean;
  readonly expiresAt: number;
  readonly publisher: string | undefined;
}

type KeptSession = Omit<SessionRecord, "will"> & {
  readonly will: (Omit<StoredWill, "message"> & { readonly message: KeptMessage }) | undefined;
};
type KeptDelivery = Omit<DeliveryRecord, "message" | "storeState"> & { readonly message: KeptMessage };

/** Reads what is in the storage. One store at a time may have it. */
export async function openStorageStore(storage: Storage): Promise<SessionStore> {
  const store = new StorageStore(storage);
  store.restore(await storage.list({ prefix: PREFIX }));
  return store;
}

/** As `MemoryStore`; a commit writes what is new since the last one. */
class StorageStore extends MemoryStore {
  readonly #storage: Storage;
  /** Values to be written; undefined: to be deleted. */
  #dirty: Map<string, unknown> = new Map();
  /** Of each session, by its number here: the keys of its content, and when a delivery expires that waits. */
  readonly #keys: Map<number, Map<string, number>> = new Map();
  /** Numbers in keys, by numbers here: those of an earlier process differ. */
  readonly #serials: Map<number, number> = new Map();
  readonly #topics: Map<string, number> = new Map();
  /** Of each session: filters and topics may be longer than keys. */
  readonly #filters: Map<number, Map<string, string>> = new Map();
  #lastSerial = 0;
  #isRestoring = false;

  constructor(storage: Storage) {
    super();
    this.#storage = storage;
  }

  restore(values: ReadonlyMap<string, unknown>): void {
    this.#isRestoring = true;
    const keys = new Map<string, SessionKey>();
    const found = [...values].map(([key, value]) => [key.split("/"), value] as const);
    for (const [[, kind, serial = "", rest = ""], value] of found) {
      const last = kind === "f" ? Number(rest) : Number(serial);
      this.#lastSerial = Math.max(this.#lastSerial, last);
      if (kind !== "s") continue;
      const { will, ...session } = value as KeptSession;
      const key = { clientId: session.clientId, storeId: 0 };
      super.saved(key, { ...session, will: will && { ...will, message: messageOf(will.message) } });
      keys.set(serial, key);
      this.#begin(key, Number(serial));
      this.#put("s", key, "", value);
    }
    for (const [[, kind, serial = "", rest = ""], value] of found) {
      const key = keys.get(serial);
      if (kind === "r") {
        const message = messageOf(value as KeptMessage);
        this.#topics.set(message.topic, Number(serial));
        super.retained(message.topic, message);
      } else if (key !== undefined && kind === "f") {
        const subscription = value as SubscriptionRecord;
        this.#filters.get(key.storeId)!.set(subscription.filter, rest);
        this.subscribed(key, subscription);
      } else if (key !== undefined && kind === "i") this.received(key, Number(rest), true);
      else if (key !== undefined && kind === "d") {
        const { message, ...delivery } = value as KeptDelivery;
        this.queued(key, { ...delivery, message: messageOf(message), storeState: 0 });
      }
    }
    this.#isRestoring = false;
  }

  #begin({ storeId }: SessionKey, serial: number): void {
    this.#serials.set(storeId, serial);
    this.#keys.set(storeId, new Map());
    this.#filters.set(storeId, new Map());
  }

  override saved(key: SessionKey, session: SessionRecord): void {
    const isNew = key.storeId === 0;
    super.saved(key, session);
    if (isNew) {
      this.#begin(key, ++this.#lastSerial);
    }
    const { will, ...rest } = session;
    this.#put("s", key, "", { ...rest, will: will && { ...will, message: keptOf(will.message) } });
  }

  override dropped(key: SessionKey): void {
    super.dropped(key);
    for (const one of this.#keys.get(key.storeId)?.keys() ?? []) this.#dirty.set(one, undefined);
    this.#keys.delete(key.storeId);
    this.#serials.delete(key.storeId);
    this.#filters.delete(key.storeId);
  }

  override subscribed(key: SessionKey, subscription: SubscriptionRecord): void {
    super.subscribed(key, subscription);
    const { filter, identifier, qos, noLocal, retainAsPublished, retainHandling } = subscription;
    const kept = { filter, identifier, qos, noLocal, retainAsPublished, retainHandling };
    const serials = this.#filters.get(key.storeId);
    const serial = serials?.get(filter) ?? `${++this.#lastSerial}`;
    serials?.set(filter, serial);
    this.#put("f", key, serial, kept);
  }

  override unsubscribed(key: SessionKey, filter: string): void {
    super.unsubscribed(key, filter);
    const serials = this.#filters.get(key.storeId);
    this.#delete("f", key, serials?.get(filter) ?? "");
    serials?.delete(filter);
  }

  override queued(key: SessionKey, delivery: DeliveryRecord): void {
    super.queued(key, delivery);
    this.#delivery(key, delivery);
  }

  override advanced(key: SessionKey, delivery: DeliveryRecord): void {
    super.advanced(key, delivery);
    const name = this.#name("d", key, `${delivery.order}`);
    if (this.#keys.get(key.storeId)?.has(name)) this.#delivery(key, delivery);
  }

  override finished(key: SessionKey, delivery: DeliveryRecord): void {
    super.finished(key, delivery);
    this.#delete("d", key, `${delivery.order}`);
  }

  override expired(key: SessionKey, until: number): void {
    super.expired(key, until);
    const keys = this.#keys.get(key.storeId);
    for (const [name, expiresAt] of keys ?? []) {
      if (expiresAt > until) continue;
      keys!.delete(name);
      this.#dirty.set(name, undefined);
    }
  }

  override received(key: SessionKey, packetId: number, open: boolean): void {
    super.received(key, packetId, open);
    if (open) this.#put("i", key, `${packetId}`, true);
    else this.#delete("i", key, `${packetId}`);
  }

  override retained(topic: string, message: Message | undefined): void {
    super.retained(topic, message);
    const serial = this.#topics.get(topic) ?? ++this.#lastSerial;
    if (message === undefined) this.#topics.delete(topic);
    else this.#topics.set(topic, serial);
    this.#dirty.set(`${PREFIX}r/${serial}`, message && keptOf(message));
  }

  #delivery(key: SessionKey, delivery: DeliveryRecord): void {
    const { order, message, qos, retain, subscriptionIdentifiers, share, packetId, released } = delivery;
    const kept: KeptDelivery = {
      order,
      message: keptOf(message),
      qos,
      retain,
      subscriptionIdentifiers,
      share,
      packetId,
      released,
    };
    const waits = packetId === 0 && share === undefined;
    this.#put("d", key, `${order}`, kept, waits ? message.expiresAt : Infinity);
  }

  #name(kind: string, { storeId }: SessionKey, rest: string): string {
    return `${PREFIX}${kind}/${this.#serials.get(storeId)}${rest === "" ? "" : `/${rest}`}`;
  }

  #put(kind: string, key: SessionKey, rest: string, value: unknown, expiresAt = Infinity): void {
    const keys = this.#keys.get(key.storeId);
    if (keys === undefined) return; // the session is dropped
    const name = this.#name(kind, key, rest);
    keys.set(name, expiresAt);
    if (!this.#isRestoring) this.#dirty.set(name, value);
  }

  #delete(kind: string, key: SessionKey, rest: string): void {
    const name = this.#name(kind, key, rest);
    if (this.#keys.get(key.storeId)?.delete(name)) this.#dirty.set(name, undefined);
  }

  /** One transaction. What fails is written by the next one, unless it has changed since. */
  override commit(): Commit {
    if (this.#dirty.size === 0) return undefined;
    const dirty = this.#dirty;
    this.#dirty = new Map();
    return this.#storage.transaction(async (transaction) => {
      const entries = [...dirty];
      for (let at = 0; at < entries.length; at += KEYS_MAX) {
        const part = entries.slice(at, at + KEYS_MAX);
        const there = part.filter(([, value]) => value !== undefined);
        const gone = part.filter(([, value]) => value === undefined).map(([name]) => name);
        if (there.length > 0) await transaction.put(Object.fromEntries(there));
        if (gone.length > 0) await transaction.delete(gone);
      }
    }).then(() => {}, (error) => {
      this.#dirty = new Map([...dirty, ...this.#dirty]);
      throw error;
    });
  }
}

function keptOf({ topic, view, expiresAt, publisher }: Message): KeptMessage {
  const { bytes, at, end, level5 } = view;
  return { topic, frame: bytes.slice(at, end), level5, expiresAt, publisher };
}

function messageOf({ topic, frame, level5, expiresAt, publisher }: KeptMessage): Message {
  return { topic, view: viewOf(frame, level5), expiresAt, publisher };
}
