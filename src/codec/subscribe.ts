/**
 * §3.8 SUBSCRIBE: decodes and encodes; knows nothing of sessions, nor what makes a Topic Filter well-formed.
 * @module
 */
import { malformed, protocolError, UsageError } from "./error.ts";
import { readPacketId, requireFlags2, writePacketId } from "./field.ts";
import type { ProtocolLevel, QoS, Subscribe, SubscriptionOptions, SubscriptionRequest } from "./packet.ts";
import { PacketType } from "./packet_type.ts";
import { readProperties, writeProperties } from "./property.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/** §3.8.3.1 the bits of the Subscription Options. */
const QOS = 0x03;
const NO_LOCAL = 0x04;
const RETAIN_AS_PUBLISHED = 0x08;
const RETAIN_HANDLING_SHIFT = 4;
const RESERVED = 0xc0;
/** MQTT 3.1.1 §3.8.3 there is only the QoS. */
const RESERVED_BELOW_5 = 0xfc;

/** §3.8 reads the body of a SUBSCRIBE. Throws `PeerError`. */
export function decodeSubscribe(reader: Reader, flags: number, level: ProtocolLevel): Subscribe {
  requireFlags2(flags, level, "MQTT-3.8.1-1");
  const packetId = readPacketId(reader);
  const properties = level === 5 ? readProperties(reader, PacketType.SUBSCRIBE) : undefined;
  const subscriptions: SubscriptionRequest[] = [];
  do {
    subscriptions.push(decodeSubscription(reader, level));
  } while (reader.left > 0);
  const packet: Subscribe = { type: PacketType.SUBSCRIBE, packetId, subscriptions };
  if (properties !== undefined) packet.properties = properties;
  return packet;
}

function decodeSubscription(reader: Reader, level: ProtocolLevel): SubscriptionRequest {
  if (reader.left === 0) throw protocolError("MQTT-3.8.3-2");
  const filter = reader.utf8(); // [MQTT-3.8.3-1]
  if (filter === "") throw protocolError("MQTT-4.7.3-1", "", 0x8f);
  const options = reader.u8();
  const reserved = level === 5 ? RESERVED : RESERVED_BELOW_5;
  if ((options & reserved) !== 0) {
    throw malformed("MQTT-3.8.3-5");
  }
  const qos = options & QOS;
  if (qos === 3) throw protocolError("3.8.3.1/qos-3");
  const retainHandling = options >> RETAIN_HANDLING_SHIFT & 3;
  if (retainHandling === 3) {
    throw protocolError("3.8.3.1/retain-handling-3");
  }
  return {
    filter,
    qos: qos as QoS,
    noLocal: (options & NO_LOCAL) !== 0,
    retainAsPublished: (options & RETAIN_AS_PUBLISHED) !== 0,
    retainHandling: retainHandling as 0 | 1 | 2,
  };
}

/** §3.8 writes a SUBSCRIBE; below level 5 each option but QoS is left out. Throws `UsageError`. */
export function encodeSubscribe(writer: Writer, packet: Subscribe, level: ProtocolLevel): void {
  const { packetId, subscriptions } = packet;
  if (subscriptions.length === 0) throw new UsageError("SUBSCRIBE without Topic Filter [MQTT-3.8.3-2]");
  writer.begin(PacketType.SUBSCRIBE << 4 | 0b0010); // [MQTT-3.8.1-1]
  writePacketId(writer, packetId);
  if (level === 5) writeProperties(writer, PacketType.SUBSCRIBE, packet.properties);
  for (const subscription of subscriptions) {
    if (subscription.filter === "") throw new UsageError("Empty Topic Filter [MQTT-4.7.3-1]");
    writer.utf8(subscription.filter);
    writer.u8(optionsByte(subscription, level));
  }
  writer.end();
}

function optionsByte(options: SubscriptionOptions, level: ProtocolLevel): number {
  const { qos, noLocal, retainAsPublished, retainHandling } = options;
  if (qos !== 0 && qos !== 1 && qos !== 2) {
    throw new UsageError(`Subscription with QoS ${qos} [3.8.3.1/qos-3]`);
  }
  if (level < 5) return qos;
  if (retainHandling !== 0 && retainHandling !== 1 && retainHandling !== 2) {
    throw new UsageError(`Subscription with Retain Handling ${retainHandling} [3.8.3.1/retain-handling-3]`);
  }
  return qos | (noLocal ? NO_LOCAL : 0) | (retainAsPublished ? RETAIN_AS_PUBLISHED : 0) |
    retainHandling << RETAIN_HANDLING_SHIFT;
}
