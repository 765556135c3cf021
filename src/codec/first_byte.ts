/**
 * §2.1.2, §2.1.3 The first byte of a packet that has not arrived whole: whether there is a packet that begins so.
 * Knows types and their flags; refuses to know who may send which packet, and when.
 * @module
 */
import { malformed } from "./error.ts";
import { requireFlags, requireFlags2 } from "./field.ts";
import type { ProtocolLevel } from "./packet.ts";
import { PacketType } from "./packet_type.ts";

/**
 * Checks type and flags, as the decoder of the packet would.
 * @throws {PeerError} if no packet of that level begins with `first`.
 */
export function checkFirstByte(first: number, level: ProtocolLevel): void {
  const flags = first & 15;
  switch (first >> 4) {
    case 0:
      throw malformed("2.1.2/reserved-type");
    case PacketType.PUBLISH:
      if ((flags & 6) === 6) throw malformed("MQTT-3.3.1-4");
      if ((flags & 14) === 8) throw malformed("MQTT-3.3.1-2");
      return;
    case PacketType.PUBREL:
      return requireFlags2(flags, level, "MQTT-3.6.1-1");
    case PacketType.SUBSCRIBE:
      return requireFlags2(flags, level, "MQTT-3.8.1-1");
    case PacketType.UNSUBSCRIBE:
      return requireFlags2(flags, level, "MQTT-3.10.1-1");
    case PacketType.DISCONNECT:
      return requireFlags(flags, 0, "MQTT-3.14.1-1");
    case PacketType.AUTH:
      if (level < 5) throw malformed("2.1.2/reserved-type");
      return requireFlags(flags, 0, "MQTT-3.15.1-1");
  }
  requireFlags(flags, 0, "MQTT-2.1.3-1");
}
