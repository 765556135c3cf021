/** Every limit bites where the table says, says its name, and hurts nobody else. See connect_verdict_test.ts for those at the door. @module */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { encodePacket } from "../codec/encode.ts";
import { UsageError } from "../codec/error.ts";
import type { ProtocolLevel } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { assertClosed, assertEnded, assertNotAccepted, assertRule, Told } from "../testing/assertions.ts";
import { bytesOf } from "../testing/frame.ts";
import { Pair, type StubClient } from "../testing/pair.ts";
import { Broker, type LimitName, LIMITS, type Limits } from "./mod.ts";

const LEVELS: readonly ProtocolLevel[] = [3, 4, 5];
const OUTBOUND = 4096;

function setup(limits: Partial<Limits>): { pair: Pair; told: Told } {
  const told = new Told();
  return { told, pair: new Pair({ limits, hooks: told.hooks }) };
}

function publish(pair: Pair, qos: 0 | 1 | 2, payload: string | Uint8Array, topic = "t"): void {
  pair.broker.publish({ topic, qos, payload }, pair.now);
}

/** What a message to a topic of one letter counts for: if it is retained, and if it waits in a session. */
function bytesOfOne(payload: string): { retained: number; queued: number } {
  const { pair } = setup({});
  const client = pair.connect({ cleanStart: false, properties: { sessionExpiryInterval: 600 } });
  client.subscribe("t");
  client.lose();
  pair.connect({ clientId: "from" }).publish({ topic: "t", payload, qos: 1, retain: true });
  const { broker } = pair;
  return { retained: broker.stats.retainedBytes, queued: broker.session("stub")!.queuedBytes };
}

/** Bytes that the broker holds for this Client. */
function held(client: StubClient): number {
  return client.connection.stats.waitingBytes + (client.session?.queuedBytes ?? 0);
}

describe("the table", () => {
  test("every row has a default within its bounds, and is what a broker takes", () => {
    const { limits } = new Broker().policy({});
    assertEquals(Object.keys(limits), Object.keys(LIMITS));
    for (const [name, { default: value, least, most }] of Object.entries(LIMITS)) {
      assertEquals(limits[name as LimitName], value);
      assert(least <= value && value <= most, name);
      new Broker({ limits: { [name]: least } });
      new Broker({ limits: { [name]: most } });
    }
  });

  test("a value out of bounds, or a name that is none, is the owner's mistake", () => {
    for (const [name, { least, most }] of Object.entries(LIMITS)) {
      for (const value of [least - 1, most + 1, least + 0.5, NaN]) {
        assertThrows(() => new Broker({ limits: { [name]: value } }), UsageError, name);
      }
    }
    assertThrows(() => new Broker({ limits: { packetByteMax: 1 } as never }), UsageError, "packetByteMax");
  });
});

describe("what a Client may send", () => {
  for (const level of LEVELS) {
    test(`[2.1.4/too-large] [MQTT-3.2.2-15] packetBytesMax: a header that promises more is enough to end it, level ${level}`, () => {
      const { pair, told } = setup({ packetBytesMax: 200 });
      const client = pair.connect({ level });
      client.publish({ topic: "t", payload: new Uint8Array(level === 5 ? 193 : 194) }); // 200 bytes
      client.assertSilent();
      client.raw(0x30, 0xc6, 1); // 198 bytes are to follow
      if (level === 5) assertEnded(client, 0x95, "2.1.4/too-large");
      else assertClosed(client);
      told.assertEnded("stub", 0x95, "2.1.4/too-large");
    });
  }

  test("[3.3.4/receive-maximum] receiveMaximum: one QoS 2 message more than that is 0x93", () => {
    const { pair, told } = setup({ receiveMaximum: 2 });
    const client = pair.connect();
    for (const packetId of [1, 2]) client.publish({ topic: "t", qos: 2, packetId });
    client.acknowledge(PacketType.PUBREL, 1);
    client.publish({ topic: "t", qos: 2, packetId: 3 });
    for (let packetId = 10; packetId < 20; packetId++) client.publish({ topic: "t", qos: 1, packetId });
    client.inbox.length = 0;
    client.assertSilent();
    client.publish({ topic: "t", qos: 2, packetId: 4 });
    assertEnded(client, 0x93, "3.3.4/receive-maximum");
    told.assertEnded("stub", 0x93, "3.3.4/receive-maximum");
  });

  test("[3.3.4/alias-above-maximum] topicAliasMaximum: an alias above it is 0x94", () => {
    for (const topicAliasMaximum of [0, 3]) {
      const { pair, told } = setup({ topicAliasMaximum });
      const client = pair.connect();
      for (let topicAlias = 1; topicAlias <= topicAliasMaximum; topicAlias++) {
        client.publish({ topic: "t", properties: { topicAlias } });
      }
      client.assertSilent();
      client.publish({ topic: "t", properties: { topicAlias: topicAliasMaximum + 1 } });
      assertEnded(client, 0x94, "3.3.4/alias-above-maximum");
      told.assertEnded("stub", 0x94, "3.3.4/alias-above-maximum");
    }
  });

  test("[limit/topic-levels] topicLevelsMax: PUBACK 0x90 and SUBACK 0x8F, told once", () => {
    const { pair, told } = setup({ topicLevelsMax: 3 });
    const client = pair.connect();
    assertEquals(client.subscribe("a/b/c", "a/b/c/d", "a/#", "$share/g/a/b/c", "$share/g/a/b/c/d"), [
      2,
      0x8f,
      2,
      2,
      0x8f,
    ]);
    client.publish({ topic: "x/y/z", qos: 1 });
    assertEquals(client.take(PacketType.PUBACK).reasonCode, 0x10);
    client.publish({ topic: "a/b/c/d", qos: 1 });
    const { reasonCode, properties } = client.take(PacketType.PUBACK);
    assertEquals(reasonCode, 0x90);
    assertRule(properties?.reasonString, "limit/topic-levels");
    client.publish({ topic: "a/b/c/d", qos: 0 });
    client.assertSilent();
    assertEquals(told.limits, [{ limit: "topicLevelsMax", who: "stub" }]);
  });

  test("[limit/subscriptions] subscriptionsPerSessionMax: SUBACK 0x97, but a known filter may be renewed", () => {
    for (const level of LEVELS) {
      const { pair, told } = setup({ subscriptionsPerSessionMax: 2 });
      const client = pair.connect({ level });
      const full = level === 5 ? 0x97 : 0x80;
      assertEquals(client.subscribe("a", "b", "c", "a"), [2, 2, full, 2]);
      assertEquals(told.limits, [{ limit: "subscriptionsPerSessionMax", who: "stub" }]);
      client.unsubscribe("a");
      assertEquals(client.subscribe("c", "a"), [2, full]);
      assertEquals(pair.connect({ clientId: "other" }).subscribe("a", "b"), [2, 2]);
      assertEquals(told.limits.length, 1);
    }
  });

  test("[limit/subscriptions] subscriptionBytesMax: SUBACK 0x97, until others are gone", () => {
    const { pair, told } = setup({ subscriptionBytesMax: 64 });
    const client = pair.connect();
    const [long, other] = ["a".repeat(50), "b".repeat(20)];
    assertEquals(client.subscribe(long, other, "c", long), [2, 0x97, 2, 2]);
    assertEquals(told.limits, [{ limit: "subscriptionBytesMax", who: "stub" }]);
    client.unsubscribe(long);
    assertEquals(client.subscribe(other), [2]);
  });

  test("[limit/filters] filtersPerPacketMax: more of them in one packet end the connection", () => {
    for (const isSubscribe of [true, false]) {
      const { pair, told } = setup({ filtersPerPacketMax: 2 });
      const client = pair.connect();
      const filters = ["a", "b", "c"];
      assertEquals(client.subscribe("a", "b"), [2, 2]);
      if (isSubscribe) {
        const options = { qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
        const subscriptions = filters.map((filter) => ({ filter, ...options }));
        client.send({ type: PacketType.SUBSCRIBE, packetId: 9, subscriptions });
      } else client.send({ type: PacketType.UNSUBSCRIBE, packetId: 9, filters });
      assertEnded(client, 0x97, "limit/filters");
      assertEquals(told.limits, [{ limit: "filtersPerPacketMax", who: "stub" }]);
    }
  });

  test("[limit/name-bytes] nameBytesMax: Topic Names end the connection, filters are refused, so are Clients", () => {
    const long = "é".repeat(9); // 18 bytes
    const { pair } = setup({ nameBytesMax: 16 });
    const client = pair.connect();
    assertEquals(client.subscribe("é".repeat(8), long), [2, 0x8f]);
    client.publish({ topic: "a".repeat(16), qos: 1 });
    assertEquals(client.take(PacketType.PUBACK).reasonCode, 0x10);
    client.publish({ topic: long, qos: 1 });
    assertEnded(client, 0x90, "limit/name-bytes");
    const aliased = pair.connect();
    aliased.publish({ topic: long, properties: { topicAlias: 1 } });
    assertEnded(aliased, 0x90, "limit/name-bytes");
    const will = { topic: long, payload: new Uint8Array(), qos: 0, retain: false } as const;
    for (
      const [init, code] of [[{ clientId: long }, 0x85], [{ username: long }, 0x86], [
        { will },
        0x90,
      ]] as const
    ) {
      const refused = pair.open();
      refused.connect(init);
      assertNotAccepted(refused, code, "limit/name-bytes");
    }
  });

  test("[2.1.4/too-large] connectBytesMax before CONNECT is accepted, controlBytesMax for all but PUBLISH after it", () => {
    const { pair } = setup({ connectBytesMax: 100, controlBytesMax: 200, packetBytesMax: 1_000 });
    const early = pair.open();
    early.connect({ clientId: "x".repeat(100) });
    assertNotAccepted(early, 0x95, "2.1.4/too-large");
    const client = pair.connect();
    client.publish({ topic: "t", payload: new Uint8Array(900) });
    client.assertSilent();
    assertEquals(client.subscribe("x".repeat(150)), [2]);
    client.raw(0x82, 0xc8, 1); // 200 bytes are to follow
    assertEnded(client, 0x95, "2.1.4/too-large");
  });

  test("[limit/retained] retainedMessagesMax and retainedBytesMax: PUBACK 0x97, and what there is stays", () => {
    const two = bytesOfOne("old").retained * 2;
    for (const [limit, value] of [["retainedMessagesMax", 2], ["retainedBytesMax", two]] as const) {
      const { pair, told } = setup({ [limit]: value });
      const client = pair.connect();
      const retain = (topic: string, payload: string) => {
        client.publish({ topic, payload, qos: 1, retain: true });
        return client.take(PacketType.PUBACK);
      };
      for (const topic of ["a", "b", "a"]) assertEquals(retain(topic, "old").reasonCode, 0x10);
      const { reasonCode, properties } = retain("c", "new");
      assertEquals(reasonCode, 0x97);
      assertRule(properties?.reasonString, "limit/retained");
      assertEquals(told.limits, [{ limit, who: "stub" }]);
      assertEquals(retain("a", "").reasonCode, 0x10);
      assertEquals(retain("c", "new").reasonCode, 0x10);
      client.subscribe("+");
      assertEquals(client.takeTexts().sort(), ["new", "old"]);
    }
  });

  test("knownTopicsMax: more topics than are remembered are delivered all the same", () => {
    const { pair } = setup({ knownTopicsMax: 16 });
    const client = pair.connect();
    client.subscribe("n/+");
    const topics = Array.from({ length: 100 }, (_, i) => `n/${i}`);
    for (const topic of [...topics, ...topics]) client.publish({ topic });
    assertEquals(client.takePublishes().map(({ topic }) => topic), [...topics, ...topics]);
  });
});

describe("what waits for a Client", () => {
  test("[MQTT-3.3.4-9] inFlightMax: so many are open at a time, whatever Receive Maximum allows", () => {
    for (const level of LEVELS) {
      const { pair } = setup({ inFlightMax: 3 });
      const client = pair.connect({ level });
      client.subscribe("t");
      for (let i = 0; i < 10; i++) publish(pair, 1, `${i}`);
      const [first, ...more] = client.takePublishes();
      assertEquals(more.length, 2);
      client.acknowledge(PacketType.PUBACK, first!.packetId!);
      assertEquals(client.takeTexts(), ["3"]);
      client.assertSilent();
    }
  });

  for (const limit of ["queuedMessagesMax", "queuedBytesMax"] as const) {
    const limits = {
      inFlightMax: 1,
      [limit]: limit === "queuedMessagesMax" ? 3 : bytesOfOne("0").queued * 3,
    };
    test(`[limit/queue] ${limit}: a connected Client that does not acknowledge is ended with 0x97`, () => {
      for (const level of LEVELS) {
        const { pair, told } = setup(limits);
        const client = pair.connect({ level, cleanStart: false });
        client.subscribe("t");
        for (let i = 0; i < 4; i++) publish(pair, 1, `${i}`);
        pair.settle();
        assertEquals([client.takeTexts(), client.over], [["0"], false]);
        publish(pair, 2, "one too many");
        pair.settle();
        if (level === 5) assertEnded(client, 0x97, "limit/queue");
        else assertClosed(client);
        told.assertEnded("stub", 0x97, "limit/queue");
        assertEquals(told.limits, [{ limit, who: "stub" }]);
        assertEquals(told.drops, [{ topic: "t", clientId: "stub", reason: limit }]);
      }
    });

    test(`${limit}: for a Client that is away what comes later is dropped, and told once`, () => {
      const { pair, told } = setup(limits);
      const kept = { cleanStart: false, properties: { sessionExpiryInterval: 600 } };
      const client = pair.connect(kept);
      client.subscribe("t");
      client.lose();
      for (let i = 0; i < 10; i++) publish(pair, 1, `${i}`);
      assertEquals(told.limits, [{ limit, who: "stub" }]);
      assertEquals(told.drops.length, 7);
      const again = pair.connect(kept);
      const texts: string[] = [];
      for (let packetId = 1; packetId <= 3; packetId++) {
        texts.push(...again.takeTexts());
        again.acknowledge(PacketType.PUBACK, packetId);
      }
      assertEquals(texts, ["0", "1", "2"]);
      again.assertSilent();
      again.lose();
      for (let i = 0; i < 10; i++) publish(pair, 1, `${i}`);
      assertEquals(told.limits.length, 2); // once more, for there was a connection between
    });
  }

  test("[MQTT-3.1.2-26] [MQTT-3.1.2-27] topicAliasesOutMax: so many aliases, and no more than the Client takes", () => {
    for (
      const [limit, allowed, most] of [[2, 9, 2], [9, 2, 2], [0, 9, 0], [9, 0, 0], [9, undefined, 0]] as const
    ) {
      const { pair } = setup({ topicAliasesOutMax: limit });
      const client = pair.connect({
        properties: allowed === undefined ? {} : { topicAliasMaximum: allowed },
      });
      client.subscribe("+");
      for (const topic of ["a", "b", "c", "a", "b", "c"]) publish(pair, 0, "", topic);
      const first = client.takePublishes();
      assertEquals(
        first.map(({ properties }) => properties?.topicAlias ?? 0),
        [1, 2, 3, 1, 2, 3].map((alias) => alias <= most ? alias : 0),
      );
      assertEquals(first.slice(3).map(({ topic }) => topic), most > 0 ? ["", "", "c"] : ["a", "b", "c"]);
    }
  });

  test("a limit of 0 queues nothing", () => {
    const { pair, told } = setup({ queuedMessagesMax: 0 });
    const client = pair.connect({ properties: { sessionExpiryInterval: 600 } });
    client.subscribe("t");
    publish(pair, 1, "sent");
    assertEquals(client.takeTexts(), ["sent"]);
    client.lose();
    publish(pair, 1, "dropped");
    assertEquals(told.drops.map(({ reason }) => reason), ["queuedMessagesMax"]);
  });
});

describe("a Client that stops reading", () => {
  /** One that stops, one that reads, and both subscribe. */
  function two(limits: Partial<Limits>) {
    const { pair, told } = setup({ outboundBytesMax: OUTBOUND, ...limits });
    const slow = pair.connect({ clientId: "slow" }, { capacityBytes: 1000 });
    const fast = pair.connect({ clientId: "fast" });
    for (const client of [slow, fast]) client.subscribe("t");
    slow.transport.pause();
    return { pair, told, slow, fast };
  }

  test("outboundBytesMax: QoS 0 beyond it is dropped, and told once; nobody else waits", () => {
    const { pair, told, slow, fast } = two({});
    const texts = Array.from({ length: 200 }, (_, i) => `${i}`.padStart(100));
    for (const text of texts) {
      publish(pair, 0, text);
      assertEquals(fast.takeTexts(), [text]);
      assert(held(slow) <= OUTBOUND + 110, `${held(slow)} bytes are held`);
    }
    assertEquals(told.limits, [{ limit: "outboundBytesMax", who: "slow" }]);
    assertEquals(
      new Set(told.drops.map(({ reason, clientId }) => `${reason} ${clientId}`)),
      new Set(["outboundBytesMax slow"]),
    );
    slow.transport.resume();
    const got = slow.takeTexts();
    assertEquals(got, texts.slice(0, 200 - told.drops.length)); // the first ones, in order
    assert(got.length > 40);
    publish(pair, 0, "again");
    assertEquals(slow.takeTexts(), ["again"]);
    slow.assertSilent();
  });

  test("so it is where a publisher's packets come many at a time", () => {
    const { pair, told, slow, fast } = two({});
    const publisher = pair.connect({ clientId: "publisher" });
    const message = { type: PacketType.PUBLISH, dup: false, qos: 0, retain: false, topic: "t" } as const;
    const chunk = bytesOf(
      ...Array.from({ length: 20 }, () => encodePacket({ ...message, payload: new Uint8Array(100) }, 5)),
    );
    for (let i = 0; i < 50; i++) {
      publisher.write(chunk);
      assertEquals(fast.takePublishes().length, 20);
      assert(held(slow) <= OUTBOUND + chunk.length, `${held(slow)} bytes are held`);
    }
    slow.transport.resume();
    assertEquals(slow.takePublishes().length + told.drops.length, 1000);
  });

  test("[limit/queue] QoS 1 beyond it waits in the session, and then ends it with 0x97; memory stays within both limits", () => {
    for (const size of [100, 20_000]) {
      const queuedBytesMax = 50_000;
      const { pair, told, slow, fast } = two({ queuedBytesMax });
      let count = 0;
      for (; count < 1000 && told.ends.length === 0; count++) {
        publish(pair, count % 2 === 0 ? 1 : 2, new Uint8Array(size));
        const [publish_] = fast.takePublishes();
        fast.acknowledge(publish_!.qos === 1 ? PacketType.PUBACK : PacketType.PUBREC, publish_!.packetId!);
        assert(held(slow) <= OUTBOUND + queuedBytesMax + size + 200, `${held(slow)} bytes are held`);
      }
      told.assertEnded("slow", 0x97, "limit/queue");
      assertEquals(told.limits, [{ limit: "queuedBytesMax", who: "slow" }]);
      slow.transport.resume();
      pair.settle();
      assert(slow.takePublishes().length > 0);
      assertEnded(slow, 0x97, "limit/queue");
      fast.inbox.length = 0;
      fast.assertSilent();
    }
  });

  test("one that reads again in time loses nothing of QoS 1", () => {
    const { pair, told, slow } = two({});
    const texts = Array.from({ length: 300 }, (_, i) => `${i}`.padStart(50));
    for (const text of texts) publish(pair, 1, text);
    pair.settle();
    assert(slow.session!.queued > 100);
    slow.transport.resume();
    const got: string[] = [];
    for (let packetId = 1; packetId <= 300; packetId++) {
      got.push(...slow.takeTexts());
      slow.acknowledge(PacketType.PUBACK, packetId);
    }
    assertEquals(got, texts);
    assertEquals([told.limits, told.drops], [[], []]);
    slow.assertSilent();
  });

  test("what outboundBytesMax holds back follows by itself, where every write is taken at once", () => {
    const { pair } = setup({ outboundBytesMax: OUTBOUND });
    const kept = { cleanStart: false, properties: { sessionExpiryInterval: 600 } };
    const client = pair.connect(kept);
    client.subscribe("t");
    client.lose();
    for (let i = 0; i < 30; i++) {
      publish(pair, 1, new Uint8Array(1000));
      pair.broker.publish({ topic: `r/${i}`, payload: new Uint8Array(1000), retain: true }, pair.now);
    }
    const again = pair.connect(kept);
    assertEquals(again.takePublishes().length, 30);
    again.subscribe("r/+");
    assertEquals(again.takePublishes().length, 30);
    again.lose();
    assertEquals(pair.connect(kept).takePublishes().map(({ dup }) => dup), Array(30).fill(true));
  });

  test("closeTimeoutMs: one that never reads again is cut off, and its session goes on", () => {
    const { pair, told } = setup({ outboundBytesMax: OUTBOUND, queuedMessagesMax: 5 });
    const kept = { cleanStart: false, properties: { sessionExpiryInterval: 600 } };
    const slow = pair.connect(kept, { capacityBytes: 1000 });
    slow.subscribe("t");
    slow.transport.pause();
    for (let i = 0; told.ends.length === 0; i++) {
      publish(pair, 1, new Uint8Array(1000));
      pair.settle();
    }
    told.assertEnded("stub", 0x97, "limit/queue");
    pair.advance(LIMITS.closeTimeoutMs.default);
    assertEquals(pair.broker.connections, 0);
    const again = pair.connect(kept);
    assertEquals(again.connack?.sessionPresent, true);
    assert(again.takePublishes().length >= 10);
  });

  const floods = {
    PINGREQ: [0xc0, 0],
    "SUBSCRIBE to 20 filters": encodePacket({
      type: PacketType.SUBSCRIBE,
      packetId: 1,
      subscriptions: Array.from({ length: 20 }, (_, i) => ({
        filter: `${i}`,
        qos: 0,
        noLocal: false,
        retainAsPublished: false,
        retainHandling: 0,
      })),
    }, 5),
    UNSUBSCRIBE: encodePacket({ type: PacketType.UNSUBSCRIBE, packetId: 1, filters: ["a"] }, 5),
    "PUBLISH to $SYS": [0x32, 9, 0, 4, 0x24, 0x53, 0x59, 0x53, 0, 1, 0],
    "PUBLISH of QoS 1": [0x32, 6, 0, 1, 0x74, 0, 1, 0],
  };
  for (const [what, bytes] of Object.entries(floods)) {
    test(`[limit/outbound] one that sends ${what} without end and never reads the answers is ended with 0x97`, () => {
      const { pair, told } = setup({ outboundBytesMax: OUTBOUND });
      const client = pair.connect({}, { capacityBytes: 100_000 });
      const other = pair.connect({ clientId: "other" });
      client.transport.pause();
      const chunk = bytesOf(...Array.from({ length: 1000 }, () => bytes));
      let chunks = 0;
      for (; told.ends.length === 0 && chunks < 10_000; chunks++) client.write(chunk);
      told.assertEnded("stub", 0x97, "limit/outbound");
      assertEquals(told.limits, [{ limit: "outboundBytesMax", who: "stub" }]);
      assert(held(client) < OUTBOUND + 1024 * 1024 + 200_000, `${held(client)} bytes are held`);
      other.assertSilent();
    });
  }
});
