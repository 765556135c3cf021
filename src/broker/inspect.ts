/**
 * What a Server holds, for its owner to look at in pages: Clients, sessions, subscriptions, retained messages, topics, queues.
 * Knows which entry is shown how, and how many a call may look at; refuses to know who asks, and to change anything.
 *
 * A call looks at no more entries than it is told, so that a million sessions hold nobody up. What it has not come to, the next one
 * goes on with, by a cursor: a walk that is kept where it stands. An entry that is there from the first page to the last is given once,
 * whatever comes and goes meanwhile. Nothing is kept for that in what is looked at, and nothing is counted while no one looks.
 * @module
 */
import { decodeUtf8, encodeUtf8 } from "../codec/utf8.ts";
import type { ProtocolLevel, QoS } from "../codec/packet.ts";
import { PublishView } from "../codec/publish_view.ts";
import { secondsLeft } from "../delivery/message.ts";
import { Step } from "../delivery/sender.ts";
import type { Deadline } from "../engine/timers.ts";
import { matches, parseFilter } from "../topic/filter.ts";
import { SEPARATOR } from "../topic/name.ts";
import { NONE } from "../topic/name_tree.ts";
import type { TransportKind } from "../transport/peer.ts";
import type { Connection } from "./connection.ts";
import type { Connections } from "./connections.ts";
import type { Delivery } from "./delivery.ts";
import { MORE } from "../topic/name_cursor.ts";
import type { Open } from "./open.ts";
import type { Retained } from "./retained.ts";
import type { Router } from "./router.ts";
import { NEVER_EXPIRES, type Session, Subscription } from "./session.ts";
import type { Sessions } from "./sessions.ts";
import { SharedGroup } from "./shared.ts";
import type { Turn } from "./turn.ts";

/** A part of a list. */
export interface Page<T> {
  /** In no order that means something. */
  readonly items: readonly T[];
  /** The cursor of what follows; null at the end. */
  readonly next: string | null;
}

/** Which part is asked for. */
export interface PageAsk {
  /** The most items. */
  readonly limit: number;
  /** The most entries to look at; a page may have fewer items for that, and a cursor. */
  readonly looks: number;
  /** `next` of the page before; good once, and as long as its walk is kept. */
  readonly after?: string | undefined;
}

/** A Client that is connected. */
export interface ClientView {
  /** §3.1.3.1 */
  readonly clientId: string;
  /** §3.1.3.5; null without one. */
  readonly user: string | null;
  /** Where it comes from. */
  readonly address: string;
  /** 0 where there is none. */
  readonly port: number;
  /** What carries its bytes. */
  readonly transport: TransportKind;
  /** §3.1.2.2 */
  readonly level: ProtocolLevel;
  /** §3.1.2.10 s, 0 is off. */
  readonly keepAlive: number;
  /** §3.1.2.4 */
  readonly cleanStart: boolean;
  /** When its CONNECT was accepted: ms since the epoch. */
  readonly since: number;
  /** Topic Filters. */
  readonly subscriptions: number;
  /** QoS 1 and 2 messages that wait for room. */
  readonly queued: number;
  /** Of QoS 1 and 2, sent and not acknowledged. */
  readonly inFlight: number;
  /** §3.1.2.11.3 messages that may be in flight, by the Client's word and ours. */
  readonly receiveMaximum: number;
  /** Written to it since it connected. */
  readonly bytesOut: number;
  /** Of these, waiting for it to read them. */
  readonly waitingBytes: number;
}

/** A session. */
export interface SessionView {
  /** §3.1.3.1 */
  readonly clientId: string;
  /** Of the Client that connected last; null without one. */
  readonly user: string | null;
  /** It connected from there; null if that is not known. */
  readonly address: string | null;
  /** §3.1.2.2 of the Client that connected last. */
  readonly level: ProtocolLevel;
  /** §4.2 whether a Network Connection serves it. */
  readonly connected: boolean;
  /** §3.1.2.11.2 s; null is never. */
  readonly expiry: number | null;
  /** When it ends, if its Client stays away: ms since the epoch; null while it is connected, and for never. */
  readonly expiresAt: number | null;
  /** Topic Filters. */
  readonly subscriptions: number;
  /** QoS 1 and 2 messages that wait for room. */
  readonly queued: number;
  /** The bytes that they count for in `queuedBytesMax`. */
  readonly queuedBytes: number;
  /** How many of them are in the store alone. */
  readonly stored: number;
  /** §4.4 exchanges towards the Client that are not over. */
  readonly exchanges: number;
  /** §3.1.2.5 the topic of its Will; null without one. */
  readonly will: string | null;
}

/** A subscription. */
export interface SubscriptionView {
  /** §3.1.3.1 of the session. */
  readonly clientId: string;
  /** §4.7 */
  readonly filter: string;
  /** §3.8.3.1 the highest QoS. */
  readonly qos: QoS;
  /** §3.8.3.1 not of its own messages. */
  readonly noLocal: boolean;
  /** §3.8.3.1 with RETAIN as it was published. */
  readonly retainAsPublished: boolean;
  /** §3.8.3.1 when retained messages are sent. */
  readonly retainHandling: 0 | 1 | 2;
  /** §3.8.2.1.2; null without one. */
  readonly identifier: number | null;
  /** §4.8.2 the ShareName; null for one that is not shared. */
  readonly share: string | null;
}

/** A retained message. */
export interface RetainedView {
  /** §3.3.2.1 Topic Name. */
  readonly topic: string;
  /** Of the PUBLISH. */
  readonly qos: QoS;
  /** Of the payload. */
  readonly bytes: number;
  /** s left; null is never. */
  readonly expiry: number | null;
  /** Client Identifier; null for the Server, and for a message from a store that does not say. */
  readonly publisher: string | null;
}

/** The same, with what is in it. */
export interface RetainedMessageView extends RetainedView {
  /** What was published. */
  readonly payload: Uint8Array;
}

/** Where a QoS 1 or 2 message stands: it waits; it is sent; it was sent on an earlier connection, and is to be sent again; PUBREL is sent. */
export type QueuedState = "waiting" | "sent" | "again" | "released";

/** A message on its way to one session. */
export interface QueuedView {
  /** §3.3.2.1 Topic Name. */
  readonly topic: string;
  /** At which it is sent. */
  readonly qos: 1 | 2;
  /** With which it is sent. */
  readonly retain: boolean;
  /** Of the payload. */
  readonly bytes: number;
  /** s left; null is never. */
  readonly expiry: number | null;
  /** Client Identifier; null for the Server, and where it is not known. */
  readonly publisher: string | null;
  /** §4.8.2 the filter of the Shared Subscription that it came by; null for another. */
  readonly share: string | null;
  /** How far it has come. */
  readonly state: QueuedState;
  /** §2.2.1; null until it is sent. */
  readonly packetId: number | null;
}

/** The same, with what is in it. */
export interface QueuedMessageView extends QueuedView {
  /** What was published; good until the engine goes on. */
  readonly payload: Uint8Array;
}

/** One level below another one: of topics with a retained message, and of topics that were used lately. */
export interface TopicLevelView {
  /** The level alone. */
  readonly name: string;
  /** With all levels above it. */
  readonly topic: string;
  /** Other topics are below it. */
  readonly hasChildren: boolean;
  /** Topics with a retained message, it and those below it, counted up to `TOPICS_COUNTED_MAX`. */
  readonly retained: number;
  /** Of its own retained message; null without one. */
  readonly bytes: number | null;
}

/** What is known of a level, besides what is retained below it. */
export type LevelKnown = "unknown" | "known" | "parent";

/** Who gets a message. */
export interface Receivers {
  /** By subscriptions of their own. */
  readonly sessions: number;
  /** §4.8.2 of each a member. */
  readonly groups: number;
}

/** Topics below one level are counted up to here. */
export const TOPICS_COUNTED_MAX: number = 100;
/** Walks that are kept; the one that was used longest ago goes for a new one. */
export const WALKS_MAX: number = 64;
/** A walk that is not gone on with for so long is given up. */
export const WALK_IDLE_MS: number = 120_000;

/** @internal The parts that are looked at. */
export interface Inside {
  readonly turn: Turn;
  readonly sessions: Sessions;
  readonly router: Router;
  readonly connections: Connections<Connection>;
}

/** A walk: undefined for an entry that is looked at and not shown, or how many were looked at for none, or with one. */
type Steps<T> = Generator<T | number | undefined, void>;

/** One walk that is kept. */
interface Walk {
  /** What was asked: another question does not go on with it. */
  readonly what: string;
  readonly steps: Steps<unknown>;
  usedAt: number;
}

/** Looks at one Server. */
export class Inspector implements Deadline {
  /** For the timers. */
  heapIndex: number = -1;
  /** For the timers. */
  heapTime = 0;
  readonly #inside: Inside;
  /** By cursor, the one that was used longest ago first. */
  readonly #walks: Map<string, Walk> = new Map();
  #made = 0;

  /** Of a `Broker`. */
  constructor({ inside }: { readonly inside: Inside }) {
    this.#inside = inside;
  }

  /** Walks that are kept. */
  get walks(): number {
    return this.#walks.size;
  }

  /** The Clients that are connected, of which Client Identifier, user name or address has `search` in it; undefined for a cursor that is over. */
  clients(ask: PageAsk, now: number, search = ""): Page<ClientView> | undefined {
    const { connections } = this.#inside;
    return this.#page(ask, now, ["clients", search], () =>
      walkOver(connections.opens(), (connection) => {
        const open = this.#openOf(connection.client?.clientId);
        return open !== undefined && hasText(open.session, search) ? clientView(open) : undefined;
      }));
  }

  /** One of them; undefined if it is not connected. */
  client(clientId: string): ClientView | undefined {
    const open = this.#openOf(clientId);
    return open && clientView(open);
  }

  #openOf(clientId = ""): Open | undefined {
    return this.#inside.sessions.get(clientId)?.connection as Open | undefined;
  }

  /** The sessions, as `clients()`; only those that are connected (true), or are not. */
  sessions(ask: PageAsk, now: number, search = "", connected?: boolean): Page<SessionView> | undefined {
    const { sessions } = this.#inside;
    return this.#page(
      ask,
      now,
      ["sessions", search, connected],
      () =>
        walkOver(sessions.open(), (session) => {
          if (connected !== undefined && (session.connection !== undefined) !== connected) return undefined;
          return hasText(session, search) ? sessionView(session) : undefined;
        }),
    );
  }

  /** One of them; undefined if there is none. */
  session(clientId: string): SessionView | undefined {
    const session = this.#inside.sessions.get(clientId);
    return session && sessionView(session);
  }

  /** Retained messages whose topics `filter` matches, a well-formed one. `#` has all but those of `$`-topics. */
  retained(ask: PageAsk, now: number, filter = "#"): Page<RetainedView> | undefined {
    const { retained } = this.#inside.router;
    return this.#page(ask, now, ["retained", filter], function* (): Steps<RetainedView> {
      const cursor = retained.walk(filter);
      try {
        for (;;) {
          const node = cursor.advance(STEPS_AT_ONCE);
          if (node === NONE) return;
          if (cursor.steps > 1) yield cursor.steps - 1;
          yield node === MORE || !retained.has(node) ? undefined : retainedView(retained, node, now);
        }
      } finally {
        cursor.close();
      }
    });
  }

  /** The retained message of one topic; undefined if there is none. */
  retainedMessage(topic: string, now: number): RetainedMessageView | undefined {
    const { retained } = this.#inside.router;
    const node = retained.findText(topic);
    if (node === NONE) return undefined;
    const view = new PublishView();
    retained.aim(view, node, false);
    return { ...retainedView(retained, node, now), payload: view.bytes.slice(view.payloadAt, view.end) };
  }

  /** Subscriptions of one session; undefined too if there is none. */
  subscriptionsOf(clientId: string, ask: PageAsk, now: number): Page<SubscriptionView> | undefined {
    const session = this.#inside.sessions.get(clientId);
    if (session === undefined) return undefined;
    const question = ["subscriptions", clientId];
    return this.#page(ask, now, question, () => walkOver(session.subscriptions.values(), subscriptionView));
  }

  /** Subscriptions of all sessions: with that Topic Filter, and with that text in the filter or the Client Identifier. */
  subscriptions(
    ask: PageAsk,
    now: number,
    { filter, search = "" }: { readonly filter?: string | undefined; readonly search?: string | undefined } =
      {},
  ): Page<SubscriptionView> | undefined {
    return this.#page(ask, now, ["subscriptions", filter, search], () =>
      this.#allSubscriptions((one) => {
        if (filter !== undefined && one.filter !== filter) return false;
        return one.filter.includes(search) || one.session.clientId.includes(search);
      }));
  }

  /**
   * Subscriptions of all sessions that match a topic: of one that is shared each member, though a message goes to one of them. Up to as
   * many as may be looked at they are those of this moment; where there are more, all subscriptions are gone through.
   */
  subscribers(ask: PageAsk, now: number, topic: string): Page<SubscriptionView> | undefined {
    return this.#page(ask, now, ["subscribers", topic], () => {
      const found = this.#subscribersNow(topic, ask.looks);
      if (found !== undefined) {
        return walkOver(found, (one) => isThere(one) ? subscriptionView(one) : undefined);
      }
      return this.#allSubscriptions(({ filter }) => matches(matchOf(filter), topic));
    });
  }

  /** Undefined if there are more than `most`. */
  #subscribersNow(topic: string, most: number): Subscription[] | undefined {
    const found: Subscription[] = [];
    for (const subscriber of this.#inside.router.subscribersOf(topic)) {
      const all = subscriber instanceof Subscription
        ? subscriber.session.isNode ? [] : [subscriber]
        : subscriber instanceof SharedGroup
        ? subscriber.members
        : [];
      for (const one of all) {
        if (one.session.isNode) continue; // its subscribers are shown there
        if (found.length === most) return undefined;
        found.push(one);
      }
    }
    return found;
  }

  *#allSubscriptions(isMeant: (one: Subscription) => boolean): Steps<SubscriptionView> {
    for (const { subscriptions } of this.#inside.sessions.open()) {
      yield undefined;
      for (const one of subscriptions.values()) yield isMeant(one) ? subscriptionView(one) : undefined;
    }
  }

  /**
   * QoS 1 and 2 messages on their way to a session, in their order, without those that are in the store alone; undefined if there is no
   * session. Payloads are good until the engine goes on. The cursor is a place in the order: it is good as often as one likes.
   */
  queue(clientId: string, { limit, after = "0" }: PageAsk, now: number): Page<QueuedMessageView> | undefined {
    const session = this.#inside.sessions.get(clientId);
    if (session === undefined) return undefined;
    const from = Number.parseInt(after, 36);
    const found: [Delivery, QueuedState][] = [];
    session.sender?.each((_id, step, delivery) => { // no more than there are Packet Identifiers
      if (delivery !== undefined && delivery.order > from) found.push([delivery, STATES[step] ?? "sent"]);
    });
    for (const one of session.backlog?.behind(from, limit + 1) ?? []) found.push([one, "waiting"]);
    found.sort(([one], [other]) => one.order - other.order);
    const items = found.slice(0, limit).map(([one, state]) => queuedView(one, state, now));
    return { items, next: found.length > limit ? found[limit - 1]![0].order.toString(36) : null };
  }

  /** Levels right below one, all levels above it included; the first levels for undefined. */
  topics(ask: PageAsk, now: number, under?: string): Page<TopicLevelView> | undefined {
    return this.#page(ask, now, ["topics", under], () => this.#levels(under));
  }

  *#levels(under: string | undefined): Steps<TopicLevelView> {
    const { router } = this.#inside;
    const { retained } = router;
    const above = under === undefined ? "" : `${under}/`;
    const names = router.topicNames();
    /** Of topics that were used lately: whether others are below them. */
    const lately = new Map<string, boolean>();
    yield* collect(names, above, lately, NAMES_FIRST);
    const cursor = retained.levels(under);
    try {
      for (let node = cursor.advance(); node !== NONE; node = cursor.advance()) {
        const { name, hasChildren, count } = retained.levelAt(node, TOPICS_COUNTED_MAX);
        yield Math.ceil(count / COUNTED_FOR_A_LOOK);
        if (count === 0) continue; // it went, and a walk still stands on it
        const isMore = lately.get(name) === true;
        const view = new PublishView();
        const isRetained = retained.has(node);
        if (isRetained) retained.aim(view, node, false);
        const bytes = isRetained ? view.payloadLength : null;
        yield { name, topic: above + name, hasChildren: hasChildren || isMore, retained: count, bytes };
      }
    } finally {
      cursor.close();
    }
    const given = new Set<string>();
    for (const most of [0, Infinity]) {
      yield* collect(names, above, lately, most);
      for (const [name, hasChildren] of lately) {
        const topic = above + name;
        if (given.has(name) || retained.hasLevels(topic)) yield undefined;
        else {
          given.add(name);
          yield { name, topic, hasChildren, retained: 0, bytes: null };
        }
      }
      lately.clear();
    }
  }

  /** Which of these levels below `under` there are, as `topics()` has them, and whether others are below them. Looks at so many names. */
  levelsKnown(names: readonly string[], under: string | undefined, looks: number): LevelKnown[] {
    const { router } = this.#inside;
    const above = under === undefined ? "" : `${under}/`;
    const lately = new Map<string, boolean>();
    for (const _ of collect(router.topicNames(), above, lately, looks));
    return names.map((name) => {
      const hasChildren = lately.get(name);
      if (hasChildren === true) return "parent";
      return hasChildren === false || router.retained.hasLevels(above + name) ? "known" : "unknown";
    });
  }

  /** How many sessions and groups a message of this topic goes to at present. */
  receivers(topic: string): Receivers {
    const { router } = this.#inside;
    const bytes = encodeUtf8(topic)!;
    const { targets, groups } = router.match(router.find(bytes, 0, bytes.length));
    return { sessions: targets.length, groups: groups.length };
  }

  // Walks.

  /** Goes on with the walk of a cursor, or begins one, up to the limit, and keeps it if it has not come to its end. */
  #page<T>(
    ask: PageAsk,
    now: number,
    question: readonly unknown[],
    begin: () => Steps<T>,
  ): Page<T> | undefined {
    const { limit, looks, after } = ask;
    const what = JSON.stringify(question);
    const walk = after === undefined ? { what, steps: begin(), usedAt: now } : this.#take(after, what);
    if (walk === undefined) return undefined;
    const items: T[] = [];
    for (let left = looks; items.length < limit && left > 0;) {
      const { done, value } = walk.steps.next();
      if (done) return { items, next: null };
      if (typeof value === "number") left -= value;
      else {
        left--;
        if (value !== undefined) items.push(value as T);
      }
    }
    return { items, next: this.#keep(walk, now) };
  }

  #take(cursor: string, what: string): Walk | undefined {
    const walk = this.#walks.get(cursor);
    if (walk?.what !== what) return undefined;
    this.#walks.delete(cursor);
    return walk;
  }

  #keep(walk: Walk, now: number): string {
    walk.usedAt = now;
    const cursor = (++this.#made).toString(36);
    this.#walks.set(cursor, walk);
    for (const [oldest] of this.#walks) {
      if (this.#walks.size <= WALKS_MAX) break;
      this.#end(oldest);
    }
    if (this.heapIndex < 0) this.#inside.turn.timers.schedule(this, now + WALK_IDLE_MS);
    return cursor;
  }

  #end(cursor: string): void {
    this.#walks.get(cursor)!.steps.return();
    this.#walks.delete(cursor);
  }

  /** Gives up walks that were not gone on with: what they stand on holds memory, also of what is gone. */
  due(now: number): void {
    for (const [cursor, { usedAt }] of this.#walks) {
      if (usedAt + WALK_IDLE_MS > now) {
        this.#inside.turn.timers.schedule(this, usedAt + WALK_IDLE_MS);
        return;
      }
      this.#end(cursor);
    }
  }
}

/** Nodes of a tree that a walk looks at before it says so. */
const STEPS_AT_ONCE = 100;

/** Names of topics that were used lately and are looked at before the levels of retained ones, for what is below these. */
const NAMES_FIRST = 5_000;
/** Topics that are counted for one look. */
const COUNTED_FOR_A_LOOK = 10;

/** Reads so many names, and puts into `found` the levels right below one: whether others are below them. */
function* collect(
  names: Iterator<string | undefined>,
  above: string,
  found: Map<string, boolean>,
  most: number,
): Generator<undefined, void> {
  for (let i = 0; i < most; i++) {
    const { done, value: name } = names.next();
    if (done) return;
    yield undefined;
    if (name === undefined || !name.startsWith(above)) continue;
    const end = name.indexOf(SEPARATOR, above.length);
    const level = name.slice(above.length, end < 0 ? undefined : end);
    found.set(level, found.get(level) === true || end >= 0);
  }
}

const STATES: Partial<Record<Step, QueuedState>> = {
  [Step.PUBCOMP]: "released",
  [Step.RESEND_1]: "again",
  [Step.RESEND_2]: "again",
};

/** The part of a subscription's filter that topics are matched against. */
function matchOf(filter: string): string {
  const parsed = parseFilter(filter);
  return typeof parsed === "string" ? filter : parsed.match;
}

function isThere(one: Subscription): boolean {
  return !one.session.ended && one.session.subscriptions.get(one.filter) === one;
}

/** Iterators of a Map and of a Set stay right while entries come and go. */
function* walkOver<E, T>(entries: Iterable<E>, view: (entry: E) => T | undefined): Steps<T> {
  for (const entry of entries) yield view(entry);
}

function hasText({ clientId, user, address }: Session, search: string): boolean {
  return clientId.includes(search) || user?.includes(search) === true || address?.includes(search) === true;
}

function clientView({ client, session, sendLimit, outbox, connectedAt }: Open): ClientView {
  const { clientId, username, level, peer, keepAlive, cleanStart } = client;
  return {
    clientId,
    user: username ?? null,
    address: peer.address,
    port: peer.port,
    transport: peer.transport,
    level,
    keepAlive,
    cleanStart,
    since: connectedAt,
    subscriptions: session.subscriptions.size,
    queued: session.queued,
    inFlight: session.sender?.inFlight ?? 0,
    receiveMaximum: sendLimit,
    bytesOut: outbox.position,
    waitingBytes: outbox.size,
  };
}

function sessionView(session: Session): SessionView {
  const { clientId, level, connection, expirySeconds } = session;
  const will = connection?.will ?? session.pendingWill?.will;
  return {
    clientId,
    user: session.user ?? null,
    address: session.address ?? null,
    level,
    connected: connection !== undefined,
    expiry: expirySeconds === NEVER_EXPIRES ? null : expirySeconds,
    expiresAt: session.heapIndex < 0 ? null : session.heapTime,
    subscriptions: session.subscriptions.size,
    queued: session.queued,
    queuedBytes: session.queuedBytes,
    stored: session.backlog?.paged ?? 0,
    exchanges: session.sender?.open ?? 0,
    will: will?.message.topic ?? null,
  };
}

function subscriptionView(one: Subscription): SubscriptionView {
  const { session, filter, qos, noLocal, retainAsPublished, retainHandling, identifier, isShared } = one;
  const parsed = isShared ? parseFilter(filter) : undefined;
  return {
    clientId: session.clientId,
    filter,
    qos,
    noLocal,
    retainAsPublished,
    retainHandling,
    identifier: identifier === 0 ? null : identifier,
    share: typeof parsed === "object" ? parsed.share! : null,
  };
}

function queuedView(
  { message, qos, retain, share, packetId }: Delivery,
  state: QueuedState,
  now: number,
): QueuedMessageView {
  const { topic, view, expiresAt, publisher } = message;
  return {
    topic,
    qos,
    retain,
    bytes: view.payloadLength,
    expiry: expiryLeft(expiresAt, now),
    publisher: publisher ?? null,
    share: share ?? null,
    state,
    packetId: packetId === 0 ? null : packetId,
    payload: view.bytes.subarray(view.payloadAt, view.end),
  };
}

function retainedView(retained: Retained, node: number, now: number): RetainedView {
  const view = new PublishView();
  const publisher = retained.aim(view, node, true);
  return {
    topic: decodeUtf8(view.bytes, view.topicAt, view.topicEnd)!,
    qos: view.qos,
    bytes: view.payloadLength,
    expiry: expiryLeft(retained.expiresAt(node), now),
    publisher: publisher ?? null,
  };
}

function expiryLeft(expiresAt: number, now: number): number | null {
  return expiresAt === Infinity ? null : secondsLeft(expiresAt, now);
}
