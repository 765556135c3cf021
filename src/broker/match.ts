/**
 * §3.3.4 The subscribers of one Topic Name: sessions (each once, however many of its filters match), groups, taps.
 * Knows how subscriptions of one session become one target; refuses to know how a message is delivered.
 * @module
 */
import type { QoS } from "../codec/packet.ts";
import { COST } from "./budget.ts";
import type { PublishView } from "../codec/publish_view.ts";
import { NO_IDENTIFIERS, type Session, Subscription } from "./session.ts";
import { SharedGroup } from "./shared.ts";

/** A message as a tap gets it; `view` is the callee's only during the call. */
export interface TappedMessage {
  /** §3.3.2.1 Topic Name. */
  readonly topic: string;
  /** The PUBLISH frame, without Topic Alias. */
  readonly view: PublishView;
  /** §3.1.3.1 of the Client that published it; undefined for the Server's own. */
  readonly publisher: string | undefined;
}

/** A receiver inside the process, in the tree of filters like a subscription: for a bridge, a page, another node. */
export class Tap {
  /** §4.7 */
  readonly filter: string;
  /** Called once for each message that matches, after the sessions. An exception is reported. */
  readonly received: (message: TappedMessage) => void;

  /** `Broker.tap()` makes them. */
  constructor(filter: string, received: (message: TappedMessage) => void) {
    this.filter = filter;
    this.received = received;
  }
}

/** The values in the tree: ordinary subscriptions, one group for all members of a Shared Subscription, taps. */
export type Subscriber = Subscription | SharedGroup | Tap;

/** One session that gets a message, and how. */
export interface Target {
  readonly session: Session;
  /** The highest that was granted [MQTT-3.3.4-2]. */
  readonly qos: QoS;
  /** A filter with No Local is among them: `others` is the target of the session's own messages. */
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  /** §3.3.4 of all of them that have one. */
  readonly identifiers: readonly number[];
  /** The subscriptions without No Local. */
  readonly others: Target | undefined;
  /** Calls `visit` for each subscription that matches. */
  each(visit: (subscription: Subscription) => void): void;
}

/** Several subscriptions of one session that match the same name: one copy for all. */
class Overlap implements Target {
  readonly session: Session;
  readonly qos: QoS;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly identifiers: readonly number[];
  readonly others: Target | undefined;
  readonly #all: readonly Subscription[];

  constructor(all: readonly Subscription[]) {
    this.session = all[0]!.session;
    this.#all = all;
    let qos: QoS = 0;
    let retainAsPublished = false;
    const identifiers: number[] = [];
    const others: Subscription[] = [];
    for (const subscription of all) {
      if (subscription.qos > qos) qos = subscription.qos;
      if (subscription.retainAsPublished) retainAsPublished = true;
      if (!subscription.noLocal) others.push(subscription);
      if (subscription.identifier !== 0) identifiers.push(subscription.identifier); // [MQTT-3.3.4-4]
    }
    this.qos = qos;
    this.retainAsPublished = retainAsPublished;
    this.identifiers = identifiers.length === 0 ? NO_IDENTIFIERS : identifiers;
    this.noLocal = others.length < all.length;
    this.others = !this.noLocal || others.length === 0 ? undefined : targetOf(others);
  }

  each(visit: (subscription: Subscription) => void): void {
    for (const subscription of this.#all) visit(subscription);
  }
}

/** The subscribers of one Topic Name. */
export interface Match {
  readonly targets: readonly Target[];
  readonly groups: readonly SharedGroup[];
  readonly taps: readonly Tap[];
  /** Other nodes with subscribers: for messages that do not come from a node. */
  readonly nodes: readonly Target[];
  /** No session and no group: PUBACK and PUBREC have Reason Code 0x10. */
  readonly isEmpty: boolean;
  /** §4.8.2 for `Router`: what it found out about the groups when their members last changed. */
  groupsKnown: GroupsKnown | undefined;
  /** Steps that a message to all of them takes in a batch. */
  readonly steps: number;
}

/** What holds of the groups of a match until their members change. */
export interface GroupsKnown {
  /** `Router`'s count of changes. */
  readonly at: number;
  /** Groups with a connected member: the others take no message of QoS 0. */
  readonly connected: readonly SharedGroup[];
  /** Groups of which a member may take a message of QoS 1 or 2: the others take none. */
  readonly hearing: readonly SharedGroup[];
  /** A member of a deaf group could keep messages, had it room. */
  readonly hasFullKeeper: boolean;
  /** A session may get more than one copy of a message; undefined until that is asked for. */
  severalCopies: boolean | undefined;
}

const NONE: readonly never[] = [];
/** No subscribers. */
export const NOTHING: Match = {
  targets: NONE,
  groups: NONE,
  taps: NONE,
  nodes: NONE,
  isEmpty: true,
  groupsKnown: undefined,
  steps: 1,
};

/** The match of these subscribers. */
export function matchOf(found: readonly Subscriber[]): Match {
  if (found.length === 0) return NOTHING;
  if (found.length === 1 && found[0] instanceof Subscription && !found[0].session.isNode) {
    return { ...NOTHING, targets: [found[0]], isEmpty: false };
  }
  const groups: SharedGroup[] = [];
  const taps: Tap[] = [];
  const bySession = new Map<Session, Subscription[]>();
  for (const subscriber of found) {
    if (subscriber instanceof SharedGroup) groups.push(subscriber);
    else if (subscriber instanceof Tap) taps.push(subscriber);
    else {
      const others = bySession.get(subscriber.session);
      if (others === undefined) bySession.set(subscriber.session, [subscriber]);
      else others.push(subscriber);
    }
  }
  const targets: Target[] = [];
  let nodes: Target[] | undefined;
  for (const subscriptions of bySession.values()) {
    const target = targetOf(subscriptions);
    if (target.session.isNode) (nodes ??= []).push(target);
    else targets.push(target);
  }
  const isEmpty = targets.length === 0 && groups.length === 0 && nodes === undefined;
  const steps = found.length + groups.length * COST.group;
  return { targets, groups, taps, nodes: nodes ?? NONE, isEmpty, groupsKnown: undefined, steps };
}

function targetOf(subscriptions: readonly Subscription[]): Target {
  return subscriptions.length === 1 ? subscriptions[0]! : new Overlap(subscriptions);
}
