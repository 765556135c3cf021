/**
 * §3.8–3.11 SUBSCRIBE and UNSUBSCRIBE: subscriptions come, change and go, and retained messages follow.
 * Knows the subscriptions of a session; refuses to know how messages are matched to them.
 * @module
 */
import { protocolError } from "../codec/error.ts";
import type { QoS, Subscribe, SubscriptionRequest, Unsubscribe } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import type { ReasonCode } from "../codec/reason_code.ts";
import { parseFilter, type TopicFilter } from "../topic/filter.ts";
import { hasWildcard, levelCount } from "../topic/name.ts";
import type { Connection } from "./connection.ts";
import { type Broker, UNSAFE } from "./engine.ts";
import type { Subscriber } from "./known_topics.ts";
import { reasonString, type Refusal } from "./options.ts";
import { beginReplay, endReplay, replayNow } from "./replay.ts";
import { type Session, Subscription } from "./session.ts";
import { SharedGroup } from "./shared.ts";
import type { SubscriptionRecord } from "./store.ts";

/** Refusals of one SUBSCRIBE that the Reason String explains. */
const EXPLAINED_MAX = 3;

/** §3.8 */
export function subscribePacket(connection: Connection, packet: Subscribe, now: number): void {
  const { broker } = connection;
  const session = connection.session!;
  const identifier = packet.properties?.subscriptionIdentifier ?? 0;
  const before = broker.facts;
  const reasonCodes: number[] = [];
  const refusals: Refusal[] = [];
  const fresh: { subscription: Subscription; filter: TopicFilter }[] = [];
  for (const request of packet.subscriptions) { // [MQTT-3.8.4-5]
    const filter = parseFilter(request.filter);
    const refusal = forbidden(connection, request, filter, identifier);
    if (refusal !== undefined) {
      reasonCodes.push(connection.level === 5 ? refusal.code : 0x80); // [MQTT311-3.9.3-2]
      refusals.push(refusal);
      broker.hooks.denied?.(connection.client!, refusal);
      continue;
    }
    const known = session.subscriptions.has(request.filter);
    const granted = record(connection, request, identifier);
    const subscription = subscribe(broker, session, filter as TopicFilter, granted);
    reasonCodes.push(subscription.qos); // [MQTT-3.8.4-7]
    broker.hooks.subscribed?.(connection.client!, request.filter, granted);
    const wanted = request.retainHandling === 0 || (request.retainHandling === 1 && !known); // [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11]
    if (wanted && !subscription.isShared) {
      fresh.push({ subscription, filter: filter as TopicFilter });
    }
  }
  if (broker.facts !== before) connection.hold();
  const suback = { type: PacketType.SUBACK, packetId: packet.packetId, reasonCodes } as const; // [MQTT-3.8.4-1] [MQTT-3.8.4-6] [MQTT-3.9.3-1]
  const explained = refusals.length > 0 && connection.level === 5 && connection.requestProblemInformation;
  connection.send(
    explained
      ? {
        ...suback,
        properties: { reasonString: refusals.slice(0, EXPLAINED_MAX).map(reasonString).join("; ") },
      }
      : suback,
  );
  for (const { subscription, filter } of fresh) {
    beginReplay(broker, subscription, filter.match, filter.wildcard);
  }
  replayNow(broker, session, now);
}

function record(
  connection: Connection,
  request: SubscriptionRequest,
  identifier: number,
): SubscriptionRecord {
  const qos = Math.min(request.qos, connection.broker.maximumQos) as QoS; // [MQTT-3.2.2-10]
  return { ...request, qos, identifier };
}

/** Why this filter is not subscribed to; the connection stays. */
function forbidden(
  connection: Connection,
  request: SubscriptionRequest,
  filter: ReturnType<typeof parseFilter>,
  identifier: number,
): Refusal | undefined {
  const { broker } = connection;
  const { options, limits } = broker;
  const session = connection.session!;
  if (broker.failing && session.durable) return UNSAFE;
  if (typeof filter === "string") {
    return refusal(0x8f, filter, `Topic Filter ${JSON.stringify(request.filter)} is not valid`);
  }
  if (filter.share !== undefined && request.noLocal) {
    throw protocolError("MQTT-3.8.3-4", "No Local on a Shared Subscription");
  }
  if (filter.share !== undefined && options.sharedSubscriptionAvailable === false) {
    return refusal(0x9e, "3.2.2.3.13/not-supported", "Shared Subscriptions are not supported");
  }
  if (filter.wildcard && options.wildcardSubscriptionAvailable === false) {
    return refusal(0xa2, "3.2.2.3.11/not-supported", "Wildcards are not supported");
  }
  if (identifier !== 0 && options.subscriptionIdentifiersAvailable === false) {
    return refusal(0xa1, "3.2.2.3.12/not-supported", "Subscription Identifiers are not supported");
  }
  if (levelCount(filter.match) > limits.topicLevelsMax) {
    broker.limited("topicLevelsMax", session.clientId, session);
    return refusal(0x8f, "limit/topic-levels", "Topic Filter of too many levels (topicLevelsMax)");
  }
  if (
    !session.subscriptions.has(filter.text) && session.subscriptions.size >= limits.subscriptionsPerSessionMax
  ) {
    broker.limited("subscriptionsPerSessionMax", session.clientId, session);
    return refusal(
      0x97,
      "limit/subscriptions",
      "As many subscriptions as may be (subscriptionsPerSessionMax)",
    );
  }
  const { qos } = request;
  const code = broker.allows({
    action: "subscribe",
    client: connection.client!,
    topic: filter.text,
    qos,
    retain: false,
  });
  return code === 0
    ? undefined
    : refusal(code, "policy/not-authorized", "This filter may not be subscribed to");
}

function refusal(code: ReasonCode, rule: Refusal["rule"], message: string): Refusal {
  return { code, rule, message };
}

/** Makes or replaces a subscription [MQTT-3.8.4-3]. */
export function subscribe(
  broker: Broker,
  session: Session,
  filter: TopicFilter,
  record: SubscriptionRecord,
): Subscription {
  let subscription = session.subscriptions.get(filter.text);
  if (subscription === undefined) {
    subscription = new Subscription(session, filter.text);
    session.subscriptions.set(filter.text, subscription);
    if (filter.share !== undefined) groupOf(broker, filter).members.push(subscription);
    else {
      broker.tree.add(filter.match, subscription);
      broker.topics.changed(filter.match, filter.wildcard);
    }
  }
  subscription.set(record);
  if (session.durable) {
    broker.store!.subscribed(session, record);
    broker.told();
  }
  return subscription;
}

function groupOf(broker: Broker, filter: TopicFilter): SharedGroup {
  let group = broker.groups.get(filter.text);
  if (group === undefined) {
    group = new SharedGroup(filter);
    broker.groups.set(filter.text, group);
    broker.tree.add(filter.match, group);
    broker.topics.changed(filter.match, filter.wildcard);
  }
  return group;
}

/** Takes a subscription out of the tree; its session forgets it too. */
export function unsubscribe(broker: Broker, session: Session, subscription: Subscription): void {
  session.subscriptions.delete(subscription.filter);
  endReplay(session, subscription); // [MQTT-3.10.4-2]
  const { filter } = subscription;
  if (!subscription.isShared) return takeOut(broker, filter, subscription);
  const group = broker.groups.get(filter)!;
  group.leave(subscription);
  if (group.members.length > 0) return;
  broker.groups.delete(filter);
  takeOut(broker, group.filter.match, group);
}

function takeOut(broker: Broker, filter: string, subscriber: Subscriber): void {
  broker.tree.remove(filter, subscriber);
  broker.topics.changed(filter, hasWildcard(filter));
}

/** §3.10 */
export function unsubscribePacket(connection: Connection, packet: Unsubscribe): void {
  const { broker } = connection;
  const session = connection.session!;
  const before = broker.facts;
  const reasonCodes = packet.filters.map((filter) => { // [MQTT-3.10.4-6] [MQTT-3.11.3-1]
    const subscription = session.subscriptions.get(filter); // [MQTT-3.10.4-1]
    if (subscription === undefined) return 0x11;
    unsubscribe(broker, session, subscription);
    if (session.durable) {
      broker.store!.unsubscribed(session, filter);
      broker.told();
    }
    broker.hooks.unsubscribed?.(connection.client!, filter);
    return 0;
  });
  if (broker.facts !== before) connection.hold();
  const { packetId } = packet;
  connection.send({
    type: PacketType.UNSUBACK,
    packetId,
    reasonCodes: connection.level === 5 ? reasonCodes : [],
  }); // [MQTT-3.10.4-4]
}
