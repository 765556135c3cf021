/**
 * §4.1 A store that keeps its facts in memory, for a later broker of the same process.
 * Knows the facts; refuses to know files. The model for every store.
 * @module
 */
import type { Message } from "../delivery/message.ts";
import type {
  Commit,
  DeliveryRecord,
  Later,
  SessionKey,
  SessionRecord,
  SessionStore,
  StoredSession,
  SubscriptionRecord,
} from "./store.ts";

interface Kept {
  readonly id: number;
  session: SessionRecord;
  subscriptions: Map<string, SubscriptionRecord>;
  /** Waiting ones that came by no Shared Subscription are brought back by `load()`. */
  deliveries: Map<number, DeliveryRecord>;
  received: Set<number>;
}

/** Keeps everything until it is dropped. */
export class MemoryStore implements SessionStore {
  #sessions: Map<string, Kept> = new Map();
  #retained: Map<string, Message> = new Map();
  #lastId = 0;

  /** Every session, as often as it is asked. */
  *sessions(): Iterable<StoredSession> {
    for (const { id, session, subscriptions, deliveries, received } of this.#sessions.values()) {
      const all = [...deliveries.values()].sort((a, b) => a.order - b.order);
      const waiting = all.filter(waits);
      const expiring = waiting.filter(({ message }) => message.expiresAt !== Infinity).map(
        ({ message: { view, expiresAt: at } }) => ({ at, count: 1, bytes: view.end - view.at }),
      );
      yield {
        session,
        storeId: id,
        subscriptions: [...subscriptions.values()],
        deliveries: all.filter((delivery) => !waits(delivery)).map(copyOf),
        waiting: {
          count: waiting.length,
          bytes: waiting.reduce((sum, { message: { view } }) => sum + view.end - view.at, 0),
          from: waiting[0]?.order ?? Infinity,
          ...(expiring.length > 0 && { expiring }),
        },
        received: [...received],
      };
    }
  }

  /** Every retained message, as often as it is asked. */
  retainedMessages(): Iterable<Message> {
    return [...this.#retained.values()];
  }

  /** The facts as they are now. */
  lastOrder(): number {
    let last = 0;
    for (const { deliveries } of this.#sessions.values()) {
      for (const { order, released } of deliveries.values()) last = Math.max(last, order, released);
    }
    return last;
  }

  /** Keeps the session; its content stays. */
  saved(key: SessionKey, session: SessionRecord): void {
    const kept = this.#of(key);
    if (kept !== undefined) kept.session = session;
    else if (key.storeId === 0) {
      const id = key.storeId = ++this.#lastId;
      const fresh = {
        id,
        session,
        subscriptions: new Map(),
        deliveries: new Map(),
        received: new Set<number>(),
      };
      this.#sessions.set(key.clientId, fresh);
    }
  }

  /** Forgets the session and its content. */
  dropped(key: SessionKey): void {
    if (this.#of(key) !== undefined) this.#sessions.delete(key.clientId);
  }

  /** Nothing if it is dropped, also if there is a new one of the same identifier. */
  #of({ clientId, storeId }: SessionKey): Kept | undefined {
    const kept = this.#sessions.get(clientId);
    return kept?.id === storeId ? kept : undefined;
  }

  /** Keeps the subscription. */
  subscribed(key: SessionKey, subscription: SubscriptionRecord): void {
    this.#of(key)?.subscriptions.set(subscription.filter, subscription);
  }

  /** Forgets the subscription. */
  unsubscribed(key: SessionKey, filter: string): void {
    this.#of(key)?.subscriptions.delete(filter);
  }

  /** Keeps the message. */
  queued(key: SessionKey, delivery: DeliveryRecord): void {
    this.#of(key)?.deliveries.set(delivery.order, copyOf(delivery));
  }

  /** Notes how far it has got. */
  advanced(key: SessionKey, delivery: DeliveryRecord): void {
    const deliveries = this.#of(key)?.deliveries;
    if (deliveries?.has(delivery.order)) deliveries.set(delivery.order, copyOf(delivery));
  }

  /** Forgets it. */
  finished(key: SessionKey, { order }: DeliveryRecord): void {
    this.#of(key)?.deliveries.delete(order);
  }

  /** Forgets them. */
  expired(key: SessionKey, until: number): void {
    const deliveries = this.#of(key)?.deliveries;
    for (const delivery of deliveries?.values() ?? []) {
      if (waits(delivery) && delivery.message.expiresAt <= until) deliveries!.delete(delivery.order);
    }
  }

  /** Keeps or forgets the identifier. */
  received(key: SessionKey, packetId: number, open: boolean): void {
    const received = this.#of(key)?.received;
    if (open) received?.add(packetId);
    else received?.delete(packetId);
  }

  /** Keeps or forgets the retained message. */
  retained(topic: string, message: Message | undefined): void {
    if (message === undefined) this.#retained.delete(topic);
    else this.#retained.set(topic, message);
  }

  /** At once. */
  load(key: SessionKey, from: number, messages: number, bytes: number): Later<readonly DeliveryRecord[]> {
    const found: DeliveryRecord[] = [];
    let sum = 0;
    const all = [...this.#of(key)?.deliveries.values() ?? []];
    for (const delivery of all.sort((a, b) => a.order - b.order)) {
      if (delivery.order < from || !waits(delivery)) continue;
      sum += delivery.message.view.end - delivery.message.view.at;
      if (found.length >= messages || (found.length > 0 && sum > bytes)) break;
      found.push(copyOf(delivery));
    }
    return found;
  }

  /** Nothing is to be done. */
  commit(): Commit {
    return undefined;
  }
}

/** Whether it may be in the store alone. */
function waits({ packetId, share }: DeliveryRecord): boolean {
  return packetId === 0 && share === undefined;
}

function copyOf(delivery: DeliveryRecord): DeliveryRecord {
  const { order, message, qos, retain, subscriptionIdentifiers, share, packetId, released } = delivery;
  return {
    order,
    message,
    qos,
    retain,
    subscriptionIdentifiers,
    share,
    packetId,
    released,
    storeState: 0,
  };
}
