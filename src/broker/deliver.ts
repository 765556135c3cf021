/**
 * §4.3, §4.4, §4.9, §3.3.2.3.3, §3.1.2.11.4 From the Server to one Client: PUBLISH now, later when there is room, or never if it expires or is too large.
 * Knows a session and its connection; refuses to know which subscriptions matched.
 * @module
 */
import type { QoS } from "../codec/packet.ts";
import { noStamp, publishFirst, type PublishStamp } from "../codec/publish_template.ts";
import type { PublishView } from "../codec/publish_view.ts";
import {
  FrameKeeper,
  type Message,
  MESSAGE_OVERHEAD_BYTES,
  messageBytes,
  secondsLeft,
  SHARED_PAYLOAD_BYTES,
} from "../delivery/message.ts";
import { Step } from "../delivery/sender.ts";
import type { Access } from "./access.ts";
import { Delivery } from "./delivery.ts";
import type { Journal } from "./journal.ts";
import type { LimitName } from "./limits.ts";
import { messageInfo, type Observer } from "./observer.ts";
import type { DropReason } from "./options.ts";
import { isLater } from "./question.ts";
import type { Rising, Serving, Session, Subscription } from "./session.ts";
import type { DeliveryRecord } from "./store.ts";
import type { Turn } from "./turn.ts";

/** One message on its way to all subscribers; a `Message` is made only if one of them must keep it. */
export interface Outgoing {
  view: PublishView;
  readonly topic: string;
  /** Client Identifier, for No Local. */
  readonly publisher: string | undefined;
  readonly expiresAt: number;
  message: Message | undefined;
}

/** A message that is kept, on its way. */
export function outgoingOf(message: Message): Outgoing {
  const { view, topic, publisher, expiresAt } = message;
  return { view, topic, publisher, expiresAt, message };
}

/** Brings messages to sessions. */
export class Deliverer {
  readonly #turn: Turn;
  readonly #journal: Journal;
  readonly #observer: Observer;
  readonly #frames: FrameKeeper = new FrameKeeper();
  readonly #stamp: PublishStamp = noStamp();
  #nextOrder = 1;
  /** QoS 1 and 2 copies that a session, or a whole group, did not get for a limit, since the start. */
  limited = 0;

  constructor(turn: Turn, journal: Journal, observer: Observer) {
    this.#turn = turn;
    this.#journal = journal;
    this.#observer = observer;
  }

  /** §4.6 the number of the next delivery or PUBREC. */
  takeOrder(): number {
    return this.#nextOrder++;
  }

  /** Numbers up to this one are taken. */
  ordersTaken(last: number): void {
    this.#nextOrder = last + 1;
  }

  /** The message, made if it is not kept yet. */
  keep(outgoing: Outgoing): Message {
    if (outgoing.message === undefined) {
      const { topic, expiresAt, publisher } = outgoing;
      const view = this.keepFrame(outgoing.view);
      outgoing.view = view;
      outgoing.message = { topic, view, expiresAt, publisher, holders: 0, counted: 0 };
    }
    return outgoing.message;
  }

  /** A view of the same message that stays as it is. */
  keepFrame(view: PublishView): PublishView {
    return this.#frames.keep(view);
  }

  /** Whether this session could take a QoS 1 or 2 message into its backlog. */
  canTake(session: Session, outgoing: Outgoing): boolean {
    if (session.ended || (session.connection === undefined && !session.persists)) return false;
    return this.#fullBacklog(session, outgoing, true) === undefined;
  }

  /** Whether the session's own limits leave no room in its backlog, for whatever message. */
  isFull(session: Session): boolean {
    return fullBacklog(session, MESSAGE_OVERHEAD_BYTES) !== undefined;
  }

  /** §4.8.2 Has a member rise in its group when its session can take more. */
  sinks(member: Subscription, group: Rising): void {
    const { session } = member;
    const isFirst = !session.hasSunk;
    session.sinks(member, group);
    if (isFirst) this.watchExpiry(session);
  }

  /** Brings one message to one session; false if the session does not get it. `share` is the filter of a Shared Subscription. */
  deliver(
    outgoing: Outgoing,
    session: Session,
    qos: QoS,
    retain: boolean,
    identifiers: readonly number[],
    share: string | undefined,
  ): boolean {
    const { connection } = session;
    if (session.access !== undefined && !session.access.mayReceive(outgoing.topic)) return false;
    if (outgoing.view.payloadLength >= SHARED_PAYLOAD_BYTES) this.keep(outgoing);
    if (qos === 0) {
      // QoS 0 is for a Client that is connected (§4.3.1).
      return connection !== undefined && this.#sendQos0(connection, outgoing, retain, identifiers);
    }
    if (session.ended || (connection === undefined && !session.persists)) return false;
    if (connection === undefined || !session.canSend(1)) {
      const message = this.keep(outgoing);
      return this.#enqueue(
        session,
        new Delivery(this.takeOrder(), message, qos, retain, identifiers, share),
      );
    }
    if (!session.persists && share === undefined) {
      // The session ends with its connection, so nothing is ever sent again and nothing needs to be kept.
      const stamp = this.#stampFor(connection, qos, retain, identifiers, outgoing.expiresAt);
      return this.#sendOpen(session, connection, outgoing, stamp, undefined);
    }
    const message = this.keep(outgoing);
    const delivery = new Delivery(this.takeOrder(), message, qos, retain, identifiers, share);
    // A repeat after a crash must carry the same identifier [MQTT-4.3.3-10].
    if (qos === 2 && session.durable) this.#journal.hold(connection.link);
    if (!this.#sendKept(session, connection, delivery)) return false;
    this.#journal.queued(session, delivery);
    return true;
  }

  #sendQos0(
    connection: Serving,
    outgoing: Outgoing,
    retain: boolean,
    identifiers: readonly number[],
  ): boolean {
    const { topic, view } = outgoing;
    if (connection.isFull) {
      this.#observer.drop(topic, view, connection.client.clientId, this.overflows(connection, topic));
      return false;
    }
    const stamp = this.#stampFor(connection, 0, retain, identifiers, outgoing.expiresAt); // [MQTT-4.3.1-1]
    if (this.#write(connection, view, topic, stamp, outgoing.message !== undefined)) return true;
    this.drop(connection.session, topic, view, "packet too large");
    return false;
  }

  /** Reports that QoS 0 messages for this connection are dropped; returns the limit for which they are. */
  overflows(
    { client, session, outbox, bytesMax }: Serving,
    topic: string,
  ): "outboundBytesMax" | "memoryBytesMax" {
    const limit = outbox.size > bytesMax ? "outboundBytesMax" : "memoryBytesMax";
    session.dropped(topic, limit, this.#turn.now);
    this.#observer.limited(limit, client.clientId, session);
    return limit;
  }

  /** A session does not get a message. */
  drop(session: Session, topic: string, view: PublishView, reason: DropReason): void {
    session.dropped(topic, reason, this.#turn.now);
    this.#observer.drop(topic, view, session.clientId, reason);
  }

  /** Opens an exchange and sends its PUBLISH; false if that is too large for the Client [MQTT-3.1.2-25]. */
  #sendOpen(
    session: Session,
    connection: Serving,
    outgoing: { readonly view: PublishView; readonly topic: string; readonly message?: Message | undefined },
    stamp: PublishStamp,
    delivery: Delivery | undefined,
  ): boolean {
    const { view, topic } = outgoing;
    const sender = session.needSender();
    const qos = (stamp.first >> 1) & 3;
    const id = sender.begin(qos === 1 ? Step.PUBACK : Step.PUBREC, delivery);
    stamp.packetId = id;
    const isOwned = delivery !== undefined || outgoing.message !== undefined;
    if (this.#write(connection, view, topic, stamp, isOwned)) {
      if (delivery === undefined) return true;
      delivery.packetId = id;
      session.sends(delivery);
      return true;
    }
    sender.end(id);
    this.drop(session, topic, view, "packet too large");
    return false;
  }

  /** Sends a delivery for the first time; its exchange holds it if it may have to be sent again. */
  #sendKept(session: Session, connection: Serving, delivery: Delivery): boolean {
    const { message, qos, retain, subscriptionIdentifiers, share } = delivery;
    const stamp = this.#stampFor(connection, qos, retain, subscriptionIdentifiers, message.expiresAt);
    const item = session.persists || share !== undefined ? delivery : undefined;
    const { topic, view } = message;
    return this.#sendOpen(session, connection, { topic, view, message }, stamp, item);
  }

  #enqueue(session: Session, delivery: Delivery): boolean {
    const { topic, view } = delivery.message;
    const limit = this.#fullBacklog(session, delivery.message, delivery.share !== undefined);
    if (limit === undefined) {
      this.#journal.queued(session, delivery);
      this.#wait(session, delivery);
      return true;
    }
    this.limited++;
    this.#observer.limited(limit, session.clientId, session);
    this.drop(session, topic, view, limit);
    if (!session.isNode) {
      session.connection?.fail({
        code: 0x97,
        rule: limit === "memoryBytesMax" ? "limit/memory" : "limit/queue",
        message: `Too slow: ${limit} is reached`,
      });
    }
    return false;
  }

  /** Puts a message behind all others that wait in its session; the journal knows of it. */
  #wait(session: Session, delivery: Delivery): void {
    const backlog = session.needBacklog();
    const isResident = !session.durable || delivery.share !== undefined ||
      (session.connection !== undefined && backlog.canHold(session.limits) && !session.isTight(true));
    if (isResident) backlog.push(delivery);
    else backlog.pageOutOne(delivery);
    if (delivery.message.expiresAt !== Infinity) this.watchExpiry(session);
  }

  /** The limit that keeps a message out, once what has expired has given way (§3.3.2.3.3). */
  #fullBacklog(
    session: Session,
    message: Message | Outgoing,
    isShared: boolean,
  ): ReturnType<typeof fullFor> | "memoryBytesMax" {
    const bytes = messageBytes(message);
    let limit = fullFor(session, bytes);
    if (limit !== undefined && this.#expire(session, false)) limit = fullFor(session, bytes);
    if (limit !== undefined) return limit;
    return session.isTight(isShared || !session.durable) ? "memoryBytesMax" : undefined;
  }

  /**
   * §3.3.2.3.3 Has messages that wait given up when they expire: in a durable session, or their rows would stay, and where a group
   * waits for room.
   */
  watchExpiry(session: Session): void {
    const at = session.durable || session.hasSunk ? (session.backlog?.firstExpiry ?? Infinity) + 1 : Infinity;
    if (at === Infinity) return;
    const watch = session.expiry ??= {
      heapIndex: -1,
      heapTime: 0,
      due: () => {
        this.#expire(session, true);
        this.watchExpiry(session);
      },
    };
    if (watch.heapIndex < 0 || watch.heapTime > at) this.#turn.timers.schedule(watch, at);
  }

  /** Gives up what has expired; false if that is nothing. */
  #expire(session: Session, isUrgent: boolean): boolean {
    const expired = session.ended || session.isNode
      ? undefined
      : session.backlog?.expire(this.#turn.now, isUrgent);
    if (expired === undefined) return false;
    for (const delivery of expired.resident) {
      this.drop(session, delivery.message.topic, delivery.message.view, "expired");
      this.#journal.finished(session, delivery);
    }
    if (expired.paged > 0) {
      this.#observer.dropped += expired.paged;
      this.#journal.expired(session, expired.until);
    }
    this.#turn.budget.spend(session.rise());
    return true;
  }

  /** Sends waiting messages as far as there is room: first `resend`, then the backlog; retained deliveries come at the end of the turn. */
  pump(session: Session): void {
    const { connection } = session;
    if (connection === undefined) return;
    while (session.resend !== undefined && session.quota > 0 && !connection.isFull) {
      const delivery = session.resend.shift();
      if (delivery === undefined) session.resend = undefined;
      else this.#sendAgain(session, connection, delivery);
    }
    while (session.queued > 0 && session.quota > 0 && !connection.isFull) {
      const delivery = this.#next(session);
      if (delivery === undefined) break; // its page is on its way from the store, or lost
      const { message } = delivery;
      if (message.expiresAt <= this.#turn.now && !session.isNode) { // [MQTT-3.3.2-5]; a node is acknowledged in order
        this.drop(session, message.topic, message.view, "expired");
        this.#journal.finished(session, delivery);
        continue;
      }
      if (session.access !== undefined && this.#forbids(session, session.access, delivery)) continue;
      if (session.durable && delivery.qos === 2) this.#journal.hold(connection.link);
      if (this.#sendKept(session, connection, delivery)) this.#journal.advanced(session, delivery);
      else this.#journal.finished(session, delivery);
    }
    if (session.retainedDeliveries !== undefined) this.#turn.schedule(session);
    this.#turn.budget.spend(session.rise());
  }

  /** §4.4 the same PUBLISH under its old identifier, with DUP 1 [MQTT-3.3.1-1]. */
  #sendAgain(session: Session, connection: Serving, delivery: Delivery): void {
    const { message, qos, retain, subscriptionIdentifiers, packetId } = delivery;
    const sender = session.needSender();
    if (sender.item(packetId) !== delivery || sender.step(packetId) < Step.RESEND_1) return; // acknowledged meanwhile
    if (session.access !== undefined && this.#forbids(session, session.access, delivery)) {
      sender.end(packetId);
      return session.sent(delivery);
    }
    const stamp = this.#stampFor(connection, qos, retain, subscriptionIdentifiers, message.expiresAt);
    stamp.first = publishFirst(qos, retain, true); // also if the message has expired: [MQTT-4.3.3-7]
    stamp.packetId = packetId;
    if (this.#write(connection, message.view, message.topic, stamp, true)) {
      sender.advance(packetId, qos === 1 ? Step.PUBACK : Step.PUBREC, delivery);
    } else {
      sender.end(packetId);
      session.sent(delivery);
      this.drop(session, message.topic, message.view, "packet too large");
      this.#journal.finished(session, delivery);
    }
  }

  /** §5.4.2 Gives up a message that has waited, if its Client may not have it any more. */
  #forbids(session: Session, access: Access, delivery: Delivery): boolean {
    const { topic, view } = delivery.message;
    if (access.mayStillReceive(topic)) return false;
    this.drop(session, topic, view, "not permitted");
    this.#journal.finished(session, delivery);
    return true;
  }

  /** Takes the message that is to be sent next; undefined if memory does not hold it. The next page is asked for in time. */
  #next(session: Session): Delivery | undefined {
    const backlog = session.needBacklog();
    let from = backlog.nextPage(session.limits);
    for (
      let last;
      from !== undefined && from !== last;
      from = backlog.isHere ? undefined : backlog.nextPage(session.limits)
    ) {
      this.#askForPage(session, last = from); // once more if all of the page has expired
    }
    return backlog.shift();
  }

  #askForPage(session: Session, from: number): void {
    const { residentMessagesMax, residentBytesMax } = session.limits;
    session.backlog?.pageAsked();
    const later = this.#journal.pageIn(session, from, residentMessagesMax >> 1, residentBytesMax);
    if (!isLater(later)) {
      this.#pageCame(session, from, later);
      return;
    }
    this.#turn.ask({
      kind: "page in",
      later,
      answered: (found: readonly DeliveryRecord[]) => {
        if (this.#pageCame(session, from, found)) this.pump(session);
      },
      rejected: (error) => {
        session.backlog?.pageCame();
        this.#observer.failed(error);
      },
    });
  }

  /**
   * Takes a page in; true if sending can go on. If the Client has disconnected meanwhile, the page is dropped, and asked for
   * anew on the next connection.
   */
  #pageCame(session: Session, from: number, found: readonly DeliveryRecord[]): boolean {
    const { backlog } = session;
    backlog?.pageCame();
    if (backlog === undefined || session.ended || session.connection === undefined) return false;
    if (backlog.pageIn(from, found) || found.length > 0 || backlog.pagedFrom !== from) return true;
    if (this.#journal.failing) return false; // the page may be among the facts that are not safe yet
    this.#observer.failed(new Error(`${backlog.paged} messages of ${session.clientId} are not in the store`));
    backlog.forgetPaged();
    return true;
  }

  /** The fields in which one receiver's copy of a message differs; good until the next call. */
  #stampFor(
    { link }: Serving,
    qos: QoS,
    retain: boolean,
    identifiers: readonly number[],
    expiresAt: number,
  ): PublishStamp {
    const stamp = this.#stamp;
    stamp.first = publishFirst(qos, retain, false); // [MQTT-4.3.2-2] [MQTT-4.3.3-2]
    stamp.packetId = 0;
    stamp.level5 = link.level === 5;
    stamp.subscriptionIdentifiers = identifiers;
    stamp.expirySeconds = secondsLeft(expiresAt, this.#turn.now);
    stamp.topicAlias = 0;
    stamp.topicKnown = false;
    return stamp;
  }

  #write(
    connection: Serving,
    view: PublishView,
    topic: string,
    stamp: PublishStamp,
    isOwned: boolean,
  ): boolean {
    // A clock that was set back while the Server was down leaves more than was published.
    if (stamp.expirySeconds > view.expirySeconds) stamp.expirySeconds = view.expirySeconds;
    if (!connection.write(view, topic, stamp, isOwned)) return false;
    if (connection.session.isNode) return true; // what is sent to Clients is counted where they are
    this.#turn.traffic.sent(1, view.end - view.payloadAt);
    const { delivered } = this.#observer.hooks;
    if (delivered !== undefined) delivered(messageInfo(topic, view, stamp.first), connection.client);
    return true;
  }
}

/** The limit of the session or of its user that keeps a message of so many bytes out of its backlog. */
function fullFor(
  session: Session,
  bytes: number,
): ReturnType<typeof fullBacklog> | Extract<LimitName, "userQueuedBytesMax"> {
  return fullBacklog(session, bytes) ?? (session.isUserFull(bytes) ? "userQueuedBytesMax" : undefined);
}

/** The limit of the session that keeps a message of so many bytes out of its backlog. */
function fullBacklog(
  session: Session,
  bytes: number,
): Extract<LimitName, "queuedMessagesMax" | "queuedBytesMax"> | undefined {
  const { limits, backlog } = session;
  if (session.queued >= limits.queuedMessagesMax) return "queuedMessagesMax";
  const waiting = backlog === undefined ? 0 : backlog.bytes;
  return waiting + bytes > limits.queuedBytesMax ? "queuedBytesMax" : undefined;
}
