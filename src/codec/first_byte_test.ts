/** §2.1.3 the first byte of a packet alone: refused as the decoder would refuse the whole packet. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { decodePacket } from "./decode.ts";
import { PeerError } from "./error.ts";
import { checkFirstByte } from "./first_byte.ts";

/** The rule that a call breaks. */
function ruleOf(fn: () => unknown): string | undefined {
  try {
    fn();
  } catch (error) {
    if (error instanceof PeerError) return error.rule;
    throw error;
  }
  return undefined;
}

describe("checkFirstByte()", () => {
  for (const level of [3, 4, 5] as const) {
    test(`[MQTT-2.1.3-1] [2.1.2/reserved-type] finds what the decoders find, level ${level}`, () => {
      for (let first = 0; first < 256; first++) {
        const whole = ruleOf(() => decodePacket(Uint8Array.of(first, 0), level));
        const isOfBody = whole !== undefined && /^2\.1\.4|short|MQTT-3\.(8|10)\.3/.test(whole);
        const alone = ruleOf(() => checkFirstByte(first, level));
        assertEquals(alone, isOfBody ? undefined : whole, `first byte 0x${first.toString(16)}`);
      }
    });
  }
});
