/**
 * §3.3.1.3 Retained messages on their way to a new subscription, in portions: what a turn does for all of them is bounded,
 * and so is what waits in memory, however many there are.
 * Knows whose turn it is and what there is room for; refuses to know how a message is sent.
 *
 * A replay stands at one topic. It belongs to the session: it goes on when there is room, on whatever connection, and while
 * there is none, QoS 1 and 2 messages go into the session's queue (§4.1), up to the limits of that. A message is sent as it
 * is when its topic comes to its turn. So none is older than a live message that went before it, but where that one was not
 * retained: then the retained one is sent out of turn, first (§4.6).
 * @module
 */
import type { QoS } from "../codec/packet.ts";
import { PublishView } from "../codec/publish_view.ts";
import { decodeUtf8 } from "../codec/utf8.ts";
import type { Message } from "../delivery/message.ts";
import { MORE, type NameCursor } from "../topic/name_cursor.ts";
import { NONE } from "../topic/name_tree.ts";
import { deliver, type Outgoing, outgoingOf } from "./deliver.ts";
import type { Broker } from "./engine.ts";
import type { Session, Subscription } from "./session.ts";

/** What all replays together may do in one turn: a step is a topic looked at, some 50 ns. */
export const TURN_STEPS: number = 8_192;
/** What one may do in a turn at least, so that a few of many get on rather than all a little. */
const SHARE_STEPS = 2_048;
/** What a message that is sent counts for, */
const MESSAGE_STEPS = 8;
/** and so many bytes of it for one step more. */
const BYTES_PER_STEP = 256;
/** A replay waits until the Client has read so far that less than this is on its way. */
const AHEAD_BYTES = 256 * 1024;

/** The retained messages that one subscription is still to get. */
export class Replay {
  readonly walk: NameCursor;
  /** Where the walk stands, if the message of that topic waits for room. */
  node: number = NONE;
  /** The connection it began on has ended: QoS 0 is for who was connected (§4.3.1). */
  isLost = false;
  /** Topics ahead whose message has been sent already. At most `queuedMessagesMax`; after that live messages may go first. */
  overtaken: Set<number> | undefined;

  constructor(walk: NameCursor) {
    this.walk = walk;
  }
}

/** What is on its way of a retained message: aimed at where it stands, and good until anything is retained. */
export class RetainedCopy implements Outgoing {
  view: PublishView = new PublishView();
  publisher: string | undefined;
  expiresAt = 0;
  message: Message | undefined;

  /** Decoded only if somebody wants to know. */
  get topic(): string {
    const { bytes, topicAt, topicEnd } = this.view;
    return decodeUtf8(bytes, topicAt, topicEnd)!;
  }
}

/** Begins with the retained messages that `filter` matches, for a subscription that is new or asks for them again. */
export function beginReplay(
  broker: Broker,
  subscription: Subscription,
  filter: string,
  wildcard: boolean,
): void {
  const { retained } = broker;
  if (wildcard ? retained.size === 0 : retained.findText(filter) === NONE) return;
  const { session } = subscription;
  endReplay(session, subscription); // who asks again gets everything again: what is left of the first time is part of that
  (session.replays ??= new Map()).set(subscription, new Replay(retained.walk(filter)));
}

/** Sends the first of them now, if nobody else waits. */
export function replayNow(broker: Broker, session: Session, now: number): void {
  if (session.replays === undefined) return;
  lineUp(broker, session);
  if (broker.replaying.length === 1) runReplays(broker, now);
}

/** Has the session's replays go on in the next turn. */
export function lineUp(broker: Broker, session: Session): void {
  if (session.inLine) return;
  session.inLine = true;
  broker.replaying.push(session);
}

/** A share for each session in line, as far as the steps of a turn reach. */
export function runReplays(broker: Broker, now: number): void {
  const line = broker.replaying;
  for (let count = line.length; count > 0 && broker.stepsLeft > 0; count--) {
    const session = line.shift()!;
    session.inLine = false;
    const share = Math.max(SHARE_STEPS, Math.floor(broker.stepsLeft / count));
    const left = replaySome(broker, session, share, now);
    broker.stepsLeft -= share - left;
    if (left <= 0 && session.replays !== undefined) lineUp(broker, session);
  }
}

/** Goes on for so many steps; returns how many are left when there is no room, or nothing more to send, and 0 or less if not. */
function replaySome(broker: Broker, session: Session, steps: number, now: number): number {
  let left = steps;
  while (left > 0 && session.replays !== undefined) {
    const [subscription, replay] = session.replays.entries().next().value!;
    left--;
    while (left > 0) {
      if (replay.node === NONE) {
        const node = replay.walk.advance(left);
        left -= replay.walk.steps;
        if (node === MORE) return 0;
        if (node === NONE) {
          endReplay(session, subscription);
          break;
        }
        if (replay.overtaken?.delete(node)) continue;
        replay.node = node;
      }
      const bytes = send(broker, subscription, replay, now);
      if (bytes < 0) return left;
      replay.node = NONE;
      left -= MESSAGE_STEPS + Math.floor(bytes / BYTES_PER_STEP);
    }
  }
  return left;
}

/** Sends the message at which a replay stands; returns its bytes, or -1 if there is no room for it yet. */
function send(broker: Broker, subscription: Subscription, { node, isLost }: Replay, now: number): number {
  const { retained, copy } = broker;
  const { session } = subscription;
  if (!retained.has(node)) return 0;
  const expiresAt = retained.expiresAt(node);
  if (expiresAt <= now) return 0;
  const view = copy.view = broker.copyView;
  copy.publisher = retained.aim(view, node, subscription.noLocal || session.kept);
  if (subscription.noLocal && copy.publisher === session.clientId) return 0; // [MQTT-3.8.3-3]
  const qos = Math.min(view.qos, subscription.qos) as QoS; // [MQTT-3.8.4-8]
  if (qos === 0 && (isLost || session.connection === undefined)) return 0;
  if (!hasRoom(session, qos)) return -1;
  copy.expiresAt = expiresAt;
  copy.message = retained.large(node);
  const bytes = view.end - view.at;
  deliver(broker, copy, session, qos, true, subscription.identifiers, undefined, now);
  copy.message = undefined;
  return bytes;
}

/** Whether a retained message may go out now, or into the queue of who is away. */
function hasRoom({ connection, queued, resend }: Session, qos: QoS): boolean {
  if (connection === undefined) return true;
  const { outbox, blocked, broker } = connection;
  if (blocked || outbox.size > Math.min(AHEAD_BYTES, broker.limits.outboundBytesMax)) return false;
  return qos === 0 || (queued === 0 && resend === undefined && connection.open < connection.sendLimit);
}

/**
 * §4.6 A live message on the topic `bytes[at, end)` is about to go to a subscription that still gets retained ones. The one
 * of its topic goes first, if it is yet to come and has the same QoS: it is older. `live` is the message if it may be that one
 * itself, which comes again when it is its turn.
 */
export function overtake(
  broker: Broker,
  subscription: Subscription,
  topic: { readonly bytes: Uint8Array; readonly topicAt: number; readonly topicEnd: number },
  live: PublishView | undefined,
  qos: QoS,
  now: number,
): void {
  const { retained } = broker;
  const { session } = subscription;
  const replay = session.replays?.get(subscription);
  if (replay === undefined) return;
  const node = retained.find(topic.bytes, topic.topicAt, topic.topicEnd);
  if (node === NONE || (live !== undefined && retained.isSame(node, live))) return;
  if (replay.node !== node && (replay.overtaken?.has(node) || !replay.walk.isAhead(node))) return;
  const { outboundBytesMax, queuedMessagesMax } = broker.limits;
  const isShut = session.connection === undefined || session.connection.outbox.size > outboundBytesMax;
  if (qos === 0 && isShut) return; // the live one will not go out either
  const message = retained.read(node);
  if (Math.min(message.view.qos, subscription.qos) !== qos || message.expiresAt <= now) return;
  if (subscription.noLocal && message.publisher === session.clientId) return; // [MQTT-3.8.3-3]
  if (replay.node === node) replay.node = NONE;
  else {
    replay.overtaken ??= new Set();
    if (replay.overtaken.size >= queuedMessagesMax) return;
    replay.overtaken.add(node);
  }
  deliver(broker, outgoingOf(message), session, qos, true, subscription.identifiers, undefined, now);
}

/** The subscription is over, as each is when its session is, or all of them have been sent. */
export function endReplay(session: Session, subscription: Subscription): void {
  const replay = session.replays?.get(subscription);
  if (replay === undefined) return;
  replay.walk.close();
  session.replays!.delete(subscription);
  if (session.replays!.size === 0) session.replays = undefined;
}

/** The connection has ended: what waits of QoS 1 and 2 retained messages belongs to the session (§4.1). */
export function loseReplays(broker: Broker, session: Session): void {
  if (session.replays === undefined) return;
  for (const replay of session.replays.values()) replay.isLost = true;
  lineUp(broker, session);
}
