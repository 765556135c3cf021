/**
 * §4.8.2 Shared Subscriptions: one message, one member of the group.
 * Knows members and turns; refuses to know how a message is delivered.
 * @module
 */
import type { TopicFilter } from "../topic/filter.ts";
import { canSend, canTake, type Outgoing } from "./deliver.ts";
import type { Broker } from "./engine.ts";
import type { Subscription } from "./session.ts";

type Test = (member: Subscription, outgoing: Outgoing, broker: Broker) => boolean;

/** All members of one `$share/NAME/FILTER`. */
export class SharedGroup {
  readonly filter: TopicFilter;
  readonly members: Subscription[] = [];
  #turn = 0;

  constructor(filter: TopicFilter) {
    this.filter = filter;
  }

  /**
   * The member that gets a message. Members take turns: first those that can be sent it at once, then connected
   * ones that can queue it, then disconnected ones that can. Undefined if nobody can take it.
   */
  choose(outgoing: Outgoing, broker: Broker): Subscription | undefined {
    return this.#next(sendsNow, outgoing, broker) ?? this.#next(queuesConnected, outgoing, broker) ??
      this.#next(queues, outgoing, broker);
  }

  /** A member leaves; the turn of the others is not changed by it. */
  leave(member: Subscription): void {
    const at = this.members.indexOf(member);
    if (at < 0) return;
    this.members.splice(at, 1);
    if (at < this.#turn) this.#turn--;
  }

  #next(test: Test, outgoing: Outgoing, broker: Broker): Subscription | undefined {
    const count = this.members.length;
    for (let i = 0; i < count; i++) {
      const at = (this.#turn + i) % count;
      if (test(this.members[at]!, outgoing, broker)) {
        this.#turn = (at + 1) % count;
        return this.members[at];
      }
    }
    return undefined;
  }
}

function sendsNow({ session, qos }: Subscription, { view }: Outgoing, broker: Broker): boolean {
  const connection = session.connection;
  if (connection === undefined) return false;
  if (Math.min(view.qos, qos) === 0) return connection.outbox.size <= broker.limits.outboundBytesMax;
  return session.queued === 0 && session.resend === undefined && canSend(connection);
}

function queuesConnected(member: Subscription, outgoing: Outgoing, broker: Broker): boolean {
  return member.session.connection !== undefined && queues(member, outgoing, broker);
}

function queues({ session, qos }: Subscription, outgoing: Outgoing, broker: Broker): boolean {
  return Math.min(outgoing.view.qos, qos) > 0 && canTake(session, outgoing, broker);
}
