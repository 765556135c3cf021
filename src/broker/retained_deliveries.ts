/**
 * §3.3.1.3 Retained messages on their way to a new subscription, in portions: the work of one turn is bounded,
 * and so is the memory for waiting messages, however many there are.
 * Knows which session is next and how much it may send; refuses to know how a message is sent.
 *
 * A retained delivery stands at one topic. It belongs to the session: it goes on when there is room, on this connection or a later one, and
 * while there is none, QoS 1 and 2 messages go into the session's backlog (§4.1), up to the limits of that. A message is sent
 * as it is when the walk comes to its topic. So none is older than a live message that went before it, but where that one
 * was not retained: then the retained one is sent out of turn, first (§4.6).
 * @module
 */
import type { QoS } from "../codec/packet.ts";
import { PublishView } from "../codec/publish_view.ts";
import { decodeUtf8 } from "../codec/utf8.ts";
import type { Message } from "../delivery/message.ts";
import { MORE } from "../topic/name_cursor.ts";
import { NONE } from "../topic/name_tree.ts";
import { type Deliverer, type Outgoing, outgoingOf } from "./deliver.ts";
import type { Retained } from "./retained.ts";
import { RetainedDelivery } from "./retained_delivery.ts";
import type { Session, Subscription } from "./session.ts";
import type { Turn } from "./turn.ts";

/** The steps of all retained deliveries together in one turn: a step is a topic looked at, some 50 ns. */
export const TURN_STEPS: number = 8_192;
/** Minimum share of one session, so that progress is visible when many compete. */
const SHARE_STEPS = 2_048;
/** Steps that a message counts for when it is sent. */
const MESSAGE_STEPS = 8;
/** So many of its bytes count for one step more. */
const BYTES_PER_STEP = 256;
/** A retained delivery waits until the Client has read so far that less than this is on its way. */
const AHEAD_BYTES = 256 * 1024;

/** `#send()` found no room. */
const NO_ROOM = -1;

/** A Topic Name by its bytes. */
export interface TopicBytes {
  readonly bytes: Uint8Array;
  readonly topicAt: number;
  readonly topicEnd: number;
}

/** The retained message that is being sent: aimed at where it stands, and good until anything is retained. */
class RetainedCopy implements Outgoing {
  view: PublishView = new PublishView();
  publisher: string | undefined;
  expiresAt = 0;
  message: Message | undefined;

  /** Decoded only when it is asked for. */
  get topic(): string {
    const { bytes, topicAt, topicEnd } = this.view;
    return decodeUtf8(bytes, topicAt, topicEnd)!;
  }
}

/** All retained deliveries of a broker. */
export class RetainedDeliveries {
  readonly #turn: Turn;
  readonly #retained: Retained;
  readonly #deliverer: Deliverer;
  readonly #copy: RetainedCopy = new RetainedCopy();
  readonly #view: PublishView = new PublishView();
  /** Steps that are left in this turn. */
  #stepsLeft: number = TURN_STEPS;

  constructor(turn: Turn, retained: Retained, deliverer: Deliverer) {
    this.#turn = turn;
    this.#retained = retained;
    this.#deliverer = deliverer;
  }

  /** Topics at which they stand. */
  get standing(): number {
    return this.#retained.walks;
  }

  /** Begins with the retained messages that `filter` matches, for a subscription that is new or asks for them again. */
  begin(subscription: Subscription, filter: string, wildcard: boolean): void {
    const retained = this.#retained;
    if (wildcard ? retained.size === 0 : retained.findText(filter) === NONE) return;
    const { session } = subscription;
    endRetainedDelivery(session, subscription); // a Client that asks again gets everything again
    session.retainedDeliveries ??= new Map();
    session.retainedDeliveries.set(subscription, new RetainedDelivery(retained.walk(filter)));
  }

  /** The SUBSCRIBE for which `begin()` was called has the filter once more, and is as good as two. */
  beginAgain(subscription: Subscription): void {
    const delivery = subscription.session.retainedDeliveries?.get(subscription);
    if (delivery !== undefined) delivery.again++;
  }

  /** Sends the first messages now, if no other session is scheduled. */
  startNow(session: Session): void {
    if (session.retainedDeliveries === undefined) return;
    this.#turn.schedule(session);
    if (this.#turn.scheduledCount === 1) this.#run();
  }

  /** The end of a turn: goes on for as many steps as are left of it. */
  endTurn(): void {
    if (this.#turn.scheduledCount > 0) this.#run();
    this.#stepsLeft = TURN_STEPS;
  }

  /** A share for each session that is scheduled, as far as the steps of a turn reach. */
  #run(): void {
    const turn = this.#turn;
    for (let count = turn.scheduledCount; count > 0 && this.#stepsLeft > 0; count--) {
      const session = turn.nextScheduled()!;
      const share = Math.max(SHARE_STEPS, Math.floor(this.#stepsLeft / count));
      const left = this.#some(session, share);
      this.#stepsLeft -= share - left;
      if (left <= 0 && session.retainedDeliveries !== undefined) turn.schedule(session);
    }
  }

  /** Goes on for so many steps. Returns the steps left if it stopped for lack of room or of messages; else 0 or less. */
  #some(session: Session, steps: number): number {
    let left = steps;
    while (left > 0 && session.retainedDeliveries !== undefined) {
      const [subscription, delivery] = session.retainedDeliveries.entries().next().value!;
      left--;
      while (left > 0) {
        if (delivery.node === NONE) {
          const node = delivery.walk.advance(left);
          left -= delivery.walk.steps;
          if (node === MORE) return 0;
          if (node === NONE) {
            this.#walked(subscription, delivery);
            break;
          }
          if (delivery.overtaken?.delete(node)) continue;
          delivery.node = node;
        }
        const bytes = this.#send(subscription, delivery);
        if (bytes === NO_ROOM) return left;
        delivery.node = NONE;
        delivery.hasSent ||= bytes > 0;
        left -= MESSAGE_STEPS + Math.floor(bytes / BYTES_PER_STEP);
      }
    }
    return left;
  }

  /** A walk has come to its end. One that found nothing is not repeated, nor one whose Client has left: its work is bounded by reading. */
  #walked(subscription: Subscription, { walk, again, hasSent, isLost }: RetainedDelivery): void {
    const { session } = subscription;
    if (again === 0 || !hasSent || isLost) return endRetainedDelivery(session, subscription);
    walk.close();
    const next = new RetainedDelivery(this.#retained.walk(subscription.filter), again - 1);
    session.retainedDeliveries!.set(subscription, next);
  }

  /** Sends the message at which a retained delivery stands; returns its bytes, or `NO_ROOM`. */
  #send(subscription: Subscription, { node, isLost }: RetainedDelivery): number {
    const retained = this.#retained;
    const { session } = subscription;
    if (!retained.has(node)) return 0;
    const expiresAt = retained.expiresAt(node);
    if (expiresAt <= this.#turn.now) return 0; // [MQTT-3.3.2-5]
    const copy = this.#copy;
    const view = copy.view = this.#view;
    copy.publisher = retained.aim(view, node, subscription.noLocal || session.persists);
    if (subscription.noLocal && copy.publisher === session.clientId) return 0; // [MQTT-3.8.3-3]
    const qos = Math.min(view.qos, subscription.qos) as QoS; // [MQTT-3.8.4-8]
    if (qos === 0 && (isLost || session.connection === undefined)) return 0;
    if (!hasRoom(session, qos)) return NO_ROOM;
    copy.expiresAt = expiresAt;
    copy.message = retained.large(node);
    const bytes = view.end - view.at;
    this.#deliverer.deliver(copy, session, qos, true, subscription.identifiers, undefined); // [MQTT311-3.3.1-8]
    copy.message = undefined;
    return bytes;
  }

  /**
   * §4.6 A live message on `topic` is about to go to a subscription that still gets retained ones. The one of its topic goes first,
   * if it is yet to come and has the same QoS: it is older. `live` is the message if it may be that one itself, which comes
   * again when the walk comes to it.
   */
  overtake(subscription: Subscription, topic: TopicBytes, live: PublishView | undefined, qos: QoS): void {
    const retained = this.#retained;
    const { session } = subscription;
    const delivery = session.retainedDeliveries?.get(subscription);
    if (delivery === undefined) return;
    const node = retained.find(topic.bytes, topic.topicAt, topic.topicEnd);
    if (node === NONE || (live !== undefined && retained.isSame(node, live))) return;
    if (delivery.node !== node && (delivery.overtaken?.has(node) || !delivery.walk.isAhead(node))) return;
    const isShut = session.connection === undefined || session.connection.isFull;
    if (qos === 0 && isShut) return; // the live one will not go out either
    const message = retained.read(node);
    if (Math.min(message.view.qos, subscription.qos) !== qos || message.expiresAt <= this.#turn.now) return;
    if (subscription.noLocal && message.publisher === session.clientId) return; // [MQTT-3.8.3-3]
    if (delivery.node === node) delivery.node = NONE;
    else {
      delivery.overtaken ??= new Set();
      if (delivery.overtaken.size >= session.limits.queuedMessagesMax) return;
      delivery.overtaken.add(node);
    }
    this.#deliverer.deliver(outgoingOf(message), session, qos, true, subscription.identifiers, undefined);
  }

  /** The connection has ended: the rest of the QoS 1 and 2 retained messages belongs to the session (§4.1). */
  connectionLost(session: Session): void {
    if (session.retainedDeliveries === undefined) return;
    for (const delivery of session.retainedDeliveries.values()) delivery.isLost = true;
    this.#turn.schedule(session);
  }
}

/** Whether a retained message may go out now, or into the backlog of a session without a connection. */
function hasRoom(session: Session, qos: QoS): boolean {
  const { connection, resend } = session;
  if (connection === undefined) return true;
  const { outbox, link, bytesMax } = connection;
  if (link.blocked || outbox.size > Math.min(AHEAD_BYTES, bytesMax)) return false;
  return qos === 0 || (session.queued === 0 && resend === undefined && session.quota > 0);
}

/** The subscription is over, as each is when its session is, or all of its retained messages have been sent. */
export function endRetainedDelivery(session: Session, subscription: Subscription): void {
  const { retainedDeliveries } = session;
  const delivery = retainedDeliveries?.get(subscription);
  if (retainedDeliveries === undefined || delivery === undefined) return;
  delivery.walk.close();
  retainedDeliveries.delete(subscription);
  if (retainedDeliveries.size === 0) session.retainedDeliveries = undefined;
}
