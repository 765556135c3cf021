/** §3.8–3.11 SUBSCRIBE and UNSUBSCRIBE: what is granted, refused, replaced, removed and answered. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { ProtocolLevel, QoS, SubscriptionRequest } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { isReasonAllowed, type ReasonCode } from "../codec/reason_code.ts";
import type { BrokerOptions } from "./options.ts";
import { assertClosed, assertEnded, assertRule } from "../testing/assertions.ts";
import { bytesOf, frame, type Part, utf8 } from "../testing/frame.ts";
import { type ConnectInit, Pair, type StubClient } from "../testing/pair.ts";

const { PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK } = PacketType;
const LEVELS: readonly ProtocolLevel[] = [3, 4, 5];

function one(level: ProtocolLevel = 5, options: BrokerOptions = {}, init: ConnectInit = {}): StubClient {
  return new Pair(options).connect({ clientId: "c", level, ...init });
}

/** Publishes as the Server. */
function publish(client: StubClient, topic: string, payload: string, qos: QoS = 0, retain = false): void {
  const { broker, now } = client.pair;
  broker.publish({ topic, payload, qos, retain }, now);
  client.pair.settle();
}

/** SUBSCRIBE by hand: identifier 9, then the filters with their options. */
function subscribeFrame(level: ProtocolLevel, ...parts: Part[]): Uint8Array {
  return frame(0x82, 0, 9, level === 5 ? 0 : [], ...parts);
}

for (const level of LEVELS) {
  describe(`SUBSCRIBE, level ${level}`, () => {
    test("[MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-2.2.1-6] [MQTT311-3.8.4-1] one SUBACK with the identifier of the SUBSCRIBE", () => {
      const client = one(level);
      for (const id of [1, 0xffff, 1]) {
        client.write(frame(0x82, id >> 8, id & 255, level === 5 ? 0 : [], utf8("a"), 1));
        assertEquals(client.inbox.splice(0), [{ type: SUBACK, packetId: id, reasonCodes: [1] }]);
      }
    });

    test("[MQTT-3.8.4-5] [MQTT-3.8.4-6] [MQTT-3.8.4-7] [MQTT-3.9.3-1] [MQTT311-3.8.4-5] one code for each filter, in their order", () => {
      const client = one(level);
      const bad = level === 5 ? 0x8f : 0x80;
      assertEquals(
        client.subscribe({ filter: "a", qos: 2 }, "a/#/b", { filter: "b", qos: 0 }, "+x", {
          filter: "c",
          qos: 1,
        }),
        [2, bad, 0, bad, 1],
      );
      for (const topic of ["a", "b", "c"]) publish(client, topic, topic);
      assertEquals(client.takeTexts(), ["a", "b", "c"]);
    });

    test("[MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT311-3.9.3-2] [MQTT311-4.7.1-2] a filter that is not well formed is refused alone", () => {
      for (
        const filter of [
          "a#",
          "#/a",
          "a/#/b",
          "+a",
          "a+/b",
          "$share/g",
          "$share//a",
          "$share/+/a",
          "$share/g/a#",
        ]
      ) {
        const client = one(level);
        assertEquals(client.subscribe(filter), [level === 5 ? 0x8f : 0x80], filter);
        publish(client, "a", "x");
        client.assertSilent();
      }
    });

    test("[MQTT-3.8.4-5] a filter twice in one SUBSCRIBE is one subscription with the last options", () => {
      const client = one(level);
      assertEquals(client.subscribe({ filter: "a", qos: 2 }, { filter: "a", qos: 1 }), [2, 1]);
      publish(client, "a", "x", 2);
      assertEquals(client.takePublishes().map(({ qos }) => qos), [1]);
      assertEquals(client.session?.subscriptions, 1);
    });

    test("[MQTT-3.8.4-3] [MQTT311-3.8.4-3] the same filter again replaces the subscription", () => {
      const client = one(level);
      client.subscribe({ filter: "a", qos: 2 }, "+");
      assertEquals(client.subscribe({ filter: "a", qos: 0 }, { filter: "+", qos: 0 }), [0, 0]);
      publish(client, "a", "x", 2);
      assertEquals(client.takePublishes().map(({ qos }) => qos), [0]);
      assertEquals(client.pair.broker.stats.subscriptions, 2);
    });

    test("[MQTT-3.8.4-4] [MQTT311-3.8.4-3] replacing brings the retained messages again and loses no live one", () => {
      const client = one(level);
      publish(client, "a", "retained", 1, true);
      client.subscribe("a");
      assertEquals(client.takeTexts(), ["retained"]);
      const connection = client.connection;
      const before = { type: PacketType.PUBLISH, dup: false, retain: false, topic: "a", qos: 0 } as const;
      const other = client.pair.connect({ clientId: "other", level });
      for (let i = 0; i < 3; i++) {
        client.transport.write(subscribeFrame(level, utf8("a"), 1));
        other.send({ ...before, payload: Uint8Array.of(0x30 + i) });
      }
      assertEquals(connection, client.connection);
      const texts = client.takeTexts();
      assertEquals(texts.filter((text) => text !== "retained"), ["0", "1", "2"]);
      assertEquals(texts.length, 6);
    });

    for (
      const [name, rule, code, ...parts] of [
        ["without a filter", "MQTT-3.8.3-2", 0x82],
        ["QoS 3", "3.8.3.1/qos-3", 0x82, utf8("a"), 3],
        ["reserved bits", "MQTT-3.8.3-5", 0x81, utf8("a"), 0xc0],
        ["a filter that is no UTF-8 string", "MQTT-1.5.4-1", 0x81, utf8([0xff]), 0],
        ["a filter with U+0000", "MQTT-1.5.4-2", 0x81, utf8([0x61, 0]), 0],
        ["an empty filter", "MQTT-4.7.3-1", 0x8f, utf8(""), 0],
      ] as const
    ) {
      test(`[${rule}] ${name} ends the connection, and nothing is subscribed to`, () => {
        const client = one(level);
        client.write(bytesOf(frame(0x82, 0, 9, level === 5 ? 0 : [], ...parts)));
        if (level === 5) assertEnded(client, code, rule);
        assertClosed(client);
        assertEquals(client.pair.broker.stats.subscriptions, 0);
      });
    }

    test("[MQTT-3.8.1-1] [MQTT311-3.8.1-1] [MQTT-3.10.1-1] [MQTT311-3.10.1-1] [2.2.1/zero] other flags and identifier 0 end the connection", () => {
      for (
        const [first, id, rule] of [
          [0x80, 9, "MQTT-3.8.1-1"],
          [0x83, 9, "MQTT-3.8.1-1"],
          [0xa0, 9, "MQTT-3.10.1-1"],
          [0x82, 0, "2.2.1/zero"],
          [0xa2, 0, "2.2.1/zero"],
        ] as const
      ) {
        const client = one(level);
        client.write(frame(first, 0, id, level === 5 ? 0 : [], utf8("a"), first >> 4 === 8 ? 0 : []));
        if (level === 5) assertEnded(client, rule === "2.2.1/zero" ? 0x82 : 0x81, rule);
        assertClosed(client);
      }
    });
  });

  describe(`UNSUBSCRIBE, level ${level}`, () => {
    const codes = (...all: number[]) => level === 5 ? all : [];

    test("[MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-2.2.1-6] [MQTT311-3.10.4-4] [MQTT311-3.10.4-5] UNSUBACK with its identifier, whether something was removed or not", () => {
      const client = one(level);
      client.subscribe("a");
      for (const expected of [0, 0x11]) {
        client.write(frame(0xa2, 0xff, 0xfe, level === 5 ? 0 : [], utf8("a")));
        assertEquals(client.inbox.splice(0), [{
          type: UNSUBACK,
          packetId: 0xfffe,
          reasonCodes: codes(expected),
        }]);
      }
    });

    test("[MQTT-3.10.4-1] [MQTT311-3.10.4-1] only the very same filter is removed", () => {
      const client = one(level);
      client.subscribe("a/b", "a/+");
      const others = ["a", "a/#", "+/b", "A/b", "a/b/", "#", "/a/b"];
      assertEquals(client.unsubscribe(...others), codes(...others.map(() => 0x11)));
      publish(client, "a/b", "1");
      assertEquals(client.unsubscribe("a/+"), codes(0));
      publish(client, "a/b", "2");
      publish(client, "a/c", "3");
      assertEquals(client.takeTexts(), ["1", "2"]);
    });

    test("[MQTT-3.10.4-6] [MQTT-3.11.3-1] [MQTT311-3.10.4-6] one code for each filter, in their order", () => {
      const client = one(level);
      client.subscribe("a", "b", "c");
      assertEquals(client.unsubscribe("c", "x", "a", "a"), codes(0, 0x11, 0, 0x11));
      assertEquals(client.pair.broker.stats.subscriptions, 1);
      for (const topic of ["a", "b", "c"]) publish(client, topic, topic);
      assertEquals(client.takeTexts(), ["b"]);
    });

    test("[MQTT-3.10.4-2] [MQTT311-3.10.4-2] afterwards no message comes, at any QoS, live or retained", () => {
      const client = one(level);
      client.subscribe("a");
      client.unsubscribe("a");
      for (const qos of [0, 1, 2] as const) publish(client, "a", "x", qos, qos === 2);
      client.assertSilent();
    });

    test("[MQTT-3.10.4-3] [MQTT311-3.10.4-3] deliveries that have begun are completed", () => {
      const client = one(level);
      client.subscribe("a");
      publish(client, "a", "1", 1);
      publish(client, "a", "2", 2);
      publish(client, "a", "3", 2);
      client.takePublishes();
      client.acknowledge(PUBREC, 2);
      client.take(PUBREL);
      client.unsubscribe("a");
      client.acknowledge(PUBACK, 1);
      client.acknowledge(PUBREC, 3);
      client.acknowledge(PUBCOMP, 2);
      assertEquals(client.take(PUBREL).packetId, 3);
      client.acknowledge(PUBCOMP, 3);
      client.assertSilent();
      assertEquals(client.inFlight, 0);
    });

    test("[MQTT-3.10.3-2] [MQTT311-3.10.3-2] without a filter it ends the connection", () => {
      const client = one(level);
      client.write(frame(0xa2, 0, 9, level === 5 ? 0 : []));
      if (level === 5) assertEnded(client, 0x82, "MQTT-3.10.3-2");
      assertClosed(client);
    });
  });
}

test("[MQTT311-3.8.3-2] [3.2.2.3.11/not-supported] with wildcards switched off such a filter is refused below level 5 too", () => {
  for (const level of [3, 4] as const) {
    const client = one(level, { wildcardSubscriptionAvailable: false });
    assertEquals(client.subscribe("a/+", "#", { filter: "a", qos: 1 }), [0x80, 0x80, 1]);
    publish(client, "a/b", "x");
    client.assertSilent();
  }
});

test("[MQTT-3.10.4-3] what is open when its filter goes is sent again on the next connection", () => {
  const init = { cleanStart: false, properties: { sessionExpiryInterval: 60, receiveMaximum: 1 } };
  const client = one(5, {}, init);
  client.subscribe("a");
  publish(client, "a", "begun", 2);
  publish(client, "a", "queued", 2);
  client.unsubscribe("a");
  client.lose();
  const again = client.pair.connect({ clientId: "c", ...init });
  assertEquals(again.takePublishes().map(({ dup, packetId }) => [dup, packetId]), [[true, 1]]);
  again.acknowledge(PUBREC, 1);
  again.acknowledge(PUBCOMP, 1);
  assertEquals(again.takeTexts(), ["queued"]);
});

describe("what level 5 adds", () => {
  test("[3.8.3.1/retain-handling-3] [3.8.2.1.2/zero] [3.8.2.1.2/twice] options and identifiers out of range end the connection", () => {
    for (
      const [rule, bytes] of [
        ["3.8.3.1/retain-handling-3", frame(0x82, 0, 9, 0, utf8("a"), 0x30)],
        ["3.8.2.1.2/zero", frame(0x82, 0, 9, 2, 0x0b, 0, utf8("a"), 0)],
        ["3.8.2.1.2/twice", frame(0x82, 0, 9, 4, 0x0b, 1, 0x0b, 1, utf8("a"), 0)],
      ] as const
    ) {
      const client = one();
      client.write(bytes);
      assertEnded(client, 0x82, rule);
    }
  });

  test("[MQTT-3.9.3-2] [MQTT-3.8.4-7] every refusal has a code of SUBACK and says its rule", () => {
    const cases: [
      BrokerOptions,
      SubscriptionRequest["filter"],
      number,
      number,
      Parameters<typeof assertRule>[1],
    ][] = [
      [{}, "a#", 0, 0x8f, "MQTT-4.7.1-1"],
      [{ wildcardSubscriptionAvailable: false }, "a/+", 0, 0xa2, "3.2.2.3.11/not-supported"],
      [{ wildcardSubscriptionAvailable: false }, "$share/g/#", 0, 0xa2, "3.2.2.3.11/not-supported"],
      [{ sharedSubscriptionAvailable: false }, "$share/g/a", 0, 0x9e, "3.2.2.3.13/not-supported"],
      [{ subscriptionIdentifiersAvailable: false }, "a", 7, 0xa1, "3.2.2.3.12/not-supported"],
      [{ limits: { topicLevelsMax: 2 } }, "a/b/c", 0, 0x8f, "limit/topic-levels"],
      [{ limits: { topicLevelsMax: 2 } }, "$share/g/a/b/c", 0, 0x8f, "limit/topic-levels"],
      [{ limits: { subscriptionsPerSessionMax: 1 } }, "b", 0, 0x97, "limit/subscriptions"],
      [{ authorize: ({ topic }) => topic === "b" ? 0x87 : 0 }, "b", 0, 0x87, "policy/not-authorized"],
      [{ authorize: ({ topic }) => topic === "b" ? 0x97 : 0 }, "b", 0, 0x97, "policy/not-authorized"],
    ];
    for (const [options, filter, identifier, code, rule] of cases) {
      const client = one(5, options);
      client.subscribe("fine");
      const properties = identifier > 0 ? { subscriptionIdentifier: identifier } : {};
      client.send({
        type: PacketType.SUBSCRIBE,
        packetId: 7,
        subscriptions: [{ filter, qos: 1, noLocal: false, retainAsPublished: false, retainHandling: 0 }],
        properties,
      });
      const suback = client.take(SUBACK);
      assertEquals(suback.reasonCodes, [code], filter);
      assertEquals(isReasonAllowed(SUBACK, code as ReasonCode), true);
      assertRule(suback.properties?.reasonString, rule);
      assertEquals(client.subscribe("fine"), [2], "what is there can be replaced");
      assertEquals(client.pair.broker.stats.subscriptions, 1);
    }
  });

  test("[3.2.2.3.11/not-supported] [3.2.2.3.12/not-supported] [3.2.2.3.13/not-supported] CONNACK says what is switched off", () => {
    const options = {
      wildcardSubscriptionAvailable: false,
      subscriptionIdentifiersAvailable: false,
      sharedSubscriptionAvailable: false,
    };
    const { wildcardSubscriptionAvailable, subscriptionIdentifiersAvailable, sharedSubscriptionAvailable } =
      one(5, options).connack!.properties!;
    assertEquals(
      [wildcardSubscriptionAvailable, subscriptionIdentifiersAvailable, sharedSubscriptionAvailable],
      [false, false, false],
    );
    assertEquals(one(5, options).subscribe("a"), [2]);
  });

  test("[MQTT-3.9.2-1] [MQTT-3.9.2-2] a Reason String that does not fit is left out of SUBACK, and there is no User Property", () => {
    const small = one(5, {}, { properties: { maximumPacketSize: 50 } });
    small.send({
      type: PacketType.SUBSCRIBE,
      packetId: 7,
      subscriptions: [{ filter: "a#", qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 }],
      properties: { userProperties: [["a", "b"]] },
    });
    assertEquals(small.inbox.splice(0), [{ type: SUBACK, packetId: 7, reasonCodes: [0x8f] }]);
  });

  test("[MQTT-3.11.2-1] [MQTT-3.11.2-2] [MQTT-3.11.3-2] UNSUBACK has nothing but its codes", () => {
    const client = one();
    client.subscribe("a");
    client.send({
      type: PacketType.UNSUBSCRIBE,
      packetId: 7,
      filters: ["a", "b", "a#"],
      properties: { userProperties: [["a", "b"]] },
    });
    assertEquals(client.inbox.splice(0), [{ type: UNSUBACK, packetId: 7, reasonCodes: [0, 0x11, 0x11] }]);
  });

  test("[MQTT-3.1.2-29] no Reason String for who does not want to know", () => {
    const client = one(5, {}, { properties: { requestProblemInformation: false } });
    client.write(subscribeFrame(5, utf8("a#"), 0));
    assertEquals(client.inbox.splice(0), [{ type: SUBACK, packetId: 9, reasonCodes: [0x8f] }]);
  });

  test("[MQTT-3.2.2-10] with a lower Maximum QoS every QoS is subscribed to, and that one granted", () => {
    for (const maximumQos of [0, 1] as const) {
      const client = one(5, { maximumQos });
      assertEquals(client.connack?.properties?.maximumQos, maximumQos); // [MQTT-3.2.2-9]
      assertEquals(
        client.subscribe({ filter: "a", qos: 0 }, { filter: "b", qos: 1 }, { filter: "c", qos: 2 }),
        [0, maximumQos, maximumQos],
      );
      client.publish({ topic: "a", qos: 2 });
      assertEnded(client, 0x9b, "MQTT-3.2.2-11");
    }
  });
});
