/**
 * §3.4 PUBACK, §3.5 PUBREC, §3.6 PUBREL, §3.7 PUBCOMP: one shape, decoded and encoded.
 * Knows nothing of the exchange an acknowledgement belongs to.
 * @module
 */
import type { Rule } from "./error.ts";
import {
  readPacketId,
  requireFlags,
  requireFlags2,
  requireReason,
  writePacketId,
  writeReason,
} from "./field.ts";
import type { ProtocolLevel, Puback, Pubcomp, Pubrec, Pubrel } from "./packet.ts";
import { PacketType } from "./packet_type.ts";
import { readProperties, writeProperties } from "./property.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/** The packet types of one shape. */
export type AcknowledgementType =
  | typeof PacketType.PUBACK
  | typeof PacketType.PUBREC
  | typeof PacketType.PUBREL
  | typeof PacketType.PUBCOMP;

/** The packets of one shape. */
export type Acknowledgement = Puback | Pubrec | Pubrel | Pubcomp;

/** §3.4 to §3.7 reads the body of an acknowledgement of that type. Throws `PeerError`. */
export function decodeAcknowledgement(
  type: AcknowledgementType,
  reader: Reader,
  flags: number,
  level: ProtocolLevel,
): Acknowledgement {
  if (type === PacketType.PUBREL) requireFlags2(flags, level, "MQTT-3.6.1-1");
  else requireFlags(flags, 0, "MQTT-2.1.3-1");
  const packet: Acknowledgement = { type, packetId: readPacketId(reader), reasonCode: 0 };
  // Both the Reason Code and, behind it, the properties may be left out.
  if (level === 5 && reader.left > 0) {
    packet.reasonCode = requireReason(type, reader.u8(), reasonRule(type));
    if (reader.left > 0) {
      const properties = readProperties(reader, type);
      if (properties !== undefined) packet.properties = properties;
    }
  }
  reader.end();
  return packet;
}

/**
 * §3.4 to §3.7 writes an acknowledgement in its shortest form; below level 5 without Reason Code and properties.
 * Throws `UsageError`.
 */
export function encodeAcknowledgement(writer: Writer, packet: Acknowledgement, level: ProtocolLevel): void {
  const { type, reasonCode, properties } = packet;
  writer.begin(type << 4 | (type === PacketType.PUBREL ? 0b0010 : 0));
  writePacketId(writer, packet.packetId);
  if (level === 5 && (reasonCode !== 0 || properties !== undefined)) {
    writeReason(writer, type, reasonCode, reasonRule(type));
    if (properties !== undefined) writeProperties(writer, type, properties);
  }
  writer.end();
}

function reasonRule(type: AcknowledgementType): Rule {
  switch (type) {
    case PacketType.PUBACK:
      return "MQTT-3.4.2-1";
    case PacketType.PUBREC:
      return "MQTT-3.5.2-1";
    case PacketType.PUBREL:
      return "MQTT-3.6.2-1";
    case PacketType.PUBCOMP:
      return "MQTT-3.7.2-1";
  }
}
