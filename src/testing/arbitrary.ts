/**
 * fast-check generators of every packet at every protocol level: all values that can be written, and only those.
 * Knows what a packet can hold by itself; refuses to know which packet may follow which.
 * @module
 */
import fc from "fast-check";
import type {
  Auth,
  AuthProperties,
  Connack,
  ConnackProperties,
  Connect,
  ConnectProperties,
  Disconnect,
  DisconnectProperties,
  Packet,
  Pingreq,
  Pingresp,
  ProtocolLevel,
  Publish,
  PublishProperties,
  QoS,
  ReasonProperties,
  Suback,
  Subscribe,
  SubscribeProperties,
  SubscriptionRequest,
  Unsuback,
  Unsubscribe,
  UserProperties,
  Will,
  WillProperties,
} from "../codec/packet.ts";
import type { Acknowledgement, AcknowledgementType } from "../codec/acknowledgement.ts";
import { PacketType } from "../codec/packet_type.ts";
import { isReasonAllowed } from "../codec/reason_code.ts";

type Arbitrary<T> = fc.Arbitrary<T>;

/** Any protocol level. */
export const level: Arbitrary<ProtocolLevel> = fc.constantFrom(3, 4, 5);

/** §1.5.4 any string that can be written: no lone surrogate, no U+0000; some begin with U+FEFF, some are long. */
export const text: Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: fc.string({ unit: "grapheme-ascii", maxLength: 12 }) },
  { weight: 3, arbitrary: fc.string({ unit: "binary", maxLength: 12 }) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 6 }).map((tail) => `\uFEFF${tail}`) },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme-ascii", minLength: 40, maxLength: 300 }) },
).map((any) => any.replaceAll("\0", "0"));

/** §1.5.6 some bytes; a few long enough for a second byte of length. */
export const bytes: Arbitrary<Uint8Array> = fc.oneof(
  { weight: 5, arbitrary: fc.uint8Array({ maxLength: 16 }) },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 120, maxLength: 260 }) },
);

/** §4.7 a Topic Name: one character or more, no wildcard. */
export const topicName: Arbitrary<string> = text.map((any) => any.replaceAll(/[#+]/g, "/") || "t");

/** §4.7 a Topic Filter, in each form there is. */
export const topicFilter: Arbitrary<string> = fc.array(
  fc.oneof(fc.constant("+"), text.map((any) => any.replaceAll(/[#+/]/g, "-"))),
  { minLength: 1, maxLength: 4 },
).chain((levels) => fc.constantFrom(levels.join("/") || "f", [...levels, "#"].join("/"), "#"));

/** §2.2.1 1 to 65535. */
export const packetId: Arbitrary<number> = fc.integer({ min: 1, max: 0xffff });

/** §4.3. */
export const qos: Arbitrary<QoS> = fc.constantFrom(0, 1, 2);

const u16: Arbitrary<number> = fc.integer({ min: 0, max: 0xffff });
const u32: Arbitrary<number> = fc.oneof(
  fc.integer({ min: 0, max: 0xffff_ffff }),
  fc.constantFrom(0, 0xffff_ffff),
);
const bit: Arbitrary<0 | 1> = fc.constantFrom(0, 1);
const bool: Arbitrary<boolean> = fc.boolean();
const subscriptionIdentifier: Arbitrary<number> = fc.oneof(
  fc.integer({ min: 1, max: 0x0fff_ffff }),
  fc.constantFrom(1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 0x0fff_ffff),
);
const userProperties: Arbitrary<UserProperties> = fc.array(fc.tuple(text, text), {
  minLength: 1,
  maxLength: 3,
});

/** Each key may be absent; that none is there is an absent object, as decoding gives it. */
function properties<T>(values: { [K in keyof T]-?: Arbitrary<NonNullable<T[K]>> }): Arbitrary<T | undefined> {
  const some = fc.record(values as Record<string, Arbitrary<unknown>>, {
    requiredKeys: [],
    noNullPrototype: true,
  });
  return some.map((given) => Object.keys(given).length === 0 ? undefined : given as T);
}

/** `packet` without the keys that are undefined: absent is absent. */
function present<T extends object>(packet: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(packet).filter(([, value]) => value !== undefined)) as T;
}

const NONE: Arbitrary<undefined> = fc.constant(undefined);

function optional<T>(value: Arbitrary<T>): Arbitrary<T | undefined> {
  return fc.option(value, { nil: undefined });
}

function reason(type: PacketType): Arbitrary<number> {
  const allowed: number[] = [];
  for (let code = 0; code <= 0xff; code++) if (isReasonAllowed(type, code)) allowed.push(code);
  return fc.constantFrom(...allowed);
}

const message = {
  payloadFormatIndicator: bit,
  messageExpiryInterval: u32,
  contentType: text,
  responseTopic: topicName,
  correlationData: bytes,
  userProperties,
};
const reasonProperties = properties<ReasonProperties>({ reasonString: text, userProperties });
const willProperties = properties<WillProperties>({ ...message, willDelayInterval: u32 });

/** §3.1.2.11. */
export const connectProperties: Arbitrary<ConnectProperties | undefined> = properties<ConnectProperties>({
  sessionExpiryInterval: u32,
  receiveMaximum: packetId,
  maximumPacketSize: u32.map((size) => size || 1),
  topicAliasMaximum: u16,
  requestResponseInformation: bool,
  requestProblemInformation: bool,
  userProperties,
  authenticationMethod: text,
  authenticationData: bytes,
}).map((given) => {
  if (given?.authenticationData === undefined || given.authenticationMethod !== undefined) return given;
  return { authenticationMethod: "m", ...given };
});

/** §3.2.2.3. */
export const connackProperties: Arbitrary<ConnackProperties | undefined> = properties<ConnackProperties>({
  sessionExpiryInterval: u32,
  receiveMaximum: packetId,
  maximumQos: bit,
  retainAvailable: bool,
  maximumPacketSize: u32.map((size) => size || 1),
  assignedClientIdentifier: text,
  topicAliasMaximum: u16,
  reasonString: text,
  userProperties,
  wildcardSubscriptionAvailable: bool,
  subscriptionIdentifiersAvailable: bool,
  sharedSubscriptionAvailable: bool,
  serverKeepAlive: u16,
  responseInformation: text,
  serverReference: text,
  authenticationMethod: text,
  authenticationData: bytes,
});

/** §3.3.2.3. */
export const publishProperties: Arbitrary<PublishProperties | undefined> = properties<PublishProperties>({
  ...message,
  topicAlias: packetId,
  subscriptionIdentifiers: fc.array(subscriptionIdentifier, { minLength: 1, maxLength: 3 }),
});

function will(level: ProtocolLevel): Arbitrary<Will> {
  return fc.record({
    topic: topicName,
    payload: bytes,
    qos,
    retain: bool,
    properties: level === 5 ? willProperties : NONE,
  }).map(present<Will>);
}

/** §3.1 CONNECT of that level. */
export function connect(level: ProtocolLevel): Arbitrary<Connect> {
  return fc.record({
    type: fc.constant(PacketType.CONNECT),
    level: fc.constant(level),
    bridge: level < 5 ? fc.constantFrom(true, undefined) : NONE,
    cleanStart: bool,
    keepAlive: u16,
    clientId: level === 3 ? text.map((id) => id || "c") : text,
    will: optional(will(level)),
    username: optional(text),
    password: optional(bytes),
    properties: level === 5 ? connectProperties : NONE,
  }).map((packet) => {
    if (level < 5 && packet.username === undefined) packet.password = undefined;
    if (level === 4 && packet.clientId === "") packet.cleanStart = true;
    return present<Connect>(packet);
  });
}

/** §3.2 CONNACK. */
export function connack(level: ProtocolLevel): Arbitrary<Connack> {
  return fc.record({
    type: fc.constant(PacketType.CONNACK),
    sessionPresent: level === 3 ? fc.constant(false) : bool,
    reasonCode: level === 5 ? reason(PacketType.CONNACK) : fc.integer({ min: 0, max: 5 }),
    properties: level === 5 ? connackProperties : NONE,
  }).map(present<Connack>);
}

/** §3.3 PUBLISH. */
export function publish(level: ProtocolLevel): Arbitrary<Publish> {
  return fc.record({
    type: fc.constant(PacketType.PUBLISH),
    dup: bool,
    qos,
    retain: bool,
    topic: topicName,
    packetId: optional(packetId),
    payload: bytes,
    properties: level === 5 ? publishProperties : NONE,
    aliasOnly: bool,
  }).map(({ aliasOnly, ...packet }) => {
    if (packet.qos === 0) {
      packet.dup = false;
      packet.packetId = undefined;
    } else packet.packetId ??= 1;
    if (aliasOnly && packet.properties?.topicAlias !== undefined) packet.topic = "";
    return present<Publish>(packet);
  });
}

/** §3.4 to §3.7 PUBACK, PUBREC, PUBREL or PUBCOMP. */
export function acknowledgement(type: AcknowledgementType, level: ProtocolLevel): Arbitrary<Acknowledgement> {
  return fc.record({
    type: fc.constant(type),
    packetId,
    reasonCode: level === 5 ? reason(type) : fc.constant(0),
    properties: level === 5 ? reasonProperties : NONE,
  }).map((packet) => present<Acknowledgement>(packet as Acknowledgement));
}

function subscription(level: ProtocolLevel): Arbitrary<SubscriptionRequest> {
  const below5 = { filter: topicFilter, qos };
  if (level < 5) {
    const absent = { noLocal: false, retainAsPublished: false, retainHandling: 0 as const };
    return fc.record(below5).map((request) => ({ ...request, ...absent }));
  }
  return fc.record({
    ...below5,
    noLocal: bool,
    retainAsPublished: bool,
    retainHandling: fc.constantFrom<(0 | 1 | 2)[]>(0, 1, 2),
  }, { noNullPrototype: true });
}

/** §3.8 SUBSCRIBE. */
export function subscribe(level: ProtocolLevel): Arbitrary<Subscribe> {
  return fc.record({
    type: fc.constant(PacketType.SUBSCRIBE),
    packetId,
    subscriptions: fc.array(subscription(level), { minLength: 1, maxLength: 4 }),
    properties: level === 5
      ? properties<SubscribeProperties>({ subscriptionIdentifier, userProperties })
      : NONE,
  }).map(present<Subscribe>);
}

/** §3.9 SUBACK. */
export function suback(level: ProtocolLevel): Arbitrary<Suback> {
  const code = level === 5 ? reason(PacketType.SUBACK) : fc.constantFrom(0, 1, 2, 0x80);
  return fc.record({
    type: fc.constant(PacketType.SUBACK),
    packetId,
    reasonCodes: fc.array(code, { minLength: 1, maxLength: 4 }),
    properties: level === 5 ? reasonProperties : NONE,
  }).map(present<Suback>);
}

/** §3.10 UNSUBSCRIBE. */
export function unsubscribe(level: ProtocolLevel): Arbitrary<Unsubscribe> {
  return fc.record({
    type: fc.constant(PacketType.UNSUBSCRIBE),
    packetId,
    filters: fc.array(topicFilter, { minLength: 1, maxLength: 4 }),
    properties: level === 5 ? properties<{ userProperties?: UserProperties }>({ userProperties }) : NONE,
  }).map(present<Unsubscribe>);
}

/** §3.11 UNSUBACK. */
export function unsuback(level: ProtocolLevel): Arbitrary<Unsuback> {
  return fc.record({
    type: fc.constant(PacketType.UNSUBACK),
    packetId,
    reasonCodes: level === 5
      ? fc.array(reason(PacketType.UNSUBACK), { minLength: 1, maxLength: 4 })
      : fc.constant<number[]>([]),
    properties: level === 5 ? reasonProperties : NONE,
  }).map(present<Unsuback>);
}

/** §3.12 PINGREQ. */
export const pingreq: Arbitrary<Pingreq> = fc.constant({ type: PacketType.PINGREQ });

/** §3.13 PINGRESP. */
export const pingresp: Arbitrary<Pingresp> = fc.constant({ type: PacketType.PINGRESP });

/** §3.14 DISCONNECT. */
export function disconnect(level: ProtocolLevel): Arbitrary<Disconnect> {
  const values = { reasonString: text, userProperties, sessionExpiryInterval: u32, serverReference: text };
  return fc.record({
    type: fc.constant(PacketType.DISCONNECT),
    reasonCode: level === 5 ? reason(PacketType.DISCONNECT) : fc.constant(0),
    properties: level === 5 ? properties<DisconnectProperties>(values) : NONE,
  }).map(present<Disconnect>);
}

/** §3.15 AUTH, level 5. */
export const auth: Arbitrary<Auth> = fc.record({
  type: fc.constant(PacketType.AUTH),
  reasonCode: reason(PacketType.AUTH),
  properties: properties<AuthProperties>({
    authenticationMethod: text,
    authenticationData: bytes,
    reasonString: text,
    userProperties,
  }),
}).map(({ type, reasonCode, properties }): Auth => {
  if (reasonCode === 0 && properties === undefined) return { type, reasonCode };
  return { type, reasonCode, properties: { authenticationMethod: "m", ...properties } };
});

/** Any packet of that level. */
export function packet(level: ProtocolLevel): Arbitrary<Packet> {
  const all: Arbitrary<Packet>[] = [
    connect(level),
    connack(level),
    publish(level),
    publish(level),
    acknowledgement(PacketType.PUBACK, level),
    acknowledgement(PacketType.PUBREC, level),
    acknowledgement(PacketType.PUBREL, level),
    acknowledgement(PacketType.PUBCOMP, level),
    subscribe(level),
    suback(level),
    unsubscribe(level),
    unsuback(level),
    pingreq,
    pingresp,
    disconnect(level),
  ];
  if (level === 5) all.push(auth);
  return fc.oneof(...all);
}

/** A level and a packet of that level. */
export const levelAndPacket: Arbitrary<readonly [ProtocolLevel, Packet]> = level.chain((level) =>
  packet(level).map((packet) => [level, packet] as const)
);

/** §1.5.4 Every byte at which Unicode's table of well-formed sequences changes, and its neighbours. */
export const UTF8_EDGES: readonly number[] = (
  "61 7f 80 8f 90 9f a0 bf c0 c1 c2 df e0 e1 ec ed ee ef f0 f1 f3 f4 f5 ff"
).split(" ").map((byte) => parseInt(byte, 16));
