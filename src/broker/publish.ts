/**
 * §3.3 PUBLISH from a Client: checked, acknowledged, retained, and routed to everybody whose filter matches.
 * Knows who gets a message; refuses to know how it gets there.
 * @module
 */
import { sameBytes } from "../codec/copy.ts";
import { PeerError, protocolError, type Rule } from "../codec/error.ts";
import type { QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { withoutAlias } from "../codec/publish_template.ts";
import { EMPTY, PublishView } from "../codec/publish_view.ts";
import type { ReasonCode } from "../codec/reason_code.ts";
import type { Message } from "../delivery/message.ts";
import { Receiver } from "../delivery/receiver.ts";
import { type Sender, Step } from "../delivery/sender.ts";
import type { Connection } from "./connection.ts";
import { deliver, drop, identifiersOf, messageInfo, type Outgoing, SHARED_PAYLOAD_BYTES } from "./deliver.ts";
import { type Broker, UNSAFE } from "./engine.ts";
import type { KnownTopic, Match } from "./known_topics.ts";
import { Delivery, NO_IDENTIFIERS, type Session, type Subscription } from "./session.ts";
import type { SharedGroup } from "./shared.ts";

/** The first byte of a PUBLISH with QoS 0, DUP 0 and RETAIN 0. */
const PLAIN = PacketType.PUBLISH << 4;

/** Messages in one run. */
const RUN_MAX = 1024;

/**
 * Frames of one chunk that stand one behind the other, have the same topic and QoS, and go on to most subscribers as they
 * are: they are copied together. A run lives inside one `received()`.
 */
export class Run {
  /** Undefined while there is no run. */
  topic: KnownTopic | undefined;
  connection: Connection | undefined;
  qos: QoS = 0;
  bytes: Uint8Array = EMPTY;
  from = 0;
  to = 0;
  count = 0;
  /** Bytes of its largest frame. */
  largest = 0;
  /** `Broker.facts` when it began. */
  facts = 0;
  /** Where the Packet Identifier of each frame stands, from `from` on; at QoS 0 not kept. */
  readonly idAt: Uint32Array = new Uint32Array(RUN_MAX);
  /** Its messages, once somebody must keep them. */
  readonly messages: Message[] = [];
  /** For looking at its frames again: `Broker.view` is at the frame behind them by then. */
  readonly view: PublishView = new PublishView();
}

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
  if ((bytes[at]! & 0xf9) === PLAIN && view.topicAlias === 0 && view.expiryAt < 0 && broker.runs) {
    if (extendRun(broker.run, view)) return;
    endRun(broker);
    if (view.topicEnd > view.topicAt && beginRun(broker.run, connection, view)) return;
  } else endRun(broker);
  publish(connection, view, broker.now);
}

function extendRun(run: Run, view: PublishView): boolean {
  const topic = run.topic;
  if (topic === undefined || run.to !== view.at || run.bytes !== view.bytes || run.qos !== view.qos) {
    return false;
  }
  if (run.count === RUN_MAX) return false;
  if (view.qos === 2 && !isNew(run.connection!, view.packetId)) return false;
  const length = topic.bytes.length;
  if (
    view.topicEnd - view.topicAt !== length || !sameBytes(view.bytes, view.topicAt, topic.bytes, 0, length)
  ) return false;
  if (view.qos > 0) run.idAt[run.count] = view.packetIdAt - run.from;
  if (view.qos === 2) open(run.connection!.broker, run.connection!.session!, view.packetId);
  run.to = view.end;
  run.count++;
  if (view.end - view.at > run.largest) run.largest = view.end - view.at;
  return true;
}

function beginRun(run: Run, connection: Connection, view: PublishView): boolean {
  const broker = connection.broker;
  const topic = broker.topics.find(view.bytes, view.topicAt, view.topicEnd);
  if (
    topic.dollar || topic.levels > broker.limits.topicLevelsMax || view.payloadLength >= SHARED_PAYLOAD_BYTES
  ) return false;
  const match = broker.topics.match(topic);
  if (match.groups.length > 0 || match.overlapping.length > 0) return false;
  if (view.qos > 0 && !canRun(broker, connection, view)) return false;
  run.topic = topic;
  run.connection = connection;
  run.qos = view.qos;
  run.facts = broker.facts;
  run.idAt[0] = view.packetIdAt - view.at;
  if (view.qos === 2) open(broker, connection.session!, view.packetId);
  run.bytes = view.bytes;
  run.from = view.at;
  run.to = view.end;
  run.count = 1;
  run.largest = view.end - view.at;
  return true;
}

/** Whether a QoS 1 or 2 message may begin a run: everything is all right with it. */
function canRun(
  { failing, maximumQos }: Broker,
  connection: Connection,
  { qos, packetId }: PublishView,
): boolean {
  if (failing || qos > maximumQos) return false;
  return qos === 2 ? isNew(connection, packetId) : (connection.session!.received?.size ?? 0) === 0;
}

/** §4.3.3 whether a QoS 2 message under this identifier is neither a repeat nor one too many. */
function isNew({ session, receiveLimit }: Connection, packetId: number): boolean {
  const { received } = session!;
  return received === undefined || (!received.has(packetId) && received.size < receiveLimit);
}

/** Brings the run, if there is one, to its subscribers, and acknowledges it. */
export function endRun(broker: Broker): void {
  const run = broker.run;
  if (run.topic === undefined) return;
  const { topic, bytes, qos, from, to, count, largest } = run;
  const connection = run.connection!;
  run.topic = undefined;
  broker.counters.received += count;
  const level5 = connection.level === 5;
  const match = broker.topics.match(topic);
  for (const subscription of match.plain) {
    const { session } = subscription;
    const receiver = session.connection;
    if (receiver === undefined && (qos === 0 || !session.kept)) continue;
    if (subscription.noLocal && receiver === connection) continue; // [MQTT-3.8.3-3]
    const isSame = receiver !== undefined && (receiver.level === 5) === level5 && subscription.qos >= qos &&
      subscription.identifier === 0 && receiver.aliasesOut === undefined &&
      largest <= receiver.maximumPacketSize;
    if (isSame && qos > 0 && canOpen(broker, receiver, session, count)) {
      if (session.durable && session.kept && qos === 2) receiver.hold(); // as for one alone, see sendNew()
      const at = receiver.outbox.append(bytes, from, to);
      if (session.kept) openKept(broker, receiver, session, at, run, topic);
      else openAll(receiver, session.exchanges(), at, run);
      receiver.touch();
    } else if (
      qos === 0 && receiver!.outbox.size > broker.limits.outboundBytesMax &&
      broker.hooks.dropped === undefined
    ) {
      broker.limited("outboundBytesMax", session.clientId, session);
      broker.counters.dropped += count;
    } else if (isSame && qos === 0 && receiver.outbox.size <= broker.limits.outboundBytesMax) {
      receiver.outbox.append(bytes, from, to);
      receiver.touch();
    } else replay(broker, run, topic, subscription);
  }
  if (qos > 0) {
    if (broker.facts !== run.facts) connection.hold();
    acknowledgeAll(connection, run, match.empty ? 0x10 : 0); // [MQTT-3.3.4-1] [MQTT-4.3.2-4] [MQTT-4.3.3-8]
  }
  run.bytes = EMPTY;
  if (run.messages.length > 0) run.messages.length = 0;
}

/** Whether so many QoS 1 or 2 messages may go out now. */
function canOpen(broker: Broker, receiver: Connection, session: Session, count: number): boolean {
  return session.queued === 0 && session.resend === undefined &&
    receiver.open + count <= receiver.sendLimit && receiver.outbox.size <= broker.limits.outboundBytesMax;
}

/** Opens an exchange for each frame of a run that stands in the outbox from `at` on. */
function openAll(
  receiver: Connection,
  sender: Sender<Delivery>,
  at: number,
  { qos, idAt, count }: Run,
): void {
  const { buffer } = receiver.outbox;
  const step = qos === 1 ? Step.PUBACK : Step.PUBREC;
  for (let i = 0; i < count; i++) {
    const id = sender.begin(step, undefined);
    const place = at + idAt[i]!;
    buffer[place] = id >> 8;
    buffer[place + 1] = id & 255;
  }
  receiver.open += count;
}

/** As `openAll()`, for a session that outlives its connection: what is not acknowledged may have to be sent again. */
function openKept(
  broker: Broker,
  receiver: Connection,
  session: Session,
  at: number,
  run: Run,
  topic: KnownTopic,
): void {
  const { qos, idAt, count } = run;
  const { buffer } = receiver.outbox;
  const sender = session.exchanges();
  const step = qos === 1 ? Step.PUBACK : Step.PUBREC;
  const messages = run.messages.length === 0 ? keepAll(broker, run, topic) : run.messages;
  for (let i = 0; i < count; i++) {
    const message = messages[i]!;
    const delivery = new Delivery(
      broker.nextOrder++,
      message,
      qos as 1 | 2,
      false,
      NO_IDENTIFIERS,
      undefined,
    );
    const id = delivery.packetId = sender.begin(step, delivery);
    const place = at + idAt[i]!;
    buffer[place] = id >> 8;
    buffer[place + 1] = id & 255;
    if (session.durable) broker.store!.queued(session, delivery);
  }
  receiver.open += count;
  if (session.durable) broker.told();
}

/** Makes messages of the frames of a run, for all who must keep them. */
function keepAll(broker: Broker, run: Run, topic: KnownTopic): Message[] {
  const { bytes, from, to, messages, view } = run;
  const { session, level } = run.connection!;
  const publisher = session!.clientId;
  for (let at = from; at < to; at = view.end) {
    aimAt(view, bytes, at, level === 5);
    messages.push({ topic: topic.name, view: broker.frames.keep(view), expiresAt: Infinity, publisher });
  }
  return messages;
}

/** Aims at the frame that begins at `at`; it has been looked at before. */
function aimAt(view: PublishView, bytes: Uint8Array, at: number, level5: boolean): void {
  let body = at + 1;
  let length = 0;
  for (let shift = 0;; shift += 7) {
    const byte = bytes[body++]!;
    length |= (byte & 127) << shift;
    if (byte < 128) break;
  }
  view.aim(bytes, at, body, body + length, level5);
}

/** Acknowledges each frame of a run. */
function acknowledgeAll(connection: Connection, run: Run, code: number): void {
  const { bytes, qos, from, idAt, count } = run;
  const first = (qos === 1 ? PacketType.PUBACK : PacketType.PUBREC) << 4;
  for (let i = 0; i < count; i++) {
    const at = from + idAt[i]!;
    connection.answer(first, bytes[at]! << 8 | bytes[at + 1]!, code);
  }
}

/** The frames of a run one by one, to a subscriber that cannot have them as they are. */
function replay(broker: Broker, run: Run, topic: KnownTopic, subscription: Subscription): void {
  const { bytes, from, to, qos } = run;
  const { session, identifiers } = subscription;
  const level5 = run.connection!.level === 5;
  const least = Math.min(qos, subscription.qos) as QoS; // [MQTT-3.8.4-8]
  const publisher = run.connection!.session!.clientId;
  const view = new PublishView();
  for (let at = from; at < to; at = view.end) {
    aimAt(view, bytes, at, level5);
    const outgoing = {
      view,
      topic: topic.name,
      publisher,
      expiresAt: Infinity,
      message: undefined,
    };
    deliver(broker, outgoing, session, least, false, identifiers, undefined, broker.now);
  }
}

/** One PUBLISH by the long way. */
function publish(connection: Connection, frame: PublishView, now: number): void {
  const broker = connection.broker;
  const session = connection.session!;
  broker.counters.received++;
  const view = frame.topicAlias === 0 ? frame : unaliased(connection, frame);
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
    expiresAt: view.expiryAt < 0 ? Infinity : now + view.expirySeconds * 1000,
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
  if (qos === 2) open(broker, session, packetId);
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

/** §4.3.3 remembers the identifier until PUBREL. */
function open(broker: Broker, session: Session, packetId: number): void {
  (session.received ??= new Receiver()).add(packetId);
  if (!session.durable) return;
  broker.store!.received(session, packetId, true);
  broker.told();
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

/** §3.3.2.3.4 the frame with its topic instead of an alias; a topic beside the alias sets it. */
function unaliased(connection: Connection, frame: PublishView): PublishView {
  const { topicAlias, topicAt, topicEnd } = frame;
  if (topicAlias > connection.broker.limits.topicAliasMaximum) { // [MQTT-3.3.2-9] [MQTT-3.2.2-17]
    throw protocolError(
      "3.3.4/alias-above-maximum",
      `Topic Alias ${topicAlias} is above Topic Alias Maximum`,
      0x94,
    );
  }
  const aliases = (connection.aliasesIn ??= []);
  if (topicEnd > topicAt) { // [MQTT-3.3.2-12]
    connection.broker.topics.find(frame.bytes, topicAt, topicEnd); // a name that is none sets nothing
    while (aliases.length < topicAlias) aliases.push(undefined);
    aliases[topicAlias] = frame.bytes.slice(topicAt, topicEnd);
  }
  const topic = aliases[topicAlias];
  if (topic === undefined) throw protocolError("3.3.4/alias-unknown", `Topic Alias ${topicAlias} is not set`); // [MQTT-3.3.2-7]
  const bytes = withoutAlias(frame, topic);
  const view = new PublishView();
  let body = 1;
  while (bytes[body++]! > 127);
  view.aim(bytes, 0, body, bytes.length, true);
  return view;
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
}

/** §3.3.1.3 keeps or removes the retained message; names the limit that forbids to keep it. */
export function retain(
  broker: Broker,
  outgoing: Outgoing,
): "retainedMessagesMax" | "retainedBytesMax" | undefined {
  const { topic, view, publisher, expiresAt } = outgoing;
  if (view.payloadLength === 0) { // [MQTT-3.3.1-6] [MQTT-3.3.1-7]
    broker.unretain(topic);
    return undefined;
  }
  outgoing.view = view.copy();
  outgoing.message = { topic, view: outgoing.view, expiresAt, publisher };
  const limit = broker.retained.set(outgoing.message);
  if (limit !== undefined) return limit as "retainedMessagesMax" | "retainedBytesMax";
  if (broker.store !== undefined) {
    broker.store.retained(topic, outgoing.message);
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
  const outgoing = {
    view: message.view,
    topic: message.topic,
    publisher: message.publisher,
    expiresAt: message.expiresAt,
    message,
  };
  if (message.expiresAt > now) deliverToGroup(broker, outgoing, group!, now);
  else drop(broker, message.topic, message.view, group!.filter.text, "expired");
}
