/**
 * §3.3, §4.3, §4.4, §4.9 Messages towards the Server: those that wait, those in flight, and what is sent again on the next connection.
 * Knows exchanges, quota, aliases and order; refuses to know subscriptions, and when there is a connection.
 * @module
 */
import { copyBytes } from "../codec/copy.ts";
import { UsageError } from "../codec/error.ts";
import type { ProtocolLevel, Publish, QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { encodePublish } from "../codec/publish.ts";
import { publishFirst } from "../codec/publish_template.ts";
import { EMPTY } from "../codec/publish_view.ts";
import { putUtf8 } from "../codec/utf8.ts";
import { putVarint, VARINT_MAX, varintSize } from "../codec/varint.ts";
import { Writer } from "../codec/writer.ts";
import { Outcome, puback, pubcomp, pubrec } from "../delivery/exchange.ts";
import { secondsLeft } from "../delivery/message.ts";
import { Queue } from "../delivery/queue.ts";
import { type Sender, Step } from "../delivery/sender.ts";
import { OfflineError, QueueFullError, RefusedError, TimeoutError, UnsupportedError } from "./error.ts";
import type { Exchange } from "./exchange.ts";
import type { Journal, Restored } from "./journal.ts";
import type { ClientLimits } from "./limits.ts";
import type { Link } from "./link.ts";
import { Publication } from "./publication.ts";
import type { ServerLimits } from "./server_limits.ts";

const PUBREL = PacketType.PUBREL << 4 | 2;
/** §3.3.2.3.4 a shorter Topic Name gains nothing from an alias. */
const ALIAS_TOPIC_LENGTH = 4;
/** §2.2.2.2 */
const TOPIC_ALIAS = 0x23;

/** A Topic Name that was sent on this connection, as the fields of a PUBLISH that has no other property. */
interface KnownTopic {
  /** §3.3.2.3.4 0 for none; it ends with the connection [MQTT-3.3.2-7]. */
  readonly alias: number;
  /** §3.3.2.1 empty where there is an alias. */
  readonly name: Uint8Array;
  /** §3.3.2.3 nothing below level 5. */
  readonly properties: Uint8Array;
}

/** Where they are sent, and what the Server takes there. */
interface Open {
  readonly link: Link;
  readonly server: ServerLimits;
  readonly topics: Map<string, KnownTopic>;
  /** How many of them have an alias. */
  aliases: number;
}

/** All messages of one Client towards its Server. */
export class Outbound implements Restored {
  readonly #sender: Sender<Exchange>;
  readonly #journal: Journal | undefined;
  readonly #limits: ClientLimits;
  readonly #writer: Writer = new Writer();
  /** Not sent, in the order of `publish()` [MQTT-4.6.0-1]. */
  readonly #waiting: Queue<Publication> = new Queue();
  #waitingMessages = 0;
  #waitingBytes = 0;
  /** To be sent again on this connection, before everything that waits. */
  readonly #again: Queue<Publication> = new Queue();
  /** QoS 0, in the outbox. */
  readonly #unwritten: Queue<Publication> = new Queue();
  /** QoS 0: the last message of this turn, if `join()` can add to it. */
  #joinable: Publication | undefined;
  #open: Open | undefined;
  /** The last `order` and `releasedAt` that was given. */
  #order = 0;
  /** ms since the epoch. */
  #now = 0;

  constructor(sender: Sender<Exchange>, journal: Journal | undefined, limits: ClientLimits) {
    this.#sender = sender;
    this.#journal = journal;
    this.#limits = limits;
  }

  /** Nothing waits, and no exchange is open. */
  get isIdle(): boolean {
    return this.#waitingMessages === 0 && this.#unwritten.length === 0 && this.#sender.open === 0;
  }

  /** The Server owes an answer. */
  get isAwaiting(): boolean {
    return this.#sender.open > 0;
  }

  /** Messages that wait to be sent. */
  get waiting(): number {
    return this.#waitingMessages;
  }

  restore(publication: Publication, isReleased: boolean): void {
    const { packetId } = publication;
    this.#order = publication.order;
    if (packetId === 0) this.#wait(publication);
    else this.#sender.restore(packetId, isReleased ? Step.PUBCOMP : stepAgain(publication), publication);
  }

  /**
   * Sends a message, or has it wait.
   * @throws {UsageError} for a message that cannot be sent, and nothing is changed.
   */
  publish(publication: Publication, now: number): void {
    this.#now = now;
    const { qos, properties } = publication;
    if (qos !== 0 && qos !== 1 && qos !== 2) throw new UsageError(`QoS ${qos} [MQTT-3.3.1-4]`);
    if (properties?.messageExpiryInterval !== undefined) {
      publication.expiresAt = now + properties.messageExpiryInterval * 1000;
    }
    if (this.#open !== undefined && this.#mayGo(publication)) {
      publication.order = ++this.#order;
      return this.#send(this.#open, publication, false);
    }
    this.#check(publication);
    if (this.#open === undefined && publication.offline !== "queue") {
      if (publication.offline === "drop") publication.done(0);
      else publication.failed(new OfflineError("No connection"));
      return;
    }
    const { waitingMessagesMax, waitingBytesMax } = this.#limits;
    if (
      this.#waitingMessages >= waitingMessagesMax || this.#waitingBytes + publication.bytes > waitingBytesMax
    ) {
      return publication.failed(new QueueFullError(`${this.#waitingMessages} messages wait already`));
    }
    publication.order = ++this.#order;
    this.#journal?.message(publication);
    this.#wait(publication);
  }

  /**
   * Sends a QoS 0 message without properties that comes to its end together with `publication`, which is the last one of this turn:
   * so that a thousand messages of a turn are one to be told of. False if it cannot be: then it is to be published by itself.
   */
  join(publication: Publication, topic: string, payload: Uint8Array, retain: boolean): boolean {
    const open = this.#open;
    if (open === undefined || publication !== this.#joinable || !this.#mayGo(publication)) return false;
    const known = open.topics.get(topic);
    if (known === undefined || (retain && !open.server.retainAvailable)) return false;
    if (!writeKnown(open.link, known, 0, retain, 0, payload)) return false;
    publication.position = open.link.outbox.position;
    return true;
  }

  /** The caller gives it up: it is not sent if it has not been; true if so. */
  cancel(publication: Publication): boolean {
    if (publication.isCancelled || !this.#isWaiting(publication)) return false;
    publication.isCancelled = true;
    this.#unwait(publication);
    this.#journal?.ended(publication);
    return true;
  }

  #isWaiting(publication: Publication): boolean {
    let isThere = false;
    this.#waiting.each((one) => {
      if (one === publication) isThere = true;
    });
    return isThere;
  }

  // The connection.

  /** A connection is open; `isResumed`: the Server has the session. */
  opened(link: Link, server: ServerLimits, isResumed: boolean, now: number): void {
    this.#now = now;
    this.#open = { link, server, topics: new Map(), aliases: 0 };
    const released: Publication[] = [];
    const again: Publication[] = [];
    this.#sender.each((_id, step, item) => {
      if (item instanceof Publication) (step === Step.PUBCOMP ? released : again).push(item);
    });
    again.sort((a, b) => a.order - b.order); // [MQTT-4.6.0-1]
    if (isResumed) {
      released.sort((a, b) => a.releasedAt - b.releasedAt); // [MQTT-4.6.0-4]
      for (const publication of released) this.#release(link, publication.packetId); // [MQTT-4.4.0-1]
      for (const publication of again) {
        this.#sender.advance(publication.packetId, stepAgain(publication), publication);
        this.#again.push(publication);
      }
    } else { // [MQTT-3.2.2-5]
      for (const publication of released) this.#end(publication, publication.reasonCode); // the Server had it
      const later = this.#waiting.clear();
      for (const publication of again) {
        this.#sender.end(publication.packetId);
        publication.packetId = 0;
        this.#journal?.message(publication);
        this.#wait(publication);
      }
      for (const publication of later) this.#waiting.push(publication);
    }
    this.pump(now);
  }

  /**
   * The connection is over. `mayStillLeave`: bytes that are not written yet may be, before its transport closes. A QoS 0 message of these is
   * not sent again, or it could come twice (§4.3.1).
   */
  closed(mayStillLeave: boolean): void {
    this.written(); // what has left since the last turn does not go again
    this.#open = this.#joinable = undefined;
    this.#again.clear(); // its items are in the sender
    const unwritten = this.#unwritten.clear();
    if (unwritten.length === 0) return;
    const later = this.#waiting.clear();
    for (const publication of unwritten) {
      if (publication.offline === "queue" && !mayStillLeave) this.#wait(publication);
      else if (publication.offline === "drop") publication.done(0);
      else publication.failed(new OfflineError("The connection was lost before the message left"));
    }
    for (const publication of later) this.#waiting.push(publication);
  }

  /** The Client is closed: nothing is sent any more. What the store has stays there. */
  failAll(error: unknown): void {
    const all: Publication[] = [];
    this.#sender.each((_id, _step, item) => {
      if (item instanceof Publication) all.push(item);
    });
    for (const publication of [...all, ...this.#unwritten.clear(), ...this.#waiting.clear()]) {
      publication.failed(error);
    }
    this.#waitingMessages = this.#waitingBytes = 0;
  }

  /** The turn is over, or the transport has taken bytes: QoS 0 messages whose bytes are gone are done. */
  written(): void {
    this.#joinable = undefined;
    if (this.#open === undefined) return;
    const { outbox } = this.#open.link;
    const taken = outbox.position - outbox.size;
    const isGone = (one: Publication | undefined) => one !== undefined && one.position <= taken;
    while (isGone(this.#unwritten.peek())) this.#unwritten.shift()!.done(0);
  }

  /** Sends what waits, as far as quota and outbox reach [MQTT-4.9.0-2]. */
  pump(now: number): void {
    this.#now = now;
    const open = this.#open;
    if (open === undefined) return;
    for (let next = this.#again.peek(); next !== undefined; next = this.#again.peek()) {
      if (!this.#hasRoom(open, next)) return;
      this.#again.shift();
      this.#send(open, next, true);
    }
    for (let next = this.#waiting.peek(); next !== undefined; next = this.#waiting.peek()) {
      if (!next.isCancelled && !this.#hasRoom(open, next)) return;
      this.#waiting.shift();
      if (next.isCancelled) continue;
      this.#unwait(next);
      const seconds = secondsLeft(next.expiresAt, now);
      if (next.expiresAt !== Infinity && seconds === 0) {
        this.#journal?.ended(next);
        next.failed(new TimeoutError("Expired before it could be sent"));
      } else this.#send(open, next, false);
    }
  }

  #mayGo(publication: Publication): boolean {
    return this.#waitingMessages === 0 && this.#again.length === 0 &&
      this.#hasRoom(this.#open!, publication);
  }

  #hasRoom({ link, server }: Open, { qos }: Publication): boolean {
    return link.outbox.size <= this.#limits.outboundBytesMax &&
      (qos === 0 || this.#sender.inFlight < server.sendLimit); // [MQTT-3.3.4-7]
  }

  #wait(publication: Publication): void {
    this.#waiting.push(publication);
    this.#waitingMessages++;
    this.#waitingBytes += publication.bytes;
  }

  #unwait(publication: Publication): void {
    this.#waitingMessages--;
    this.#waitingBytes -= publication.bytes;
  }

  // PUBLISH.

  /** Encodes a message that is not sent now, to find what is wrong with it. */
  #check(publication: Publication): void {
    const { topic, qos, retain, properties = {} } = publication;
    const packet = { type: PacketType.PUBLISH, dup: false, qos, retain, topic, payload: EMPTY, properties };
    this.#writer.reset();
    encodePublish(this.#writer, qos === 0 ? packet : { ...packet, packetId: 1 }, 5);
  }

  /** Why the Server takes no such message. */
  #unsupported({ server }: Open, { qos, retain }: Publication): UnsupportedError | undefined {
    if (qos > server.maximumQos) return new UnsupportedError("MQTT-3.2.2-11", `QoS ${qos}`);
    if (retain && !server.retainAvailable) return new UnsupportedError("MQTT-3.2.2-14", "RETAIN 1");
    return undefined;
  }

  #send(open: Open, publication: Publication, isAgain: boolean): void {
    const { qos } = publication;
    const unsupported = this.#unsupported(open, publication);
    if (unsupported !== undefined) return this.#giveUp(open, publication, unsupported);
    if (qos > 0) {
      const step = qos === 1 ? Step.PUBACK : Step.PUBREC;
      if (isAgain) this.#sender.advance(publication.packetId, step, publication);
      else publication.packetId = this.#sender.begin(step, publication);
    }
    let isSent = false;
    try {
      isSent = this.#write(open, publication, isAgain);
    } finally {
      if (!isSent && !isAgain && qos > 0) {
        this.#sender.end(publication.packetId);
        publication.packetId = 0;
      }
    }
    if (!isSent) {
      return this.#giveUp(open, publication, new UnsupportedError("MQTT-3.2.2-15", "A packet of this size"));
    }
    if (qos > 0) return;
    publication.position = open.link.outbox.position;
    this.#unwritten.push(publication);
    this.#joinable = publication.offline === "fail" ? publication : undefined;
  }

  /**
   * The Server does not take it, or not again. Of a message of QoS 2 that was sent before, the Server may have the identifier open: another
   * message under it would look like a repeat, so it is released first.
   */
  #giveUp({ link }: Open, publication: Publication, error: UnsupportedError): void {
    const { packetId, qos } = publication;
    publication.failed(error);
    if (packetId === 0 || qos === 1) {
      if (packetId > 0) this.#sender.end(packetId);
      return this.#journal?.ended(publication);
    }
    this.#sender.advance(packetId, Step.PUBCOMP, publication);
    this.#serverHas(publication, 0);
    this.#release(link, packetId);
  }

  /** §4.3.3 its PUBLISH may never be sent again [MQTT-4.3.3-6]. */
  #serverHas(publication: Publication, reasonCode: number): void {
    publication.payload = EMPTY;
    publication.reasonCode = reasonCode;
    publication.releasedAt = ++this.#order;
    this.#journal?.released(publication);
  }

  /** False if it is too large for the Server [MQTT-3.2.2-15]. */
  #write(open: Open, publication: Publication, isAgain: boolean): boolean {
    const { link, server: { level, aliasesMax }, topics } = open;
    const { topic, qos, retain, packetId, payload } = publication;
    const known = topics.get(topic);
    if (known !== undefined && !isAgain && publication.properties === undefined) {
      this.#keep(link, publication);
      return writeKnown(link, known, qos, retain, packetId, payload);
    }
    let alias = known?.alias ?? 0;
    const isNew = known === undefined && topic.length > ALIAS_TOPIC_LENGTH && open.aliases < aliasesMax; // [MQTT-3.3.2-9]
    if (isNew) alias = open.aliases + 1;
    let bytes = this.#encode(publication, level, isAgain, alias, known !== undefined && alias > 0);
    const isTooLarge = bytes.length > link.maximumPacketSize;
    if (isTooLarge && isNew) bytes = this.#encode(publication, level, isAgain, 0, false);
    if (bytes.length > link.maximumPacketSize) return false;
    if (known === undefined && !isTooLarge && (isNew || topics.size < this.#limits.knownTopicsMax)) {
      topics.set(topic, knownTopic(topic, level, alias));
      if (isNew) open.aliases++;
    }
    this.#keep(link, publication);
    link.outbox.append(bytes, 0, bytes.length);
    link.touch();
    return true;
  }

  /** §4.3 before its bytes. */
  #keep(link: Link, publication: Publication): void {
    if (publication.qos === 0) return;
    this.#journal?.message(publication);
    this.#journal?.hold(link);
  }

  #encode(
    publication: Publication,
    level: ProtocolLevel,
    dup: boolean,
    alias: number,
    isKnown: boolean,
  ): Uint8Array {
    const { topic, payload, qos, retain, packetId, expiresAt } = publication;
    let { properties } = publication;
    if (expiresAt !== Infinity) {
      properties = { ...properties, messageExpiryInterval: secondsLeft(expiresAt, this.#now) };
    }
    if (alias > 0) properties = { ...properties, topicAlias: alias };
    const packet: Publish = {
      type: PacketType.PUBLISH,
      dup,
      qos,
      retain,
      topic: isKnown ? "" : topic,
      payload,
    };
    if (qos > 0) packet.packetId = packetId;
    if (properties !== undefined) packet.properties = properties;
    this.#writer.reset();
    encodePublish(this.#writer, packet, level);
    return this.#writer.bytes();
  }

  // Acknowledgements.

  /** §3.4 */
  puback(id: number, code: number, reasonString: string | undefined): void {
    const publication = this.#sender.item(id);
    if (puback(this.#sender, id) === Outcome.ENDED) this.#ended(publication, "PUBACK", code, reasonString);
  }

  /** §3.5 */
  pubrec(id: number, code: number, reasonString: string | undefined): void {
    const { link, server } = this.#open!;
    const publication = this.#sender.item(id) as Publication;
    const outcome = pubrec(this.#sender, id, code);
    if (outcome === Outcome.ENDED) return this.#ended(publication, "PUBREC", code, reasonString);
    if (outcome === Outcome.STRAY) {
      if (code < 0x80) link.answer(PUBREL, id, server.level === 5 ? 0x92 : 0);
      return;
    }
    if (outcome === Outcome.RELEASED) this.#serverHas(publication, code);
    this.#release(link, id);
  }

  /** §3.7 whatever its code: the Server has had the message. */
  pubcomp(id: number): void {
    const publication = this.#sender.item(id);
    if (pubcomp(this.#sender, id) === Outcome.ENDED) this.#ended(publication, "PUBCOMP", 0, undefined);
  }

  /** §3.6 [MQTT-4.3.3-4] [MQTT-4.3.3-5] [MQTT-2.2.1-5] */
  #release(link: Link, id: number): void {
    this.#journal?.hold(link);
    link.answer(PUBREL, id, 0);
  }

  #ended(item: Exchange | undefined, packet: string, code: number, reasonString: string | undefined): void {
    const publication = item as Publication;
    this.#journal?.ended(publication);
    if (this.#waitingMessages > 0 || this.#again.length > 0) this.pump(this.#now);
    if (code >= 0x80) publication.failed(new RefusedError(packet, code, reasonString));
    else publication.done(code === 0 ? publication.reasonCode : code, reasonString);
  }

  #end(publication: Publication, code: number): void {
    this.#sender.end(publication.packetId);
    this.#journal?.ended(publication);
    publication.done(code);
  }
}

function knownTopic(topic: string, level: ProtocolLevel, alias: number): KnownTopic {
  if (alias > 0) {
    return { alias, name: new Uint8Array(2), properties: Uint8Array.of(3, TOPIC_ALIAS, alias >> 8, alias) };
  }
  const name = new Uint8Array(2 + 3 * topic.length);
  const end = putUtf8(name, 2, topic);
  name[0] = end - 2 >> 8;
  name[1] = end - 2;
  return { alias, name: name.slice(0, end), properties: new Uint8Array(level === 5 ? 1 : 0) };
}

/** The commonest message, without a Writer: its topic has been checked. False if it is too large for the Server. */
function writeKnown(
  link: Link,
  { name, properties }: KnownTopic,
  qos: QoS,
  retain: boolean,
  packetId: number,
  payload: Uint8Array,
): boolean {
  const body = name.length + (qos === 0 ? 0 : 2) + properties.length + payload.length;
  const size = 1 + varintSize(body) + body;
  if (body > VARINT_MAX || size > link.maximumPacketSize) return false;
  const { outbox } = link;
  let at = outbox.room(size);
  const { buffer } = outbox;
  buffer[at++] = publishFirst(qos, retain, false);
  at = putVarint(buffer, at, body);
  copyBytes(buffer, at, name, 0, name.length);
  at += name.length;
  if (qos > 0) {
    buffer[at++] = packetId >> 8;
    buffer[at++] = packetId;
  }
  copyBytes(buffer, at, properties, 0, properties.length);
  copyBytes(buffer, at + properties.length, payload, 0, payload.length);
  link.touch();
  return true;
}

function stepAgain({ qos }: Publication): Step {
  return qos === 1 ? Step.RESEND_1 : Step.RESEND_2;
}
