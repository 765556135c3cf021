/**
 * §3, §4 The Server as a pure machine: bytes, time and verdicts in; bytes, closes and events out.
 * Knows all connections, sessions and subscriptions; refuses to know sockets, clocks and files.
 * @module
 */
import { invariant, UsageError } from "../codec/error.ts";
import type { MessageProperties, QoS } from "../codec/packet.ts";
import { noStamp, type PublishStamp } from "../codec/publish_template.ts";
import { PublishView } from "../codec/publish_view.ts";
import { Reader } from "../codec/reader.ts";
import type { ReasonCode } from "../codec/reason_code.ts";
import { Writer } from "../codec/writer.ts";
import { FrameKeeper, type Message } from "../delivery/message.ts";
import { Queue } from "../delivery/queue.ts";
import { Receiver } from "../delivery/receiver.ts";
import { Step } from "../delivery/sender.ts";
import { BufferPool } from "../engine/outbox.ts";
import { type Random, seededRandom } from "../engine/random.ts";
import { type Deadline, Timers } from "../engine/timers.ts";
import { parseFilter, type TopicFilter } from "../topic/filter.ts";
import { isTopicName } from "../topic/name.ts";
import { FilterTree } from "../topic/tree.ts";
import type { Transport } from "../transport/transport.ts";
import { Unaliased } from "./alias.ts";
import { Connection, intervalMs, State } from "./connection.ts";
import { expiryOf, finished, messageInfo, outgoingOf, pump } from "./deliver.ts";
import { KnownTopics, type Subscriber } from "./known_topics.ts";
import { type LimitName, LIMITS, type Limits } from "./limits.ts";
import type {
  AuthenticationRequest,
  AuthorizationRequest,
  BrokerHooks,
  BrokerOptions,
  PeerInfo,
  Redirection,
  Refusal,
  Verdict,
} from "./options.ts";
import { deliverToOther, retain, route } from "./publish.ts";
import { loseReplays, RetainedCopy, runReplays, TURN_STEPS } from "./replay.ts";
import { Retained } from "./retained.ts";
import { Run } from "./run.ts";
import { type Delivery, Session } from "./session.ts";
import { SharedGroup } from "./shared.ts";
import type { Commit, DeliveryRecord, SessionStore, StoredSession } from "./store.ts";
import { subscribe, unsubscribe } from "./subscribe.ts";
import { revived, sleep } from "./waiting.ts";
import { frameOf, PendingWill, type ServerWill } from "./will.ts";

/** A message that the Server's owner publishes. */
export interface MessageInit {
  /** §3.3.2.1 Topic Name; `$`-topics are allowed. */
  readonly topic: string;
  /** A text is sent as UTF-8. */
  readonly payload: Uint8Array | string;
  /** Default 0. */
  readonly qos?: QoS;
  /** Default false. */
  readonly retain?: boolean;
  /** §3.3.2.3 for Clients of level 5. */
  readonly properties?: MessageProperties;
}

/** Facts that nobody waits for are made safe within this time: they cost a repeat at most, or some seconds of an interval. */
const LAZY_COMMIT_MS = 1_000;
/** After a commit that failed, this long until the next try. */
const RETRY_COMMIT_MS = 1_000;

/** Counts since the start. */
export interface Counters {
  /** PUBLISH packets from Clients. */
  received: number;
  /** Copies that did not reach a session. */
  dropped: number;
}

/** A Server at one moment: gauges, and counts since the start. */
export interface BrokerStats extends Readonly<Counters> {
  /** Connections that are not over, those without a CONNECT included. */
  readonly connections: number;
  /** Connections with an accepted CONNECT. */
  readonly connected: number;
  /** Sessions, those of Clients that are away included. */
  readonly sessions: number;
  /** Subscriptions of all sessions; a Shared Subscription counts once, however many members it has. */
  readonly subscriptions: number;
  readonly retainedMessages: number;
  readonly retainedBytes: number;
}

/** One Server. Two of them share nothing. All times are ms since the epoch, and never go back. */
export class Broker {
  /** As they were given. */
  readonly options: BrokerOptions;
  /** Those given over the defaults. */
  readonly limits: Limits;
  /** @internal */
  readonly hooks: BrokerHooks;
  /** @internal */
  readonly store: SessionStore | undefined;
  /** §3.2.2.3.4 */
  readonly maximumQos: QoS;
  /** @internal */
  readonly sessions: Map<string, Session> = new Map();
  /** @internal */
  readonly groups: Map<string, SharedGroup> = new Map();
  /** @internal */
  readonly tree: FilterTree<Subscriber>;
  /** @internal */
  readonly topics: KnownTopics;
  /** @internal */
  readonly retained: Retained;
  /** @internal */
  readonly timers: Timers = new Timers();
  /** Since the start. */
  readonly counters: Counters = { received: 0, dropped: 0 };
  /** Connections that are not over, those without a CONNECT included. */
  connections = 0;
  /** @internal Connections without an accepted CONNECT, the oldest first. */
  readonly connecting: Set<Connection> = new Set();
  /** @internal Refused and closing connections, the oldest first. */
  readonly closing: Set<Connection> = new Set();
  /** Connections with an accepted CONNECT. */
  connected = 0;
  /** No new connection is accepted. */
  stopping = false;

  // What follows is for the files of this folder.
  /** @internal */
  readonly pool: BufferPool = new BufferPool();
  /** @internal */
  readonly frames: FrameKeeper = new FrameKeeper();
  /** @internal */
  readonly reader: Reader = new Reader();
  /** @internal */
  readonly writer: Writer = new Writer();
  /** @internal */
  readonly view: PublishView = new PublishView();
  /** @internal */
  readonly run: Run = new Run();
  /** @internal */
  readonly unaliased: Unaliased = new Unaliased();
  /** @internal */
  readonly stamp: PublishStamp = noStamp();
  /** @internal Chunks received since bytes were written last. */
  chunks = 0;
  /** @internal The time of the call that is going on. */
  now = 0;
  /** @internal Whether PUBLISH frames may be passed on in runs: nobody wants to look at each. */
  readonly runs: boolean;
  /** @internal Facts told to the store. */
  facts = 0;
  /** @internal §4.3 the next number of a delivery or of a PUBREC. */
  nextOrder = 1;
  /** The store cannot make facts safe at present: what depends on that is refused. */
  failing = false;
  /** Runs what comes from outside of a call, at the present time. A driver puts itself in here. */
  outside: (action: (now: number) => void) => void = (action) => action(this.now);
  /** @internal */
  touched: Connection[] = [];
  /** @internal */
  doomed: Connection[] = [];
  /** @internal Sessions whose replays of retained messages can go on. */
  readonly replaying: Queue<Session> = new Queue();
  /** @internal What they may still do in this turn. */
  stepsLeft: number = TURN_STEPS;
  /** @internal The retained message that is being sent. */
  readonly copy: RetainedCopy = new RetainedCopy();
  /** @internal */
  readonly copyView: PublishView = new PublishView();
  /** @internal */
  heldNext: Connection[] = [];
  #heldNow: Connection[] = [];
  /** Durable sessions that are over, until that is safe: of the commit under way, and of the one after it. */
  #endedNow: Set<string> = new Set();
  #endedNext: Set<string> = new Set();
  #open: Set<Connection> = new Set();
  #committing = false;
  #committedFacts = 0;
  /** Somebody waits for a commit, or nobody but for long enough. */
  #commitDue = false;
  readonly #lazy: Deadline = { heapIndex: -1, heapTime: 0, due: () => this.#commitDue = true };
  #random: Random;

  /** Throws `UsageError` for a limit that does not exist or is out of range. */
  constructor(options: BrokerOptions = {}) {
    this.options = options;
    this.limits = limitsOf(options.limits ?? {});
    this.hooks = guarded(options.hooks ?? {});
    this.store = options.store;
    this.maximumQos = options.maximumQos ?? 2;
    this.#random = options.random ?? seededRandom(0);
    this.tree = new FilterTree(this.#random());
    this.topics = new KnownTopics(this.tree, this.limits.knownTopicsMax);
    this.runs = options.authorize === undefined && this.hooks.published === undefined &&
      this.hooks.delivered === undefined;
    this.retained = new Retained(this.timers, this.limits, this.#random(), (topic) => this.unretain(topic));
    if (this.store !== undefined) this.#restore(this.store);
  }

  /** A new connection; the caller then hands in what the transport tells. */
  opened(transport: Transport, peer: PeerInfo, now: number): Connection {
    this.now = now;
    if (this.connecting.size + this.closing.size >= this.limits.connectingMax) {
      const [oldest] = this.closing.size > 0 ? this.closing : this.connecting;
      oldest!.giveWay(now);
    }
    this.connections++;
    const connection = new Connection(this, transport, peer, now);
    this.#open.add(connection);
    this.connecting.add(connection);
    return connection;
  }

  /** How it is at present. */
  get stats(): BrokerStats {
    return {
      ...this.counters,
      connections: this.connections,
      connected: this.connected,
      sessions: this.sessions.size,
      subscriptions: this.tree.size,
      retainedMessages: this.retained.size,
      retainedBytes: this.retained.bytes,
    };
  }

  /** Whether `flush()` has something to do. */
  get dirty(): boolean {
    return this.urgent || this.replaying.length > 0;
  }

  /** Whether it has something to do that somebody waits for; the rest, which may take many turns, comes after all input. */
  get urgent(): boolean {
    return this.touched.length > 0 || this.doomed.length > 0 || this.#mustCommit;
  }

  get #mustCommit(): boolean {
    if (this.#committing) return false;
    const wanted = this.heldNext.length > 0 && !this.failing;
    return wanted || this.#commitDue ||
      (this.stopping && !this.failing && this.facts !== this.#committedFacts);
  }

  /** @internal Whether facts are told that are not safe. */
  get unsafe(): boolean {
    return this.facts !== this.#committedFacts || this.#committing;
  }

  /** @internal Whether a session of this Client has ended, and a crash could bring it back [MQTT-3.2.2-3]. */
  endsUnsafe(clientId: string): boolean {
    return this.#endedNow.has(clientId) || this.#endedNext.has(clientId);
  }

  /** @internal What the store has been told is made safe at the end of this turn, although nobody waits for it. */
  commitSoon(): void {
    this.#commitDue = this.facts !== this.#committedFacts && !this.failing;
  }

  /** @internal The store has been told something; who waits for it holds its connection. */
  told(): void {
    this.facts++;
    if (this.#lazy.heapIndex < 0) this.timers.schedule(this.#lazy, this.now + LAZY_COMMIT_MS);
  }

  /**
   * The end of a turn: every connection's bytes are written, those that depend on facts after these are safe.
   * If that takes time, the promise of the store's `commit()` is returned: call `committed()` when it resolves, or
   * `commitFailed()`.
   */
  flush(now: number): Commit {
    this.now = now;
    for (let i = 0; i < this.doomed.length; i++) this.doomed[i]!.end(this.doomed[i]!.doomed!, now);
    this.doomed.length = 0;
    if (this.replaying.length > 0) runReplays(this, now);
    this.stepsLeft = TURN_STEPS;
    const commit = this.#mustCommit ? this.#commit() : undefined;
    this.write(now);
    return commit;
  }

  /** @internal Writes every connection's bytes but those that wait for a commit. */
  write(now: number): void {
    this.chunks = 0;
    const touched = this.touched;
    this.touched = [];
    for (const connection of touched) {
      connection.dirty = false;
      connection.flush();
      if (connection.waiting) pump(connection, now); // there may be room now that the outbox is written
    }
  }

  /** The commit that `flush()` returned is done; call `flush()` soon. */
  committed(now: number): void {
    this.now = now;
    this.#committing = false;
    for (const connection of this.#heldNow) {
      connection.heldNow = Infinity;
      connection.outbox.limit = connection.heldNext;
      connection.touch();
    }
    this.#heldNow = [];
    this.#endedNow.clear();
    if (!this.failing) return;
    this.failing = false;
    this.hooks.storeRecovered?.();
    for (const connection of this.#open) {
      if (connection.state === State.OPEN && connection.session!.spilled > 0) connection.touch(); // it may be there by now
    }
  }

  /**
   * The commit failed: nothing that depends on it may be acknowledged, so those connections end. It is tried again, and
   * until that succeeds what needs the store is refused.
   */
  commitFailed(error: unknown, now: number): void {
    this.now = now;
    this.#committing = false;
    this.#committedFacts = -1;
    this.timers.schedule(this.#lazy, now + RETRY_COMMIT_MS);
    if (!this.failing) {
      this.failing = true;
      this.hooks.storeFailed?.(error);
    }
    for (const clientId of this.#endedNow) this.#endedNext.add(clientId);
    this.#endedNow.clear();
    const held = this.#heldNow;
    this.#heldNow = [];
    for (const connection of held) connection.endHeld(UNSAFE, now);
  }

  /** Does what is due at `now`. */
  ticked(now: number): void {
    this.now = now;
    this.timers.run(now);
  }

  /** When `ticked()` should be called next: ms since the epoch, Infinity if never. */
  nextDeadline(): number {
    return this.timers.next();
  }

  /**
   * Publishes as the Server itself; `$`-topics are allowed.
   * @throws {UsageError} for a topic, payload or property that cannot be sent.
   */
  publish(message: MessageInit, now: number): void {
    this.now = now;
    const { topic, qos = 0, retain = false, properties = {} } = message;
    if (!isTopicName(topic)) throw new UsageError(`${JSON.stringify(topic)} is not a Topic Name`);
    const payload = typeof message.payload === "string"
      ? new TextEncoder().encode(message.payload)
      : message.payload;
    const view = frameOf({ topic, payload, qos, retain }, properties, 5);
    this.#publish({ topic, view, expiresAt: expiryOf(view, now), publisher: undefined }, now);
  }

  /** Ends the connection of a Client, if it has one; false if not. */
  disconnect(clientId: string, reason: Refusal | Redirection, now: number): boolean {
    const connection = this.sessions.get(clientId)?.connection;
    if (connection === undefined) return false;
    this.now = now;
    if ("serverReference" in reason) {
      const refusal = {
        code: reason.code,
        rule: "policy/redirected",
        message: "Go to another Server",
      } as const;
      connection.end(refusal, now, reason.serverReference);
    } else connection.end(reason, now);
    return true;
  }

  /** Accepts nobody any more, and tells everybody (0x8B). The transports are over when `connections` is 0. */
  shutdown(now: number): void {
    this.now = now;
    this.stopping = true;
    const refusal = {
      code: 0x8b,
      rule: "limit/unavailable",
      message: "The Server is shutting down",
    } as const;
    for (const connection of [...this.#open]) {
      if (connection.state === State.OPEN) connection.end(refusal, now);
      else if (connection.state < State.OPEN) connection.shut(now);
    }
  }

  /** @internal Asks the owner, or lets everybody in. */
  authenticate(request: AuthenticationRequest, connection: Connection): Verdict | undefined {
    if (this.options.authenticate === undefined) return { code: 0 };
    return this.options.authenticate(request, connection);
  }

  /** @internal Asks the owner, or allows everything. An error is a no. */
  allows(request: AuthorizationRequest): ReasonCode {
    if (this.options.authorize === undefined) return 0;
    try {
      return this.options.authorize(request);
    } catch (error) {
      this.failed(error);
      return 0x87;
    }
  }

  /** @internal A limit bites; told once for each session and limit until the next connection. */
  limited(limit: LimitName, who: string, session: Session | undefined): void {
    if (session?.limited?.has(limit)) return;
    if (session !== undefined) (session.limited ??= new Set()).add(limit);
    this.hooks.limited?.(limit, who);
  }

  /** @internal A message goes nowhere and its Client is not told; the owner is, once for each rule until the next connection. */
  discarded({ session, client }: Connection, refusal: Refusal): void {
    const told = session!.limited ??= new Set();
    if (told.has(refusal.rule)) return;
    told.add(refusal.rule);
    this.hooks.discarded?.(client!, refusal);
  }

  /** An error that is ours. */
  failed(error: unknown): void {
    this.hooks.failed?.(error);
  }

  /** @internal A connection has ended for the engine; its transport may still be closing. */
  left(connection: Connection, clean: boolean, refusal: Refusal | undefined, now: number): void {
    const { session, client, will } = connection;
    connection.connect = undefined;
    connection.will = undefined;
    connection.aliasesIn = undefined;
    connection.aliasesOut = undefined; // [MQTT-3.3.2-7]
    if (session === undefined || client === undefined) return;
    connection.session = undefined;
    session.connection = undefined;
    session.resend = undefined;
    this.connected--;
    loseReplays(this, session);
    if (will !== undefined) this.#loseWill(session, will, now);
    this.hooks.disconnected?.(client, clean, refusal);
    if (!session.kept) return this.endSession(session, now);
    this.timers.schedule(session, now + intervalMs(session.expirySeconds)); // [MQTT-3.1.2-23]
    this.saved(session);
    this.#passOnQueued(session, now);
    sleep(session);
  }

  /** @internal The transport is over. */
  closed(connection: Connection, before: State, now: number): void {
    this.timers.cancel(connection);
    this.#open.delete(connection);
    this.connecting.delete(connection);
    this.closing.delete(connection);
    this.connections--;
    connection.outbox.clear();
    connection.deframer.discard();
    if (before === State.OPEN) this.left(connection, false, undefined, now);
  }

  /** §3.1.2.5 the will of a connection that ended without its Client's good-bye. */
  #loseWill(session: Session, will: ServerWill, now: number): void {
    if (will.delaySeconds === 0 || !session.kept) return this.publishWill(will, now); // [MQTT-3.1.2-8]
    session.pendingWill = new PendingWill(this, session, will);
    this.timers.schedule(
      session.pendingWill,
      now + Math.min(will.delaySeconds, session.expirySeconds) * 1000,
    );
  }

  /** @internal Publishes a will; its expiry counts from now. */
  publishWill({ message }: ServerWill, now: number): void {
    this.#publish({ ...message, expiresAt: expiryOf(message.view, now) }, now);
  }

  #publish(message: Message, now: number): void {
    const outgoing = outgoingOf(message);
    if (message.view.retain) {
      const limit = retain(this, outgoing); // [MQTT-3.1.2-15]
      if (limit !== undefined) this.limited(limit, message.publisher ?? "the Server", undefined);
    }
    const { bytes, at, topicAt, topicEnd } = outgoing.view;
    const topic = this.topics.find(bytes, topicAt, topicEnd);
    const publisher = message.publisher === undefined ? undefined : this.sessions.get(message.publisher);
    const receivers = route(this, outgoing, this.topics.match(topic), publisher, now);
    this.hooks.published?.(messageInfo(message.topic, outgoing.view, bytes[at]!), undefined, receivers);
  }

  /** @internal §4.1 a session is over. */
  endSession(session: Session, now: number): void {
    if (session.ended) return;
    invariant(session.connection === undefined, "a session ends after its connection");
    session.ended = true;
    this.timers.cancel(session);
    const will = session.pendingWill;
    if (will !== undefined) {
      this.timers.cancel(will);
      session.pendingWill = undefined;
      this.publishWill(will.will, now); // [MQTT-3.1.2-8]
    }
    this.sessions.delete(session.clientId);
    for (const subscription of [...session.subscriptions.values()]) unsubscribe(this, session, subscription);
    this.#passOnAll(session, now);
    session.clear();
    if (session.stored) {
      this.store!.dropped(session);
      if (session.durable) this.#endedNext.add(session.clientId);
      this.told();
    }
    this.hooks.sessionEnded?.(session.clientId);
  }

  /** @internal §3.14.2.2.2 the Client changes when its session ends. */
  setExpiry(session: Session, seconds: number): void {
    session.expirySeconds = seconds;
  }

  /** @internal Removes the retained message of a topic, if there is one. */
  unretain(topic: string): void {
    if (!this.retained.remove(topic) || this.store === undefined) return;
    this.store.retained(topic, undefined);
    this.told();
  }

  /** @internal Tells the store of a session that is new or changed. */
  saved(session: Session): void {
    if (this.store === undefined) return;
    if (session.kept) session.durable = true;
    const { connection } = session;
    if (!session.stored && !session.durable && connection?.will === undefined) return;
    this.store.saved(
      session,
      session.record(connection === undefined ? this.#expiresAt(session) : undefined),
    );
    session.stored = true;
    this.told();
  }

  #expiresAt(session: Session): number {
    return session.heapIndex < 0 ? Infinity : session.heapTime;
  }

  /** §4.8.2 what waits at a disconnected member goes to a connected one, if there is one. */
  #passOnQueued(session: Session, now: number): void {
    const others = session.extract(({ group }) =>
      group !== undefined && group.members.some((member) => member.session.connection !== undefined)
    );
    for (const delivery of others) {
      finished(this, session, delivery);
      deliverToOther(this, delivery, now);
    }
  }

  /** §4.8.2 what a member leaves behind for good goes to the others, but for QoS 2 messages already begun [MQTT-4.8.2-5]. */
  #passOnAll(session: Session, now: number): void {
    const left: Delivery[] = [];
    session.sender?.each((_id, step, delivery) => {
      if (delivery?.group !== undefined && (step === Step.PUBACK || step === Step.RESEND_1)) {
        left.push(delivery);
      }
    });
    left.sort((a, b) => a.order - b.order);
    left.push(...session.extract(({ group }) => group !== undefined));
    for (const delivery of left) deliverToOther(this, delivery, now);
  }

  #commit(): Commit {
    this.#committing = true;
    this.#commitDue = false;
    this.#committedFacts = this.facts;
    this.timers.cancel(this.#lazy);
    [this.#endedNow, this.#endedNext] = [this.#endedNext, this.#endedNow];
    this.#heldNow = this.heldNext;
    this.heldNext = [];
    for (const connection of this.#heldNow) {
      connection.heldNow = connection.heldNext;
      connection.heldNext = Infinity;
    }
    let commit: Commit;
    try {
      commit = this.store!.commit();
    } catch (error) {
      return this.commitFailed(error, this.now);
    }
    if (commit === undefined) this.committed(this.now);
    return commit;
  }

  /** @internal A Client Identifier that no session has [MQTT-3.2.2-16]. */
  newClientId(): string {
    for (;;) {
      let id = "auto-";
      for (let i = 0; i < 4; i++) id += this.#random().toString(36).padStart(7, "0");
      if (!this.sessions.has(id)) return id;
    }
  }

  /** Brings back what the store kept. Deadlines that have passed meanwhile fall due at the first `ticked()`. */
  #restore(store: SessionStore): void {
    for (const stored of store.sessions()) this.#restoreSession(stored);
    for (const message of store.retainedMessages()) this.retained.restore(message);
    this.nextOrder = store.lastOrder() + 1;
  }

  #restoreSession(stored: StoredSession): void {
    const { session: record, subscriptions, deliveries, received } = stored;
    const session = new Session(this, record.clientId, record.level);
    session.storeId = stored.storeId;
    this.sessions.set(session.clientId, session);
    for (const subscription of subscriptions) {
      subscribe(this, session, parseFilter(subscription.filter) as TopicFilter, subscription);
    }
    session.expirySeconds = record.expirySeconds;
    session.stored = true;
    session.durable = true; // not before: the store knows the subscriptions already
    for (const delivery of deliveries) this.#restoreDelivery(session, delivery);
    session.spill(stored.waiting);
    for (const id of received) (session.received ??= new Receiver()).add(id);
    if (record.will !== undefined) {
      const { message, delaySeconds, dueAt } = record.will;
      session.pendingWill = new PendingWill(this, session, { message, delaySeconds });
      if (dueAt !== undefined) this.timers.schedule(session.pendingWill, dueAt);
    }
    if (!session.kept) this.timers.schedule(session, 0); // it ended with its connection
    else if (record.expiresAt !== undefined) this.timers.schedule(session, record.expiresAt);
    else this.#loseAtFirstTick(session);
  }

  /** Who was connected when the Server ended has lost its connection: for us, at the first time we are told. */
  #loseAtFirstTick(session: Session): void {
    const will = session.pendingWill;
    const due = (now: number): void => {
      if (session.connection !== undefined || session.ended) return;
      if (session.heapIndex < 0) this.timers.schedule(session, now + intervalMs(session.expirySeconds));
      if (will !== undefined && will === session.pendingWill) {
        this.timers.schedule(will, now + Math.min(will.will.delaySeconds, session.expirySeconds) * 1000);
      }
      this.saved(session);
    };
    this.timers.schedule({ heapIndex: -1, heapTime: 0, due }, 0);
  }

  #restoreDelivery(session: Session, record: DeliveryRecord): void {
    const { packetId, released, share } = record;
    const filter = share === undefined ? undefined : parseFilter(share) as TopicFilter;
    const group = filter && (this.groups.get(filter.text) ?? new SharedGroup(filter)); // perhaps nobody is left in it
    const delivery = revived(record, group);
    if (packetId === 0) return session.enqueue(delivery);
    const open = delivery.qos === 1 ? Step.PUBACK : Step.PUBREC;
    session.exchanges().restore(packetId, released > 0 ? Step.PUBCOMP : open, delivery);
  }
}

/** Why a connection ends, or a packet is refused, while facts cannot be made safe. */
export const UNSAFE: Refusal = {
  code: 0x97,
  rule: "limit/store",
  message: "The Server cannot store anything at present",
};

/** The given limits over the defaults. */
function limitsOf(given: Partial<Limits>): Limits {
  const limits = {} as Record<LimitName, number>;
  for (const [name, row] of Object.entries(LIMITS) as [LimitName, typeof LIMITS[LimitName]][]) {
    const value = given[name] ?? row.default;
    if (!Number.isInteger(value) || value < row.least || value > row.most) {
      throw new UsageError(
        `Limit ${name} is ${value}: it takes a whole number from ${row.least} to ${row.most} (${row.unit})`,
      );
    }
    limits[name] = value;
  }
  for (const name of Object.keys(given)) {
    if (!(name in LIMITS)) throw new UsageError(`There is no limit ${JSON.stringify(name)}`);
  }
  return limits;
}

/** Every hook: those of an owner that is a class are not its own keys. */
const HOOKS: Readonly<Record<keyof BrokerHooks, true>> = {
  connected: true,
  disconnected: true,
  refused: true,
  subscribed: true,
  unsubscribed: true,
  published: true,
  delivered: true,
  dropped: true,
  denied: true,
  discarded: true,
  limited: true,
  sessionEnded: true,
  storeFailed: true,
  storeRecovered: true,
  failed: true,
};

/** Hooks whose exceptions stay with their owner. */
function guarded(hooks: BrokerHooks): BrokerHooks {
  const safe: Record<string, (...args: unknown[]) => void> = {};
  for (const name of Object.keys(HOOKS) as (keyof BrokerHooks)[]) {
    const hook = hooks[name] as ((...args: unknown[]) => void) | undefined;
    if (hook === undefined) continue;
    safe[name] = (...args) => {
      try {
        hook.apply(hooks, args);
      } catch (error) {
        if (name !== "failed") safe["failed"]?.(error);
      }
    };
  }
  return safe as BrokerHooks;
}
