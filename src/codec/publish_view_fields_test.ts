/** §3.3 PUBLISH read in two ways: the broker's view of a frame and decodePublish() accept and refuse the same. @module */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { decodePacket } from "./decode.ts";
import { encodePacket } from "./encode.ts";
import { PeerError } from "./error.ts";
import type { ProtocolLevel, Publish } from "./packet.ts";
import { PublishView } from "./publish_view.ts";
import { level, publish } from "../testing/arbitrary.ts";
import { frame } from "../testing/frame.ts";

function bodyOf(bytes: Uint8Array): number {
  return bytes.findIndex((byte, i) => i > 0 && byte < 0x80) + 1;
}

/** The rule that `read` says is broken. */
function ruleOf(read: () => unknown): string | undefined {
  try {
    read();
  } catch (error) {
    if (error instanceof PeerError) return error.rule;
    throw error;
  }
  return undefined;
}

function viewOf(bytes: Uint8Array, level: ProtocolLevel): PublishView {
  const view = new PublishView();
  view.aim(bytes, 0, bodyOf(bytes), bytes.length, level === 5);
  return view;
}

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

/** What the view leaves to whoever resolves the Topic Name, which it does not look at. */
const TOPIC_RULES = ["MQTT-3.3.2-2", "MQTT-4.7.3-1", "3.3.2.1/no-topic"];

describe("PublishView", () => {
  test("its fields are those of the decoded packet", () => {
    fc.assert(fc.property(frames, ([level, packet, bytes]) => {
      const view = viewOf(bytes, level);
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

  test("it takes what decodePublish() takes, and refuses the rest but for the Topic Name", () => {
    fc.assert(
      fc.property(broken, ([level, bytes]) => {
        const decoded = ruleOf(() => decodePacket(bytes, level) as Publish);
        const viewed = ruleOf(() => viewOf(bytes, level));
        if (decoded === undefined) return assertEquals(viewed, undefined);
        const isOfTopic = TOPIC_RULES.includes(decoded) || hasBadTopic(bytes);
        if (!isOfTopic) assertEquals(viewed !== undefined, true, `${decoded} is not seen`);
      }),
      { numRuns: 3000 },
    );
  });
});

/** Whether the Topic Name of a frame, where it is whole, is no UTF-8 string. */
function hasBadTopic(bytes: Uint8Array): boolean {
  const at = bodyOf(bytes);
  const end = at + 2 + (bytes[at]! << 8 | bytes[at + 1]!);
  if (end > bytes.length) return false;
  return ruleOf(() => decodePacket(frame(0x30, bytes.slice(at, end)), 4))?.startsWith("MQTT-1.5.4") ?? false;
}
