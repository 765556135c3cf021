/**
 * §3.2 CONNACK: decodes and encodes; knows nothing of why a connection was accepted or refused.
 * @module
 */
import { malformed, protocolError, UsageError } from "./error.ts";
import { requireFlags, requireReason, writeReason } from "./field.ts";
import type { Connack, ProtocolLevel } from "./packet.ts";
import { PacketType } from "./packet_type.ts";
import { readProperties, writeProperties } from "./property.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/** MQTT 3.1.1 §3.2.2.3 the highest Connect Return code. */
const RETURN_CODE_MAX = 5;

/** §3.2 reads the body of a CONNACK. Throws `PeerError`. */
export function decodeConnack(reader: Reader, flags: number, level: ProtocolLevel): Connack {
  requireFlags(flags, 0, "MQTT-2.1.3-1");
  const acknowledgeFlags = reader.u8();
  const reasonCode = reader.u8();
  // MQTT 3.1 has no Session Present; its byte there is "not used".
  if (level > 3 && acknowledgeFlags > 1) {
    throw malformed("MQTT-3.2.2-1");
  }
  const packet: Connack = {
    type: PacketType.CONNACK,
    sessionPresent: level > 3 && acknowledgeFlags === 1,
    reasonCode,
  };
  if (level === 5) {
    requireReason(PacketType.CONNACK, reasonCode, "MQTT-3.2.2-8");
    const properties = readProperties(reader, PacketType.CONNACK);
    if (properties !== undefined) packet.properties = properties;
  } else if (reasonCode > RETURN_CODE_MAX) {
    throw protocolError("2.4/reason-code");
  }
  reader.end();
  return packet;
}

/** §3.2 writes a CONNACK; below level 5 without its properties. Throws `UsageError`. */
export function encodeConnack(writer: Writer, packet: Connack, level: ProtocolLevel): void {
  writer.begin(PacketType.CONNACK << 4);
  writer.u8(packet.sessionPresent && level > 3 ? 1 : 0); // [MQTT-3.2.2-1]
  if (level === 5) {
    writeReason(writer, PacketType.CONNACK, packet.reasonCode, "MQTT-3.2.2-8");
    writeProperties(writer, PacketType.CONNACK, packet.properties);
  } else {
    if (packet.reasonCode > RETURN_CODE_MAX) {
      throw new UsageError(`Connect Return code ${packet.reasonCode} [2.4/reason-code]`);
    }
    writer.u8(packet.reasonCode);
  }
  writer.end();
}
