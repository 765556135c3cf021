/**
 * §3.3 PUBLISH from a Client: checked, acknowledged, retained, and routed to everybody whose filter matches.
 * Knows who gets a message; refuses to know how it gets there.
 * @module
 */
import { PeerError, protocolError, type Rule } from "../codec/error.ts";
import type { QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import type { PublishView } from "../codec/publish_view.ts";
import type { ReasonCode } from "../codec/reason_code.ts";
import { remember } from "./acknowledge.ts";
import { unaliased } from "./alias.ts";
import type { Connection } from "./connection.ts";
import {
  deliver,
  drop,
  expiryOf,
  identifiersOf,
  keep,
  messageInfo,
  type Outgoing,
  outgoingOf,
  SHARED_PAYLOAD_BYTES,
} from "./deliver.ts";
import { type Broker, UNSAFE } from "./engine.ts";
import type { KnownTopic, Match } from "./known_topics.ts";
import { overtake } from "./replay.ts";
import { beginRun, endRun, extendRun } from "./run.ts";
import type { Delivery, Session, Subscription } from "./session.ts";
import type { SharedGroup } from "./shared.ts";

/** The first byte of a PUBLISH with QoS 0, DUP 0 and RETAIN 0. */
const PLAIN = PacketType.PUBLISH << 4;

/** One PUBLISH frame of an open connection. */
export function publishFrame(
  connection: Connection,
  bytes: Uint8Array,
  at: number,
  body: number,
  end: number,
): void {
  const broker = connection.broker;
  const view = broker.view;
  view.aim(bytes, at, body, end, connection.level === 5);
  if (view.subscriptionIdentifier) {
    throw protocolError("MQTT-3.3.4-6", "PUBLISH of a Client with a Subscription Identifier");
  }
  const runs = (bytes[at]! & 0xf9) === PLAIN && broker.runs;
  if (!runs) endRun(broker);
  const whole = view.topicAlias === 0 ? view : unaliased(connection, view);
  if (runs) {
    if (extendRun(broker.run, whole)) return;
    endRun(broker);
    if (whole.topicEnd > whole.topicAt && beginRun(broker.run, connection, whole)) return;
  }
  publish(connection, whole, broker.now);
}

/** One PUBLISH by the long way. */
function publish(connection: Connection, view: PublishView, now: number): void {
  const broker = connection.broker;
  const session = connection.session!;
  broker.counters.received++;
  if (view.qos > broker.maximumQos) {
    throw new PeerError("protocol", 0x9b, "MQTT-3.2.2-11", `QoS ${view.qos} is above Maximum QoS`);
  }
  if (view.retain && broker.options.retainAvailable === false) {
    throw new PeerError("protocol", 0x9a, "MQTT-3.2.2-14", "RETAIN 1 is not supported");
  }
  if (view.topicEnd === view.topicAt) {
    throw connection.level === 5
      ? protocolError("3.3.2.1/no-topic", "PUBLISH without Topic Name and Topic Alias")
      : protocolError("MQTT-4.7.3-1", "Empty Topic Name", 0x90);
  }
  const topic = broker.topics.find(view.bytes, view.topicAt, view.topicEnd);
  if (view.qos > 0 && inUse(connection, session, view)) return;
  const refusal = forbidden(connection, view, topic);
  if (refusal !== undefined) return refuse(connection, view, refusal.code, refusal.rule, refusal.message);
  const match = broker.topics.match(topic);
  if (broker.failing && view.qos > 0 && needsStore(broker, session, view, match)) {
    if (connection.level === 5) return refuse(connection, view, UNSAFE.code, UNSAFE.rule, UNSAFE.message);
    throw new PeerError("refused", UNSAFE.code, UNSAFE.rule, UNSAFE.message); // it has no way to say no
  }
  const before = broker.facts;
  const outgoing: Outgoing = {
    view,
    topic: topic.name,
    publisher: session.clientId,
    expiresAt: expiryOf(view, now),
    message: undefined,
  };
  if (view.retain) {
    const limit = retain(broker, outgoing);
    if (limit !== undefined) {
      broker.limited(limit, session.clientId, session);
      if (view.qos > 0) {
        return refuse(connection, view, 0x97, "limit/retained", `No room to retain it (${limit})`);
      }
    }
  }
  const { qos, packetId } = view;
  const receivers = match.empty ? 0 : route(broker, outgoing, match, session, now);
  broker.hooks.published?.(messageInfo(topic.name, view, view.bytes[view.at]!), connection.client, receivers);
  if (qos === 0) return;
  if (qos === 2) remember(broker, session, packetId);
  if (broker.facts !== before) connection.hold();
  // [MQTT-3.3.4-1] [MQTT-4.3.2-4] [MQTT-4.3.3-8]
  connection.answer(
    (qos === 1 ? PacketType.PUBACK : PacketType.PUBREC) << 4,
    packetId,
    match.empty ? 0x10 : 0,
  );
}

/** Whether taking this QoS 1 or 2 message over means that the store must be told of it. */
function needsStore(broker: Broker, publisher: Session, view: PublishView, match: Match): boolean {
  const keeps = ({ session, qos }: Subscription) => session.durable && qos > 0;
  return (view.qos === 2 && publisher.durable) || (view.retain && broker.store !== undefined) ||
    match.plain.some(keeps) || match.overlapping.some((all) => all.some(keeps)) ||
    match.groups.some(({ members }) => members.some(keeps));
}

/** True if the identifier belongs to an open QoS 2 exchange, and the answer is given. */
function inUse(connection: Connection, session: Session, view: PublishView): boolean {
  const received = session.received;
  if (received === undefined) return false;
  if (received.has(view.packetId)) {
    if (view.qos === 2) {
      if (connection.broker.unsafe) connection.hold(); // the first one may have come on another connection
      connection.answer(PacketType.PUBREC << 4, view.packetId, 0); // [MQTT-4.3.3-10]
    } else refuse(connection, view, 0x91, "2.2.1/in-use", "A QoS 2 message is open under this identifier");
    return true;
  }
  if (view.qos === 2 && received.size >= connection.receiveLimit) {
    throw new PeerError(
      "protocol",
      0x93,
      "3.3.4/receive-maximum",
      "More QoS 2 messages open than Receive Maximum",
    );
  }
  return false;
}

function forbidden(
  connection: Connection,
  view: PublishView,
  topic: KnownTopic,
): { code: ReasonCode; rule: Rule; message: string } | undefined {
  const broker = connection.broker;
  if (topic.dollar) {
    return { code: 0x87, rule: "policy/dollar-topic", message: "Topics that begin with $ are the Server's" };
  }
  if (topic.levels > broker.limits.topicLevelsMax) {
    broker.limited("topicLevelsMax", connection.session!.clientId, connection.session);
    return {
      code: 0x90,
      rule: "limit/topic-levels",
      message: "Topic Name of too many levels (topicLevelsMax)",
    };
  }
  if (broker.options.authorize === undefined) return undefined;
  const { qos, retain } = view;
  const code = broker.allows({
    action: "publish",
    client: connection.client!,
    topic: topic.name,
    qos,
    retain,
  });
  return code === 0
    ? undefined
    : { code, rule: "policy/not-authorized", message: "This topic may not be published to" };
}

/** The message is not taken over. Below level 5 there is no code for that, so it is acknowledged and dropped [MQTT311-3.3.5-2]. */
function refuse(
  connection: Connection,
  view: PublishView,
  code: ReasonCode,
  rule: Rule,
  message: string,
): void {
  const type = view.qos === 2 ? PacketType.PUBREC : PacketType.PUBACK;
  const refusal = { code, rule, message };
  if (view.qos === 0) connection.broker.hooks.denied?.(connection.client!, refusal);
  else connection.refuse(type, view.packetId, refusal);
  if (view.qos === 0 || connection.level < 5) connection.broker.discarded(connection, refusal);
}

/** §3.3.1.3 keeps or removes the retained message; names the limit that forbids to keep it. */
export function retain(
  broker: Broker,
  outgoing: Outgoing,
): "retainedMessagesMax" | "retainedBytesMax" | undefined {
  const { topic, view } = outgoing;
  if (view.payloadLength === 0) { // [MQTT-3.3.1-6] [MQTT-3.3.1-7]
    broker.unretain(topic);
    return undefined;
  }
  const message = broker.store !== undefined || view.payloadLength >= SHARED_PAYLOAD_BYTES
    ? keep(broker, outgoing)
    : undefined;
  const limit = broker.retained.set(outgoing);
  if (limit !== undefined) return limit as "retainedMessagesMax" | "retainedBytesMax";
  if (broker.store !== undefined) {
    broker.store.retained(topic, message);
    broker.told();
  }
  return undefined;
}

/** Brings a message to every subscriber [MQTT-4.5.0-1]; returns how many sessions took it. */
export function route(
  broker: Broker,
  outgoing: Outgoing,
  match: Match,
  publisher: Session | undefined,
  now: number,
): number {
  const { qos, retain } = outgoing.view;
  let receivers = 0;
  for (const subscription of match.plain) {
    const { session } = subscription;
    if (subscription.noLocal && session === publisher) continue; // [MQTT-3.8.3-3]
    const least = Math.min(qos, subscription.qos) as QoS; // [MQTT-3.8.4-8]
    const kept = retain && subscription.retainAsPublished; // [MQTT-3.3.1-12] [MQTT-3.3.1-13]
    if (session.replays !== undefined) {
      overtake(broker, subscription, outgoing.view, outgoing.view, least, now);
    }
    if (deliver(broker, outgoing, session, least, kept, subscription.identifiers, undefined, now)) {
      receivers++;
    }
  }
  for (const subscriptions of match.overlapping) {
    if (deliverOnce(broker, outgoing, subscriptions, publisher, now)) receivers++;
  }
  for (const group of match.groups) if (deliverToGroup(broker, outgoing, group, now)) receivers++;
  return receivers;
}

/** §3.3.4 one copy for all of a session's subscriptions that match: the highest QoS, every identifier. */
function deliverOnce(
  broker: Broker,
  outgoing: Outgoing,
  all: readonly Subscription[],
  publisher: Session | undefined,
  now: number,
): boolean {
  const matching = all.filter((subscription) => !subscription.noLocal || subscription.session !== publisher);
  if (matching.length === 0) return false;
  const granted = Math.max(...matching.map((subscription) => subscription.qos)); // [MQTT-3.3.4-2]
  const kept = outgoing.view.retain && matching.some((subscription) => subscription.retainAsPublished);
  const least = Math.min(outgoing.view.qos, granted) as QoS;
  if (matching[0]!.session.replays !== undefined) {
    for (const each of matching) overtake(broker, each, outgoing.view, outgoing.view, least, now);
  }
  return deliver(
    broker,
    outgoing,
    matching[0]!.session,
    least,
    kept,
    identifiersOf(matching),
    undefined,
    now,
  );
}

/** §4.8.2 to one member of the group. */
function deliverToGroup(broker: Broker, outgoing: Outgoing, group: SharedGroup, now: number): boolean {
  const { qos, retain } = outgoing.view;
  const member = group.choose(outgoing, broker);
  if (member === undefined) {
    drop(broker, outgoing.topic, outgoing.view, group.filter.text, "no member");
    return false;
  }
  const least = Math.min(qos, member.qos) as QoS; // [MQTT-4.8.2-3]
  const kept = retain && member.retainAsPublished;
  return deliver(broker, outgoing, member.session, least, kept, member.identifiers, group, now);
}

/** §4.8.2 a message that a member cannot finish goes to another one, if there is any. */
export function deliverToOther(broker: Broker, delivery: Delivery, now: number): void {
  const { message, group } = delivery;
  if (message.expiresAt > now) deliverToGroup(broker, outgoingOf(message), group!, now);
  else drop(broker, message.topic, message.view, group!.filter.text, "expired");
}
