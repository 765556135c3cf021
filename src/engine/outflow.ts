/**
 * §3.3, §4.9, §3.3.2.3.4, §3.1.2.11.4 PUBLISH packets towards the peer of a link: Send Quota, Topic Aliases, Maximum Packet Size.
 * Knows what may go and in which layout; refuses to know which role sends, and sessions.
 * @module
 */
import {
  headLength,
  isSameLayout,
  type PublishStamp,
  stampFrame,
  writeHead,
} from "../codec/publish_template.ts";
import type { PublishView } from "../codec/publish_view.ts";
import { SHARED_PAYLOAD_BYTES } from "../delivery/message.ts";
import type { Link } from "./link.ts";
import type { Outbox } from "./outbox.ts";

/** Bytes that may wait in one outbox while more memory is held than may be. */
export const MODEST_BYTES: number = 256 * 1024;
/** Bytes that one of our Topic Aliases takes beside its Topic Name. */
const ALIAS_OBJECT_BYTES = 64;

/** What the peer allows, and we allow ourselves. */
export interface OutflowOptions {
  /** §4.9 QoS 1 and 2 messages that may be in flight. */
  readonly sendLimit: number;
  /** §3.1.2.11.5, §3.2.2.3.8 Topic Aliases that may be used; 0 is none. */
  readonly aliasesMax: number;
  /** Bytes that may wait for the peer to read them before messages do. */
  readonly bytesMax: number;
}

/** The sending side of one open connection. */
export class Outflow {
  /** Below it. */
  readonly link: Link;
  /** That of the link. */
  readonly outbox: Outbox;
  /** §4.9 QoS 1 and 2 messages that may be in flight. */
  readonly sendLimit: number;
  /** Bytes that may wait in the outbox before messages wait elsewhere. */
  readonly bytesMax: number;
  /** §3.3.2.3.4 whether the peer allows Topic Aliases. */
  readonly usesAliases: boolean;
  readonly #aliasesMax: number;
  /** Our aliases by Topic Name. */
  readonly #aliases: Map<string, number> | undefined;
  #aliasBytes = 0;

  constructor(link: Link, { sendLimit, aliasesMax, bytesMax }: OutflowOptions) {
    this.link = link;
    this.outbox = link.outbox;
    this.sendLimit = sendLimit;
    this.bytesMax = bytesMax;
    this.#aliasesMax = aliasesMax;
    this.usesAliases = aliasesMax > 0;
    this.#aliases = aliasesMax > 0 ? new Map() : undefined; // [MQTT-3.1.2-27] [MQTT-3.3.2-7]
  }

  /** Whether more waits for the peer than may: QoS 0 messages are dropped, others wait. */
  get isFull(): boolean {
    const { size } = this.outbox;
    return size > this.bytesMax || (size > MODEST_BYTES && this.link.ledger.isAbove);
  }

  /** Our aliases by Topic Name; undefined if the peer allows none. */
  get aliasesSet(): ReadonlyMap<string, number> | undefined {
    return this.#aliases;
  }

  /** The memory that our aliases take: bytes. */
  get aliasBytes(): number {
    return this.#aliasBytes;
  }

  /** The connection is over: nothing of its aliases is kept. */
  forgetAliases(): void {
    this.link.ledger.aliases -= this.#aliasBytes;
    this.#aliasBytes = 0;
  }

  /** Writes one PUBLISH; false if it is larger than the peer's Maximum Packet Size [MQTT-3.1.2-24]. `owned`: the bytes of `view` stay. */
  write(view: PublishView, topic: string, stamp: PublishStamp, owned: boolean): boolean {
    const { outbox, link } = this;
    if (this.usesAliases) this.chooseAlias(topic, stamp);
    const payload = view.payloadLength;
    let head = headLength(view, stamp);
    if (stamp.topicAlias !== 0 && head + payload > link.maximumPacketSize) { // without the alias it may fit
      stamp.topicAlias = 0;
      stamp.topicKnown = false;
      head = headLength(view, stamp);
    }
    if (head + payload > link.maximumPacketSize) return false;
    if (stamp.topicAlias !== 0 && !stamp.topicKnown) this.setAlias(topic, stamp.topicAlias);
    if (owned && payload >= SHARED_PAYLOAD_BYTES) {
      const at = outbox.room(head);
      writeHead(view, stamp, outbox.buffer, at);
      outbox.share(view.bytes.subarray(view.payloadAt, view.end));
    } else if (isSameLayout(view, stamp)) {
      const at = outbox.append(view.bytes, view.at, view.end);
      stampFrame(view, stamp, outbox.buffer, at);
    } else {
      const at = outbox.room(head + payload);
      const next = writeHead(view, stamp, outbox.buffer, at);
      outbox.buffer.set(view.bytes.subarray(view.payloadAt, view.end), next);
    }
    link.touch();
    return true;
  }

  /** §3.3.2.3.4 puts the alias of a topic into the stamp: the topics that come first get the aliases there are [MQTT-3.3.2-11]. */
  chooseAlias(topic: string, stamp: PublishStamp): void {
    const aliases = this.#aliases!;
    const alias = aliases.get(topic);
    stamp.topicKnown = alias !== undefined;
    stamp.topicAlias = alias ?? (aliases.size < this.#aliasesMax ? aliases.size + 1 : 0); // [MQTT-3.1.2-26]
  }

  /** A PUBLISH that names the topic beside its alias is on its way. */
  setAlias(topic: string, alias: number): void {
    this.#aliases!.set(topic, alias);
    const bytes = ALIAS_OBJECT_BYTES + topic.length;
    this.#aliasBytes += bytes;
    this.link.ledger.aliases += bytes;
  }
}
