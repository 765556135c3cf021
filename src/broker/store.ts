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
  /** The whole PUBLISH, fixed header included; its Packet Identifier means nothing. */
  readonly frame: Uint8Array;
  /** Whether it has properties. */
  readonly level5: boolean;
  /** ms since the epoch, Infinity if it does not expire. */
  readonly expiresAt: number;
  /** Client Identifier of the publisher, for No Local. */
  readonly publisher: string | undefined;
}

/** §3.1.2.5 a Will Message that waits for its delay or for the end of the connection. */
export interface StoredWill {
  /** Its expiry counts from when it is published. */
  readonly message: StoredMessage;
  /** §3.1.3.2.2 seconds. */
  readonly delaySeconds: number;
  /** ms since the epoch; undefined while the Client is connected. */
  readonly dueAt: number | undefined;
}

/** §4.1 the session itself, without what is in it. */
export interface SessionRecord {
  /** §3.1.3.1 the key. */
  readonly clientId: string;
  /** Of the last connection. */
  readonly level: ProtocolLevel;
  /** Seconds; 0xFFFFFFFF is never. */
  readonly expirySeconds: number;
  /** ms since the epoch; undefined while the Client is connected, Infinity for never. */
  readonly expiresAt: number | undefined;
  /** Of the connection, or waiting for its delay. */
  readonly will: StoredWill | undefined;
}

/** §3.8 one subscription of a session. */
export interface SubscriptionRecord extends SubscriptionOptions {
  /** With its `$share/…/`. */
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
  /** What is on its way. */
  readonly message: StoredMessage;
  /** At which it is sent: 1 or 2. */
  readonly qos: QoS;
  /** The flag it is sent with. */
  readonly retain: boolean;
  /** §3.3.2.3.8 */
  readonly subscriptionIdentifiers: readonly number[];
  /** The filter of the Shared Subscription that it came by. */
  readonly share: string | undefined;
}

/** A session as it comes back. */
export interface StoredSession {
  /** As it was last saved. */
  readonly session: SessionRecord;
  /** All of them. */
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
  /** A subscription is gone. */
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
