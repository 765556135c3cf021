/** §3.4 to §3.7 PUBACK, PUBREC, PUBREL, PUBCOMP: what is refused, by which rule, and where the fields stand. @module */
import { assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import type { Acknowledgement } from "./acknowledgement.ts";
import { decodePacket } from "./decode.ts";
import { encodePacket } from "./encode.ts";
import { UsageError } from "./error.ts";
import { PacketType } from "./packet_type.ts";
import { frame, properties, utf8 } from "../testing/frame.ts";
import { assertRefused } from "../testing/refused.ts";

const NONE = properties();

/** The packets as the standard's Tables 3-4 to 3-7 list them. */
const KINDS = [
  {
    name: "PUBACK",
    type: PacketType.PUBACK,
    first: 0x40,
    rule: "MQTT-3.4.2-1",
    title: "[MQTT-3.4.2-1] decode and encode take the Reason Codes of PUBACK and no other",
    codes: [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
  },
  {
    name: "PUBREC",
    type: PacketType.PUBREC,
    first: 0x50,
    rule: "MQTT-3.5.2-1",
    title: "[MQTT-3.5.2-1] decode and encode take the Reason Codes of PUBREC and no other",
    codes: [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
  },
  {
    name: "PUBREL",
    type: PacketType.PUBREL,
    first: 0x62,
    rule: "MQTT-3.6.2-1",
    title: "[MQTT-3.6.2-1] decode and encode take the Reason Codes of PUBREL and no other",
    codes: [0x00, 0x92],
  },
  {
    name: "PUBCOMP",
    type: PacketType.PUBCOMP,
    first: 0x70,
    rule: "MQTT-3.7.2-1",
    title: "[MQTT-3.7.2-1] decode and encode take the Reason Codes of PUBCOMP and no other",
    codes: [0x00, 0x92],
  },
] as const;

for (const { name, type, first, rule, title, codes } of KINDS) {
  const plain = { type, packetId: 0x0102, reasonCode: 0 } as Acknowledgement;
  const failed = { ...plain, reasonCode: codes[1] };

  describe(name, () => {
    test("Reason Code and properties may be left out", () => {
      assertEquals(decodePacket(frame(first, [1, 2]), 5), plain);
      assertEquals(decodePacket(frame(first, [1, 2], 0), 5), plain);
      assertEquals(decodePacket(frame(first, [1, 2], 0, NONE), 5), plain);
      assertEquals(decodePacket(frame(first, [1, 2], codes[1]), 5), failed);
      assertEquals(decodePacket(frame(first, [1, 2], codes[1], NONE), 5), failed);
    });

    test("encode writes the shortest form", () => {
      assertEquals(encodePacket(plain, 5), frame(first, [1, 2]));
      assertEquals(encodePacket(failed, 5), frame(first, [1, 2], codes[1]));
      const told = { ...plain, properties: { reasonString: "r" } };
      assertEquals(encodePacket(told, 5), frame(first, [1, 2], 0, properties(0x1f, utf8("r"))));
    });

    test(title, () => {
      for (let code = 0; code < 256; code++) {
        const bytes = frame(first, [1, 2], code, NONE);
        const packet = { ...plain, reasonCode: code };
        if ((codes as readonly number[]).includes(code)) {
          assertEquals(decodePacket(bytes, 5), packet);
          assertEquals(decodePacket(encodePacket(packet, 5), 5), packet);
        } else {
          assertRefused(() => decodePacket(bytes, 5), rule, 0x82);
          assertThrows(() => encodePacket(packet, 5), UsageError, rule);
        }
      }
    });

    test("below level 5 there is only the Packet Identifier", () => {
      assertEquals(decodePacket(frame(first, [1, 2]), 4), plain);
      assertEquals(encodePacket({ ...failed, properties: { reasonString: "r" } }, 4), frame(first, [1, 2]));
      assertRefused(() => decodePacket(frame(first, [1, 2], 0), 4), "2.1.4/trailing", 0x81);
    });

    test("[2.2.1/zero] decode and encode refuse Packet Identifier 0", () => {
      assertRefused(() => decodePacket(frame(first, [0, 0]), 5), "2.2.1/zero", 0x82);
      assertThrows(() => encodePacket({ ...plain, packetId: 0 }, 5), UsageError, "2.2.1/zero");
    });

    test("[2.1.4/short] decode refuses half a Packet Identifier", () => {
      assertRefused(() => decodePacket(frame(first, 1), 5), "2.1.4/short", 0x81);
      assertRefused(() => decodePacket(frame(first), 4), "2.1.4/short", 0x81);
    });

    test("[2.1.4/trailing] decode refuses bytes behind the properties", () => {
      assertRefused(() => decodePacket(frame(first, [1, 2], 0, NONE, 0), 5), "2.1.4/trailing", 0x81);
    });
  });
}

describe("PUBREL flags", () => {
  test("[MQTT-3.6.1-1] decode refuses flags other than 0010", () => {
    for (let flags = 0; flags < 16; flags++) {
      if (flags === 2) continue;
      assertRefused(() => decodePacket(frame(0x60 | flags, [0, 1]), 5), "MQTT-3.6.1-1", 0x81);
      assertRefused(() => decodePacket(frame(0x60 | flags, [0, 1]), 4), "MQTT-3.6.1-1", 0x81);
    }
  });

  test("at level 3 DUP may be set on a repeated PUBREL", () => {
    assertEquals(decodePacket(frame(0x6a, [0, 1]), 3), {
      type: PacketType.PUBREL,
      packetId: 1,
      reasonCode: 0,
    });
  });
});
