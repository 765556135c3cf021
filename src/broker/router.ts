/**
 * §3.3.4, §3.3.1.3, §4.7, §4.8 Which sessions, groups and taps get a message, and which messages are retained.
 * Knows subscriptions and retained messages; refuses to know connections and packets.
 * @module
 */
import { invariant } from "../codec/error.ts";
import { encodeUtf8 } from "../codec/utf8.ts";
import type { QoS } from "../codec/packet.ts";
import type { PublishView } from "../codec/publish_view.ts";
import { type Message, messageBytes, SHARED_PAYLOAD_BYTES } from "../delivery/message.ts";
import { parseFilter, type TopicFilter } from "../topic/filter.ts";
import { hasWildcard } from "../topic/name.ts";
import { FilterTree } from "../topic/tree.ts";
import { type Budget, COST } from "./budget.ts";
import { type Deliverer, type Outgoing, outgoingOf } from "./deliver.ts";
import type { Delivery } from "./delivery.ts";
import type { Journal } from "./journal.ts";
import type { Nodes } from "./nodes.ts";
import { type KnownTopic, KnownTopics } from "./known_topics.ts";
import { type Ledger, OBJECT_BYTES } from "./ledger.ts";
import type { LimitName, Limits } from "./limits.ts";
import {
  type GroupsKnown,
  type Match,
  matchOf,
  type Subscriber,
  type Tap,
  type TappedMessage,
  type Target,
} from "./match.ts";
import { type Observer, watch } from "./observer.ts";
import { Retained } from "./retained.ts";
import { endRetainedDelivery, RetainedDeliveries } from "./retained_deliveries.ts";
import { type Session, Subscription } from "./session.ts";
import { SharedGroup, type Without } from "./shared.ts";
import type { SubscriptionRecord } from "./store.ts";
import type { Turn } from "./turn.ts";

/** The other parts, and options. */
export interface RouterOptions {
  readonly turn: Turn;
  readonly journal: Journal;
  readonly observer: Observer;
  readonly deliverer: Deliverer;
  readonly limits: Limits;
  /** For hashes that no peer can foresee. */
  readonly random: () => number;
}

/** All subscriptions and retained messages of a broker. */
export class Router {
  readonly #turn: Turn;
  readonly #budget: Budget;
  readonly #ledger: Ledger;
  readonly #journal: Journal;
  readonly #observer: Observer;
  readonly #deliverer: Deliverer;
  readonly #tree: FilterTree<Subscriber>;
  readonly #topics: KnownTopics;
  readonly #groups: Map<string, SharedGroup> = new Map();
  /** §4.8.2 how often members came, went, connected first or disconnected last. */
  #groupChanges = 0;
  readonly #groupChanged = (): void => void this.#groupChanges++;
  readonly #groupAndNodesChanged = (group: SharedGroup): void => {
    this.#groupChanges++;
    this.nodes!.groupChanged(group);
  };
  readonly #retained: Retained;
  readonly #retainedDeliveries: RetainedDeliveries;
  #subscriptions = 0;
  /** Other nodes of the same Server, if there are any. */
  nodes: Nodes | undefined;

  constructor({ turn, journal, observer, deliverer, limits, random }: RouterOptions) {
    this.#turn = turn;
    this.#budget = turn.budget;
    this.#ledger = turn.ledger;
    this.#journal = journal;
    this.#observer = observer;
    this.#deliverer = deliverer;
    this.#tree = new FilterTree(random());
    this.#topics = new KnownTopics(this.#tree, limits.knownTopicsMax, turn.budget, turn.ledger);
    this.#retained = new Retained(
      turn.timers,
      limits,
      random(),
      (topic) => this.#retainedExpired(topic),
      turn.ledger,
    );
    this.#retainedDeliveries = new RetainedDeliveries(turn, this.#retained, deliverer);
  }

  /** The limits have changed; retained messages that are there stay. */
  limit(limits: Limits): void {
    this.#retained.limit(limits);
  }

  // Topics.

  /**
   * §4.7 The topic whose name is `bytes[at, end)`.
   * @throws {PeerError} if that is no Topic Name.
   */
  find(bytes: Uint8Array, at: number, end: number): KnownTopic {
    return this.#topics.find(bytes, at, end);
  }

  /** Forgets the topics that are remembered. */
  forgetTopics(): void {
    this.#topics.clear();
  }

  /** The present subscribers of a topic. */
  match(topic: KnownTopic): Match {
    return this.#topics.match(topic);
  }

  /** Names of topics that were used lately, and undefined where none is remembered. */
  topicNames(): Iterator<string | undefined> {
    return this.#topics.names();
  }

  // Subscriptions.

  /** Subscribers of a topic one by one, for a caller who may have enough; meanwhile nothing may come or go. */
  subscribersOf(topic: string): Iterable<Subscriber> {
    return this.#tree.each(topic);
  }

  /** Subscriptions there are. */
  get subscriptions(): number {
    return this.#subscriptions;
  }

  /** §4.8.2 Groups there are. */
  get groups(): number {
    return this.#groups.size;
  }

  /** Subscribers in the tree: subscriptions, groups and taps. */
  get subscribers(): number {
    return this.#tree.size;
  }

  /** §4.8.2 The group of a Shared Subscription, if it has members. */
  group(share: string): SharedGroup | undefined {
    return this.#groups.get(share);
  }

  /** Makes or replaces a subscription [MQTT-3.8.4-3]. */
  subscribe(session: Session, filter: TopicFilter, record: SubscriptionRecord): Subscription {
    let subscription = session.subscriptions.get(filter.text);
    const before = subscription === undefined ? -1 : subscription.qos;
    if (subscription === undefined) {
      subscription = new Subscription(session, filter.text);
      subscription.set(record);
      session.subscriptions.set(filter.text, subscription);
      session.subscriptionBytes += filter.text.length;
      this.#ledger.subscriptions += OBJECT_BYTES.subscription + filter.text.length;
      this.#subscriptions++;
      if (filter.share === undefined) this.#add(filter.match, filter.wildcard, subscription);
      else {
        this.#groupOf(filter).join(subscription);
        session.shared++;
      }
    } else {
      // In place, so that it is never out of the tree: [MQTT-3.8.4-4]
      subscription.set(record);
      this.#groups.get(filter.text)?.rise(subscription);
      this.#topics.changed(filter.match, filter.wildcard); // the QoS that several filters grant together may change
    }
    this.#journal.subscribed(session, record);
    if (this.nodes !== undefined && !session.isNode) this.nodes.changed(filter, before, record.qos);
    return subscription;
  }

  #groupOf(filter: TopicFilter): SharedGroup {
    let group = this.#groups.get(filter.text);
    if (group === undefined) {
      group = this.nodes === undefined
        ? new SharedGroup(filter, this.#groupChanged)
        : new SharedGroup(filter, this.#groupAndNodesChanged);
      this.#ledger.subscriptions += OBJECT_BYTES.group + filter.text.length;
      this.#groups.set(filter.text, group);
      this.#add(filter.match, filter.wildcard, group);
    }
    return group;
  }

  #add(filter: string, wildcard: boolean, subscriber: Subscriber): void {
    this.#tree.add(filter, subscriber);
    this.#topics.changed(filter, wildcard);
  }

  /** Removes a subscription, from its session too. */
  unsubscribe(session: Session, subscription: Subscription): void {
    session.subscriptionBytes -= subscription.filter.length;
    this.#ledger.subscriptions -= OBJECT_BYTES.subscription + subscription.filter.length;
    session.subscriptions.delete(subscription.filter); // exchanges with the Client go on: [MQTT-3.10.4-3]
    this.#subscriptions--;
    endRetainedDelivery(session, subscription); // [MQTT-3.10.4-2]
    const { filter } = subscription;
    if (this.nodes !== undefined && !session.isNode) {
      this.nodes.changed(parseFilter(filter) as TopicFilter, subscription.qos, -1);
    }
    if (!subscription.isShared) return this.#remove(filter, subscription);
    const group = this.#groups.get(filter)!;
    group.leave(subscription);
    session.leaves(subscription);
    session.shared--;
    if (group.size > 0) return;
    this.#groups.delete(filter);
    this.#ledger.subscriptions -= OBJECT_BYTES.group + filter.length;
    this.#remove(group.filter.match, group);
  }

  /** §4.8.2 a session has a connection from now on. */
  connected(session: Session): void {
    for (const [member, group] of this.#shared(session)) group.connected(member);
  }

  /** §4.8.2 it has none from now on. */
  disconnected(session: Session): void {
    for (const [member, group] of this.#shared(session)) group.disconnected(member);
  }

  *#shared(session: Session): Iterable<[Subscription, SharedGroup]> {
    if (session.shared === 0) return;
    this.#budget.spend(session.subscriptions.size);
    for (const member of session.subscriptions.values()) {
      const group = this.#groups.get(member.filter);
      if (group !== undefined) yield [member, group];
    }
  }

  #remove(filter: string, subscriber: Subscriber): void {
    this.#tree.remove(filter, subscriber);
    this.#topics.changed(filter, hasWildcard(filter));
  }

  /** Adds a receiver inside the process. */
  tap(tap: Tap): void {
    this.#add(tap.filter, hasWildcard(tap.filter), tap);
    this.nodes?.changed(parseFilter(tap.filter) as TopicFilter, -1, 2);
  }

  /** Takes it away. */
  untap(tap: Tap): void {
    this.#remove(tap.filter, tap);
    this.nodes?.changed(parseFilter(tap.filter) as TopicFilter, 2, -1);
  }

  // Retained messages.

  /** The retained messages, to be looked at. */
  get retained(): Retained {
    return this.#retained;
  }

  /** Retained messages there are. */
  get retainedMessages(): number {
    return this.#retained.size;
  }

  /** The bytes that they count for in `retainedBytesMax`. */
  get retainedBytes(): number {
    return this.#retained.bytes;
  }

  /** §3.3.1.3 on their way to new subscriptions. */
  get retainedDeliveries(): RetainedDeliveries {
    return this.#retainedDeliveries;
  }

  /** A retained message of the store. */
  restoreRetained(message: Message): void {
    this.#retained.restore(message);
  }

  /** §3.3.1.3 keeps or removes the retained message of a topic; names the limit that forbids to keep it. */
  retain(outgoing: Outgoing): LimitName | undefined {
    const { topic, view } = outgoing;
    if (view.payloadLength === 0) { // [MQTT-3.3.1-6] [MQTT-3.3.1-7]
      this.unretain(topic);
      return undefined;
    }
    const isKept = this.#journal.isKept || view.payloadLength >= SHARED_PAYLOAD_BYTES;
    const message = isKept ? this.#deliverer.keep(outgoing) : undefined;
    const limit = this.#retained.set(outgoing);
    if (limit !== undefined) return limit;
    if (this.nodes === undefined) this.#journal.retained(topic, message);
    else this.nodes.retained(topic, outgoing, message);
    return undefined;
  }

  /** The limit that would forbid to retain this message. */
  retainLimit({ view, publisher }: Pick<Outgoing, "view" | "publisher">): LimitName | undefined {
    return view.payloadLength === 0 ? undefined : this.#retained.limitFor({ view, publisher });
  }

  /** Keeps the last message of one of the Server's own topics for new subscriptions; it is in no store. */
  show(message: Outgoing): void {
    this.#retained.set(message);
  }

  /** Keeps it no longer. */
  hide(topic: string): void {
    this.#retained.remove(topic);
  }

  /** The subscribers of a topic, found anew: nothing is remembered. */
  look(topic: string): Match {
    const found: Subscriber[] = [];
    this.#tree.match(topic, found);
    return matchOf(found);
  }

  /** §4.8.2 the groups that a message of this QoS is offered to. */
  groupsOffered({ groups }: Match, qos: QoS): readonly SharedGroup[] {
    if (this.#observer.hooks.dropped !== undefined) return groups;
    return groups.filter((group) => qos === 0 ? group.isConnected : group.isHearing);
  }

  /** Whether anything would get a message of this topic. */
  isRead(topic: string): boolean {
    const bytes = encodeUtf8(topic)!;
    const match = this.match(this.find(bytes, 0, bytes.length));
    return !match.isEmpty || match.taps.length > 0;
  }

  /** Removes the retained message of a topic, if there is one. */
  unretain(topic: string): void {
    if (!this.#retained.remove(topic)) return;
    if (this.nodes === undefined) this.#journal.retained(topic, undefined);
    else this.nodes.retained(topic, undefined, undefined);
  }

  /** §3.3.2.3.3 At every node by itself: there is nothing to tell. */
  #retainedExpired(topic: string): void {
    this.#retained.remove(topic);
    this.nodes?.retainedExpired(topic);
    if (this.nodes === undefined || this.nodes.keeps(topic)) this.#journal.retained(topic, undefined);
  }

  /** Another node says what is retained on a topic; the limits were looked at there. `isKept`: it goes to the store of this one. */
  retainForNode(topic: string, message: Message | undefined, isKept: boolean): void {
    if (message === undefined) this.#retained.remove(topic);
    else this.#retained.restore(message);
    if (isKept) this.#journal.retained(topic, message);
  }

  // Routing.

  /** §4.8.2 the groups of a match that can take so many messages of this QoS, as far as is known; the others count as dropped. */
  groupsFor(match: Match, qos: QoS, messages: number): readonly SharedGroup[] {
    if (match.groups.length === 0 || this.#observer.hooks.dropped !== undefined) return match.groups;
    const { connected, hearing, hasFullKeeper } = this.#known(match);
    const groups = qos === 0 ? connected : hearing;
    this.#observer.dropped += (match.groups.length - groups.length) * messages;
    if (qos > 0 && hasFullKeeper) this.#deliverer.limited++;
    return groups;
  }

  /**
   * Whether a session may get more than one copy of each message: then the copies of one message go before those of the next
   * [MQTT-4.6.0-5].
   */
  givesSeveral(match: Match): boolean {
    const known = this.#known(match);
    return known.severalCopies ??= givesSeveral(match);
  }

  #known(match: Match): GroupsKnown {
    if (match.groupsKnown?.at === this.#groupChanges) return match.groupsKnown;
    this.#budget.spend(match.groups.length);
    const { groups } = match;
    return match.groupsKnown = {
      at: this.#groupChanges,
      connected: groups.filter(({ isConnected }) => isConnected),
      hearing: groups.filter(({ isHearing }) => isHearing),
      hasFullKeeper: groups.some((group) => group.isDeaf && group.hasKeeper()),
      severalCopies: undefined,
    };
  }

  /** Brings a message to every subscriber [MQTT-4.5.0-1]; returns how many sessions took it. `origin` does not get it. */
  route(outgoing: Outgoing, match: Match, publisher: Session | undefined, origin?: Tap): number {
    let receivers = 0;
    this.#budget.spend(match.steps * COST.alone);
    const isFromNode = publisher !== undefined && publisher.isNode;
    for (const target of match.targets) {
      if (target.noLocal && target.session === publisher) { // [MQTT-3.8.3-3]
        if (target.others !== undefined && this.#toTarget(outgoing, target.others)) receivers++;
      } else if (this.#toTarget(outgoing, target)) receivers++;
    }
    if (!isFromNode) { // else the node that it comes from has seen to groups and other nodes
      for (const group of this.groupsFor(match, outgoing.view.qos, 1)) {
        if (this.toGroup(outgoing, group)) receivers++;
      }
      if (match.nodes.length > 0) receivers += this.#toNodes(outgoing, match);
    }
    this.#turn.spendFresh();
    if (match.taps.length > 0) this.toTaps(outgoing, match, origin);
    return receivers;
  }

  /** One copy for each other node with a match; an answer of QoS 1 or 2 waits until these have it. */
  #toNodes(outgoing: Outgoing, { nodes }: Match): number {
    let receivers = 0;
    if (outgoing.view.qos > 0) this.#journal.sentToNode();
    for (const target of nodes) if (this.#toTarget(outgoing, target)) receivers++;
    return receivers;
  }

  /** §3.3.4 one copy for all of a session's subscriptions that match. */
  #toTarget(outgoing: Outgoing, target: Target): boolean {
    const { view } = outgoing;
    const { session } = target;
    const qos = Math.min(view.qos, target.qos) as QoS; // [MQTT-3.8.4-8] [MQTT-3.3.4-2]
    const retain = view.retain && target.retainAsPublished; // [MQTT-3.3.1-12] [MQTT-3.3.1-13]
    if (session.retainedDeliveries !== undefined) {
      target.each((each) => this.#retainedDeliveries.overtake(each, view, view, qos));
    }
    return this.#deliverer.deliver(outgoing, session, qos, retain, target.identifiers, undefined);
  }

  /** §4.8.2 to one member of the group. */
  toGroup(outgoing: Outgoing, group: SharedGroup, without?: Without): boolean {
    const { view, topic } = outgoing;
    const member = group.choose(outgoing, this.#deliverer, without);
    if (member === undefined) {
      if (group.hasKeeper(topic)) this.#deliverer.limited++; // one that could keep it, had it room
      this.#observer.drop(topic, view, group.filter.text, "no member");
      return false;
    }
    const qos = Math.min(view.qos, member.qos) as QoS; // [MQTT-4.8.2-3]
    const retain = view.retain && member.retainAsPublished;
    const { session, identifiers } = member;
    if (session.isNode && qos > 0) this.#journal.sentToNode();
    return this.#deliverer.deliver(outgoing, session, qos, retain, identifiers, group.filter.text); // [MQTT-3.3.4-5]
  }

  /**
   * §4.8.2 a message that a member cannot finish goes to another one, if there is any. `refused` remembers the bytes of the smallest
   * message that no member of a group could take: none could take a larger one.
   */
  toOtherMember({ message, share = "" }: Delivery, now: number, refused: Map<string, number>): void {
    const bytes = messageBytes(message);
    const isRefused = bytes >= (refused.get(share) ?? Infinity);
    this.#budget.spend(isRefused ? 1 : COST.group + COST.alone);
    if (isRefused || message.expiresAt <= now) {
      const why = isRefused ? "no member" : "expired";
      this.#observer.drop(message.topic, message.view, share, why);
      return;
    }
    const group = this.#groups.get(share) ??
      new SharedGroup(parseFilter(share) as TopicFilter, () => {}); // perhaps none is left in it
    if (!this.toGroup(outgoingOf(message), group)) refused.set(share, bytes);
  }

  /** To every tap that matches but its origin. */
  toTaps({ topic, view, publisher }: TappedMessage, { taps }: Match, origin?: Tap): void {
    for (const tap of taps) {
      if (tap === origin) continue;
      try {
        watch(tap.received({ topic, view, publisher }), this.#observer.failed);
      } catch (error) {
        this.#observer.failed(error);
      }
    }
  }

  /** §4.6 before a live message on a topic: the retained one that is still to come to these subscriptions. */
  overtake(target: Target, { bytes }: KnownTopic, live: PublishView | undefined, qos: QoS): void {
    const topic = { bytes, topicAt: 0, topicEnd: bytes.length };
    target.each((each) => this.#retainedDeliveries.overtake(each, topic, live, qos));
  }

  /** The memory that groups, retained messages and remembered topics take, counted anew: bytes. */
  counted(): { groups: number; retained: number; topics: number; payloads: number } {
    let groups = 0;
    for (const filter of this.#groups.keys()) groups += OBJECT_BYTES.group + filter.length;
    const { largeFrames, largeCount } = this.#retained;
    return {
      groups,
      retained: this.#retained.bytes - largeFrames,
      topics: this.#topics.bytes,
      payloads: largeCount,
    };
  }

  /** Compares the counters with subscriptions and groups; `sessions` are all there are. */
  assertInvariants(sessions: Iterable<Session>): void {
    let all = 0;
    let shared = 0;
    for (const { subscriptions } of sessions) {
      all += subscriptions.size;
      for (const subscription of subscriptions.values()) if (subscription.isShared) shared++;
    }
    let members = 0;
    for (const group of this.#groups.values()) {
      invariant(group.size > 0, "a group has members");
      members += group.size;
    }
    invariant(all === this.#subscriptions, "subscriptions");
    invariant(members === shared, "members of groups");
    this.#retained.assertInvariants();
  }
}

/** Whether a session is among the targets and in a group, or in two groups. */
function givesSeveral({ targets, groups }: Match): boolean {
  if (targets.length === 0 && groups.length === 1) return false;
  const sessions = new Set<Session>();
  for (const { session } of targets) sessions.add(session);
  for (const { members } of groups) {
    for (const { session } of members) {
      if (sessions.has(session)) return true;
      sessions.add(session);
    }
  }
  return false;
}
