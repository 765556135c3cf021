/**
 * §4.1 A store that keeps its facts in memory: what a broker told it, another broker of the same process can be given.
 * Knows the facts; refuses to know files. The model of what every store must bring back.
 * @module
 */
import type {
  Commit,
  DeliveryRecord,
  DeliveryStep,
  SessionRecord,
  SessionStore,
  StoredMessage,
  StoredSession,
  SubscriptionRecord,
} from "./store.ts";

type Stored = DeliveryRecord & { step: DeliveryStep; packetId: number };

interface Kept {
  session: SessionRecord;
  subscriptions: Map<string, SubscriptionRecord>;
  deliveries: Map<number, Stored>;
  received: Set<number>;
}

/** Keeps everything until it is dropped. */
export class MemoryStore implements SessionStore {
  #sessions: Map<string, Kept> = new Map();
  #retained: Map<string, StoredMessage> = new Map();

  /** Every session, as often as it is asked. */
  *sessions(): Iterable<StoredSession> {
    for (const { session, subscriptions, deliveries, received } of this.#sessions.values()) {
      yield {
        session,
        subscriptions: [...subscriptions.values()],
        deliveries: [...deliveries.values()].sort((a, b) => a.order - b.order),
        received: [...received],
      };
    }
  }

  /** Every retained message, as often as it is asked. */
  retainedMessages(): Iterable<StoredMessage> {
    return [...this.#retained.values()];
  }

  /** Keeps the session; what is in it stays. */
  saved(session: SessionRecord): void {
    const kept = this.#sessions.get(session.clientId);
    if (kept !== undefined) kept.session = session;
    else {
      const fresh = { session, subscriptions: new Map(), deliveries: new Map(), received: new Set<number>() };
      this.#sessions.set(session.clientId, fresh);
    }
  }

  /** Forgets the session and what is in it. */
  dropped(clientId: string): void {
    this.#sessions.delete(clientId);
  }

  /** Keeps the subscription. */
  subscribed(clientId: string, subscription: SubscriptionRecord): void {
    this.#sessions.get(clientId)?.subscriptions.set(subscription.filter, subscription);
  }

  /** Forgets the subscription. */
  unsubscribed(clientId: string, filter: string): void {
    this.#sessions.get(clientId)?.subscriptions.delete(filter);
  }

  /** Keeps the message. */
  queued(clientId: string, delivery: DeliveryRecord): void {
    this.#sessions.get(clientId)?.deliveries.set(delivery.order, {
      ...delivery,
      step: "queued",
      packetId: 0,
    });
  }

  /** Notes how far it has got. */
  advanced(clientId: string, order: number, step: "sent" | "released", packetId: number): void {
    const deliveries = this.#sessions.get(clientId)?.deliveries;
    const delivery = deliveries?.get(order);
    if (delivery !== undefined) deliveries!.set(order, { ...delivery, step, packetId });
  }

  /** Forgets it. */
  finished(clientId: string, order: number): void {
    this.#sessions.get(clientId)?.deliveries.delete(order);
  }

  /** Keeps or forgets the identifier. */
  received(clientId: string, packetId: number, open: boolean): void {
    const received = this.#sessions.get(clientId)?.received;
    if (open) received?.add(packetId);
    else received?.delete(packetId);
  }

  /** Keeps or forgets the retained message. */
  retained(topic: string, message: StoredMessage | undefined): void {
    if (message === undefined) this.#retained.delete(topic);
    else this.#retained.set(topic, message);
  }

  /** Nothing is to be done. */
  commit(): Commit {
    return undefined;
  }
}
