/**
 * §3.3 The commonest PUBLISH of a Server: a Topic Alias stands for its Topic Name, and beside Subscription Identifiers it has no property.
 * Knows this one form; refuses to know all others and what is wrong with them, which is for `decodePublish()`.
 * @module
 */
import type { Publish, QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";

const SUBSCRIPTION_IDENTIFIER = 0x0b;
const TOPIC_ALIAS = 0x23;

/**
 * §3.3 reads a PUBLISH with the first byte `first` and the body `bytes[body, end)`; undefined if it is of another form, or wrong.
 * `topics`: what the aliases stand for. The payload is a view of `bytes`.
 */
export function decodeShortPublish(
  bytes: Uint8Array,
  first: number,
  body: number,
  end: number,
  topics: readonly (string | undefined)[],
): Publish | undefined {
  const qos = first >> 1 & 3;
  let at = body + (qos === 0 ? 2 : 4);
  if (at >= end || bytes[body] !== 0 || bytes[body + 1] !== 0 || qos === 3 || (first & 8) !== 0) {
    return undefined;
  }
  const packetId = qos === 0 ? -1 : bytes[body + 2]! << 8 | bytes[body + 3]!;
  const length = bytes[at++]!;
  const behind = at + length;
  if (packetId === 0 || length > 127 || behind > end) return undefined;
  let alias = 0;
  let subscriptionIdentifiers: number[] | undefined;
  while (at < behind) {
    const value = bytes[at + 1]!;
    if (bytes[at] === TOPIC_ALIAS && alias === 0) {
      alias = value << 8 | bytes[at + 2]!;
      at += 3;
    } else if (bytes[at] === SUBSCRIPTION_IDENTIFIER && value > 0 && value < 128) {
      (subscriptionIdentifiers ??= []).push(value);
      at += 2;
    } else return undefined;
  }
  const topic = topics[alias];
  if (at !== behind || topic === undefined) return undefined;
  const packet: Publish = {
    type: PacketType.PUBLISH,
    dup: false,
    qos: qos as QoS,
    retain: (first & 1) !== 0,
    topic,
    payload: bytes.subarray(behind, end),
    properties: subscriptionIdentifiers === undefined
      ? { topicAlias: alias }
      : { topicAlias: alias, subscriptionIdentifiers },
  };
  if (qos > 0) packet.packetId = packetId;
  return packet;
}
