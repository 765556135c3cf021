/**
 * The other nodes of one Server: links to them, what they are sent, and what waits until they have it.
 * Knows sessions of nodes and what is told over links; refuses to know transports, and how many processes or machines there are.
 *
 * Why links are MQTT between two Servers, and what waits for what: spec/decisions/0050-nodes.md
 * @module
 */
import { COST } from "../broker/budget.ts";
import { isOfAnother, OF_ANOTHER, refusingConnack, sendOpenAgain } from "../broker/connect.ts";
import { type Outgoing, outgoingOf } from "../broker/deliver.ts";
import type { Delivery } from "../broker/delivery.ts";
import { begunOf } from "../broker/ending.ts";
import {
  type Claim,
  type Claimed,
  type Given,
  NO_GROUP,
  type NodeLink,
  type Nodes,
  type Relay,
  TOLD,
} from "../broker/nodes.ts";
import type { NodesHost } from "../broker/nodes_part.ts";
import type { Parts } from "../broker/parts.ts";
import { NEVER_EXPIRES, type Serving, Session, type SessionOwner } from "../broker/session.ts";
import type { Policy } from "../broker/policy.ts";
import type { Refusal } from "../broker/refusal.ts";
import type { Sessions } from "../broker/sessions.ts";
import type { SharedGroup } from "../broker/shared.ts";
import { invariant } from "../codec/error.ts";
import type { Connect, SubscriptionRequest } from "../codec/packet.ts";
import { encodePacket } from "../codec/encode.ts";
import { PacketType } from "../codec/packet_type.ts";
import { withoutIdentifier } from "../codec/publish_template.ts";
import type { PublishView } from "../codec/publish_view.ts";
import { NO_ROOM, remember } from "../broker/publish.ts";
import { Reader } from "../codec/reader.ts";
import { decodeSuback } from "../codec/suback.ts";
import { decodeSubscribe } from "../codec/subscribe.ts";
import { decodeUnsuback } from "../codec/unsuback.ts";
import { decodeUnsubscribe } from "../codec/unsubscribe.ts";
import { expiryOf, frameOf, type Message } from "../delivery/message.ts";
import { Step } from "../delivery/sender.ts";
import type { Link } from "../engine/link.ts";
import { parseFilter, type TopicFilter } from "../topic/filter.ts";
import { MORE, type NameCursor } from "../topic/name_cursor.ts";
import { NONE } from "../topic/name_tree.ts";
import type { PeerInfo } from "../transport/peer.ts";
import type { Transport } from "../transport/transport.ts";
import { decodeUtf8, encodeUtf8 } from "../codec/utf8.ts";
import { Claims } from "./claims.ts";
import { nodePolicy } from "./policy.ts";
import { Relaying } from "./relaying.ts";
import { homeOf } from "./home.ts";
import { Other } from "./other.ts";
import { readChanges, type RetainedChange, RetainedCopies, writeChange } from "./retained_copies.ts";
import { type RoutePacket, Routes } from "./routes.ts";
import { Rounds } from "./rounds.ts";

/** How a node is one of several. */
export interface NodesOptions {
  /** Its own name. */
  readonly name: string;
  /** The names of all nodes, its own among them, in the same order at each. */
  readonly all: readonly string[];
  /**
   * Whether messages wait for a node whose link is over, since it may come back with its sessions; else what was on its way to it is
   * given up.
   */
  readonly keeps: boolean;
  /**
   * The way to another node for the bytes of a Client whose session lives there, not started yet; it may begin to take bytes later. What
   * comes out there is a connection from this peer, under the policy of the same listener.
   */
  readonly relay?: (to: string, client: RelayedClient) => Transport;
  /** A node has told all of its routes and retained messages. */
  readonly inStep?: (name: string) => void;
}

/** A Client whose session lives at another node. */
export interface RelayedClient {
  readonly peer: PeerInfo;
  /** Of the listener that it came by. */
  readonly policy: Policy;
}

/** Another node at one moment. */
export interface NodeStats {
  /** As it is in `NodesOptions.all`. */
  readonly name: string;
  /** Whether there is a link to it. */
  readonly isLinked: boolean;
  /** Whether it has told all of its routes and retained messages. */
  readonly isInStep: boolean;
  /** Topic Filters and groups that it has told. */
  readonly routes: number;
  /** What it has been sent and has not acknowledged. */
  readonly outstanding: number;
}

/** SUBSCRIBE and UNSUBSCRIBE packets to a node that may wait for their answers: each group has one, and identifiers are few. */
const ROUTES_UNDER_WAY_MAX = 16_384;
/** Messages that may be on their way to a node while it is told of what is retained; each has many changes. */
const COPIES_UNDER_WAY_MAX = 16;
/** Steps of a walk through the retained messages for one such message, and its bytes. */
const COPY_STEPS = 1_024;
const COPY_BYTES = 64 * 1024;

/** What nodes tell each other: the topics of messages with the identifier `TOLD`. */
const ROUTES_TOLD = "routes";
const RETAINED = "retained";
const IN_STEP = "in step";
const CLAIM = "claim";
const CLAIMED = "claimed";
const TAKE = "take";
const RELEASE = "release";
const HOLDS = "holds";

/** Retained messages on their way to a node that has come. */
interface Copying {
  readonly other: Other;
  /** For each message that may be on its way, the count of acknowledgements at which it is not. */
  readonly underWay: number[];
  readonly cursor: NameCursor;
}

/** The answer of a claim, or that it is over. */
interface Answer {
  readonly clientId: string;
  readonly number: number;
  readonly refusal?: Refusal | undefined;
}

/** A session that is not at its home. */
interface Held {
  readonly clientId: string;
  readonly user?: string | undefined;
}

/** Of a Client whose session lives at a node that cannot be reached. */
const AWAY: Refusal = {
  code: 0x88,
  rule: "limit/unavailable",
  message: "The session cannot be reached at present",
};

/** Of a link by which a node cannot be told what it must know. */
const TOO_SLOW: Refusal = { code: 0x97, rule: "limit/queue", message: "Too slow for another node" };

/** A session of a node ends with its broker. */
const OWNER: SessionOwner = { expired() {} };

/** The other nodes of one broker. */
export class AllNodes implements Nodes {
  readonly policy: Policy;
  readonly #parts: Parts;
  readonly #sessions: Sessions;
  readonly #options: NodesOptions;
  readonly #claims: Claims;
  readonly #place: number;
  readonly #others: readonly Other[];
  readonly #routes: Routes;
  readonly #rounds: Rounds;
  readonly #copies: RetainedCopies;
  readonly #reader: Reader = new Reader();
  #copying: Copying[] = [];
  /** §4.8.2 the nodes that have refused a message for a group. */
  readonly #refusedBy: WeakMap<Message, Set<Session>> = new WeakMap();
  /** For `Journal.holdSince()`: before the session ended that a claim ends; Infinity if none did. */
  #endMark = Infinity;
  /** Something may be due at the end of the turn. */
  #isDue = false;

  constructor({ parts, sessions, policy, random }: NodesHost, options: NodesOptions) {
    this.policy = nodePolicy(policy);
    const { limits } = this.policy;
    const { name, all, keeps } = options;
    this.#parts = parts;
    this.#sessions = sessions;
    this.#options = options;
    this.#place = all.indexOf(name);
    this.#others = all.filter((other) => other !== name).map((other) => {
      const session = new Session(OWNER, `node ${other}`, 5, limits, parts.turn.ledger);
      session.isNode = true;
      session.expirySeconds = keeps ? NEVER_EXPIRES : 0;
      parts.turn.ledger.sessions += session.ownBytes;
      return new Other(other, session);
    });
    this.#routes = new Routes(parts.router, parts.turn.ledger, random());
    this.#rounds = new Rounds(this.#others, (session, packetId) => {
      if (!session.ended && session.received?.has(packetId) === true) {
        parts.journal.received(session, packetId, true);
      }
    });
    this.#copies = new RetainedCopies(this.#place, all.length, parts.turn.ledger);
    this.#claims = new Claims({
      homeOf: (clientId) => this.#homeOf(clientId),
      ask: (home, number, claim) => this.#tellAt(home, CLAIM, writeJson({ number, claim })),
      answer: (to, clientId, number, refusal) => this.#answerClaim(to, { clientId, number, refusal }),
      take: (from, clientId) => this.#tellAt(from, TAKE, encodeUtf8(clientId)!),
      release: (home, clientId, number) => this.#tellAt(home, RELEASE, writeJson({ clientId, number })),
      refuses: ({ username, takesOver }, user) =>
        isOfAnother({ user }, { username }, { takeoverByOthers: takesOver }) ? OF_ANOTHER : undefined,
      userOf: (clientId) => sessions.getUpToDate(clientId)?.user,
      end: (clientId) => {
        this.#endMark = parts.journal.mark;
        sessions.yield(clientId);
      },
      has: (clientId) => sessions.get(clientId) !== undefined,
    }, this.#place);
  }

  // Looks.

  get sessions(): Iterable<Session> {
    return this.#others.map(({ session }) => session);
  }

  get links(): Iterable<NodeLink> {
    return this.#others.flatMap(({ link }) => link ?? []);
  }

  get subscriptions(): number {
    return this.#others.reduce((sum, { session }) => sum + session.subscriptions.size, 0);
  }

  get bytes(): number {
    return this.#routes.bytes + this.#copies.bytes;
  }

  /** How the others are at present. */
  get stats(): readonly NodeStats[] {
    return this.#others.map((other) => ({
      name: other.name,
      isLinked: other.link !== undefined,
      isInStep: other.isInStep,
      routes: other.session.subscriptions.size,
      outstanding: other.outstanding,
    }));
  }

  /** Rounds under way, claims, and Client Identifiers that others hold of this home. */
  get waiting(): number {
    return this.#rounds.length + this.#claims.size;
  }

  // Routes.

  changed(filter: TopicFilter, before: number, now: number): void {
    if (this.#routes.change(filter, before, now)) this.#parts.journal.sentToNode();
    this.#isDue = true;
  }

  groupChanged(group: SharedGroup): void {
    if (this.#routes.changeGroup(group)) this.#parts.journal.sentToNode();
    this.#isDue = true;
  }

  #tellRoutes(packets: readonly RoutePacket[], other: Other): void {
    for (const packet of packets) other.routes.push(packet);
    this.#tellOn(other);
  }

  /** Goes on with telling a node of routes, as far as there are Packet Identifiers for that. */
  #tellOn(other: Other): void {
    const { link } = other.open!;
    const { session, routes } = other;
    const sender = session.needSender();
    if (session.hasMore) this.#rounds.raise(other); // they do not wait behind messages that do
    while (sender.open < sender.inFlight + ROUTES_UNDER_WAY_MAX) {
      const packet = routes.shift();
      if (packet === undefined) return;
      if (packet === "all") this.#tell(other, ROUTES_TOLD, NOTHING);
      else if ("filters" in packet) {
        const packetId = sender.begin(Step.UNSUBACK, undefined);
        link.send({ type: PacketType.UNSUBSCRIBE, packetId, filters: [...packet.filters] });
      } else {
        const packetId = sender.begin(Step.SUBACK, undefined);
        const { subscriptions, identifier } = packet;
        const properties = identifier === 0 ? {} : { subscriptionIdentifier: identifier };
        link.send({
          type: PacketType.SUBSCRIBE,
          packetId,
          subscriptions: subscriptions as SubscriptionRequest[],
          properties,
        });
      }
    }
    this.#rounds.raise(other); // those that wait are overtaken by messages
  }

  packet(open: Serving, type: number, bytes: Uint8Array, first: number, body: number, end: number): boolean {
    const other = this.#otherOf(open.session);
    const { session } = open;
    const reader = this.#reader.aim(bytes, body, end);
    const flags = first & 15;
    if (type === PacketType.SUBSCRIBE) {
      const { packetId, subscriptions, properties } = decodeSubscribe(reader, flags, 5);
      const identifier = properties?.subscriptionIdentifier ?? 0;
      this.#parts.turn.budget.spend(subscriptions.length * COST.filter);
      for (const one of subscriptions) this.#subscribe(other, one, identifier);
      open.link.send({ type: PacketType.SUBACK, packetId, reasonCodes: subscriptions.map(({ qos }) => qos) });
    } else if (type === PacketType.UNSUBSCRIBE) {
      const { packetId, filters } = decodeUnsubscribe(reader, flags, 5);
      this.#parts.turn.budget.spend(filters.length * COST.filter);
      for (const filter of filters) this.#unsubscribe(other, filter);
      open.link.send({ type: PacketType.UNSUBACK, packetId, reasonCodes: filters.map(() => 0) });
    } else if (type === PacketType.SUBACK || type === PacketType.UNSUBACK) {
      const { packetId } = type === PacketType.SUBACK
        ? decodeSuback(reader, flags, 5)
        : decodeUnsuback(reader, flags, 5);
      const step = session.sender?.step(packetId);
      if (step !== Step.SUBACK && step !== Step.UNSUBACK) return true;
      session.sender!.end(packetId);
      other.acknowledged++;
      this.#isDue = true;
    } else return false;
    return true;
  }

  #subscribe(other: Other, request: SubscriptionRequest, identifier: number): void {
    const filter = parseFilter(request.filter);
    if (typeof filter === "string") return; // it was a filter where it came in
    this.#parts.router.subscribe(other.session, filter, { ...request, identifier });
    other.routesTold?.add(filter.text);
  }

  #unsubscribe({ session, routesTold }: Other, filter: string): void {
    routesTold?.delete(filter);
    const subscription = session.subscriptions.get(filter);
    if (subscription !== undefined) this.#parts.router.unsubscribe(session, subscription);
  }

  /** The node has told all its routes: others that it had are gone. */
  #dropOldRoutes(other: Other): void {
    const told = other.routesTold;
    if (told === undefined) return;
    other.routesTold = undefined;
    for (const filter of other.session.subscriptions.keys()) {
      if (!told.has(filter)) this.#unsubscribe(other, filter);
    }
  }

  // Links.

  isOther(name: string): boolean {
    return this.#others.some((other) => other.name === name);
  }

  join(name: string, incarnation: string): Session {
    const other = this.#others.find((one) => one.name === name)!;
    other.link?.abandon();
    if (other.incarnation !== incarnation) {
      other.incarnation = incarnation;
      for (const id of [...other.session.received ?? []]) other.session.received!.delete(id);
    }
    return other.session;
  }

  joined(link: NodeLink, open: Serving): void {
    const other = this.#otherOf(open.session);
    other.link = link;
    other.open = open;
    other.routesTold = new Set();
    other.isInStep = false;
    this.#flushRoutes();
    this.#tellRoutes(this.#routes.all(), other);
    sendOpenAgain(this.#parts, open);
    this.#parts.router.connected(other.session);
    this.#parts.deliverer.pump(other.session);
    other.routes.push("all");
    this.#tellOn(other);
    this.#tellHeld(other);
    this.#rounds.raise(other); // routes have overtaken what is sent again
    this.#copying.push({ other, underWay: [], cursor: this.#parts.router.retained.walk("#") });
    this.#isDue = true;
  }

  left({ session }: Serving): void {
    const other = this.#otherOf(session);
    other.link = other.open = undefined;
    other.isInStep = false;
    this.#copying.find((one) => one.other === other)?.cursor.close();
    this.#copying = this.#copying.filter((one) => one.other !== other);
    other.forgetRequests();
    this.#parts.router.disconnected(session);
    this.#claims.left(this.#options.all.indexOf(other.name));
    if (!this.#options.keeps) this.#giveUp(other);
    this.#rounds.raise(other);
    this.#isDue = true;
  }

  /** What was on its way to a node does not come any more, nor do its sessions. */
  #giveUp(other: Other): void {
    const { session } = other;
    const { router } = this.#parts;
    other.acknowledged += other.outstanding;
    other.released = 0;
    const shared = [
      ...begunOf(session),
      ...session.backlog?.extract(({ share }) => share !== undefined) ?? [],
    ];
    for (const subscription of session.subscriptions.values()) router.unsubscribe(session, subscription);
    const refused = new Map<string, number>();
    const { now } = this.#parts.turn;
    for (const delivery of shared) router.toOtherMember(delivery, now, refused);
    session.clear();
  }

  #otherOf(session: Session): Other {
    return this.#others.find((other) => other.session === session)!;
  }

  // What waits.

  /** What nodes answer each other never waits for a node: they would wait for each other for ever. */
  hold(link: Link): void {
    if (this.#others.some(({ open }) => open?.link === link)) return;
    this.#isDue = true;
    this.#rounds.hold(link);
  }

  remember(session: Session, packetId: number): void {
    if (session.durable) this.#rounds.remember(session, packetId);
  }

  acknowledged(session: Session, isReleased: boolean): void {
    const other = this.#otherOf(session);
    other.acknowledged++;
    if (isReleased) other.released++;
    this.#isDue = true;
  }

  completed(session: Session): void {
    this.#otherOf(session).released--;
  }

  endTurn(): void {
    if (!this.#isDue && this.#copying.length === 0) return;
    this.#isDue = false;
    this.#flushRoutes();
    if (this.#copying.length > 0) this.#copyOn();
    for (const other of this.#others) if (other.routes.length > 0) this.#tellOn(other);
    this.#rounds.begin();
    this.#rounds.settle();
  }

  #flushRoutes(): void {
    const packets = this.#routes.takeChanges();
    if (packets.length === 0) return;
    for (const other of this.#others) if (other.open !== undefined) this.#tellRoutes(packets, other);
  }

  // §4.8.2 Groups.

  refused(session: Session, { message, share, subscriptionIdentifiers }: Delivery, code: number): void {
    const { router, observer } = this.#parts;
    const refused = this.#refusedBy.get(message) ?? new Set();
    const isRenamed = session.subscriptions.get(share!)?.identifiers[0] !== subscriptionIdentifiers[0];
    if (code !== NO_GROUP || !isRenamed) refused.add(session); // else it has the group under another number by now
    this.#refusedBy.set(message, refused);
    const group = router.group(share!);
    if (group !== undefined && router.toGroup(outgoingOf(message), group, refused)) {
      for (const other of this.#others) this.#rounds.raise(other); // its publisher waits for whoever has it now
      return;
    }
    if (group === undefined) observer.drop(message.topic, message.view, share!, "no member");
  }

  // What is told.

  #tell(other: Other, what: string, payload: Uint8Array): void {
    const view = frameOf({ topic: what, payload, qos: 1, retain: false }, {}, 5);
    this.#deliver(other, {
      view,
      topic: what,
      publisher: undefined,
      expiresAt: Infinity,
      message: undefined,
    });
  }

  /** Tells the node in a place, if there is a link to it; if not, it is told when there is. */
  #tellAt(place: number, what: string, payload: Uint8Array): void {
    const other = this.#others.find(({ name }) => name === this.#options.all[place]);
    if (other?.open !== undefined) this.#tell(other, what, payload);
  }

  #tellAll(what: string, payload: Uint8Array): void {
    const view = frameOf({ topic: what, payload, qos: 1, retain: false }, {}, 5);
    const outgoing: Outgoing = {
      view,
      topic: what,
      publisher: undefined,
      expiresAt: Infinity,
      message: undefined,
    };
    for (const other of this.#others) this.#deliver(other, outgoing);
    this.#parts.journal.sentToNode();
  }

  #deliver({ session }: Other, outgoing: Outgoing): void {
    const isTaken = this.#parts.deliverer.deliver(outgoing, session, 1, false, TELLS, undefined);
    if (!isTaken && session.connection !== undefined) session.connection.fail(TOO_SLOW); // a new link begins with all of it
    this.#isDue = true;
  }

  /** A message with a Subscription Identifier: the node itself is told something, or it is for a group of this node. */
  take(open: Serving, view: PublishView): void {
    const { journal, router, turn } = this.#parts;
    const { session, link } = open;
    const { mark } = journal;
    const { qos, packetId, dup } = view; // a Client that is claimed meanwhile may go on with this view
    const { number, frame } = withoutIdentifier(view);
    if (number === TOLD) {
      const what = decodeUtf8(frame.bytes, frame.topicAt, frame.topicEnd);
      if (what !== undefined) this.#told(open, what, frame.bytes.subarray(frame.payloadAt, frame.end), dup);
    } else {
      const topic = router.find(frame.bytes, frame.topicAt, frame.topicEnd).name;
      const group = this.#routes.groupOf(number);
      const outgoing: Outgoing = {
        view: frame,
        topic,
        publisher: session.clientId,
        expiresAt: expiryOf(frame, turn.now),
        message: undefined,
      };
      if (group === undefined || !router.toGroup(outgoing, group, "nodes")) {
        const type = qos === 2 ? PacketType.PUBREC : PacketType.PUBACK;
        if (qos > 0) link.answer(type << 4, packetId, group === undefined ? NO_GROUP : NO_ROOM.code);
        return;
      }
    }
    if (qos === 0) return;
    if (qos === 2) remember(this.#parts, open, packetId, mark);
    journal.holdSince(mark, link);
    link.answer((qos === 1 ? PacketType.PUBACK : PacketType.PUBREC) << 4, packetId, 0);
  }

  #told(open: Serving, what: string, payload: Uint8Array, isRepeated: boolean): void {
    const other = this.#otherOf(open.session);
    if (what === RETAINED) {
      for (const change of readChanges(payload)) this.#retainedElsewhere(other, change);
      return;
    }
    if (isRepeated) return; // it was said over an earlier link: over this one it is said anew
    if (what === ROUTES_TOLD) this.#dropOldRoutes(other);
    else if (what === IN_STEP) {
      other.isInStep = true;
      this.#options.inStep?.(other.name);
    } else this.#toldOfClaims(this.#options.all.indexOf(other.name), what, payload);
  }

  // §3.1.3.1 Client Identifiers.

  #homeOf(clientId: string): number {
    return homeOf(clientId, this.#options.all.length);
  }

  isHome(clientId: string): boolean {
    return this.#homeOf(clientId) === this.#place;
  }

  relay(connect: Connect, peer: PeerInfo, policy: Policy, client: Transport): Relay | undefined {
    const { clientId, cleanStart, level, properties } = connect;
    const isOwn = cleanStart && (level < 5 || (properties?.sessionExpiryInterval ?? 0) === 0);
    if (clientId === "" || isOwn || this.isHome(clientId)) return undefined;
    const home = this.#options.relay?.(this.#options.all[this.#homeOf(clientId)]!, { peer, policy });
    return home && new Relaying(client, home, encodePacket(refusingConnack(level, AWAY)!, level));
  }

  claim(claim: Claim, claimed: Claimed): "later" | undefined {
    return this.#claims.claim(claim, claimed);
  }

  sessionEnded(clientId: string): void {
    this.#claims.ended(clientId);
  }

  claimOver(clientId: string, claimed: Claimed): void {
    this.#claims.over(clientId, claimed);
  }

  /** [MQTT-3.1.2-4] The end of a stored session is to be safe before its Client has another one. */
  #answerClaim(to: number, answer: Answer): void {
    const other = this.#others.find(({ name }) => name === this.#options.all[to])!;
    if (other.open !== undefined) this.#parts.journal.holdSince(this.#endMark, other.open.link);
    this.#endMark = Infinity;
    this.#tellAt(to, CLAIMED, writeJson(answer));
  }

  #toldOfClaims(by: number, what: string, payload: Uint8Array): void {
    const claims = this.#claims;
    const text = decodeUtf8(payload, 0, payload.length);
    if (text === undefined) return;
    if (what === TAKE) return claims.yields(text);
    const told = readJson(text);
    if (told === undefined) return; // another version's
    if (what === CLAIM) {
      const { number, claim } = told as { number: number; claim: Claim };
      claims.asked(by, number, claim);
    } else if (what === CLAIMED) {
      const { clientId, number, refusal } = told as Answer;
      claims.answered(clientId, number, refusal);
    } else if (what === RELEASE) {
      const { clientId, number } = told as Answer;
      claims.released(by, clientId, number);
    } else if (what === HOLDS) {
      for (const { clientId, user } of told as Held[]) claims.held(by, clientId, user);
    }
  }

  /** Tells a node that has come of the Client Identifiers that this node holds of it as their home. */
  #tellHeld(other: Other): void {
    const home = this.#options.all.indexOf(other.name);
    let held: Held[] = [];
    for (const clientId of this.#sessions.clientIds()) {
      if (this.#homeOf(clientId) !== home) continue;
      held.push({ clientId, user: this.#sessions.get(clientId)?.user });
      if (held.length < HELD_IN_ONE) continue;
      this.#tell(other, HOLDS, writeJson(held));
      held = [];
    }
    if (held.length > 0) this.#tell(other, HOLDS, writeJson(held));
    this.#claims.joined(home);
  }

  // §3.3.1.3 Retained messages.

  keeps(topic: string): boolean {
    return homeOf(topic, this.#options.all.length) === this.#place;
  }

  retained(topic: string, given: Given | undefined, message: Message | undefined): void {
    const stamp = this.#copies.next(this.#parts.turn.now);
    this.#copies.set(topic, stamp, given !== undefined);
    if (this.keeps(topic)) this.#parts.journal.retained(topic, message);
    this.#tellAll(RETAINED, writeChange({ stamp, topic, message: given }));
  }

  retainedExpired(topic: string): void {
    this.#copies.forget(topic);
  }

  #retainedElsewhere(from: Other, change: RetainedChange): void {
    const { stamp, topic, message } = change;
    const { router, turn } = this.#parts;
    turn.budget.spend(COST.alone);
    const known = this.#copies.stampOf(topic) ?? (router.retained.findText(topic) === NONE ? -1 : 0);
    if (stamp <= known) return;
    const isThere = message !== undefined && message.expiresAt > turn.now;
    this.#copies.set(topic, stamp, isThere);
    const kept = isThere
      ? { ...message, topic, view: message.view.copy(), holders: 0, counted: 0 }
      : undefined;
    router.retainForNode(topic, kept, this.keeps(topic));
    if (!this.#copies.isOwn(stamp)) return;
    for (const other of this.#others) { // it came in here before this node started anew, perhaps not in time for all
      if (other !== from) this.#tell(other, RETAINED, writeChange(change));
    }
  }

  /** Goes on with telling nodes that have come of what is retained, as far as they keep up. */
  #copyOn(): void {
    this.#copying = this.#copying.filter((copying) => !hasRoom(copying) || this.#copySome(copying)); // acknowledgements have it go on
  }

  /** One message with as many as it may have; false if these are the last ones. */
  #copySome({ other, cursor, underWay }: Copying): boolean {
    const { retained } = this.#parts.router;
    const changes: Uint8Array[] = [];
    let bytes = 0;
    let isOver = false;
    for (let steps = COPY_STEPS; steps > 0 && bytes < COPY_BYTES; steps -= cursor.steps) {
      const node = cursor.advance(steps);
      isOver = node === NONE;
      if (isOver || node === MORE) break;
      if (!retained.has(node)) continue;
      const message = retained.read(node);
      const { topic } = message;
      const stamp = this.#copies.stampOf(topic) ?? 0;
      if (stamp === 0 && !this.keeps(topic)) continue;
      const change = writeChange({ stamp, topic, message });
      changes.push(change);
      bytes += change.length;
    }
    this.#parts.turn.budget.spend(COPY_STEPS);
    if (isOver) {
      for (const topic of this.#copies.removed) {
        changes.push(writeChange({ stamp: this.#copies.stampOf(topic)!, topic, message: undefined }));
      }
    }
    if (changes.length > 0) {
      this.#tell(other, RETAINED, joined(changes));
      underWay.push(other.target);
    }
    if (isOver) this.#tell(other, IN_STEP, NOTHING);
    return !isOver;
  }

  get isDue(): boolean {
    return this.#isDue;
  }

  get isBehind(): boolean {
    return this.#copying.some(hasRoom);
  }

  assertInvariants(): void {
    this.#routes.assertInvariants();
    for (const { session, link, released } of this.#others) {
      invariant((session.connection !== undefined) === (link !== undefined), "the link of a node");
      let found = 0;
      session.sender?.each((_id, step) => void (step === Step.PUBCOMP && found++));
      invariant(found === released, "exchanges with a node that are to be completed");
    }
  }
}

function joined(all: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(all.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const one of all) {
    out.set(one, at);
    at += one.length;
  }
  return out;
}

/** Whether one more message with retained messages may go. */
function hasRoom({ other, underWay }: Copying): boolean {
  while (underWay.length > 0 && underWay[0]! <= other.acknowledged) underWay.shift();
  return underWay.length < COPIES_UNDER_WAY_MAX;
}

/** Client Identifiers in one message. */
const HELD_IN_ONE = 1_024;

function writeJson(value: unknown): Uint8Array {
  return encodeUtf8(JSON.stringify(value))!;
}

/** Undefined for a text that is none. */
function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);
const TELLS: readonly number[] = [TOLD];
