/**
 * §2.4 Reason Codes: one table of code, name, and the packets in which each side may send it.
 * Knows numbers and names; refuses to know when a code is the right one.
 * @module
 */
import { PacketType } from "./packet_type.ts";

/** §2.4 the Reason Codes by name. Three names share 0x00, as in the standard. */
export const ReasonCode = {
  Success: 0x00,
  NormalDisconnection: 0x00,
  GrantedQoS0: 0x00,
  GrantedQoS1: 0x01,
  GrantedQoS2: 0x02,
  DisconnectWithWillMessage: 0x04,
  NoMatchingSubscribers: 0x10,
  NoSubscriptionExisted: 0x11,
  ContinueAuthentication: 0x18,
  ReAuthenticate: 0x19,
  UnspecifiedError: 0x80,
  MalformedPacket: 0x81,
  ProtocolError: 0x82,
  ImplementationSpecificError: 0x83,
  UnsupportedProtocolVersion: 0x84,
  ClientIdentifierNotValid: 0x85,
  BadUserNameOrPassword: 0x86,
  NotAuthorized: 0x87,
  ServerUnavailable: 0x88,
  ServerBusy: 0x89,
  Banned: 0x8a,
  ServerShuttingDown: 0x8b,
  BadAuthenticationMethod: 0x8c,
  KeepAliveTimeout: 0x8d,
  SessionTakenOver: 0x8e,
  TopicFilterInvalid: 0x8f,
  TopicNameInvalid: 0x90,
  PacketIdentifierInUse: 0x91,
  PacketIdentifierNotFound: 0x92,
  ReceiveMaximumExceeded: 0x93,
  TopicAliasInvalid: 0x94,
  PacketTooLarge: 0x95,
  MessageRateTooHigh: 0x96,
  QuotaExceeded: 0x97,
  AdministrativeAction: 0x98,
  PayloadFormatInvalid: 0x99,
  RetainNotSupported: 0x9a,
  QoSNotSupported: 0x9b,
  UseAnotherServer: 0x9c,
  ServerMoved: 0x9d,
  SharedSubscriptionsNotSupported: 0x9e,
  ConnectionRateExceeded: 0x9f,
  MaximumConnectTime: 0xa0,
  SubscriptionIdentifiersNotSupported: 0xa1,
  WildcardSubscriptionsNotSupported: 0xa2,
} as const;
/** §2.4 any Reason Code. */
export type ReasonCode = typeof ReasonCode[keyof typeof ReasonCode];

/** §3.2.2.2 the codes of CONNACK at level 5. */
export type ConnackReason =
  | 0x00
  | 0x80
  | 0x81
  | 0x82
  | 0x83
  | 0x84
  | 0x85
  | 0x86
  | 0x87
  | 0x88
  | 0x89
  | 0x8a
  | 0x8c
  | 0x90
  | 0x95
  | 0x97
  | 0x99
  | 0x9a
  | 0x9b
  | 0x9c
  | 0x9d
  | 0x9f;
/** §3.4.2.1 the codes of PUBACK. */
export type PubackReason = 0x00 | 0x10 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99;
/** §3.5.2.1 the codes of PUBREC. */
export type PubrecReason = PubackReason;
/** §3.6.2.1 the codes of PUBREL. */
export type PubrelReason = 0x00 | 0x92;
/** §3.7.2.1 the codes of PUBCOMP. */
export type PubcompReason = PubrelReason;
/** §3.9.3 the codes of SUBACK at level 5. */
export type SubackReason =
  | 0x00
  | 0x01
  | 0x02
  | 0x80
  | 0x83
  | 0x87
  | 0x8f
  | 0x91
  | 0x97
  | 0x9e
  | 0xa1
  | 0xa2;
/** §3.11.3 the codes of UNSUBACK. */
export type UnsubackReason = 0x00 | 0x11 | 0x80 | 0x83 | 0x87 | 0x8f | 0x91;
/** §3.14.2.1 the codes of DISCONNECT; 0x8C too, which Table 2-6 lists there and Table 3-10 does not. */
export type DisconnectReason =
  | 0x00
  | 0x04
  | 0x80
  | 0x81
  | 0x82
  | 0x83
  | 0x87
  | 0x89
  | 0x8b
  | 0x8c
  | 0x8d
  | 0x8e
  | 0x8f
  | 0x90
  | 0x93
  | 0x94
  | 0x95
  | 0x96
  | 0x97
  | 0x98
  | 0x99
  | 0x9a
  | 0x9b
  | 0x9c
  | 0x9d
  | 0x9e
  | 0x9f
  | 0xa0
  | 0xa1
  | 0xa2;
/** §3.15.2.1 the codes of AUTH. */
export type AuthReason = 0x00 | 0x18 | 0x19;

/** §1.2 the side that sends a packet. */
export type Role = "client" | "server";

/** As bit sets (bit n for packet type n) where each side may send a Reason Code. */
interface ReasonRow {
  readonly fromServer: number;
  readonly fromClient: number;
}

/** The rows by code. A code without a row does not exist. */
const REASONS: readonly (ReasonRow | undefined)[] = /* @__PURE__ */ reasonTable();

/**
 * §2.4 the name of a Reason Code in a packet of that type, as "Packet too large"; 0x00 is named by the packet.
 * A number that is no Reason Code gives "Unknown" and the number.
 */
export function reasonName(packetType: PacketType, code: number): string {
  if (code === 0 && packetType === PacketType.DISCONNECT) return "Normal disconnection";
  if (code === 0 && packetType === PacketType.SUBACK) return "Granted QoS 0";
  return REASON_NAMES[code] ?? `Unknown 0x${code.toString(16).toUpperCase().padStart(2, "0")}`;
}

/** §2.4 whether a packet of that type may carry the code, from either side. Disputed places count as allowed. */
export function isReasonAllowed(packetType: PacketType, code: number): boolean {
  const row = REASONS[code];
  return row !== undefined && ((row.fromServer | row.fromClient) >> packetType & 1) === 1;
}

/** §2.4 whether that side may send the code in a packet of that type. Disputed places count as allowed. */
export function isReasonAllowedFrom(role: Role, packetType: PacketType, code: number): boolean {
  const row = REASONS[code];
  if (row === undefined) return false;
  return ((role === "server" ? row.fromServer : row.fromClient) >> packetType & 1) === 1;
}

/** A function, so that a bundle without Reason Codes can leave the table out. */
function reasonTable(): (ReasonRow | undefined)[] {
  const connack = 1 << PacketType.CONNACK;
  const puback = 1 << PacketType.PUBACK;
  const pubrec = 1 << PacketType.PUBREC;
  const pubrel = 1 << PacketType.PUBREL;
  const pubcomp = 1 << PacketType.PUBCOMP;
  const suback = 1 << PacketType.SUBACK;
  const unsuback = 1 << PacketType.UNSUBACK;
  const disconnect = 1 << PacketType.DISCONNECT;
  const auth = 1 << PacketType.AUTH;
  const received = puback | pubrec;
  const released = pubrel | pubcomp;

  const rows: (ReasonRow | undefined)[] = new Array(0x100).fill(undefined);
  function row(code: ReasonCode, fromServer: number, fromClient = 0): void {
    rows[code] = { fromServer, fromClient };
  }

  row(
    0x00,
    connack | received | released | suback | unsuback | disconnect | auth,
    received | released | disconnect,
  );
  row(0x01, suback);
  row(0x02, suback);
  row(0x04, 0, disconnect);
  row(0x10, received);
  row(0x11, unsuback);
  row(0x18, auth, auth);
  row(0x19, 0, auth);
  row(0x80, connack | received | suback | unsuback | disconnect, received | disconnect);
  row(0x81, connack | disconnect, disconnect);
  row(0x82, connack | disconnect, disconnect);
  row(0x83, connack | received | suback | unsuback | disconnect, received | disconnect);
  row(0x84, connack);
  row(0x85, connack);
  row(0x86, connack);
  row(0x87, connack | received | suback | unsuback | disconnect, received);
  row(0x88, connack);
  row(0x89, connack | disconnect);
  row(0x8a, connack);
  row(0x8b, disconnect);
  row(0x8c, connack | disconnect); // disputed in DISCONNECT: only Table 2-6 has it
  row(0x8d, disconnect);
  row(0x8e, disconnect);
  row(0x8f, suback | unsuback | disconnect);
  row(0x90, connack | received | disconnect, received | disconnect);
  row(0x91, received | suback | unsuback, received);
  row(0x92, released, released);
  row(0x93, disconnect, disconnect);
  row(0x94, disconnect, disconnect);
  row(0x95, connack | disconnect, disconnect);
  row(0x96, disconnect, disconnect);
  row(0x97, connack | received | suback | disconnect, received | disconnect);
  row(0x98, disconnect, disconnect);
  row(0x99, connack | received | disconnect, received | disconnect);
  row(0x9a, connack | disconnect);
  row(0x9b, connack | disconnect, disconnect); // disputed from a Client: only §3.3.4 has it
  row(0x9c, connack | disconnect);
  row(0x9d, connack | disconnect);
  row(0x9e, suback | disconnect);
  row(0x9f, connack | disconnect);
  row(0xa0, disconnect);
  row(0xa1, suback | disconnect);
  row(0xa2, suback | disconnect);
  return rows;
}

/** §2.4 the names as the standard writes them: apart, so that a bundle which tells codes by number has none of them. */
const REASON_NAMES: Readonly<Record<number, string>> = {
  0x00: "Success",
  0x01: "Granted QoS 1",
  0x02: "Granted QoS 2",
  0x04: "Disconnect with Will Message",
  0x10: "No matching subscribers",
  0x11: "No subscription existed",
  0x18: "Continue authentication",
  0x19: "Re-authenticate",
  0x80: "Unspecified error",
  0x81: "Malformed Packet",
  0x82: "Protocol Error",
  0x83: "Implementation specific error",
  0x84: "Unsupported Protocol Version",
  0x85: "Client Identifier not valid",
  0x86: "Bad User Name or Password",
  0x87: "Not authorized",
  0x88: "Server unavailable",
  0x89: "Server busy",
  0x8a: "Banned",
  0x8b: "Server shutting down",
  0x8c: "Bad authentication method",
  0x8d: "Keep Alive timeout",
  0x8e: "Session taken over",
  0x8f: "Topic Filter invalid",
  0x90: "Topic Name invalid",
  0x91: "Packet Identifier in use",
  0x92: "Packet Identifier not found",
  0x93: "Receive Maximum exceeded",
  0x94: "Topic Alias invalid",
  0x95: "Packet too large",
  0x96: "Message rate too high",
  0x97: "Quota exceeded",
  0x98: "Administrative action",
  0x99: "Payload format invalid",
  0x9a: "Retain not supported",
  0x9b: "QoS not supported",
  0x9c: "Use another server",
  0x9d: "Server moved",
  0x9e: "Shared Subscriptions not supported",
  0x9f: "Connection rate exceeded",
  0xa0: "Maximum connect time",
  0xa1: "Subscription Identifiers not supported",
  0xa2: "Wildcard Subscriptions not supported",
};
