/**
 * §3.3, §4.3, §4.5, §4.6 Messages from the Server: taken, handed to their readers, and acknowledged in the order in which they came.
 * Knows aliases, open exchanges and acknowledgements that are withheld; refuses to know what readers do.
 *
 * A message that is not acknowledged when its connection ends comes again on the next one, if the session is there. It is not
 * handed on again then: the one that the readers have takes the place of its repeat.
 * @module
 */
import { protocolError } from "../codec/error.ts";
import type { ProtocolLevel, Publish } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { decodePublish } from "../codec/publish.ts";
import { EMPTY } from "../codec/publish_view.ts";
import { Reader } from "../codec/reader.ts";
import { Queue } from "../delivery/queue.ts";
import { IdentifierSet } from "./identifier_set.ts";
import { type Acknowledger, Incoming } from "./incoming.ts";
import type { Journal } from "./journal.ts";
import type { ClientLimits } from "./limits.ts";
import type { Link } from "./link.ts";
import { decodeShortPublish } from "./short_publish.ts";
import type { Subscriptions } from "./subscriptions.ts";

/** The connection by which they come. */
interface Open {
  readonly link: Link;
  readonly level: ProtocolLevel;
  /** §3.3.4 QoS 1 and 2 messages that may be open. */
  readonly receiveLimit: number;
  /** §3.3.2.3.4 the topics of the Server's aliases [MQTT-3.3.2-7]. */
  readonly topics: (string | undefined)[];
  readonly aliasesMax: number;
  readonly isResumed: boolean;
}

/** Messages of one chunk have copies of up to so many bytes in common: a buffer for each costs more than the rest of it. */
const SHARED_BYTES = 4_096;
/** A Receive Maximum below this is kept to. */
const TO_THE_LETTER = 16;

/** What a connection promised to take in its CONNECT. */
export interface InboundOptions {
  readonly receiveMaximum: number;
  readonly topicAliasMaximum: number;
}

/** What they need of the engine. */
export interface InboundOwner {
  /** A message that no subscription matches. */
  unmatched(message: Incoming): void;
  /** Nothing more is to be read before `readOn()`. */
  pause(reader: object): boolean;
  /** It can be read again. */
  readOn(reader: object): void;
}

/** All messages of one Server to its Client. */
export class Inbound implements Acknowledger {
  readonly #subscriptions: Subscriptions;
  readonly #journal: Journal | undefined;
  readonly #limits: ClientLimits;
  readonly #owner: InboundOwner;
  /**
   * Readers forget what they had when the connection is lost: on a resumed session a message that was not acknowledged is handed to its
   * reader again, in place of one that the reader has.
   */
  redelivers = false;
  readonly #reader: Reader = new Reader();
  /** A copy of bytes of the present chunk, and where it begins there. */
  #copy: Uint8Array = EMPTY;
  #copyAt = 0;
  #chunk: Uint8Array | undefined;
  /** §4.3.3 QoS 2 messages that came and are not released. */
  readonly #received: IdentifierSet = new IdentifierSet();
  /** §4.6 not acknowledged, by QoS, in the order in which they came [MQTT-4.6.0-2] [MQTT-4.6.0-3]. */
  readonly #held: readonly [Queue<Incoming>, Queue<Incoming>] = [new Queue(), new Queue()];
  /** Not acknowledged on an earlier connection, by QoS and identifier. */
  readonly #before: Map<number, Incoming> = new Map();
  /** Of an earlier process's session: no subscription is there yet. */
  #stray: Queue<Incoming> | undefined;
  #strayUntil = Infinity;
  /** More messages are open than may be, and nothing is read. */
  #isExceeded = false;
  #open: Open | undefined;

  constructor(
    subscriptions: Subscriptions,
    journal: Journal | undefined,
    limits: ClientLimits,
    owner: InboundOwner,
  ) {
    this.#owner = owner;
    this.#subscriptions = subscriptions;
    this.#journal = journal;
    this.#limits = limits;
  }

  /** Takes an identifier that an earlier process had open. */
  restore(packetId: number): void {
    this.#received.add(packetId);
  }

  /** ms since the epoch at which stray messages are given up, Infinity if there are none. */
  get deadline(): number {
    return this.#strayUntil;
  }

  // The connection.

  /** A connection is open; `isResumed`: the Server has the session; `isFirst`: and no subscription of this process can be in it. */
  opened(
    link: Link,
    level: ProtocolLevel,
    options: InboundOptions,
    isResumed: boolean,
    isFirst: boolean,
    now: number,
  ): void {
    if (!isResumed) {
      for (const id of this.#received.all()) this.#forget(id);
      this.#before.clear();
    }
    for (const message of this.#held.flatMap((held) => held.clear())) {
      if (this.redelivers && !message.isAcknowledged) this.#received.delete(message.publish.packetId!);
      else if (isResumed) this.#before.set(keyOf(message.publish), message);
    }
    const { receiveMaximum, topicAliasMaximum: aliasesMax } = options;
    // Exchanges of which only PUBREL is to come are allowed on top.
    let released = this.#received.size;
    for (const { publish } of this.#before.values()) if (publish.qos === 2) released--;
    const receiveLimit = level === 5 ? receiveMaximum + Math.max(0, released) : Infinity;
    this.#open = { link, level, receiveLimit, topics: [], aliasesMax, isResumed };
    if (!isResumed || !isFirst) return;
    this.#stray = new Queue();
    this.#strayUntil = now + this.#limits.strayMs;
  }

  /** The connection is over. */
  closed(): void {
    this.#open = undefined;
    if (this.#isExceeded) this.#endExcess();
  }

  /** Time has come to `now`. */
  ticked(now: number): void {
    if (now >= this.#strayUntil) this.giveUpStray();
  }

  /** A subscription is there: it gets the stray messages that it matches. */
  subscribed(): void {
    const stray = this.#stray;
    if (stray === undefined) return;
    for (const message of stray.clear()) if (!this.#subscriptions.deliver(message)) stray.push(message);
  }

  /** Acknowledges the stray messages that are left, and drops them [MQTT-4.5.0-2]. */
  giveUpStray(): void {
    this.#strayUntil = Infinity;
    for (const message of this.#stray?.clear() ?? []) this.#drop(message);
    this.#stray = undefined;
  }

  // PUBLISH.

  /** Other bytes are there, perhaps in the same buffer. */
  chunkBegins(): void {
    this.#chunk = undefined;
  }

  /** §3.3 One PUBLISH. @throws {PeerError} for a fault of the Server. */
  publish(bytes: Uint8Array, first: number, body: number, end: number): void {
    const open = this.#open!;
    if (this.#chunk !== bytes || end - this.#copyAt > this.#copy.length) {
      this.#chunk = bytes;
      this.#copyAt = body;
      this.#copy = bytes.slice(body, Math.max(end, body + SHARED_BYTES));
    }
    const publish = this.#decode(open, this.#copy, first, body - this.#copyAt, end - this.#copyAt);
    const message = new Incoming(publish, this);
    if (publish.qos > 0 && !this.#isNew(open, message)) return;
    if (this.#subscriptions.deliver(message)) return;
    const stray = this.#stray;
    if (stray === undefined) return this.#drop(message);
    stray.push(message);
    if (stray.length > this.#limits.strayMessagesMax) this.#drop(stray.shift()!);
  }

  #decode(open: Open, bytes: Uint8Array, first: number, body: number, end: number): Publish {
    if (open.level === 5) {
      const publish = decodeShortPublish(bytes, first, body, end, open.topics);
      if (publish !== undefined) return publish;
    }
    const publish = decodePublish(this.#reader.aim(bytes, body, end), first & 15, open.level);
    if (publish.properties?.topicAlias !== undefined) unalias(open, publish, publish.properties.topicAlias);
    return publish;
  }

  /** No reader wants it: it is acknowledged all the same [MQTT-4.5.0-2]. */
  #drop(message: Incoming): void {
    message.pending = 1;
    this.#owner.unmatched(message);
    message.done();
  }

  /** Whether a message of QoS 1 or 2 is to be handed on; it waits for its acknowledgement from here on. */
  #isNew({ link, receiveLimit }: Open, message: Incoming): boolean {
    const { qos, packetId = 0, dup } = message.publish;
    const held = this.#held[qos - 1]!;
    const before = this.#before.size > 0 ? this.#takeBefore(message.publish) : undefined;
    if (before !== undefined && dup) {
      held.push(before);
      this.#acknowledgeHeld(qos);
      return false;
    }
    if (qos === 2 && this.#received.has(packetId)) { // [MQTT-4.3.3-10]
      let isHeld = false;
      held.each(({ publish }) => {
        if (publish.packetId === packetId) isHeld = true;
      });
      if (!isHeld) this.#answer(link, PacketType.PUBREC, packetId, 0);
      return false;
    }
    if (this.#held[0].length + this.#received.size >= receiveLimit) this.#exceeded(receiveLimit);
    if (qos === 2) this.#received.add(packetId);
    held.push(message);
    return true;
  }

  /** Messages whose PUBACK or PUBREC is to come. */
  get #withheld(): number {
    return this.#held[0].length + this.#held[1].length;
  }

  /**
   * The Server sends more than Receive Maximum. Some do when acknowledgements come slowly (mosquitto 2.0.11 sends two messages for one
   * PUBACK): then nothing is read until half of what is withheld has gone. Twice as many withheld are a fault, and where the maximum is
   * so small that it is meant to the letter, a single message too many.
   */
  #exceeded(receiveLimit: number): void {
    const withheld = this.#withheld;
    if (receiveLimit < TO_THE_LETTER || withheld >= 2 * receiveLimit) {
      throw protocolError("3.3.4/receive-maximum", "", 0x93);
    }
    if (withheld < receiveLimit) return; // the others are on their way out
    this.#isExceeded = true;
    this.#owner.pause(this);
  }

  /** The message of an earlier connection that `publish` is a repeat of, if it has DUP. */
  #takeBefore(publish: Publish): Incoming | undefined {
    const key = keyOf(publish);
    const before = this.#before.get(key);
    this.#before.delete(key);
    return before?.publish.topic === publish.topic ? before : undefined;
  }

  // Acknowledgements.

  /** Every reader is done with the message: its acknowledgement goes as soon as those before it have gone. */
  acknowledge({ publish: { qos } }: Incoming): void {
    this.#acknowledgeHeld(qos);
  }

  #acknowledgeHeld(qos: number): void {
    const held = this.#held[qos - 1]!;
    const open = this.#open;
    if (open === undefined) return;
    for (let first = held.peek(); first?.isAcknowledged === true; first = held.peek()) {
      held.shift();
      const { publish: { packetId = 0 }, reasonCode } = first;
      if (qos === 2) { // not before: a process that dies with the message unread has to get it again
        if (reasonCode >= 0x80 && open.level === 5) this.#forget(packetId);
        else this.#journal?.opened(packetId);
      }
      // [MQTT-4.3.2-4] [MQTT-4.3.3-8] [MQTT-3.3.4-1] [MQTT-2.2.1-5]
      this.#answer(open.link, qos === 1 ? PacketType.PUBACK : PacketType.PUBREC, packetId, reasonCode);
    }
    if (this.#isExceeded && this.#withheld <= open.receiveLimit / 2) this.#endExcess();
  }

  #endExcess(): void {
    this.#isExceeded = false;
    this.#owner.readOn(this);
  }

  #answer(link: Link, type: PacketType, packetId: number, code: number): void {
    if (type !== PacketType.PUBACK) this.#journal?.hold(link);
    link.answer(type << 4, packetId, code);
  }

  /** §3.6 the Server releases a QoS 2 message, also if it has expired [MQTT-4.3.3-13]. */
  pubrel(packetId: number): void {
    const { link, level, isResumed } = this.#open!;
    const isOpen = this.#received.has(packetId);
    if (isOpen) this.#forget(packetId);
    // On a resumed session it may repeat one whose PUBCOMP was lost.
    this.#answer(link, PacketType.PUBCOMP, packetId, isOpen || isResumed || level < 5 ? 0 : 0x92); // [MQTT-4.3.3-11]
  }

  /** §4.3.3 a PUBLISH under this identifier is new from now on [MQTT-4.3.3-12]. */
  #forget(packetId: number): void {
    this.#received.delete(packetId);
    this.#journal?.closed(packetId);
  }
}

function keyOf({ qos, packetId = 0 }: Publish): number {
  return qos << 16 | packetId;
}

/** §3.3.2.3.4 [MQTT-3.3.2-10] [MQTT-3.3.2-12] */
function unalias({ topics, aliasesMax }: Open, publish: Publish, alias: number): void {
  if (alias > aliasesMax) throw protocolError("3.3.4/alias-above-maximum", "", 0x94);
  if (publish.topic !== "") topics[alias] = publish.topic;
  else {
    const topic = topics[alias];
    if (topic === undefined) throw protocolError("3.3.4/alias-unknown");
    publish.topic = topic;
  }
}
