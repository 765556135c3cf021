/** The short way of a PUBLISH beside the one for all. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { encodePacket } from "../codec/encode.ts";
import type { Publish, PublishProperties, QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { decodePublish } from "../codec/publish.ts";
import { Reader } from "../codec/reader.ts";
import { seededRandom } from "../engine/random.ts";
import { decodeShortPublish } from "./short_publish.ts";

const TOPICS = [undefined, "first", undefined, "third"];

function frameOf(qos: QoS, properties: PublishProperties, init: Partial<Publish> = {}): Uint8Array {
  const packet: Publish = {
    type: PacketType.PUBLISH,
    dup: false,
    qos,
    retain: false,
    topic: "",
    payload: Uint8Array.of(1, 2, 3),
    properties,
    ...init,
  };
  return encodePacket(qos === 0 ? packet : { ...packet, packetId: 0x1234 }, 5);
}

function short(frame: Uint8Array): Publish | undefined {
  return decodeShortPublish(frame, frame[0]!, 2, frame.length, TOPICS);
}

function long(frame: Uint8Array): Publish {
  const packet = decodePublish(new Reader(frame.subarray(2)), frame[0]! & 15, 5);
  return { ...packet, topic: TOPICS[packet.properties!.topicAlias!]! };
}

describe("short PUBLISH", () => {
  test("is read as decodePublish() reads it, with its topic", () => {
    for (const qos of [0, 1, 2] as const) {
      for (
        const properties of [
          { topicAlias: 1 },
          { topicAlias: 3, subscriptionIdentifiers: [1] },
          { subscriptionIdentifiers: [127, 1, 1], topicAlias: 1 },
        ]
      ) {
        for (const retain of [false, true]) {
          const frame = frameOf(qos, properties, { retain });
          assertEquals(short(frame), long(frame));
        }
      }
    }
    const empty = frameOf(1, { topicAlias: 1 }, { payload: new Uint8Array(0) });
    assertEquals(short(empty), long(empty));
  });

  test("every other form is left to decodePublish()", () => {
    const others = [
      frameOf(0, { topicAlias: 1 }, { topic: "a" }),
      frameOf(0, { topicAlias: 2 }), // it stands for nothing
      frameOf(0, { topicAlias: 4 }),
      frameOf(0, { topicAlias: 0x0101 }),
      frameOf(0, { topicAlias: 1, subscriptionIdentifiers: [128] }),
      frameOf(0, { topicAlias: 1, contentType: "t" }),
      frameOf(1, { topicAlias: 1, messageExpiryInterval: 1 }),
      frameOf(1, { topicAlias: 1 }, { dup: true }),
      frameOf(1, { topicAlias: 1, userProperties: [["a", "x".repeat(200)]] }),
    ];
    for (const frame of others) assertEquals(short(frame), undefined);
  });

  test("bytes that are wrong anywhere are left to decodePublish(), and none is read from behind the frame", () => {
    const random = seededRandom(1);
    let taken = 0;
    for (let i = 0; i < 20_000; i++) {
      const frame = frameOf((i % 3) as QoS, { topicAlias: 1, subscriptionIdentifiers: [1 + i % 127] });
      for (let changes = random() % 3; changes > 0; changes--) {
        frame[2 + random() % (frame.length - 2)] = [0, 1, 3, 0x23, 0x0b, random() & 255][random() % 6]!;
      }
      const end = frame.length - random() % 3;
      const packet = decodeShortPublish(frame, frame[0]! ^ (random() % 8 === 0 ? 6 : 0), 2, end, TOPICS);
      if (packet === undefined) continue;
      taken++;
      const body = new Reader(frame.subarray(2, end));
      const flags = packet.qos << 1 | (packet.retain ? 1 : 0);
      const { topic: _, ...expected } = decodePublish(body, flags, 5);
      const { topic, ...got } = packet;
      assertEquals(got, expected as typeof got);
      assertEquals(topic, TOPICS[got.properties!.topicAlias!]);
    }
    assert(taken > 1_000);
  });
});
