/**
 * §4.3, §4.9 From the Server to one Client: PUBLISH now, or later when there is room.
 * Knows a session and its connection; refuses to know which subscriptions matched.
 * @module
 */
import type { QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import {
  headLength,
  isSameLayout,
  type PublishStamp,
  stampFrame,
  writeHead,
} from "../codec/publish_template.ts";
import type { PublishView } from "../codec/publish_view.ts";
import { type Message, messageBytes, secondsLeft } from "../delivery/message.ts";
import { Step } from "../delivery/sender.ts";
import type { Connection } from "./connection.ts";
import type { Broker } from "./engine.ts";
import type { DropReason, MessageInfo } from "./options.ts";
import { lineUp } from "./replay.ts";
import { LARGE_PAYLOAD_BYTES } from "./retained.ts";
import { Delivery, NO_IDENTIFIERS, type Session, type Subscription } from "./session.ts";
import type { SharedGroup } from "./shared.ts";
import { takeNext, wait } from "./waiting.ts";

/** From this payload length on, receivers share the bytes instead of each getting a copy. */
export const SHARED_PAYLOAD_BYTES: number = LARGE_PAYLOAD_BYTES;

/** The first byte of a PUBLISH. */
export function firstByte(qos: QoS, retain: boolean, dup: boolean): number {
  return PacketType.PUBLISH << 4 | (dup ? 8 : 0) | qos << 1 | (retain ? 1 : 0);
}

/** One message on its way to everybody; a `Message` is made only if somebody must keep it. */
export interface Outgoing {
  view: PublishView;
  readonly topic: string;
  readonly publisher: string | undefined;
  readonly expiresAt: number;
  message: Message | undefined;
}

/** §3.3.2.3.3 when a message that arrives at `now` expires: ms since the epoch, Infinity if it does not. */
export function expiryOf({ expiryAt, expirySeconds }: PublishView, now: number): number {
  return expiryAt < 0 ? Infinity : now + expirySeconds * 1000;
}

/** The message, made if nobody has kept it yet. */
export function keep(broker: Broker, outgoing: Outgoing): Message {
  if (outgoing.message === undefined) {
    const view = broker.frames.keep(outgoing.view);
    outgoing.view = view;
    outgoing.message = {
      topic: outgoing.topic,
      view,
      expiresAt: outgoing.expiresAt,
      publisher: outgoing.publisher,
    };
  }
  return outgoing.message;
}

/** Whether a QoS 1 or 2 PUBLISH may go to this connection now [MQTT-4.9.0-2] [MQTT-3.3.4-9]. */
export function canSend(connection: Connection): boolean {
  return connection.open < connection.sendLimit &&
    connection.outbox.size <= connection.broker.limits.outboundBytesMax;
}

/** Whether this session could take a QoS 1 or 2 message into its queue. */
export function canTake(session: Session, outgoing: Outgoing, broker: Broker): boolean {
  if (session.ended || (session.connection === undefined && !session.kept)) return false;
  return fullQueue(broker, session, outgoing) === undefined;
}

/** Brings one message to one session; false if it will not get it. */
export function deliver(
  broker: Broker,
  outgoing: Outgoing,
  session: Session,
  qos: QoS,
  retain: boolean,
  identifiers: readonly number[],
  group: SharedGroup | undefined,
  now: number,
): boolean {
  const connection = session.connection;
  if (outgoing.view.payloadLength >= SHARED_PAYLOAD_BYTES) keep(broker, outgoing);
  if (qos === 0) {
    // QoS 0 is for who is connected (§4.3.1); nobody waits for it.
    return connection !== undefined && sendQos0(broker, connection, outgoing, retain, identifiers, now);
  }
  if (session.ended || (connection === undefined && !session.kept)) return false;
  const free = connection !== undefined && session.queued === 0 && session.resend === undefined &&
    canSend(connection);
  if (free && !session.kept && group === undefined) {
    // The session ends with its connection, so nothing is ever sent again and nothing needs to be kept.
    const stamp = connection.stamp(qos, retain, identifiers, secondsLeft(outgoing.expiresAt, now));
    return sendOpen(
      connection,
      outgoing.view,
      outgoing.topic,
      stamp,
      undefined,
      outgoing.message !== undefined,
    );
  }
  const message = keep(broker, outgoing);
  const delivery = new Delivery(broker.nextOrder++, message, qos, retain, identifiers, group);
  return free ? sendNew(broker, connection, session, delivery, now) : enqueue(broker, session, delivery);
}

function sendQos0(
  broker: Broker,
  connection: Connection,
  outgoing: Outgoing,
  retain: boolean,
  identifiers: readonly number[],
  now: number,
): boolean {
  if (connection.outbox.size > broker.limits.outboundBytesMax) {
    const session = connection.session!;
    broker.limited("outboundBytesMax", session.clientId, session);
    drop(broker, outgoing.topic, outgoing.view, session.clientId, "outboundBytesMax");
    return false;
  }
  const stamp = connection.stamp(0, retain, identifiers, secondsLeft(outgoing.expiresAt, now));
  if (writePublish(connection, outgoing.view, outgoing.topic, stamp, outgoing.message !== undefined)) {
    return true;
  }
  drop(broker, outgoing.topic, outgoing.view, connection.session!.clientId, "packet too large");
  return false;
}

/** Opens an exchange and sends its PUBLISH; false if that is too large for the Client [MQTT-3.1.2-25]. */
function sendOpen(
  connection: Connection,
  view: PublishView,
  topic: string,
  stamp: PublishStamp,
  delivery: Delivery | undefined,
  owned: boolean,
): boolean {
  const sender = connection.session!.exchanges();
  const qos = (stamp.first >> 1) & 3;
  const id = sender.begin(qos === 1 ? Step.PUBACK : Step.PUBREC, delivery);
  stamp.packetId = id;
  if (writePublish(connection, view, topic, stamp, owned)) {
    connection.open++;
    if (delivery !== undefined) delivery.packetId = id;
    return true;
  }
  sender.end(id);
  drop(connection.broker, topic, view, connection.session!.clientId, "packet too large");
  return false;
}

/** Sends a delivery for the first time. */
function sendNew(
  broker: Broker,
  connection: Connection,
  session: Session,
  delivery: Delivery,
  now: number,
): boolean {
  const { message, qos, retain, subscriptionIdentifiers, group } = delivery;
  const stamp = connection.stamp(qos, retain, subscriptionIdentifiers, secondsLeft(message.expiresAt, now));
  const kept = session.kept || group !== undefined ? delivery : undefined;
  if (!session.durable) return sendOpen(connection, message.view, message.topic, stamp, kept, true);
  if (qos === 2) connection.hold(); // a repeat after a crash must carry the same identifier [MQTT-4.3.3-10]
  if (!sendOpen(connection, message.view, message.topic, stamp, kept, true)) return false;
  broker.store!.queued(session, delivery);
  broker.told();
  return true;
}

function enqueue(broker: Broker, session: Session, delivery: Delivery): boolean {
  const limit = fullQueue(broker, session, delivery.message);
  if (limit === undefined) {
    if (session.durable) {
      broker.store!.queued(session, delivery);
      broker.told();
    }
    wait(broker, session, delivery);
    return true;
  }
  broker.limited(limit, session.clientId, session);
  drop(broker, delivery.message.topic, delivery.message.view, session.clientId, limit);
  session.connection?.doom(0x97, "limit/queue", `Too slow: ${limit} is reached`);
  return false;
}

function fullQueue(
  broker: Broker,
  session: Session,
  message: Message | Outgoing,
): "queuedMessagesMax" | "queuedBytesMax" | undefined {
  if (session.queued >= broker.limits.queuedMessagesMax) return "queuedMessagesMax";
  if (session.queuedBytes + messageBytes(message) > broker.limits.queuedBytesMax) return "queuedBytesMax";
  return undefined;
}

/** Sends what waits, as far as there is room: first again, then the queue; retained messages have their turn after that. */
export function pump(connection: Connection, now: number): void {
  const session = connection.session!;
  const broker = connection.broker;
  while (session.resend !== undefined && canSend(connection)) {
    const delivery = session.resend.shift();
    if (delivery === undefined) session.resend = undefined;
    else sendAgain(connection, session, delivery, now);
  }
  while (session.queued > 0 && canSend(connection)) {
    const delivery = takeNext(connection, session);
    if (delivery === undefined) break; // it is on its way, or lost
    if (delivery.message.expiresAt <= now) { // [MQTT-3.3.2-5]
      drop(broker, delivery.message.topic, delivery.message.view, session.clientId, "expired");
      finished(broker, session, delivery);
    } else sendQueued(broker, connection, session, delivery, now);
  }
  if (session.replays !== undefined) lineUp(broker, session);
}

function sendQueued(
  broker: Broker,
  connection: Connection,
  session: Session,
  delivery: Delivery,
  now: number,
): void {
  const { message, qos, retain, subscriptionIdentifiers, group } = delivery;
  const stamp = connection.stamp(qos, retain, subscriptionIdentifiers, secondsLeft(message.expiresAt, now));
  if (session.durable && qos === 2) connection.hold();
  const kept = session.kept || group !== undefined ? delivery : undefined;
  if (!sendOpen(connection, message.view, message.topic, stamp, kept, true)) {
    finished(broker, session, delivery);
  } else if (session.durable) {
    broker.store!.advanced(session, delivery);
    broker.told();
  }
}

/** §4.4 the same PUBLISH under its old identifier, with DUP 1 [MQTT-3.3.1-1]. */
function sendAgain(connection: Connection, session: Session, delivery: Delivery, now: number): void {
  const { message, qos, retain, subscriptionIdentifiers, packetId } = delivery;
  const sender = session.exchanges();
  if (sender.item(packetId) !== delivery || sender.step(packetId) < Step.RESEND_1) return; // acknowledged meanwhile
  const stamp = connection.stamp(qos, retain, subscriptionIdentifiers, secondsLeft(message.expiresAt, now));
  stamp.first = firstByte(qos, retain, true);
  stamp.packetId = packetId;
  if (writePublish(connection, message.view, message.topic, stamp, true)) {
    sender.advance(packetId, qos === 1 ? Step.PUBACK : Step.PUBREC, delivery);
    connection.open++;
  } else {
    sender.end(packetId);
    drop(connection.broker, message.topic, message.view, session.clientId, "packet too large");
    finished(connection.broker, session, delivery);
  }
}

/** A delivery has come to its end. */
export function finished(broker: Broker, session: Session, delivery: Delivery): void {
  if (!session.durable) return;
  broker.store!.finished(session, delivery);
  broker.told();
}

/** A kept message on its way. */
export function outgoingOf(message: Message): Outgoing {
  return {
    view: message.view,
    topic: message.topic,
    publisher: message.publisher,
    expiresAt: message.expiresAt,
    message,
  };
}

/** Writes one PUBLISH; false if it is larger than the Client's Maximum Packet Size [MQTT-3.1.2-24]. */
export function writePublish(
  connection: Connection,
  view: PublishView,
  topic: string,
  stamp: PublishStamp,
  owned: boolean,
): boolean {
  const aliases = connection.aliasesOut;
  if (aliases !== undefined) chooseAlias(connection, aliases, topic, stamp);
  const outbox = connection.outbox;
  const payload = view.payloadLength;
  let head = headLength(view, stamp);
  if (stamp.topicAlias !== 0 && head + payload > connection.maximumPacketSize) { // without the alias it may fit
    stamp.topicAlias = 0;
    stamp.topicKnown = false;
    head = headLength(view, stamp);
  }
  if (head + payload > connection.maximumPacketSize) return false;
  if (aliases !== undefined && stamp.topicAlias > aliases.size) aliases.set(topic, stamp.topicAlias);
  if (owned && payload >= SHARED_PAYLOAD_BYTES) {
    const at = outbox.room(head);
    writeHead(view, stamp, outbox.buffer, at);
    outbox.share(view.bytes.subarray(view.payloadAt, view.end));
  } else if (isSameLayout(view, stamp)) {
    const at = outbox.append(view.bytes, view.at, view.end);
    stampFrame(view, stamp, outbox.buffer, at);
  } else {
    const at = outbox.room(head + payload);
    const next = writeHead(view, stamp, outbox.buffer, at);
    outbox.buffer.set(view.bytes.subarray(view.payloadAt, view.end), next);
  }
  connection.touch();
  const delivered = connection.broker.hooks.delivered;
  if (delivered !== undefined) delivered(messageInfo(topic, view, stamp.first), connection.client!);
  return true;
}

/** §3.3.2.3.4 the topics that come first get the aliases there are [MQTT-3.3.2-11]. */
function chooseAlias(
  connection: Connection,
  aliases: Map<string, number>,
  topic: string,
  stamp: PublishStamp,
): void {
  const alias = aliases.get(topic);
  stamp.topicKnown = alias !== undefined;
  stamp.topicAlias = alias ?? (aliases.size < connection.aliasesOutMax ? aliases.size + 1 : 0);
}

/** A message as hooks see it; `first` is the first byte of the PUBLISH. */
export function messageInfo(topic: string, view: PublishView, first: number): MessageInfo {
  return {
    topic,
    payload: view.bytes.subarray(view.payloadAt, view.end),
    qos: ((first >> 1) & 3) as QoS,
    retain: (first & 1) !== 0,
  };
}

/** Tells that a session will not get a message. */
export function drop(
  broker: Broker,
  topic: string,
  view: PublishView,
  clientId: string,
  reason: DropReason,
): void {
  broker.counters.dropped++;
  const dropped = broker.hooks.dropped;
  if (dropped !== undefined) dropped(messageInfo(topic, view, view.bytes[view.at]!), clientId, reason);
}

/** The identifiers of the subscriptions that have one [MQTT-3.3.4-4]. */
export function identifiersOf(subscriptions: readonly Subscription[]): readonly number[] {
  const identifiers: number[] = [];
  for (const { identifier } of subscriptions) if (identifier !== 0) identifiers.push(identifier);
  return identifiers.length === 0 ? NO_IDENTIFIERS : identifiers;
}
