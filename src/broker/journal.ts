/**
 * §4.1 The facts for the store, and the bytes that may not leave before the facts are safe.
 * Knows which facts are recorded, the commits, and the links that wait for one; refuses to know the purpose of a fact.
 *
 * A fact is recorded if its session is `durable`. The bytes that depend on facts are held: `mark` before, `holdSince()` behind the facts,
 * or `hold()` where the facts may be older. A commit begins at the end of a turn in which a link is held, or when facts
 * for which none is held have waited for `LAZY_COMMIT_MS`.
 * @module
 */
import { invariant } from "../codec/error.ts";
import { type Message, messageBytes } from "../delivery/message.ts";
import { Queue } from "../delivery/queue.ts";
import type { Link } from "../engine/link.ts";
import type { Deadline } from "../engine/timers.ts";
import { COST, type Postponed } from "./budget.ts";
import type { Delivery } from "./delivery.ts";
import type { Observer } from "./observer.ts";
import type { Session } from "./session.ts";
import type { DeliveryRecord, Later, SessionStore, SubscriptionRecord } from "./store.ts";
import type { Turn } from "./turn.ts";

/** Facts for which no link is held are made safe within this time: they cost a repeat at most, or some seconds of an interval. */
const LAZY_COMMIT_MS = 1_000;
/** After a commit that failed, this long until the next try. */
const RETRY_COMMIT_MS = 1_000;
/**
 * Facts for one commit; the bytes of messages count too. Above it a connection that causes facts is not read until the commit begins, so
 * that no other one waits long for its own.
 */
const FACTS_MAX = 4_096;
/** Bytes that count for a fact. */
const FACT_BYTES = 1024;
/** Bytes that a fact takes until it is safe, beside its message. */
const FACT_OBJECT_BYTES = 192;
/** `#committedFacts` after a failure: no recorded fact is safe. */
const NOTHING_SAFE = -1;

/** Other nodes, as far as bytes wait for them. */
export interface NodeHolds {
  /** Bytes written to the link from now on wait until other nodes have acknowledged what they have been sent so far. */
  hold(link: Link): void;
}

/** The facts of one broker. Without a store it records none, and holds nothing. */
export class Journal {
  readonly #store: SessionStore | undefined;
  readonly #turn: Turn;
  readonly #observer: Observer;
  /** Called when commits succeed again. */
  readonly #recovered: () => void;
  /** Facts recorded since the start. */
  #facts = 0;
  /** What was recorded or sent to other nodes since the start, and where the last of each stands in that. */
  #marks = 0;
  #lastFact = 0;
  #lastSent = 0;
  /** Other nodes of the same Server, if there are any. */
  nodes: NodeHolds | undefined;
  /** Of these, how many the last commit that began took with it. */
  #committedFacts = 0;
  /** What the next commit has to take: facts and bytes. */
  #weight = 0;
  /** The memory that the facts for the next commit take, and for the one under way: bytes. */
  #nextBytes = 0;
  #commitBytes = 0;
  readonly #waiting: Queue<Postponed> = new Queue();
  /** Commits that have begun, and of these the ones that failed, since the start. */
  #commits = 0;
  #failedCommits = 0;
  #committing = false;
  #failing = false;
  /** A commit is due though no link is held. */
  #due = false;
  /** Facts are to be made safe as soon as they are there. */
  #closing = false;
  readonly #lazy: Deadline = { heapIndex: -1, heapTime: 0, due: () => this.#due = true };
  /** Links that wait for the commit under way. */
  #heldNow: Link[] = [];
  /** Links that wait for the one after it. */
  #heldNext: Link[] = [];
  /** Durable sessions that have begun or ended, until that is safe: recorded for the commit under way. */
  #unsettledNow: Set<string> = new Set();
  /** The same for the one after it. */
  #unsettledNext: Set<string> = new Set();

  constructor(store: SessionStore | undefined, turn: Turn, observer: Observer, recovered: () => void) {
    this.#store = store;
    this.#turn = turn;
    this.#observer = observer;
    this.#recovered = recovered;
  }

  /** Whether there is a store at all. */
  get isKept(): boolean {
    return this.#store !== undefined;
  }

  /** Facts cannot be made safe at present: packets that need new facts are refused. */
  get failing(): boolean {
    return this.#failing;
  }

  /** Commits since the start. */
  get commits(): number {
    return this.#commits;
  }

  /** Of these, the ones that failed. */
  get failedCommits(): number {
    return this.#failedCommits;
  }

  /** Whether facts are recorded that are not safe. */
  get isUnsafe(): boolean {
    return this.#facts !== this.#committedFacts || this.#committing;
  }

  /** Whether a session of this Client has begun or ended, and a crash could undo that [MQTT-3.2.2-3]. */
  isUnsettled(clientId: string): boolean {
    return this.#unsettledNow.has(clientId) || this.#unsettledNext.has(clientId);
  }

  // Facts.

  /** The session is new or changed; `expiresAt` is undefined while it has a connection. */
  saved(session: Session): void {
    if (this.#store === undefined) return;
    if (session.persists && !session.durable) {
      session.durable = true;
      this.#unsettledNext.add(session.clientId);
    }
    const { connection } = session;
    if (!session.recorded && !session.durable && connection?.will === undefined) return;
    const expiresAt = session.heapIndex < 0 ? Infinity : session.heapTime;
    this.#store.saved(session, session.record(connection === undefined ? expiresAt : undefined));
    session.recorded = true;
    this.#told();
  }

  /** The session is over, with all that is in it. */
  dropped(session: Session): void {
    if (!session.recorded || this.#store === undefined) return;
    this.#store.dropped(session);
    if (session.durable) this.#unsettledNext.add(session.clientId);
    this.#told();
  }

  /** §3.8 A subscription is new or replaced. */
  subscribed(session: Session, record: SubscriptionRecord): void {
    const store = this.#storeFor(session);
    if (store === undefined) return;
    store.subscribed(session, record);
    this.#told();
  }

  /** §3.10 A subscription is gone. */
  unsubscribed(session: Session, filter: string): void {
    const store = this.#storeFor(session);
    if (store === undefined) return;
    store.unsubscribed(session, filter);
    this.#told();
  }

  /** §4.3 A message is on its way to the Client, or waits for it. */
  queued(session: Session, delivery: Delivery): void {
    const store = this.#storeFor(session);
    if (store === undefined) return;
    store.queued(session, delivery);
    this.#told(messageBytes(delivery.message));
  }

  /** It was sent, or released. */
  advanced(session: Session, delivery: Delivery): void {
    const store = this.#storeFor(session);
    if (store === undefined) return;
    store.advanced(session, delivery);
    this.#told();
  }

  /** It has come to its end. */
  finished(session: Session, delivery: Delivery): void {
    const store = this.#storeFor(session);
    if (store === undefined) return;
    store.finished(session, delivery);
    this.#told();
  }

  /** §3.3.2.3.3 The messages that only the store has and that expired at `until` or before are given up. */
  expired(session: Session, until: number): void {
    const store = this.#storeFor(session);
    if (store === undefined) return;
    store.expired(session, until);
    this.#told();
  }

  /** §4.3.3 A QoS 2 message came in under this identifier (true), or PUBREL for it (false). */
  received(session: Session, packetId: number, open: boolean): void {
    const store = this.#storeFor(session);
    if (store === undefined) return;
    store.received(session, packetId, open);
    this.#told();
  }

  /** §3.3.1.3 The topic's retained message is this one, or none. */
  retained(topic: string, message: Message | undefined): void {
    if (this.#store === undefined) return;
    this.#store.retained(topic, message);
    this.#told(message === undefined ? 0 : messageBytes(message));
  }

  /** The change of a retained message that was told has this stamp; 0: that is not needed any more. */
  stamped(topic: string, stamp: number): void {
    this.#store?.stamped?.(topic, stamp);
  }

  /** The store, if it is told what is in this session. */
  #storeFor(session: Session): SessionStore | undefined {
    return session.durable ? this.#store : undefined;
  }

  #told(bytes = 0): void {
    this.#facts++;
    this.#lastFact = ++this.#marks;
    const { budget } = this.#turn;
    budget.spend(COST.fact);
    this.#weight += 1 + Math.floor(bytes / FACT_BYTES);
    this.#nextBytes += FACT_OBJECT_BYTES + bytes;
    this.#turn.ledger.facts += FACT_OBJECT_BYTES + bytes;
    if (this.isFull) {
      budget.exhaust();
      this.#due = true;
    }
    if (this.#lazy.heapIndex < 0) this.#turn.timers.schedule(this.#lazy, this.#turn.now + LAZY_COMMIT_MS);
  }

  /** Whether the next commit takes no more: connections that cause facts wait. */
  get isFull(): boolean {
    return this.#weight >= FACTS_MAX && !this.#failing;
  }

  /** Has `work` go on when the next commit has begun. */
  postpone(work: Postponed): void {
    if (work.isPostponed) return;
    work.isPostponed = true;
    this.#waiting.push(work);
  }

  #release(): void {
    this.#weight = 0;
    for (let work = this.#waiting.shift(); work !== undefined; work = this.#waiting.shift()) {
      work.isPostponed = false;
      this.#turn.budget.postpone(work);
    }
  }

  /** A page of the messages that wait in a session, from `from` on. */
  pageIn(session: Session, from: number, messages: number, bytes: number): Later<readonly DeliveryRecord[]> {
    return this.#store === undefined ? [] : this.#store.load(session, from, messages, bytes);
  }

  // Links that wait for facts.

  /** For `holdSince()`: the facts so far, and what other nodes were sent. */
  get mark(): number {
    return this.#marks;
  }

  /** Facts recorded since the start. */
  get facts(): number {
    return this.#facts;
  }

  /** Another node is sent something, or is to be at the end of the turn, that an answer may have to wait for. */
  sentToNode(): void {
    this.#lastSent = ++this.#marks;
  }

  /** Whether another node was sent something since `mark`. */
  isSentSince(mark: number): boolean {
    return this.#lastSent > mark;
  }

  /** If facts were recorded since `mark`, or nodes were sent something, bytes written to the link from now on wait until that is safe. */
  holdSince(mark: number, link: Link): void {
    if (this.#marks === mark) return;
    if (this.#lastFact > mark) this.hold(link);
    if (this.#lastSent > mark) this.nodes!.hold(link);
  }

  /** Bytes written to the link from now on wait until the facts so far are safe. */
  hold(link: Link): void {
    if (link.hold()) this.#heldNext.push(link);
  }

  /** The facts so far are made safe at the end of this turn, although no link waits for them. */
  commitSoon(): void {
    this.#due = this.#facts !== this.#committedFacts && !this.#failing;
  }

  /** From now on facts are made safe at the end of each turn. */
  close(): void {
    this.#closing = true;
  }

  // Commits.

  /** Whether `commit()` is to be called at the end of this turn. */
  get isDue(): boolean {
    if (this.#committing) return false;
    if (this.#due || (this.#heldNext.length > 0 && !this.#failing)) return true;
    return this.#closing && !this.#failing && this.#facts !== this.#committedFacts;
  }

  /** Begins a commit; if that takes time, the turn gets a question. */
  commit(): void {
    this.#committing = true;
    this.#commits++;
    this.#due = false;
    this.#committedFacts = this.#facts;
    this.#commitBytes += this.#nextBytes; // what a commit that failed has left is there still
    this.#nextBytes = 0;
    this.#release();
    this.#turn.timers.cancel(this.#lazy);
    [this.#unsettledNow, this.#unsettledNext] = [this.#unsettledNext, this.#unsettledNow];
    this.#heldNow = this.#heldNext;
    this.#heldNext = [];
    for (const link of this.#heldNow) link.commitBegins();
    try {
      const later = this.#store?.commit();
      if (later === undefined) return this.#committed();
      this.#turn.ask({
        kind: "commit",
        later,
        answered: () => this.#committed(),
        rejected: (error) => this.#commitFailed(error),
      });
    } catch (error) {
      this.#commitFailed(error);
    }
  }

  #committed(): void {
    this.#committing = false;
    this.#turn.ledger.facts -= this.#commitBytes;
    this.#commitBytes = 0;
    const held = this.#heldNow;
    this.#heldNow = [];
    for (const link of held) link.committed();
    this.#unsettledNow.clear();
    if (!this.#failing) return;
    this.#failing = false;
    this.#observer.hooks.storeRecovered?.();
    this.#recovered();
  }

  /** Packets that depend on the facts may not be acknowledged. The next commit tries again, with the facts recorded since. */
  #commitFailed(error: unknown): void {
    this.#failedCommits++;
    this.#committing = false;
    this.#committedFacts = NOTHING_SAFE;
    this.#turn.timers.schedule(this.#lazy, this.#turn.now + RETRY_COMMIT_MS);
    this.#release();
    if (!this.#failing) {
      this.#failing = true;
      this.#observer.hooks.storeFailed?.(error);
    }
    for (const clientId of this.#unsettledNow) this.#unsettledNext.add(clientId);
    this.#unsettledNow.clear();
    const held = this.#heldNow;
    this.#heldNow = [];
    for (const link of held) link.commitFailed();
  }

  /** Compares the counters with the links and facts. */
  assertInvariants(): void {
    invariant(this.#committedFacts <= this.#facts, "no fact is safe that was not recorded");
    invariant(this.#turn.ledger.facts === this.#nextBytes + this.#commitBytes, "bytes of facts");
    invariant(this.#committing || this.#heldNow.length === 0, "a link waits for a commit that is under way");
    invariant(
      this.#committing || this.#unsettledNow.size === 0,
      "what is not settled waits for a commit that is under way",
    );
  }
}
