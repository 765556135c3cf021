/**
 * The codec: bytes to MQTT Control Packets and back, at protocol levels 3 (MQTT 3.1), 4 (3.1.1) and 5 (5.0).
 * Pure and stateless: knows every rule a packet can break by itself; refuses to know sessions, roles and I/O.
 *
 * Each packet has its own decoder and encoder, and a bundle holds only the ones it uses.
 *
 * @example
 * ```ts
 * import { decodePacket, encodePacket, PacketType } from "@plumb/mqtt/codec";
 *
 * const bytes = encodePacket({
 *   type: PacketType.PUBLISH,
 *   dup: false,
 *   qos: 0,
 *   retain: false,
 *   topic: "greetings",
 *   payload: new TextEncoder().encode("hello"),
 * }, 5);
 * const packet = decodePacket(bytes, 5);
 * ```
 * @module
 */
export { type Acknowledgement, type AcknowledgementType } from "./acknowledgement.ts";
export { decodeAcknowledgement, encodeAcknowledgement } from "./acknowledgement.ts";
export { decodeAuth, encodeAuth } from "./auth.ts";
export { decodeConnack, encodeConnack } from "./connack.ts";
export { decodeConnect, encodeConnect, UnsupportedVersion } from "./connect.ts";
export { decode, decodePacket } from "./decode.ts";
export { Deframer, type FrameHandler } from "./deframer.ts";
export { decodeDisconnect, encodeDisconnect } from "./disconnect.ts";
export { encode, encodePacket } from "./encode.ts";
export { type Fault, malformed, PeerError, protocolError, refused, type Rule, UsageError } from "./error.ts";
export type {
  AcknowledgementFields,
  Auth,
  AuthProperties,
  Connack,
  ConnackProperties,
  Connect,
  ConnectProperties,
  Disconnect,
  DisconnectProperties,
  MessageProperties,
  Packet,
  Pingreq,
  Pingresp,
  ProtocolLevel,
  Puback,
  Pubcomp,
  Publish,
  PublishProperties,
  Pubrec,
  Pubrel,
  QoS,
  ReasonProperties,
  Suback,
  Subscribe,
  SubscribeProperties,
  SubscriptionOptions,
  SubscriptionRequest,
  Unsuback,
  Unsubscribe,
  UserProperties,
  Will,
  WillProperties,
} from "./packet.ts";
export { PacketType } from "./packet_type.ts";
export { decodePingreq, decodePingresp, encodePingreq, encodePingresp } from "./ping.ts";
export { decodePublish, encodePublish } from "./publish.ts";
export { Reader } from "./reader.ts";
export {
  type AuthReason,
  type ConnackReason,
  type DisconnectReason,
  isReasonAllowed,
  isReasonAllowedFrom,
  type PubackReason,
  type PubcompReason,
  type PubrecReason,
  type PubrelReason,
  ReasonCode,
  reasonName,
  type Role,
  type SubackReason,
  type UnsubackReason,
} from "./reason_code.ts";
export { decodeSuback, encodeSuback } from "./suback.ts";
export { decodeSubscribe, encodeSubscribe } from "./subscribe.ts";
export { decodeUnsuback, encodeUnsuback } from "./unsuback.ts";
export { decodeUnsubscribe, encodeUnsubscribe } from "./unsubscribe.ts";
export { decodeUtf8, encodeUtf8, isUtf8, isUtf8Text } from "./utf8.ts";
export { VARINT_MAX, varintSize } from "./varint.ts";
export { wordsOf } from "./words.ts";
export { Writer } from "./writer.ts";
export type { StatementId, STATEMENTS } from "../../spec/statements.ts";
export type { UNNUMBERED, UnnumberedId } from "../../spec/unnumbered.ts";
