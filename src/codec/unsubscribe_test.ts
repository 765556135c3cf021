/** §3.10 UNSUBSCRIBE: what is refused, by which rule, and where the fields stand. @module */
import { assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { decodePacket } from "./decode.ts";
import { encodePacket } from "./encode.ts";
import { UsageError } from "./error.ts";
import type { Unsubscribe } from "./packet.ts";
import { PacketType } from "./packet_type.ts";
import { frame, properties, utf8 } from "../testing/frame.ts";
import { assertRefused } from "../testing/refused.ts";

const NONE = properties();

function unsubscribe(...filters: string[]): Unsubscribe {
  return { type: PacketType.UNSUBSCRIBE, packetId: 1, filters };
}

describe("UNSUBSCRIBE", () => {
  test("decode and encode agree with the standard's layout", () => {
    const at5 = frame(0xa2, [0, 1], NONE, utf8("a/b"), utf8("#"));
    const at4 = frame(0xa2, [0, 1], utf8("a/b"), utf8("#"));
    assertEquals(decodePacket(at5, 5), unsubscribe("a/b", "#"));
    assertEquals(encodePacket(unsubscribe("a/b", "#"), 5), at5);
    assertEquals(decodePacket(at4, 4), unsubscribe("a/b", "#"));
    assertEquals(encodePacket(unsubscribe("a/b", "#"), 4), at4);
  });

  test("[MQTT-3.10.1-1] decode refuses flags other than 0010; at level 3 DUP may be set", () => {
    for (let flags = 0; flags < 16; flags++) {
      const bytes = frame(0xa0 | flags, [0, 1], utf8("a"));
      if (flags !== 2) assertRefused(() => decodePacket(bytes, 4), "MQTT-3.10.1-1", 0x81);
    }
    assertEquals(decodePacket(frame(0xaa, [0, 1], utf8("a")), 3), unsubscribe("a"));
  });

  test("[MQTT-3.10.3-2] decode and encode refuse an UNSUBSCRIBE without Topic Filter", () => {
    assertRefused(() => decodePacket(frame(0xa2, [0, 1], NONE), 5), "MQTT-3.10.3-2", 0x82);
    assertRefused(() => decodePacket(frame(0xa2, [0, 1]), 4), "MQTT-3.10.3-2", 0x82);
    assertThrows(() => encodePacket(unsubscribe(), 5), UsageError, "MQTT-3.10.3-2");
  });

  test("[MQTT-3.10.3-1] decode refuses a Topic Filter that is not UTF-8", () => {
    assertRefused(() => decodePacket(frame(0xa2, [0, 1], NONE, utf8([0xff])), 5), "MQTT-1.5.4-1", 0x81);
    assertRefused(() => decodePacket(frame(0xa2, [0, 1], utf8("a"), utf8([0xff])), 4), "MQTT-1.5.4-1", 0x81);
  });

  test("[MQTT-4.7.3-1] decode and encode refuse an empty Topic Filter", () => {
    assertRefused(() => decodePacket(frame(0xa2, [0, 1], NONE, utf8("")), 5), "MQTT-4.7.3-1", 0x8f);
    assertThrows(() => encodePacket(unsubscribe("a", ""), 5), UsageError, "MQTT-4.7.3-1");
  });

  test("[2.2.1/zero] decode and encode refuse Packet Identifier 0", () => {
    assertRefused(() => decodePacket(frame(0xa2, [0, 0], NONE, utf8("a")), 5), "2.2.1/zero", 0x82);
    assertThrows(() => encodePacket({ ...unsubscribe("a"), packetId: 0 }, 5), UsageError, "2.2.1/zero");
  });

  test("[2.1.4/short] decode refuses an UNSUBSCRIBE cut off", () => {
    assertRefused(() => decodePacket(frame(0xa2, [0, 1], NONE, utf8("a"), 0), 5), "2.1.4/short", 0x81);
    assertRefused(() => decodePacket(frame(0xa2, [0, 1]), 5), "2.1.4/short", 0x81);
  });
});
