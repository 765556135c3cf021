/** Frames with one known fault become the frames that they ought to have been; all others stay what they are. @module */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { levelAndPacket } from "../testing/arbitrary.ts";
import { bytesOf, frame, properties, utf8 } from "../testing/frame.ts";
import { patient } from "../testing/patience.ts";
import { decodePacket } from "./decode.ts";
import { encodePacket } from "./encode.ts";
import { PeerError } from "./error.ts";
import { mend, type MendedFrame, mendFirst, type ToleranceName, TOLERANCES } from "./mend.ts";
import type { Connect, Packet, ProtocolLevel } from "./packet.ts";
import { PacketType } from "./packet_type.ts";

const ALL: ReadonlySet<ToleranceName> = new Set(Object.keys(TOLERANCES) as ToleranceName[]);

/** The frame between bytes of others, which must not be looked at. */
function mended(
  sent: Uint8Array,
  level: ProtocolLevel,
  tolerated: ReadonlySet<ToleranceName> = ALL,
): MendedFrame | undefined {
  const at = 3;
  let body = at + 1;
  while (sent[body++ - at]! > 127);
  const bytes = bytesOf(0, 0, 0, sent, 0, 0, 0);
  const before = bytes.slice();
  const found = mend(tolerated, level, bytes, at, body, at + sent.length);
  assertEquals(bytes, before, "what came is not changed");
  return found;
}

/** What such a frame becomes, and which name tolerates it; with all names but that one it stays as it is. */
function packetOf(sent: Uint8Array, level: ProtocolLevel, name: ToleranceName): Packet {
  const others = new Set([...ALL].filter((one) => one !== name));
  assertEquals(mended(sent, level, others), undefined);
  const found = mended(sent, level);
  assertEquals(found?.by, [name]);
  return decodePacket(found!.bytes, level);
}

/** A frame with other bytes in its place. */
function frameOf(first: number, ...body: (number | string)[]): Uint8Array {
  const bytes = body.flatMap((part) =>
    typeof part === "string" ? [...new TextEncoder().encode(part)] : [part]
  );
  return Uint8Array.of(first, bytes.length, ...bytes);
}

const CONNECT: Connect = {
  type: PacketType.CONNECT,
  level: 4,
  cleanStart: true,
  keepAlive: 60,
  clientId: "c",
};

describe("mend()", () => {
  test("leaves every packet of the standard as it is", patient, () => {
    fc.assert(fc.property(levelAndPacket, ([level, packet]) => {
      assertEquals(mended(encodePacket(packet, level), level), undefined);
    }));
  });

  test("never throws, and makes a whole frame of whatever bytes, with a right length", patient, () => {
    const first = fc.constantFrom(0x10, 0x31, 0x32, 0x38, 0x3a, 0x50, 0x62, 0x82, 0x8a, 0xa2, 0xc5, 0xe0);
    const body = fc.uint8Array({ maxLength: 60 });
    fc.assert(
      fc.property(first, body, fc.constantFrom<ProtocolLevel>(3, 4, 5), (first, body, level) => {
        const found = mended(Uint8Array.of(first, body.length, ...body), level);
        if (found === undefined) return;
        assertEquals(found.bytes.length - found.body, found.bytes[1]);
        assert(found.by.length > 0);
      }),
      { numRuns: 5_000 },
    );
  });

  test("leaves what the decoder takes as it is, after a change of any byte", patient, () => {
    const changed = fc.tuple(levelAndPacket, fc.nat(), fc.nat(255));
    fc.assert(
      fc.property(changed, ([[level, packet], where, value]) => {
        const sent = encodePacket(packet, level);
        sent[where % sent.length] = value;
        let isRight = true;
        try {
          decodePacket(sent, level);
        } catch (error) {
          assert(error instanceof PeerError);
          isRight = false;
        }
        if (isRight) assertEquals(mended(sent, level), undefined);
      }),
      { numRuns: 2_000 },
    );
  });

  test("dup-at-qos-0: DUP is taken away", () => {
    const packet = packetOf(frameOf(0x39, 0, 1, "t", "payload"), 4, "dup-at-qos-0");
    assert(packet.type === PacketType.PUBLISH);
    assertEquals([packet.dup, packet.qos, packet.retain, packet.topic], [false, 0, true, "t"]);
    assertEquals(mended(frameOf(0x3a, 0, 1, "t", 0, 1), 4), undefined, "at QoS 1 it means something");
  });

  test("reserved-flags: the flags of the packet type take their place, but for CONNECT and DISCONNECT", () => {
    assertEquals(packetOf(frameOf(0xc3), 4, "reserved-flags").type, PacketType.PINGREQ);
    assertEquals(packetOf(frameOf(0x80, 0, 1, 0, 1, "t", 0), 4, "reserved-flags").type, 8);
    assertEquals(packetOf(frameOf(0x60, 0, 1), 5, "reserved-flags").type, PacketType.PUBREL);
    assertEquals(packetOf(frameOf(0x42, 0, 1), 4, "reserved-flags").type, PacketType.PUBACK);
    assertEquals(mended(frameOf(0x16, 3, 1), 4), undefined, "TLS begins so");
    assertEquals(mended(frameOf(0xe1), 4), undefined, "its Will would be forgotten");
    assertEquals(mendFirst(ALL, 3, 0x8a), 0x8a, "MQTT 3.1 has a DUP flag there");
    assertEquals(mendFirst(ALL, 4, 0x8a), 0x82);
  });

  test("packet-identifier-0: another identifier takes its place, but not at QoS 2", () => {
    for (const first of [0x32, 0x3a]) {
      const packet = packetOf(frameOf(first, 0, 1, "t", 0, 0, "x"), 4, "packet-identifier-0");
      assertEquals(packet.type === PacketType.PUBLISH && packet.packetId, 0xffff);
    }
    const subscribe = packetOf(frameOf(0x82, 0, 0, 0, 1, "t", 1), 4, "packet-identifier-0");
    assertEquals(subscribe.type === PacketType.SUBSCRIBE && subscribe.packetId, 0xffff);
    const unsubscribe = packetOf(frameOf(0xa2, 0, 0, 0, 0, 1, "t"), 5, "packet-identifier-0");
    assertEquals(unsubscribe.type === PacketType.UNSUBSCRIBE && unsubscribe.packetId, 0xffff);
    assertEquals(mended(frameOf(0x34, 0, 1, "t", 0, 0, "x"), 4), undefined);
    assertEquals(mended(frameOf(0x62, 0, 0), 4), undefined);
  });

  test("empty-response-topic: the property is taken out of PUBLISH and Will, and the others stay", () => {
    const publish = frameOf(0x30, 0, 1, "t", 11, 0x01, 1, 0x08, 0, 0, 0x26, 0, 0, 0, 1, "v", "x");
    const packet = packetOf(publish, 5, "empty-response-topic");
    assert(packet.type === PacketType.PUBLISH);
    assertEquals(packet.properties, { payloadFormatIndicator: 1, userProperties: [["", "v"]] });
    assertEquals(packet.payload, Uint8Array.of(0x78));
    const will = frameOf(0x10, 0, 4, "MQTT", 5, 6, 0, 0, 0, 0, 1, "c", 3, 8, 0, 0, 0, 1, "w", 0, 1, "p");
    const connect = packetOf(will, 5, "empty-response-topic");
    assert(connect.type === PacketType.CONNECT);
    assertEquals([connect.will?.topic, connect.will?.properties], ["w", undefined]);
    const two = frameOf(0x30, 0, 1, "t", 6, 8, 0, 0, 8, 0, 0);
    assertEquals(mended(two, 5)?.bytes, frameOf(0x30, 0, 1, "t", 3, 8, 0, 0), "a second one is wrong still");
    assertEquals(mended(frameOf(0x30, 0, 1, "t", 4, 8, 0, 1, "r"), 5), undefined);
    const behind = frameOf(0x30, 0, 1, "t", 7, 8, 0, 1, "r", 8, 0, 0);
    assertEquals(mended(behind, 5), undefined, "so is one behind another");
    assertEquals(mended(frameOf(0x30, 0, 1, "t", 3, 8, 0, 0), 4), undefined, "that is a payload");
  });

  test("empty-response-topic: lengths of two bytes may become shorter ones", () => {
    const kept = [0x03, ...utf8("v".repeat(123))];
    const wrong = frame(0x30, utf8("t"), properties([0x08, 0, 0], kept));
    const right = frame(0x30, utf8("t"), properties(kept));
    assertEquals([wrong.length - 4 - 2, right.length - 3 - 1], [kept.length + 3 + 2, kept.length + 3]);
    assertEquals(mended(wrong, 5)?.bytes, right);
  });

  test("empty-client-identifier: Clean Session becomes 1, at 3.1.1 alone", () => {
    const sent = frameOf(0x10, 0, 4, "MQTT", 4, 0, 0, 60, 0, 0);
    assertEquals(packetOf(sent, 4, "empty-client-identifier"), { ...CONNECT, clientId: "" });
    assertEquals(mended(frameOf(0x10, 0, 4, "MQTT", 5, 0, 0, 60, 0, 0, 0), 5), undefined);
    assertEquals(mended(frameOf(0x10, 0, 6, "MQIsdp", 3, 0, 0, 60, 0, 0), 3), undefined);
    assertEquals(mended(frameOf(0x10, 0, 4, "MQTT", 4, 0, 0, 60, 0, 1, "c"), 4), undefined);
  });

  test("trailing-nul: Client Identifier and User Name end before it; a password is what it is", () => {
    const head = [0, 4, "MQTT", 4, 0xc2, 0, 60] as const;
    const sent = frameOf(0x10, ...head, 0, 2, "c", 0, 0, 4, "an", 0, 0, 0, 2, "p", 0);
    const packet = packetOf(sent, 4, "trailing-nul");
    assertEquals(packet, { ...CONNECT, username: "an", password: Uint8Array.of(0x70, 0) });
    const inside = frameOf(0x10, ...head, 0, 3, "c", 0, "d", 0, 1, "a", 0, 0);
    assertEquals(mended(inside, 4), undefined);
  });

  test("trailing-nul and empty-client-identifier: an identifier of U+0000 alone is none", () => {
    const found = mended(frameOf(0x10, 0, 4, "MQTT", 4, 0, 0, 60, 0, 1, 0), 4);
    assertEquals(found?.by, ["empty-client-identifier", "trailing-nul"]);
    assertEquals(decodePacket(found!.bytes, 4), { ...CONNECT, clientId: "" });
  });

  test("bytes-behind-connect: they are dropped, at every level", () => {
    const sent = frameOf(0x10, 0, 4, "MQTT", 4, 2, 0, 60, 0, 1, "c", 0, 0);
    assertEquals(packetOf(sent, 4, "bytes-behind-connect"), CONNECT);
    const old = frameOf(0x10, 0, 6, "MQIsdp", 3, 2, 0, 60, 0, 1, "c", 0, 0);
    assertEquals(packetOf(old, 3, "bytes-behind-connect"), { ...CONNECT, level: 3 });
    const missing = frameOf(0x10, 0, 6, "MQIsdp", 3, 0xc2, 0, 60, 0, 1, "c");
    assertEquals(mended(missing, 3), undefined);
  });
});
