/** §3.4.2.1, §3.5.2.1 0x97 for a message that no session had room for: alone, in a batch, by a group. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { encodePacket } from "../codec/encode.ts";
import type { ProtocolLevel } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { assertRule } from "../testing/assertions.ts";
import { bytesOf } from "../testing/frame.ts";
import { Pair, type StubClient } from "../testing/pair.ts";

const { PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;
const KEPT = { cleanStart: false, properties: { sessionExpiryInterval: 60 } } as const;

/** Sessions that are away, with room for two messages each, and a publisher. */
function scene(filters: readonly string[], level: ProtocolLevel = 5, batchMessagesMax = 1_024) {
  const pair = new Pair({ limits: { queuedMessagesMax: 2, batchMessagesMax } });
  for (const [i, filter] of filters.entries()) {
    const to = pair.connect({ clientId: `to${i}`, ...KEPT });
    to.subscribe(filter);
    to.lose();
  }
  return { pair, from: pair.connect({ clientId: "from", level }) };
}

/** Publishes so many in one chunk; the Reason Codes of the answers. */
function codes(from: StubClient, qos: 1 | 2, count: number, retain = false): number[] {
  const type = qos === 1 ? PUBACK : PUBREC;
  const publish = { type: PacketType.PUBLISH, dup: false, retain, qos, topic: "a" } as const;
  const payload = new Uint8Array(1);
  from.write(
    bytesOf(
      ...Array.from(
        { length: count },
        (_, i) => encodePacket({ ...publish, packetId: i + 1, payload }, from.level),
      ),
    ),
  );
  return Array.from({ length: count }, () => from.take(type).reasonCode);
}

for (const batchMessagesMax of [0, 1_024]) {
  describe(`batches of at most ${batchMessagesMax}`, () => {
    for (const qos of [1, 2] as const) {
      test(`QoS ${qos}: the messages that the one session has no room for have 0x97`, () => {
        const { from } = scene(["a"], 5, batchMessagesMax);
        assertEquals(codes(from, qos, 4), [0, 0, 0x97, 0x97]);
      });

      test(`QoS ${qos}: with one session that has room all are taken`, () => {
        const { pair, from } = scene(["a"], 5, batchMessagesMax);
        pair.connect({ clientId: "here" }).subscribe("#");
        assertEquals(codes(from, qos, 4), [0, 0, 0, 0]);
      });

      test(`QoS ${qos}: a group whose members are full`, () => {
        const { from } = scene(["$share/g/a", "$share/g/a"], 5, batchMessagesMax);
        assertEquals(codes(from, qos, 6), [0, 0, 0, 0, 0x97, 0x97]);
      });

      test(`QoS ${qos}: below level 5 there is no code for it`, () => {
        const { from } = scene(["a"], 4, batchMessagesMax);
        assertEquals(codes(from, qos, 4), [0, 0, 0, 0]);
      });

      test(`QoS ${qos}: a message that is retained is taken over though no session has room`, () => {
        const { from } = scene(["a"], 5, batchMessagesMax);
        assertEquals(codes(from, qos, 4, true), [0, 0, 0, 0]);
      });

      test(`QoS ${qos}: no subscriber is no limit: 0x10; a session that keeps nothing neither: 0x00`, () => {
        const { pair, from } = scene([], 5, batchMessagesMax);
        assertEquals(codes(from, qos, 2), [0x10, 0x10]);
        if (qos === 2) { for (const id of [1, 2]) from.acknowledge(PUBREL, id); }
        pair.connect({ clientId: "small", properties: { maximumPacketSize: 30 } }).subscribe("a");
        const payload = "x".repeat(40);
        const packetId = from.publish({ topic: "a", qos, packetId: 9, payload });
        const answer = qos === 1 ? PUBACK : PUBREC;
        assertEquals([from.take(answer).reasonCode, packetId], [0, 9]);
      });
    }

    test("after PUBREC 0x97 the identifier is free, and the message may be sent again", () => {
      const { pair, from } = scene(["a"], 5, batchMessagesMax);
      assertEquals(codes(from, 2, 3), [0, 0, 0x97]);
      const to = pair.connect({ clientId: "to0", ...KEPT });
      to.takePublishes();
      from.publish({ topic: "a", qos: 2, packetId: 3, payload: "again" });
      assertEquals(from.take(PUBREC).reasonCode, 0);
      assertEquals(to.takeTexts(), ["again"]);
      from.acknowledge(PUBREL, 3);
      assertEquals(from.take(PUBCOMP).reasonCode, 0);
    });
  });
}

test("[limit/queue] the Reason String names the rule", () => {
  const { from } = scene(["a"]);
  codes(from, 1, 2);
  from.publish({ topic: "a", qos: 1, payload: "x" });
  assertRule(from.take(PUBACK).properties?.reasonString, "limit/queue");
});
