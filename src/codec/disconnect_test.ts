/** §3.14 DISCONNECT: what is refused, by which rule, and where the fields stand. @module */
import { assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { decodePacket } from "./decode.ts";
import { encodePacket } from "./encode.ts";
import { UsageError } from "./error.ts";
import type { Disconnect } from "./packet.ts";
import { PacketType } from "./packet_type.ts";
import { isReasonAllowed } from "./reason_code.ts";
import { frame, properties, utf8 } from "../testing/frame.ts";
import { assertRefused } from "../testing/refused.ts";

const NONE = properties();

function disconnect(reasonCode = 0): Disconnect {
  return { type: PacketType.DISCONNECT, reasonCode };
}

describe("DISCONNECT", () => {
  test("Reason Code and properties may be left out", () => {
    assertEquals(decodePacket(frame(0xe0), 5), disconnect());
    assertEquals(decodePacket(frame(0xe0, 0), 5), disconnect());
    assertEquals(decodePacket(frame(0xe0, 0, NONE), 5), disconnect());
    assertEquals(decodePacket(frame(0xe0, 4), 5), disconnect(4));
    assertEquals(decodePacket(frame(0xe0, 0x8b, NONE), 5), disconnect(0x8b));
  });

  test("encode writes the shortest form", () => {
    assertEquals(encodePacket(disconnect(), 5), frame(0xe0));
    assertEquals(encodePacket(disconnect(4), 5), frame(0xe0, 4));
    const packet: Disconnect = {
      ...disconnect(),
      properties: { reasonString: "bye", sessionExpiryInterval: 1 },
    };
    const bytes = frame(0xe0, 0, properties(0x1f, utf8("bye"), 0x11, [0, 0, 0, 1]));
    assertEquals(encodePacket(packet, 5), bytes);
    assertEquals(decodePacket(bytes, 5), packet);
  });

  test("[MQTT-3.14.2-1] decode and encode take the Reason Codes of DISCONNECT and no other", () => {
    for (let code = 0; code < 256; code++) {
      const bytes = frame(0xe0, code, NONE);
      if (isReasonAllowed(PacketType.DISCONNECT, code)) {
        assertEquals(decodePacket(bytes, 5), disconnect(code));
        assertEquals(decodePacket(encodePacket(disconnect(code), 5), 5), disconnect(code));
      } else {
        assertRefused(() => decodePacket(bytes, 5), "MQTT-3.14.2-1", 0x82);
        assertThrows(() => encodePacket(disconnect(code), 5), UsageError, "MQTT-3.14.2-1");
      }
    }
  });

  test("below level 5 there is nothing behind the fixed header", () => {
    assertEquals(decodePacket(frame(0xe0), 4), disconnect());
    assertEquals(encodePacket({ ...disconnect(0x8b), properties: { reasonString: "r" } }, 4), frame(0xe0));
    assertRefused(() => decodePacket(frame(0xe0, 0), 4), "2.1.4/trailing", 0x81);
  });

  test("[MQTT-3.14.1-1] decode refuses flags", () => {
    for (let flags = 1; flags < 16; flags++) {
      assertRefused(() => decodePacket(frame(0xe0 | flags), 5), "MQTT-3.14.1-1", 0x81);
      assertRefused(() => decodePacket(frame(0xe0 | flags), 4), "MQTT-3.14.1-1", 0x81);
    }
  });

  test("[2.1.4/trailing] decode refuses bytes behind the properties", () => {
    assertRefused(() => decodePacket(frame(0xe0, 0, NONE, 0), 5), "2.1.4/trailing", 0x81);
  });
});
