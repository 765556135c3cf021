/** §3.3 PUBLISH from one Client to others: what is passed on, what is changed, and what is refused. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { ProtocolLevel, Publish, PublishProperties, QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { assertClosed, assertEnded, assertRule, Told } from "../testing/assertions.ts";
import { bytesOf, frame, pair as pairOf, properties, utf8 } from "../testing/frame.ts";
import { Pair, type PublishInit, type StubClient } from "../testing/pair.ts";

const { PUBACK, PUBREC, SUBACK } = PacketType;
const LEVELS: readonly ProtocolLevel[] = [3, 4, 5];
const QOS: readonly QoS[] = [0, 1, 2];

/** A publisher and a subscriber to `filter`. */
function two(filter = "#", level: ProtocolLevel = 5): { pair: Pair; from: StubClient; to: StubClient } {
  const pair = new Pair({ limits: { nameBytesMax: 65_535 } });
  const to = pair.connect({ clientId: "to", level });
  to.subscribe(filter);
  return { pair, from: pair.connect({ clientId: "from", level }), to };
}

/** The one PUBLISH in the inbox. */
function one(client: StubClient): Publish {
  const publishes = client.takePublishes();
  assertEquals(publishes.length, 1);
  return publishes[0]!;
}

/** The properties of a message after it went through the broker. */
function forwarded(properties: PublishProperties): PublishProperties | undefined {
  const { from, to } = two();
  from.publish({ topic: "a", properties });
  return one(to).properties;
}

describe("flags of PUBLISH", () => {
  for (const level of LEVELS) {
    test(`[MQTT-3.3.1-3] [MQTT311-3.3.1-3] DUP of the publisher is not passed on, level ${level}`, () => {
      const { from, to } = two("#", level);
      for (const qos of [1, 2] as const) {
        from.publish({ topic: "a", qos, dup: true });
        const { dup, qos: at } = one(to);
        assertEquals([dup, at], [false, qos]);
      }
    });

    test(`[MQTT-3.3.1-2] [MQTT-4.3.1-1] [MQTT-2.2.1-2] QoS 0 goes out with DUP 0 and no identifier, level ${level}`, () => {
      const { from, to } = two("a", level);
      from.publish({ topic: "a", payload: "x" });
      const { dup, qos, packetId } = one(to);
      assertEquals([dup, qos, packetId], [false, 0, undefined]);
      from.publish({ topic: "a", payload: "x", qos: 2, packetId: 9 });
      to.subscribe({ filter: "a", qos: 0 });
      from.publish({ topic: "a", payload: "x", qos: 1, packetId: 10, dup: true });
      const last = to.takePublishes().at(-1)!;
      assertEquals([last.dup, last.qos, last.packetId], [false, 0, undefined]);
    });

    test(`[MQTT-3.3.1-4] [MQTT311-3.3.1-4] QoS 3 ends the connection, level ${level}`, () => {
      const { from, to } = two("#", level);
      from.write(frame(0x36, utf8("a"), 0, 1, level === 5 ? 0 : []));
      if (level === 5) assertEnded(from, 0x81, "MQTT-3.3.1-4");
      assertClosed(from);
      to.assertSilent();
    });

    test(`[MQTT-3.3.1-2] [MQTT311-3.3.1-2] DUP 1 at QoS 0 ends the connection, level ${level}`, () => {
      const { from, to } = two("#", level);
      from.write(frame(0x38, utf8("a"), level === 5 ? 0 : []));
      if (level === 5) assertEnded(from, 0x81, "MQTT-3.3.1-2");
      assertClosed(from);
      to.assertSilent();
    });

    test(`[MQTT-3.3.1-12] [MQTT311-3.3.1-9] RETAIN of a live message is 0, level ${level}`, () => {
      for (const qos of QOS) {
        const { from, to } = two("#", level);
        from.publish({ topic: "a", qos, retain: true, payload: "x" });
        assertEquals(one(to).retain, false);
      }
    });
  }

  test("[MQTT-3.3.1-13] RETAIN of a live message stays as it is with Retain As Published", () => {
    for (const qos of QOS) {
      const { from, to } = two();
      to.subscribe({ filter: "#", retainAsPublished: true });
      for (const retain of [true, false]) {
        from.publish({ topic: "a", qos, retain, payload: "x" });
        assertEquals(one(to).retain, retain);
      }
    }
  });

  test("[MQTT-3.3.1-12] [MQTT-3.3.1-13] RETAIN is 1 only if it was and a subscription wants it so, by one, several or a group", () => {
    for (const filters of [["t"], ["t", "#"], ["$share/g/t"]]) {
      for (const wants of [[false, false], [true, false], [false, true], [true, true]]) {
        const pair = new Pair();
        const client = pair.connect();
        const asked = filters.map((filter, i) => ({ filter, retainAsPublished: wants[i]! }));
        client.subscribe(...asked);
        for (const retain of [true, false]) {
          client.publish({ topic: "t", payload: "x", retain });
          const expected = retain && asked.some(({ retainAsPublished }) => retainAsPublished);
          assertEquals(client.takePublishes().map((publish) => publish.retain), [expected]);
        }
      }
    }
  });

  test("[MQTT-3.3.1-12] [MQTT-3.3.1-13] one of several subscriptions with Retain As Published is enough", () => {
    const { from, to } = two();
    to.subscribe({ filter: "a", retainAsPublished: true });
    from.publish({ topic: "a", retain: true, payload: "x" });
    assertEquals(one(to).retain, true);
  });
});

describe("Topic Names", () => {
  for (const level of LEVELS) {
    test(`[MQTT-3.3.2-1] [MQTT-4.7.3-4] [MQTT311-4.7.3-4] a topic arrives as it was sent, level ${level}`, () => {
      const { from, to } = two("#", level);
      const topics = [
        "a",
        "/",
        "//",
        " a ",
        "A/b",
        "\uFEFFa",
        "é",
        "e\u0301",
        "😀/\u{10FFFF}",
        "x".repeat(65_535),
      ];
      for (const topic of topics) {
        from.publish({ topic });
        assertEquals(one(to).topic, topic);
      }
    });

    test(`[MQTT-3.3.2-2] [MQTT-4.7.0-1] [MQTT311-3.3.2-2] a wildcard in the topic ends the connection, level ${level}`, () => {
      for (const topic of ["#", "a/+", "a+b"]) {
        const { from, to } = two("#", level);
        from.write(frame(0x30, utf8(topic), level === 5 ? 0 : []));
        if (level === 5) assertEnded(from, 0x90, "MQTT-3.3.2-2");
        assertClosed(from);
        to.assertSilent();
      }
    });

    test(`[MQTT-1.5.4-1] [MQTT-1.5.4-2] a topic that is no UTF-8 string ends the connection, level ${level}`, () => {
      for (
        const [bad, rule] of [[[0xed, 0xa0, 0x80], "MQTT-1.5.4-1"], [[0x61, 0], "MQTT-1.5.4-2"]] as const
      ) {
        const { from, to } = two("#", level);
        from.write(frame(0x30, utf8(bad), level === 5 ? 0 : []));
        if (level === 5) assertEnded(from, 0x81, rule);
        assertClosed(from);
        to.assertSilent();
      }
    });

    test(`[MQTT-3.3.2-3] [MQTT-4.5.0-1] [MQTT311-4.5.0-1] who subscribes gets it and nobody else, level ${level}`, () => {
      const pair = new Pair();
      const all = ["a/b", "a/+", "a/#", "#", "+/b", "b", "a", "a/b/c", "+", "A/b", "a/b/"].map((filter) => {
        const client = pair.connect({ clientId: `sub ${filter}`, level });
        client.subscribe(filter);
        return { filter, client };
      });
      pair.connect({ clientId: "from", level }).publish({ topic: "a/b", payload: "x", qos: 1 });
      const got = all.filter(({ client }) => client.takeTexts().length > 0).map(({ filter }) => filter);
      assertEquals(got, ["a/b", "a/+", "a/#", "#", "+/b"]);
    });

    test(`[MQTT-4.7.3-1] [3.3.2.1/no-topic] an empty topic without an alias ends the connection, level ${level}`, () => {
      const { from, to } = two("#", level);
      from.write(frame(0x30, 0, 0, level === 5 ? 0 : []));
      if (level === 5) assertEnded(from, 0x82, "3.3.2.1/no-topic");
      assertClosed(from);
      to.assertSilent();
    });
  }

  test("[policy/dollar-topic] topics that begin with $ are refused, and nobody gets them", () => {
    for (const topic of ["$SYS/x", "$", "$share/g/a"]) {
      const told = new Told();
      const denied: string[] = [];
      const pair = new Pair({ hooks: { ...told.hooks, denied: (_client, { rule }) => denied.push(rule) } });
      const [to, from] = [pair.connect({ clientId: "to" }), pair.connect({ clientId: "from" })];
      to.subscribe("$SYS/#", "$", "#");
      const id = from.publish({ topic, qos: 1 });
      const { packetId, reasonCode, properties } = from.take(PUBACK);
      assertEquals([packetId, reasonCode], [id, 0x87]);
      assertRule(properties?.reasonString, "policy/dollar-topic");
      assertEquals(from.publish({ topic, qos: 2, packetId: 77 }), 77);
      assertEquals(from.take(PUBREC).reasonCode, 0x87);
      from.publish({ topic, retain: true, payload: "x" });
      from.assertSilent();
      to.assertSilent();
      assertEquals(denied, Array(3).fill("policy/dollar-topic"));
      assertEquals(pair.broker.stats.retainedMessages, 0);
    }
  });

  test("[MQTT311-3.3.5-2] below level 5 a refused message is acknowledged all the same, and goes nowhere", () => {
    const { from, to } = two("$SYS/#", 4);
    const id = from.publish({ topic: "$SYS/x", qos: 1 });
    assertEquals(from.take(PUBACK), { type: PUBACK, packetId: id, reasonCode: 0 });
    from.publish({ topic: "$SYS/x", qos: 2 });
    from.take(PUBREC);
    to.assertSilent();
  });

  test("[limit/topic-levels] a topic of more levels than the broker takes is refused", () => {
    const told = new Told();
    const pair = new Pair({ limits: { topicLevelsMax: 3 }, hooks: told.hooks });
    const [to, from] = [pair.connect({ clientId: "to" }), pair.connect({ clientId: "from" })];
    to.subscribe("#");
    from.publish({ topic: "a/b/c" });
    assertEquals(to.takePublishes().length, 1);
    from.publish({ topic: "a/b/c/d" });
    from.publish({ topic: "a/b/c/", qos: 1 });
    assertEquals(from.take(PUBACK).reasonCode, 0x90);
    to.assertSilent();
    assertEquals(told.limits, [{ limit: "topicLevelsMax", who: "from" }]);
  });
});

describe("properties of PUBLISH", () => {
  test("[MQTT-3.3.2-4] Payload Format Indicator goes on as it is, and is not made up", () => {
    assertEquals(forwarded({ payloadFormatIndicator: 1 }), { payloadFormatIndicator: 1 });
    assertEquals(forwarded({ payloadFormatIndicator: 0 }), { payloadFormatIndicator: 0 });
    assertEquals(forwarded({}), undefined);
  });

  test("[MQTT-3.3.2-13] [MQTT-3.3.2-15] Response Topic goes on as it is", () => {
    for (const responseTopic of ["r", "$SYS/r", "\uFEFFr", "😀"]) {
      assertEquals(forwarded({ responseTopic }), { responseTopic });
    }
  });

  test("[MQTT-3.3.2-16] Correlation Data goes on byte for byte, also if empty", () => {
    for (const correlationData of [new Uint8Array(0), Uint8Array.of(0, 255, 0)]) {
      assertEquals(forwarded({ correlationData }), { correlationData });
    }
  });

  test("[MQTT-3.3.2-19] [MQTT-3.3.2-20] Content Type goes on as it is", () => {
    for (const contentType of ["", "text/plain", "\uFEFF"]) {
      assertEquals(forwarded({ contentType }), { contentType });
    }
  });

  test("[MQTT-3.3.2-17] [MQTT-3.3.2-18] User Properties go on in their order, repeated ones too", () => {
    const userProperties = [["b", "1"], ["a", "2"], ["b", "1"], ["", ""], ["b", "0"]] as const;
    assertEquals(forwarded({ userProperties }), { userProperties });
  });

  test("[MQTT-3.3.2-18] properties of every kind between each other go on byte for byte", () => {
    const list = properties(
      [0x26, ...pairOf("b", "1")],
      [0x01, 1],
      [0x26, ...pairOf("a", "2")],
      [0x03, ...utf8("c")],
      [0x02, 0, 0, 0, 9],
      [0x26, ...pairOf("b", "1")],
    );
    const { from, to } = two("t");
    const heard: Uint8Array[] = [];
    to.heard = (frame) => heard.push(frame);
    from.write(frame(0x30, utf8("t"), list, 0xff));
    from.write(frame(0x32, utf8("t"), 0, 9, list, 0xff));
    from.write(frame(0x34, utf8("t"), 0, 9, list, 0xff));
    assertEquals(heard, [
      frame(0x30, utf8("t"), list, 0xff),
      frame(0x32, utf8("t"), 0, 1, list, 0xff),
      frame(0x34, utf8("t"), 0, 2, list, 0xff),
    ]);
  });

  for (
    const [name, list, rule] of [
      ["a wildcard in the Response Topic", [0x08, ...utf8("a/#")], "MQTT-3.3.2-14"],
      ["an empty Response Topic", [0x08, ...utf8("")], "MQTT-4.7.3-1"],
      ["Payload Format Indicator 2", [0x01, 2], "3.3.2.3.2/range"],
      ["a Subscription Identifier", [0x0b, 1], "MQTT-3.3.4-6"],
    ] as const
  ) {
    test(`[${rule}] ${name} from a Client ends its connection with 0x82`, () => {
      const { from, to } = two();
      from.write(frame(0x30, utf8("a"), properties(list)));
      assertEnded(from, 0x82, rule);
      to.assertSilent();
    });
  }

  test("properties stop at a subscriber below level 5, and there are none from one", () => {
    const pair = new Pair();
    const [four, five] = [pair.connect({ clientId: "4", level: 4 }), pair.connect({ clientId: "5" })];
    four.subscribe("a");
    five.subscribe("a");
    five.publish({ topic: "a", payload: "x", properties: { contentType: "c" } });
    four.publish({ topic: "a", payload: "y" });
    assertEquals(four.takePublishes().map(({ properties }) => properties), [undefined, undefined]);
    assertEquals(five.takePublishes().map(({ properties }) => properties), [{ contentType: "c" }, undefined]);
  });
});

describe("Message Expiry Interval", () => {
  const away: PublishInit = { topic: "a", qos: 1, payload: "x", properties: { messageExpiryInterval: 10 } };

  function back(pair: Pair): StubClient {
    return pair.connect({ clientId: "to", cleanStart: false, properties: { sessionExpiryInterval: 100 } });
  }

  function leave(): { pair: Pair; from: StubClient; told: Told } {
    const told = new Told();
    const pair = new Pair({ hooks: told.hooks });
    const to = back(pair);
    to.subscribe("a");
    to.disconnect();
    return { pair, from: pair.connect({ clientId: "from" }), told };
  }

  test("[MQTT-3.3.2-6] the seconds that a message waited are taken off", () => {
    const { pair, from } = leave();
    from.publish(away);
    pair.advance(3_500);
    assertEquals(one(back(pair)).properties, { messageExpiryInterval: 7 });
  });

  test("[MQTT-3.3.2-6] who is connected gets the interval as it was published", () => {
    assertEquals(forwarded({ messageExpiryInterval: 10 }), { messageExpiryInterval: 10 });
    assertEquals(forwarded({ messageExpiryInterval: 0xffff_ffff }), { messageExpiryInterval: 0xffff_ffff });
  });

  test("[MQTT-3.3.2-5] a message that has expired is not sent any more", () => {
    const { pair, from, told } = leave();
    from.publish(away);
    from.publish({ ...away, payload: "y", properties: { messageExpiryInterval: 11 } });
    pair.advance(10_000);
    const to = back(pair);
    assertEquals(to.takeTexts(), ["y"]);
    to.assertSilent();
    assertEquals(told.drops, [{ topic: "a", clientId: "to", reason: "expired" }]);
  });
});

describe("the answer to PUBLISH", () => {
  for (const level of LEVELS) {
    test(`[MQTT-3.3.4-1] [MQTT-4.3.2-4] [MQTT-4.3.3-8] nothing, PUBACK, PUBREC, level ${level}`, () => {
      const { from } = two("a", level);
      from.publish({ topic: "a" });
      from.assertSilent();
      from.publish({ topic: "a", qos: 1, packetId: 0xfffe });
      assertEquals(from.inbox.splice(0), [{ type: PUBACK, packetId: 0xfffe, reasonCode: 0 }]);
      from.publish({ topic: "a", qos: 2, packetId: 1 });
      assertEquals(from.inbox.splice(0), [{ type: PUBREC, packetId: 1, reasonCode: 0 }]);
    });
  }

  test("[MQTT-3.4.2-1] [MQTT-3.5.2-1] 0x10 where nobody subscribes", () => {
    const { from } = two("other");
    from.publish({ topic: "a", qos: 1, packetId: 3 });
    from.publish({ topic: "a", qos: 2, packetId: 4 });
    assertEquals(from.inbox.splice(0), [
      { type: PUBACK, packetId: 3, reasonCode: 0x10 },
      { type: PUBREC, packetId: 4, reasonCode: 0x10 },
    ]);
  });

  test("[2.2.1/zero] Packet Identifier 0 ends the connection", () => {
    const { from, to } = two();
    from.write(frame(0x32, utf8("a"), 0, 0, 0));
    assertEnded(from, 0x82, "2.2.1/zero");
    to.assertSilent();
  });

  test("[3.1.0/direction] packets that are not for a Client to send end the connection", () => {
    for (const bytes of [[0x20, 3, 0, 0, 0], [0x90, 4, 0, 1, 0, 0], [0xb0, 4, 0, 1, 0, 0], [0xd0, 0]]) {
      const { from } = two();
      from.raw(...bytes);
      assertEnded(from, 0x82, "3.1.0/direction");
    }
  });

  test("answers come in the order of what they answer, in one chunk", () => {
    const { from } = two("none");
    from.write(bytesOf(
      frame(0x32, utf8("a"), 0, 1, 0),
      frame(0x34, utf8("a"), 0, 2, 0),
      frame(0x82, 0, 3, 0, utf8("b"), 0),
      frame(0x32, utf8("a"), 0, 4, 0),
    ));
    assertEquals(from.inbox.map(({ type }) => type), [PUBACK, PUBREC, SUBACK, PUBACK]);
    assert(from.inbox.splice(0).every((packet, i) => "packetId" in packet && packet.packetId === i + 1));
  });
});
