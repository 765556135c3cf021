/** §3.3 The broker's view of a PUBLISH against decodePublish(): the same fields, the same refusals by the same rules. @module */
import { assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { decodePacket } from "./decode.ts";
import { encodePacket } from "./encode.ts";
import { PeerError, type Rule } from "./error.ts";
import type { ProtocolLevel } from "./packet.ts";
import { PacketType } from "./packet_type.ts";
import { PublishView } from "./publish_view.ts";
import { level, publish } from "../testing/arbitrary.ts";
import { bytesOf, frame, pair, type Part, properties, utf8, varint } from "../testing/frame.ts";
import { assertRefused } from "../testing/refused.ts";
import { patient } from "../testing/patience.ts";

/** Where the body of the frame at the front of `bytes` begins. */
function bodyOf(bytes: Uint8Array): number {
  return bytes.findIndex((byte, i) => i > 0 && byte < 0x80) + 1;
}

/** The view of a frame that stands somewhere in a chunk. */
function viewOf(bytes: Uint8Array, level: ProtocolLevel = 5, before = 3): PublishView {
  const chunk = bytesOf(new Uint8Array(before).fill(0xff), bytes, [0x23, 0, 1, 0x26]);
  const view = new PublishView();
  view.aim(chunk, before, before + bodyOf(bytes), before + bytes.length, level === 5);
  return view;
}

/** The rule that is broken and the Reason Code for it. */
function refusalOf(read: () => unknown): readonly [Rule, number] | undefined {
  try {
    read();
  } catch (error) {
    if (error instanceof PeerError) return [error.rule, error.code];
    throw error;
  }
  return undefined;
}

const property: fc.Arbitrary<Part> = fc.oneof(
  fc.integer({ min: 0, max: 2 }).map((value) => [0x01, value]),
  fc.constant([0x02, 0, 0, 1, 0]),
  fc.constantFrom("", "text", "\0").map((text) => [0x03, ...utf8(text)]),
  fc.constantFrom("r", "r/+", "#", "").map((text) => [0x08, ...utf8(text)]),
  fc.constant([0x09, 0, 1, 0xff]),
  fc.nat({ max: 300 }).map((id) => [0x0b, ...varint(id)]),
  fc.nat({ max: 2 }).map((alias) => [0x23, 0, alias]),
  fc.constantFrom("", "a", "\0").map((text) => [0x26, ...pair("n", text)]),
  fc.constant([0x03, 0, 2, 0xc0, 0x80]),
  fc.constantFrom(0x00, 0x11, 0x12, 0x15, 0x1f, 0x22, 0x27, 0x2a, 0x2b, 0x7f, 0x0a),
);

/** PUBLISH frames of level 5 whose properties are likely to break a rule. */
const odd = fc.record({
  flags: fc.nat({ max: 15 }),
  id: fc.nat({ max: 2 }),
  list: fc.array(property, { maxLength: 4 }),
  cut: fc.nat({ max: 3 }),
  payload: fc.uint8Array({ maxLength: 3 }),
}).map(({ flags, id, list, cut, payload }) => {
  const all = bytesOf(...list);
  const some = properties(all.subarray(0, Math.max(0, all.length - cut)));
  return frame(0x30 | flags, utf8("t"), (flags & 6) === 0 ? [] : [0, id], some, payload);
});

/** Valid frames with a byte changed, or cut short. */
const damaged = fc.tuple(level, fc.nat(), fc.nat({ max: 255 }), fc.boolean()).chain((
  [level, at, byte, cut],
) =>
  publish(level).map((packet) => {
    const bytes = encodePacket({ ...packet, topic: "t" }, level);
    const body = bodyOf(bytes);
    const place = body + 3 + at % Math.max(1, bytes.length - body - 3);
    if (cut) return [level, frame(bytes[0]!, bytes.slice(body, place))] as const;
    if (place < bytes.length) bytes[place] = byte;
    return [level, bytes] as const;
  })
);

const frames = level.chain((level) =>
  publish(level).map((packet) => [level, packet, encodePacket(packet, level)] as const)
);

/** A PUBLISH with some bytes of its body changed, left out or added. */
const broken = fc.tuple(frames, fc.nat(), fc.nat({ max: 3 }), fc.uint8Array({ maxLength: 3 })).map(
  ([[level, , bytes], at, count, insert]) => {
    const body = bytes.subarray(bodyOf(bytes));
    const from = at % (body.length + 1);
    return [level, frame(bytes[0]!, body.slice(0, from), insert, body.slice(from + count))] as const;
  },
);

/** The rules of the Topic Name, which the view leaves to whoever resolves it. */
const TOPIC_RULES: readonly (Rule | undefined)[] = ["MQTT-4.7.3-1", "3.3.2.1/no-topic", "MQTT-3.3.2-2"];

/** For properties of thousands of frames on a machine that is busy with something else. */

describe("PublishView", () => {
  test("its fields are those of the decoded packet", patient, () => {
    fc.assert(fc.property(frames, fc.nat({ max: 5 }), ([level, packet, frame], before) => {
      const view = viewOf(frame, level, before);
      const { bytes } = view;
      assertEquals([view.qos, view.dup, view.retain], [packet.qos, packet.dup, packet.retain]);
      assertEquals(
        new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(view.topicAt, view.topicEnd)),
        packet.topic,
      );
      assertEquals(view.packetId, packet.packetId ?? 0);
      assertEquals(bytes.subarray(view.payloadAt, view.end), packet.payload);
      assertEquals(view.topicAlias, packet.properties?.topicAlias ?? 0);
      assertEquals(view.expirySeconds, packet.properties?.messageExpiryInterval ?? 0);
      assertEquals(view.expiryAt >= 0, packet.properties?.messageExpiryInterval !== undefined);
      assertEquals(view.subscriptionIdentifier, packet.properties?.subscriptionIdentifiers !== undefined);
    }));
  });

  test("it takes what decodePublish() takes, and refuses the rest but for the Topic Name", patient, () => {
    fc.assert(
      fc.property(broken, ([level, bytes]) => {
        const decoded = refusalOf(() => decodePacket(bytes, level))?.[0];
        const viewed = refusalOf(() => viewOf(bytes, level))?.[0];
        if (decoded === undefined) return assertEquals(viewed, undefined);
        const isOfTopic = TOPIC_RULES.includes(decoded) || hasBadTopic(bytes);
        if (!isOfTopic) assertEquals(viewed !== undefined, true, `${decoded} is not seen`);
      }),
      { numRuns: 1000 },
    );
  });

  test("it refuses what decodePublish() refuses, for the same rule, whatever the properties", patient, () => {
    fc.assert(
      fc.property(odd, (bytes) => {
        assertEquals(refusalOf(() => viewOf(bytes)), refusalOf(() => decodePacket(bytes, 5)));
      }),
      { numRuns: 3000 },
    );
  });

  test(
    "it refuses what decodePublish() refuses, for the same rule, whatever byte is wrong or missing",
    patient,
    () => {
      fc.assert(
        fc.property(damaged, ([level, bytes]) => {
          const decoded = refusalOf(() => decodePacket(bytes, level));
          if (TOPIC_RULES.includes(decoded?.[0])) return;
          assertEquals(refusalOf(() => viewOf(bytes, level)), decoded);
        }),
        { numRuns: 3000 },
      );
    },
  );

  test("[MQTT-3.3.1-4, MQTT-3.3.1-2, 2.2.1/zero] flags and Packet Identifier", () => {
    assertRefused(() => viewOf(frame(0x36, utf8("t"), 0, 1, 0)), "MQTT-3.3.1-4", 0x81);
    assertRefused(() => viewOf(frame(0x36, utf8("t"), 0, 1), 4), "MQTT-3.3.1-4", 0x81);
    assertRefused(() => viewOf(frame(0x38, utf8("t"), 0)), "MQTT-3.3.1-2", 0x81);
    assertRefused(() => viewOf(frame(0x32, utf8("t"), 0, 0, 0)), "2.2.1/zero", 0x82);
    assertRefused(() => viewOf(frame(0x34, utf8("t"), 0, 0), 4), "2.2.1/zero", 0x82);
  });

  test("[MQTT-3.3.2-8] Topic Alias 0", () => {
    assertRefused(() => viewOf(frame(0x30, utf8("t"), properties([0x23, 0, 0]))), "MQTT-3.3.2-8", 0x94);
  });

  test("[MQTT-3.3.2-13, MQTT-3.3.2-19, MQTT-1.5.7-1] text that is no UTF-8 string", () => {
    const bad = [0xed, 0xa0, 0x80];
    for (const list of [[0x03, ...utf8(bad)], [0x08, ...utf8(bad)], [0x26, ...utf8("n"), ...utf8(bad)]]) {
      assertRefused(() => viewOf(frame(0x30, utf8("t"), properties(list))), "MQTT-1.5.4-1", 0x81);
    }
  });

  test("[MQTT-3.3.2-14] a Response Topic with a wildcard, and one that only looks like it", () => {
    assertRefused(
      () => viewOf(frame(0x30, utf8("t"), properties([0x08, ...utf8("a/+")]))),
      "MQTT-3.3.2-14",
      0x82,
    );
    assertRefused(
      () => viewOf(frame(0x30, utf8("t"), properties([0x08, ...utf8("#")]))),
      "MQTT-3.3.2-14",
      0x82,
    );
    const fine = properties([0x08, ...utf8("a/-")], [0x03, ...utf8("+")], [0x26, ...pair("#", "+")]);
    assertEquals(viewOf(frame(0x30, utf8("t"), fine, 9)).payloadLength, 1);
  });

  test("[MQTT-4.7.3-1] an empty Response Topic", () => {
    assertRefused(
      () => viewOf(frame(0x30, utf8("t"), properties([0x08, ...utf8("")]))),
      "MQTT-4.7.3-1",
      0x82,
    );
  });

  test("aimFrame() finds the variable header behind a Remaining Length of one to four bytes", () => {
    for (const length of [0, 200, 20_000, 3_000_000]) {
      const payload = new Uint8Array(length);
      const frame = encodePacket(
        { type: PacketType.PUBLISH, dup: false, qos: 0, retain: false, topic: "t", payload },
        5,
      );
      const around = new Uint8Array(frame.length + 2);
      around.set(frame, 1);
      const view = new PublishView();
      view.aimFrame(around, 1, 1 + frame.length, true);
      const aimed = new PublishView();
      aimed.aim(around, 1, 1 + bodyOf(frame), 1 + frame.length, true);
      assertEquals({ ...view, bytes: [] }, { ...aimed, bytes: [] });
      assertEquals(view.payloadLength, length);
    }
  });

  test("a re-aimed view remembers nothing of the frame before", () => {
    const view = viewOf(
      frame(0x3b, utf8("t"), 0, 7, properties([0x02, 0, 0, 0, 9], [0x23, 0, 1], [0x0b, 1]), [1, 2]),
    );
    assertEquals(
      [view.qos, view.dup, view.retain, view.packetId, view.expirySeconds, view.topicAlias],
      [1, true, true, 7, 9, 1],
    );
    assertEquals([view.expiryAt > 0, view.aliasAt > 0, view.subscriptionIdentifier], [true, true, true]);
    const bytes = frame(0x30, utf8("u"));
    view.aim(bytes, 0, 2, bytes.length, false);
    const fresh = new PublishView();
    fresh.aim(bytes, 0, 2, bytes.length, false);
    assertEquals({ ...view }, { ...fresh });
    assertEquals([view.packetIdAt, view.expiryAt, view.aliasAt, view.payloadLength], [-1, -1, -1, 0]);
  });

  test("copy() is the same message over bytes of its own", () => {
    fc.assert(fc.property(level.chain((level) => publish(level).map((packet) => [level, packet] as const)), (
      [level, packet],
    ) => {
      const bytes = encodePacket(packet, level);
      const view = viewOf(bytes, level);
      const copy = view.copy();
      view.bytes.fill(0);
      assertEquals(copy.bytes, bytes);
      assertStrictEquals(copy.at, 0);
      const direct = new PublishView();
      direct.aim(bytes, 0, bodyOf(bytes), bytes.length, level === 5);
      assertEquals({ ...copy }, { ...direct });
    }));
  });
});

/** Whether the Topic Name of a frame, where it is whole, is no UTF-8 string. */
function hasBadTopic(bytes: Uint8Array): boolean {
  const at = bodyOf(bytes);
  const end = at + 2 + (bytes[at]! << 8 | bytes[at + 1]!);
  if (end > bytes.length) return false;
  return refusalOf(() => decodePacket(frame(0x30, bytes.slice(at, end)), 4))?.[0].startsWith("MQTT-1.5.4") ??
    false;
}
