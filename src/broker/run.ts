/**
 * §3.3 Runs: PUBLISH frames of one chunk that go on together. Why: spec/decisions/0007-runs.md
 * Knows which frames may run, and copies them to all who can have them so; refuses to know how one alone is routed.
 * @module
 */
import { copyBytes, sameBytes } from "../codec/copy.ts";
import type { QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { noStamp, type PublishStamp, writeHead } from "../codec/publish_template.ts";
import { EMPTY, PublishView } from "../codec/publish_view.ts";
import type { Message } from "../delivery/message.ts";
import { type Sender, Step } from "../delivery/sender.ts";
import { remember } from "./acknowledge.ts";
import type { Connection } from "./connection.ts";
import { deliver, expiryOf, SHARED_PAYLOAD_BYTES } from "./deliver.ts";
import type { Broker } from "./engine.ts";
import type { KnownTopic } from "./known_topics.ts";
import { overtake } from "./replay.ts";
import { Delivery, NO_IDENTIFIERS, type Session, type Subscription } from "./session.ts";

/** Messages in one run. */
const RUN_MAX = 1024;

/** Bytes that a frame may grow by in the layout of the other levels: a Property Length, and a longer Remaining Length. */
const OTHER_BYTES_MORE_MAX = 2;
/** A larger buffer for those is not kept. */
const OTHER_BYTES_KEPT_MAX = 256 * 1024;

/** Frames that stand one behind the other. */
class Frames {
  bytes: Uint8Array = EMPTY;
  from = 0;
  to = 0;
  /** Where the Packet Identifier of each stands, from `from` on; at QoS 0 not kept. */
  readonly idAt: Uint32Array = new Uint32Array(RUN_MAX);
}

/**
 * Frames of one chunk that have the same topic and QoS, and go on to most subscribers as they are: they are copied together.
 * A run lives inside one `received()`.
 */
export class Run extends Frames {
  /** Undefined while there is no run. */
  topic: KnownTopic | undefined;
  connection: Connection | undefined;
  qos: QoS = 0;
  count = 0;
  /** Bytes of its largest frame. */
  largest = 0;
  /** `Broker.facts` when it began. */
  facts = 0;
  /** The same in the layout of the other levels, once there is a subscriber that needs it; `to` is 0 until then. */
  readonly other: Frames = new Frames();
  /** Its messages, once somebody must keep them. */
  readonly messages: Message[] = [];
  /** For looking at its frames again: `Broker.view` is at the frame behind them by then. */
  readonly view: PublishView = new PublishView();
  /** For writing them in the other layout. */
  readonly stamp: PublishStamp = noStamp();
}

/** Adds a frame to the run; false if it cannot be its next one. */
export function extendRun(run: Run, view: PublishView): boolean {
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
  if (view.qos === 2) remember(run.connection!.broker, run.connection!.session!, view.packetId);
  run.to = view.end;
  run.count++;
  if (view.end - view.at > run.largest) run.largest = view.end - view.at;
  return true;
}

/** Begins a run with this frame; false if it must go alone. */
export function beginRun(run: Run, connection: Connection, view: PublishView): boolean {
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
  if (view.qos === 2) remember(broker, connection.session!, view.packetId);
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
  const { topic, qos, count, largest } = run;
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
    if (session.replays !== undefined) overtakeRun(broker, run, topic, subscription);
    const isSame = receiver !== undefined && subscription.qos >= qos && subscription.identifier === 0 &&
      receiver.aliasesOut === undefined && largest + OTHER_BYTES_MORE_MAX <= receiver.maximumPacketSize;
    const frames = !isSame || (receiver.level === 5) === level5 ? run : otherOf(run, level5);
    if (isSame && qos > 0 && canOpen(broker, receiver, session, count)) {
      if (session.durable && session.kept && qos === 2) receiver.hold(); // as for one alone, see sendNew()
      const at = receiver.outbox.append(frames.bytes, frames.from, frames.to);
      if (session.kept) openKept(broker, receiver, session, at, run, frames, topic);
      else openAll(receiver, session.exchanges(), at, run, frames);
      receiver.touch();
    } else if (
      qos === 0 && receiver!.outbox.size > broker.limits.outboundBytesMax &&
      broker.hooks.dropped === undefined
    ) {
      broker.limited("outboundBytesMax", session.clientId, session);
      broker.counters.dropped += count;
    } else if (isSame && qos === 0 && receiver.outbox.size <= broker.limits.outboundBytesMax) {
      receiver.outbox.append(frames.bytes, frames.from, frames.to);
      receiver.touch();
    } else oneByOne(broker, run, topic, subscription);
  }
  if (qos > 0) {
    if (broker.facts !== run.facts) connection.hold();
    acknowledgeAll(connection, run, match.empty ? 0x10 : 0); // [MQTT-3.3.4-1] [MQTT-4.3.2-4] [MQTT-4.3.3-8]
  }
  run.bytes = EMPTY;
  run.other.to = 0;
  if (run.other.bytes.length > OTHER_BYTES_KEPT_MAX) run.other.bytes = EMPTY;
  if (run.messages.length > 0) run.messages.length = 0;
}

/** §4.6 before the first frame: what comes behind that is newer still. */
function overtakeRun(broker: Broker, { qos }: Run, { bytes }: KnownTopic, subscription: Subscription): void {
  const least = Math.min(qos, subscription.qos) as QoS;
  overtake(broker, subscription, { bytes, topicAt: 0, topicEnd: bytes.length }, undefined, least, broker.now);
}

/** The frames of a run in the layout of the other levels. */
function otherOf(run: Run, level5: boolean): Frames {
  const { other, view, stamp, bytes, from, to, count, qos } = run;
  if (other.to > 0) return other;
  const most = to - from + count * OTHER_BYTES_MORE_MAX;
  if (other.bytes.length < most) other.bytes = new Uint8Array(most);
  stamp.level5 = !level5;
  for (let at = from, i = 0; at < to; at = view.end, i++) {
    aimAt(view, bytes, at, level5);
    stamp.first = bytes[at]!;
    stamp.packetId = view.packetId;
    const payloadAt = writeHead(view, stamp, other.bytes, other.to);
    if (qos > 0) other.idAt[i] = payloadAt - (level5 ? 2 : 3); // above level 4 a Property Length of 0 stands between
    copyBytes(other.bytes, payloadAt, bytes, view.payloadAt, view.end);
    other.to = payloadAt + view.payloadLength;
  }
  return other;
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
  { qos, count }: Run,
  { idAt }: Frames,
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
  { idAt }: Frames,
  topic: KnownTopic,
): void {
  const { qos, count } = run;
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
    const expiresAt = expiryOf(view, broker.now);
    messages.push({ topic: topic.name, view: broker.frames.keep(view), expiresAt, publisher });
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
function oneByOne(broker: Broker, run: Run, topic: KnownTopic, subscription: Subscription): void {
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
      expiresAt: expiryOf(view, broker.now),
      message: undefined,
    };
    deliver(broker, outgoing, session, least, false, identifiers, undefined, broker.now);
  }
}
