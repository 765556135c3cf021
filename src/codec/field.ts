/**
 * The fields that several packets share: required flags (§2.1.3), Packet Identifier (§2.2.1), Topic Name (§4.7).
 * Knows which rule each breaks when it is wrong; refuses to know the packets around them.
 * @module
 */
import { malformed, protocolError, type Rule, UsageError } from "./error.ts";
import type { ProtocolLevel } from "./packet.ts";
import type { PacketType } from "./packet_type.ts";
import type { Reader } from "./reader.ts";
import { isReasonAllowed } from "./reason_code.ts";
import type { Writer } from "./writer.ts";

/** §2.1.3 refuses other flags than the packet type requires. */
export function requireFlags(flags: number, required: number, rule: Rule): void {
  if (flags !== required) throw malformed(rule);
}

/** As {@linkcode requireFlags} for flags 0010, where MQTT 3.1 had a DUP bit that a Client may set when it repeats. */
export function requireFlags2(flags: number, level: ProtocolLevel, rule: Rule): void {
  requireFlags(level === 3 ? flags & 0b0111 : flags, 0b0010, rule);
}

/** §2.2.1 a Packet Identifier, 1 to 65535. */
export function readPacketId(reader: Reader): number {
  const id = reader.u16();
  if (id === 0) throw protocolError("2.2.1/zero");
  return id;
}

/** §2.2.1 writes a Packet Identifier, 1 to 65535. */
export function writePacketId(writer: Writer, id: number | undefined): void {
  if (id === undefined || id === 0) throw new UsageError(`Packet Identifier ${id} [2.2.1/zero]`);
  writer.u16(id);
}

/** §2.4 refuses a Reason Code that a packet of that type does not have. */
export function requireReason(type: PacketType, code: number, rule: Rule): number {
  if (!isReasonAllowed(type, code)) {
    throw protocolError(rule, `Reason Code 0x${code.toString(16)} in packet type ${type}`);
  }
  return code;
}

/** §2.4 writes a Reason Code that a packet of that type has. */
export function writeReason(writer: Writer, type: PacketType, code: number, rule: Rule): void {
  if (!isReasonAllowed(type, code)) {
    throw new UsageError(`Reason Code 0x${code.toString(16)} in packet type ${type} [${rule}]`);
  }
  writer.u8(code);
}

/** §4.7.1 whether `text` has a `+` or `#` anywhere, which no Topic Name may have. */
export function hasWildcard(text: string): boolean {
  return text.includes("#") || text.includes("+");
}
