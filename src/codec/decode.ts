/**
 * §2.1 decoding by packet type: the dispatch and nothing else; the fields of a packet are in the file of its name.
 * @module
 */
import { decodeAcknowledgement } from "./acknowledgement.ts";
import { decodeAuth } from "./auth.ts";
import { decodeConnack } from "./connack.ts";
import { decodeConnect } from "./connect.ts";
import { decodeDisconnect } from "./disconnect.ts";
import { malformed } from "./error.ts";
import type { Packet, ProtocolLevel } from "./packet.ts";
import { PacketType } from "./packet_type.ts";
import { decodePingreq, decodePingresp } from "./ping.ts";
import { decodePublish } from "./publish.ts";
import { Reader } from "./reader.ts";
import { decodeSuback } from "./suback.ts";
import { decodeSubscribe } from "./subscribe.ts";
import { decodeUnsuback } from "./unsuback.ts";
import { decodeUnsubscribe } from "./unsubscribe.ts";

/**
 * §2.1 reads the packet whose first byte is `first` and whose body `reader` is aimed at. Binary values of the result
 * are views of the frame. A CONNECT is read at its own level. Throws `PeerError`, never another error.
 */
export function decode(reader: Reader, first: number, level: ProtocolLevel): Packet {
  const type = first >> 4;
  const flags = first & 0x0f;
  switch (type) {
    case PacketType.CONNECT:
      return decodeConnect(reader, flags);
    case PacketType.CONNACK:
      return decodeConnack(reader, flags, level);
    case PacketType.PUBLISH:
      return decodePublish(reader, flags, level);
    case PacketType.PUBACK:
    case PacketType.PUBREC:
    case PacketType.PUBREL:
    case PacketType.PUBCOMP:
      return decodeAcknowledgement(type, reader, flags, level);
    case PacketType.SUBSCRIBE:
      return decodeSubscribe(reader, flags, level);
    case PacketType.SUBACK:
      return decodeSuback(reader, flags, level);
    case PacketType.UNSUBSCRIBE:
      return decodeUnsubscribe(reader, flags, level);
    case PacketType.UNSUBACK:
      return decodeUnsuback(reader, flags, level);
    case PacketType.PINGREQ:
      return decodePingreq(reader, flags, level);
    case PacketType.PINGRESP:
      return decodePingresp(reader, flags, level);
    case PacketType.DISCONNECT:
      return decodeDisconnect(reader, flags, level);
    case PacketType.AUTH:
      return decodeAuth(reader, flags, level);
    default:
      throw malformed("2.1.2/reserved-type");
  }
}

/**
 * §2.1 reads the one packet that `bytes` hold, no more and no less. Binary values of the result are views of `bytes`.
 * For a stream of chunks use a `Deframer`. Throws `PeerError`.
 *
 * @example
 * ```ts
 * import { decodePacket } from "@plumb/mqtt/codec";
 *
 * const packet = decodePacket(Uint8Array.of(0xc0, 0x00), 5); // { type: 12 }, a PINGREQ
 * ```
 */
export function decodePacket(bytes: Uint8Array, level: ProtocolLevel): Packet {
  const reader = new Reader(bytes);
  const first = reader.u8();
  const length = reader.varint();
  const left = reader.left;
  if (length > left) throw malformed("2.1.4/short");
  if (length < left) throw malformed("2.1.4/trailing");
  return decode(reader, first, level);
}
