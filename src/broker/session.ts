/**
 * §4.1 Session State on the Server: subscriptions, messages on their way, and when it ends.
 * Knows the state under one Client Identifier; refuses to know sockets and routing.
 * @module
 */
import { invariant, type Rule } from "../codec/error.ts";
import type { ProtocolLevel, QoS } from "../codec/packet.ts";
import type { Queue } from "../delivery/queue.ts";
import { Receiver } from "../delivery/receiver.ts";
import { Sender, Step } from "../delivery/sender.ts";
import { MODEST_BYTES, type Outflow } from "../engine/outflow.ts";
import type { Deadline } from "../engine/timers.ts";
import { SHARE_PREFIX } from "../topic/filter.ts";
import type { Access } from "./access.ts";
import { Backlog } from "./backlog.ts";
import { Ledger, OBJECT_BYTES } from "./ledger.ts";
import type { Delivery } from "./delivery.ts";
import type { LimitName, Limits } from "./limits.ts";
import type { ClientInfo, DropReason } from "./options.ts";
import type { Refusal } from "./refusal.ts";
import type { RetainedDelivery } from "./retained_delivery.ts";
import type { SessionKey, SessionRecord, SubscriptionRecord } from "./store.ts";
import type { Charged, UserAccount } from "./users.ts";
import { type PendingWill, type ServerWill, willBytes } from "./will.ts";

/** §3.1.2.11.2 a Session Expiry Interval that means never. */
export const NEVER_EXPIRES = 0xffff_ffff;

/** ms from an interval in seconds; Infinity for one that never ends. */
export function intervalMs(seconds: number): number {
  return seconds === NEVER_EXPIRES ? Infinity : seconds * 1000;
}

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

  /** As one target (match.ts): with No Local no subscription is left for the session's own messages. */
  get others(): undefined {
    return undefined;
  }

  /** As one of several subscriptions that match (match.ts). */
  each(visit: (subscription: Subscription) => void): void {
    visit(this);
  }

  /** Takes the options of a SUBSCRIBE [MQTT-3.8.4-3]. */
  set({ qos, noLocal, retainAsPublished, retainHandling, identifier }: SubscriptionRecord): void {
    this.#options = qos | (noLocal ? NO_LOCAL : 0) | (retainAsPublished ? RETAIN_AS_PUBLISHED : 0) |
      retainHandling << RETAIN_HANDLING_SHIFT;
    this.identifiers = identifier === 0 ? NO_IDENTIFIERS : [identifier];
  }
}

/** The open connection that serves a session, as far as the files of sessions and routing know it: `Open` of open.ts. */
export interface Serving extends Outflow {
  readonly session: Session;
  /** §3.1 */
  readonly client: ClientInfo;
  /** §3.1.2.5 published if the connection is lost. */
  readonly will: ServerWill | undefined;
  /** Ends the connection: DISCONNECT where the level has it, then the close. */
  end(refusal: Refusal, serverReference?: string): void;
  /** The same at the end of the turn: for a fault that is found in the middle of routing. */
  fail(refusal: Refusal): void;
}

/** One session at one moment. */
export interface SessionStats {
  /** The user name of the Client that connected last; undefined if it had none. */
  readonly user: string | undefined;
  /** The address that it connected from; undefined if it is not known. */
  readonly address: string | undefined;
  /** §4.2 whether a Network Connection serves the session. */
  readonly isConnected: boolean;
  /** §3.1.2.11.2 seconds, 0 ends with the connection. */
  readonly expirySeconds: number;
  /** §3.8 */
  readonly subscriptions: number;
  /** QoS 1 and 2 messages that wait for room. */
  readonly queued: number;
  /** The bytes that they count for in `queuedBytesMax`. */
  readonly queuedBytes: number;
  /** The bytes that the messages in memory count for. */
  readonly residentBytes: number;
  /** How many of them are in the store alone. */
  readonly pagedOut: number;
  /** §4.9 QoS 1 and 2 messages sent on the present connection and not acknowledged. */
  readonly inFlight: number;
  /** §4.4 exchanges towards the Client that are not over, including messages to be sent again. */
  readonly exchanges: number;
  /** §4.3.3 QoS 2 messages received and not yet released. */
  readonly received: number;
  /** Subscriptions that retained messages are still on their way to. */
  readonly retainedDeliveries: number;
  /** §3.1.3.2.2 a Will waits for its delay. */
  readonly hasPendingWill: boolean;
}

/** The messages that a session did not get though it was to. */
export interface Drops {
  /** How many there were since the session is in memory; of a burst that a full connection did not take, one. */
  count: number;
  /** When the last one was dropped: ms since the epoch. */
  at: number;
  /** Why. */
  reason: DropReason;
  /** §3.3.2.1 its topic. */
  topic: string;
}

/** §4.8.2 A group, as far as a session knows it. */
export interface Rising {
  /** The session of a member can take more than before. */
  rise(member: Subscription): void;
}

/** Ends sessions when it is time. */
export interface SessionOwner {
  /** The Session Expiry Interval has run out [MQTT-4.1.0-2]. */
  expired(session: Session): void;
}

/** §4.1 One session; `due()` ends it. */
export class Session implements Deadline, SessionKey, Charged {
  heapIndex = -1;
  heapTime = 0;
  storeId = 0;
  readonly clientId: string;
  level: ProtocolLevel;
  /** The limits of the listener that the Client came by last. */
  limits: Limits;
  /** The Network Connection, undefined while there is none. */
  connection: Serving | undefined;
  /** User name and address of the Client that connected last. */
  #user: string | undefined;
  #address: string | undefined;
  #account: UserAccount | undefined;
  /** §5.4.2 undefined if there are no rules, or its Client has not connected since the start. */
  access: Access | undefined;
  /** When messages that wait expire; undefined if none ever did while it was durable. */
  expiry: Deadline | undefined;
  /** §3.1.2.11.2 seconds, 0 ends with the connection. */
  expirySeconds = 0;
  ended = false;
  /** It is that of another node (src/nodes): in no store and no list, without limits of Clients. */
  isNode = false;
  /** For the journal: the store has a record of the session. */
  recorded = false;
  /** For the journal: the store records the content of the session. The session has, or has had, a Session Expiry Interval above 0. */
  durable = false;
  readonly subscriptions: Map<string, Subscription> = new Map();
  /** The size of their Topic Filters, one byte for each UTF-16 unit. */
  subscriptionBytes = 0;
  /** §4.8.2 how many of them are shared. */
  shared = 0;
  /** Messages sent on an earlier connection and to be sent again on this one, in order [MQTT-4.4.0-1]. */
  resend: Queue<Delivery> | undefined;
  /** Retained messages that its subscriptions are still to get; undefined while there are none. */
  retainedDeliveries: Map<Subscription, RetainedDelivery> | undefined;
  /** For the turn: it is among the sessions whose retained deliveries can go on. */
  scheduled = false;
  /** Messages of its Shared Subscriptions that still come from members who are away (gather.ts). */
  gathering: Deadline | undefined;
  /** Undefined while it has got everything. */
  drops: Drops | undefined;
  #pendingWill: PendingWill | undefined;
  readonly #ledger: Ledger;
  /** Bytes of messages in flight that may have to be sent again. */
  #flightBytes = 0;
  #backlog: Backlog | undefined;
  #sender: Sender<Delivery> | undefined;
  #received: Receiver | undefined;
  /** §4.8.2 groups in which its subscriptions went down in rank, since it could not take a message. */
  #sunk: Map<Subscription, Rising> | undefined;
  /** Limits, and rules by which messages were discarded, that were reported since the last CONNECT. */
  #reported: Set<LimitName | Rule> | undefined;
  readonly #owner: SessionOwner;

  constructor(
    owner: SessionOwner,
    clientId: string,
    level: ProtocolLevel,
    limits: Limits,
    ledger: Ledger = new Ledger(),
  ) {
    this.#owner = owner;
    this.#ledger = ledger;
    this.clientId = clientId;
    this.level = level;
    this.limits = limits;
  }

  /** The user name of the Client that connected last. */
  get user(): string | undefined {
    return this.#user;
  }

  /** The address that it connected from. */
  get address(): string | undefined {
    return this.#address;
  }

  /** A Client of this user has connected from this address. */
  belongsTo(user: string | undefined, address: string | undefined): void {
    this.#ledger.sessions -= this.ownBytes;
    this.#user = user;
    this.#address = address;
    this.#ledger.sessions += this.ownBytes;
  }

  /** The counts of its user; undefined without a user name, and once it has ended. */
  get account(): UserAccount | undefined {
    return this.#account;
  }

  set account(account: UserAccount | undefined) {
    if (this.#account !== undefined) this.#account.sessions--;
    if (account !== undefined) account.sessions++;
    this.#account = account;
    this.#backlog?.charge(account);
  }

  /** The bytes that the messages which wait for room count for in `queuedBytesMax`. */
  get queuedBytes(): number {
    return this.#backlog === undefined ? 0 : this.#backlog.bytes;
  }

  /**
   * Whether its user may have no message of so many bytes waiting besides. A connected Client that keeps up is spared: it is not to
   * pay for other Clients of its user.
   */
  isUserFull(bytes: number): boolean {
    const { userQueuedBytesMax } = this.limits;
    if (this.#account === undefined || userQueuedBytesMax === 0) return false;
    if (this.#account.queuedBytes + bytes <= userQueuedBytesMax) return false;
    return this.connection === undefined || this.queuedBytes > MODEST_BYTES;
  }

  /** The memory that it takes without its content: bytes. */
  get ownBytes(): number {
    return OBJECT_BYTES.session + this.clientId.length + (this.#user === undefined ? 0 : this.#user.length);
  }

  /** The memory that its content takes, messages that others have too counted in full: bytes. */
  get contentBytes(): number {
    return this.subscriptionBytes + this.subscriptions.size * OBJECT_BYTES.subscription +
      (this.#backlog === undefined ? 0 : this.#backlog.residentBytes) + this.#flightBytes;
  }

  /** The will while it waits for its delay. */
  get pendingWill(): PendingWill | undefined {
    return this.#pendingWill;
  }

  set pendingWill(will: PendingWill | undefined) {
    this.#ledger.wills += willBytes(will?.will) - willBytes(this.#pendingWill?.will);
    this.#pendingWill = will;
  }

  /** A message is in flight from now on, and may have to be sent again. */
  sends({ message }: Delivery): void {
    this.#ledger.hold(message);
    this.#flightBytes += message.counted!;
  }

  /** Its exchange is over. */
  sent({ message }: Delivery): void {
    this.#flightBytes -= message.counted!;
    this.#ledger.release(message);
  }

  /** Whether it outlives its connection. */
  get persists(): boolean {
    return this.expirySeconds > 0;
  }

  /** Messages that wait for room. */
  get queued(): number {
    return this.#backlog === undefined ? 0 : this.#backlog.length;
  }

  /** The messages that wait for room; undefined if none has had to. */
  get backlog(): Backlog | undefined {
    return this.#backlog;
  }

  /** The same, made if need be. */
  needBacklog(): Backlog {
    return (this.#backlog ??= new Backlog(this.#ledger, this.#account));
  }

  /** §4.3 the open exchanges towards the Client; undefined if none was ever begun. */
  get sender(): Sender<Delivery> | undefined {
    return this.#sender;
  }

  /** The same, made if need be. */
  needSender(): Sender<Delivery> {
    return (this.#sender ??= new Sender());
  }

  /** §4.3.3 QoS 2 identifiers received and not yet released; undefined if none ever came. */
  get received(): Receiver | undefined {
    return this.#received;
  }

  /** The same, made if need be. */
  needReceived(): Receiver {
    return (this.#received ??= new Receiver());
  }

  /** Whether messages wait that its connection could take, or a group waits for it. */
  get hasMore(): boolean {
    return this.queued > 0 || this.resend !== undefined || this.retainedDeliveries !== undefined ||
      this.hasSunk;
  }

  /** §4.8.2 a group waits for it to take more. */
  get hasSunk(): boolean {
    return this.#sunk !== undefined;
  }

  /** §4.8.2 one of its subscriptions went down in rank in its group. */
  sinks(subscription: Subscription, group: Rising): void {
    (this.#sunk ??= new Map()).set(subscription, group);
  }

  /** A subscription is gone: it rises no more. */
  leaves(subscription: Subscription): void {
    if (this.#sunk?.delete(subscription) === true && this.#sunk.size === 0) this.#sunk = undefined;
  }

  /** §4.8.2 it can take more than before: its subscriptions rise again. Returns in how many groups. */
  rise(): number {
    const sunk = this.#sunk;
    if (sunk === undefined) return 0;
    this.#sunk = undefined;
    for (const [subscription, group] of sunk) group.rise(subscription);
    return sunk.size;
  }

  /** Whether so many QoS 1 or 2 messages may be sent now, in front of nothing that waits [MQTT-4.9.0-2] [MQTT-3.3.4-9]. */
  canSend(count: number): boolean {
    const { connection } = this;
    if (connection === undefined || this.queued > 0 || this.resend !== undefined) return false;
    return this.quota >= count && !connection.isFull && !(this.#ledger.isAbove && this.#hasMuch);
  }

  /** It holds more messages than a Client needs that keeps up. */
  get #hasMuch(): boolean {
    return (this.#backlog === undefined ? 0 : this.#backlog.residentBytes) + this.#flightBytes > MODEST_BYTES;
  }

  /** Whether memory has no room for a message that would wait in this session: nowhere but in memory, or it has many already. */
  isTight(isInMemory: boolean): boolean {
    return this.#ledger.isAbove && isInMemory && (this.connection === undefined || this.#hasMuch);
  }

  /** §4.9 QoS 1 and 2 messages that may still be sent on the connection there is. */
  get quota(): number {
    const inFlight = this.#sender === undefined ? 0 : this.#sender.inFlight;
    return this.connection === undefined ? 0 : this.connection.sendLimit - inFlight;
  }

  /** The Session Expiry Interval has run out. */
  due(): void {
    this.#owner.expired(this);
  }

  /** Whether this is to be reported: it has not been since the last CONNECT. */
  reports(reason: LimitName | Rule): boolean {
    if (this.#reported?.has(reason)) return false;
    (this.#reported ??= new Set()).add(reason);
    return true;
  }

  /** It does not get a message. */
  dropped(topic: string, reason: DropReason, at: number): void {
    const drops = this.drops ??= { count: 0, at, reason, topic };
    drops.count++;
    drops.at = at;
    drops.reason = reason;
    drops.topic = topic;
  }

  /** A connection serves it from now on. */
  serve(connection: Serving, limits: Limits): void {
    this.connection = connection;
    this.limits = limits;
    this.#reported = undefined;
  }

  /** Drops every message: a known topic may refer to an ended session for a while. */
  clear(): void {
    this.#backlog?.extract(() => true);
    this.#backlog?.forgetPaged();
    this.#sender?.each((_id, _step, delivery) => {
      if (delivery !== undefined) this.sent(delivery);
    });
    this.#backlog = undefined;
    this.#sender = undefined;
    this.#received = undefined;
  }

  /** The session for the store; `expiresAt` is undefined while it has a connection. */
  record(expiresAt: number | undefined): SessionRecord {
    const will = this.connection?.will ?? this.pendingWill?.will;
    return {
      clientId: this.clientId,
      user: this.user,
      address: this.address,
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

  /** How it is at present. */
  get stats(): SessionStats {
    return {
      user: this.user,
      address: this.address,
      isConnected: this.connection !== undefined,
      expirySeconds: this.expirySeconds,
      subscriptions: this.subscriptions.size,
      queued: this.queued,
      queuedBytes: this.queuedBytes,
      residentBytes: this.#backlog?.residentBytes ?? 0,
      pagedOut: this.#backlog?.paged ?? 0,
      inFlight: this.#sender?.inFlight ?? 0,
      exchanges: this.#sender?.open ?? 0,
      received: this.#received?.size ?? 0,
      retainedDeliveries: this.retainedDeliveries?.size ?? 0,
      hasPendingWill: this.pendingWill !== undefined,
    };
  }

  /** Compares the counters with the messages, and the fields with the presence of a connection. */
  assertInvariants(): void {
    const { connection } = this;
    this.#backlog?.assertInvariants();
    let released = 0;
    let sent = 0;
    let bytes = 0;
    this.#sender?.each((_id, step, delivery) => {
      if (delivery !== undefined) bytes += delivery.message.counted!;
      if (step === Step.PUBCOMP) released++;
      else if (step < Step.RESEND_1) sent++;
    });
    invariant(released + sent === (this.#sender?.inFlight ?? 0), "messages in flight");
    invariant(connection === undefined || sent <= connection.sendLimit, "Receive Maximum of the Client");
    invariant(
      connection !== undefined || this.resend === undefined,
      "nothing is sent again without a connection",
    );
    invariant(connection === undefined || this.heapIndex < 0, "a session with a connection does not expire");
    invariant(bytes === this.#flightBytes, "bytes of messages in flight");
    for (const one of this.#sunk?.keys() ?? []) {
      invariant(this.subscriptions.get(one.filter) === one, "a subscription that went down is there");
    }
  }
}
