/**
 * §4.8.2 Shared Subscriptions: one message, one member of the group.
 * Knows members and turns; refuses to know how a message is delivered.
 * @module
 */
import type { QoS } from "../codec/packet.ts";
import type { TopicFilter } from "../topic/filter.ts";
import type { Deliverer, Outgoing } from "./deliver.ts";
import type { Subscription } from "./session.ts";

type Test = (member: Subscription, outgoing: Outgoing, deliverer: Deliverer) => boolean;

/** All members of one `$share/NAME/FILTER`. */
export class SharedGroup {
  readonly filter: TopicFilter;
  readonly #members: Subscription[] = [];
  #turn = 0;

  constructor(filter: TopicFilter) {
    this.filter = filter;
  }

  /** The members, in no order that means anything. */
  get members(): readonly Subscription[] {
    return this.#members;
  }

  /** A member comes. */
  join(member: Subscription): void {
    this.#members.push(member);
  }

  /** A member leaves; the turn of the others is not changed by it. */
  leave(member: Subscription): void {
    const at = this.#members.indexOf(member);
    if (at < 0) return;
    this.#members.splice(at, 1);
    if (at < this.#turn) this.#turn--;
  }

  /** Whether a member is connected. */
  get isConnected(): boolean {
    return this.#members.some(({ session }) => session.connection !== undefined);
  }

  /** Whether a member's session can keep QoS 1 and 2 messages, were there room. */
  get hasKeeper(): boolean {
    return this.#members.some(({ qos, session }) =>
      qos > 0 && !session.ended && (session.connection !== undefined || session.persists)
    );
  }

  /**
   * The member that gets a message. Members take turns: first a member that can be sent it at once, then a connected
   * one that can queue it, then a disconnected one that can. Undefined if no member can take it.
   */
  choose(outgoing: Outgoing, deliverer: Deliverer): Subscription | undefined {
    return this.#next(sendsNow, outgoing, deliverer) ?? this.#next(queuesConnected, outgoing, deliverer) ??
      this.#next(queues, outgoing, deliverer);
  }

  /**
   * All members in their turn, if each can be sent its share of so many messages of this QoS at once: the first of them gets the
   * first, the next one the second, and so on round. Undefined if one of them cannot, or there are fewer messages than members: then `choose()` for each message.
   */
  inTurn(messages: number, qos: QoS): readonly Subscription[] | undefined {
    const all = this.#members;
    const count = all.length;
    if (messages < count) return undefined;
    for (let i = 0; i < count; i++) {
      const { session, qos: granted } = all[(this.#turn + i) % count]!;
      const share = Math.ceil((messages - i) / count);
      const { connection } = session;
      if (connection === undefined) return undefined;
      if (Math.min(qos, granted) === 0 ? connection.isFull : !session.canSend(share)) return undefined;
    }
    const members = all.slice(this.#turn).concat(all.slice(0, this.#turn));
    this.#turn = (this.#turn + messages) % count;
    return members;
  }

  #next(test: Test, outgoing: Outgoing, deliverer: Deliverer): Subscription | undefined {
    const count = this.#members.length;
    for (let i = 0; i < count; i++) {
      const at = (this.#turn + i) % count;
      const member = this.#members[at]!;
      if (test(member, outgoing, deliverer)) {
        this.#turn = (at + 1) % count;
        return member;
      }
    }
    return undefined;
  }
}

function sendsNow({ session, qos }: Subscription, { view }: Outgoing): boolean {
  const { connection } = session;
  if (connection === undefined) return false;
  return Math.min(view.qos, qos) === 0 ? !connection.isFull : session.canSend(1);
}

function queuesConnected(member: Subscription, outgoing: Outgoing, deliverer: Deliverer): boolean {
  return member.session.connection !== undefined && queues(member, outgoing, deliverer);
}

function queues({ session, qos }: Subscription, outgoing: Outgoing, deliverer: Deliverer): boolean {
  return Math.min(outgoing.view.qos, qos) > 0 && deliverer.canTake(session, outgoing);
}
