/**
 * §3.3 One PUBLISH frame as the template of others: copied where the layout allows it, flags, Packet Identifier and
 * expiry stamped in. Knows layouts; refuses to know receivers.
 * @module
 */
import { copyBytes } from "./copy.ts";
import type { QoS } from "./packet.ts";
import { PacketType } from "./packet_type.ts";
import { type PublishView, viewOf } from "./publish_view.ts";
import { putVarint, varintSize } from "./varint.ts";

/** §3.3.1 the first byte of a PUBLISH. */
export function publishFirst(qos: QoS, retain: boolean, dup: boolean): number {
  return PacketType.PUBLISH << 4 | (dup ? 8 : 0) | qos << 1 | (retain ? 1 : 0);
}

/** How one receiver's copy of a message differs from the frame. Reused between calls. */
export interface PublishStamp {
  /** §3.3.1 the first byte: type, DUP, QoS, RETAIN. */
  first: number;
  /** §2.2.1 the Packet Identifier; 0 exactly if the QoS in `first` is 0. */
  packetId: number;
  level5: boolean;
  /** §3.3.2.3.3 seconds left, stamped over the frame's own if that has any. */
  expirySeconds: number;
  /** §3.3.2.3.8 in any order. */
  subscriptionIdentifiers: readonly number[];
  /** §3.3.2.3.4 0 is none. */
  topicAlias: number;
  /** Whether the receiver knows the alias already: the Topic Name is left empty. */
  topicKnown: boolean;
}

/** A stamp to be filled in: level 5, nothing added. */
export function noStamp(): PublishStamp {
  return {
    first: 0,
    packetId: 0,
    level5: true,
    expirySeconds: 0,
    subscriptionIdentifiers: [],
    topicAlias: 0,
    topicKnown: false,
  };
}

/** Whether the frame's own bytes, stamped, are the copy. */
export function isSameLayout(view: PublishView, stamp: PublishStamp): boolean {
  return view.level5 === stamp.level5 && (view.packetIdAt >= 0) === (stamp.packetId !== 0) &&
    view.topicAlias === 0 &&
    stamp.topicAlias === 0 && stamp.subscriptionIdentifiers.length === 0 && !view.subscriptionIdentifier;
}

/** Bytes before the payload, fixed header included, of the copy that `stamp` describes. */
export function headLength(view: PublishView, stamp: PublishStamp): number {
  if (isSameLayout(view, stamp)) return view.payloadAt - view.at;
  const body = bodyLength(view, stamp);
  return 1 + varintSize(body + view.payloadLength) + body;
}

/** Writes the `headLength()` bytes before the payload to `out` from `at` on and returns their end. */
export function writeHead(view: PublishView, stamp: PublishStamp, out: Uint8Array, at: number): number {
  if (isSameLayout(view, stamp)) {
    copyBytes(out, at, view.bytes, view.at, view.payloadAt);
    stampFrame(view, stamp, out, at);
    return at + view.payloadAt - view.at;
  }
  out[at++] = stamp.first; // its DUP, not that of the frame [MQTT-3.3.1-3]
  at = putVarint(out, at, bodyLength(view, stamp) + view.payloadLength);
  const topicAt = stamp.topicKnown ? view.topicEnd : view.topicAt;
  at = putU16(out, at, view.topicEnd - topicAt);
  copyBytes(out, at, view.bytes, topicAt, view.topicEnd);
  at += view.topicEnd - topicAt;
  if (stamp.packetId !== 0) at = putU16(out, at, stamp.packetId);
  return stamp.level5 ? putProperties(view, stamp, out, at) : at;
}

/** Stamps flags, Packet Identifier and expiry into a byte-for-byte copy of the frame that begins at `at`. */
export function stampFrame(view: PublishView, stamp: PublishStamp, out: Uint8Array, at: number): void {
  out[at] = stamp.first; // its DUP, not that of the frame [MQTT-3.3.1-3]
  if (stamp.packetId !== 0) putU16(out, at + view.packetIdAt - view.at, stamp.packetId);
  if (view.expiryAt >= 0) putU32(out, at + view.expiryAt - view.at, stamp.expirySeconds); // [MQTT-3.3.2-6]
}

/**
 * §3.3.2.3.4 writes the frame with `topic` and without its Topic Alias to `out` from `at` on, and returns its end; `view` must
 * have an alias. It is never longer than the frame and `topic` together.
 */
export function withoutAlias(view: PublishView, topic: Uint8Array, out: Uint8Array, at: number): number {
  const properties = view.propertiesEnd - view.propertiesAt - ALIAS_BYTES;
  const id = view.packetIdAt < 0 ? 0 : 2;
  const body = 2 + topic.length + id + varintSize(properties) + properties + view.payloadLength;
  out[at++] = view.bytes[view.at]!;
  at = putU16(out, putVarint(out, at, body), topic.length);
  copyBytes(out, at, topic, 0, topic.length);
  at += topic.length;
  if (id !== 0) at = putU16(out, at, view.packetId);
  at = putVarint(out, at, properties);
  copyBytes(out, at, view.bytes, view.propertiesAt, view.aliasAt);
  at += view.aliasAt - view.propertiesAt;
  copyBytes(out, at, view.bytes, view.aliasAt + ALIAS_BYTES, view.end);
  return at + view.end - view.aliasAt - ALIAS_BYTES;
}

/** §3.3.2.3.8 The Subscription Identifier that stands first in a frame, and the frame without it, in bytes of its own. */
export function withoutIdentifier(
  view: PublishView,
): { readonly number: number; readonly frame: PublishView } {
  const { bytes, propertiesAt, propertiesEnd } = view;
  let number = 0;
  let at = propertiesAt + 1;
  for (let scale = 1;; scale *= 128) {
    const byte = bytes[at++]!;
    number += (byte & 127) * scale;
    if (byte < 128) break;
  }
  const id = view.packetIdAt < 0 ? 0 : 2;
  const head = 2 + view.topicEnd - view.topicAt + id;
  const properties = propertiesEnd - at;
  const rest = varintSize(properties) + view.end - at;
  const out = new Uint8Array(1 + varintSize(head + rest) + head + rest);
  out[0] = bytes[view.at]!;
  let to = putVarint(out, 1, head + rest);
  copyBytes(out, to, bytes, view.topicAt - 2, view.topicEnd + id);
  to = putVarint(out, to + head, properties);
  copyBytes(out, to, bytes, at, view.end);
  return { number, frame: viewOf(out, true) };
}

/** Identifier and value of a Topic Alias. */
const ALIAS_BYTES = 3;

function bodyLength(view: PublishView, stamp: PublishStamp): number {
  const topic = 2 + (stamp.topicKnown ? 0 : view.topicEnd - view.topicAt);
  const id = stamp.packetId === 0 ? 0 : 2;
  if (!stamp.level5) return topic + id;
  const properties = propertiesLength(view, stamp);
  return topic + id + varintSize(properties) + properties;
}

/** A level 4 frame has no properties to pass on; a frame that arrived with an alias is rewritten before it comes here. */
function propertiesLength(view: PublishView, stamp: PublishStamp): number {
  let length = view.propertiesEnd - view.propertiesAt;
  if (stamp.topicAlias !== 0) length += 3;
  for (const id of stamp.subscriptionIdentifiers) length += 1 + varintSize(id);
  return length;
}

function putProperties(view: PublishView, stamp: PublishStamp, out: Uint8Array, at: number): number {
  at = putVarint(out, at, propertiesLength(view, stamp));
  if (stamp.topicAlias !== 0) {
    out[at++] = 0x23;
    at = putU16(out, at, stamp.topicAlias);
  }
  for (const id of stamp.subscriptionIdentifiers) { // [MQTT-3.3.4-3]
    out[at++] = 0x0b;
    at = putVarint(out, at, id);
  }
  // Byte for byte, so in their order: [MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18]
  // [MQTT-3.3.2-20]
  copyBytes(out, at, view.bytes, view.propertiesAt, view.propertiesEnd);
  if (view.expiryAt >= 0) putU32(out, at + view.expiryAt - view.propertiesAt, stamp.expirySeconds); // [MQTT-3.3.2-6]
  return at + view.propertiesEnd - view.propertiesAt;
}

function putU16(out: Uint8Array, at: number, value: number): number {
  out[at] = value >> 8;
  out[at + 1] = value & 255;
  return at + 2;
}

function putU32(out: Uint8Array, at: number, value: number): number {
  putU16(out, at, value >>> 16);
  return putU16(out, at + 2, value & 0xffff);
}
