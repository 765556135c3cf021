/**
 * §2.1 encoding of the packets that a Client sends through a link: the dispatch and nothing else. PUBLISH and acknowledgements have ways of
 * their own, so that a bundle of a Client holds the encoders of no Server.
 * @module
 */
import { encodeAuth } from "../codec/auth.ts";
import { encodeConnect } from "../codec/connect.ts";
import { encodeDisconnect } from "../codec/disconnect.ts";
import { UsageError } from "../codec/error.ts";
import type { Packet, ProtocolLevel } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { encodeSubscribe } from "../codec/subscribe.ts";
import { encodeUnsubscribe } from "../codec/unsubscribe.ts";
import type { Writer } from "../codec/writer.ts";

/** §2.1 writes a packet. Throws `UsageError` for values that cannot be written. */
export function encodeFromClient(writer: Writer, packet: Packet, level: ProtocolLevel): void {
  switch (packet.type) {
    case PacketType.CONNECT:
      return encodeConnect(writer, packet);
    case PacketType.SUBSCRIBE:
      return encodeSubscribe(writer, packet, level);
    case PacketType.UNSUBSCRIBE:
      return encodeUnsubscribe(writer, packet, level);
    case PacketType.DISCONNECT:
      return encodeDisconnect(writer, packet, level);
    case PacketType.AUTH:
      return encodeAuth(writer, packet, level);
  }
  throw new UsageError(`Packet type ${packet.type} is not for a Client to send`);
}
