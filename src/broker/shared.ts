/**
 * §4.8.2 Shared Subscriptions: one message, one member of the group.
 * Knows members and turns; refuses to know how a message is delivered.
 * @module
 */
import type { QoS } from "../codec/packet.ts";
import type { TopicFilter } from "../topic/filter.ts";
import { canSend, canTake } from "./deliver.ts";
import type { Broker } from "./engine.ts";
import type { Subscription } from "./session.ts";

type Test = (member: Subscription, qos: QoS, broker: Broker) => boolean;

/** All members of one `$share/NAME/FILTER`. */
export class SharedGroup {
  readonly filter: TopicFilter;
  readonly members: Subscription[] = [];
  #turn = 0;

  constructor(filter: TopicFilter) {
    this.filter = filter;
  }

  /**
   * The member that gets a message of `qos`. Members take turns: first those that can be sent it at once, then connected
   * ones that can queue it, then disconnected ones that can. Undefined if nobody can take it.
   */
  choose(qos: QoS, broker: Broker): Subscription | undefined {
    return this.#next(sendsNow, qos, broker) ?? this.#next(queuesConnected, qos, broker) ??
      this.#next(queues, qos, broker);
  }

  /** A member leaves; the turn of the others is not changed by it. */
  leave(member: Subscription): void {
    const at = this.members.indexOf(member);
    if (at < 0) return;
    this.members.splice(at, 1);
    if (at < this.#turn) this.#turn--;
  }

  #next(test: Test, qos: QoS, broker: Broker): Subscription | undefined {
    const count = this.members.length;
    for (let i = 0; i < count; i++) {
      const at = (this.#turn + i) % count;
      if (test(this.members[at]!, qos, broker)) {
        this.#turn = (at + 1) % count;
        return this.members[at];
      }
    }
    return undefined;
  }
}

function sendsNow({ session, qos: granted }: Subscription, qos: QoS, broker: Broker): boolean {
  const connection = session.connection;
  if (connection === undefined) return false;
  if (Math.min(qos, granted) === 0) return connection.outbox.size <= broker.limits.outboundBytesMax;
  return session.queued === 0 && session.resend === undefined && canSend(connection);
}

function queuesConnected(member: Subscription, qos: QoS, broker: Broker): boolean {
  return member.session.connection !== undefined && queues(member, qos, broker);
}

function queues({ session, qos: granted }: Subscription, qos: QoS, broker: Broker): boolean {
  return Math.min(qos, granted) > 0 && canTake(session, broker);
}
