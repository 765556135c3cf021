/**
 * §2.1 encoding by packet type: the dispatch and nothing else; the fields of a packet are in the file of its name.
 * @module
 */
import { encodeAcknowledgement } from "./acknowledgement.ts";
import { encodeAuth } from "./auth.ts";
import { encodeConnack } from "./connack.ts";
import { encodeConnect } from "./connect.ts";
import { encodeDisconnect } from "./disconnect.ts";
import type { Packet, ProtocolLevel } from "./packet.ts";
import { PacketType } from "./packet_type.ts";
import { encodePingreq, encodePingresp } from "./ping.ts";
import { encodePublish } from "./publish.ts";
import { encodeSuback } from "./suback.ts";
import { encodeSubscribe } from "./subscribe.ts";
import { encodeUnsuback } from "./unsuback.ts";
import { encodeUnsubscribe } from "./unsubscribe.ts";
import { Writer } from "./writer.ts";

/**
 * §2.1 writes a packet. A CONNECT is written at its own level. What a level has no place for (properties, Reason
 * Codes below level 5) is left out. Throws `UsageError`; `writer` then holds the same bytes as before.
 */
export function encode(writer: Writer, packet: Packet, level: ProtocolLevel): void {
  switch (packet.type) {
    case PacketType.CONNECT:
      return encodeConnect(writer, packet);
    case PacketType.CONNACK:
      return encodeConnack(writer, packet, level);
    case PacketType.PUBLISH:
      return encodePublish(writer, packet, level);
    case PacketType.PUBACK:
    case PacketType.PUBREC:
    case PacketType.PUBREL:
    case PacketType.PUBCOMP:
      return encodeAcknowledgement(writer, packet, level);
    case PacketType.SUBSCRIBE:
      return encodeSubscribe(writer, packet, level);
    case PacketType.SUBACK:
      return encodeSuback(writer, packet, level);
    case PacketType.UNSUBSCRIBE:
      return encodeUnsubscribe(writer, packet, level);
    case PacketType.UNSUBACK:
      return encodeUnsuback(writer, packet, level);
    case PacketType.PINGREQ:
      return encodePingreq(writer, packet, level);
    case PacketType.PINGRESP:
      return encodePingresp(writer, packet, level);
    case PacketType.DISCONNECT:
      return encodeDisconnect(writer, packet, level);
    case PacketType.AUTH:
      return encodeAuth(writer, packet, level);
  }
}

/**
 * §2.1 the bytes of one packet. Throws `UsageError` for values that cannot be written.
 *
 * @example
 * ```ts
 * import { encodePacket, PacketType } from "@plumb/mqtt/codec";
 *
 * const bytes = encodePacket({ type: PacketType.PINGREQ }, 5); // c0 00
 * ```
 */
export function encodePacket(packet: Packet, level: ProtocolLevel): Uint8Array {
  const writer = new Writer();
  encode(writer, packet, level);
  return writer.bytes().slice();
}
