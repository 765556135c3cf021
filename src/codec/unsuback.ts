/**
 * §3.11 UNSUBACK: decodes and encodes; knows nothing of the UNSUBSCRIBE it answers.
 * @module
 */
import { readPacketId, requireFlags, requireReason, writePacketId, writeReason } from "./field.ts";
import type { ProtocolLevel, Unsuback } from "./packet.ts";
import { PacketType } from "./packet_type.ts";
import { readProperties, writeProperties } from "./property.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/** §3.11 reads the body of an UNSUBACK. Throws `PeerError`. */
export function decodeUnsuback(reader: Reader, flags: number, level: ProtocolLevel): Unsuback {
  requireFlags(flags, 0, "MQTT-2.1.3-1");
  const packetId = readPacketId(reader);
  const reasonCodes: number[] = [];
  const packet: Unsuback = { type: PacketType.UNSUBACK, packetId, reasonCodes };
  if (level === 5) {
    const properties = readProperties(reader, PacketType.UNSUBACK);
    if (properties !== undefined) packet.properties = properties;
    while (reader.left > 0) {
      reasonCodes.push(requireReason(PacketType.UNSUBACK, reader.u8(), "MQTT-3.11.3-2"));
    }
  }
  reader.end();
  return packet;
}

/** §3.11 writes an UNSUBACK; below level 5 only its Packet Identifier. Throws `UsageError`. */
export function encodeUnsuback(writer: Writer, packet: Unsuback, level: ProtocolLevel): void {
  writer.begin(PacketType.UNSUBACK << 4);
  writePacketId(writer, packet.packetId);
  if (level === 5) {
    writeProperties(writer, PacketType.UNSUBACK, packet.properties);
    for (const code of packet.reasonCodes) writeReason(writer, PacketType.UNSUBACK, code, "MQTT-3.11.3-2");
  }
  writer.end();
}
