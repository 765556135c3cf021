/** §3.2 CONNACK: what is refused, by which rule, and where the fields stand. @module */
import { assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { decodePacket } from "./decode.ts";
import { encodePacket } from "./encode.ts";
import { UsageError } from "./error.ts";
import type { Connack } from "./packet.ts";
import { PacketType } from "./packet_type.ts";
import { isReasonAllowed } from "./reason_code.ts";
import { frame, properties } from "../testing/frame.ts";
import { assertRefused } from "../testing/refused.ts";

function connack(reasonCode: number, sessionPresent = false): Connack {
  return { type: PacketType.CONNACK, sessionPresent, reasonCode };
}

describe("CONNACK", () => {
  test("decode and encode agree with the standard's layout", () => {
    assertEquals(decodePacket(frame(0x20, 1, 0, properties()), 5), connack(0, true));
    assertEquals(encodePacket(connack(0, true), 5), frame(0x20, 1, 0, properties()));
    assertEquals(decodePacket(frame(0x20, 0, 5), 4), connack(5));
    assertEquals(encodePacket(connack(5), 4), frame(0x20, 0, 5));
  });

  test("[MQTT-3.2.2-1] decode refuses reserved bits of the Connect Acknowledge Flags", () => {
    for (let flags = 2; flags < 256; flags++) {
      assertRefused(() => decodePacket(frame(0x20, flags, 0, properties()), 5), "MQTT-3.2.2-1", 0x81);
      assertRefused(() => decodePacket(frame(0x20, flags, 0), 4), "MQTT-3.2.2-1", 0x81);
    }
  });

  test("at level 3 there is no Session Present", () => {
    assertEquals(decodePacket(frame(0x20, 0xff, 0), 3), connack(0));
    assertEquals(encodePacket(connack(0, true), 3), frame(0x20, 0, 0));
  });

  test("[MQTT-3.2.2-8] decode and encode take the Reason Codes of CONNACK and no other", () => {
    for (let code = 0; code < 256; code++) {
      const bytes = frame(0x20, 0, code, properties());
      if (isReasonAllowed(PacketType.CONNACK, code)) {
        assertEquals(decodePacket(bytes, 5), connack(code));
        assertEquals(encodePacket(connack(code), 5), bytes);
      } else {
        assertRefused(() => decodePacket(bytes, 5), "MQTT-3.2.2-8", 0x82);
        assertThrows(() => encodePacket(connack(code), 5), UsageError, "MQTT-3.2.2-8");
      }
    }
  });

  test("[2.4/reason-code] below level 5 there are return codes 0 to 5", () => {
    for (let code = 0; code < 256; code++) {
      const bytes = frame(0x20, 0, code);
      if (code <= 5) {
        assertEquals(decodePacket(bytes, 4), connack(code));
        assertEquals(encodePacket(connack(code), 4), bytes);
      } else {
        assertRefused(() => decodePacket(bytes, 4), "2.4/reason-code", 0x82);
        assertThrows(() => encodePacket(connack(code), 4), UsageError, "2.4/reason-code");
      }
    }
  });

  test("[MQTT-2.2.2-1] encode writes a Property Length of 0 where there is no property", () => {
    assertEquals([...encodePacket(connack(0), 5)], [0x20, 3, 0, 0, 0]);
    assertEquals([...encodePacket({ ...connack(0), properties: {} }, 5)], [0x20, 3, 0, 0, 0]);
  });

  test("[2.1.4/short] decode refuses a CONNACK without Property Length", () => {
    assertRefused(() => decodePacket(frame(0x20, 0, 0), 5), "2.1.4/short", 0x81);
    assertRefused(() => decodePacket(frame(0x20, 0), 4), "2.1.4/short", 0x81);
  });

  test("[2.1.4/trailing] decode refuses bytes behind the last field", () => {
    assertRefused(() => decodePacket(frame(0x20, 0, 0, properties(), 0), 5), "2.1.4/trailing", 0x81);
    assertRefused(() => decodePacket(frame(0x20, 0, 0, 0), 4), "2.1.4/trailing", 0x81);
  });

  test("below level 5 encode leaves the properties out", () => {
    assertEquals(encodePacket({ ...connack(0), properties: { reasonString: "no" } }, 4), frame(0x20, 0, 0));
  });
});
