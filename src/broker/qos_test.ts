/** §4.3, §3.4–3.7 QoS 1 and 2 step by step, the Server as receiver and as sender. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { encodePacket } from "../codec/encode.ts";
import type { ProtocolLevel } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { assertClosed, assertEnded, assertRule, Told } from "../testing/assertions.ts";
import { bytesOf, frame } from "../testing/frame.ts";
import { Pair, type StubClient } from "../testing/pair.ts";

const { PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;
const LEVELS: readonly ProtocolLevel[] = [3, 4, 5];

function two(level: ProtocolLevel = 5): { pair: Pair; from: StubClient; to: StubClient } {
  const pair = new Pair();
  const to = pair.connect({ clientId: "to", level });
  to.subscribe("a");
  return { pair, to, from: pair.connect({ clientId: "from", level }) };
}

/** Everything in the inbox but PUBLISH, short. */
function answers(client: StubClient): [type: number, packetId: number, reasonCode: number][] {
  client.pair.settle();
  return client.inbox.splice(0).map((packet) => {
    if (!("packetId" in packet) || !("reasonCode" in packet)) throw new Error(`packet type ${packet.type}`);
    return [packet.type, packet.packetId!, packet.reasonCode];
  });
}

for (const level of LEVELS) {
  describe(`the Server receives, level ${level}`, () => {
    test("[MQTT-4.3.2-4] [MQTT-4.3.2-5] [MQTT311-4.3.2-2] after PUBACK an identifier is a new message, whatever DUP says", () => {
      const { from, to } = two(level);
      for (const dup of [false, true, true]) {
        from.publish({ topic: "a", qos: 1, packetId: 5, dup, payload: "x" });
      }
      assertEquals(to.takeTexts(), ["x", "x", "x"]);
      assertEquals(answers(from), [[PUBACK, 5, 0], [PUBACK, 5, 0], [PUBACK, 5, 0]]);
    });

    test("[MQTT-4.3.3-8] [MQTT-4.3.3-10] [MQTT311-4.3.3-2] until PUBREL a repeated PUBLISH gets PUBREC and goes nowhere", () => {
      const { from, to } = two(level);
      from.publish({ topic: "a", qos: 2, packetId: 5, payload: "x" });
      assertEquals(to.takeTexts(), ["x"]);
      for (const dup of [true, false]) from.publish({ topic: "a", qos: 2, packetId: 5, dup, payload: "x" });
      assertEquals(answers(from), [[PUBREC, 5, 0], [PUBREC, 5, 0], [PUBREC, 5, 0]]);
      to.assertSilent();
    });

    test("[MQTT-4.3.3-11] [MQTT-4.3.3-12] [MQTT-2.2.1-5] [MQTT311-2.3.1-6] PUBREL gets PUBCOMP, then the identifier is new", () => {
      const { from, to } = two(level);
      for (const payload of ["x", "y"]) {
        from.publish({ topic: "a", qos: 2, packetId: 5, payload, dup: payload === "y" });
        from.acknowledge(PUBREL, 5);
        assertEquals(answers(from), [[PUBREC, 5, 0], [PUBCOMP, 5, 0]]);
      }
      assertEquals(to.takeTexts(), ["x", "y"]);
    });

    test("[MQTT-3.7.2-1] PUBREL for an identifier that is not open gets PUBCOMP too", () => {
      const { from } = two(level);
      from.acknowledge(PUBREL, 5);
      assertEquals(answers(from), [[PUBCOMP, 5, level === 5 ? 0x92 : 0]]);
      from.publish({ topic: "a", qos: 1, packetId: 5 });
      from.acknowledge(PUBREL, 5);
      assertEquals(answers(from), [[PUBACK, 5, 0], [PUBCOMP, 5, level === 5 ? 0x92 : 0]]);
    });

    if (level === 5) {
      test("[2.2.1/in-use] QoS 1 under the identifier of an open QoS 2 message is not taken over", () => {
        const { from, to } = two(level);
        from.publish({ topic: "a", qos: 2, packetId: 5, payload: "x" });
        from.publish({ topic: "a", qos: 1, packetId: 5, payload: "y" });
        assertEquals(answers(from), [[PUBREC, 5, 0], [PUBACK, 5, 0x91]]);
        assertEquals(to.takeTexts(), ["x"]);
        from.acknowledge(PUBREL, 5);
        assertEquals(answers(from), [[PUBCOMP, 5, 0]]);
      });
    } else {
      test("QoS 1 under the identifier of an open QoS 2 message is taken over, and the identifier is new then", () => {
        for (const isCut of [false, true]) {
          const { pair, to } = two(level);
          const init = { clientId: "device", level, cleanStart: false };
          let from = pair.connect(init);
          from.publish({ topic: "a", qos: 2, packetId: 1, payload: "x" });
          assertEquals(answers(from), [[PUBREC, 1, 0]]);
          if (isCut) {
            from.lose(); // the device has no memory of it when it comes back
            from = pair.connect(init);
          }
          from.publish({ topic: "a", qos: 1, packetId: 1, payload: "y" });
          assertEquals(answers(from), [[PUBACK, 1, 0]]);
          from.publish({ topic: "a", qos: 2, packetId: 1, payload: "z" });
          from.acknowledge(PUBREL, 1);
          assertEquals(answers(from), [[PUBREC, 1, 0], [PUBCOMP, 1, 0]]);
          assertEquals(to.takeTexts(), ["x", "y", "z"]);
        }
      });
    }

    test("[MQTT-2.2.1-3] identifiers of both directions, and of two Clients, are independent", () => {
      const { from, to } = two(level);
      to.publish({ topic: "b", qos: 2, packetId: 1, payload: "own" });
      from.publish({ topic: "a", qos: 2, packetId: 1, payload: "x" });
      assertEquals(to.takePublishes().map(({ packetId }) => packetId), [1]);
      to.acknowledge(PUBREC, 1);
      to.acknowledge(PUBREL, 1);
      const code = level === 5 ? 0x10 : 0;
      assertEquals(answers(to), [[PUBREC, 1, code], [PUBREL, 1, 0], [PUBCOMP, 1, 0]]);
      from.acknowledge(PUBREL, 1);
      assertEquals(answers(from), [[PUBREC, 1, 0], [PUBCOMP, 1, 0]]);
    });
  });

  describe(`the Server sends, level ${level}`, () => {
    test("[MQTT-4.3.2-1] [MQTT-4.3.2-2] [MQTT311-4.3.2-1] [MQTT311-2.3.1-4] QoS 1: a free identifier, DUP 0, free again by PUBACK", () => {
      const { from, to } = two(level);
      for (let i = 0; i < 3; i++) from.publish({ topic: "a", qos: 1, packetId: 50, dup: true });
      assertEquals(
        to.takePublishes().map(({ packetId, qos, dup }) => [packetId, qos, dup]),
        [[1, 1, false], [2, 1, false], [3, 1, false]],
      );
      assertEquals(to.inFlight, 3);
      to.acknowledge(PUBACK, 2);
      assertEquals([to.inFlight, to.inbox.length], [2, 0]);
    });

    test("[MQTT-4.3.3-1] [MQTT-4.3.3-2] [MQTT-4.3.3-4] [MQTT311-4.3.3-1] QoS 2: PUBLISH, PUBREL for PUBREC, free again by PUBCOMP", () => {
      const { from, to } = two(level);
      from.publish({ topic: "a", qos: 2, packetId: 50, dup: true, payload: "x" });
      assertEquals(to.takePublishes().map(({ packetId, qos, dup }) => [packetId, qos, dup]), [[1, 2, false]]);
      to.acknowledge(PUBREC, 1);
      assertEquals(answers(to), [[PUBREL, 1, 0]]);
      assertEquals(to.inFlight, 1);
      to.acknowledge(PUBCOMP, 1);
      assertEquals([to.inFlight, to.inbox.length], [0, 0]);
    });

    test("[MQTT-4.3.3-3] [MQTT-4.3.3-5] [MQTT-4.3.3-6] a repeated PUBREC gets PUBREL again, and never the PUBLISH", () => {
      const { from, to } = two(level);
      from.publish({ topic: "a", qos: 2, payload: "x" });
      to.takePublishes();
      for (let i = 0; i < 3; i++) to.acknowledge(PUBREC, 1);
      assertEquals(answers(to), [[PUBREL, 1, 0], [PUBREL, 1, 0], [PUBREL, 1, 0]]);
      assertEquals(to.inFlight, 1);
    });

    test("[MQTT-3.6.2-1] PUBREC for an identifier that is not open gets a PUBREL that ends it", () => {
      const { from, to } = two(level);
      to.acknowledge(PUBREC, 9);
      assertEquals(answers(to), [[PUBREL, 9, level === 5 ? 0x92 : 0]]);
      to.acknowledge(PUBCOMP, 9);
      from.publish({ topic: "a", qos: 1 });
      to.takePublishes();
      to.acknowledge(PUBREC, 1); // of a QoS 1 message
      assertEquals(answers(to), [[PUBREL, 1, level === 5 ? 0x92 : 0]]);
      assertEquals(to.inFlight, 1);
    });

    test("[MQTT-4.3.2-3] acknowledgements that fit nothing open change nothing", () => {
      const { from, to } = two(level);
      from.publish({ topic: "a", qos: 1, payload: "x" });
      from.publish({ topic: "a", qos: 2, payload: "y" });
      to.takePublishes();
      for (
        const [type, id] of [[PUBACK, 9], [PUBACK, 2], [PUBCOMP, 1], [PUBCOMP, 2], [PUBCOMP, 9]] as const
      ) {
        to.acknowledge(type, id);
      }
      to.assertSilent();
      assertEquals(to.inFlight, 2);
      to.acknowledge(PUBACK, 1);
      to.acknowledge(PUBACK, 1);
      to.acknowledge(PUBREC, 2);
      assertEquals(answers(to), [[PUBREL, 2, 0]]);
      assertEquals(to.inFlight, 1);
    });

    test("[MQTT-4.4.0-1] nothing is sent again while the connection lives, however long it takes", () => {
      const { pair, from, to } = two(level);
      from.publish({ topic: "a", qos: 1, payload: "x" });
      from.publish({ topic: "a", qos: 2, payload: "y" });
      assertEquals(to.takeTexts(), ["x", "y"]);
      pair.advance(86_400_000);
      to.assertSilent();
    });

    test("[MQTT-4.6.0-3] [MQTT-4.6.0-4] [MQTT311-4.6.0-4] PUBRELs come in the order of the PUBRECs", () => {
      const { from, to } = two(level);
      for (let i = 0; i < 4; i++) from.publish({ topic: "a", qos: 2 });
      assertEquals(to.takePublishes().map(({ packetId }) => packetId), [1, 2, 3, 4]);
      to.write(bytesOf(...[3, 1, 4, 2].map((id) => frame(0x50, 0, id))));
      assertEquals(answers(to).map(([, id]) => id), [3, 1, 4, 2]);
    });

    test("[MQTT-4.6.0-2] [MQTT-4.6.0-5] [MQTT-4.6.0-6] [MQTT311-4.6.0-6] messages of one topic and QoS arrive in their order, live and from the queue", () => {
      const { pair, from } = two(level);
      const session = level === 5 ? { properties: { sessionExpiryInterval: 60, receiveMaximum: 2 } } : {};
      const slow = pair.connect({ clientId: "slow", level, cleanStart: false, ...session });
      slow.subscribe("a");
      const sent = { 1: [] as string[], 2: [] as string[] };
      const got = { 1: [] as string[], 2: [] as string[] };
      for (let i = 0; i < 20; i++) {
        const qos = i % 3 === 0 ? 2 : 1;
        sent[qos].push(`${i}`);
        from.publish({ topic: "a", qos, payload: `${i}` });
        if (i % 4 === 0) {
          for (const { packetId, qos, payload } of slow.takePublishes()) {
            got[qos as 1 | 2].push(new TextDecoder().decode(payload));
            slow.acknowledge(qos === 1 ? PUBACK : PUBREC, packetId!);
            if (qos === 2) slow.acknowledge(PUBCOMP, packetId!);
          }
        }
      }
      for (let left = slow.takePublishes(); left.length > 0; left = slow.takePublishes()) {
        for (const { packetId, qos, payload } of left) {
          got[qos as 1 | 2].push(new TextDecoder().decode(payload));
          slow.acknowledge(qos === 1 ? PUBACK : PUBREC, packetId!);
          if (qos === 2) slow.acknowledge(PUBCOMP, packetId!);
        }
      }
      assertEquals(got, sent);
    });

    test("[2.2.1/zero] an acknowledgement of identifier 0 ends the connection", () => {
      for (const first of [0x40, 0x50, 0x62, 0x70]) {
        const { to } = two(level);
        to.raw(first, 2, 0, 0);
        if (level === 5) assertEnded(to, 0x82, "2.2.1/zero");
        assertClosed(to);
      }
    });
  });
}

describe("refusals, level 5", () => {
  test("[MQTT-4.4.0-2] [MQTT-3.4.2-1] [MQTT-3.5.2-1] an error in PUBACK or PUBREC ends the exchange, the message is dropped", () => {
    for (const code of [0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]) {
      const told = new Told();
      const pair = new Pair({ hooks: told.hooks });
      const session = { clientId: "to", cleanStart: false, properties: { sessionExpiryInterval: 60 } };
      const to = pair.connect(session);
      to.subscribe("a");
      pair.broker.publish({ topic: "a", qos: 1, payload: "x" }, pair.now);
      pair.broker.publish({ topic: "a", qos: 2, payload: "y" }, pair.now);
      assertEquals(to.takeTexts(), ["x", "y"]);
      to.acknowledge(PUBACK, 1, code);
      to.acknowledge(PUBREC, 2, code);
      to.assertSilent();
      assertEquals(to.inFlight, 0);
      assertEquals(
        told.drops,
        Array(2).fill({ topic: "a", clientId: "to", reason: "refused by the client" }),
      );
      to.lose();
      pair.connect(session).assertSilent();
    }
  });

  test("[MQTT-4.3.3-4] a PUBREC of 0x80 or above is never answered, nor one for an identifier not open", () => {
    const { from, to } = two();
    from.publish({ topic: "a", qos: 2, payload: "y" });
    to.takePublishes();
    to.acknowledge(PUBREC, 1, 0x91);
    to.acknowledge(PUBREC, 1, 0x91);
    to.acknowledge(PUBREC, 7, 0x80);
    to.assertSilent();
  });

  test("[MQTT-4.4.0-2] 0x10 is no error: PUBREL follows", () => {
    const { from, to } = two();
    from.publish({ topic: "a", qos: 2, payload: "y" });
    to.takePublishes();
    to.acknowledge(PUBREC, 1, 0x10);
    assertEquals(answers(to), [[PUBREL, 1, 0]]);
  });

  test("[MQTT-4.3.3-9] after a PUBREC of 0x80 or above the identifier is a new message", () => {
    let allowed = false;
    const pair = new Pair({ authorize: ({ action }) => action === "publish" && !allowed ? 0x87 : 0 });
    const [to, from] = [pair.connect({ clientId: "to" }), pair.connect({ clientId: "from" })];
    to.subscribe("a");
    from.publish({ topic: "a", qos: 2, packetId: 5, payload: "x" });
    const refusal = from.take(PUBREC);
    assertEquals([refusal.packetId, refusal.reasonCode], [5, 0x87]);
    assertRule(refusal.properties?.reasonString, "policy/not-authorized");
    from.acknowledge(PUBREL, 5);
    assertEquals(answers(from), [[PUBCOMP, 5, 0x92]]);
    allowed = true;
    from.publish({ topic: "a", qos: 2, packetId: 5, dup: true, payload: "y" });
    assertEquals(answers(from), [[PUBREC, 5, 0]]);
    assertEquals(to.takeTexts(), ["y"]);
  });

  test("[MQTT-3.4.2-2] [MQTT-3.5.2-2] [MQTT-3.6.2-2] a Reason String that does not fit is left out", () => {
    const pair = new Pair();
    const from = pair.connect({ clientId: "from", properties: { maximumPacketSize: 40 } });
    from.publish({ topic: "$x", qos: 1, packetId: 1 });
    from.publish({ topic: "$x", qos: 2, packetId: 2 });
    from.acknowledge(PUBREC, 3);
    from.acknowledge(PUBREL, 4);
    assertEquals(from.inbox.splice(0), [
      { type: PUBACK, packetId: 1, reasonCode: 0x87 },
      { type: PUBREC, packetId: 2, reasonCode: 0x87 },
      { type: PUBREL, packetId: 3, reasonCode: 0x92 },
      { type: PUBCOMP, packetId: 4, reasonCode: 0x92 }, // [MQTT-3.7.2-2]
    ]);
  });

  test("[MQTT-3.4.2-3] [MQTT-3.5.2-3] [MQTT-3.6.2-3] [MQTT-3.7.2-3] acknowledgements never have a User Property", () => {
    const pair = new Pair();
    const from = pair.connect({ clientId: "from" });
    from.publish({ topic: "$x", qos: 1, packetId: 1, properties: { userProperties: [["a", "b"]] } });
    from.publish({ topic: "$x", qos: 2, packetId: 2, properties: { userProperties: [["a", "b"]] } });
    from.acknowledge(PUBREC, 3);
    from.acknowledge(PUBREL, 4);
    const names = from.inbox.splice(0).map((packet) =>
      "properties" in packet && Object.keys(packet.properties!)
    );
    assertEquals(names, [["reasonString"], ["reasonString"], ["reasonString"], false]);
  });

  test("[MQTT-3.1.2-29] [3.1.2.11.7/not-requested] no Reason String for who does not want to know", () => {
    const pair = new Pair();
    const from = pair.connect({ clientId: "from", properties: { requestProblemInformation: false } });
    from.publish({ topic: "$x", qos: 1, packetId: 1 });
    from.acknowledge(PUBREC, 3);
    assertEquals(from.inbox.splice(0), [
      { type: PUBACK, packetId: 1, reasonCode: 0x87 },
      { type: PUBREL, packetId: 3, reasonCode: 0x92 },
    ]);
  });

  test("[MQTT-3.6.1-1] [MQTT-2.1.3-1] other flags than PUBREL and its like have end the connection", () => {
    for (
      const [first, rule] of [
        [0x60, "MQTT-3.6.1-1"],
        [0x63, "MQTT-3.6.1-1"],
        [0x41, "MQTT-2.1.3-1"],
        [0x52, "MQTT-2.1.3-1"],
        [0x72, "MQTT-2.1.3-1"],
      ] as const
    ) {
      const { to } = two();
      to.raw(first, 2, 0, 1);
      assertEnded(to, 0x81, rule);
    }
  });
});

describe("Packet Identifiers", () => {
  test("[MQTT-2.2.1-4] an identifier comes round again, but not while it is open", () => {
    const { pair, to } = two();
    pair.broker.publish({ topic: "a", qos: 1, payload: "held" }, pair.now);
    const [held] = to.takePublishes().map(({ packetId }) => packetId);
    for (let i = 0; i < 65_536; i++) {
      pair.broker.publish({ topic: "a", qos: 1, payload: "" }, pair.now);
      pair.settle();
      const { packetId } = to.takePublishes()[0]!;
      if (packetId === held || packetId === 0) throw new Error(`identifier ${packetId} at message ${i}`);
      to.transport.write(Uint8Array.of(0x40, 2, packetId! >> 8, packetId! & 255));
    }
    pair.settle();
    assertEquals(to.inFlight, 1);
  });
});

describe("Message Expiry Interval and QoS 2", () => {
  test("[MQTT-4.3.3-7] [MQTT-4.3.3-13] an exchange that has begun goes on although its message has expired", () => {
    const { pair, from, to } = two();
    const properties = { messageExpiryInterval: 1 };
    from.publish({ topic: "a", qos: 2, packetId: 5, payload: "x", properties });
    assertEquals(to.takeTexts(), ["x"]);
    pair.advance(5_000);
    to.acknowledge(PUBREC, 1);
    assertEquals(answers(to), [[PUBREL, 1, 0]]);
    from.publish({ topic: "a", qos: 2, packetId: 5, dup: true, payload: "x", properties });
    from.acknowledge(PUBREL, 5);
    assertEquals(answers(from), [[PUBREC, 5, 0], [PUBREC, 5, 0], [PUBCOMP, 5, 0]]);
    to.assertSilent();
  });

  test("[MQTT-4.3.3-7] a PUBLISH that was sent is sent again after a cut although it has expired", () => {
    const pair = new Pair();
    const session = { clientId: "to", cleanStart: false, properties: { sessionExpiryInterval: 60 } };
    const to = pair.connect(session);
    to.subscribe("a");
    const from = pair.connect({ clientId: "from" });
    from.publish({ topic: "a", qos: 2, payload: "x", properties: { messageExpiryInterval: 1 } });
    to.lose();
    pair.advance(5_000);
    const [again] = pair.connect(session).takePublishes();
    assertEquals([again?.dup, again?.packetId, again?.properties], [true, 1, { messageExpiryInterval: 0 }]);
  });
});

describe("PUBREL on a resumed session, level 5", () => {
  const KEPT = { clientId: "device", cleanStart: false, properties: { sessionExpiryInterval: 60 } } as const;

  function resumed(): StubClient {
    const pair = new Pair();
    const first = pair.connect(KEPT);
    first.publish({ topic: "a", qos: 2, packetId: 7 });
    first.acknowledge(PUBREL, 7); // PUBCOMP gets lost
    first.lose();
    return pair.connect(KEPT);
  }

  test("for an exchange that the Server has ended it gets 0x00, however often", () => {
    const client = resumed();
    for (let i = 0; i < 2; i++) client.acknowledge(PUBREL, 7);
    assertEquals(answers(client), [[PUBCOMP, 7, 0], [PUBCOMP, 7, 0]]);
  });

  test("also behind a PUBLISH that is sent again, with DUP 1, or with DUP 0 as MQTT.js does", () => {
    const pair = new Pair();
    const first = pair.connect(KEPT);
    for (const packetId of [5, 6]) first.publish({ topic: "a", qos: 2, packetId });
    first.acknowledge(PUBREL, 6);
    first.lose();
    const client = pair.connect(KEPT);
    client.publish({ topic: "a", qos: 2, packetId: 5 });
    client.publish({ topic: "a", qos: 2, packetId: 4, dup: true });
    client.publish({ topic: "a", qos: 1, packetId: 3 });
    for (const id of [5, 4, 6]) client.acknowledge(PUBREL, id);
    const comps = answers(client).filter(([type]) => type === PUBCOMP);
    assertEquals(comps, [[PUBCOMP, 5, 0], [PUBCOMP, 4, 0], [PUBCOMP, 6, 0]]);
  });

  test("[MQTT-3.7.2-1] 0x92 once a new QoS 2 message has come, alone or among others, and on a session that is new", () => {
    for (const ids of [[1], [1, 2, 3]]) {
      const client = resumed();
      const publish = { type: PacketType.PUBLISH, dup: false, qos: 2, retain: false, topic: "a" } as const;
      client.write(
        bytesOf(
          ...ids.map((packetId) => encodePacket({ ...publish, packetId, payload: new Uint8Array() }, 5)),
        ),
      );
      client.acknowledge(PUBREL, 7);
      assertEquals(answers(client).at(-1), [PUBCOMP, 7, 0x92]);
    }
    const client = new Pair().connect(KEPT);
    client.acknowledge(PUBREL, 7);
    assertEquals(answers(client), [[PUBCOMP, 7, 0x92]]);
  });
});
