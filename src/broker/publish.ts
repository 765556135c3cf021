/**
 * §3.3, §4.3 PUBLISH from a Client: checked, then taken over with others like it (batch.ts) or alone, and acknowledged.
 * Knows the checks and their order; refuses to know subscribers and deliveries.
 * @module
 */
import { PeerError, protocolError, refused } from "../codec/error.ts";
import { PacketType } from "../codec/packet_type.ts";
import { withoutIdentifier } from "../codec/publish_template.ts";
import type { PublishView } from "../codec/publish_view.ts";
import { expiryOf } from "../delivery/message.ts";
import type { Outgoing } from "./deliver.ts";
import type { KnownTopic } from "./known_topics.ts";
import type { Match, Target } from "./match.ts";
import { messageInfo, type Observer } from "./observer.ts";
import { NO_GROUP, TOLD } from "./nodes.ts";
import type { Open } from "./open.ts";
import type { Parts } from "./parts.ts";
import { reasonString, type Refusal, UNSAFE } from "./refusal.ts";

/** Every session that was to get the message has dropped it for a limit. Below level 5 PUBACK has no code for that. */
export const NO_ROOM: Refusal = { code: 0x97, rule: "limit/queue", message: "No session has room for it" };

/**
 * The topic of a PUBLISH that is alone in its chunk or begins a batch.
 * @throws {PeerError} for a packet that ends the connection.
 */
export function checkPublish({ router, observer }: Parts, open: Open, view: PublishView): KnownTopic {
  const { policy } = open;
  if (view.qos > policy.maximumQos) {
    throw new PeerError("protocol", 0x9b, "MQTT-3.2.2-11", `QoS ${view.qos} is above Maximum QoS`);
  }
  if (view.retain && !policy.retainAvailable) {
    throw new PeerError("protocol", 0x9a, "MQTT-3.2.2-14", "RETAIN 1 is not supported");
  }
  if (view.topicEnd === view.topicAt) {
    throw open.link.level === 5
      ? protocolError("3.3.2.1/no-topic", "PUBLISH without Topic Name and Topic Alias")
      : protocolError("MQTT-4.7.3-1", "Empty Topic Name", 0x90);
  }
  checkNameBytes(open, view, observer);
  return router.find(view.bytes, view.topicAt, view.topicEnd);
}

/**
 * @throws {PeerError} for a Topic Name of too many bytes: before it is decoded, or remembered for an alias.
 */
export function checkNameBytes(
  { policy, client, session }: Open,
  { topicAt, topicEnd }: PublishView,
  observer: Observer,
): void {
  if (topicEnd - topicAt <= policy.limits.nameBytesMax) return;
  observer.limited("nameBytesMax", client.clientId, session);
  throw refused(0x90, "limit/name-bytes", "Topic Name of too many bytes (nameBytesMax)");
}

/** True if the identifier belongs to an open QoS 2 exchange, and the answer is given. */
export function isInUse(parts: Parts, open: Open, view: PublishView): boolean {
  const { received } = open.session;
  if (view.qos === 0 || received === undefined) return false;
  if (received.has(view.packetId)) {
    if (view.qos === 2) {
      if (parts.journal.isUnsafe) parts.journal.hold(open.link); // the first one may have come on another connection
      parts.nodes?.hold(open.link);
      open.link.answer(PacketType.PUBREC << 4, view.packetId, 0); // [MQTT-4.3.3-10]
    } else if (open.link.level < 5) {
      forget(parts, open, view.packetId); // PUBACK could not refuse it, and to drop it would lose it
      return false;
    } else {
      const message = "A QoS 2 message is open under this identifier";
      refusePublish(parts, open, view, { code: 0x91, rule: "2.2.1/in-use", message });
    }
    return true;
  }
  if (view.qos === 2 && received.size >= open.receiveLimit) {
    const message = "More QoS 2 messages open than Receive Maximum";
    throw new PeerError("protocol", 0x93, "3.3.4/receive-maximum", message);
  }
  return false;
}

/**
 * Below level 5 a QoS 1 message under the identifier of an open QoS 2 message shows that the Client knows nothing of that
 * exchange any more: it has lost its memory. Without this its next QoS 2 message under the identifier would pass for a repeat.
 */
function forget({ journal }: Parts, { session, link }: Open, packetId: number): void {
  const { mark } = journal;
  session.received?.delete(packetId);
  journal.received(session, packetId, false);
  journal.holdSince(mark, link);
}

/** Why a message on this topic is refused; the connection stays. "later" if the authorizer takes time. */
export function publishForbidden(
  { observer }: Parts,
  open: Open,
  view: PublishView,
  topic: KnownTopic,
): Refusal | "later" | undefined {
  if (open.session.isNode) return undefined;
  if (topic.dollar && !open.permissions.mayOpen(topic.name)) {
    return { code: 0x87, rule: "policy/dollar-topic", message: "Topics that begin with $ are the Server's" };
  }
  if (topic.levels > open.policy.limits.topicLevelsMax) {
    observer.limited("topicLevelsMax", open.client.clientId, open.session);
    const message = "Topic Name of too many levels (topicLevelsMax)";
    return { code: 0x90, rule: "limit/topic-levels", message };
  }
  const code = open.permissions.ask("publish", open.client, topic.name, view.qos, view.retain);
  if (code === undefined) return "later";
  if (code === 0) return undefined;
  return { code, rule: "policy/not-authorized", message: "This topic may not be published to" };
}

/** The message is not taken over. Below level 5 there is no code for that, so it is acknowledged and dropped [MQTT311-3.3.5-2]. */
export function refusePublish({ observer }: Parts, open: Open, view: PublishView, refusal: Refusal): void {
  const { client, session, link } = open;
  observer.denied(client, refusal);
  const type = view.qos === 2 ? PacketType.PUBREC : PacketType.PUBACK;
  if (view.qos > 0) link.answerWith(type << 4, view.packetId, refusal.code, reasonString(refusal));
  if (view.qos === 0 || link.level < 5) observer.discarded(client, session, refusal);
}

/** The slow path: takes over one message that nothing forbids. */
export function takeOne(parts: Parts, open: Open, view: PublishView, topic: KnownTopic): void {
  const { journal, router, observer, turn, deliverer } = parts;
  const { session, link } = open;
  const match = router.match(topic);
  const { isNode } = session;
  if (journal.failing && view.qos > 0 && !isNode && needsStore(parts, open, view, match)) {
    if (link.level === 5) return refusePublish(parts, open, view, UNSAFE);
    throw new PeerError("refused", UNSAFE.code, UNSAFE.rule, UNSAFE.message); // below level 5 PUBACK cannot refuse
  }
  const { mark } = journal;
  const outgoing: Outgoing = {
    view,
    topic: topic.name,
    publisher: session.clientId,
    expiresAt: expiryOf(view, turn.now),
    message: undefined,
  };
  let isRetained = false;
  if (view.retain && !isNode) { // else nothing is retained: [MQTT-3.3.1-8]; a node tells of what is retained by itself
    const limit = router.retain(outgoing);
    isRetained = limit === undefined;
    if (limit !== undefined) {
      observer.limited(limit, session.clientId, session);
      if (view.qos > 0 && link.level === 5) {
        const message = `No room to retain it (${limit})`;
        return refusePublish(parts, open, view, { code: 0x97, rule: "limit/retained", message });
      }
      router.unretain(topic.name); // the message goes on, so an older one is not the topic's last any more
    }
  }
  const { qos, packetId } = view;
  const { limited } = deliverer;
  const begunAt = link.outbox.position;
  const receivers = router.route(outgoing, match, session);
  const { published } = observer.hooks;
  if (published !== undefined && !isNode) {
    published(messageInfo(topic.name, view, view.bytes[view.at]!), open.client, receivers);
  }
  if (qos === 0) return;
  if (receivers === 0 && deliverer.limited !== limited && !isRetained && !isNode && link.level === 5) {
    return refusePublish(parts, open, view, NO_ROOM);
  }
  if (qos === 2) { // of QoS 1 nothing is remembered: [MQTT-4.3.2-5]
    remember(parts, open, packetId, mark);
    if (!view.dup) open.isRecovering = false;
  }
  journal.holdSince(mark, link);
  const answeredAt = link.outbox.position;
  // [MQTT-3.3.4-1] [MQTT-4.3.2-4] [MQTT-4.3.3-8] [MQTT-2.2.1-5]
  link.answer((qos === 1 ? PacketType.PUBACK : PacketType.PUBREC) << 4, packetId, match.isEmpty ? 0x10 : 0);
  if (qos === 1) open.answered(begunAt, answeredAt);
}

/**
 * Takes over a message of another node that has a Subscription Identifier: the node itself is told something, or the message is for a group
 * of this node.
 */
export function takeFromNode(parts: Parts, open: Open, view: PublishView): void {
  const { journal, router, turn } = parts;
  const nodes = parts.nodes!;
  const { session, link } = open;
  const { mark } = journal;
  const { qos, packetId, dup } = view; // a Client that is claimed meanwhile may go on with this view
  const { number, frame } = withoutIdentifier(view);
  const topic = router.find(frame.bytes, frame.topicAt, frame.topicEnd).name;
  if (number === TOLD) nodes.told(open, topic, frame.bytes.subarray(frame.payloadAt, frame.end), dup);
  else {
    const group = nodes.groupOf(number);
    const outgoing: Outgoing = {
      view: frame,
      topic,
      publisher: session.clientId,
      expiresAt: expiryOf(frame, turn.now),
      message: undefined,
    };
    if (group === undefined || !router.toGroup(outgoing, group, "nodes")) {
      const type = qos === 2 ? PacketType.PUBREC : PacketType.PUBACK;
      if (qos > 0) link.answer(type << 4, packetId, group === undefined ? NO_GROUP : NO_ROOM.code);
      return;
    }
  }
  if (qos === 0) return;
  if (qos === 2) remember(parts, open, packetId, mark);
  journal.holdSince(mark, link);
  link.answer((qos === 1 ? PacketType.PUBACK : PacketType.PUBREC) << 4, packetId, 0);
}

/**
 * §4.3.3 remembers the identifier of a QoS 2 message until PUBREL. If other nodes were sent the message since `mark`, the store is told once
 * they have it: a repeat after a crash of this node before that must bring it to them.
 */
export function remember({ journal, nodes }: Parts, { session }: Open, packetId: number, mark: number): void {
  session.needReceived().add(packetId);
  if (journal.isSentSince(mark)) nodes!.remember(session, packetId);
  else journal.received(session, packetId, true);
}

/** Whether taking this QoS 1 or 2 message over means that a fact is recorded. */
export function needsStore({ journal }: Parts, open: Open, view: PublishView, match: Match): boolean {
  const records = ({ session, qos }: Pick<Target, "session" | "qos">) => session.durable && qos > 0;
  return (view.qos === 2 && open.session.durable) || (view.retain && journal.isKept) ||
    match.targets.some(records) || match.groups.some(({ members }) => [...members].some(records));
}
