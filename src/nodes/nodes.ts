/**
 * The other nodes of one Server: links to them, what they are sent, and what waits until they have it.
 * Knows sessions of nodes and what is told over links; refuses to know transports, and how many processes or machines there are.
 *
 * Why links are MQTT between two Servers, and what waits for what: spec/decisions/0050-nodes.md
 * @module
 */
import { COST } from "../broker/budget.ts";
import { refusingConnack, sendOpenAgain } from "../broker/connect.ts";
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
import { expiryOf, type Message } from "../delivery/message.ts";
import { Step } from "../delivery/sender.ts";
import type { Link } from "../engine/link.ts";
import { parseFilter, type TopicFilter } from "../topic/filter.ts";
import type { PeerInfo } from "../transport/peer.ts";
import type { Transport } from "../transport/transport.ts";
import { decodeUtf8 } from "../codec/utf8.ts";
import { ClaimsTold } from "./claims_told.ts";
import { nodePolicy } from "./policy.ts";
import { Relaying } from "./relaying.ts";
import { Other } from "./other.ts";
import { RetainedTold } from "./retained_told.ts";
import { type RoutePacket, Routes } from "./routes.ts";
import { Rounds } from "./rounds.ts";
import { Telling, Told } from "./telling.ts";

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
/** Of a Client whose session lives at a node that cannot be reached. */
const AWAY: Refusal = {
  code: 0x88,
  rule: "limit/unavailable",
  message: "The session cannot be reached at present",
};

/** A session of a node ends with its broker. */
const OWNER: SessionOwner = { expired() {} };

/** The other nodes of one broker. */
export class AllNodes implements Nodes {
  readonly policy: Policy;
  readonly #parts: Parts;
  readonly #options: NodesOptions;
  readonly #others: readonly Other[];
  readonly #routes: Routes;
  readonly #rounds: Rounds;
  readonly #telling: Telling;
  readonly #retained: RetainedTold;
  readonly #clientIds: ClaimsTold;
  readonly #reader: Reader = new Reader();
  /** §4.8.2 the nodes that have refused a message for a group. */
  readonly #refusedBy: WeakMap<Message, Set<Session>> = new WeakMap();
  /** Something may be due at the end of the turn. */
  #isDue = false;

  constructor({ parts, sessions, policy, random }: NodesHost, options: NodesOptions) {
    this.policy = nodePolicy(policy);
    const { limits } = this.policy;
    const { name, all, keeps } = options;
    this.#parts = parts;
    this.#options = options;
    this.#others = all.flatMap((other, place) => {
      if (other === name) return [];
      const session = new Session(OWNER, `node ${other}`, 5, limits, parts.turn.ledger);
      session.isNode = true;
      session.expirySeconds = keeps ? NEVER_EXPIRES : 0;
      parts.turn.ledger.sessions += session.ownBytes;
      return [new Other(other, place, session)];
    });
    this.#routes = new Routes(parts.router, parts.turn.ledger, random());
    this.#rounds = new Rounds(this.#others, {
      received(session, packetId): void {
        if (!session.ended && session.received?.has(packetId) === true) {
          parts.journal.received(session, packetId, true);
        }
      },
      moved: (session, delivery) => parts.journal.finished(session, delivery),
    });
    const place = all.indexOf(name);
    const telling = this.#telling = new Telling(parts, this.#others, () => this.#isDue = true);
    this.#retained = new RetainedTold(parts, telling, this.#others, place);
    this.#clientIds = new ClaimsTold(parts, sessions, telling, this.#others, place);
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
    return this.#routes.bytes + this.#retained.bytes;
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
    return this.#rounds.length + this.#clientIds.claims.size;
  }

  // Routes.

  changed(filter: TopicFilter, before: number, now: number): void {
    const isNews = this.#routes.change(filter, before, now);
    if (isNews || (now >= 0 && this.#isUnconfirmed)) this.#parts.journal.sentToNode();
    this.#isDue = true;
  }

  groupChanged(group: SharedGroup): void {
    if (this.#routes.changeGroup(group) || this.#isUnconfirmed) this.#parts.journal.sentToNode();
    this.#isDue = true;
  }

  /** Whether a route that was told for another subscription, of the same filter, may not be known yet: it may be among what is on its way. */
  get #isUnconfirmed(): boolean {
    return this.#others.some(({ open, outstanding }) => open !== undefined && outstanding > 0);
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
      if (packet === "all") this.#telling.tell(other, Told.ROUTES);
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
    this.#clientIds.joined(other);
    this.#rounds.raise(other); // routes have overtaken what is sent again
    this.#retained.begin(other);
    this.#isDue = true;
  }

  left({ session }: Serving): void {
    const other = this.#otherOf(session);
    other.link = other.open = undefined;
    other.isInStep = false;
    this.#retained.end(other);
    other.forgetRequests();
    this.#parts.router.disconnected(session);
    this.#clientIds.claims.left(other.place);
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

  get sent(): number {
    return this.#others.reduce((sum, { target }) => sum + target, 0);
  }

  movedOn(session: Session, delivery: Delivery): void {
    this.#isDue = true;
    this.#rounds.move(session, delivery);
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
    if (!this.#isDue && !this.#retained.isCopying) return;
    this.#isDue = false;
    this.#flushRoutes();
    this.#retained.goOn();
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

  // What comes from nodes.

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
    if (what === Told.RETAINED) return this.#retained.heard(other, payload);
    if (isRepeated) return; // it was said over an earlier link: over this one it is said anew
    if (what === Told.ROUTES) this.#dropOldRoutes(other);
    else if (what === Told.IN_STEP) {
      other.isInStep = true;
      this.#options.inStep?.(other.name);
    } else this.#clientIds.heard(other, what, payload);
  }

  // §3.1.3.1 Client Identifiers.

  isHome(clientId: string): boolean {
    return this.#clientIds.isHome(clientId);
  }

  relay(connect: Connect, peer: PeerInfo, policy: Policy, client: Transport): Relay | undefined {
    const { clientId, cleanStart, level, properties } = connect;
    const isOwn = cleanStart && (level < 5 || (properties?.sessionExpiryInterval ?? 0) === 0);
    if (clientId === "" || isOwn || this.isHome(clientId)) return undefined;
    const home = this.#options.relay?.(this.#options.all[this.#clientIds.homeOf(clientId)]!, {
      peer,
      policy,
    });
    return home && new Relaying(client, home, encodePacket(refusingConnack(level, AWAY)!, level));
  }

  claim(claim: Claim, claimed: Claimed): "later" | undefined {
    return this.#clientIds.claims.claim(claim, claimed);
  }

  sessionEnded(clientId: string): void {
    this.#clientIds.claims.ended(clientId);
  }

  claimOver(clientId: string, claimed: Claimed): void {
    this.#clientIds.claims.over(clientId, claimed);
  }

  // §3.3.1.3 Retained messages.

  keeps(topic: string): boolean {
    return this.#retained.keeps(topic);
  }

  retained(topic: string, given: Given | undefined, message: Message | undefined): void {
    this.#retained.changed(topic, given, message);
  }

  restoreStamps(stamps: Iterable<readonly [topic: string, stamp: number]>): void {
    this.#retained.restore(stamps);
  }

  retainedExpired(topic: string): void {
    this.#retained.expired(topic);
  }

  // The end of a turn.

  get isDue(): boolean {
    return this.#isDue;
  }

  get isBehind(): boolean {
    return this.#retained.isBehind;
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
