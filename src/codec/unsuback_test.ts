/** §3.11 UNSUBACK: what is refused, by which rule, and where the fields stand. @module */
import { assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { decodePacket } from "./decode.ts";
import { encodePacket } from "./encode.ts";
import { UsageError } from "./error.ts";
import type { Unsuback } from "./packet.ts";
import { PacketType } from "./packet_type.ts";
import { frame, properties } from "../testing/frame.ts";
import { assertRefused } from "../testing/refused.ts";

const NONE = properties();
/** Table 3-9. */
const CODES = [0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91];

function unsuback(...reasonCodes: number[]): Unsuback {
  return { type: PacketType.UNSUBACK, packetId: 1, reasonCodes };
}

describe("UNSUBACK", () => {
  test("decode and encode agree with the standard's layout", () => {
    assertEquals(decodePacket(frame(0xb0, [0, 1], NONE, 0, 0x11), 5), unsuback(0, 0x11));
    assertEquals(encodePacket(unsuback(0, 0x11), 5), frame(0xb0, [0, 1], NONE, 0, 0x11));
  });

  test("below level 5 there is only the Packet Identifier", () => {
    assertEquals(decodePacket(frame(0xb0, [0, 1]), 4), unsuback());
    assertEquals(encodePacket(unsuback(0x11), 4), frame(0xb0, [0, 1]));
    assertRefused(() => decodePacket(frame(0xb0, [0, 1], 0), 4), "2.1.4/trailing", 0x81);
  });

  test("[MQTT-3.11.3-2] decode and encode take the Reason Codes of UNSUBACK and no other", () => {
    for (let code = 0; code < 256; code++) {
      const bytes = frame(0xb0, [0, 1], NONE, 0, code);
      if (CODES.includes(code)) {
        assertEquals(decodePacket(bytes, 5), unsuback(0, code));
        assertEquals(encodePacket(unsuback(0, code), 5), bytes);
      } else {
        assertRefused(() => decodePacket(bytes, 5), "MQTT-3.11.3-2", 0x82);
        assertThrows(() => encodePacket(unsuback(0, code), 5), UsageError, "MQTT-3.11.3-2");
      }
    }
  });

  test("[2.2.1/zero] decode and encode refuse Packet Identifier 0", () => {
    assertRefused(() => decodePacket(frame(0xb0, [0, 0], NONE, 0), 5), "2.2.1/zero", 0x82);
    assertThrows(() => encodePacket({ ...unsuback(0), packetId: 0 }, 5), UsageError, "2.2.1/zero");
  });

  test("no Reason Code at all is taken: only the UNSUBSCRIBE tells how many there must be", () => {
    assertEquals(decodePacket(frame(0xb0, [0, 1], NONE), 5), unsuback());
    assertEquals(encodePacket(unsuback(), 5), frame(0xb0, [0, 1], NONE));
  });
});
