/**
 * §3.15 AUTH: decodes and encodes; knows nothing of authentication methods and whose turn it is.
 * @module
 */
import { malformed, protocolError, UsageError } from "./error.ts";
import { requireFlags, requireReason, writeReason } from "./field.ts";
import type { Auth, ProtocolLevel } from "./packet.ts";
import { PacketType } from "./packet_type.ts";
import { readProperties, writeProperties } from "./property.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/**
 * §3.15 reads the body of an AUTH. An empty one, which §3.15.2.1 allows, is Success without a method, against
 * §3.15.2.2.2; any other must have a method. Throws `PeerError`.
 */
export function decodeAuth(reader: Reader, flags: number, level: ProtocolLevel): Auth {
  if (level < 5) throw malformed("2.1.2/reserved-type");
  requireFlags(flags, 0, "MQTT-3.15.1-1");
  if (reader.left === 0) return { type: PacketType.AUTH, reasonCode: 0 };
  const reasonCode = requireReason(PacketType.AUTH, reader.u8(), "MQTT-3.15.2-1");
  const properties = readProperties(reader, PacketType.AUTH);
  if (properties?.authenticationMethod === undefined) {
    throw protocolError("3.15.2.2.2/no-method");
  }
  reader.end();
  return { type: PacketType.AUTH, reasonCode, properties };
}

/** §3.15 writes an AUTH, in its shortest form. Throws `UsageError`. */
export function encodeAuth(writer: Writer, packet: Auth, level: ProtocolLevel): void {
  const { reasonCode, properties } = packet;
  if (level < 5) throw new UsageError("AUTH before MQTT 5.0 [2.1.2/reserved-type]");
  writer.begin(PacketType.AUTH << 4);
  if (reasonCode !== 0 || properties !== undefined) {
    if (properties?.authenticationMethod === undefined) {
      throw new UsageError("AUTH without Authentication Method [3.15.2.2.2/no-method]");
    }
    writeReason(writer, PacketType.AUTH, reasonCode, "MQTT-3.15.2-1");
    writeProperties(writer, PacketType.AUTH, properties);
  }
  writer.end();
}
