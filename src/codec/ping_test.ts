/** §3.12 PINGREQ and §3.13 PINGRESP: two bytes each, and what is refused. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { decodePacket } from "./decode.ts";
import { encodePacket } from "./encode.ts";
import { PacketType } from "./packet_type.ts";
import { frame } from "../testing/frame.ts";
import { assertRefused } from "../testing/refused.ts";

for (
  const [name, type, first] of [["PINGREQ", PacketType.PINGREQ, 0xc0], [
    "PINGRESP",
    PacketType.PINGRESP,
    0xd0,
  ]] as const
) {
  describe(name, () => {
    test("decode and encode agree with the standard's layout", () => {
      for (const level of [3, 4, 5] as const) {
        assertEquals([...encodePacket({ type }, level)], [first, 0]);
        assertEquals(decodePacket(frame(first), level), { type });
      }
    });

    test("[2.1.4/trailing] decode refuses a body", () => {
      assertRefused(() => decodePacket(frame(first, 0), 5), "2.1.4/trailing", 0x81);
    });

    test("[MQTT-2.1.3-1] decode refuses flags", () => {
      for (let flags = 1; flags < 16; flags++) {
        assertRefused(() => decodePacket(frame(first | flags), 4), "MQTT-2.1.3-1", 0x81);
      }
    });
  });
}
