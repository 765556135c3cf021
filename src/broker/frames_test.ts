/** §3.3 Frames in another layout say the same as the ones that came, but for what the layout is for. @module */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { decodePacket } from "../codec/decode.ts";
import { encodePacket } from "../codec/encode.ts";
import type { ProtocolLevel, Publish, PublishProperties, QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { viewOf } from "../codec/publish_view.ts";
import { bytesOf } from "../testing/frame.ts";
import { CameFrames, FRAMES_MAX, Gathered, growthOf, LaidOut, type Layout } from "./frames.ts";

const PLAIN: Layout = { level5: true, qos: 0, retain: false, identifiers: [], alias: 0, isAliasKnown: false };
/** Bytes of a chunk before the first frame. */
const BEFORE = [0xc0, 0];

function publish(init: Partial<Publish> = {}): Publish {
  const payload = init.payload ?? new Uint8Array();
  const packet: Publish = {
    type: PacketType.PUBLISH,
    dup: false,
    qos: 0,
    retain: false,
    topic: "a/b",
    ...init,
    payload,
  };
  if (packet.qos > 0) packet.packetId ??= 7;
  return packet;
}

/** The packets as a chunk that a Client sends, with other bytes before them and behind. */
function cameFrames(packets: readonly Publish[], level: ProtocolLevel): CameFrames {
  const came = new CameFrames();
  const frames = packets.map((packet) => encodePacket(packet, level));
  came.bytes = bytesOf(BEFORE, ...frames, BEFORE);
  came.from = BEFORE.length;
  came.count = frames.length;
  came.qos = packets[0]!.qos;
  came.level5 = level === 5;
  let at = 0;
  for (const [i, frame] of frames.entries()) {
    const view = viewOf(frame, level === 5);
    came.at[i] = at;
    came.payloadAt[i] = at + view.payloadAt;
    came.idAt[i] = at + Math.max(0, view.packetIdAt);
    at += frame.length;
  }
  came.to = came.from + at;
  came.at.fill(1, came.count); // of an earlier batch
  return came;
}

/** The packets that stand there, once each has Packet Identifier `i` + 100. */
function packetsOf(frames: LaidOut, { level5, qos }: Layout): Publish[] {
  return Array.from({ length: frames.count }, (_, i) => {
    const id = 100 + i;
    if (qos > 0) frames.bytes.set([id >> 8, id & 255], frames.from + frames.idAt[i]!);
    const bytes = frames.bytes.slice(frames.place(i), frames.place(i + 1));
    return decodePacket(bytes, level5 ? 5 : 4) as Publish;
  });
}

/** The same packets as the layout has them. */
function expected(
  packets: readonly Publish[],
  { level5, qos, retain, identifiers, alias, isAliasKnown }: Layout,
): Publish[] {
  return packets.map(({ topic, payload, properties }, i) => {
    const all: PublishProperties = {
      ...properties,
      ...(alias > 0 && { topicAlias: alias }),
      ...(identifiers.length > 0 && { subscriptionIdentifiers: identifiers }),
    };
    return {
      type: PacketType.PUBLISH,
      dup: false,
      qos,
      retain,
      topic: isAliasKnown || (alias > 0 && i > 0) ? "" : topic,
      ...(qos > 0 && { packetId: 100 + i }),
      ...(level5 && Object.keys(all).length > 0 && { properties: all }),
      payload,
    };
  });
}

/** Lengths on both sides of those at which a length takes another byte. */
const length = fc.oneof(
  fc.integer({ min: 0, max: 20 }),
  fc.integer({ min: 100, max: 135 }),
  fc.constant(16_400),
);
const properties: fc.Arbitrary<PublishProperties> = fc.record({
  messageExpiryInterval: fc.integer({ min: 1, max: 1_000_000 }),
  contentType: fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 20 }),
  userProperties: length.map((length) => [["b", "x".repeat(length)], ["a", ""]] as const),
}, { requiredKeys: [], noNullPrototype: true });
const identifiers = fc.oneof(
  fc.constant([]),
  fc.array(fc.constantFrom(1, 127, 128, 16_384, 268_435_455), { minLength: 1, maxLength: 3 }),
  fc.integer({ min: 20, max: 40 }).map((count) => Array.from({ length: count }, () => 268_435_455)),
);

/** What came, and a layout for it. */
const scene = fc.record({
  level: fc.constantFrom<ProtocolLevel[]>(4, 5),
  cameQos: fc.constantFrom<QoS[]>(0, 1, 2),
  topic: fc.constantFrom("a", "a/b", "t".repeat(126), "t".repeat(300)),
  parts: fc.array(fc.tuple(length, properties), { minLength: 1, maxLength: 5 }),
  level5: fc.boolean(),
  qos: fc.constantFrom<QoS[]>(0, 1, 2),
  retain: fc.boolean(),
  identifiers,
  alias: fc.constantFrom(0, 1, 300),
  isAliasKnown: fc.boolean(),
}).map(({ level, cameQos, topic, parts, ...layout }) => {
  const packets = parts.map(([length, properties], i) =>
    publish({
      topic,
      qos: cameQos,
      ...(cameQos > 0 && { packetId: 1_000 + i }),
      payload: Uint8Array.from({ length }, (_, at) => at + i & 255),
      ...(level === 5 && Object.keys(properties).length > 0 && { properties }),
    })
  );
  const { level5, alias, isAliasKnown, identifiers } = layout;
  return {
    came: cameFrames(packets, level),
    packets,
    layout: {
      ...layout,
      qos: Math.min(layout.qos, cameQos) as QoS,
      alias: level5 ? alias : 0,
      isAliasKnown: level5 && alias > 0 && isAliasKnown,
      identifiers: level5 ? identifiers : [],
    },
  };
});

describe("frames in another layout", () => {
  test("[MQTT-3.3.2-18] [MQTT-3.3.4-3] each says the same, and what the layout adds, whatever stood in the buffer before", () => {
    const laidOut = new LaidOut(); // reused, as in a broker
    fc.assert(
      fc.property(scene, ({ came, packets, layout }) => {
        const before = came.bytes.slice();
        laidOut.write(came, layout);
        assertEquals(packetsOf(laidOut, layout), expected(packets, layout));
        assertEquals(came.bytes, before, "what came stays as it is");
        laidOut.release();
      }),
      { numRuns: 150 },
    );
  });

  test("[MQTT-3.1.2-24] no frame grows by more than is foretold", () => {
    const laidOut = new LaidOut();
    fc.assert(
      fc.property(scene, ({ came, layout }) => {
        laidOut.write(came, layout);
        for (let i = 0; i < came.count; i++) {
          const grown = laidOut.place(i + 1) - laidOut.place(i) - (came.place(i + 1) - came.place(i));
          assert(grown <= growthOf(layout), `${grown} bytes`);
        }
      }),
      { numRuns: 150 },
    );
  });

  test("[MQTT-3.3.4-3] so it is with more Subscription Identifiers than two bytes of length can count", () => {
    const packets = Array.from({ length: 5 }, (_, i) => publish({ payload: Uint8Array.of(i) }));
    for (const level of [4, 5] as const) {
      const layout = { ...PLAIN, identifiers: Array.from({ length: 4_000 }, () => 268_435_455) };
      const laidOut = new LaidOut();
      laidOut.write(cameFrames(packets, level), layout);
      assertEquals(packetsOf(laidOut, layout), expected(packets, layout));
      const [first, second] = [laidOut.place(0), laidOut.place(1)];
      const grown = second - first - encodePacket(packets[0]!, level).length;
      assert(grown <= growthOf(layout), `${grown} bytes`);
    }
  });

  test("[MQTT-3.8.4-8] [MQTT-3.3.1-12] only the first bytes are others where QoS or RETAIN alone is", () => {
    const packets = ["1", "22"].map((text) => publish({ qos: 2, payload: new TextEncoder().encode(text) }));
    const layout: Layout = { ...PLAIN, qos: 1, retain: true };
    const laidOut = new LaidOut();
    laidOut.write(cameFrames(packets, 5), layout);
    assertEquals(packetsOf(laidOut, layout), expected(packets, layout));
  });

  test("lengths of one byte and of two are told apart", () => {
    const laidOut = new LaidOut();
    for (let length = 110; length < 140; length++) {
      const packets = [
        publish({ payload: new Uint8Array(length) }),
        publish({ properties: { userProperties: [["", "x".repeat(length)]] }, payload: Uint8Array.of(1) }),
        publish({ properties: { contentType: "c" } }),
      ];
      for (const layout of [{ ...PLAIN, identifiers: [1] }, { ...PLAIN, level5: false }]) {
        laidOut.write(cameFrames(packets, 5), layout);
        assertEquals(packetsOf(laidOut, layout), expected(packets, layout));
      }
    }
  });

  test("as many frames as may stand together, each in its place", () => {
    const packets = Array.from(
      { length: FRAMES_MAX },
      (_, i) => publish({ payload: Uint8Array.of(i >> 8, i & 255) }),
    );
    const layout = { ...PLAIN, level5: false };
    const laidOut = new LaidOut();
    laidOut.write(cameFrames(packets, 5), layout);
    assertEquals(packetsOf(laidOut, layout), packets);
  });

  test("is told apart from every other layout", () => {
    const layouts: readonly Layout[] = [
      PLAIN,
      { ...PLAIN, level5: false },
      { ...PLAIN, qos: 1 },
      { ...PLAIN, retain: true },
      { ...PLAIN, identifiers: [1] },
      { ...PLAIN, identifiers: [2] },
      { ...PLAIN, identifiers: [1, 2] },
      { ...PLAIN, alias: 1 },
      { ...PLAIN, alias: 2 },
      { ...PLAIN, alias: 1, isAliasKnown: true },
    ];
    const came = cameFrames([publish({ qos: 1 })], 5);
    for (const layout of layouts) {
      const laidOut = new LaidOut();
      laidOut.write(came, layout);
      const same = layouts.map((other) => laidOut.is({ ...other, identifiers: [...other.identifiers] }));
      assertEquals(same, layouts.map((other) => other === layout));
    }
  });

  test("lets a large buffer go, and keeps a small one", () => {
    for (const [payloadBytes, isKept] of [[1_000, true], [300 * 1024, false]] as const) {
      const laidOut = new LaidOut();
      laidOut.write(cameFrames([publish({ payload: new Uint8Array(payloadBytes) })], 5), {
        ...PLAIN,
        level5: false,
      });
      laidOut.release();
      assertEquals(laidOut.bytes.length > 0, isKept);
    }
  });
});

describe("some frames of a batch, gathered", () => {
  test("stand one behind the other as they are, whatever stood in the buffer before", () => {
    const gathered = new Gathered(); // reused, as in a broker
    for (
      const [length, chosen] of [[300, [1, 2, 4]], [3, [0, 4]], [20, [0, 1, 2, 3, 4]], [5, [3]]] as const
    ) {
      const packets = Array.from(
        { length: 5 },
        (_, i) => publish({ payload: new Uint8Array(length + i).fill(i) }),
      );
      const came = cameFrames(packets, 5);
      gathered.begin(came);
      assertEquals(gathered.to, 0);
      const places = chosen.map((index) => gathered.add(came, index));
      const frames = chosen.map((index) => encodePacket(packets[index]!, 5));
      assertEquals(gathered.bytes.slice(0, gathered.to), bytesOf(...frames));
      assertEquals(places, frames.map((_, i) => bytesOf(...frames.slice(0, i)).length));
    }
  });

  test("let a large buffer go, and keep a small one", () => {
    for (const [payloadBytes, isKept] of [[1_000, true], [300 * 1024, false]] as const) {
      const gathered = new Gathered();
      gathered.begin(cameFrames([publish({ payload: new Uint8Array(payloadBytes) })], 5));
      gathered.release();
      assertEquals(gathered.bytes.length > 0, isKept);
    }
  });
});
