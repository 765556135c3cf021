/**
 * §4.1 The part of sessions and retained messages that must survive: the facts a store records, and how they come back.
 * Knows the shape of the facts; refuses to know files, and the choice of facts.
 * @module
 */
import type { ProtocolLevel, SubscriptionOptions } from "../codec/packet.ts";
import type { Message } from "../delivery/message.ts";

/** A value at once, or the promise of one. */
export type Later<T> = T | Promise<T>;

/** Facts are safe at once, or later: until then the acknowledgements that stand on them wait. */
export type Commit = Later<void>;

/** A session as facts name it. */
export interface SessionKey {
  /** §3.1.3.1 */
  readonly clientId: string;
  /** For the store alone: 0 until it has given the session a number. */
  storeId: number;
}

/** §3.1.2.5 a Will Message that waits for its delay or for the end of the connection. */
export interface StoredWill {
  /** Its expiry counts from when it is published. */
  readonly message: Message;
  /** §3.1.3.2.2 seconds. */
  readonly delaySeconds: number;
  /** ms since the epoch; undefined while the Client is connected. */
  readonly dueAt: number | undefined;
}

/** §4.1 the session itself, without its content. */
export interface SessionRecord {
  /** §3.1.3.1 the key. */
  readonly clientId: string;
  /** Of the last connection. */
  readonly level: ProtocolLevel;
  /** Seconds; 0xFFFFFFFF is never, 0 ends with the connection: only its will outlives a crash. */
  readonly expirySeconds: number;
  /** ms since the epoch; undefined while the Client is connected, Infinity for never. */
  readonly expiresAt: number | undefined;
  /** Of the connection, or waiting for its delay. */
  readonly will: StoredWill | undefined;
  /** The user name of the Client that connected last; undefined if it had none. */
  readonly user: string | undefined;
  /** The address that it connected from; undefined if it is not known. */
  readonly address: string | undefined;
}

/** §3.8 one subscription of a session. */
export interface SubscriptionRecord extends SubscriptionOptions {
  /** With its `$share/…/`. */
  readonly filter: string;
  /** §3.8.2.1.2; 0 is none. */
  readonly identifier: number;
}

/**
 * §4.3 A QoS 1 or 2 message on its way to a Client. It waits while `packetId` is 0, then it is sent, and once `released` is
 * above 0 (QoS 2) its payload is needed no more. The object lives and changes: a store that reads it later finds the
 * later state, which is the one to keep.
 */
export interface DeliveryRecord {
  /** Unique among all deliveries of the store, ascending in the order of delivery. */
  readonly order: number;
  /** The message. */
  readonly message: Message;
  /** At which it is sent. */
  readonly qos: 1 | 2;
  /** The flag it is sent with. */
  readonly retain: boolean;
  /** §3.3.2.3.8 */
  readonly subscriptionIdentifiers: readonly number[];
  /** The filter of the Shared Subscription that it came by. */
  readonly share: string | undefined;
  /** §2.2.1 0 until it is sent for the first time. */
  readonly packetId: number;
  /** §4.3.3 a number from the same count as `order`, taken when its PUBREC came; 0 until then. */
  readonly released: number;
  /** For the store alone: 0 until it has a record of the delivery. */
  storeState: number;
}

/** §4.5 Messages that wait in a session, in the store alone. */
export interface StoredWaiting {
  /** How many there are. */
  readonly count: number;
  /** Of their PUBLISH frames. */
  readonly bytes: number;
  /** The first `order`, or a lower bound; Infinity if there is none. */
  readonly from: number;
  /** §3.3.2.3.3 those among them that expire, by when: ms since the epoch, together if it is the same step (`EXPIRY_STEP_MS`). */
  readonly expiring?: readonly { readonly at: number; readonly count: number; readonly bytes: number }[];
}

/** A session as it comes back. */
export interface StoredSession {
  /** As it was last saved. */
  readonly session: SessionRecord;
  /** Its number in the store. */
  readonly storeId: number;
  /** All of them. */
  readonly subscriptions: readonly SubscriptionRecord[];
  /** In ascending order: deliveries that were sent, and deliveries of a Shared Subscription. Released ones may lack their message. */
  readonly deliveries: readonly DeliveryRecord[];
  /** The others, which wait: how many, the bytes of their PUBLISH frames, and the first `order` (Infinity if none). */
  readonly waiting: StoredWaiting;
  /** §4.3.3 identifiers of QoS 2 messages received and not yet released. */
  readonly received: readonly number[];
}

/**
 * Records facts in the order of the calls; `commit()` makes all of them safe together. Memory is the truth, but for
 * messages that wait in a session and came by no Shared Subscription: they may be in the store alone, until `load()`.
 * The content of a session is recorded if its Session Expiry Interval is or was above 0.
 */
export interface SessionStore {
  /** Every session that was saved and not dropped. Called once, before anything else. */
  sessions(): Iterable<StoredSession>;
  /** Every retained message. Called once, after `sessions()`, before anything else. */
  retainedMessages(): Iterable<Message>;
  /** Where several nodes are one Server: the last stamp of each topic, also of some whose message was removed. Called once, as the others. */
  stamps?(): Iterable<readonly [topic: string, stamp: number]>;
  /** The highest `order` or `released` there is, 0 if none. Called once, after `sessions()`. */
  lastOrder(): number;
  /** A session is new or changed; its content stays. */
  saved(key: SessionKey, session: SessionRecord): void;
  /** A session is over, with all that is in it. */
  dropped(key: SessionKey): void;
  /** A subscription is new or replaced. */
  subscribed(key: SessionKey, subscription: SubscriptionRecord): void;
  /** A subscription is gone. */
  unsubscribed(key: SessionKey, filter: string): void;
  /** A message is on its way to the Client, or waits for it. */
  queued(key: SessionKey, delivery: DeliveryRecord): void;
  /** It was sent, or released. */
  advanced(key: SessionKey, delivery: DeliveryRecord): void;
  /** It is acknowledged, or given up. */
  finished(key: SessionKey, delivery: DeliveryRecord): void;
  /**
   * §3.3.2.3.3 All messages that wait in the session, came by no Shared Subscription and expire at `until` or before are given
   * up; `load()` may still bring some of them.
   */
  expired(key: SessionKey, until: number): void;
  /** A QoS 2 message came in under this identifier (true), or PUBREL came for it (false). */
  received(key: SessionKey, packetId: number, open: boolean): void;
  /** The topic's retained message is this one, or none. */
  retained(topic: string, message: Message | undefined): void;
  /**
   * Where several nodes are one Server: that change has this stamp; 0: its stamp is not needed any more. A store without stamps has later
   * changes win, whatever they are.
   */
  stamped?(topic: string, stamp: number): void;
  /**
   * Brings back messages that wait in a session and came by no Shared Subscription, in ascending order, from `from` on: as
   * many as there are, up to `messages` of them or, but for the first, `bytes` of frames. Without a fault nothing is missing.
   * Never throws, and its promise is never rejected: messages that cannot be read are left out, and a page that cannot be
   * had at present comes when it can. A promise that the store can no longer keep (its thread is gone) stays open.
   */
  load(key: SessionKey, from: number, messages: number, bytes: number): Later<readonly DeliveryRecord[]>;
  /**
   * Makes all facts recorded so far safe; undefined if they are already. Rejected when that cannot be done; the next call tries
   * again, with the facts recorded since.
   */
  commit(): Commit;
}
