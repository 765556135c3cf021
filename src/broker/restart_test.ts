/** §4.1 What a store kept is there again: broker A ends without a word, broker B has the same store. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { ProtocolLevel } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { PublishView } from "../codec/publish_view.ts";
import { Life, take } from "../testing/restarts.ts";
import type { StubClient } from "../testing/pair.ts";

const WILL = { topic: "w", payload: new Uint8Array(), qos: 1, retain: false } as const;
const { PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;

describe("sessions", () => {
  for (const level of [3, 4, 5] as ProtocolLevel[]) {
    const init = level === 5 ? { level } : { level, properties: {} };
    test(`[MQTT-3.1.2-5] [MQTT-4.1.0-1] subscriptions and what is queued, level ${level}`, () => {
      const life = new Life();
      const client = life.connect(init);
      client.subscribe({ filter: "a/+", qos: 1 }, "b", "gone");
      client.unsubscribe("gone");
      client.lose();
      for (const [topic, payload] of [["a/1", "one"], ["b", "two"], ["gone", "x"]]) {
        life.publish({ topic: topic!, qos: 2, payload: payload! });
      }
      life.restart(1_000);
      life.publish({ topic: "b", qos: 1, payload: "three" });
      const again = life.connect(init);
      if (level > 3) assertEquals(again.connack?.sessionPresent, true);
      const publishes = again.takePublishes();
      assertEquals(publishes.map(({ topic, qos, dup }) => [topic, qos, dup]), [["a/1", 1, false], [
        "b",
        2,
        false,
      ], [
        "b",
        1,
        false,
      ]]);
      life.publish({ topic: "gone", qos: 1 });
      again.assertSilent();
    });

    test(`[MQTT-4.4.0-1] messages at every step on their way to the Client, level ${level}`, () => {
      const life = new Life();
      const client = life.connect(init);
      client.subscribe("t");
      for (const payload of ["one", "acknowledged"]) life.publish({ topic: "t", qos: 1, payload });
      for (const payload of ["two", "released", "done"]) life.publish({ topic: "t", qos: 2, payload });
      client.acknowledge(PUBACK, 2);
      for (const id of [4, 5]) client.acknowledge(PUBREC, id);
      client.acknowledge(PUBCOMP, 5);
      life.restart();
      const again = life.connect(init);
      assertEquals(take(again), ["PUBREL 4", "PUBLISH 1 dup one", "PUBLISH 3 dup two"]);
      life.publish({ topic: "t", qos: 1, payload: "new" });
      const [fresh] = again.takePublishes();
      assertEquals([1, 3, 4].includes(fresh!.packetId!), false); // [MQTT-2.2.1-4]
      for (const id of [1, fresh!.packetId!]) again.acknowledge(PUBACK, id);
      again.acknowledge(PUBREC, 3);
      for (const id of [3, 4]) again.acknowledge(PUBCOMP, id);
      life.restart();
      take(again);
      life.connect(init).assertSilent();
    });

    test(`[MQTT-4.3.3-10] QoS 2 identifiers that came from the Client, level ${level}`, () => {
      const life = new Life();
      const watcher = life.connect({ clientId: "watcher" });
      watcher.subscribe("t");
      const client = life.connect(init);
      for (const packetId of [7, 8]) client.publish({ topic: "t", qos: 2, packetId, payload: `${packetId}` });
      client.acknowledge(PUBREL, 8);
      life.restart();
      const second = life.connect({ clientId: "watcher" });
      assertEquals(take(second), ["PUBLISH 1 dup 7", "PUBLISH 2 dup 8"]);
      const again = life.connect(init);
      again.publish({ topic: "t", qos: 2, packetId: 7, dup: true, payload: "7" });
      assertEquals(take(again), ["PUBREC 7"]);
      second.assertSilent();
      again.acknowledge(PUBREL, 7);
      assertEquals(take(again), ["PUBCOMP 7"]);
      again.publish({ topic: "t", qos: 2, packetId: 8, payload: "a new 8" });
      assertEquals(take(second), ["PUBLISH 3 a new 8"]);
    });
  }

  test("[MQTT-4.6.0-4] PUBREL packets come in the order of their PUBRECs, also after another restart", () => {
    const life = new Life();
    const client = life.connect();
    client.subscribe("t");
    for (let i = 0; i < 6; i++) life.publish({ topic: "t", qos: 2 });
    for (const id of [5, 2, 6]) client.acknowledge(PUBREC, id);
    life.crash();
    const again = life.connect();
    const rest = ["PUBLISH 1 dup", "PUBLISH 3 dup", "PUBLISH 4 dup"];
    assertEquals(take(again), ["PUBREL 5", "PUBREL 2", "PUBREL 6", ...rest]);
    for (const id of [3, 1]) again.acknowledge(PUBREC, id);
    life.crash();
    const last = life.connect();
    assertEquals(take(last), ["PUBREL 5", "PUBREL 2", "PUBREL 6", "PUBREL 3", "PUBREL 1", "PUBLISH 4 dup"]);
  });

  test("[MQTT-3.2.2-3] one that was said to be over does not come back after a crash", () => {
    const life = new Life();
    const first = life.connect();
    life.pair.advance(2_000);
    first.disconnect(0, { sessionExpiryInterval: 0 });
    const between = life.pair.connect({ cleanStart: false });
    assertEquals(between.connack?.sessionPresent, false);
    life.crash();
    assertEquals(life.connect().connack?.sessionPresent, false);
  });

  test("subscriptions with all their options", () => {
    const life = new Life();
    const client = life.connect();
    client.subscribeWith({ subscriptionIdentifier: 7 }, {
      filter: "a",
      retainAsPublished: true,
      noLocal: true,
    });
    client.subscribeWith({ subscriptionIdentifier: 9 }, { filter: "b", qos: 1 }, { filter: "b", qos: 0 });
    life.restart();
    const again = life.connect();
    again.publish({ topic: "a", qos: 0, retain: true });
    assertEquals(again.takePublishes(), []); // No Local
    life.publish({ topic: "a", retain: true });
    assertEquals(
      again.takePublishes().map(({ retain, properties }) => [retain, properties?.subscriptionIdentifiers]),
      [
        [true, [7]],
      ],
    );
    life.publish({ topic: "b", qos: 2 });
    assertEquals(
      again.takePublishes().map(({ qos, properties }) => [qos, properties?.subscriptionIdentifiers]),
      [[0, [9]]],
    );
  });

  test("[MQTT-4.8.2-4] a Shared Subscription and what waits by it", () => {
    const life = new Life();
    const client = life.connect();
    client.subscribe("$share/g/t");
    client.lose();
    life.publish({ topic: "t", qos: 1, payload: "one" });
    life.restart();
    assertEquals(life.pair.broker.stats.sharedSubscriptions, 1);
    life.publish({ topic: "t", qos: 1, payload: "two" });
    const again = life.connect();
    assertEquals(again.takeTexts(), ["one", "two"]);
    again.unsubscribe("$share/g/t");
    assertEquals([life.pair.broker.stats.sharedSubscriptions, life.pair.broker.stats.subscriptions], [0, 0]);
  });

  test("[MQTT-3.3.2-6] Message Expiry Interval counts on while nobody runs", () => {
    const life = new Life();
    const client = life.connect();
    client.subscribe("t");
    client.lose();
    for (const messageExpiryInterval of [10, 60]) {
      life.publish({
        topic: "t",
        qos: 1,
        payload: `${messageExpiryInterval}`,
        properties: { messageExpiryInterval },
      });
    }
    life.restart(20_000);
    const publishes = life.connect().takePublishes();
    assertEquals(publishes.map(({ properties }) => properties?.messageExpiryInterval), [40]);
  });

  test("[MQTT-4.6.0-1] what is queued after a restart stands behind what was queued before, also after another", () => {
    const life = new Life();
    const client = life.connect();
    client.subscribe("t");
    client.lose();
    for (const payload of ["one", "two", "three"]) {
      life.publish({ topic: "t", qos: 1, payload });
      life.publish({ topic: "t", qos: 2, payload: `${payload}!` });
      life.restart();
    }
    assertEquals(life.connect().takeTexts(), ["one", "one!", "two", "two!", "three", "three!"]);
  });

  test("what is known already is not told to the store again", () => {
    const life = new Life();
    const client = life.connect({ will: WILL });
    client.subscribe("t", "$share/g/t");
    client.publish({ topic: "t", qos: 2, retain: true });
    life.restart(0, false);
    assertEquals([life.pair.broker.stats.facts, life.pair.broker.work !== "none"], [0, false]);
  });

  test("of a session that ends with its connection the store has its will, and nothing without one", () => {
    for (const init of [{ properties: {} }, { level: 4, cleanStart: true, properties: {} }] as const) {
      for (const will of [undefined, WILL]) {
        const life = new Life();
        const client = life.connect({ ...init, ...(will && { will }) });
        const { facts } = life.pair.broker.stats;
        client.subscribe("t", "$share/g/t");
        client.publish({ topic: "t", qos: 2 });
        client.acknowledge(PUBREC, 1);
        client.unsubscribe("t");
        assertEquals([facts, life.pair.broker.stats.facts], will ? [1, 1] : [0, 0]);
        const stored = [...life.store.sessions()];
        assertEquals(stored.map(({ session }) => session.will?.message.topic), will ? ["w"] : []);
        for (const { subscriptions, deliveries, received } of stored) {
          assertEquals([subscriptions, deliveries, received], [[], [], []]);
        }
        client.lose();
        assertEquals(life.stored, []);
      }
    }
  });

  test("[MQTT-3.1.2-4] one that Clean Start, DISCONNECT or its interval ended is gone from the store", () => {
    const ends: ((life: Life, client: StubClient) => void)[] = [
      (life) => life.connect({ cleanStart: true, properties: {} }),
      (_life, client) => client.disconnect(0, { sessionExpiryInterval: 0 }),
      (life) => life.connect({ properties: {} }).lose(),
      (life, client) => (client.lose(), life.pair.advance(600_000)),
    ];
    for (const end of ends) {
      const life = new Life();
      const client = life.connect();
      client.subscribe("t");
      assertEquals(life.stored, ["stub"]);
      end(life, client);
      life.pair.settle();
      assertEquals(life.stored, []);
    }
  });

  test("one that goes on with interval 0 ends with its connection, also by a restart", () => {
    const life = new Life();
    life.connect().subscribe("t");
    const again = life.connect({ properties: {} });
    assertEquals(again.connack?.sessionPresent, true);
    life.publish({ topic: "t", qos: 1 });
    assertEquals(life.stored, ["stub"]);
    life.restart();
    assertEquals(life.told.sessionsEnded, ["stub"]);
    assertEquals([life.stored, life.connect().connack?.sessionPresent], [[], false]);
  });

  test("[MQTT-3.2.2-16] assigned identifiers do not meet those of before", () => {
    const life = new Life();
    const first = life.connect({ clientId: "" }).connack?.properties?.assignedClientIdentifier;
    life.restart();
    const second = life.connect({ clientId: "" });
    assertEquals(second.connack?.sessionPresent, false);
    assertEquals(life.stored.includes(first!), true);
    assertEquals(life.stored.length, 2);
  });

  test("a delivery whose released message the store has forgotten comes back as PUBREL", () => {
    const life = new Life();
    const client = life.connect();
    client.subscribe("t");
    life.publish({ topic: "t", qos: 2 });
    client.acknowledge(PUBREC, 1);
    const sessions = life.store.sessions.bind(life.store);
    const nothing = { topic: "", view: new PublishView(), expiresAt: Infinity, publisher: undefined };
    life.store.sessions = function* () {
      for (const one of sessions()) {
        yield { ...one, deliveries: one.deliveries.map((each) => ({ ...each, message: nothing })) };
      }
    };
    life.restart();
    const again = life.connect();
    assertEquals(take(again), ["PUBREL 1"]);
    again.acknowledge(PUBCOMP, 1);
    life.restart();
    assertEquals(take(life.connect()), []);
  });
});

describe("Session Expiry Interval", () => {
  test("[MQTT-4.1.0-2] counts on while nobody runs", () => {
    for (const [down, left] of [[599_999, 1], [600_000, 0], [3_600_000, 0]] as const) {
      const life = new Life();
      life.connect().lose();
      life.restart(down);
      assertEquals(life.pair.broker.stats.sessions, left);
      life.pair.advance(1);
      assertEquals([life.pair.broker.stats.sessions, life.stored], [0, []]);
    }
  });

  test("[MQTT-4.1.0-2] one that is over is not there for a Client that is quicker than the clock", () => {
    const life = new Life();
    life.connect().lose();
    life.restart(600_000, false);
    assertEquals(life.connect().connack?.sessionPresent, false);
  });

  test("of who was connected begins when the new broker is told the time", () => {
    const life = new Life();
    life.connect();
    life.connect({ clientId: "never", properties: { sessionExpiryInterval: 0xffff_ffff } });
    life.restart(3_600_000);
    life.pair.advance(599_999);
    assertEquals([...life.pair.broker.clientIds()], ["stub", "never"]);
    life.restart(0);
    life.pair.advance(1);
    assertEquals([...life.pair.broker.clientIds()], ["never"]);
    life.pair.advance(1e12);
    assertEquals(life.stored, ["never"]);
  });

  test("of who comes back before the new broker is told the time begins when it leaves", () => {
    const life = new Life();
    life.connect();
    life.restart(1_000, false);
    const client = life.connect();
    life.pair.advance(700_000);
    client.assertSilent();
    client.lose();
    life.pair.advance(599_999);
    assertEquals(life.pair.broker.stats.sessions, 1);
    life.pair.advance(1);
    life.pair.assertEmpty();
  });
});

test("the first tick of a new broker does not lengthen what has begun to count before it", () => {
  const life = new Life();
  life.connect();
  life.restart(1_000, false);
  life.connect().lose();
  life.pair.now += 5_000;
  life.pair.advance(594_999);
  assertEquals(life.pair.broker.stats.sessions, 1);
  life.pair.advance(1);
  life.pair.assertEmpty();
});

describe("retained messages", () => {
  test("[MQTT-3.3.1-5] [MQTT311-3.1.2-7] are there, at their QoS, with their properties; removed ones are not", () => {
    const life = new Life();
    const client = life.connect();
    client.publish({ topic: "a", payload: "old", retain: true });
    client.publish({ topic: "a", payload: "a", retain: true, qos: 1, properties: { contentType: "text" } });
    client.publish({ topic: "b", payload: "b", retain: true });
    client.publish({ topic: "b", payload: "", retain: true });
    life.connect({ clientId: "four", level: 4, properties: {} }).publish({
      topic: "c",
      payload: "c",
      retain: true,
    });
    life.restart();
    const watcher = life.connect();
    watcher.subscribe("+");
    const publishes = watcher.takePublishes().sort((a, b) => a.topic < b.topic ? -1 : 1);
    assertEquals(
      publishes.map(({ topic, qos, retain, properties }) => [topic, qos, retain, properties?.contentType]),
      [
        ["a", 1, true, "text"],
        ["c", 0, true, undefined],
      ],
    );
  });

  test("[MQTT-3.3.2-5] one that has expired is gone, from the store too", () => {
    const life = new Life();
    for (const [topic, messageExpiryInterval] of [["a", 10], ["b", 20], ["c", 60]] as const) {
      life.publish({ topic, payload: topic, retain: true, properties: { messageExpiryInterval } });
    }
    life.pair.advance(10_000);
    assertEquals([...life.store.retainedMessages()].length, 2);
    life.restart(20_000);
    assertEquals([...life.store.retainedMessages()].length, 1);
    const client = life.connect();
    client.subscribe("+");
    assertEquals(
      client.takePublishes().map(({ topic, properties }) => [topic, properties?.messageExpiryInterval]),
      [[
        "c",
        30,
      ]],
    );
  });
});
