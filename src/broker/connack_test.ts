/** §3.2 CONNACK: what the Server tells, to whom, and within which size. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { ConnackProperties, Connect, ProtocolLevel, Will } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { assertClosed, assertNotAccepted, assertRule, Told } from "../testing/assertions.ts";
import { Pair } from "../testing/pair.ts";
import { type BrokerOptions, LIMITS, type ReasonCode, type Verdict } from "./mod.ts";

const LEVELS: readonly ProtocolLevel[] = [3, 4, 5];

/** What CONNACK says when nothing is asked for and nothing is forbidden. */
const ALWAYS: ConnackProperties = {
  receiveMaximum: LIMITS.receiveMaximum.default,
  maximumPacketSize: LIMITS.packetBytesMax.default,
  topicAliasMaximum: LIMITS.topicAliasMaximum.default,
};

function told(
  options: BrokerOptions,
  properties: Connect["properties"] = {},
  keepAlive = 0,
): ConnackProperties {
  return new Pair(options).connect({ properties, keepAlive }).connack!.properties!;
}

function will(init: Partial<Will>): Will {
  return { topic: "w", payload: new Uint8Array(), qos: 0, retain: false, ...init };
}

describe("what an accepted Client is told", () => {
  test("limits that are always told, and nothing else", () => {
    assertEquals(told({}), ALWAYS);
    assertEquals(told({ limits: { receiveMaximum: 7, packetBytesMax: 99, topicAliasMaximum: 0 } }), {
      receiveMaximum: 7,
      maximumPacketSize: 99,
    });
  });

  test("nothing but the code below level 5, and no Session Present at level 3", () => {
    for (const level of [3, 4] as const) {
      const { connack } = new Pair({ limits: { sessionExpirySecondsMax: 5 } }).connect({ level });
      assertEquals(connack, { type: PacketType.CONNACK, sessionPresent: false, reasonCode: 0 });
    }
  });

  const features: [BrokerOptions, ConnackProperties][] = [
    [{ retainAvailable: false }, { retainAvailable: false }],
    [{ wildcardSubscriptionAvailable: false }, { wildcardSubscriptionAvailable: false }],
    [{ subscriptionIdentifiersAvailable: false }, { subscriptionIdentifiersAvailable: false }],
    [{ sharedSubscriptionAvailable: false }, { sharedSubscriptionAvailable: false }],
    [{ retainAvailable: true, sharedSubscriptionAvailable: true, maximumQos: 2 }, {}],
  ];
  for (const [options, expected] of features) {
    test(`the option ${JSON.stringify(options)} is told as ${JSON.stringify(expected)}`, () => {
      assertEquals(told(options), { ...ALWAYS, ...expected });
    });
  }

  test("[MQTT-3.2.2-9] [MQTT-3.2.2-10] a Maximum QoS is told, and granted to whoever asks for more", () => {
    for (const maximumQos of [0, 1] as const) {
      const client = new Pair({ maximumQos }).connect();
      assertEquals(client.connack?.properties, { ...ALWAYS, maximumQos });
      assertEquals(
        client.subscribe({ filter: "a", qos: 0 }, { filter: "b", qos: 1 }, { filter: "c", qos: 2 }),
        [
          0,
          maximumQos,
          maximumQos,
        ],
      );
    }
  });

  test("Session Expiry Interval is told where the limit cuts it, and only there", () => {
    const limits = { sessionExpirySecondsMax: 100 };
    assertEquals(told({ limits }, { sessionExpiryInterval: 100 }), ALWAYS);
    assertEquals(told({ limits }), ALWAYS);
    assertEquals(told({ limits }, { sessionExpiryInterval: 101 }), { ...ALWAYS, sessionExpiryInterval: 100 });
    assertEquals(told({ limits: { sessionExpirySecondsMax: 0 } }, { sessionExpiryInterval: 9 }), {
      ...ALWAYS,
      sessionExpiryInterval: 0,
    });
    assertEquals(told({}, { sessionExpiryInterval: 0xffff_ffff }), ALWAYS);
  });

  test("Server Keep Alive is told where the limit cuts it, and for a Client that wants none", () => {
    const limits = { keepAliveSecondsMax: 60 };
    assertEquals(told({ limits }, {}, 60), ALWAYS);
    assertEquals(told({ limits }, {}, 61), { ...ALWAYS, serverKeepAlive: 60 });
    assertEquals(told({ limits }, {}, 0), { ...ALWAYS, serverKeepAlive: 60 });
    assertEquals(told({}, {}, 65_535), ALWAYS);
  });

  test("[MQTT-3.1.2-28] Response Information goes only to who asks for it", () => {
    const responseInformation = (client: { clientId: string }) => `answers/${client.clientId}`;
    assertEquals(told({ responseInformation }), ALWAYS);
    assertEquals(told({ responseInformation }, { requestResponseInformation: false }), ALWAYS);
    assertEquals(told({ responseInformation }, { requestResponseInformation: true }), {
      ...ALWAYS,
      responseInformation: "answers/stub",
    });
    assertEquals(told({}, { requestResponseInformation: true }), ALWAYS);
  });

  test("an error of the owner's Response Information refuses the Client, which leaves nothing behind", () => {
    const log = new Told();
    const pair = new Pair({
      hooks: log.hooks,
      responseInformation: () => {
        throw new Error("no database");
      },
    });
    const client = pair.open();
    client.connect({ properties: { requestResponseInformation: true } });
    assertNotAccepted(client, 0x83, "MQTT-4.13.1-1");
    assertEquals(log.failures.map(String), ["Error: no database"]);
    pair.assertEmpty();
  });

  test("the verdict's Reason String comes with CONNACK, whatever Request Problem Information says [MQTT-3.1.2-29]", () => {
    const options = { authenticate: (): Verdict => ({ code: 0, reasonString: "hello" }) };
    assertEquals(told(options), { ...ALWAYS, reasonString: "hello" });
    assertEquals(told(options, { requestProblemInformation: false }), { ...ALWAYS, reasonString: "hello" });
  });
});

describe("Session Present", () => {
  for (const level of LEVELS) {
    const properties = level === 5 ? { properties: { sessionExpiryInterval: 60 } } : {};
    test(`[MQTT-3.2.2-1] [MQTT-3.2.2-2] [MQTT-3.2.2-3] [MQTT311-3.2.2-1] [MQTT311-3.2.2-2] [MQTT311-3.2.2-3] as Clean Start and the session say, level ${level}`, () => {
      const pair = new Pair();
      const present = (cleanStart: boolean) => {
        const client = pair.connect({ level, cleanStart, ...properties });
        client.lose();
        return client.connack!.sessionPresent;
      };
      assertEquals([false, false, true, false].map(present), [
        false,
        level > 3,
        false,
        level > 3 && level === 5,
      ]);
    });
  }
});

describe("refusals", () => {
  const codes: [number, number | undefined][] = [
    [0x80, undefined],
    [0x83, undefined],
    [0x85, 2],
    [0x86, 4],
    [0x87, 5],
    [0x88, 3],
    [0x89, 3],
    [0x8a, 5],
    [0x8c, 5],
    [0x97, 3],
    [0x9c, 3],
    [0x9d, 3],
    [0x9f, 3],
  ];
  for (const [code, returnCode] of codes) {
    const name = `0x${code.toString(16)}`;
    test(`[MQTT-3.1.4-2] [MQTT-3.2.2-6] [MQTT-3.2.2-7] [MQTT-3.2.2-8] [MQTT-4.13.2-1] the verdict ${name} is told at level 5, then closed`, () => {
      const log = new Told();
      const pair = new Pair({ hooks: log.hooks, authenticate: () => ({ code: code as never }) });
      const client = pair.open(5);
      client.connect({ cleanStart: false });
      const [refusal] = log.refusals;
      assertEquals(refusal?.code as number, code);
      assertNotAccepted(client, code, refusal!.rule);
      pair.assertEmpty();
    });

    const shown = returnCode === undefined
      ? "no CONNACK at all [MQTT311-3.2.2-6]"
      : `return code ${returnCode}`;
    test(`[MQTT311-3.2.2-4] [MQTT311-3.2.2-5] the verdict ${name} is ${shown} below level 5, then the close`, () => {
      for (const level of [3, 4] as const) {
        const pair = new Pair({ authenticate: () => ({ code: code as never }) });
        const client = pair.open(level);
        client.connect({ level });
        if (returnCode === undefined) assertClosed(client);
        else assertNotAccepted(client, returnCode, "policy/not-authorized");
        pair.assertEmpty();
      }
    });
  }

  test("a verdict that CONNACK cannot carry is our own fault: 0x88, and the owner is told", () => {
    const log = new Told();
    const pair = new Pair({ hooks: log.hooks, authenticate: () => ({ code: 0x8d }) });
    const client = pair.open();
    client.connect();
    assertNotAccepted(client, 0x88, "policy/not-authorized");
    assertEquals(log.failures.length, 1);
    pair.assertEmpty();
  });

  test("[MQTT-3.2.2-12] [MQTT-4.13.2-1] a Will QoS above Maximum QoS is refused with 0x9B", () => {
    const pair = new Pair({ maximumQos: 1 });
    const client = pair.open();
    client.connect({ will: will({ qos: 2 }) });
    assertNotAccepted(client, 0x9b, "MQTT-3.2.2-12");
    pair.connect({ will: will({ qos: 1 }) }).assertSilent();
  });

  test("[MQTT-3.2.2-13] a Will Retain without retained messages is refused with 0x9A", () => {
    const pair = new Pair({ retainAvailable: false });
    const client = pair.open();
    client.connect({ will: will({ retain: true }) });
    assertNotAccepted(client, 0x9a, "MQTT-3.2.2-13");
    pair.connect({ will: will({}) }).assertSilent();
  });

  test("[MQTT311-3.2.2-6] at level 4 a Will that is refused has return code 5, whatever the reason", () => {
    for (const level of [3, 4] as const) {
      for (
        const [init, code, rule] of [
          [{ qos: 2 }, 0x9b, "MQTT-3.2.2-12"],
          [{ retain: true }, 0x9a, "MQTT-3.2.2-13"],
          [{ topic: "a/b/c/d" }, 0x90, "limit/topic-levels"],
          [{ topic: "0x80" }, 0x87, "policy/not-authorized"],
          [{ topic: "0x83" }, 0x87, "policy/not-authorized"],
          [{ topic: "0x97" }, 0x87, "policy/not-authorized"],
        ] as const
      ) {
        const log = new Told();
        const pair = new Pair({
          maximumQos: 1,
          retainAvailable: false,
          limits: { topicLevelsMax: 3 },
          authorize: ({ topic }) => Number(topic) as ReasonCode,
          hooks: log.hooks,
        });
        const client = pair.open(level);
        client.connect({ will: will(init) });
        assertNotAccepted(client, 5, rule);
        log.assertRefused(code, rule);
        pair.assertEmpty();
      }
    }
  });

  test("[policy/dollar-topic] a Client whose Will Topic begins with $ comes in, and its Will is never published", () => {
    for (const level of [3, 4, 5] as const) {
      const asked: string[] = [];
      const pair = new Pair({
        authorize: ({ action, topic }) => {
          asked.push(`${action} ${topic}`);
          return 0;
        },
      });
      const watcher = pair.connect({ clientId: "watcher" });
      watcher.subscribe("#", "$SYS/#");
      const topic = "$SYS/broker/connection/edge.bridge/state";
      const bridge = pair.connect({ level, will: will({ topic, qos: 1, retain: true }) });
      bridge.assertSilent();
      bridge.lose();
      pair.advance(1_000);
      watcher.assertSilent();
      assertEquals([asked, pair.broker.stats.retainedMessages], [["subscribe #", "subscribe $SYS/#"], 0]);
    }
  });

  test("[limit/topic-levels] a Will Topic of too many levels is refused with 0x90", () => {
    const pair = new Pair({ limits: { topicLevelsMax: 3 } });
    const client = pair.open();
    client.connect({ will: will({ topic: "a/b/c/d" }) });
    assertNotAccepted(client, 0x90, "limit/topic-levels");
    pair.connect({ will: will({ topic: "a/b/c" }) }).assertSilent();
  });

  test("[policy/not-authorized] a will that may not be published is refused with the authorizer's code", () => {
    const asked: unknown[] = [];
    const pair = new Pair({
      authorize: ({ action, topic, qos, retain }) => {
        asked.push([action, topic, qos, retain]);
        return 0x87;
      },
    });
    const client = pair.open();
    client.connect({ will: will({ qos: 1, retain: true }) });
    assertNotAccepted(client, 0x87, "policy/not-authorized");
    assertEquals(asked, [["publish", "w", 1, true]]);
    pair.assertEmpty();
  });

  test("[policy/redirected] a redirected Client is told where to go", () => {
    const pair = new Pair({ redirect: { code: 0x9d, serverReference: "other.example:1883" } });
    const client = pair.open();
    client.connect();
    const { properties } = assertNotAccepted(client, 0x9d, "policy/redirected");
    assertEquals(properties?.serverReference, "other.example:1883");
    const old = pair.open(4);
    old.connect();
    assertNotAccepted(old, 3, "policy/redirected");
  });

  test("[policy/redirected] the authenticator may redirect one Client", () => {
    const pair = new Pair({
      authenticate: ({ clientId }) =>
        clientId === "stub" ? { code: 0x9c, serverReference: "b.example" } : { code: 0 },
    });
    const client = pair.open();
    client.connect();
    const { properties } = assertNotAccepted(client, 0x9c, "policy/redirected");
    assertEquals(properties?.serverReference, "b.example");
    pair.connect({ clientId: "c" }).assertSilent();
  });

  test("[limit/unavailable] a Server that shuts down takes nobody", () => {
    const pair = new Pair();
    const [early, waiting] = [pair.open(), pair.open(4)];
    pair.broker.shutdown(pair.now);
    pair.settle();
    for (const client of [early, waiting]) assertClosed(client);
    const late = pair.open();
    late.connect();
    assertNotAccepted(late, 0x88, "limit/unavailable");
    pair.assertEmpty();
  });
});

describe("[MQTT-3.1.2-24] the Client's Maximum Packet Size", () => {
  test("[MQTT-3.2.2-19] the Reason String is left out of a CONNACK that would be too large", () => {
    const reasonString = "r".repeat(100);
    const pair = new Pair({ authenticate: () => ({ code: 0, reasonString }) });
    const size = (maximumPacketSize: number) =>
      pair.connect({ properties: { maximumPacketSize } }).connack?.properties;
    assertEquals(size(119), { ...ALWAYS, reasonString }); // 2 + 2 + 1 + 3 + 5 + 3 + 103
    assertEquals(size(118), ALWAYS);
  });

  test("[MQTT-3.2.2-19] also out of one that refuses", () => {
    const client = new Pair({ redirect: { code: 0x9c, serverReference: "b" } }).open();
    client.connect({ properties: { maximumPacketSize: 20 } });
    assertEquals(client.take(PacketType.CONNACK), {
      type: PacketType.CONNACK,
      sessionPresent: false,
      reasonCode: 0x9c,
      properties: { serverReference: "b" },
    });
    assertClosed(client);
  });

  test("[MQTT-3.14.0-1] a Client that cannot even take CONNACK is refused, and its session is not touched", () => {
    const log = new Told();
    const pair = new Pair({ hooks: log.hooks });
    const first = pair.connect({ properties: { sessionExpiryInterval: 60 } });
    const client = pair.open();
    client.connect({ cleanStart: true, properties: { maximumPacketSize: 15 } }); // CONNACK has 16
    assertEquals(client.take(PacketType.CONNACK), {
      type: PacketType.CONNACK,
      sessionPresent: false,
      reasonCode: 0x95,
    });
    assertClosed(client);
    log.assertRefused(0x95, "MQTT-3.1.2-24");
    first.assertSilent();
    assertEquals([pair.broker.stats.connected, pair.broker.stats.sessions], [1, 1]);
    assertEquals(log.ends, []);
  });

  test("where not even the refusal fits there is only the close", () => {
    const log = new Told();
    const pair = new Pair({ hooks: log.hooks });
    const client = pair.open();
    client.connect({ properties: { maximumPacketSize: 4 } });
    assertClosed(client);
    log.assertRefused(0x95, "MQTT-3.1.2-24");
    pair.assertEmpty();
  });

  test("a CONNACK of exactly that size comes", () => {
    const { connack } = new Pair().connect({ properties: { maximumPacketSize: 16 } });
    assertEquals(connack?.properties, ALWAYS);
    assert(connack?.properties?.reasonString === undefined);
  });
});

test("[MQTT-3.2.2-19] a refusal's Reason String names the rule where it fits", () => {
  const client = new Pair({ authenticate: () => ({ code: 0x86 }) }).open();
  client.connect({ properties: { maximumPacketSize: 200, requestProblemInformation: false } });
  const { reasonCode, properties } = client.take(PacketType.CONNACK);
  assertEquals(reasonCode, 0x86);
  assertRule(properties?.reasonString, "policy/bad-credentials");
});
