/**
 * §3.12 PINGREQ and §3.13 PINGRESP: decodes and encodes; knows nothing of Keep Alive.
 * @module
 */
import { requireFlags } from "./field.ts";
import type { Pingreq, Pingresp, ProtocolLevel } from "./packet.ts";
import { PacketType } from "./packet_type.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/** §3.12 reads the (empty) body of a PINGREQ. */
export function decodePingreq(reader: Reader, flags: number, _level: ProtocolLevel): Pingreq {
  requireFlags(flags, 0, "MQTT-2.1.3-1");
  reader.end();
  return { type: PacketType.PINGREQ };
}

/** §3.13 reads the (empty) body of a PINGRESP. */
export function decodePingresp(reader: Reader, flags: number, _level: ProtocolLevel): Pingresp {
  requireFlags(flags, 0, "MQTT-2.1.3-1");
  reader.end();
  return { type: PacketType.PINGRESP };
}

/** §3.12 writes a PINGREQ. */
export function encodePingreq(writer: Writer, _packet: Pingreq, _level: ProtocolLevel): void {
  writer.begin(PacketType.PINGREQ << 4);
  writer.end();
}

/** §3.13 writes a PINGRESP. */
export function encodePingresp(writer: Writer, _packet: Pingresp, _level: ProtocolLevel): void {
  writer.begin(PacketType.PINGRESP << 4);
  writer.end();
}
