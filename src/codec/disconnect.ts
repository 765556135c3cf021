/**
 * §3.14 DISCONNECT: decodes and encodes; knows nothing of wills and session expiry.
 * @module
 */
import { requireFlags, requireReason, writeReason } from "./field.ts";
import type { Disconnect, ProtocolLevel } from "./packet.ts";
import { PacketType } from "./packet_type.ts";
import { readProperties, writeProperties } from "./property.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/** §3.14 reads the body of a DISCONNECT. Throws `PeerError`. */
export function decodeDisconnect(reader: Reader, flags: number, level: ProtocolLevel): Disconnect {
  requireFlags(flags, 0, "MQTT-3.14.1-1");
  const packet: Disconnect = { type: PacketType.DISCONNECT, reasonCode: 0 };
  // Both the Reason Code and, behind it, the properties may be left out.
  if (level === 5 && reader.left > 0) {
    packet.reasonCode = requireReason(PacketType.DISCONNECT, reader.u8(), "MQTT-3.14.2-1");
    if (reader.left > 0) {
      const properties = readProperties(reader, PacketType.DISCONNECT);
      if (properties !== undefined) packet.properties = properties;
    }
  }
  reader.end();
  return packet;
}

/**
 * §3.14 writes a DISCONNECT in its shortest form; below level 5 without Reason Code and properties.
 * Throws `UsageError`.
 */
export function encodeDisconnect(writer: Writer, packet: Disconnect, level: ProtocolLevel): void {
  const { reasonCode, properties } = packet;
  writer.begin(PacketType.DISCONNECT << 4);
  if (level === 5 && (reasonCode !== 0 || properties !== undefined)) {
    writeReason(writer, PacketType.DISCONNECT, reasonCode, "MQTT-3.14.2-1");
    if (properties !== undefined) writeProperties(writer, PacketType.DISCONNECT, properties);
  }
  writer.end();
}
