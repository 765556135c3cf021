/**
 * §4.8.2 Shared Subscriptions: one message, one member of the group.
 * Knows members, their turns, and which of them could take a message lately; refuses to know how a message is delivered.
 * @module
 */
import type { QoS } from "../codec/packet.ts";
import type { TopicFilter } from "../topic/filter.ts";
import type { Deliverer, Outgoing } from "./deliver.ts";
import type { Session, Subscription } from "./session.ts";

/** What a member is asked, in the order of preference: to be sent it at once, to queue it while connected, to queue it. */
export type MemberTest = "sends now" | "queues connected" | "queues";
/** Whether a member would pass a test; it changes nothing. */
export type Foreteller = (member: Subscription, test: MemberTest) => boolean;

type Test = (member: Subscription, outgoing: Outgoing, deliverer: Deliverer) => boolean;

/** Members that passed no test lately and are asked once more for a message that none of the others takes. */
const ASKED_AGAIN_MAX = 2;

/** Members who take turns, in the order in which they came; adding and taking away cost the same however many they are. */
class Rota {
  readonly members: Set<Subscription> = new Set();
  /** Stays right while members come and go. */
  #turns: Iterator<Subscription> = this.members.values();

  /** The member whose turn it is; undefined if there is none. */
  next(): Subscription | undefined {
    if (this.members.size === 0) return undefined;
    let turn = this.#turns.next();
    if (turn.done) turn = (this.#turns = this.members.values()).next();
    return turn.value as Subscription;
  }

  /** All members, that whose turn it is first. The turn stays where it is. */
  round(): Subscription[] {
    return Array.from(this.members, () => this.next()!);
  }
}

/**
 * All members in ranks: of rank 0 are members that pass the first test, as far as is known, and so on; of the last rank those that
 * pass none. A member that fails the test of its rank goes down by one, and up to rank 0 when its session can take more. So the
 * members that cannot take a message are not asked for each.
 */
class Ranks {
  readonly #tests: readonly Test[];
  readonly #ranks: readonly Rota[];

  constructor(tests: readonly Test[]) {
    this.#tests = tests;
    this.#ranks = [...tests, undefined].map(() => new Rota());
  }

  /** Rank 0. */
  get first(): Rota {
    return this.#ranks[0]!;
  }

  leave(member: Subscription): void {
    for (const { members } of this.#ranks) if (members.delete(member)) return;
  }

  /** To rank 0. */
  rise(member: Subscription): void {
    if (this.first.members.has(member)) return;
    this.leave(member);
    this.first.members.add(member);
  }

  /** The member that gets a message; `sinks` is told of each that went down. */
  choose(
    outgoing: Outgoing,
    deliverer: Deliverer,
    sinks: (member: Subscription) => void,
  ): Subscription | undefined {
    for (let rank = 0; rank < this.#tests.length; rank++) {
      const { members } = this.#ranks[rank]!;
      for (;;) {
        const member = this.#ranks[rank]!.next();
        if (member === undefined) break;
        if (this.#tests[rank]!(member, outgoing, deliverer)) return member;
        if (!members.delete(member)) continue; // it has risen: messages of its session have expired
        this.#ranks[rank + 1]!.members.add(member);
        sinks(member);
      }
    }
    return this.#askAgain(outgoing, deliverer);
  }

  /** Room may have come about that no session told of: messages have expired. */
  #askAgain(outgoing: Outgoing, deliverer: Deliverer): Subscription | undefined {
    const last = this.#ranks.at(-1)!;
    for (let i = Math.min(last.members.size, ASKED_AGAIN_MAX); i > 0; i--) {
      const member = last.next()!;
      if (this.#tests.some((test) => test(member, outgoing, deliverer))) return member;
    }
    return undefined;
  }
}

/** The members of a group, as they take turns. */
interface Members extends Iterable<Subscription> {
  readonly size: number;
  join(member: Subscription): void;
  leave(member: Subscription): void;
  /** The session of a member can take more than before. */
  rise(member: Subscription): void;
  choose(outgoing: Outgoing, deliverer: Deliverer): Subscription | undefined;
  foretell(qos: QoS, passes: Foreteller): Subscription | "one of several" | undefined;
  inTurn(messages: number, qos: QoS): readonly Subscription[] | undefined;
}

/** So many are asked one after the other: there may be a million groups of one. */
const FEW = 8;

/** At most `FEW` members. */
class FewMembers implements Members {
  readonly #all: Subscription[] = [];
  #turn = 0;

  get size(): number {
    return this.#all.length;
  }

  [Symbol.iterator](): Iterator<Subscription> {
    return this.#all.values();
  }

  join(member: Subscription): void {
    this.#all.push(member);
  }

  leave(member: Subscription): void {
    const at = this.#all.indexOf(member);
    this.#all.splice(at, 1);
    if (at < this.#turn) this.#turn--;
  }

  rise(): void {}

  choose(outgoing: Outgoing, deliverer: Deliverer): Subscription | undefined {
    for (const test of outgoing.view.qos === 0 ? TESTS_QOS_0 : TESTS_QOS_12) {
      const count = this.#all.length;
      for (let i = 0; i < count; i++) {
        const at = (this.#turn + i) % count;
        const member = this.#all[at]!;
        if (!test(member, outgoing, deliverer)) continue;
        this.#turn = (at + 1) % count;
        return member;
      }
    }
    return undefined;
  }

  foretell(qos: QoS, passes: Foreteller): Subscription | undefined {
    const count = this.#all.length;
    for (const test of testsOf(qos)) {
      for (let i = 0; i < count; i++) {
        const member = this.#all[(this.#turn + i) % count]!;
        if (passes(member, test)) return member;
      }
    }
    return undefined;
  }

  inTurn(messages: number, qos: QoS): readonly Subscription[] | undefined {
    const all = this.#all;
    const count = all.length;
    if (messages < count) return undefined;
    for (let i = 0; i < count; i++) {
      const share = Math.ceil((messages - i) / count);
      if (!sendsAll(all[(this.#turn + i) % count]!, qos, share)) return undefined;
    }
    if (count === 1) return all; // there may be a hundred thousand such groups for one message
    const members = all.slice(this.#turn).concat(all.slice(0, this.#turn));
    this.#turn = (this.#turn + messages) % count;
    return members;
  }
}

/** Any number of members: choosing one costs the same however many there are. */
class ManyMembers implements Members {
  readonly #all: Set<Subscription>;
  readonly #sinks: (member: Subscription) => void;
  readonly #forQos12: Ranks = new Ranks(TESTS_QOS_12);
  readonly #forQos0: Ranks = new Ranks(TESTS_QOS_0);

  /** `sinks` is told of each member that went down in rank. */
  constructor(members: Iterable<Subscription>, sinks: (member: Subscription) => void) {
    this.#all = new Set(members);
    this.#sinks = sinks;
    for (const member of this.#all) this.rise(member);
  }

  get size(): number {
    return this.#all.size;
  }

  [Symbol.iterator](): Iterator<Subscription> {
    return this.#all.values();
  }

  join(member: Subscription): void {
    this.#all.add(member);
    this.rise(member);
  }

  leave(member: Subscription): void {
    this.#all.delete(member);
    this.#forQos12.leave(member);
    this.#forQos0.leave(member);
  }

  rise(member: Subscription): void {
    this.#forQos12.rise(member);
    this.#forQos0.rise(member);
  }

  choose(outgoing: Outgoing, deliverer: Deliverer): Subscription | undefined {
    const ranks = outgoing.view.qos === 0 ? this.#forQos0 : this.#forQos12;
    return ranks.choose(outgoing, deliverer, this.#sinks);
  }

  /** A member goes down in rank as messages come, and behind the members of that rank: then only one that comes is certain. */
  foretell(qos: QoS, passes: Foreteller): Subscription | "one of several" | undefined {
    const { first } = qos === 0 ? this.#forQos0 : this.#forQos12;
    const now = first.round().find((member) => passes(member, "sends now"));
    if (now !== undefined) return now;
    const tests = testsOf(qos);
    const isAny = [...this.#all].some((member) => tests.some((test) => passes(member, test)));
    return isAny ? "one of several" : undefined;
  }

  inTurn(messages: number, qos: QoS): readonly Subscription[] | undefined {
    const { first } = qos === 0 ? this.#forQos0 : this.#forQos12;
    const count = first.members.size;
    if (messages < count || count === 0) return undefined;
    const members: Subscription[] = [];
    for (let i = 0; i < count; i++) members.push(first.next()!); // all round: it is the same member's turn as before
    for (let i = 0; i < count; i++) {
      if (!sendsAll(members[i]!, qos, Math.ceil((messages - i) / count))) return undefined;
    }
    for (let i = messages % count; i > 0; i--) first.next();
    return members;
  }
}

/** Members that a message is not for: those at other nodes, or at nodes that have refused it. */
export type Without = "nodes" | ReadonlySet<Session>;

/** All members of one `$share/NAME/FILTER`. */
export class SharedGroup {
  readonly filter: TopicFilter;
  #members: Members = new FewMembers();
  #connected = 0;
  #isDeaf = false;
  /** Members that stand for the members at other nodes; in the order of turns. */
  #nodes: Subscription[] | undefined;
  readonly #changed: (group: SharedGroup) => void;

  /** `changed` is called when what the group can take may have changed: members come and go, connect, rise, and none has room. */
  constructor(filter: TopicFilter, changed: (group: SharedGroup) => void) {
    this.filter = filter;
    this.#changed = changed;
  }

  /** The members, in no order that means anything. */
  get members(): Iterable<Subscription> {
    return this.#members;
  }

  /** How many there are, nodes with members among them. */
  get size(): number {
    return this.#members.size + (this.#nodes === undefined ? 0 : this.#nodes.length);
  }

  /** Whether a member is connected, here or at another node. */
  get isConnected(): boolean {
    return this.#connected > 0 || this.#nodes?.some(hasConnected) === true;
  }

  /** What the members of this node can take: 0 is messages of QoS 0 too, 1 is others, for later; undefined is none. */
  get takes(): 0 | 1 | undefined {
    if (this.#connected > 0) return 0;
    return this.#members.size > 0 && this.hasKeeper() ? 1 : undefined;
  }

  /** The highest QoS of the members of this node, -1 without one. */
  get qosHere(): number {
    let qos = -1;
    let asked = 0;
    for (const member of this.#members) {
      if (member.qos > qos) qos = member.qos;
      if (qos === 2 || ++asked > FEW) return 2;
    }
    return qos;
  }

  /** A member comes. */
  join(member: Subscription): void {
    if (member.session.isNode) {
      (this.#nodes ??= []).push(member);
      return this.#changed(this);
    }
    if (this.#members.size === FEW && this.#members instanceof FewMembers) {
      this.#members = new ManyMembers(this.#members, (one) => one.session.sinks(one, this));
    }
    this.#members.join(member);
    if (member.session.connection !== undefined) this.#connected++;
    this.#isDeaf = false;
    this.#changed(this);
  }

  /** A member leaves; the turn of the others is not changed by it. */
  leave(member: Subscription): void {
    if (member.session.isNode) this.#nodes!.splice(this.#nodes!.indexOf(member), 1);
    else {
      this.#members.leave(member);
      if (member.session.connection !== undefined) this.#connected--;
    }
    this.#changed(this);
  }

  /** The session of a member has a connection from now on. */
  connected(member: Subscription): void {
    if (member.session.isNode) return this.#changed(this);
    if (++this.#connected === 1) this.#changed(this);
    this.rise(member);
  }

  /** It has none from now on. */
  disconnected(member: Subscription): void {
    if (member.session.isNode) return this.#changed(this);
    if (--this.#connected === 0) this.#changed(this);
  }

  /** The session of a member can take more than before. */
  rise(member: Subscription): void {
    this.#members.rise(member);
    if (!this.#isDeaf) return;
    this.#isDeaf = false;
    this.#changed(this);
  }

  /** No member can take any message, until one of them rises. False too where that is not known: each message costs the same then. */
  get isDeaf(): boolean {
    return this.#isDeaf;
  }

  /** Some member may be able to take a QoS 1 or 2 message, as far as is known without asking. Only a connected one is granted another QoS. */
  get isHearing(): boolean {
    if (this.#nodes !== undefined && this.#nodes.length > 0) return true;
    return !this.#isDeaf && (this.#connected > 0 || this.#members.size > FEW || this.hasKeeper());
  }

  /** Whether a member's session can keep QoS 1 and 2 messages, were there room; those on `topic`, if one is given. */
  hasKeeper(topic?: string): boolean {
    let asked = 0;
    for (const member of this.#members) {
      const { qos, session } = member;
      const isKept = session.connection !== undefined || session.persists;
      if (qos > 0 && !session.ended && isKept && (topic === undefined || !isForbidden(member, topic))) {
        return true;
      }
      if (++asked === FEW) return false; // nearly each member could, but for one that was granted QoS 0
    }
    return false;
  }

  /**
   * The member that gets a message. Members take turns: first a member that can be sent it at once, then a connected
   * one that can queue it, then a disconnected one that can. Undefined if no member can take it. Connected members at other nodes come
   * before those of this node that are not, and none that is `without`.
   */
  choose(outgoing: Outgoing, deliverer: Deliverer, without?: Without): Subscription | undefined {
    if (this.#nodes === undefined || this.#nodes.length === 0 || without === "nodes") {
      return this.#chooseHere(outgoing, deliverer);
    }
    const now = this.#connected > 0 ? undefined : this.#chooseNode(outgoing, deliverer, true, without);
    return now ?? this.#chooseHere(outgoing, deliverer) ??
      this.#chooseNode(outgoing, deliverer, false, without);
  }

  #chooseHere(outgoing: Outgoing, deliverer: Deliverer): Subscription | undefined {
    if (this.#connected === 0 && outgoing.view.qos === 0) return undefined;
    const member = this.#members.choose(outgoing, deliverer);
    if (member === undefined && outgoing.view.qos > 0 && this.#members.size <= FEW) this.#deafen(deliverer);
    return member;
  }

  /** A node with members, in turn; if `isNow`, one with a connected member. */
  #chooseNode(
    outgoing: Outgoing,
    deliverer: Deliverer,
    isNow: boolean,
    without: ReadonlySet<Session> | undefined,
  ): Subscription | undefined {
    const nodes = this.#nodes!;
    const needsConnected = isNow || outgoing.view.qos === 0;
    for (let i = 0; i < nodes.length; i++) {
      const node = nodes[i]!;
      if ((needsConnected && !hasConnected(node)) || without?.has(node.session) === true) continue;
      if (!sendsNow(node, outgoing) && (isNow || !queues(node, outgoing, deliverer))) continue;
      nodes.push(...nodes.splice(i, 1));
      return node;
    }
    return undefined;
  }

  /** The member that `choose()` would give, were it asked now; the turns stay as they are. */
  foretell(qos: QoS, passes: Foreteller): Subscription | "one of several" | undefined {
    return this.#connected === 0 && qos === 0 ? undefined : this.#members.foretell(qos, passes);
  }

  /** There may be a hundred thousand groups for one message, of sessions that are full: none of them is to be asked for each. */
  #deafen(deliverer: Deliverer): void {
    for (const member of this.#members) {
      if (hasRoom(member, deliverer)) return; // for a smaller message
      if (member.session.access?.isUnsettled === true) return; // whether it is a keeper depends on the topic
    }
    this.#isDeaf = true;
    for (const member of this.#members) deliverer.sinks(member, this);
    this.#changed(this);
  }

  /**
   * All members that messages can be sent to, in their turn, if each can be sent its share of so many of this QoS at once: the first of them gets the
   * first, the next one the second, and so on round. Undefined if one of them cannot, or there are fewer messages than members: then `choose()` for each message.
   */
  inTurn(messages: number, qos: QoS): readonly Subscription[] | undefined {
    return this.#members.size === 0 ? undefined : this.#members.inTurn(messages, qos);
  }
}

/** Whether a node says that a member of it is connected: by the Retain Handling of its subscription, as a route has no use for that. */
function hasConnected({ retainHandling, session: { connection } }: Subscription): boolean {
  return retainHandling === 0 && connection !== undefined;
}

/** In the order of preference. */
const TESTS_QOS_12: readonly Test[] = [sendsNow, queuesConnected, queues];
const TESTS_QOS_0: readonly Test[] = [sendsNow];

function testsOf(qos: QoS): readonly MemberTest[] {
  return qos === 0 ? ["sends now"] : ["sends now", "queues connected", "queues"];
}

/** Whether so many messages of this QoS can be sent to a member at once. */
function sendsAll({ session, qos: granted }: Subscription, qos: QoS, messages: number): boolean {
  const { connection } = session;
  if (connection === undefined || session.access?.isUnsettled === true) return false;
  return Math.min(qos, granted) === 0 ? !connection.isFull : session.canSend(messages);
}

/** §5.4.2 Whether rules have changed so that a member may not have this topic; one that is settled may have all of its group's. */
function isForbidden({ session: { access } }: Subscription, topic: string): boolean {
  return access?.isUnsettled === true && !access.mayReceive(topic);
}

function sendsNow(member: Subscription, { view, topic }: Outgoing): boolean {
  const { session, qos } = member;
  const { connection } = session;
  if (connection === undefined || isForbidden(member, topic)) return false;
  return Math.min(view.qos, qos) === 0 ? !connection.isFull : session.canSend(1);
}

function queuesConnected(member: Subscription, outgoing: Outgoing, deliverer: Deliverer): boolean {
  return member.session.connection !== undefined && queues(member, outgoing, deliverer);
}

function queues(member: Subscription, outgoing: Outgoing, deliverer: Deliverer): boolean {
  const { session, qos } = member;
  if (isForbidden(member, outgoing.topic)) return false;
  return Math.min(outgoing.view.qos, qos) > 0 && deliverer.canTake(session, outgoing);
}

/** Whether a member could take the smallest message. */
function hasRoom({ session, qos }: Subscription, deliverer: Deliverer): boolean {
  const { connection } = session;
  if (qos === 0) return connection !== undefined && !connection.isFull;
  return (connection !== undefined || session.persists) && !session.ended && !deliverer.isFull(session);
}
