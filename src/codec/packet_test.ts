/**
 * §2 and §3 what holds for every packet: the round trips, and that bytes from outside can do nothing worse than be refused.
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { decode, decodePacket } from "./decode.ts";
import { encode, encodePacket } from "./encode.ts";
import { PeerError, UsageError } from "./error.ts";
import type { Packet, ProtocolLevel } from "./packet.ts";
import { PacketType } from "./packet_type.ts";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";
import { level, levelAndPacket } from "../testing/arbitrary.ts";
import { frame, varint } from "../testing/frame.ts";
import { assertRefused } from "../testing/refused.ts";

/** Decodes `bytes` in the middle of a frame full of `filler`, as part of one that is longer. */
function decodeWithin(bytes: Uint8Array, level: ProtocolLevel, filler: number): Packet {
  const around = new Uint8Array(bytes.length + 64).fill(filler);
  around.set(bytes, 32);
  let body = 33;
  while (around[body]! > 0x7f) body++;
  return decode(new Reader().aim(around, body + 1, 32 + bytes.length), bytes[0]!, level);
}

/** What decoding gives: the packet, or the rule that is broken. Any other error is a fault of ours. */
function outcome(decoding: () => Packet): unknown {
  try {
    return decoding();
  } catch (error) {
    assert(error instanceof PeerError, `Not a PeerError: ${error}`);
    assert(error.code >= 0x80, `Not an error code: ${error.code}`);
    return `${error.kind} ${error.code} ${error.rule}`;
  }
}

/** Frames that look like packets: some bytes of a real one changed, left out or added, the length made right again. */
const broken = fc.tuple(levelAndPacket, fc.nat(), fc.nat(), fc.nat(), fc.uint8Array({ maxLength: 3 })).map(
  ([[level, packet], at, count, flip, insert]) => {
    const bytes = encodePacket(packet, level);
    const body = bytes.subarray(bytes.findIndex((byte, i) => i > 0 && byte < 0x80) + 1);
    const from = at % (body.length + 1);
    const first = flip % 7 === 0 ? bytes[0]! ^ (1 << flip % 8) : bytes[0]!;
    return [level, frame(first, body.slice(0, from), insert, body.slice(from + count % 3))] as const;
  },
);

/** Frames of any bytes, not too long to hit the rules. */
const anything = fc.tuple(level, fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 40 })).map(
  ([level, first, body]) => [level, frame(first, body)] as const,
);

describe("any packet", () => {
  test("decode(encode(packet)) is the packet", () => {
    fc.assert(
      fc.property(levelAndPacket, ([level, packet]) => {
        assertEquals(decodePacket(encodePacket(packet, level), level), packet);
      }),
      { numRuns: 3000 },
    );
  });

  test("encode(decode(bytes)) is the bytes, where they are as encode() writes them", () => {
    fc.assert(
      fc.property(levelAndPacket, ([level, packet]) => {
        const bytes = encodePacket(packet, level);
        assertEquals(encodePacket(decodePacket(bytes, level), level), bytes);
      }),
      { numRuns: 1500 },
    );
  });

  test("a Writer holds packets one behind the other, as each would be alone", () => {
    fc.assert(
      fc.property(fc.array(levelAndPacket, { maxLength: 6 }), (packets) => {
        const writer = new Writer(8);
        for (const [level, packet] of packets) encode(writer, packet, level);
        const each = packets.flatMap(([level, packet]) => [...encodePacket(packet, level)]);
        assertEquals([...writer.bytes()], each);
        assertEquals(writer.length, each.length);
      }),
      { numRuns: 300 },
    );
  });

  test("a packet that cannot be written leaves no byte behind", () => {
    const writer = new Writer();
    encode(writer, { type: PacketType.PINGREQ }, 5);
    assertThrows(
      () => encode(writer, { type: PacketType.UNSUBSCRIBE, packetId: 1, filters: ["ok", "\ud800"] }, 5),
      UsageError,
    );
    assertEquals([...writer.bytes()], [0xc0, 0x00]);
    encode(writer, { type: PacketType.PINGRESP }, 5);
    assertEquals([...writer.bytes()], [0xc0, 0x00, 0xd0, 0x00]);
  });

  test("bytes that are nearly a packet give a packet or a PeerError, whatever stands around them", () => {
    fc.assert(
      fc.property(broken, ([level, bytes]) => {
        const alone = outcome(() => decodePacket(bytes, level));
        assertEquals(outcome(() => decodeWithin(bytes, level, 0x00)), alone);
        assertEquals(outcome(() => decodeWithin(bytes, level, 0xff)), alone);
      }),
      { numRuns: 4000 },
    );
  });

  test("any bytes at all give a packet or a PeerError, whatever stands around them", () => {
    fc.assert(
      fc.property(anything, ([level, bytes]) => {
        const alone = outcome(() => decodePacket(bytes, level));
        assertEquals(outcome(() => decodeWithin(bytes, level, 0x00)), alone);
        assertEquals(outcome(() => decodeWithin(bytes, level, 0xff)), alone);
      }),
      { numRuns: 4000 },
    );
  });

  test("decoding reads no index outside of [start, end)", () => {
    fc.assert(
      fc.property(fc.oneof(broken, anything), ([level, bytes]) => {
        const frame = bytes.slice();
        const reads: number[] = [];
        const watched = new Proxy(frame, {
          get(target, key): unknown {
            if (typeof key === "string" && /^\d+$/.test(key)) reads.push(Number(key));
            const value = Reflect.get(target, key, target);
            return typeof value === "function" ? value.bind(target) : value;
          },
        });
        const body = bytes.findIndex((byte, i) => i > 0 && byte < 0x80) + 1;
        const end = bytes.length - bytes.length % 2; // sometimes a byte is there that is not the packet's
        if (body > end) return;
        outcome(() => decode(new Reader().aim(watched, body, end), bytes[0]!, level));
        assert(
          reads.every((index) => index >= body && index < end),
          `Read ${reads} outside of ${body}..${end}`,
        );
      }),
      { numRuns: 1000 },
    );
  });

  test("what is decoded from any bytes can be encoded and decoded again to the same", () => {
    fc.assert(
      fc.property(broken, ([level, bytes]) => {
        const packet = outcome(() => decodePacket(bytes, level));
        if (typeof packet === "string" || isEmptyIdKept(packet as Packet)) return;
        assertEquals(decodePacket(encodePacket(packet as Packet, level), level), packet);
      }),
      { numRuns: 2000 },
    );
  });
});

/** A Server answers such a CONNECT with a return code, so it is decoded; no Client may write it. */
function isEmptyIdKept(packet: Packet): boolean {
  return packet.type === PacketType.CONNECT && packet.level < 5 && packet.clientId === "";
}

describe("fixed header", () => {
  test("[2.1.2/reserved-type] decode refuses packet type 0", () => {
    assertRefused(() => decodePacket(frame(0x00), 5), "2.1.2/reserved-type", 0x81);
  });

  test("[2.1.4/short] decode refuses a packet that is not complete", () => {
    assertRefused(() => decodePacket(new Uint8Array(0), 5), "2.1.4/short", 0x81);
    assertRefused(() => decodePacket(Uint8Array.of(0xc0), 5), "2.1.4/short", 0x81);
    assertRefused(() => decodePacket(Uint8Array.of(0x40, 0x02, 0x00), 5), "2.1.4/short", 0x81);
    assertRefused(
      () => decodePacket(Uint8Array.of(0x30, 0x05, 0x00, 0x01, 0x61, 0x00), 5),
      "2.1.4/short",
      0x81,
    );
  });

  test("[2.1.4/trailing] decode refuses bytes behind the packet", () => {
    assertRefused(() => decodePacket(Uint8Array.of(0xc0, 0x00, 0x00), 5), "2.1.4/trailing", 0x81);
    const publish = Uint8Array.of(0x30, 0x04, 0x00, 0x01, 0x61, 0x00, 0x07);
    assertRefused(() => decodePacket(publish, 5), "2.1.4/trailing", 0x81);
  });

  test("[MQTT-1.5.5-1] decode refuses a Remaining Length in more bytes than needed", () => {
    assertRefused(() => decodePacket(Uint8Array.of(0xc0, 0x80, 0x00), 5), "MQTT-1.5.5-1", 0x81);
  });

  test("[1.5.5/fifth-byte] decode refuses a Remaining Length of five bytes", () => {
    const bytes = Uint8Array.of(0xc0, 0x80, 0x80, 0x80, 0x80, 0x01);
    assertRefused(() => decodePacket(bytes, 5), "1.5.5/fifth-byte", 0x81);
  });

  test("[MQTT-1.5.5-1] encode writes the Remaining Length in the shortest form", () => {
    for (const length of [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152]) {
      const payload = new Uint8Array(Math.max(0, length - 3));
      if (length < 3) continue;
      const bytes = encodePacket(
        { type: PacketType.PUBLISH, dup: false, qos: 0, retain: false, topic: "t", payload },
        4,
      );
      assertEquals([...bytes.subarray(1, 1 + varint(length).length)], varint(length));
      assertEquals(bytes.length, 1 + varint(length).length + length);
    }
  });

  test("[MQTT-2.1.3-1] decode refuses each reserved flag of each packet type but PUBLISH", () => {
    const rules = {
      [PacketType.PUBREL]: "MQTT-3.6.1-1",
      [PacketType.SUBSCRIBE]: "MQTT-3.8.1-1",
      [PacketType.UNSUBSCRIBE]: "MQTT-3.10.1-1",
      [PacketType.DISCONNECT]: "MQTT-3.14.1-1",
      [PacketType.AUTH]: "MQTT-3.15.1-1",
    } as const;
    for (const type of Object.values(PacketType)) {
      if (type === PacketType.PUBLISH) continue;
      const required = [6, 8, 10].includes(type) ? 2 : 0;
      for (let flags = 0; flags < 16; flags++) {
        if (flags === required) continue;
        const rule = type in rules ? rules[type as keyof typeof rules] : "MQTT-2.1.3-1";
        assertRefused(() => decodePacket(frame(type << 4 | flags), 5), rule, 0x81);
        if (type !== PacketType.AUTH) {
          assertRefused(() => decodePacket(frame(type << 4 | flags), 4), rule, 0x81);
        }
      }
    }
  });

  test("[MQTT-2.1.3-1] encode writes the required flags", () => {
    fc.assert(
      fc.property(levelAndPacket, ([level, packet]) => {
        const flags = encodePacket(packet, level)[0]! & 0x0f;
        if (packet.type !== PacketType.PUBLISH) assertEquals(flags, [6, 8, 10].includes(packet.type) ? 2 : 0);
      }),
      { numRuns: 300 },
    );
  });
});
