/** §3.3.1.3, §3.8.3.1 Retained messages: kept, replaced, removed, and brought to who subscribes. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { ProtocolLevel } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { RETAINED_OVERHEAD_BYTES } from "./retained.ts";
import { assertEnded, assertRule, Told } from "../testing/assertions.ts";
import { Pair, type StubClient } from "../testing/pair.ts";

/** What a message counts for beside its payload, about. */
const OVERHEAD_BYTES = RETAINED_OVERHEAD_BYTES + 16;
const { PUBACK, PUBREC } = PacketType;
const LEVELS: readonly ProtocolLevel[] = [3, 4, 5];

function two(
  level: ProtocolLevel = 5,
  limits = {},
): { pair: Pair; from: StubClient; to: StubClient; told: Told } {
  const told = new Told();
  const pair = new Pair({ hooks: told.hooks, limits });
  return {
    pair,
    told,
    from: pair.connect({ clientId: "from", level }),
    to: pair.connect({ clientId: "to", level }),
  };
}

/** What a new subscription to `filter` brings: topic, payload, QoS and RETAIN, by topic. */
function brings(to: StubClient, filter: string, qos: 0 | 1 | 2 = 2): [string, string, number, boolean][] {
  to.subscribe({ filter, qos });
  const all = to.takePublishes().map(({ topic, payload, qos, retain, packetId }) => {
    if (packetId !== undefined) {
      to.acknowledge(qos === 1 ? PUBACK : PUBREC, packetId, to.level === 5 ? 0x80 : 0);
    }
    if (qos === 2 && to.level < 5) to.acknowledge(PacketType.PUBCOMP, packetId!);
    return [topic, new TextDecoder().decode(payload), qos, retain] as [string, string, number, boolean];
  });
  to.unsubscribe(filter);
  to.inbox.length = 0;
  return all.sort(([a], [b]) => a < b ? -1 : 1);
}

for (const level of LEVELS) {
  describe(`retained messages, level ${level}`, () => {
    test("[MQTT-3.3.1-5] [MQTT-3.3.1-9] [MQTT311-3.3.1-5] [MQTT311-3.3.1-6] [MQTT311-3.3.1-8] the last one of a topic comes to who subscribes, with RETAIN 1", () => {
      const { from, to } = two(level);
      for (const qos of [0, 1, 2] as const) {
        from.publish({ topic: "a", qos, retain: true, payload: `${qos}` });
        assertEquals(brings(to, "a"), [["a", `${qos}`, qos, true]]);
      }
    });

    test("[MQTT-3.8.4-8] it comes at the lower of its QoS and the one granted", () => {
      const { from, to } = two(level);
      for (const qos of [0, 1, 2] as const) {
        from.publish({ topic: "a", qos, retain: true, payload: "x" });
        for (const granted of [0, 1, 2] as const) {
          assertEquals(brings(to, "a", granted), [["a", "x", Math.min(qos, granted), true]]);
        }
      }
    });

    test("[MQTT-3.3.1-6] [MQTT-3.3.1-7] [MQTT311-3.3.1-10] [MQTT311-3.3.1-11] an empty one removes it, is not kept, and goes to who subscribes already", () => {
      const { pair, from, to } = two(level);
      for (const qos of [0, 1, 2] as const) {
        from.publish({ topic: "a", retain: true, payload: "x" });
        to.subscribe("a");
        assertEquals(to.takeTexts(), ["x"]);
        from.publish({ topic: "a", retain: true, qos, payload: "" });
        assertEquals(to.takePublishes().map(({ payload, retain }) => [payload.length, retain]), [[0, false]]);
        assertEquals(pair.broker.stats.retainedMessages, 0);
        assertEquals(brings(to, "a"), []);
      }
      assertEquals(pair.broker.stats.retainedBytes, 0);
    });

    test("[MQTT-3.3.1-8] [MQTT311-3.3.1-12] RETAIN 0 neither keeps, replaces nor removes", () => {
      const { from, to } = two(level);
      from.publish({ topic: "a", payload: "not kept" });
      assertEquals(brings(to, "#"), []);
      from.publish({ topic: "a", retain: true, payload: "kept" });
      from.publish({ topic: "a", payload: "live" });
      from.publish({ topic: "a", payload: "" });
      assertEquals(brings(to, "a").map(([, text]) => text), ["kept"]);
    });

    test("[MQTT311-3.3.1-7] [MQTT-3.3.1-5] QoS 0 replaces one of QoS 2", () => {
      const { from, to } = two(level);
      from.publish({ topic: "a", retain: true, qos: 2, payload: "old" });
      from.publish({ topic: "a", retain: true, qos: 0, payload: "new" });
      assertEquals(brings(to, "a"), [["a", "new", 0, true]]);
    });

    test("[MQTT-3.3.1-9] [MQTT-4.7.2-1] each topic that the filter matches brings its own, $ topics not by a wildcard in first place", () => {
      const { pair, from, to } = two(level);
      for (const topic of ["a", "a/b", "a/b/c", "b", "/a"]) {
        from.publish({ topic, retain: true, payload: topic });
      }
      pair.broker.publish({ topic: "$SYS/a", retain: true, payload: "$SYS/a" }, pair.now);
      const topics = (filter: string) => brings(to, filter).map(([topic]) => topic);
      assertEquals(topics("#"), ["/a", "a", "a/b", "a/b/c", "b"]);
      assertEquals(topics("a/#"), ["a", "a/b", "a/b/c"]);
      assertEquals(topics("+/+"), ["/a", "a/b"]);
      assertEquals(topics("$SYS/#"), ["$SYS/a"]);
      assertEquals(topics("+/a"), ["/a"]);
      assertEquals(topics("c"), []);
    });

    test("[MQTT311-3.1.2-7] [MQTT-4.1.0-1] it outlives the publisher and its session", () => {
      const { pair, from, to } = two(level);
      from.publish({ topic: "a", retain: true, qos: 1, payload: "x" });
      from.disconnect();
      pair.advance(1_000);
      assertEquals(brings(to, "a"), [["a", "x", 1, true]]);
    });

    test("[MQTT-3.8.4-1] [MQTT-3.3.1-9] SUBACK comes first, then the retained messages", () => {
      const { from, to } = two(level);
      from.publish({ topic: "a", retain: true, payload: "x" });
      to.send({
        type: PacketType.SUBSCRIBE,
        packetId: 7,
        subscriptions: [{ filter: "a", qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 }],
      });
      assertEquals(to.inbox.map(({ type }) => type), [PacketType.SUBACK, PacketType.PUBLISH]);
    });
  });
}

describe("Retain Handling and Retain As Published", () => {
  const filter = "a";

  test("[MQTT-3.3.1-9] 0: at each SUBSCRIBE", () => {
    const { from, to } = two();
    from.publish({ topic: "a", retain: true, payload: "x" });
    for (let i = 0; i < 3; i++) {
      to.subscribe({ filter, retainHandling: 0 });
      assertEquals(to.takeTexts(), ["x"]);
    }
  });

  test("[MQTT-3.3.1-10] 1: only if the subscription is new", () => {
    const { pair, from, to } = two();
    from.publish({ topic: "a", retain: true, payload: "x" });
    const expected = [["x"], [], []];
    for (const texts of expected) {
      to.subscribe({ filter, retainHandling: 1 });
      assertEquals(to.takeTexts(), texts);
    }
    to.unsubscribe(filter);
    to.subscribe({ filter, retainHandling: 1 });
    assertEquals(to.takeTexts(), ["x"]);

    const session = { clientId: "s", cleanStart: false, properties: { sessionExpiryInterval: 9 } };
    const first = pair.connect(session);
    first.subscribe({ filter, retainHandling: 1 });
    assertEquals(first.takeTexts(), ["x"]);
    first.lose();
    const again = pair.connect(session);
    again.subscribe({ filter, retainHandling: 1 });
    again.assertSilent();
  });

  test("[MQTT-3.3.1-11] 2: never", () => {
    const { from, to } = two();
    from.publish({ topic: "a", retain: true, payload: "x" });
    to.subscribe({ filter, retainHandling: 2 });
    to.subscribe({ filter, retainHandling: 2 });
    to.assertSilent();
    from.publish({ topic: "a", payload: "live" });
    assertEquals(to.takeTexts(), ["live"]);
  });

  test("[MQTT-3.3.1-9] [MQTT-3.8.4-5] each filter of one SUBSCRIBE has its own", () => {
    const { from, to } = two();
    for (const topic of ["a", "b", "c"]) from.publish({ topic, retain: true, payload: topic });
    to.subscribe(
      { filter: "a", retainHandling: 2 },
      { filter: "b", retainHandling: 0 },
      { filter: "c", retainHandling: 1 },
      { filter: "c", retainHandling: 1 },
    );
    assertEquals(to.takeTexts(), ["b", "c"]);
  });

  test("[MQTT-3.3.1-9] [MQTT-3.3.4-3] one from the store has RETAIN 1, its properties and the identifier of the subscription", () => {
    const { pair, from, to } = two();
    const properties = { userProperties: [["k", "v"]] as const, messageExpiryInterval: 10, contentType: "c" };
    from.publish({ topic: "a", retain: true, payload: "x", properties });
    pair.advance(4_000);
    to.subscribeWith({ subscriptionIdentifier: 5 }, { filter, retainAsPublished: false });
    const [{ retain, properties: got } = { retain: false }] = to.takePublishes();
    assertEquals(retain, true);
    assertEquals(got, { subscriptionIdentifiers: [5], ...properties, messageExpiryInterval: 6 });
  });

  test("one that came with a Topic Alias is kept under its topic", () => {
    const { from, to } = two();
    from.publish({ topic: "a", properties: { topicAlias: 1 } });
    from.publish({ topic: "", retain: true, payload: "x", properties: { topicAlias: 1 } });
    to.subscribe("a");
    assertEquals(to.takePublishes().map(({ topic, properties }) => [topic, properties]), [["a", undefined]]);
  });

  test("[4.8.2/retained] a Shared Subscription brings none", () => {
    const { from, to } = two();
    from.publish({ topic: "a", retain: true, payload: "x" });
    to.subscribe("$share/g/a");
    to.assertSilent();
  });
});

describe("limits of retained messages", () => {
  test("[MQTT-3.3.2-5] [MQTT-3.3.2-6] one that has expired is gone", () => {
    const { pair, from, to } = two();
    from.publish({ topic: "a", retain: true, payload: "x", properties: { messageExpiryInterval: 10 } });
    pair.advance(9_999);
    assertEquals(brings(to, "a").length, 1);
    pair.advance(1);
    assertEquals([
      pair.broker.stats.retainedMessages,
      pair.broker.stats.retainedBytes,
      pair.broker.stats.deadlines,
    ], [0, 0, 0]);
    assertEquals(brings(to, "a"), []);
    from.publish({ topic: "a", retain: true, payload: "y", properties: { messageExpiryInterval: 10 } });
    from.publish({ topic: "a", retain: true, payload: "z" });
    pair.advance(20_000);
    assertEquals(brings(to, "a").map(([, text]) => text), ["z"]);
  });

  test("[limit/retained] above retainedMessagesMax a new topic is refused, a known one replaced", () => {
    const { pair, from, told } = two(5, { retainedMessagesMax: 1 });
    from.publish({ topic: "a", retain: true, payload: "1" });
    from.publish({ topic: "b", retain: true, qos: 1, payload: "2" });
    const puback = from.take(PUBACK);
    assertEquals(puback.reasonCode, 0x97);
    assertRule(puback.properties?.reasonString, "limit/retained");
    from.publish({ topic: "b", retain: true, qos: 2, payload: "2" });
    assertEquals(from.take(PUBREC).reasonCode, 0x97);
    from.publish({ topic: "a", retain: true, qos: 1, payload: "3" });
    assertEquals(from.take(PUBACK).reasonCode, 0x10);
    assertEquals(told.limits, [{ limit: "retainedMessagesMax", who: "from" }]);
    from.publish({ topic: "a", retain: true });
    from.publish({ topic: "b", retain: true, payload: "4" });
    assertEquals(brings(pair.connect({ clientId: "t" }), "#").map(([, text]) => text), ["4"]);
  });

  test("[limit/retained] retainedBytesMax counts the bytes of all; QoS 0 still reaches who subscribes", () => {
    const { pair, from, to, told } = two(5, { retainedBytesMax: 2000 + 2 * OVERHEAD_BYTES });
    to.subscribe("#");
    from.publish({ topic: "a", retain: true, payload: "x".repeat(1500) });
    from.publish({ topic: "b", retain: true, payload: "y".repeat(1500) });
    assertEquals(to.takeTexts().length, 2);
    assertEquals(told.limits, [{ limit: "retainedBytesMax", who: "from" }]);
    from.publish({ topic: "a", retain: true, payload: "small" });
    from.publish({ topic: "b", retain: true, payload: "y".repeat(1000) });
    assertEquals(pair.broker.stats.retainedMessages, 2);
    for (const topic of ["a", "b"]) from.publish({ topic, retain: true });
    assertEquals([pair.broker.stats.retainedMessages, pair.broker.stats.retainedBytes], [0, 0]);
  });

  for (const level of [3, 4, 5] as const) {
    test(`[limit/retained] at the limit, level ${level}: ${level === 5 ? "nobody gets it" : "live subscribers do"}`, () => {
      for (const qos of [1, 2] as const) {
        const { from, to } = two(level, { retainedMessagesMax: 1 });
        to.subscribe("#");
        from.publish({ topic: "a", retain: true, qos, payload: "1" });
        from.publish({ topic: "b", retain: true, qos, payload: "2" });
        assertEquals(to.takeTexts(), level === 5 ? ["1"] : ["1", "2"]);
        const answer = qos === 1 ? PUBACK : PUBREC;
        assertEquals([from.take(answer), from.take(answer)].map(({ reasonCode }) => reasonCode), [
          0,
          level === 5 ? 0x97 : 0,
        ]);
      }
    });
  }

  test("[MQTT-3.3.1-5] a message that goes on though it cannot be retained leaves no older one on its topic", () => {
    for (const qos of [0, 1] as const) {
      const { pair, from } = two(4, { retainedBytesMax: 1000 + OVERHEAD_BYTES });
      from.publish({ topic: "a", retain: true, qos, payload: "old" });
      from.publish({ topic: "a", retain: true, qos, payload: "x".repeat(1500) });
      assertEquals(pair.broker.stats.retainedMessages, 0);
    }
    const { pair, from } = two(5, { retainedBytesMax: 1000 + OVERHEAD_BYTES });
    from.publish({ topic: "a", retain: true, qos: 1, payload: "old" });
    from.publish({ topic: "a", retain: true, qos: 1, payload: "x".repeat(1500) });
    assertEquals(pair.broker.stats.retainedMessages, 1); // refused, so nothing has changed
  });

  test("[MQTT-3.2.2-14] with retained messages switched off RETAIN 1 ends the connection", () => {
    const pair = new Pair({ retainAvailable: false });
    const from = pair.connect({ clientId: "from" });
    assertEquals(from.connack?.properties?.retainAvailable, false);
    from.publish({ topic: "a", retain: true, payload: "x" });
    assertEnded(from, 0x9a, "MQTT-3.2.2-14");
    assertEquals(pair.broker.stats.retainedMessages, 0);
  });
});

describe("retained messages to a slow reader", () => {
  const COUNT = 40;

  /** So many retained messages of a kilobyte, and a subscriber that does not read. */
  function scene(qos: 0 | 1, init = {}): { pair: Pair; to: StubClient; set(i: number, mark: string): void } {
    const pair = new Pair({ limits: { outboundBytesMax: 4096 } });
    const set = (i: number, mark: string) => {
      const payload = mark === "" ? "" : `${mark}${i}`.padEnd(1024, ".");
      pair.broker.publish({ topic: `r/${i}`, qos, retain: true, payload }, pair.now);
      pair.settle();
    };
    for (let i = 0; i < COUNT; i++) set(i, "old");
    const to = pair.connect({ clientId: "to", ...init }, { capacityBytes: 2000 });
    return { pair, to, set };
  }

  function subscribe(to: StubClient): void {
    to.transport.pause();
    to.send({
      type: PacketType.SUBSCRIBE,
      packetId: 7,
      subscriptions: [{ filter: "r/+", qos: 2, noLocal: false, retainAsPublished: false, retainHandling: 0 }],
    });
  }

  /** The part of each text before the dots. */
  const marks = (to: StubClient) => to.takeTexts().map((text) => text.replaceAll(".", ""));

  for (const qos of [0, 1] as const) {
    test(`[MQTT-3.3.1-9] it comes whole, without filling the outbox, QoS ${qos}`, () => {
      const { to } = scene(qos);
      subscribe(to);
      assertEquals(to.connection.stats.waitingBytes < 4096 + 1200, true);
      to.transport.resume();
      assertEquals(marks(to), Array.from({ length: COUNT }, (_, i) => `old${i}`));
    });

    test(`[MQTT-3.3.1-5] a message replaced or removed meanwhile is sent as it is then, QoS ${qos}`, () => {
      const { to, set } = scene(qos);
      subscribe(to);
      set(30, "new");
      set(31, "");
      to.transport.resume();
      const got = marks(to);
      assertEquals([got.includes("old30"), got.includes("old31")], [false, false]);
      assertEquals([got.includes("old29"), got.includes("new30"), got.includes("old32")], [true, true, true]);
    });

    test(`[MQTT-3.10.4-2] what still waits when the filter goes does not come, QoS ${qos}`, () => {
      const { pair, to } = scene(qos);
      subscribe(to);
      to.send({ type: PacketType.UNSUBSCRIBE, packetId: 8, filters: ["r/+"] });
      to.transport.resume();
      pair.settle();
      assertEquals(marks(to).length < 8, true);
      assertEquals([to.session?.retainedDeliveries ?? 0, pair.broker.stats.retainedDeliveries], [0, 0]);
    });
  }

  test("[MQTT-3.3.1-9] a connection that is lost in the middle leaves QoS 1 and 2 to the session", () => {
    const session = { cleanStart: false, properties: { sessionExpiryInterval: 60 } };
    const { pair, to } = scene(1, session);
    subscribe(to);
    to.lose();
    const got = pair.connect({ clientId: "to", ...session }).takePublishes();
    assertEquals(new Set(got.map(({ topic }) => topic)).size, COUNT);
    assertEquals(got.length, COUNT);
  });

  test("[MQTT-3.10.4-2] but not what it has unsubscribed from", () => {
    const session = { cleanStart: false, properties: { sessionExpiryInterval: 60 } };
    const { pair, to } = scene(1, session);
    subscribe(to);
    to.send({ type: PacketType.UNSUBSCRIBE, packetId: 8, filters: ["r/+"] });
    to.lose();
    const got = pair.connect({ clientId: "to", ...session }).takePublishes();
    assertEquals(got.length < 8, true, `${got.length}`);
  });

  test("[MQTT-3.8.3-3] nor its own messages, with No Local", () => {
    const session = { cleanStart: false, properties: { sessionExpiryInterval: 60 } };
    const pair = new Pair({ limits: { outboundBytesMax: 4096 } });
    const to = pair.connect({ clientId: "to", ...session }, { capacityBytes: 2000 });
    for (let i = 0; i < 9; i++) {
      pair.broker.publish({ topic: `q/${i}`, qos: 1, retain: true, payload: "x".repeat(1024) }, 0);
    }
    for (let i = 0; i < 9; i++) to.publish({ topic: `r/${i}`, qos: 1, retain: true, payload: "own" });
    to.transport.pause();
    to.send({
      type: PacketType.SUBSCRIBE,
      packetId: 7,
      subscriptions: ["q/+", "r/+"].map((filter) => ({
        filter,
        qos: 1,
        noLocal: true,
        retainAsPublished: false,
        retainHandling: 0,
      })),
    });
    to.lose();
    const topics = pair.connect({ clientId: "to", ...session }).takePublishes().map(({ topic }) => topic);
    assertEquals([topics.length, topics.filter((topic) => topic.startsWith("r/"))], [9, []]);
  });
});

test("[MQTT-3.8.3-3] a retained message knows its publisher, however long that name is, and whatever stands before it", () => {
  const pair = new Pair();
  for (const clientId of ["c", "x".repeat(255), "x".repeat(256), "x".repeat(1_000), "é".repeat(300)]) {
    const from = pair.connect({ clientId });
    const topics = ["r/1", "r/2", "r/3"];
    for (const topic of topics) from.publish({ topic, retain: true, payload: Uint8Array.of(0xff) });
    from.subscribe({ filter: "r/+", noLocal: true });
    assertEquals(from.takePublishes(), []);
    from.unsubscribe("r/+");
    const other = pair.connect({ clientId: "other" });
    other.subscribe({ filter: "r/+", noLocal: true });
    assertEquals(
      other.takePublishes().map(({ topic, payload }) => [topic, ...payload]),
      topics.map((topic) => [topic, 0xff]),
    );
  }
});
