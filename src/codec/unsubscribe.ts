/**
 * §3.10 UNSUBSCRIBE: decodes and encodes; knows nothing of sessions, nor what makes a Topic Filter well-formed.
 * @module
 */
import { protocolError, UsageError } from "./error.ts";
import { readPacketId, requireFlags2, writePacketId } from "./field.ts";
import type { ProtocolLevel, Unsubscribe } from "./packet.ts";
import { PacketType } from "./packet_type.ts";
import { readProperties, writeProperties } from "./property.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/** §3.10 reads the body of an UNSUBSCRIBE. Throws `PeerError`. */
export function decodeUnsubscribe(reader: Reader, flags: number, level: ProtocolLevel): Unsubscribe {
  requireFlags2(flags, level, "MQTT-3.10.1-1");
  const packetId = readPacketId(reader);
  const properties = level === 5 ? readProperties(reader, PacketType.UNSUBSCRIBE) : undefined;
  const filters: string[] = [];
  do {
    if (reader.left === 0) throw protocolError("MQTT-3.10.3-2");
    const filter = reader.utf8(); // [MQTT-3.10.3-1]
    if (filter === "") throw protocolError("MQTT-4.7.3-1", "", 0x8f);
    filters.push(filter);
  } while (reader.left > 0);
  const packet: Unsubscribe = { type: PacketType.UNSUBSCRIBE, packetId, filters };
  if (properties !== undefined) packet.properties = properties;
  return packet;
}

/** §3.10 writes an UNSUBSCRIBE; below level 5 without its properties. Throws `UsageError`. */
export function encodeUnsubscribe(writer: Writer, packet: Unsubscribe, level: ProtocolLevel): void {
  if (packet.filters.length === 0) throw new UsageError("UNSUBSCRIBE without Topic Filter [MQTT-3.10.3-2]");
  writer.begin(PacketType.UNSUBSCRIBE << 4 | 0b0010); // [MQTT-3.10.1-1]
  writePacketId(writer, packet.packetId);
  if (level === 5) writeProperties(writer, PacketType.UNSUBSCRIBE, packet.properties);
  for (const filter of packet.filters) {
    if (filter === "") throw new UsageError("Empty Topic Filter [MQTT-4.7.3-1]");
    writer.utf8(filter);
  }
  writer.end();
}
