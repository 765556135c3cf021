/**
 * §3.3.4 What would become of a message, were it published now: each copy, its receiver and its fate. It changes nothing.
 * Knows the decisions of `Router.route` and `Deliverer.deliver`, made without their effects; refuses to know words for them.
 *
 * A copy may stand in the way of a later one of the same message, by Receive Maximum or by a limit: what earlier copies would take is
 * kept aside, for each session. `explain_test.ts` compares all of it with what really happens.
 * @module
 */
import type { QoS } from "../codec/packet.ts";
import { headLength, noStamp, publishFirst } from "../codec/publish_template.ts";
import { messageBytes } from "../delivery/message.ts";
import { MODEST_BYTES } from "../engine/outflow.ts";
import type { Outgoing } from "./deliver.ts";
import type { Match, Target } from "./match.ts";
import type { DropReason } from "./options.ts";
import type { Parts } from "./parts.ts";
import type { Serving, Session, Subscription } from "./session.ts";
import type { MemberTest, SharedGroup } from "./shared.ts";
import type { UserAccount } from "./users.ts";

/** Receivers and members that are looked at for one message. */
const RECEIVERS_MAX = 10_000;

/** What becomes of a copy: `sent` at once, `waits` for room or its Client, or why there is none. */
export type Fate = "sent" | "waits" | "not connected" | "no local" | DropReason;

/** One copy of the message, or the copy that a session does not get. */
export interface RehearsedCopy {
  readonly session: Session;
  /** §4.8.2 The filter of the Shared Subscription that it would come by. */
  readonly share: string | undefined;
  /** §3.8.4 */
  readonly qos: QoS;
  /** §3.3.1.3 */
  readonly retain: boolean;
  /** §3.3.2.3.8 */
  readonly identifiers: readonly number[];
  readonly fate: Fate;
  /** Bytes of the packet as it would be sent now; undefined without a connection. */
  readonly bytes: number | undefined;
  /** Whether the packet is within Maximum Packet Size; undefined if that shows only when it is sent. */
  readonly fits: boolean | undefined;
}

/** A group, and the member that would get the message. */
export interface RehearsedGroup {
  readonly group: SharedGroup;
  readonly member: Subscription | "one of several" | undefined;
}

/** All of it. */
export interface Rehearsed {
  readonly copies: readonly RehearsedCopy[];
  readonly groups: readonly RehearsedGroup[];
  /** False: there are so many receivers that only the copies of one session were looked at. */
  readonly isWhole: boolean;
}

/** What earlier copies of the message would take of one session. */
interface Taken {
  inFlight: number;
  waiting: number;
  waitingBytes: number;
  outgoing: number;
  /** Calls of `Backlog.expire()`. */
  looks: number;
  /** Waiting messages that have expired have given way. */
  gaveWay: boolean;
  hasAlias: boolean;
}

/** One message, rehearsed. */
export class Rehearsal {
  readonly #parts: Parts;
  readonly #outgoing: Outgoing;
  readonly #now: number;
  readonly #taken: Map<Session, Taken> = new Map();
  readonly #ofUsers: Map<UserAccount, number> = new Map();
  readonly #copies: RehearsedCopy[] = [];

  constructor(parts: Parts, outgoing: Outgoing, now: number) {
    this.#parts = parts;
    this.#outgoing = outgoing;
    this.#now = now;
  }

  /** §3.3.4 as `Router.route` would do it. `asked` is looked at in any case. */
  route(match: Match, publisher: Session | undefined, asked: Session | undefined): Rehearsed {
    const { view } = this.#outgoing;
    let receivers = match.targets.length;
    for (const { size } of match.groups) receivers += size;
    const isWhole = receivers <= RECEIVERS_MAX;
    for (const target of match.targets) {
      if (!isWhole && target.session !== asked) continue;
      if (!target.noLocal || target.session !== publisher) this.#toTarget(target);
      else if (target.others !== undefined) this.#toTarget(target.others); // [MQTT-3.8.3-3]
      else {
        this.#copies.push({ ...this.#copyFor(target), fate: "no local", bytes: undefined, fits: undefined });
      }
    }
    const groups: RehearsedGroup[] = [];
    const offered = new Set(this.#parts.router.groupsOffered(match, view.qos));
    for (const group of match.groups) {
      if (!isWhole && asked?.subscriptions.has(group.filter.text) !== true) continue;
      const member = offered.has(group)
        ? group.foretell(view.qos, (member, test) => this.#passes(member, test))
        : undefined;
      groups.push({ group, member });
      if (typeof member === "object") this.#deliver(this.#copyFor(member, group.filter.text));
    }
    return { copies: this.#copies, groups, isWhole };
  }

  #copyFor(
    { session, qos, retainAsPublished, identifiers }: Omit<Target, "noLocal" | "others" | "each">,
    share?: string,
  ): Omit<RehearsedCopy, "fate" | "bytes" | "fits"> {
    const { view } = this.#outgoing;
    return {
      session,
      share,
      qos: Math.min(view.qos, qos) as QoS, // [MQTT-3.8.4-8] [MQTT-3.3.4-2] [MQTT-4.8.2-3]
      retain: view.retain && retainAsPublished, // [MQTT-3.3.1-12] [MQTT-3.3.1-13]
      identifiers,
    };
  }

  #toTarget(target: Target): void {
    this.#deliver(this.#copyFor(target));
  }

  /** As `Deliverer.deliver` would do it. */
  #deliver(copy: Omit<RehearsedCopy, "fate" | "bytes" | "fits">): void {
    const { session, qos } = copy;
    const { connection } = session;
    const size = connection && this.#sizeOn(connection, copy);
    const fate = this.#fateOf(copy, size?.fits);
    this.#copies.push({ ...copy, fate, bytes: size?.bytes, fits: size?.fits });
    const taken = this.#takenOf(session);
    if (fate === "sent") {
      taken.outgoing += size!.bytes;
      taken.hasAlias = true;
      if (qos > 0) taken.inFlight++;
    } else if (fate === "waits") {
      const bytes = messageBytes(this.#outgoing);
      taken.waiting++;
      taken.waitingBytes += bytes;
      const { account } = session;
      if (account !== undefined) this.#ofUsers.set(account, (this.#ofUsers.get(account) ?? 0) + bytes);
    }
  }

  #fateOf(
    { session, qos, share }: Pick<RehearsedCopy, "session" | "qos" | "share">,
    fits: boolean | undefined,
  ): Fate {
    const { connection, access } = session;
    if (access !== undefined && !access.mayReceive(this.#outgoing.topic)) return "not permitted";
    if (qos === 0) {
      if (connection === undefined) return "not connected";
      if (this.#isFull(connection)) {
        return connection.outbox.size + this.#takenOf(session).outgoing > connection.bytesMax
          ? "outboundBytesMax"
          : "memoryBytesMax";
      }
    } else {
      if (session.ended || (connection === undefined && !session.persists)) return "not connected";
      if (connection === undefined || !this.#canSend(session, connection)) {
        return this.#fullBacklog(session, share !== undefined) ?? "waits";
      }
    }
    return fits === false ? "packet too large" : "sent";
  }

  #takenOf(session: Session): Taken {
    let taken = this.#taken.get(session);
    if (taken === undefined) {
      taken = {
        inFlight: 0,
        waiting: 0,
        waitingBytes: 0,
        outgoing: 0,
        looks: 0,
        gaveWay: false,
        hasAlias: false,
      };
      this.#taken.set(session, taken);
    }
    return taken;
  }

  #isFull({ session, outbox, bytesMax, link }: Serving): boolean {
    const size = outbox.size + this.#takenOf(session).outgoing;
    return size > bytesMax || (size > MODEST_BYTES && link.ledger.isAbove);
  }

  #canSend(session: Session, connection: Serving): boolean {
    return session.canSend(this.#takenOf(session).inFlight + 1) && !this.#isFull(connection);
  }

  /** The limit that keeps the message out of a backlog. */
  #fullBacklog(session: Session, isShared: boolean): DropReason | undefined {
    const bytes = messageBytes(this.#outgoing);
    let limit = this.#fullFor(session, bytes);
    if (limit !== undefined && this.#givesWay(session)) limit = this.#fullFor(session, bytes);
    if (limit !== undefined) return limit;
    return session.isTight(isShared || !session.durable) ? "memoryBytesMax" : undefined;
  }

  #fullFor(session: Session, bytes: number): DropReason | undefined {
    const { limits, backlog } = session;
    const taken = this.#takenOf(session);
    const gone = taken.gaveWay ? backlog!.foretellExpiry(this.#now, taken.looks) : { count: 0, bytes: 0 };
    if (session.queued - gone.count + taken.waiting >= limits.queuedMessagesMax) return "queuedMessagesMax";
    if (session.queuedBytes - gone.bytes + taken.waitingBytes + bytes > limits.queuedBytesMax) {
      return "queuedBytesMax";
    }
    const { account } = session;
    const more = account === undefined ? 0 : this.#ofUsers.get(account) ?? 0;
    return session.isUserFull(bytes + more) ? "userQueuedBytesMax" : undefined;
  }

  /** §3.3.2.3.3 Whether messages that wait would be given up now, since they have expired. */
  #givesWay(session: Session): boolean {
    const { backlog } = session;
    const taken = this.#takenOf(session);
    if (backlog === undefined || taken.gaveWay) return false;
    taken.looks++;
    const gone = backlog.foretellExpiry(this.#now, taken.looks);
    if (gone.count === 0) return false;
    const { account } = session;
    if (account !== undefined) this.#ofUsers.set(account, (this.#ofUsers.get(account) ?? 0) - gone.bytes);
    return taken.gaveWay = true;
  }

  /** §3.1.2.11.4 the packet as it would be sent now. */
  #sizeOn(
    connection: Serving,
    { qos, retain, identifiers }: Pick<RehearsedCopy, "qos" | "retain" | "identifiers">,
  ): { readonly bytes: number; readonly fits: boolean | undefined } {
    const { view, topic } = this.#outgoing;
    const { maximumPacketSize, level } = connection.link;
    const stamp = {
      ...noStamp(),
      first: publishFirst(qos, retain, false),
      packetId: qos === 0 ? 0 : 1,
      level5: level === 5,
      subscriptionIdentifiers: identifiers,
    };
    const lengthWith = (alias: number, isKnown: boolean): number =>
      headLength(view, { ...stamp, topicAlias: alias, topicKnown: isKnown }) + view.payloadLength;
    const plain = lengthWith(0, false);
    if (!connection.usesAliases) return { bytes: plain, fits: plain <= maximumPacketSize };
    connection.chooseAlias(topic, stamp);
    const isKnown = stamp.topicKnown ||
      (stamp.topicAlias !== 0 && this.#takenOf(connection.session).hasAlias);
    const aliased = lengthWith(stamp.topicAlias, isKnown);
    const bytes = aliased <= maximumPacketSize ? aliased : plain;
    if (bytes <= maximumPacketSize) return { bytes, fits: true };
    const canGetAlias = qos > 0 && stamp.topicAlias !== 0 && !isKnown && connection.session.queued > 0; // a message before it may bring one
    return { bytes, fits: canGetAlias && lengthWith(1, true) <= maximumPacketSize ? undefined : false };
  }

  /** §4.8.2 The tests of shared.ts. */
  #passes({ session, qos: granted }: Subscription, test: MemberTest): boolean {
    const { connection, access } = session;
    const { view, topic } = this.#outgoing;
    const qos = Math.min(view.qos, granted);
    if (access?.isUnsettled === true && !access.mayReceive(topic)) return false;
    if (test === "sends now") {
      if (connection === undefined) return false;
      return qos === 0 ? !this.#isFull(connection) : this.#canSend(session, connection);
    }
    if (test === "queues connected" && connection === undefined) return false;
    if (qos === 0 || session.ended || (connection === undefined && !session.persists)) return false;
    return this.#fullBacklog(session, true) === undefined;
  }
}
