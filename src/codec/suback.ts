/**
 * §3.9 SUBACK: decodes and encodes; knows nothing of the SUBSCRIBE it answers.
 * @module
 */
import { protocolError } from "./error.ts";
import { readPacketId, requireFlags, requireReason, writePacketId, writeReason } from "./field.ts";
import type { ProtocolLevel, Suback } from "./packet.ts";
import { PacketType } from "./packet_type.ts";
import { readProperties, writeProperties } from "./property.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/** MQTT 3.1.1 §3.9.3 the one failure code. */
const FAILURE = 0x80;

/** §3.9 reads the body of a SUBACK. Throws `PeerError`. */
export function decodeSuback(reader: Reader, flags: number, level: ProtocolLevel): Suback {
  requireFlags(flags, 0, "MQTT-2.1.3-1");
  const packetId = readPacketId(reader);
  const properties = level === 5 ? readProperties(reader, PacketType.SUBACK) : undefined;
  const reasonCodes: number[] = [];
  while (reader.left > 0) {
    const code = reader.u8();
    if (level === 5) requireReason(PacketType.SUBACK, code, "MQTT-3.9.3-2");
    else if (code > 2 && code !== FAILURE) throw protocolError("MQTT311-3.9.3-2");
    reasonCodes.push(code);
  }
  const packet: Suback = { type: PacketType.SUBACK, packetId, reasonCodes };
  if (properties !== undefined) packet.properties = properties;
  return packet;
}

/**
 * §3.9 writes a SUBACK; below level 5 without its properties, and every failure becomes 0x80, the only one there.
 * Throws `UsageError`.
 */
export function encodeSuback(writer: Writer, packet: Suback, level: ProtocolLevel): void {
  writer.begin(PacketType.SUBACK << 4);
  writePacketId(writer, packet.packetId);
  if (level === 5) writeProperties(writer, PacketType.SUBACK, packet.properties);
  for (const code of packet.reasonCodes) {
    writeReason(writer, PacketType.SUBACK, level < 5 && code > FAILURE ? FAILURE : code, "MQTT-3.9.3-2");
  }
  writer.end();
}
