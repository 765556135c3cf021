/**
 * §3.3 PUBLISH: decodes and encodes; knows nothing of sessions, subscriptions and the topics of aliases.
 * A frame that goes on as it is: publish_view.ts looks at it, publish_template.ts copies it.
 * @module
 */
import { malformed, protocolError, UsageError } from "./error.ts";
import { hasWildcard, readPacketId, writePacketId } from "./field.ts";
import type { ProtocolLevel, Publish, PublishProperties, QoS } from "./packet.ts";
import { PacketType } from "./packet_type.ts";
import { readProperties, writeProperties } from "./property.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/** §3.3.1 the flags of the fixed header. */
const RETAIN = 0x01;
const QOS_SHIFT = 1;
const DUP = 0x08;

/** §3.3 reads the body of a PUBLISH. The payload is a view of the frame. Throws `PeerError`. */
export function decodePublish(reader: Reader, flags: number, level: ProtocolLevel): Publish {
  const qos = flags >> QOS_SHIFT & 3;
  if (qos === 3) throw malformed("MQTT-3.3.1-4");
  const dup = (flags & DUP) !== 0;
  if (dup && qos === 0) throw malformed("MQTT-3.3.1-2");
  const topic = reader.utf8(); // [MQTT-3.3.2-1]
  if (hasWildcard(topic)) throw protocolError("MQTT-3.3.2-2", "", 0x90); // [MQTT-4.7.0-1]
  const packetId = qos > 0 ? readPacketId(reader) : undefined; // [MQTT-2.2.1-2]
  const properties = level === 5 ? readProperties(reader, PacketType.PUBLISH) : undefined;
  if (topic === "") checkAlias(level, properties);
  const packet: Publish = {
    type: PacketType.PUBLISH,
    dup,
    qos: qos as QoS,
    retain: (flags & RETAIN) !== 0,
    topic,
    payload: reader.rest(),
  };
  if (packetId !== undefined) packet.packetId = packetId;
  if (properties !== undefined) packet.properties = properties;
  return packet;
}

/** §3.3.2.1 only an alias can stand for a topic. */
function checkAlias(level: ProtocolLevel, properties: PublishProperties | undefined): void {
  if (level < 5) throw protocolError("MQTT-4.7.3-1", "", 0x90);
  if (properties?.topicAlias === undefined) {
    throw protocolError("3.3.2.1/no-topic");
  }
}

/** §3.3 writes a PUBLISH; below level 5 without its properties. Throws `UsageError`. */
export function encodePublish(writer: Writer, packet: Publish, level: ProtocolLevel): void {
  const { dup, qos, retain, topic, packetId } = packet;
  checkPublish(packet, level);
  writer.begin(PacketType.PUBLISH << 4 | (dup ? DUP : 0) | qos << QOS_SHIFT | (retain ? RETAIN : 0));
  writer.utf8(topic);
  if (qos > 0) writePacketId(writer, packetId);
  if (level === 5) writeProperties(writer, PacketType.PUBLISH, packet.properties);
  writer.raw(packet.payload);
  writer.end();
}

function checkPublish({ dup, qos, topic, packetId, properties }: Publish, level: ProtocolLevel): void {
  if (qos !== 0 && qos !== 1 && qos !== 2) throw new UsageError(`QoS ${qos} [MQTT-3.3.1-4]`);
  if (qos === 0 && dup) throw new UsageError("DUP with QoS 0 [MQTT-3.3.1-2]");
  if (qos === 0 && packetId !== undefined) {
    throw new UsageError("Packet Identifier with QoS 0 [MQTT-2.2.1-2]");
  }
  if (hasWildcard(topic)) throw new UsageError("Wildcard in the Topic Name [MQTT-3.3.2-2]");
  if (topic !== "") return;
  if (level < 5) throw new UsageError("Empty Topic Name [MQTT-4.7.3-1]");
  if (properties?.topicAlias === undefined) {
    throw new UsageError("Empty Topic Name without Topic Alias [3.3.2.1/no-topic]");
  }
}
