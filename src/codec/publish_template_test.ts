/** §3.3 Stamped copies of a frame against packets that are encoded anew. @module */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { decodePacket } from "./decode.ts";
import { encodePacket } from "./encode.ts";
import type { ProtocolLevel, Publish, PublishProperties, QoS } from "./packet.ts";
import { PacketType } from "./packet_type.ts";
import {
  headLength,
  isSameLayout,
  type PublishStamp,
  stampFrame,
  withoutAlias,
  writeHead,
} from "./publish_template.ts";
import { PublishView } from "./publish_view.ts";
import { packetId, publish, publishProperties, qos, topicName } from "../testing/arbitrary.ts";
import { bytesOf, frame, pair, properties, utf8 } from "../testing/frame.ts";

/** The view of a frame behind other bytes of its chunk. */
function viewOf(bytes: Uint8Array, level5: boolean): PublishView {
  const body = bytes.findIndex((byte, i) => i > 0 && byte < 0x80) + 1;
  const view = new PublishView();
  view.aim(bytesOf([1, 2, 3], bytes, [4]), 3, 3 + body, 3 + bytes.length, level5);
  return view;
}

/** A message as the broker keeps it: without alias and identifiers. */
const source = fc.constantFrom<ProtocolLevel[]>(4, 5).chain((level) =>
  fc.tuple(publish(level), topicName).map(([packet, topic]) => {
    const { topicAlias: _alias, subscriptionIdentifiers: _ids, ...rest } = packet.properties ?? {};
    const plain: Publish = { ...packet, topic };
    delete plain.properties;
    if (Object.keys(rest).length > 0) plain.properties = rest;
    return { level, packet: plain };
  })
);

/** Who gets it. */
const receiver = fc.record({
  level5: fc.boolean(),
  qos,
  dup: fc.boolean(),
  retain: fc.boolean(),
  packetId,
  expirySeconds: fc.nat({ max: 0xffff_ffff }),
  subscriptionIdentifiers: fc.array(fc.integer({ min: 1, max: 0x0fff_ffff }), { maxLength: 3 }),
  topicAlias: fc.oneof(fc.constant(0), packetId),
  topicKnown: fc.boolean(),
});
type Receiver = typeof receiver extends fc.Arbitrary<infer R> ? R : never;

function stampOf(given: Receiver): PublishStamp {
  const { level5, qos, dup, retain, packetId, topicAlias, topicKnown } = given;
  return {
    first: 0x30 | (dup && qos > 0 ? 8 : 0) | qos << 1 | (retain ? 1 : 0),
    packetId: qos === 0 ? 0 : packetId,
    level5,
    expirySeconds: given.expirySeconds,
    subscriptionIdentifiers: level5 ? given.subscriptionIdentifiers : [],
    topicAlias: level5 ? topicAlias : 0,
    topicKnown: level5 && topicAlias > 0 && topicKnown,
  };
}

/** The packet that such a receiver should get. */
function expected(packet: Publish, stamp: PublishStamp): Publish {
  const copy: Publish = {
    type: PacketType.PUBLISH,
    dup: (stamp.first & 8) !== 0,
    qos: (stamp.first >> 1 & 3) as QoS,
    retain: (stamp.first & 1) !== 0,
    topic: stamp.topicKnown ? "" : packet.topic,
    payload: packet.payload,
  };
  if (stamp.packetId !== 0) copy.packetId = stamp.packetId;
  if (!stamp.level5) return copy;
  const list: PublishProperties = {
    ...(stamp.topicAlias !== 0 && { topicAlias: stamp.topicAlias }),
    ...(stamp.subscriptionIdentifiers.length > 0 && {
      subscriptionIdentifiers: [...stamp.subscriptionIdentifiers],
    }),
    ...packet.properties,
    ...(packet.properties?.messageExpiryInterval !== undefined &&
      { messageExpiryInterval: stamp.expirySeconds }),
  };
  if (Object.keys(list).length > 0) copy.properties = list;
  return copy;
}

/** The stamped copy, written at some place of a dirty buffer. */
function copyOf(view: PublishView, stamp: PublishStamp): Uint8Array {
  const head = headLength(view, stamp);
  const out = new Uint8Array(5 + head + view.payloadLength).fill(0xee);
  const end = writeHead(view, stamp, out, 5);
  assertEquals(end, 5 + head);
  out.set(view.bytes.subarray(view.payloadAt, view.end), end);
  assertEquals(out.subarray(0, 5), new Uint8Array(5).fill(0xee));
  return out.slice(5);
}

describe("writeHead()", () => {
  test("[MQTT-3.3.2-17, MQTT-3.3.2-18] with the payload it is the packet that would be encoded for this receiver", () => {
    fc.assert(
      fc.property(source, receiver, ({ level, packet }, given) => {
        const stamp = stampOf(given);
        const view = viewOf(encodePacket(packet, level), level === 5);
        const copy = copyOf(view, stamp);
        assertEquals(copy, encodePacket(expected(packet, stamp), stamp.level5 ? 5 : 4));
        assertEquals(decodePacket(copy, stamp.level5 ? 5 : 4), expected(packet, stamp));
      }),
      { numRuns: 1500 },
    );
  });

  test("[MQTT-3.3.2-6] where the layout is the same, stamping a copy of the whole frame gives the same", () => {
    fc.assert(fc.property(source, receiver, ({ level, packet }, given) => {
      const same = {
        ...given,
        level5: level === 5,
        subscriptionIdentifiers: [],
        topicAlias: 0,
        topicKnown: false,
      };
      const stamp = stampOf({ ...same, qos: packet.qos === 0 ? 0 : given.qos === 0 ? 1 : given.qos });
      const view = viewOf(encodePacket(packet, level), level === 5);
      assertEquals(isSameLayout(view, stamp), true);
      const copy = bytesOf([9], view.bytes.subarray(view.at, view.end));
      stampFrame(view, stamp, copy, 1);
      assertEquals(copy.slice(1), copyOf(view, stamp));
    }));
  });

  test("[MQTT-3.3.2-15, MQTT-3.3.2-16, MQTT-3.3.2-20] properties go on byte for byte, in their order", () => {
    const list = bytesOf(
      [0x26, ...pair("b", "1")],
      [0x09, 0, 0],
      [0x26, ...pair("a", "2")],
      [0x08, ...utf8("\uFEFFr")],
      [0x26, ...pair("b", "1")],
      [0x01, 0],
      [0x03, ...utf8("")],
    );
    const view = viewOf(frame(0x30, utf8("t"), properties(list), 7), true);
    const stamp = stampOf({
      level5: true,
      qos: 0,
      dup: false,
      retain: false,
      packetId: 1,
      expirySeconds: 0,
      subscriptionIdentifiers: [200, 1],
      topicAlias: 3,
      topicKnown: false,
    });
    const first = [0x23, 0, 3, 0x0b, 200, 1, 0x0b, 1];
    assertEquals(copyOf(view, stamp), frame(0x30, utf8("t"), properties(first, list), 7));
    assertEquals(copyOf(view, { ...stamp, topicKnown: true }), frame(0x30, 0, 0, properties(first, list), 7));
    assertEquals(copyOf(view, { ...stamp, level5: false }), frame(0x30, utf8("t"), 7));
  });
});

describe("withoutAlias()", () => {
  test("[MQTT-3.3.2-12] the same frame with the topic for the alias, all else byte for byte", () => {
    fc.assert(
      fc.property(publish(5), topicName, packetId, publishProperties, (packet, topic, topicAlias, list) => {
        const { topicAlias: _alias, ...rest } = list ?? {};
        const entries = Object.entries(rest);
        const split = topicAlias % (entries.length + 1);
        const aliased = { ...Object.fromEntries(entries.slice(0, split)), topicAlias };
        const withAlias: Publish = {
          ...packet,
          topic: split % 2 === 0 ? "" : packet.topic,
          properties: { ...aliased, ...Object.fromEntries(entries.slice(split)) },
        };
        const plain: Publish = { ...packet, topic };
        delete plain.properties;
        if (entries.length > 0) plain.properties = rest;
        const view = viewOf(encodePacket(withAlias, 5), true);
        const name = new TextEncoder().encode(topic);
        const out = new Uint8Array(3 + view.bytes.length + name.length);
        const end = withoutAlias(view, name, out, 3);
        assertEquals(out.slice(3, end), encodePacket(plain, 5));
        assertEquals(out.slice(0, 3), new Uint8Array(3));
      }),
      { numRuns: 500 },
    );
  });
});
