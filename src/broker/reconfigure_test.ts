/** Policies that change while Clients are connected. @module */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { UsageError } from "../codec/error.ts";
import { PacketType } from "../codec/packet_type.ts";
import { Pair, type StubClient } from "../testing/pair.ts";
import { type LimitName, LIMITS, type Policy, type PolicyOptions, RELOAD_OF_LIMITS } from "./mod.ts";
import { policyOf } from "./policy.ts";
import { Succession } from "./reconfigure.ts";

/** Changes the broker's own policy, and those of listeners. */
function change(
  pair: Pair,
  given: PolicyOptions,
  moved: readonly (readonly [Policy, PolicyOptions])[] = [],
): Policy[] {
  const { broker } = pair;
  const policy = broker.nextPolicy(given);
  const next = moved.map(([before, own]) => [before, policyOf(own, policy)] as const);
  broker.reconfigure(policy, new Map(next), {}, pair.now);
  pair.settle();
  return next.map(([, after]) => after);
}

/** Whether a filter of three levels is taken. */
function takes(client: StubClient): boolean {
  return [...client.subscribe("a/b/c")][0]! < 0x80;
}

const LEVELS = (topicLevelsMax: number): PolicyOptions => ({ limits: { topicLevelsMax } });

describe("RELOAD_OF_LIMITS", () => {
  test("has every limit, and no announced one that holds at once", () => {
    assertEquals(Object.keys(RELOAD_OF_LIMITS), Object.keys(LIMITS));
    const announced: LimitName[] = [
      "packetBytesMax",
      "receiveMaximum",
      "topicAliasMaximum",
      "keepAliveSecondsMax",
      "sessionExpirySecondsMax",
    ];
    for (const name of announced) assertEquals(RELOAD_OF_LIMITS[name], "new connections", name);
    assertEquals([RELOAD_OF_LIMITS.knownTopicsMax, RELOAD_OF_LIMITS.batchMessagesMax], [
      "restart",
      "restart",
    ]);
    assertEquals([RELOAD_OF_LIMITS.topicLevelsMax, RELOAD_OF_LIMITS.queuedBytesMax], ["now", "now"]);
    assertEquals([RELOAD_OF_LIMITS.sessionsMax, RELOAD_OF_LIMITS.connectTimeoutMs], [
      "now",
      "new connections",
    ]);
  });
});

describe("reconfigure()", () => {
  test("the broker's own policy reaches connections that have none of a listener, each time", () => {
    const pair = new Pair();
    const client = pair.connect();
    for (const most of [2, 3, 1, 200]) {
      change(pair, LEVELS(most));
      assertEquals(takes(client), most >= 3, `${most}`);
    }
  });

  test("a listener's policy reaches its own connections, through any number of changes, and no others", () => {
    const pair = new Pair();
    const first = pair.broker.policy(LEVELS(2));
    const enter = (policy: Policy) => {
      const client = pair.open(5, {}, {}, policy);
      client.connect({ clientId: `${Math.round(policy.limits.topicLevelsMax)}` });
      client.take(PacketType.CONNACK);
      return client;
    };
    const old = enter(first);
    const other = pair.connect({ clientId: "other" });
    assertEquals([takes(old), takes(other)], [false, true]);
    const [second] = change(pair, {}, [[first, LEVELS(3)]]) as [Policy];
    const young = enter(second);
    assertEquals([takes(old), takes(young), takes(other)], [true, true, true]);
    const [third] = change(pair, LEVELS(2), [[second, LEVELS(4)]]) as [Policy];
    assertEquals([takes(old), takes(young), takes(other)], [true, true, false]);
    change(pair, LEVELS(3), [[third, LEVELS(1)]]);
    assertEquals([takes(old), takes(young), takes(other)], [false, false, true]);
  });

  test("connections of a listener that goes keep what they have", () => {
    const pair = new Pair();
    const gone = pair.broker.policy(LEVELS(2));
    const client = pair.open(5, {}, {}, gone);
    client.connect();
    client.take(PacketType.CONNACK);
    change(pair, LEVELS(5));
    assertEquals(takes(client), false);
  });

  test("an open connection keeps features and announced limits, a new one gets the new", () => {
    const pair = new Pair();
    const old = pair.connect({ clientId: "old" });
    change(pair, {
      maximumQos: 0,
      retainAvailable: false,
      limits: { packetBytesMax: 100, receiveMaximum: 2 },
    });
    old.publish({ topic: "a", qos: 2, retain: true, payload: "x".repeat(200) });
    assertEquals(old.take(PacketType.PUBREC).reasonCode, 0x10); // nobody subscribes to it
    const { properties } = pair.connect({ clientId: "new" }).connack!;
    assertEquals(
      [
        properties?.maximumQos,
        properties?.retainAvailable,
        properties?.maximumPacketSize,
        properties?.receiveMaximum,
      ],
      [0, false, 100, 2],
    );
  });

  test("sessions without a connection have new limits, and keep them when they come back", () => {
    const pair = new Pair();
    const properties = { sessionExpiryInterval: 1_000 };
    const away = pair.connect({ clientId: "away", properties });
    away.subscribe("queue");
    away.disconnect();
    const sender = pair.connect({ clientId: "sender" });
    const answer = () => {
      sender.publish({ topic: "queue", qos: 1 });
      return sender.take(PacketType.PUBACK).reasonCode;
    };
    for (const [most, code] of [[1, 0], [1, 0x97], [2, 0], [2, 0x97]] as const) {
      change(pair, { limits: { queuedMessagesMax: most } });
      assertEquals(answer(), code, `${most}`);
    }
    assertEquals(pair.broker.session("away")?.queued, 2);
  });

  test("retained messages above a new limit stay, and no more come", () => {
    const pair = new Pair();
    const client = pair.connect();
    const retain = (topic: string) => {
      client.publish({ topic, qos: 1, retain: true, payload: "x" });
      return client.take(PacketType.PUBACK).reasonCode & 0x80;
    };
    assertEquals([retain("a"), retain("b")], [0, 0]);
    change(pair, { limits: { retainedMessagesMax: 1 } });
    assertEquals([retain("c"), retain("a"), pair.broker.stats.retainedMessages], [0x80, 0, 2]);
    change(pair, {});
    assertEquals(retain("c"), 0);
  });

  test("a wrong limit is refused before anything changes; limits that need a restart stay", () => {
    const pair = new Pair({ limits: { knownTopicsMax: 100, batchMessagesMax: 5 } });
    assertThrows(() => pair.broker.nextPolicy({ limits: { nameBytesMax: 1 } }), UsageError);
    const { limits } = pair.broker.nextPolicy({ limits: { knownTopicsMax: 200, nameBytesMax: 99 } });
    assertEquals([limits.knownTopicsMax, limits.batchMessagesMax, limits.nameBytesMax], [100, 5, 99]);
  });

  test("may be called inside a hook: it is done behind what the hook is told of", () => {
    const pair = new Pair({ hooks: { subscribed: () => void change(pair, LEVELS(2)) } });
    const client = pair.connect();
    assertEquals([...client.subscribe("a/b/c", "a/b/c/d")], [2, 2]);
    assertEquals(takes(client), false);
  });
});

describe("Succession", () => {
  test("gives every connection of one policy the same new one, and leaves others as they are", () => {
    const [one, other] = [policyOf({}), policyOf({})];
    const next = policyOf(LEVELS(7));
    const { policyOf: after, limitsOf } = new Succession().change(new Map([[one, next]]));
    assert(after(one) === after(one) && after(one) !== one);
    assert(after(other) === other && limitsOf(other.limits) === other.limits);
    assertEquals([after(one).limits.topicLevelsMax, limitsOf(one.limits)], [7, after(one).limits]);
  });
});
