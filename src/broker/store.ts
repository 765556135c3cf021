/**
 * §4.1 What must survive of sessions and retained messages: the facts a store records, and how they come back.
 * Knows the shape of the facts; refuses to know files, and who decides what is worth keeping.
 * @module
 */
import type { ProtocolLevel, QoS, SubscriptionOptions } from "../codec/packet.ts";

/** Done at once, or later: until then the acknowledgements that stand on it wait. */
export type Commit = void | Promise<void>;

/** §3.3 a message as it was published: one PUBLISH frame in the layout of level 4 or 5. */
export interface StoredMessage {
  readonly frame: Uint8Array;
  readonly level5: boolean;
  /** ms since the epoch, Infinity if it does not expire. */
  readonly expiresAt: number;
  /** Client Identifier of the publisher, for No Local. */
  readonly publisher: string | undefined;
}

/** §3.1.2.5 a Will Message that waits for its delay or for the end of the connection. */
export interface StoredWill {
  readonly message: StoredMessage;
  /** §3.1.3.2.2 seconds. */
  readonly delaySeconds: number;
  /** ms since the epoch; undefined while the Client is connected. */
  readonly dueAt: number | undefined;
}

/** §4.1 the session itself, without what is in it. */
export interface SessionRecord {
  readonly clientId: string;
  readonly level: ProtocolLevel;
  /** Seconds; 0xFFFFFFFF is never. */
  readonly expirySeconds: number;
  /** ms since the epoch; undefined while the Client is connected, Infinity for never. */
  readonly expiresAt: number | undefined;
  readonly will: StoredWill | undefined;
}

/** §3.8 one subscription of a session. */
export interface SubscriptionRecord extends SubscriptionOptions {
  readonly filter: string;
  /** §3.8.2.1.2; 0 is none. */
  readonly identifier: number;
}

/** §4.3 how far a message has got on its way to a Client. */
export type DeliveryStep = "queued" | "sent" | "released";

/** A QoS 1 or 2 message on its way to a Client. */
export interface DeliveryRecord {
  /** Unique in its session, ascending in the order of delivery. */
  readonly order: number;
  readonly message: StoredMessage;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly subscriptionIdentifiers: readonly number[];
  /** The filter of the Shared Subscription that it came by. */
  readonly share: string | undefined;
}

/** A session as it comes back. */
export interface StoredSession {
  readonly session: SessionRecord;
  readonly subscriptions: readonly SubscriptionRecord[];
  /** In ascending order. `packetId` is 0 while the step is `queued`; `released` ones may lack their message. */
  readonly deliveries:
    readonly (DeliveryRecord & { readonly step: DeliveryStep; readonly packetId: number })[];
  /** §4.3.3 identifiers of QoS 2 messages received and not yet released. */
  readonly received: readonly number[];
}

/**
 * Records facts in the order of the calls; `commit()` makes all of them safe together. Memory is the truth: nothing is
 * read back but at the start. Facts are told of sessions whose Session Expiry Interval is above 0, and of no others.
 */
export interface SessionStore {
  /** Every session that was saved and not dropped. Called once, before anything else. */
  sessions(): Iterable<StoredSession>;
  /** Every retained message. Called once, before anything else. */
  retainedMessages(): Iterable<StoredMessage>;
  /** A session is new or changed; what is in it stays. */
  saved(session: SessionRecord): void;
  /** A session is over, with all that is in it. */
  dropped(clientId: string): void;
  /** A subscription is new or replaced. */
  subscribed(clientId: string, subscription: SubscriptionRecord): void;
  unsubscribed(clientId: string, filter: string): void;
  /** A message waits for the Client. */
  queued(clientId: string, delivery: DeliveryRecord): void;
  /** It was sent under this identifier, or (QoS 2) PUBREC came and its payload is needed no more. */
  advanced(clientId: string, order: number, step: "sent" | "released", packetId: number): void;
  /** It is acknowledged, or given up. */
  finished(clientId: string, order: number): void;
  /** A QoS 2 message came in under this identifier (true), or PUBREL came for it (false). */
  received(clientId: string, packetId: number, open: boolean): void;
  /** The topic's retained message is this one, or none. */
  retained(topic: string, message: StoredMessage | undefined): void;
  /** Makes all facts told so far safe; undefined if they are already. */
  commit(): Commit;
}
