/**
 * What tests of stores are made of: facts to tell, and what is brought back in a form that can be compared.
 * Knows the records; refuses to know what must come back.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type {
  DeliveryRecord,
  Later,
  Message,
  SessionKey,
  SessionRecord,
  SessionStore,
  StoredSession,
  SubscriptionRecord,
} from "../broker/mod.ts";
import { encodePacket } from "../codec/encode.ts";
import type { ProtocolLevel, Publish } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { viewOf } from "../codec/publish_view.ts";

/** A store under test. */
export interface StoreSubject {
  /** Empty. */
  readonly store: SessionStore;
  /** The same facts in the hands of another store, as a new process would open them. The one before is not used any more. */
  reopen(): SessionStore | Promise<SessionStore>;
  /** Throws everything away. */
  close(): void | Promise<void>;
}

/** Where a test stands: the store that it tells facts, and what that one had at first. */
export class Scene {
  store: SessionStore;
  /** Sessions by Client Identifier; their order is nobody's duty. */
  found: Found;
  readonly #subject: StoreSubject;
  #order = 0;

  constructor(subject: StoreSubject) {
    this.#subject = subject;
    this.store = subject.store;
    this.found = foundIn(this.store);
  }

  /** Makes everything safe and goes on with another store; gives what that one has. */
  async reopen(): Promise<Found> {
    await this.store.commit();
    this.store = await this.#subject.reopen();
    return this.found = foundIn(this.store);
  }

  /** The next number of a delivery or a PUBREC. */
  order(): number {
    return ++this.#order;
  }

  /** A new session. */
  begin(clientId: string, init: Partial<SessionRecord> = {}): SessionKey {
    const key = keyOf(clientId);
    this.store.saved(key, record(clientId, init));
    return key;
  }

  /** A message that waits. */
  queue(key: SessionKey, init: Partial<DeliveryRecord> = {}): Live {
    const delivery = waiting(this.order(), init);
    this.store.queued(key, delivery);
    return delivery;
  }

  send(key: SessionKey, delivery: Live, packetId: number): void {
    delivery.packetId = packetId;
    this.store.advanced(key, delivery);
  }

  release(key: SessionKey, delivery: Live): void {
    delivery.released = this.order();
    this.store.advanced(key, delivery);
  }

  /** Puts one of everything into a session: see `FILLED`. */
  fill(key: SessionKey): { sent: Live; waiting: Live } {
    this.store.subscribed(key, subscription("f"));
    this.store.received(key, 7, true);
    const first = sent(this.order(), 2);
    this.store.queued(key, first);
    return { sent: first, waiting: this.queue(key) };
  }

  /** What waits in a session. */
  load(key: SessionKey, from = 0, messages = 1_000, bytes = 1e9): Later<readonly DeliveryRecord[]> {
    return this.store.load(key, from, messages, bytes);
  }

  /** The same as numbers. */
  async loaded(key: SessionKey, from = 0, messages = 1_000, bytes = 1e9): Promise<number[]> {
    const found = await this.load(key, from, messages, bytes);
    for (const { packetId, released, share } of found) {
      assert(packetId === 0 && released === 0 && share === undefined);
    }
    return found.map(({ order }) => order);
  }
}

export interface Found {
  readonly sessions: readonly StoredSession[];
  readonly retained: readonly Message[];
  readonly lastOrder: number;
}

/** What a broker asks for at first, in its order. */
function foundIn(store: SessionStore): Found {
  const sessions = [...store.sessions()].sort((a, b) => a.session.clientId < b.session.clientId ? -1 : 1);
  const retained = [...store.retainedMessages()];
  return { sessions, retained, lastOrder: store.lastOrder() };
}

export function keyOf(clientId: string, stored?: StoredSession): SessionKey {
  assertEquals(stored?.session.clientId ?? clientId, clientId);
  return { clientId, storeId: stored?.storeId ?? 0 };
}

/** What is in a session, short. */
export interface Contents {
  readonly filters: string[];
  /** `2 sent`, `2 released`. */
  readonly deliveries: string[];
  readonly waiting: number;
  readonly received: number[];
}

/** What `fill()` leaves, as `contents()` shows it. */
export const FILLED: Contents = { filters: ["f"], deliveries: ["2 sent"], waiting: 1, received: [7] };
export const NOTHING: Contents = { filters: [], deliveries: [], waiting: 0, received: [] };

/** What is in a session, short. */
export function contents({ subscriptions, deliveries, waiting, received }: StoredSession): Contents {
  assertEquals(waiting.from === Infinity, waiting.count === 0);
  return {
    filters: subscriptions.map(({ filter }) => filter).sort(),
    deliveries: deliveries.map(({ packetId, released }) =>
      `${packetId} ${released > 0 ? "released" : "sent"}`
    ),
    waiting: waiting.count,
    received: [...received],
  };
}

export function record(clientId: string, init: Partial<SessionRecord> = {}): SessionRecord {
  return {
    clientId,
    user: `user of ${clientId}`,
    address: "192.0.2.1",
    level: 5,
    expirySeconds: 600,
    expiresAt: 1_700_000_000_000,
    will: undefined,
    ...init,
  };
}

export function subscription(filter: string, init: Partial<SubscriptionRecord> = {}): SubscriptionRecord {
  return {
    filter,
    qos: 2,
    noLocal: false,
    retainAsPublished: false,
    retainHandling: 0,
    identifier: 0,
    ...init,
  };
}

/** A delivery as the broker has it: it changes. */
export type Live = { -readonly [Field in keyof DeliveryRecord]: DeliveryRecord[Field] };

export function waiting(order: number, init: Partial<DeliveryRecord> = {}): Live {
  return {
    order,
    message: message(`topic/${order}`),
    qos: 2,
    retain: false,
    subscriptionIdentifiers: [],
    share: undefined,
    packetId: 0,
    released: 0,
    storeState: 0,
    ...init,
  };
}

export function sent(order: number, packetId: number, init: Partial<DeliveryRecord> = {}): Live {
  return waiting(order, { packetId, ...init });
}

/** Bytes of the PUBLISH frames. */
export function bytesOf(deliveries: readonly DeliveryRecord[]): number {
  return deliveries.reduce((sum, { message: { view } }) => sum + view.end - view.at, 0);
}

export interface MessageInit extends Partial<Pick<Publish, "qos" | "retain" | "properties">> {
  readonly bytes?: number;
  readonly level?: ProtocolLevel;
  readonly expiresAt?: number;
  readonly publisher?: string | undefined;
}

/** A message whose frame stands among other bytes, as in the broker. */
export function message(topic: string, init: MessageInit = {}): Message {
  const { bytes = 3, level = 5, expiresAt = Infinity, qos = 2, retain = false, properties } = init;
  const payload = new Uint8Array(bytes).map((_, i) => i * 31 + (i >> 8));
  const frame = encodePacket({
    type: PacketType.PUBLISH,
    dup: false,
    qos,
    retain,
    topic,
    payload,
    ...(qos > 0 && { packetId: 1 }),
    ...(properties !== undefined && { properties }),
  }, level);
  const around = new Uint8Array(frame.length + 20).fill(0xee);
  const view = viewOf(frame, level === 5).copyTo(around, 9);
  return { topic, view, expiresAt, publisher: "publisher" in init ? init.publisher : "somebody" };
}

/** A message so that two of the same content are equal, wherever their bytes are. */
export function shown({ topic, view, expiresAt, publisher }: Message): unknown {
  const frame = view.bytes.slice(view.at, view.end);
  const { bytes: _own, ...fields } = viewOf(frame, view.level5);
  const { bytes: _same, ...moved } = view.copyTo(new Uint8Array(frame.length), 0);
  assertEquals(moved, fields, "the view is not that of its frame");
  return { topic, frame, level5: view.level5, expiresAt, publisher };
}

/** A released message needs its payload no more: a store may forget it. */
export function shownDelivery({ storeState: _state, message, ...rest }: DeliveryRecord): unknown {
  return rest.released > 0 ? rest : { ...rest, message: shown(message) };
}

export function shownSession({ will, ...rest }: SessionRecord): unknown {
  return { ...rest, will: will && { ...will, message: shown(will.message) } };
}

export function shownFound({ sessions, retained, lastOrder }: Found): unknown {
  return {
    sessions: sessions.map(({ session, deliveries, ...rest }) =>
      structuredClone({ ...rest, session: shownSession(session), deliveries: deliveries.map(shownDelivery) })
    ),
    retained: retained.map(shown),
    lastOrder,
  };
}
