/**
 * §3.3 PUBLISH frames of one topic that stand one behind the other, and the same frames in another layout.
 * Knows bytes and places; refuses to know receivers.
 * @module
 */
import { copyBytes } from "../codec/copy.ts";
import type { QoS } from "../codec/packet.ts";
import { publishFirst } from "../codec/publish_template.ts";
import { EMPTY } from "../codec/publish_view.ts";
import { putVarint, varintSize } from "../codec/varint.ts";

/** Frames that stand together at most: no more than `LIMITS.batchMessagesMax` allows. */
export const FRAMES_MAX = 1024;

/** Bytes by which the two lengths of a frame may grow: a Property Length of four where there was none, a Remaining Length of four after one. */
const GROWTH_BYTES_MAX = 7;
/** Identifier and value of a Topic Alias. */
const ALIAS_BYTES = 3;
/** A larger buffer is not kept. */
const KEPT_BYTES_MAX = 256 * 1024;

/** §3.3.2.3.4, §3.3.2.3.8 identifiers of the two properties that a Server adds. */
const TOPIC_ALIAS = 0x23;
const SUBSCRIPTION_IDENTIFIER = 0x0b;

/** Frames in `bytes[from, to)`. All places are counted from `from`. */
export class Frames {
  bytes: Uint8Array = EMPTY;
  from = 0;
  to = 0;
  count = 0;
  /** Where each frame begins. */
  readonly at: Uint32Array = new Uint32Array(FRAMES_MAX);
  /** Where the Packet Identifier of each stands; of no meaning at QoS 0. */
  readonly idAt: Uint32Array = new Uint32Array(FRAMES_MAX);

  /** Where frame `index` begins in `bytes`; `count` is where the last one ends. */
  place(index: number): number {
    return index === this.count ? this.to : this.from + this.at[index]!;
  }
}

/** Some of a batch's frames, moved together: within one buffer a copy makes no view. */
export class Gathered {
  bytes: Uint8Array = EMPTY;
  /** Where the last one ends. */
  to = 0;
  /** Where all frames of the batch stand, behind the place of the gathered ones. */
  #behind = 0;

  /** Begins with none of these frames. */
  begin({ bytes, from, to }: Frames): void {
    const size = to - from;
    if (this.bytes.length < 2 * size) this.bytes = new Uint8Array(2 * size);
    copyBytes(this.bytes, size, bytes, from, to);
    this.#behind = size;
    this.to = 0;
  }

  /** Adds a frame; returns where it begins. */
  add(frames: Frames, index: number): number {
    const at = this.to;
    const shift = this.#behind - frames.from;
    const end = frames.place(index + 1) + shift;
    const begin = frames.place(index) + shift;
    this.bytes.copyWithin(at, begin, end);
    this.to = at + end - begin;
    return at;
  }

  /** Lets a large buffer go. */
  release(): void {
    if (this.bytes.length > KEPT_BYTES_MAX) this.bytes = EMPTY;
  }
}

/** Frames as they came from a Client. */
export class CameFrames extends Frames {
  qos: QoS = 0;
  level5 = false;
  /** Where the payload of each begins. */
  readonly payloadAt: Uint32Array = new Uint32Array(FRAMES_MAX);
  /** Bytes of all payloads. */
  payloadBytes = 0;

  /** Bytes of the payload of one. */
  payloadOf(index: number): number {
    return this.place(index + 1) - this.from - this.payloadAt[index]!;
  }
}

/** How frames differ from the ones that came. */
export interface Layout {
  readonly level5: boolean;
  readonly qos: QoS;
  readonly retain: boolean;
  /** §3.3.2.3.8 none below level 5. */
  readonly identifiers: readonly number[];
  /** §3.3.2.3.4 0 is none. */
  readonly alias: number;
  /** Whether the receiver knows the alias: else the first frame names the topic. */
  readonly isAliasKnown: boolean;
}

/** Bytes by which a frame may grow in this layout. */
export function growthOf(layout: Layout): number {
  return GROWTH_BYTES_MAX + addedLength(layout);
}

/** Bytes of the properties that the layout adds. */
function addedLength({ identifiers, alias }: Layout): number {
  let bytes = alias === 0 ? 0 : ALIAS_BYTES;
  for (const identifier of identifiers) bytes += 1 + varintSize(identifier);
  return bytes;
}

const AS_NONE: Layout = {
  level5: false,
  qos: 0,
  retain: false,
  identifiers: [],
  alias: 0,
  isAliasKnown: false,
};

/** Frames in a layout of their own. */
export class LaidOut extends Frames {
  #layout: Layout = AS_NONE;
  /** The properties that the layout adds. */
  #added: Uint8Array = EMPTY;

  /** Whether it is in this layout. */
  is(layout: Layout): boolean {
    const own = this.#layout;
    return own.level5 === layout.level5 && own.qos === layout.qos && own.retain === layout.retain &&
      own.alias === layout.alias && own.isAliasKnown === layout.isAliasKnown &&
      areSame(own.identifiers, layout.identifiers);
  }

  /** Takes the frames that came, in another layout. Their Packet Identifiers are left to be filled in. */
  write(came: CameFrames, layout: Layout): void {
    this.#layout = layout;
    this.count = came.count;
    const size = came.to - came.from;
    const isSameLength = layout.level5 === came.level5 && (layout.qos === 0) === (came.qos === 0) &&
      layout.identifiers.length === 0 && layout.alias === 0;
    const behind = isSameLength ? 0 : size + came.count * growthOf(layout);
    if (this.bytes.length < behind + size) this.bytes = new Uint8Array(behind + size);
    copyBytes(this.bytes, behind, came.bytes, came.from, came.to);
    if (isSameLength) this.#changeFirst(came, size);
    else this.#layOut(came, behind, behind + size);
  }

  /** Where only QoS and RETAIN differ. */
  #changeFirst(came: CameFrames, size: number): void {
    const { bytes, at, idAt } = this;
    const first = publishFirst(this.#layout.qos, this.#layout.retain, false);
    for (let i = 0; i < came.count; i++) {
      bytes[at[i] = came.at[i]!] = first;
      idAt[i] = came.idAt[i]!;
    }
    this.to = size;
  }

  /** Writes frame by frame from 0 on; the ones that came stand in `bytes[behind, end)`, and within one buffer a copy makes no view. */
  #layOut(came: CameFrames, behind: number, end: number): void {
    const { bytes, at, idAt } = this;
    const { level5, qos, retain, alias } = this.#layout;
    const first = publishFirst(qos, retain, false);
    const added = this.#putAdded();
    const topicLength = topicLengthOf(bytes, behind);
    const cameIdBytes = came.qos === 0 ? 0 : 2;
    let topic = this.#layout.isAliasKnown ? 0 : topicLength;
    let to = 0;
    for (let i = 0; i < came.count; i++) {
      const payloadAt = behind + came.payloadAt[i]!;
      const payloadEnd = i + 1 < came.count ? behind + came.at[i + 1]! : end;
      let topicAt = behind + came.at[i]! + 1;
      while (bytes[topicAt++]! > 127);
      topicAt += 2;
      let propertiesAt = topicAt + topicLength + cameIdBytes;
      if (came.level5) { while (bytes[propertiesAt++]! > 127); }
      const properties = payloadAt - propertiesAt + added;
      const length = 2 + topic + (qos === 0 ? 0 : 2) + (level5 ? varintSize(properties) + properties : 0) +
        payloadEnd - payloadAt;
      at[i] = to;
      bytes[to] = first;
      to = putVarint(bytes, to + 1, length);
      bytes[to++] = topic >> 8;
      bytes[to++] = topic & 255;
      copyBytes(bytes, to, bytes, topicAt, topicAt + topic);
      to += topic;
      if (qos > 0) {
        idAt[i] = to;
        to += 2;
      }
      if (level5) {
        to = putVarint(bytes, to, properties);
        copyBytes(bytes, to, this.#added, 0, added);
        copyBytes(bytes, to + added, bytes, propertiesAt, payloadAt); // in their order: [MQTT-3.3.2-17] [MQTT-3.3.2-18]
        to += properties;
      }
      copyBytes(bytes, to, bytes, payloadAt, payloadEnd);
      to += payloadEnd - payloadAt;
      if (alias !== 0) topic = 0; // the first frame has named it
    }
    this.to = to;
  }

  /** Writes the properties that the layout adds to `#added`; returns their length. */
  #putAdded(): number {
    const { alias, identifiers } = this.#layout;
    const length = addedLength(this.#layout);
    if (length === 0) return 0;
    if (this.#added.length < length) this.#added = new Uint8Array(length);
    let at = 0;
    if (alias !== 0) {
      this.#added[at] = TOPIC_ALIAS;
      this.#added[at + 1] = alias >> 8;
      this.#added[at + 2] = alias & 255;
      at += ALIAS_BYTES;
    }
    for (const identifier of identifiers) {
      this.#added[at] = SUBSCRIPTION_IDENTIFIER;
      at = putVarint(this.#added, at + 1, identifier);
    }
    return length;
  }

  /** Lets a large buffer go. */
  release(): void {
    if (this.bytes.length > KEPT_BYTES_MAX) this.bytes = EMPTY;
  }
}

/** The length of the Topic Name of the frame at `at`. */
function topicLengthOf(bytes: Uint8Array, at: number): number {
  let body = at + 1;
  while (bytes[body++]! > 127);
  return bytes[body]! << 8 | bytes[body + 1]!;
}

function areSame(a: readonly number[], b: readonly number[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
