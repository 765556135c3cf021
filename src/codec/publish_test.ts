/** §3.3 PUBLISH: what is refused, by which rule, and where the fields stand. @module */
import { assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { decodePacket } from "./decode.ts";
import { encodePacket } from "./encode.ts";
import { UsageError } from "./error.ts";
import type { Publish } from "./packet.ts";
import { PacketType } from "./packet_type.ts";
import { frame, properties, utf8, varint } from "../testing/frame.ts";
import { assertRefused } from "../testing/refused.ts";

const NONE = properties();
const LEVELS = [3, 4, 5] as const;

function publish(given: Partial<Publish> = {}): Publish {
  return {
    type: PacketType.PUBLISH,
    dup: false,
    qos: 0,
    retain: false,
    topic: "a/b",
    payload: Uint8Array.of(1, 2),
    ...given,
  };
}

describe("PUBLISH", () => {
  test("decode and encode agree with the standard's layout", () => {
    const at5 = frame(0x3b, utf8("a/b"), [0, 7], NONE, 1, 2);
    const at4 = frame(0x3b, utf8("a/b"), [0, 7], 1, 2);
    const packet = publish({ dup: true, qos: 1, retain: true, packetId: 7 });
    assertEquals(decodePacket(at5, 5), packet);
    assertEquals(decodePacket(at4, 4), packet);
    assertEquals(encodePacket(packet, 5), at5);
    assertEquals(encodePacket(packet, 4), at4);
  });

  test("[MQTT-3.3.1-4] decode refuses QoS 3", () => {
    for (const first of [0x36, 0x37, 0x3e, 0x3f]) {
      for (const level of LEVELS) {
        assertRefused(() => decodePacket(frame(first, utf8("a"), [0, 1], NONE), level), "MQTT-3.3.1-4", 0x81);
      }
    }
  });

  test("[MQTT-3.3.1-4] encode refuses QoS 3", () => {
    assertThrows(() => encodePacket(publish({ qos: 3 as 2, packetId: 1 }), 5), UsageError, "MQTT-3.3.1-4");
  });

  test("[MQTT-3.3.1-2] decode and encode refuse DUP with QoS 0", () => {
    for (const level of LEVELS) {
      assertRefused(() => decodePacket(frame(0x38, utf8("a"), NONE), level), "MQTT-3.3.1-2", 0x81);
    }
    assertThrows(() => encodePacket(publish({ dup: true }), 5), UsageError, "MQTT-3.3.1-2");
  });

  test("[MQTT-2.2.1-2] a QoS 0 PUBLISH has no Packet Identifier", () => {
    assertEquals(encodePacket(publish(), 5), frame(0x30, utf8("a/b"), NONE, 1, 2));
    assertEquals(encodePacket(publish(), 4), frame(0x30, utf8("a/b"), 1, 2));
    assertEquals(decodePacket(frame(0x30, utf8("a/b"), 1, 2), 4), publish());
    assertThrows(() => encodePacket(publish({ packetId: 1 }), 5), UsageError, "MQTT-2.2.1-2");
  });

  test("[2.2.1/zero] decode and encode refuse Packet Identifier 0", () => {
    for (const level of LEVELS) {
      assertRefused(() => decodePacket(frame(0x32, utf8("a"), [0, 0], NONE), level), "2.2.1/zero", 0x82);
      assertRefused(() => decodePacket(frame(0x34, utf8("a"), [0, 0], NONE), level), "2.2.1/zero", 0x82);
    }
    assertThrows(() => encodePacket(publish({ qos: 1, packetId: 0 }), 5), UsageError, "2.2.1/zero");
    assertThrows(() => encodePacket(publish({ qos: 1 }), 5), UsageError, "2.2.1/zero");
    assertThrows(() => encodePacket(publish({ qos: 1, packetId: 65_536 }), 5), UsageError);
  });

  test("[MQTT-3.3.2-1] decode refuses a Topic Name that is not UTF-8", () => {
    for (const level of LEVELS) {
      assertRefused(() => decodePacket(frame(0x30, utf8([0xff]), NONE), level), "MQTT-1.5.4-1", 0x81);
    }
  });

  test("[MQTT-4.7.3-2] decode and encode refuse U+0000 in the Topic Name", () => {
    for (const level of LEVELS) {
      assertRefused(() => decodePacket(frame(0x30, utf8("a\0b"), NONE), level), "MQTT-1.5.4-2", 0x81);
      assertThrows(() => encodePacket(publish({ topic: "a\0b" }), level), UsageError, "MQTT-1.5.4-2");
    }
  });

  test("[MQTT-3.3.2-2] [MQTT-4.7.0-1] decode and encode refuse wildcards in the Topic Name", () => {
    for (const topic of ["#", "+", "a/#", "a/+/b", "a+", "a#b"]) {
      for (const level of LEVELS) {
        assertRefused(() => decodePacket(frame(0x30, utf8(topic), NONE), level), "MQTT-3.3.2-2", 0x90);
        assertThrows(() => encodePacket(publish({ topic }), level), UsageError, "MQTT-3.3.2-2");
      }
    }
  });

  test("[MQTT-4.7.3-1] below level 5 decode and encode refuse an empty Topic Name", () => {
    assertRefused(() => decodePacket(frame(0x30, utf8("")), 4), "MQTT-4.7.3-1", 0x90);
    assertThrows(() => encodePacket(publish({ topic: "" }), 4), UsageError, "MQTT-4.7.3-1");
  });

  test("[3.3.2.1/no-topic] at level 5 an empty Topic Name needs a Topic Alias", () => {
    assertRefused(() => decodePacket(frame(0x30, utf8(""), NONE), 5), "3.3.2.1/no-topic", 0x82);
    assertThrows(() => encodePacket(publish({ topic: "" }), 5), UsageError, "3.3.2.1/no-topic");
    const packet = publish({ topic: "", properties: { topicAlias: 3 } });
    const bytes = frame(0x30, utf8(""), properties(0x23, [0, 3]), 1, 2);
    assertEquals(decodePacket(bytes, 5), packet);
    assertEquals(encodePacket(packet, 5), bytes);
  });

  test("[MQTT-4.7.3-3] encode refuses a Topic Name above 65535 bytes", () => {
    assertThrows(() => encodePacket(publish({ topic: "a".repeat(65_536) }), 5), UsageError);
    assertThrows(() => encodePacket(publish({ topic: "ü".repeat(32_768) }), 5), UsageError);
    const longest = publish({ topic: "ü".repeat(32_767) + "a" });
    assertEquals(decodePacket(encodePacket(longest, 5), 5), longest);
  });

  test("[MQTT-3.3.2-8] decode and encode refuse Topic Alias 0", () => {
    const bytes = frame(0x30, utf8("a"), properties(0x23, [0, 0]));
    assertRefused(() => decodePacket(bytes, 5), "MQTT-3.3.2-8", 0x94);
    assertThrows(
      () => encodePacket(publish({ properties: { topicAlias: 0 } }), 5),
      UsageError,
      "MQTT-3.3.2-8",
    );
  });

  test("[MQTT-3.3.2-13] decode refuses a Response Topic that is not UTF-8", () => {
    const bytes = frame(0x30, utf8("a"), properties(0x08, utf8([0xc1, 0x81])));
    assertRefused(() => decodePacket(bytes, 5), "MQTT-1.5.4-1", 0x81);
  });

  test("[MQTT-3.3.2-14] decode and encode refuse wildcards in the Response Topic", () => {
    for (const responseTopic of ["#", "a/+"]) {
      const bytes = frame(0x30, utf8("a"), properties(0x08, utf8(responseTopic)));
      assertRefused(() => decodePacket(bytes, 5), "MQTT-3.3.2-14", 0x82);
      assertThrows(
        () => encodePacket(publish({ properties: { responseTopic } }), 5),
        UsageError,
        "MQTT-3.3.2-14",
      );
    }
  });

  test("[MQTT-4.7.3-1] decode and encode refuse an empty Response Topic", () => {
    const bytes = frame(0x30, utf8("a"), properties(0x08, utf8("")));
    assertRefused(() => decodePacket(bytes, 5), "MQTT-4.7.3-1", 0x82);
    const packet = publish({ properties: { responseTopic: "" } });
    assertThrows(() => encodePacket(packet, 5), UsageError, "MQTT-4.7.3-1");
  });

  test("[MQTT-3.3.2-19] decode refuses a Content Type that is not UTF-8", () => {
    const bytes = frame(0x30, utf8("a"), properties(0x03, utf8([0x80])));
    assertRefused(() => decodePacket(bytes, 5), "MQTT-1.5.4-1", 0x81);
  });

  test("[3.3.2.3.8/zero] decode and encode refuse Subscription Identifier 0", () => {
    const bytes = frame(0x30, utf8("a"), properties(0x0b, 0));
    assertRefused(() => decodePacket(bytes, 5), "3.3.2.3.8/zero", 0x82);
    const packet = publish({ properties: { subscriptionIdentifiers: [1, 0] } });
    assertThrows(() => encodePacket(packet, 5), UsageError, "3.3.2.3.8/zero");
  });

  test("Subscription Identifiers and User Properties repeat and keep their order", () => {
    const packet = publish({
      properties: {
        subscriptionIdentifiers: [3, 1, 3, 268_435_455],
        userProperties: [["k", "2"], ["k", "1"]],
      },
    });
    const ids = [0x0b, 3, 0x0b, 1, 0x0b, 3, 0x0b, ...varint(268_435_455)];
    const pairs = [0x26, ...utf8("k"), ...utf8("2"), 0x26, ...utf8("k"), ...utf8("1")];
    const bytes = frame(0x30, utf8("a/b"), properties(ids, pairs), 1, 2);
    assertEquals(decodePacket(bytes, 5), packet);
    assertEquals(encodePacket(packet, 5), bytes);
  });

  test("the payload may be empty, and is a view of the frame", () => {
    assertEquals(decodePacket(frame(0x30, utf8("a/b"), NONE), 5), publish({ payload: new Uint8Array(0) }));
    const bytes = frame(0x30, utf8("a/b"), NONE, 1, 2);
    assertEquals((decodePacket(bytes, 5) as Publish).payload.buffer, bytes.buffer);
  });

  test("[2.1.4/short] decode refuses a PUBLISH cut off before its payload", () => {
    const head = [...utf8("a/b"), 0, 7, ...NONE];
    for (let length = 0; length < head.length; length++) {
      assertRefused(() => decodePacket(frame(0x32, head.slice(0, length)), 5), "2.1.4/short", 0x81);
    }
  });

  test("below level 5 encode leaves the properties out", () => {
    const packet = publish({ properties: { contentType: "x" } });
    assertEquals(encodePacket(packet, 4), frame(0x30, utf8("a/b"), 1, 2));
  });

  test("encode refuses a payload that no Remaining Length can hold", () => {
    const payload = { length: 0x0fff_ffff } as Uint8Array; // never read: its length is enough
    assertThrows(() => encodePacket(publish({ payload }), 4), UsageError, "Remaining Length");
  });
});
