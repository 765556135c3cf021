/** §3.15 AUTH: what is refused, by which rule, and where the fields stand. @module */
import { assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { decodePacket } from "./decode.ts";
import { encodePacket } from "./encode.ts";
import { UsageError } from "./error.ts";
import type { Auth } from "./packet.ts";
import { PacketType } from "./packet_type.ts";
import { binary, frame, properties, utf8 } from "../testing/frame.ts";
import { assertRefused } from "../testing/refused.ts";

const METHOD = [0x15, ...utf8("m")];

function auth(reasonCode: number): Auth {
  return { type: PacketType.AUTH, reasonCode, properties: { authenticationMethod: "m" } };
}

describe("AUTH", () => {
  test("decode and encode agree with the standard's layout", () => {
    const data = Uint8Array.of(0, 1);
    const bytes = frame(0xf0, 0x18, properties(METHOD, 0x16, binary(data)));
    const packet: Auth = {
      ...auth(0x18),
      properties: { authenticationMethod: "m", authenticationData: data },
    };
    assertEquals(decodePacket(bytes, 5), packet);
    assertEquals(encodePacket(packet, 5), bytes);
  });

  test("an empty AUTH is Success", () => {
    assertEquals(decodePacket(frame(0xf0), 5), { type: PacketType.AUTH, reasonCode: 0 });
    assertEquals(encodePacket({ type: PacketType.AUTH, reasonCode: 0 }, 5), frame(0xf0));
  });

  test("[MQTT-3.15.1-1] decode refuses flags", () => {
    for (let flags = 1; flags < 16; flags++) {
      assertRefused(() => decodePacket(frame(0xf0 | flags), 5), "MQTT-3.15.1-1", 0x81);
    }
  });

  test("[MQTT-3.15.2-1] decode and encode take 0x00, 0x18, 0x19 and no other code", () => {
    for (let code = 0; code < 256; code++) {
      const bytes = frame(0xf0, code, properties(METHOD));
      if ([0x00, 0x18, 0x19].includes(code)) {
        assertEquals(decodePacket(bytes, 5), auth(code));
        assertEquals(encodePacket(auth(code), 5), bytes);
      } else {
        assertRefused(() => decodePacket(bytes, 5), "MQTT-3.15.2-1", 0x82);
        assertThrows(() => encodePacket(auth(code), 5), UsageError, "MQTT-3.15.2-1");
      }
    }
  });

  test("[3.15.2.2.2/no-method] decode and encode refuse an AUTH without Authentication Method", () => {
    assertRefused(() => decodePacket(frame(0xf0, 0x18, properties()), 5), "3.15.2.2.2/no-method", 0x82);
    assertRefused(
      () => decodePacket(frame(0xf0, 0x18, properties(0x16, binary([1]))), 5),
      "3.15.2.2.2/no-method",
      0x82,
    );
    assertThrows(() => encodePacket({ type: PacketType.AUTH, reasonCode: 0x18 }, 5), UsageError, "no-method");
  });

  test("[2.1.4/short] decode refuses an AUTH with nothing but a Reason Code", () => {
    assertRefused(() => decodePacket(frame(0xf0, 0x18), 5), "2.1.4/short", 0x81);
  });

  test("[2.1.2/reserved-type] before MQTT 5.0 there is no AUTH", () => {
    for (const level of [3, 4] as const) {
      assertRefused(() => decodePacket(frame(0xf0), level), "2.1.2/reserved-type", 0x81);
      assertThrows(() => encodePacket(auth(0x18), level), UsageError, "2.1.2/reserved-type");
    }
  });
});
