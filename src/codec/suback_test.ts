/** §3.9 SUBACK: what is refused, by which rule, and where the fields stand. @module */
import { assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { decodePacket } from "./decode.ts";
import { encodePacket } from "./encode.ts";
import { UsageError } from "./error.ts";
import type { Suback } from "./packet.ts";
import { PacketType } from "./packet_type.ts";
import { frame, properties } from "../testing/frame.ts";
import { assertRefused } from "../testing/refused.ts";

const NONE = properties();
/** Table 3-8. */
const CODES = [0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2];

function suback(...reasonCodes: number[]): Suback {
  return { type: PacketType.SUBACK, packetId: 1, reasonCodes };
}

describe("SUBACK", () => {
  test("decode and encode agree with the standard's layout", () => {
    const packet = suback(2, 0x80, 0);
    assertEquals(decodePacket(frame(0x90, [0, 1], NONE, 2, 0x80, 0), 5), packet);
    assertEquals(encodePacket(packet, 5), frame(0x90, [0, 1], NONE, 2, 0x80, 0));
    assertEquals(decodePacket(frame(0x90, [0, 1], 2, 0x80, 0), 4), packet);
    assertEquals(encodePacket(packet, 4), frame(0x90, [0, 1], 2, 0x80, 0));
  });

  test("[MQTT-3.9.3-2] decode and encode take the Reason Codes of SUBACK and no other", () => {
    for (let code = 0; code < 256; code++) {
      const bytes = frame(0x90, [0, 1], NONE, 0, code);
      if (CODES.includes(code)) {
        assertEquals(decodePacket(bytes, 5), suback(0, code));
        assertEquals(encodePacket(suback(0, code), 5), bytes);
      } else {
        assertRefused(() => decodePacket(bytes, 5), "MQTT-3.9.3-2", 0x82);
        assertThrows(() => encodePacket(suback(0, code), 5), UsageError, "MQTT-3.9.3-2");
      }
    }
  });

  test("[MQTT311-3.9.3-2] below level 5 decode takes return codes 0, 1, 2 and 0x80", () => {
    for (let code = 0; code < 256; code++) {
      const bytes = frame(0x90, [0, 1], code);
      if ([0, 1, 2, 0x80].includes(code)) assertEquals(decodePacket(bytes, 4), suback(code));
      else assertRefused(() => decodePacket(bytes, 4), "MQTT311-3.9.3-2", 0x82);
    }
  });

  test("[MQTT311-3.9.3-2] below level 5 encode writes 0x80 for every failure", () => {
    for (const code of CODES) {
      assertEquals(encodePacket(suback(code), 4), frame(0x90, [0, 1], code > 2 ? 0x80 : code));
    }
    assertThrows(() => encodePacket(suback(3), 4), UsageError, "MQTT-3.9.3-2");
  });

  test("[2.2.1/zero] decode and encode refuse Packet Identifier 0", () => {
    assertRefused(() => decodePacket(frame(0x90, [0, 0], NONE, 0), 5), "2.2.1/zero", 0x82);
    assertThrows(() => encodePacket({ ...suback(0), packetId: 0 }, 5), UsageError, "2.2.1/zero");
  });

  test("[2.1.4/short] decode refuses a SUBACK cut off", () => {
    assertRefused(() => decodePacket(frame(0x90, 0), 5), "2.1.4/short", 0x81);
    assertRefused(() => decodePacket(frame(0x90, [0, 1]), 5), "2.1.4/short", 0x81);
  });

  test("no Reason Code at all is taken: only the SUBSCRIBE tells how many there must be", () => {
    assertEquals(decodePacket(frame(0x90, [0, 1], NONE), 5), suback());
    assertEquals(encodePacket(suback(), 5), frame(0x90, [0, 1], NONE));
  });
});
