/**
 * The codec against npm's mqtt-packet: what one writes the other reads, and where they differ, why.
 * Where the two differ the standard decides, and the table says which rule it is.
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import mqttPacket from "mqtt-packet";
import { Buffer } from "node:buffer";
import { describe, test } from "node:test";
import { decodePacket } from "./decode.ts";
import { encodePacket } from "./encode.ts";
import { PeerError, type Rule } from "./error.ts";
import type { Packet, ProtocolLevel, SubscriptionRequest, UserProperties } from "./packet.ts";
import { PacketType } from "./packet_type.ts";
import { levelAndPacket } from "../testing/arbitrary.ts";
import { binary, frame, pair, properties, utf8 } from "../testing/frame.ts";

/** A packet or a part of one, as either side has it. */
type Plain = Record<string, unknown>;

/** What mqtt-packet has no way to say, or refuses; such packets are not compared. */
const NOT_COMPARED:
  readonly (readonly [why: string, applies: (packet: Packet, level: ProtocolLevel) => boolean])[] = [
    [
      "it does not write a password without user name, which level 5 allows (§3.1.2.9)",
      (packet) =>
        packet.type === PacketType.CONNECT && packet.password !== undefined && packet.username === undefined,
    ],
    [
      "it does not write an empty Client Identifier with Clean Start 0, which level 5 allows (§3.1.3.1)",
      (packet) => packet.type === PacketType.CONNECT && packet.clientId === "" && !packet.cleanStart,
    ],
    [
      "it does not read 0x8C in DISCONNECT: Table 2-6 lists it, Table 3-10 does not, and Servers send it",
      (packet) => packet.type === PacketType.DISCONNECT && packet.reasonCode === 0x8c,
    ],
    [
      "it does not read an empty AUTH, which §3.15.2.1 allows",
      (packet, level) => packet.type === PacketType.AUTH && encodePacket(packet, level).length === 2,
    ],
  ];

/** mqtt-packet keeps User Properties by name: the order between names is lost, and an empty value before another. */
function grouped(list: UserProperties): Record<string, string | string[]> {
  const groups: Record<string, string | string[]> = Object.create(null);
  for (const [name, value] of list) {
    const group = groups[name];
    if (!group) groups[name] = value;
    else if (Array.isArray(group)) group.push(value);
    else groups[name] = [group, value];
  }
  return groups;
}

function listed(groups: Record<string, string | string[]>): UserProperties {
  return Object.entries(groups).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((each) => [name, each] as const)
  );
}

/** Names that differ, and how each side spells them. */
const NAMES: readonly (readonly [ours: string, theirs: string])[] = [
  ["maximumQos", "maximumQoS"],
  ["subscriptionIdentifiers", "subscriptionIdentifier"],
];

function theirProperties(given: Plain | undefined): Plain | undefined {
  if (given === undefined) return undefined;
  const result: Plain = {};
  for (const [key, value] of Object.entries(given)) {
    const name = NAMES.find(([ours]) => ours === key)?.[1] ?? key;
    if (key === "userProperties") result[name] = grouped(value as UserProperties);
    else if (key === "payloadFormatIndicator") result[name] = value === 1; // they have a boolean
    else result[name] = value instanceof Uint8Array ? Buffer.from(value) : value;
  }
  return result;
}

function ourProperties(given: Plain | undefined, type: PacketType): Plain | undefined {
  if (given === undefined) return undefined;
  const result: Plain = {};
  for (const [key, value] of Object.entries(given)) {
    const name = type !== PacketType.SUBSCRIBE && NAMES.find(([, theirs]) => theirs === key)?.[0] || key;
    if (key === "userProperties") result[name] = listed(value as Record<string, string>);
    else if (key === "payloadFormatIndicator") result[name] = value ? 1 : 0;
    else if (name === "subscriptionIdentifiers") result[name] = [value].flat();
    else result[name] = value instanceof Uint8Array ? new Uint8Array(value) : value;
  }
  return result;
}

const COMMANDS = Object.fromEntries(
  Object.entries(PacketType).map(([name, type]) => [type, name.toLowerCase()]),
) as Record<PacketType, string>;

/** `packet` as mqtt-packet has it. */
function theirs(packet: Packet, level: ProtocolLevel): Plain {
  const cmd = COMMANDS[packet.type];
  const given = theirProperties((packet as { properties?: Plain }).properties);
  const common: Plain = given === undefined ? { cmd } : { cmd, properties: given };
  if ("packetId" in packet) common.messageId = packet.packetId;
  switch (packet.type) {
    case PacketType.CONNECT: {
      const { will } = packet;
      return {
        ...common,
        protocolId: level === 3 ? "MQIsdp" : "MQTT",
        protocolVersion: level,
        bridgeMode: packet.bridge,
        clean: packet.cleanStart,
        keepalive: packet.keepAlive,
        clientId: packet.clientId,
        username: packet.username,
        password: packet.password && Buffer.from(packet.password),
        will: will && {
          topic: will.topic,
          payload: Buffer.from(will.payload),
          qos: will.qos,
          retain: will.retain,
          properties: theirProperties(will.properties as Plain | undefined),
        },
      };
    }
    case PacketType.CONNACK: {
      const { reasonCode, sessionPresent } = packet;
      return { ...common, sessionPresent, [level === 5 ? "reasonCode" : "returnCode"]: reasonCode };
    }
    case PacketType.PUBLISH: {
      const { dup, qos, retain, topic, payload } = packet;
      return { ...common, dup, qos, retain, topic, payload: Buffer.from(payload) };
    }
    case PacketType.SUBSCRIBE:
      return {
        ...common,
        subscriptions: packet.subscriptions.map((each) => ({
          topic: each.filter,
          qos: each.qos,
          nl: each.noLocal,
          rap: each.retainAsPublished,
          rh: each.retainHandling,
        })),
      };
    case PacketType.UNSUBSCRIBE:
      return { ...common, unsubscriptions: packet.filters };
    case PacketType.SUBACK:
    case PacketType.UNSUBACK:
      return { ...common, granted: packet.reasonCodes };
    case PacketType.PINGREQ:
    case PacketType.PINGRESP:
      return common;
    default:
      return { ...common, reasonCode: packet.reasonCode };
  }
}

/** A packet of mqtt-packet as ours. */
function ours(parsed: Plain, level: ProtocolLevel): Plain {
  const type = Object.entries(COMMANDS).map(([type]) => Number(type) as PacketType)
    .find((type) => COMMANDS[type] === parsed.cmd)!;
  const result: Plain = { type };
  const put = (name: string, value: unknown): void => {
    if (value !== undefined && value !== null) {
      result[name] = value instanceof Uint8Array ? new Uint8Array(value) : value;
    }
  };
  put("properties", ourProperties(parsed.properties as Plain | undefined, type));
  switch (type) {
    case PacketType.CONNECT:
      put("level", parsed.protocolVersion);
      put("bridge", parsed.bridgeMode);
      put("cleanStart", parsed.clean);
      put("keepAlive", parsed.keepalive);
      put("clientId", parsed.clientId);
      put("username", parsed.username);
      put("password", parsed.password);
      put("will", ourWill(parsed.will as Plain | undefined));
      break;
    case PacketType.CONNACK:
      put("sessionPresent", parsed.sessionPresent);
      put("reasonCode", parsed.reasonCode ?? parsed.returnCode);
      break;
    case PacketType.PUBLISH:
      for (const name of ["dup", "qos", "retain", "topic", "payload"]) put(name, parsed[name]);
      if (parsed.qos !== 0) put("packetId", parsed.messageId);
      break;
    case PacketType.SUBSCRIBE:
      put("packetId", parsed.messageId);
      put("subscriptions", (parsed.subscriptions as Plain[]).map(ourSubscription));
      break;
    case PacketType.UNSUBSCRIBE:
      put("packetId", parsed.messageId);
      put("filters", parsed.unsubscriptions);
      break;
    case PacketType.SUBACK:
    case PacketType.UNSUBACK:
      put("packetId", parsed.messageId);
      put("reasonCodes", parsed.granted ?? []);
      break;
    case PacketType.PINGREQ:
    case PacketType.PINGRESP:
      break;
    case PacketType.DISCONNECT:
    case PacketType.AUTH:
      put("reasonCode", level === 5 ? parsed.reasonCode : 0);
      break;
    default:
      put("packetId", parsed.messageId);
      put("reasonCode", level === 5 ? parsed.reasonCode : 0);
  }
  return result;
}

function ourWill(will: Plain | undefined): Plain | undefined {
  if (will === undefined) return undefined;
  const { topic, qos, retain } = will;
  const result: Plain = { topic, payload: new Uint8Array(will.payload as Uint8Array), qos, retain };
  const given = ourProperties(will.properties as Plain | undefined, PacketType.CONNECT);
  if (given !== undefined) result.properties = given;
  return result;
}

function ourSubscription({ topic, qos, nl, rap, rh }: Plain): SubscriptionRequest {
  return {
    filter: topic as string,
    qos: qos as 0,
    noLocal: nl === true,
    retainAsPublished: rap === true,
    retainHandling: (rh ?? 0) as 0,
  };
}

/** `packet` with its User Properties as they come back from mqtt-packet. */
function regrouped(packet: Packet): Plain {
  const change = (given: Plain): void => {
    if (given.userProperties === undefined) return;
    given.userProperties = listed(grouped(given.userProperties as UserProperties));
  };
  const copy = structuredClone(packet) as unknown as { properties?: Plain; will?: { properties?: Plain } };
  if (copy.properties) change(copy.properties);
  if (copy.will?.properties) change(copy.will.properties);
  return copy as Plain;
}

/** What mqtt-packet reads from `bytes`. */
function parse(bytes: Uint8Array, level: ProtocolLevel): Plain {
  const parser = mqttPacket.parser({ protocolVersion: level });
  let packet: Plain | undefined;
  let failure: unknown;
  parser.on("packet", (parsed) => packet ??= parsed as unknown as Plain);
  parser.on("error", (error) => failure ??= error);
  parser.parse(Buffer.from(bytes));
  if (failure !== undefined) throw failure;
  assert(packet !== undefined, "mqtt-packet waits for more");
  return packet;
}

/** What mqtt-packet writes. */
function generate(packet: Plain, level: ProtocolLevel): Uint8Array {
  return new Uint8Array(mqttPacket.generate(packet as never, { protocolVersion: level }));
}

const compared = levelAndPacket.filter(([level, packet]) =>
  !NOT_COMPARED.some(([, applies]) => applies(packet, level))
);

describe("mqtt-packet", () => {
  test("reads what we write", () => {
    fc.assert(
      fc.property(compared, ([level, packet]) => {
        assertEquals(ours(parse(encodePacket(packet, level), level), level), regrouped(packet));
      }),
      { numRuns: 1500 },
    );
  });

  test("writes what we read", () => {
    fc.assert(
      fc.property(compared, ([level, packet]) => {
        const bytes = generate(theirs(packet, level), level);
        assertEquals(decodePacket(bytes, level) as unknown as Plain, regrouped(packet));
      }),
      { numRuns: 1500 },
    );
  });

  test("writes the same bytes, but for the short forms of §3.4 to §3.7 and §3.14", () => {
    fc.assert(
      fc.property(compared, ([level, packet]) => {
        const packets: PacketType[] = [4, 5, 6, 7, 14];
        if (packets.includes(packet.type) && level === 5) return;
        const same = regrouped(packet) as unknown as Packet;
        assertEquals(generate(theirs(packet, level), level), encodePacket(same, level));
      }),
      { numRuns: 500 },
    );
  });
});

const NONE = properties();
const MQTT5 = [...utf8("MQTT"), 5];

/** What mqtt-packet reads and we refuse, each with the rule. */
const STRICTER: readonly (readonly [what: string, bytes: Uint8Array, level: ProtocolLevel, rule: Rule])[] = [
  ["ill-formed UTF-8", frame(0x30, utf8([0xff]), NONE), 5, "MQTT-1.5.4-1"],
  ["U+0000 in a topic", frame(0x30, utf8("a\0"), NONE), 5, "MQTT-1.5.4-2"],
  ["a Remaining Length longer than needed", Uint8Array.of(0xc0, 0x80, 0x00), 5, "MQTT-1.5.5-1"],
  ["Packet Identifier 0", frame(0x32, utf8("a"), [0, 0], NONE), 5, "2.2.1/zero"],
  ["a property twice", frame(0x30, utf8("a"), properties(0x01, 1, 0x01, 1)), 5, "3.3.2.3.2/twice"],
  [
    "a property of another packet",
    frame(0x30, utf8("a"), properties(0x21, [0, 1])),
    5,
    "2.2.2.2/not-allowed",
  ],
  ["a boolean of 2", frame(0x10, MQTT5, 2, [0, 0], properties(0x17, 2), utf8("c")), 5, "3.1.2.11.7/range"],
  [
    "Receive Maximum 0",
    frame(0x10, MQTT5, 2, [0, 0], properties(0x21, [0, 0]), utf8("c")),
    5,
    "3.1.2.11.3/zero",
  ],
  ["Topic Alias 0", frame(0x30, utf8("a"), properties(0x23, [0, 0])), 5, "MQTT-3.3.2-8"],
  ["MQIsdp at version 5", frame(0x10, utf8("MQIsdp"), 5, 2, [0, 0], NONE, utf8("c")), 5, "MQTT-3.1.2-1"],
  ["MQTT at version 3", frame(0x10, utf8("MQTT"), 3, 2, [0, 0], utf8("c")), 4, "MQTT-3.1.2-2"],
  [
    "Will QoS 3",
    frame(0x10, MQTT5, 0x1e, [0, 0], NONE, utf8("c"), NONE, utf8("t"), binary([])),
    5,
    "MQTT-3.1.2-12",
  ],
  [
    "a password without user name",
    frame(0x10, utf8("MQTT"), 4, 0x42, [0, 0], utf8("c"), binary([1])),
    4,
    "MQTT311-3.1.2-22",
  ],
  [
    "a wildcard in a Will Topic",
    frame(0x10, MQTT5, 6, [0, 0], NONE, utf8("c"), NONE, utf8("#"), binary([])),
    5,
    "3.1.3.3/wildcard",
  ],
  [
    "an Authentication Data without method",
    frame(0x10, MQTT5, 2, [0, 0], properties(0x16, binary([1])), utf8("c")),
    5,
    "3.1.2.11.10/no-method",
  ],
  ["a Reason Code that CONNACK does not have", frame(0x20, 0, 0x10, NONE), 5, "MQTT-3.2.2-8"],
  ["DUP with QoS 0", frame(0x38, utf8("a"), NONE), 5, "MQTT-3.3.1-2"],
  ["a wildcard in a topic", frame(0x30, utf8("a/#"), NONE), 5, "MQTT-3.3.2-2"],
  ["no topic and no alias", frame(0x30, utf8(""), NONE), 5, "3.3.2.1/no-topic"],
  ["a SUBSCRIBE without filters", frame(0x82, [0, 1], NONE), 5, "MQTT-3.8.3-2"],
  ["an UNSUBSCRIBE without filters", frame(0xa2, [0, 1], NONE), 5, "MQTT-3.10.3-2"],
  ["an empty filter", frame(0x82, [0, 1], NONE, utf8(""), 0), 5, "MQTT-4.7.3-1"],
  ["bytes behind the last field", frame(0x40, [0, 1], 0, NONE, 7), 5, "2.1.4/trailing"],
  ["a PINGREQ with a body", frame(0xc0, 1), 5, "2.1.4/trailing"],
  ["an AUTH without method", frame(0xf0, 0x18, properties(0x26, pair("a", "b"))), 5, "3.15.2.2.2/no-method"],
  [
    "a property that runs past the Property Length",
    frame(0x30, utf8("a"), [1, 0x01], 1),
    5,
    "2.2.2.1/past-end",
  ],
];

describe("mqtt-packet reads, and we refuse", () => {
  for (const [what, bytes, level, rule] of STRICTER) {
    test(`[${rule}] ${what}`, () => {
      parse(bytes, level);
      const error = assertThrows(() => decodePacket(bytes, level), PeerError);
      assertEquals(error.rule, rule);
    });
  }
});

/** What we read and mqtt-packet refuses, each with the reason. */
const LOOSER: readonly (readonly [what: string, bytes: Uint8Array, level: ProtocolLevel])[] = [
  ["0x8C in DISCONNECT, disputed between Tables 2-6 and 3-10", frame(0xe0, 0x8c, NONE), 5],
  ["an empty AUTH, allowed by §3.15.2.1", frame(0xf0), 5],
  ["the DUP flag of MQTT 3.1 on a SUBSCRIBE", frame(0x8a, [0, 1], utf8("a"), 0), 3],
  ["the DUP flag of MQTT 3.1 on a PUBREL", frame(0x6a, [0, 1]), 3],
  ["the unused connect flag of MQTT 3.1", frame(0x10, utf8("MQIsdp"), 3, 3, [0, 0], utf8("c")), 3],
  ["the unused byte of a CONNACK of MQTT 3.1", frame(0x20, 2, 0), 3],
];

describe("mqtt-packet refuses, and we read", () => {
  for (const [what, bytes, level] of LOOSER) {
    test(what, () => {
      assertThrows(() => parse(bytes, level));
      decodePacket(bytes, level);
    });
  }
});
