/** §4.1, §4.4, §4.5 Sessions: when they begin and end, and what they bring along. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { ProtocolLevel } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { assertEnded, Told } from "../testing/assertions.ts";
import { type ConnectInit, Pair, type StubClient } from "../testing/pair.ts";
import type { BrokerOptions } from "./mod.ts";
import { Session, Subscription } from "./session.ts";

const LEVELS: readonly ProtocolLevel[] = [3, 4, 5];
const NEVER = 0xffff_ffff;

/** A CONNECT whose session stays for ten minutes, or for ever below level 5. */
function kept(level: ProtocolLevel = 5, sessionExpiryInterval = 600): ConnectInit {
  return { level, cleanStart: false, ...(level === 5 && { properties: { sessionExpiryInterval } }) };
}

/** A session with a subscription to "t" and its connection. */
function subscribed(
  init: ConnectInit,
  options: BrokerOptions = {},
): { pair: Pair; client: StubClient; told: Told } {
  const told = new Told();
  const pair = new Pair({ ...options, hooks: told.hooks });
  const client = pair.connect(init);
  client.subscribe("t");
  return { pair, client, told };
}

/** The Server itself publishes texts at QoS 1 or 2. */
function publish(pair: Pair, qos: 1 | 2, ...texts: string[]): void {
  for (const payload of texts) pair.broker.publish({ topic: "t", qos, payload }, pair.now);
  pair.settle();
}

/** Whether connecting with Clean Start 0 finds a session that can still get messages; level 3 has no flag for it. */
function isThere(pair: Pair, level: ProtocolLevel): boolean {
  const found = pair.broker.session("stub") !== undefined;
  const client = pair.connect(kept(level));
  if (level !== 3) assertEquals(client.connack?.sessionPresent, found);
  publish(pair, 1, "probe");
  const texts = client.takeTexts();
  assertEquals(texts.includes("probe"), found);
  return found;
}

describe("Clean Start", () => {
  for (const level of LEVELS) {
    test(`[MQTT-3.1.2-5] [MQTT-3.1.2-23] [MQTT-4.5.0-1] [MQTT-3.1.4-4] [MQTT311-3.1.2-4] [MQTT311-3.1.2-5] a session goes on with its subscriptions and messages, level ${level}`, () => {
      const { pair, client } = subscribed(kept(level));
      client.lose();
      pair.broker.publish({ topic: "t", qos: 0, payload: "zero" }, pair.now);
      publish(pair, 1, "one", "two");
      publish(pair, 2, "three");
      const again = pair.connect(kept(level));
      const publishes = again.takePublishes();
      assertEquals(publishes.map(({ qos, dup, packetId }) => [qos, dup, packetId]), [
        [1, false, 1],
        [1, false, 2],
        [2, false, 3],
      ]);
      publish(pair, 1, "four");
      assertEquals(again.takeTexts(), ["four"]);
    });

    test(`[MQTT-3.1.2-4] [MQTT311-3.1.2-6] [MQTT311-3.1.2-7] Clean Start 1 forgets all of it but retained messages, level ${level}`, () => {
      const { pair, client, told } = subscribed(kept(level));
      publish(pair, 1, "open");
      client.take(PacketType.PUBLISH);
      client.publish({ topic: "x", qos: 2, packetId: 9 });
      client.lose();
      publish(pair, 1, "queued");
      pair.broker.publish({ topic: "r", payload: "retained", retain: true }, pair.now);
      const clean = pair.connect({ ...kept(level), cleanStart: true });
      assertEquals(clean.connack?.sessionPresent, false);
      assertEquals(told.sessionsEnded, ["stub"]);
      publish(pair, 1, "later");
      clean.assertSilent();
      clean.subscribe("r", "x");
      assertEquals(clean.takeTexts(), ["retained"]);
      clean.publish({ topic: "x", qos: 2, packetId: 9, payload: "new" }); // was open in the old session
      assertEquals(clean.takeTexts(), ["new"]);
    });

    test(`[MQTT-3.1.2-6] Clean Start 0 without a session begins one, level ${level}`, () => {
      const client = new Pair().connect(kept(level));
      assertEquals(client.connack?.sessionPresent, false);
      client.assertSilent();
    });
  }

  for (const level of [3, 4] as const) {
    test(`[MQTT311-3.1.2-6] a session with Clean Session 1 ends with its connection, level ${level}`, () => {
      for (const end of ["lose", "disconnect"] as const) {
        const { pair, client, told } = subscribed({ level, cleanStart: true });
        client[end]();
        assertEquals(told.sessionsEnded, ["stub"]);
        pair.assertEmpty();
        assertEquals(isThere(pair, level), false);
      }
    });

    test(`[MQTT311-4.1.0-1] one with Clean Session 0 lasts as long as sessionExpirySecondsMax, level ${level}`, () => {
      const { pair, client } = subscribed(kept(level));
      client.disconnect();
      pair.advance(100 * 365 * 86_400_000);
      assertEquals(isThere(pair, level), true);
      const cut = subscribed(kept(level), { limits: { sessionExpirySecondsMax: 50 } });
      cut.client.disconnect();
      cut.pair.advance(49_999);
      assertEquals(cut.pair.broker.stats.sessions, 1);
      cut.pair.advance(1);
      cut.pair.assertEmpty();
    });
  }

  test("[MQTT-3.1.3-2] [MQTT311-3.1.3-2] a session belongs to one identifier", () => {
    const { pair, client } = subscribed(kept());
    client.lose();
    publish(pair, 1, "queued");
    const other = pair.connect({ ...kept(), clientId: "Stub" });
    assertEquals(other.connack?.sessionPresent, false);
    other.assertSilent();
  });
});

describe("Session Expiry Interval", () => {
  test("[MQTT-3.1.2-23] [MQTT-4.1.0-2] counts from the end of the connection, to the millisecond", () => {
    const { pair, client, told } = subscribed(kept(5, 10));
    pair.advance(3_600_000);
    client.lose();
    pair.advance(9_999);
    assertEquals(pair.broker.stats.sessions, 1);
    pair.advance(1);
    assertEquals(told.sessionsEnded, ["stub"]);
    pair.assertEmpty();
    assertEquals(isThere(pair, 5), false);
  });

  test("[MQTT-4.1.0-2] a session that is over is not there, even if the clock was not told of it in time", () => {
    const { pair, client, told } = subscribed(kept(5, 10));
    client.lose();
    publish(pair, 1, "queued");
    pair.now += 10_000;
    const again = pair.connect(kept());
    assertEquals(again.connack?.sessionPresent, false);
    assertEquals(told.sessionsEnded, ["stub"]);
    again.assertSilent();
  });

  test("the last CONNECT's interval holds, and coming back stops the count", () => {
    const { pair, client } = subscribed(kept(5, 10));
    client.lose();
    pair.advance(9_000);
    const second = pair.connect(kept(5, 20));
    pair.advance(60_000);
    second.assertSilent();
    second.lose();
    pair.advance(19_999);
    assertEquals(isThere(pair, 5), true);
  });

  test("absent or 0 the session ends with the connection, also one that was to stay", () => {
    for (const properties of [{}, { sessionExpiryInterval: 0 }]) {
      const { pair, client } = subscribed({ properties });
      client.lose();
      pair.assertEmpty();
      pair.connect(kept()).lose();
      const last = pair.connect({ cleanStart: false, properties });
      assertEquals(last.connack?.sessionPresent, true);
      last.lose();
      pair.assertEmpty();
    }
  });

  test("0xFFFFFFFF never ends", () => {
    const { pair, client } = subscribed(kept(5, NEVER));
    client.lose();
    assertEquals(pair.broker.nextDeadline(), Infinity);
    pair.advance(NEVER * 1000 + 1);
    assertEquals(isThere(pair, 5), true);
  });

  test("[MQTT-4.1.0-2] DISCONNECT may make it longer or shorter, or end the session", () => {
    const cases: [number, number, number][] = [[10, 20, 20], [20, 10, 10], [NEVER, 5, 5], [
      5,
      NEVER,
      Infinity,
    ]];
    for (const [before, given, seconds] of cases) {
      const { pair, client } = subscribed(kept(5, before));
      client.disconnect(0, { sessionExpiryInterval: given });
      assertEquals(pair.broker.nextDeadline(), pair.now + seconds * 1000);
    }
    const { pair, client } = subscribed(kept());
    client.disconnect(0, { sessionExpiryInterval: 0 });
    pair.assertEmpty();
  });

  test("sessionExpirySecondsMax holds for DISCONNECT too", () => {
    const { pair, client } = subscribed(kept(5, 5), { limits: { sessionExpirySecondsMax: 30 } });
    client.disconnect(0, { sessionExpiryInterval: 31 });
    assertEquals(pair.broker.nextDeadline(), pair.now + 30_000);
  });

  test("[MQTT-4.1.0-1] [MQTT311-4.1.0-2] nothing of a session is dropped while it is connected", () => {
    for (const properties of [{}, { sessionExpiryInterval: 1 }]) {
      const { pair, client } = subscribed({ properties });
      client.publish({ topic: "other", qos: 2, packetId: 7 });
      publish(pair, 1, "open");
      pair.advance(7 * 86_400_000);
      assertEquals(client.takeTexts(), ["open"]);
      client.acknowledge(PacketType.PUBREL, 7);
      assertEquals(client.take(PacketType.PUBREC).packetId, 7);
      assertEquals(client.take(PacketType.PUBCOMP).reasonCode, 0);
      publish(pair, 1, "still");
      assertEquals(client.takeTexts(), ["still"]);
    }
  });
});

describe("takeover", () => {
  for (const level of LEVELS) {
    test(`[MQTT-3.1.4-3] [MQTT-3.1.2-5] the session goes on with what was open, level ${level}`, () => {
      const { pair, client } = subscribed(kept(level));
      publish(pair, 1, "open");
      const [first] = client.takePublishes();
      const again = pair.connect(kept(level));
      assertEquals(again.connack?.sessionPresent, level > 3);
      const [second] = again.takePublishes();
      assertEquals([second?.dup, second?.packetId], [true, first?.packetId]);
      again.acknowledge(PacketType.PUBACK, second!.packetId!);
      publish(pair, 1, "more");
      assertEquals(again.takeTexts(), ["more"]);
    });
  }

  test("a session that ends with its connection is not taken over, it ends", () => {
    const { pair, client, told } = subscribed({});
    const again = pair.connect(kept());
    assertEquals(again.connack?.sessionPresent, false);
    assertEquals(told.sessionsEnded, ["stub"]);
    assertEnded(client, 0x8e, "MQTT-3.1.4-3");
    publish(pair, 1, "gone");
    again.assertSilent();
  });

  test("levels may change from one connection to the next", () => {
    const { pair, client } = subscribed(kept(5, NEVER));
    client.lose();
    const message = { topic: "t", qos: 1, payload: "m", properties: { contentType: "text" } } as const;
    pair.broker.publish(message, pair.now);
    const four = pair.connect(kept(4));
    assertEquals(four.connack?.sessionPresent, true);
    assertEquals(four.takePublishes().map(({ properties }) => properties), [undefined]);
    const five = pair.connect(kept(5));
    assertEquals(five.takePublishes().map(({ dup, properties }) => [dup, properties?.contentType]), [[
      true,
      "text",
    ]]);
  });
});

test("[MQTT-3.8.4-3] a subscription has the options of its last SUBSCRIBE, each of them", () => {
  const subscription = new Subscription(undefined as never, "t");
  for (const qos of [0, 1, 2] as const) {
    for (const retainHandling of [0, 1, 2] as const) {
      for (const flags of [0, 1, 2, 3]) {
        const record = {
          filter: "t",
          qos,
          noLocal: (flags & 1) > 0,
          retainAsPublished: (flags & 2) > 0,
          retainHandling,
          identifier: flags,
        };
        subscription.set(record);
        const { filter, noLocal, retainAsPublished, identifier } = subscription;
        const got = { filter, qos: subscription.qos, noLocal, retainAsPublished, identifier };
        assertEquals({ ...got, retainHandling: subscription.retainHandling }, record);
      }
    }
  }
});

test("[MQTT-4.8.2-4] a subscription rises once in its group, however often it went down, and not when it is gone", () => {
  const session = new Session({ expired: () => {} }, "c", 5, new Pair().broker.policy({}).limits);
  const subscriptions = ["$share/g/a", "$share/g/b"].map((filter) => new Subscription(session, filter));
  const risen: Subscription[] = [];
  for (let i = 0; i < 3; i++) {
    for (const one of subscriptions) session.sinks(one, { rise: (member) => void risen.push(member) });
  }
  const [gone, there] = subscriptions as [Subscription, Subscription];
  session.leaves(gone);
  assertEquals([session.rise(), risen.length, risen[0] === there], [1, 1, true]);
  session.sinks(there, { rise: () => {} });
  session.leaves(there);
  assertEquals(session.hasSunk, false);
});
