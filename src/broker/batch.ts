/**
 * §3.3 The batch: PUBLISH frames of one chunk that go on together. Why: spec/decisions/0007-batches.md
 * Knows which frames go together, and in which layout each subscriber gets them; refuses to know how one alone is delivered.
 *
 * All frames of a batch are of one Client, topic, QoS and RETAIN, and stand one behind the other. Anything but the next such
 * frame ends the batch: another PUBLISH, another packet, the end of the chunk. It is ended in two places: here and by
 * `Connection`, in `frame()` and behind each chunk.
 * @module
 */
import { sameBytes } from "../codec/copy.ts";
import { protocolError } from "../codec/error.ts";
import type { QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { noStamp, publishFirst, type PublishStamp, withoutAlias } from "../codec/publish_template.ts";
import { EMPTY, PublishView } from "../codec/publish_view.ts";
import { expiryOf, SHARED_PAYLOAD_BYTES } from "../delivery/message.ts";
import { Step } from "../delivery/sender.ts";
import { topicOfAlias } from "./alias.ts";
import { COST, PIECE_STEPS } from "./budget.ts";
import { Delivery } from "./delivery.ts";
import type { Outgoing } from "./deliver.ts";
import { CameFrames, type Frames, FRAMES_MAX, Gathered, growthOf, LaidOut, type Layout } from "./frames.ts";
import type { KnownTopic } from "./known_topics.ts";
import { type Match, NOTHING, type Target } from "./match.ts";
import { messageInfo } from "./observer.ts";
import type { Open } from "./open.ts";
import type { Parts } from "./parts.ts";
import {
  checkNameBytes,
  checkPublish,
  isInUse,
  NO_ROOM,
  publishForbidden,
  refusePublish,
  remember,
  takeOne,
} from "./publish.ts";
import { NO_IDENTIFIERS, type Serving, type Session, type Subscription } from "./session.ts";
import type { SharedGroup } from "./shared.ts";

/** A frame without its Topic Alias that is longer has a buffer of its own. */
const UNALIASED_BYTES = 64 * 1024;
/** §3.3.1 bits of the first byte. */
const DUP = 8;
const RETAIN = 1;

/** How one receiver gets its copies of a batch. Reused between receivers. */
interface Copies {
  qos: QoS;
  retain: boolean;
  /** §3.3.2.3.8 */
  identifiers: readonly number[];
  /** §4.8.2 the filter of the Shared Subscription they come by. */
  share: string | undefined;
}

/** The one batch of a broker: it lives inside one input. */
export class Batch {
  readonly #parts: Parts;
  /** Frames in one batch. */
  readonly #messagesMax: number;
  /** The frame that comes. */
  readonly #view: PublishView = new PublishView();
  /** Frames of the batch that are looked at again. */
  readonly #again: PublishView = new PublishView();
  /** For Topic Aliases towards receivers. */
  readonly #stamp: PublishStamp = noStamp();
  /** Where frames that came with a Topic Alias are written, one behind the other. */
  readonly #unaliased: Uint8Array = new Uint8Array(UNALIASED_BYTES);
  readonly #unaliasedView: PublishView = new PublishView();
  /** Undefined while there is no batch. */
  #topic: KnownTopic | undefined;
  /** Set as long as `#topic` is, and while the batch is brought to its subscribers. */
  #publisher!: Open;
  /** The subscribers of `#topic`. */
  #match: Match = NOTHING;
  /** Frames that it may have at most. */
  #most = 0;
  /** The first byte of each frame. */
  #first = 0;
  #qos: QoS = 0;
  readonly #frames: CameFrames = new CameFrames();
  /** Bytes of the largest frame. */
  #largest = 0;
  /** §2.2.1 the last Packet Identifier; QoS 2 ones ascend, so that none comes twice. */
  #lastId = 0;
  /** The same frames in other layouts, once there are subscribers that need them. */
  readonly #layouts: LaidOut[] = [];
  #layoutCount = 0;
  /** For members of a group, that get only some of the frames. */
  readonly #gathered: Gathered = new Gathered();
  /** The frames on their slow ways, once there is one; a message that must be kept is kept once for all receivers. */
  readonly #outgoings: Outgoing[] = [];
  /** All of them are kept. */
  #isKept = false;
  /** Sessions that took each message, if the hook `published` is set. */
  #receivers: Uint32Array | undefined;
  /** A session took all of the messages. */
  #isTaken = false;
  /** Receivers to whom all of them were written. */
  #written = 0;
  /** 1 for each message that a session took though not all of them; noted only where they do not go together. */
  readonly #taken: Uint8Array = new Uint8Array(FRAMES_MAX);
  #isAnyNoted = false;
  /** How the present receiver gets its copies. */
  readonly #copies: Copies = { qos: 0, retain: false, identifiers: NO_IDENTIFIERS, share: undefined };

  constructor(parts: Parts, messagesMax: number) {
    this.#parts = parts;
    this.#messagesMax = messagesMax;
  }

  /**
   * Takes one PUBLISH frame; false if it must be offered again, since the authorizer takes time.
   * @throws {PeerError} for a packet that ends the connection.
   */
  add(open: Open, bytes: Uint8Array, at: number, body: number, end: number): boolean {
    const came = this.#view;
    came.aim(bytes, at, body, end, open.link.level === 5);
    if (came.subscriptionIdentifier) {
      if (open.session.isNode) return this.#fromNode(open, came);
      throw protocolError("MQTT-3.3.4-6", "PUBLISH of a Client with a Subscription Identifier");
    }
    const view = came.topicAlias === 0 ? came : this.#withoutAlias(open, came);
    if (this.#topic !== undefined) {
      if (this.#extend(view)) return true;
      this.end();
    }
    const parts = this.#parts;
    const topic = checkPublish(parts, open, view);
    if (isInUse(parts, open, view)) {
      if (!open.session.isNode) this.#came(view);
      return true;
    }
    const refusal = publishForbidden(parts, open, view, topic);
    if (refusal === "later") return false;
    open.permissions.forget();
    if (refusal === undefined && this.#begin(open, topic, view)) return true;
    const { isNode } = open.session;
    if (!isNode) this.#came(view);
    if (refusal === undefined) {
      if (!isNode) parts.busiest?.came(open.client.clientId, topic.name, 1, parts.turn.now);
      takeOne(parts, open, view, topic);
    } else refusePublish(parts, open, view, refusal);
    return true;
  }

  /** A frame of another node that is for a group of this one, or for the node itself. */
  #fromNode(open: Open, came: PublishView): boolean {
    this.end();
    if (!isInUse(this.#parts, open, came)) this.#parts.nodes!.take(open, came);
    return true;
  }

  /** Counts a frame that does not come with others. */
  #came(view: PublishView): void {
    this.#parts.observer.received++;
    this.#parts.turn.traffic.payloadBytesReceived += view.end - view.payloadAt;
  }

  /** §3.3.2.3.4 the frame with its topic instead of an alias, so that all behind it know no aliases. Good until the next call. */
  #withoutAlias(open: Open, frame: PublishView): PublishView {
    checkNameBytes(open, frame, this.#parts.observer);
    const topic = topicOfAlias(open.aliases, frame, this.#parts.router, this.#parts.turn.ledger);
    this.#parts.turn.budget.spendBytes(topic.length);
    const bytes = this.#unaliased;
    const most = frame.end - frame.at + topic.length;
    let at = this.#topic !== undefined && this.#frames.bytes === bytes ? this.#frames.to : 0;
    if (at + most > bytes.length) {
      this.end();
      at = 0;
    }
    const out = most > bytes.length ? new Uint8Array(most) : bytes;
    this.#unaliasedView.aimFrame(out, at, withoutAlias(frame, topic, out, at), true);
    return this.#unaliasedView;
  }

  /** Adds a frame; false if it is not the next one of this batch. */
  #extend(view: PublishView): boolean {
    const frames = this.#frames;
    if (frames.to !== view.at || frames.bytes !== view.bytes || this.#first !== view.bytes[view.at]) {
      return false;
    }
    const size = view.end - view.at;
    const { count } = frames;
    if (count === this.#most || size >= SHARED_PAYLOAD_BYTES) return false;
    const topic = this.#topic!.bytes;
    const { length } = topic;
    if (view.topicEnd - view.topicAt !== length || !sameBytes(view.bytes, view.topicAt, topic, 0, length)) {
      return false;
    }
    if (this.#qos > 0) {
      if (!this.#isNew(this.#publisher, view.packetId)) return false;
      frames.idAt[count] = view.packetIdAt - frames.from;
    }
    frames.at[count] = view.at - frames.from;
    frames.payloadAt[count] = view.payloadAt - frames.from;
    frames.payloadBytes += view.end - view.payloadAt;
    frames.to = view.end;
    frames.count = count + 1;
    if (size > this.#largest) this.#largest = size;
    return true;
  }

  /** Begins with this frame; false if it must go alone. */
  #begin(publisher: Open, topic: KnownTopic, view: PublishView): boolean {
    const { journal, observer, router } = this.#parts;
    const first = view.bytes[view.at]!;
    const size = view.end - view.at;
    if (this.#messagesMax === 0) return false;
    if ((first & DUP) !== 0 || size >= SHARED_PAYLOAD_BYTES || (view.qos > 0 && journal.failing)) {
      return false;
    }
    if ((first & RETAIN) !== 0 && publisher.session.isNode) return false;
    const match = this.#match = router.match(topic);
    this.#most = match.steps === 1 ? this.#messagesMax : this.#pieceOf(match);
    this.#topic = topic;
    this.#publisher = publisher;
    this.#first = first;
    this.#qos = view.qos;
    this.#largest = size;
    this.#lastId = view.packetId;
    const frames = this.#frames;
    frames.bytes = view.bytes;
    frames.from = view.at;
    frames.to = view.end;
    frames.count = 1;
    frames.qos = view.qos;
    frames.level5 = view.level5;
    frames.at[0] = 0;
    frames.payloadAt[0] = view.payloadAt - view.at;
    frames.payloadBytes = view.end - view.payloadAt;
    frames.idAt[0] = view.packetIdAt - view.at;
    if (observer.hooks.published !== undefined) this.#receivers ??= new Uint32Array(FRAMES_MAX);
    return true;
  }

  /** As many messages as may go to so many subscribers before other connections are served. */
  #pieceOf({ steps }: Match): number {
    return Math.max(1, Math.min(this.#messagesMax, Math.floor(PIECE_STEPS / steps)));
  }

  /** §4.3.3 whether no QoS 2 message is open under this identifier, and a QoS 2 message is not one too many. */
  #isNew({ session: { received }, receiveLimit }: Open, packetId: number): boolean {
    if (received !== undefined && received.has(packetId)) return false;
    if (this.#qos === 1) return true;
    if (packetId <= this.#lastId) return false;
    if ((received === undefined ? 0 : received.size) + this.#frames.count >= receiveLimit) return false;
    this.#lastId = packetId;
    return true;
  }

  /** Brings the batch, if there is one, to its subscribers, and acknowledges it. */
  end(): void {
    const topic = this.#topic;
    if (topic === undefined) return;
    this.#topic = undefined;
    try {
      this.#deliver(topic);
    } finally {
      this.#release();
    }
  }

  #deliver(topic: KnownTopic): void {
    const { observer, journal, turn, router, deliverer, busiest } = this.#parts;
    const { count } = this.#frames;
    const publisher = this.#publisher;
    const { isNode } = publisher.session;
    const match = this.#match;
    const { payloadBytes } = this.#frames;
    if (!isNode) {
      if (busiest !== undefined) busiest.came(publisher.client.clientId, topic.name, count, turn.now);
      observer.received += count;
      turn.traffic.payloadBytesReceived += payloadBytes;
    }
    this.#written = 0;
    turn.budget.spend(count * (1 + match.steps));
    this.#receivers?.fill(0, 0, count);
    const { mark } = journal;
    const goesAlone = count > 1 && match.groups.length > 0 && !isNode && router.givesSeveral(match);
    const { limited } = deliverer;
    const begunAt = publisher.outbox.position;
    if (goesAlone || (this.#isRetained && !this.#retainLast(topic, match))) {
      for (let i = 0; i < count; i++) takeOne(this.#parts, publisher, this.#frameAt(i), topic);
      return;
    }
    for (const target of match.targets) {
      if (target.noLocal && target.session === publisher.session) { // [MQTT-3.8.3-3]
        if (target.others !== undefined) this.#toTarget(topic, target.others);
      } else this.#toTarget(topic, target);
    }
    if (match.groups.length > 0 && !isNode) {
      for (const group of router.groupsFor(match, this.#qos, count)) this.#toGroup(topic, group);
    }
    turn.traffic.sent(this.#written * count, this.#written * payloadBytes);
    if (match.nodes.length > 0 && !isNode) {
      if (this.#qos > 0) journal.sentToNode();
      for (const target of match.nodes) this.#toTarget(topic, target);
    }
    turn.spendFresh();
    if (match.taps.length > 0) this.#toTaps(topic, match);
    if (observer.hooks.published !== undefined && !isNode) this.#tellPublished(topic);
    if (this.#qos === 0) return;
    const isLimited = deliverer.limited !== limited && !this.#isTaken && !this.#isRetained && !isNode;
    if (isLimited && publisher.link.level === 5) return this.#answerEach(mark);
    if (this.#qos === 2) {
      for (let i = 0; i < count; i++) remember(this.#parts, publisher, this.#idOf(i), mark);
      publisher.isRecovering = false;
    }
    journal.holdSince(mark, publisher.link);
    const first = (this.#qos === 1 ? PacketType.PUBACK : PacketType.PUBREC) << 4;
    const code = match.isEmpty ? 0x10 : 0;
    const answeredAt = publisher.outbox.position;
    for (let i = 0; i < count; i++) publisher.link.answer(first, this.#idOf(i), code); // [MQTT-3.3.4-1] [MQTT-4.3.2-4] [MQTT-4.3.3-8] [MQTT-2.2.1-5]
    if (count === 1 && this.#qos === 1) publisher.answered(begunAt, answeredAt);
  }

  /** Some messages may have found no room anywhere: each has an answer of its own. */
  #answerEach(mark: number): void {
    const { count } = this.#frames;
    const publisher = this.#publisher;
    const first = (this.#qos === 1 ? PacketType.PUBACK : PacketType.PUBREC) << 4;
    this.#parts.journal.holdSince(mark, publisher.link);
    for (let i = 0; i < count; i++) {
      const id = this.#idOf(i);
      if (this.#taken[i] === 0) {
        refusePublish(this.#parts, publisher, this.#frameAt(i), NO_ROOM);
        continue;
      }
      if (this.#qos === 2) {
        remember(this.#parts, publisher, id, mark);
        publisher.isRecovering = false;
        this.#parts.journal.holdSince(mark, publisher.link);
      }
      publisher.link.answer(first, id, 0);
    }
  }

  get #isRetained(): boolean {
    return (this.#first & RETAIN) !== 0;
  }

  /**
   * §3.3.1.3 Of several retained messages on one topic the last one stays. False if each must go alone: for a limit, or since
   * an older retained message is still on its way to a subscriber.
   */
  #retainLast(topic: KnownTopic, { targets }: Match): boolean {
    if (targets.some(({ session }) => session.retainedDeliveries !== undefined)) return false;
    return this.#parts.router.retain(this.#outgoing(topic, this.#frames.count - 1)) === undefined;
  }

  /** §3.3.4 to one session, once for all of its subscriptions that match. */
  #toTarget(topic: KnownTopic, target: Target): void {
    const { session } = target;
    if (session.access !== undefined && !session.access.mayReceive(topic.name)) return;
    const copies = this.#copies;
    const qos = copies.qos = Math.min(this.#qos, target.qos) as QoS; // [MQTT-3.8.4-8] [MQTT-3.3.4-2]
    copies.retain = this.#isRetained && target.retainAsPublished; // [MQTT-3.3.1-12] [MQTT-3.3.1-13]
    copies.identifiers = target.identifiers;
    copies.share = undefined;
    const { connection } = session;
    const { count } = this.#frames;
    if (connection === undefined && (qos === 0 || !session.persists)) return;
    if (session.retainedDeliveries !== undefined) {
      this.#parts.router.overtake(target, topic, undefined, qos); // §4.6 before the first frame: all of them are newer
    }
    if (connection !== undefined) {
      if (qos === 0 ? !connection.isFull : session.canSend(count)) {
        if (this.#send(topic, connection, 0, count, 1)) return;
      } else if (qos === 0 && this.#dropAll(topic, connection)) return;
    }
    this.#oneByOne(topic, session, 0, count, 1);
  }

  /** Counts the messages that a Client that does not read does not get; false if the hook `dropped` is to be called for each. */
  #dropAll({ name }: KnownTopic, connection: Serving): boolean {
    const { observer, deliverer } = this.#parts;
    if (observer.hooks.dropped !== undefined) return false;
    deliverer.overflows(connection, name);
    observer.dropped += this.#frames.count;
    return true;
  }

  /** §4.8.2 to the members of a group, in turn: together for each member if all of them can be sent their share now. */
  #toGroup(topic: KnownTopic, group: SharedGroup): void {
    const { observer, deliverer } = this.#parts;
    const { count } = this.#frames;
    const members = group.inTurn(count, this.#qos);
    if (members !== undefined) {
      const step = members.length;
      for (let i = 0; i < step; i++) this.#toMember(topic, group, members[i]!, i, count, step);
      return;
    }
    for (let i = 0; i < count; i++) {
      const outgoing = this.#outgoing(topic, i);
      const member = group.choose(outgoing, deliverer);
      if (member !== undefined) this.#toMember(topic, group, member, i, i + 1, 1);
      else {
        if (group.hasKeeper(topic.name)) deliverer.limited++; // one that could keep it, had it room
        observer.drop(topic.name, outgoing.view, group.filter.text, "no member");
      }
    }
  }

  /** Each `step`th frame from `from` to `until`, to one member of a group. */
  #toMember(
    topic: KnownTopic,
    group: SharedGroup,
    member: Subscription,
    from: number,
    until: number,
    step: number,
  ): void {
    const { session } = member;
    const { connection } = session;
    if (session.isNode && this.#qos > 0) this.#parts.journal.sentToNode();
    const copies = this.#copies;
    const qos = copies.qos = Math.min(this.#qos, member.qos) as QoS; // [MQTT-4.8.2-3]
    copies.retain = this.#isRetained && member.retainAsPublished;
    copies.identifiers = member.identifiers; // [MQTT-3.3.4-5]
    copies.share = group.filter.text;
    const count = Math.ceil((until - from) / step);
    const isReady = connection !== undefined && (qos === 0 ? !connection.isFull : session.canSend(count));
    if (!isReady || !this.#send(topic, connection, from, until, step)) {
      this.#oneByOne(topic, session, from, until, step);
    }
  }

  /** Each `step`th frame from `from` to `until`, by the slow path. */
  #oneByOne(topic: KnownTopic, session: Session, from: number, until: number, step: number): void {
    const { qos, retain, identifiers, share } = this.#copies;
    this.#parts.turn.budget.spend(Math.ceil((until - from) / step) * COST.alone);
    for (let i = from; i < until; i += step) {
      const isTaken = this.#parts.deliverer.deliver(
        this.#outgoing(topic, i),
        session,
        qos,
        retain,
        identifiers,
        share,
      );
      if (isTaken) this.#took(i, i + 1, 1);
    }
  }

  /**
   * Sends each `step`th frame from `from` to `until`: the caller has seen that there is room for them. False if one of them may be
   * too large for the Client.
   */
  #send(topic: KnownTopic, receiver: Serving, from: number, until: number, step: number): boolean {
    const frames = this.#framesFor(topic, receiver, from);
    if (frames === undefined) return false;
    const { session, link, outbox } = receiver;
    const { journal, observer, turn } = this.#parts;
    const { qos, share } = this.#copies;
    const isKept = session.persists || share !== undefined;
    if (qos === 2 && isKept && session.durable) journal.hold(link); // a repeat after a crash must carry the same identifier [MQTT-4.3.3-10]
    if (step === 1) {
      const begin = frames.place(from);
      const place = outbox.append(frames.bytes, begin, frames.place(until)) - (begin - frames.from);
      if (qos > 0) this.#open(topic, session, isKept, frames.idAt, outbox.buffer, place, from, until);
    } else {
      const gathered = this.#gathered;
      gathered.begin(frames);
      for (let i = from; i < until; i += step) {
        const place = gathered.add(frames, i) - frames.at[i]!;
        if (qos > 0) this.#open(topic, session, isKept, frames.idAt, gathered.bytes, place, i, i + 1);
      }
      outbox.append(gathered.bytes, 0, gathered.to);
    }
    link.touch();
    if (step === 1 && until - from === this.#frames.count) {
      this.#written++;
    } else if (!session.isNode) {
      for (let i = from; i < until; i += step) turn.traffic.sent(1, this.#frames.payloadOf(i));
    }
    this.#took(from, until, step);
    if (observer.hooks.delivered !== undefined && !session.isNode) {
      this.#tellDelivered(topic, receiver, from, until, step);
    }
    return true;
  }

  /** The frames as this receiver gets them; undefined if one of them may be too large for it [MQTT-3.1.2-24]. */
  #framesFor(topic: KnownTopic, receiver: Serving, from: number): Frames | undefined {
    const { link, usesAliases } = receiver;
    const { qos, retain, identifiers } = this.#copies;
    const level5 = link.level === 5;
    const isSame = level5 === this.#frames.level5 && qos === this.#qos && retain === this.#isRetained &&
      !usesAliases &&
      (identifiers.length === 0 || !level5);
    if (isSame) return this.#largest <= link.maximumPacketSize ? this.#frames : undefined;
    const stamp = this.#stamp;
    stamp.topicAlias = 0;
    stamp.topicKnown = false;
    if (usesAliases) receiver.chooseAlias(topic.name, stamp);
    const isNewAlias = stamp.topicAlias !== 0 && !stamp.topicKnown;
    if (isNewAlias && from > 0) return undefined; // the first frame of all names the topic
    const layout: Layout = {
      level5,
      qos,
      retain,
      identifiers: level5 ? identifiers : NO_IDENTIFIERS,
      alias: stamp.topicAlias,
      isAliasKnown: stamp.topicKnown,
    };
    if (this.#largest + growthOf(layout) > link.maximumPacketSize) return undefined;
    if (isNewAlias) receiver.setAlias(topic.name, stamp.topicAlias);
    return this.#laidOut(layout);
  }

  #laidOut(layout: Layout): Frames {
    for (let i = 0; i < this.#layoutCount; i++) {
      if (this.#layouts[i]!.is(layout)) return this.#layouts[i]!;
    }
    const made = this.#layouts[this.#layoutCount] ??= new LaidOut();
    this.#layoutCount++;
    made.write(this.#frames, layout);
    return made;
  }

  /**
   * Opens an exchange for each frame that stands in `buffer`; `place` is where the first frame of all would stand. `isKept`: a message
   * that is not acknowledged may have to be sent again.
   */
  #open(
    topic: KnownTopic,
    session: Session,
    isKept: boolean,
    idAt: Uint32Array,
    buffer: Uint8Array,
    place: number,
    from: number,
    until: number,
  ): void {
    const { deliverer, journal } = this.#parts;
    const { qos, retain, identifiers, share } = this.#copies;
    const sender = session.needSender();
    const step = qos === 1 ? Step.PUBACK : Step.PUBREC;
    if (isKept) this.#keepAll(topic);
    for (let i = from; i < until; i++) {
      let delivery: Delivery | undefined;
      if (isKept) {
        const order = deliverer.takeOrder();
        delivery = new Delivery(
          order,
          this.#outgoings[i]!.message!,
          qos as 1 | 2,
          retain,
          identifiers,
          share,
        );
      }
      const id = sender.begin(step, delivery);
      const at = place + idAt[i]!;
      buffer[at] = id >> 8;
      buffer[at + 1] = id & 255;
      if (delivery === undefined) continue;
      delivery.packetId = id;
      session.sends(delivery);
      journal.queued(session, delivery);
    }
  }

  /** Keeps the messages of all frames, for all sessions that must keep them. */
  #keepAll(topic: KnownTopic): void {
    const { count } = this.#frames;
    if (this.#isKept) return;
    this.#isKept = true;
    for (let i = 0; i < count; i++) this.#parts.deliverer.keep(this.#outgoing(topic, i));
  }

  #toTaps({ name }: KnownTopic, match: Match): void {
    const publisher = this.#publisher.session.clientId;
    for (let i = 0; i < this.#frames.count; i++) {
      this.#parts.router.toTaps({ topic: name, view: this.#frameAt(i), publisher }, match);
    }
  }

  #tellDelivered({ name }: KnownTopic, { client }: Serving, from: number, until: number, step: number): void {
    const { delivered } = this.#parts.observer.hooks;
    const first = publishFirst(this.#copies.qos, this.#copies.retain, false);
    for (let i = from; i < until; i += step) delivered!(messageInfo(name, this.#frameAt(i), first), client);
  }

  #tellPublished({ name }: KnownTopic): void {
    const { published } = this.#parts.observer.hooks;
    const { client } = this.#publisher;
    for (let i = 0; i < this.#frames.count; i++) {
      published!(messageInfo(name, this.#frameAt(i), this.#first), client, this.#receivers![i]!);
    }
  }

  /** A session took each `step`th frame from `from` to `until`. */
  #took(from: number, until: number, step: number): void {
    if (step === 1 && until - from === this.#frames.count) this.#isTaken = true;
    else this.#note(from, until, step);
    const receivers = this.#receivers;
    if (receivers === undefined) return;
    for (let i = from; i < until; i += step) receivers[i]!++;
  }

  #note(from: number, until: number, step: number): void {
    this.#isAnyNoted = true;
    for (let i = from; i < until; i += step) this.#taken[i] = 1;
  }

  /** One frame of the batch; good until the next call. */
  #frameAt(index: number): PublishView {
    const frames = this.#frames;
    this.#again.aimFrame(frames.bytes, frames.place(index), frames.place(index + 1), frames.level5);
    return this.#again;
  }

  #idOf(index: number): number {
    const { bytes, from, idAt } = this.#frames;
    const at = from + idAt[index]!;
    return bytes[at]! << 8 | bytes[at + 1]!;
  }

  /** One frame; good until the next call of `#frameAt()`, unless it is kept. */
  #outgoing({ name }: KnownTopic, index: number): Outgoing {
    const outgoings = this.#outgoings;
    const publisher = this.#publisher.session.clientId;
    for (let i = outgoings.length; i <= index; i++) {
      const view = this.#frameAt(i);
      const expiresAt = expiryOf(view, this.#parts.turn.now);
      outgoings.push({ view, topic: name, publisher, expiresAt, message: undefined });
    }
    const outgoing = outgoings[index]!;
    if (outgoing.message === undefined) outgoing.view = this.#frameAt(index);
    return outgoing;
  }

  /** Drops the references to the chunk and to everything made of it. */
  #release(): void {
    this.#frames.bytes = EMPTY;
    this.#match = NOTHING;
    this.#isTaken = false;
    if (this.#isAnyNoted) this.#taken.fill(0);
    this.#isAnyNoted = false;
    for (let i = 0; i < this.#layoutCount; i++) this.#layouts[i]!.release();
    this.#layoutCount = 0;
    this.#gathered.release();
    if (this.#outgoings.length > 0) this.#outgoings.length = 0;
    this.#isKept = false;
  }
}
