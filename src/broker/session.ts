/**
 * §4.1 Session State on the Server: subscriptions, messages on their way, and when it ends.
 * Knows what belongs to one Client Identifier; refuses to know sockets and routing.
 * @module
 */
import type { Rule } from "../codec/error.ts";
import type { ProtocolLevel, QoS } from "../codec/packet.ts";
import { type Message, MESSAGE_OVERHEAD_BYTES, messageBytes } from "../delivery/message.ts";
import { Queue } from "../delivery/queue.ts";
import type { Receiver } from "../delivery/receiver.ts";
import { Sender } from "../delivery/sender.ts";
import type { Deadline } from "../engine/timers.ts";
import { SHARE_PREFIX } from "../topic/filter.ts";
import type { Connection } from "./connection.ts";
import type { Broker } from "./engine.ts";
import type { LimitName } from "./limits.ts";
import type { Replay } from "./replay.ts";
import type { SharedGroup } from "./shared.ts";
import type {
  DeliveryRecord,
  SessionKey,
  SessionRecord,
  StoredSession,
  SubscriptionRecord,
} from "./store.ts";
import type { PendingWill } from "./will.ts";

/** §3.1.2.11.2 a Session Expiry Interval that means never. */
export const NEVER_EXPIRES = 0xffff_ffff;

/** No Subscription Identifiers. Shared: never write to it. */
export const NO_IDENTIFIERS: readonly number[] = [];

/** Bits of a subscription's options, as on the wire (§3.8.3.1). */
const QOS = 0x03;
const NO_LOCAL = 0x04;
const RETAIN_AS_PUBLISHED = 0x08;
const RETAIN_HANDLING_SHIFT = 4;

/**
 * §3.8 One subscription. Its options change in place when the Client subscribes to the same filter again. There may be
 * millions, so they share what they can.
 */
export class Subscription implements SubscriptionRecord {
  readonly session: Session;
  readonly filter: string;
  /** §3.8.2.1.2 none, or one. */
  identifiers: readonly number[] = NO_IDENTIFIERS;
  #options = 0;

  constructor(session: Session, filter: string) {
    this.session = session;
    this.filter = filter;
  }

  /** §4.8.2 */
  get isShared(): boolean {
    return this.filter.startsWith(SHARE_PREFIX);
  }

  get qos(): QoS {
    return (this.#options & QOS) as QoS;
  }

  get noLocal(): boolean {
    return (this.#options & NO_LOCAL) !== 0;
  }

  get retainAsPublished(): boolean {
    return (this.#options & RETAIN_AS_PUBLISHED) !== 0;
  }

  get retainHandling(): 0 | 1 | 2 {
    return (this.#options >> RETAIN_HANDLING_SHIFT) as 0 | 1 | 2;
  }

  get identifier(): number {
    return this.identifiers.length === 0 ? 0 : this.identifiers[0]!;
  }

  /** Takes the options of a SUBSCRIBE [MQTT-3.8.4-3]. */
  set({ qos, noLocal, retainAsPublished, retainHandling, identifier }: SubscriptionRecord): void {
    this.#options = qos | (noLocal ? NO_LOCAL : 0) | (retainAsPublished ? RETAIN_AS_PUBLISHED : 0) |
      retainHandling << RETAIN_HANDLING_SHIFT;
    this.identifiers = identifier === 0 ? NO_IDENTIFIERS : [identifier];
  }
}

/** §4.3 A QoS 1 or 2 message on its way to one session. */
export class Delivery implements DeliveryRecord {
  readonly order: number;
  readonly message: Message;
  readonly qos: 1 | 2;
  readonly retain: boolean;
  readonly subscriptionIdentifiers: readonly number[];
  /** §4.8.2 the Shared Subscription it came by. */
  readonly group: SharedGroup | undefined;
  packetId = 0;
  released = 0;
  storeState = 0;

  constructor(
    order: number,
    message: Message,
    qos: 1 | 2,
    retain: boolean,
    subscriptionIdentifiers: readonly number[],
    group: SharedGroup | undefined,
  ) {
    this.order = order;
    this.message = message;
    this.qos = qos;
    this.retain = retain;
    this.subscriptionIdentifiers = subscriptionIdentifiers;
    this.group = group;
  }

  get share(): string | undefined {
    return this.group?.filter.text;
  }
}

/** §4.1 One session; `due()` ends it. */
export class Session implements Deadline, SessionKey {
  heapIndex = -1;
  heapTime = 0;
  storeId = 0;
  readonly clientId: string;
  level: ProtocolLevel;
  /** The Network Connection, undefined while there is none. */
  connection: Connection | undefined;
  /** §3.1.2.11.2 seconds, 0 ends with the connection. */
  expirySeconds = 0;
  ended = false;
  /** Whether the store has a record of it: of a durable one, or for its will. */
  stored = false;
  /** Whether the store is told what is in it: it has, or has had, a Session Expiry Interval above 0. */
  durable = false;
  readonly subscriptions: Map<string, Subscription> = new Map();
  /** Messages that wait for room, in order; made when the first has to. Some may be in the store alone (waiting.ts). */
  queue: Queue<Delivery> | undefined;
  /** What they count for in `queuedBytesMax`. */
  residentBytes = 0;
  /** How many wait in the store alone. */
  spilled = 0;
  /** What these count for. */
  spilledBytes = 0;
  /** The `order` that the first of those has, or a lower one that no other message in the store alone has. */
  spilledFrom: number = Infinity;
  /** Some of those are on their way back. */
  loading = false;
  /** Messages sent on an earlier connection and to be sent again on this one, in order [MQTT-4.4.0-1]. */
  resend: Queue<Delivery> | undefined;
  /** §4.3 made at the first QoS 1 or 2 message. */
  sender: Sender<Delivery> | undefined;
  /** §4.3.3 QoS 2 identifiers received and not yet released; made at the first. */
  received: Receiver | undefined;
  /** Retained messages that its subscriptions are still to get; undefined while there are none. */
  replays: Map<Subscription, Replay> | undefined;
  /** It is in `Broker.replaying`. */
  inLine = false;
  /** The will while it waits for its delay. */
  pendingWill: PendingWill | undefined;
  /** Limits, and rules by which messages were discarded, that the owner has been told of since the last CONNECT. */
  limited: Set<LimitName | Rule> | undefined;
  readonly #broker: Broker;

  constructor(broker: Broker, clientId: string, level: ProtocolLevel) {
    this.#broker = broker;
    this.clientId = clientId;
    this.level = level;
  }

  /** Whether it outlives its connection. */
  get kept(): boolean {
    return this.expirySeconds > 0;
  }

  /** Messages that wait for room. */
  get queued(): number {
    return this.spilled + (this.queue === undefined ? 0 : this.queue.length);
  }

  /** The Session Expiry Interval has run out [MQTT-4.1.0-2]. */
  due(now: number): void {
    this.#broker.endSession(this, now);
  }

  /** Does what is due at `now` although no timer has run since: a Client that comes back must find it done. */
  catchUp(now: number): void {
    const will = this.pendingWill;
    // One without a deadline comes from before a crash: the Client was connected, and no timer has run since.
    const dueAt = will === undefined
      ? Infinity
      : will.heapIndex >= 0
      ? will.heapTime
      : now + will.will.delaySeconds * 1000;
    if (dueAt <= now) {
      this.#broker.timers.cancel(will!);
      will!.due(now);
    }
    if (this.heapIndex >= 0 && this.heapTime <= now) this.due(now);
  }

  /** What those count for in `queuedBytesMax`. */
  get queuedBytes(): number {
    return this.residentBytes + this.spilledBytes;
  }

  /** The open exchanges towards the Client. */
  exchanges(): Sender<Delivery> {
    return (this.sender ??= new Sender());
  }

  /** Appends to the queue; the caller has asked `hasRoom()`. */
  enqueue(delivery: Delivery): void {
    (this.queue ??= new Queue()).push(delivery);
    this.residentBytes += messageBytes(delivery.message);
  }

  /** Takes the first of the queue. */
  dequeue(): Delivery | undefined {
    const delivery = this.queue?.shift();
    if (delivery !== undefined) this.residentBytes -= messageBytes(delivery.message);
    return delivery;
  }

  /** Takes out of the queue what `test` accepts. */
  extract(test: (delivery: Delivery) => boolean): Delivery[] {
    const out = this.queue?.extract(test) ?? [];
    for (const delivery of out) this.residentBytes -= messageBytes(delivery.message);
    return out;
  }

  /** What the store alone has of it. */
  spill({ count, bytes, from }: StoredSession["waiting"]): void {
    if (count === 0) return;
    this.spilled += count;
    this.spilledBytes += bytes + count * MESSAGE_OVERHEAD_BYTES;
    this.spilledFrom = Math.min(this.spilledFrom, from);
  }

  /** Nothing waits in the store alone any more. */
  forgetSpilled(): void {
    this.spilled = this.spilledBytes = 0;
    this.spilledFrom = Infinity;
  }

  /** Lets go of every message: a topic may still remember an ended session for a while. */
  clear(): void {
    this.queue = undefined;
    this.residentBytes = 0;
    this.forgetSpilled();
    this.sender = undefined;
    this.received = undefined;
  }

  /** The session for the store. */
  record(expiresAt: number | undefined): SessionRecord {
    const will = this.connection?.will ?? this.pendingWill?.will;
    return {
      clientId: this.clientId,
      level: this.level,
      expirySeconds: this.expirySeconds,
      expiresAt,
      will: will && {
        message: will.message,
        delaySeconds: will.delaySeconds,
        dueAt: this.pendingWill?.heapTime,
      },
    };
  }
}
