/**
 * §3.8–3.11 SUBSCRIBE and UNSUBSCRIBE: subscriptions come, change and go, and retained messages follow.
 * Knows which filters are granted and which Reason Codes answer them; refuses to know how messages are matched.
 * @module
 */
import { protocolError, refused } from "../codec/error.ts";
import type { QoS, Subscribe, SubscriptionRequest, Unsubscribe } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import type { ReasonCode } from "../codec/reason_code.ts";
import { parseFilter, type TopicFilter } from "../topic/filter.ts";
import { levelCount } from "../topic/name.ts";
import { isLonger } from "../codec/utf8.ts";
import type { Link } from "../engine/link.ts";
import { COST } from "./budget.ts";
import { gather } from "./gather.ts";
import type { Open } from "./open.ts";
import type { Parts } from "./parts.ts";
import { reasonString, type Refusal, UNSAFE } from "./refusal.ts";
import type { Subscription } from "./session.ts";

/** Refusals of one SUBSCRIBE that the Reason String explains. */
const EXPLAINED_MAX = 3;

/**
 * A bridge of level 3 or 4 cannot ask for these. With them `topic # both` does not loop, and the other broker retains what is
 * retained here.
 */
const AS_BRIDGE = { noLocal: true, retainAsPublished: true } as const;

/** The decision on one filter: granted, or refused. */
type Decision = { readonly filter: TopicFilter; readonly qos: number } | { readonly refusal: Refusal };

/** §3.8 False if it must be offered again, since the authorizer takes time. */
export function subscribePacket(parts: Parts, open: Open, packet: Subscribe): boolean {
  const { journal, observer, router } = parts;
  const { session, client, link, permissions } = open;
  checkCount(parts, open, packet.subscriptions.length);
  requireFit(link, PacketType.SUBACK, packet.packetId, packet.subscriptions.length);
  const identifier = packet.properties?.subscriptionIdentifier ?? 0;
  const decisions = packet.subscriptions.map((request) => decide(parts, open, request, identifier));
  if (permissions.isWaiting) return false;
  permissions.forget();
  const { mark } = journal;
  const reasonCodes: number[] = [];
  const refusals: Refusal[] = [];
  let joins = false;
  const fresh: { subscription: Subscription; filter: TopicFilter }[] = [];
  packet.subscriptions.forEach((request, i) => { // [MQTT-3.8.4-5]
    const decision = roomFor(parts, open, decisions[i]!);
    if ("refusal" in decision) {
      reasonCodes.push(link.level === 5 ? decision.refusal.code : 0x80); // [MQTT311-3.9.3-2]
      refusals.push(decision.refusal);
      observer.denied(client, decision.refusal);
      return;
    }
    const { filter } = decision;
    const isKnown = session.subscriptions.has(request.filter);
    const qos = Math.min(decision.qos, open.policy.maximumQos) as QoS; // [MQTT-3.2.2-10]
    const granted = { ...request, qos, identifier, ...(open.isBridge && AS_BRIDGE) };
    const subscription = router.subscribe(session, filter, granted);
    reasonCodes.push(qos); // [MQTT-3.8.4-7]
    if (!isKnown && subscription.isShared && router.group(filter.text)!.size > 1) joins = true;
    observer.hooks.subscribed?.(client, request.filter, granted);
    parts.systemTopics?.subscribed(filter.match);
    const isWanted = request.retainHandling === 0 || (request.retainHandling === 1 && !isKnown); // [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11]
    if (isWanted && !subscription.isShared) fresh.push({ subscription, filter });
  });
  journal.holdSince(mark, link);
  const suback = { type: PacketType.SUBACK, packetId: packet.packetId, reasonCodes } as const; // [MQTT-3.8.4-1] [MQTT-3.8.4-6] [MQTT-3.9.3-1] [MQTT-2.2.1-6] [MQTT-3.8.4-2]
  if (refusals.length > 0 && link.level === 5 && link.explains) {
    const properties = { reasonString: refusals.slice(0, EXPLAINED_MAX).map(reasonString).join("; ") };
    link.send({ ...suback, properties });
  } else link.send(suback);
  const begun = new Set<Subscription>();
  for (const { subscription, filter } of fresh) {
    if (begun.has(subscription)) router.retainedDeliveries.beginAgain(subscription); // [MQTT-3.8.4-5]
    else router.retainedDeliveries.begin(subscription, filter.match, filter.wildcard);
    begun.add(subscription);
  }
  router.retainedDeliveries.startNow(session);
  if (joins) gather(parts, session);
  return true;
}

/**
 * Counts the work of so many filters.
 * @throws {PeerError} if they are more than one packet may have.
 */
function checkCount({ turn, observer }: Parts, { session, policy }: Open, filters: number): void {
  turn.budget.spend(filters * COST.filter);
  if (filters <= policy.limits.filtersPerPacketMax) return;
  observer.limited("filtersPerPacketMax", session.clientId, session);
  throw refused(0x97, "limit/filters", `${filters} Topic Filters in one packet (filtersPerPacketMax)`);
}

/**
 * Throws if the answer is above the Client's Maximum Packet Size: it would wait for that for ever. Nothing is done of the packet.
 */
function requireFit(
  link: Link,
  type: typeof PacketType.SUBACK | typeof PacketType.UNSUBACK,
  packetId: number,
  count: number,
): void {
  if (link.maximumPacketSize === Infinity) return;
  if (link.fits({ type, packetId, reasonCodes: new Array(count).fill(0) })) return;
  const name = type === PacketType.SUBACK ? "SUBACK" : "UNSUBACK";
  throw refused(0x95, "MQTT-3.1.2-24", `${name} is above the Client's Maximum Packet Size`);
}

/** Whether this filter may be subscribed to, as far as the filters before it make no difference; the connection stays. */
function decide(
  { journal, observer }: Parts,
  open: Open,
  request: SubscriptionRequest,
  identifier: number,
): Decision {
  const { session, policy, client } = open;
  if (journal.failing && session.durable) return { refusal: UNSAFE };
  const filter = parseFilter(request.filter);
  if (typeof filter === "string") {
    return refuse(0x8f, filter, `Topic Filter ${JSON.stringify(request.filter)} is not valid`);
  }
  if (filter.share !== undefined && request.noLocal) {
    throw protocolError("MQTT-3.8.3-4", "No Local on a Shared Subscription");
  }
  if (filter.share !== undefined && !policy.sharedSubscriptionAvailable) {
    return refuse(0x9e, "3.2.2.3.13/not-supported", "Shared Subscriptions are not supported");
  }
  if (filter.wildcard && !policy.wildcardSubscriptionAvailable) {
    return refuse(0xa2, "3.2.2.3.11/not-supported", "Wildcards are not supported"); // [MQTT311-3.8.3-2]
  }
  if (identifier !== 0 && !policy.subscriptionIdentifiersAvailable) {
    return refuse(0xa1, "3.2.2.3.12/not-supported", "Subscription Identifiers are not supported");
  }
  if (isLonger(filter.text, policy.limits.nameBytesMax)) {
    observer.limited("nameBytesMax", session.clientId, session);
    return refuse(0x8f, "limit/name-bytes", "Topic Filter of too many bytes (nameBytesMax)");
  }
  if (levelCount(filter.match) > policy.limits.topicLevelsMax) {
    observer.limited("topicLevelsMax", session.clientId, session);
    return refuse(0x8f, "limit/topic-levels", "Topic Filter of too many levels (topicLevelsMax)");
  }
  const granted = open.permissions.granted(client, filter.text, request.qos);
  const code = granted < 0x80
    ? open.permissions.ask("subscribe", client, filter.text, request.qos, false)
    : granted;
  if (code === undefined || code === 0) return { filter, qos: Math.min(granted, request.qos) };
  return refuse(code, "policy/not-authorized", "This filter may not be subscribed to");
}

/** The decision, unless there are as many subscriptions as may be. */
function roomFor({ observer, turn }: Parts, { session, policy }: Open, decision: Decision): Decision {
  if ("refusal" in decision || session.subscriptions.has(decision.filter.text)) return decision;
  if (turn.ledger.isAbove) {
    observer.limited("memoryBytesMax", session.clientId, session);
    return refuse(0x97, "limit/memory", "No memory for one more subscription (memoryBytesMax)");
  }
  const { subscriptionsPerSessionMax, subscriptionBytesMax } = policy.limits;
  const isMany = session.subscriptions.size >= subscriptionsPerSessionMax;
  const isLarge = session.subscriptionBytes + decision.filter.text.length > subscriptionBytesMax;
  if (!isMany && !isLarge) return decision;
  const limit = isMany ? "subscriptionsPerSessionMax" : "subscriptionBytesMax";
  observer.limited(limit, session.clientId, session);
  return refuse(0x97, "limit/subscriptions", `As many subscriptions as may be (${limit})`);
}

function refuse(code: ReasonCode, rule: Refusal["rule"], message: string): { refusal: Refusal } {
  return { refusal: { code, rule, message } };
}

/** §3.10 */
export function unsubscribePacket(parts: Parts, open: Open, { packetId, filters }: Unsubscribe): void {
  const { journal, observer, router } = parts;
  const { session, client, link } = open;
  requireFit(link, PacketType.UNSUBACK, packetId, filters.length);
  const { mark } = journal;
  checkCount(parts, open, filters.length);
  const reasonCodes = filters.map((filter) => { // [MQTT-3.10.4-6] [MQTT-3.11.3-1]
    const subscription = session.subscriptions.get(filter); // [MQTT-3.10.4-1]
    if (subscription === undefined) return 0x11;
    router.unsubscribe(session, subscription);
    journal.unsubscribed(session, filter);
    observer.hooks.unsubscribed?.(client, filter);
    return 0;
  });
  journal.holdSince(mark, link);
  link.send({ type: PacketType.UNSUBACK, packetId, reasonCodes: link.level === 5 ? reasonCodes : [] }); // [MQTT-3.10.4-4] [MQTT-2.2.1-6] [MQTT-3.10.4-5]
}
