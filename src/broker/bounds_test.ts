/** §4.1, §4.9 Limits to the byte: what is just within, and what is just above. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { encodePacket } from "../codec/encode.ts";
import type { Publish } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { PublishView } from "../codec/publish_view.ts";
import { messageBytes } from "../delivery/message.ts";
import { assertNotAccepted } from "../testing/assertions.ts";
import { take } from "../testing/restarts.ts";
import { type ConnectInit, Pair, type StubClient } from "../testing/pair.ts";
import { type Limits, MemoryStore } from "./mod.ts";
import { RETAINED_OVERHEAD_BYTES } from "./retained.ts";

const KEPT: ConnectInit = { cleanStart: false, properties: { sessionExpiryInterval: 600 } };
const OVERHEAD_BYTES = messageBytes({ view: new PublishView() });
/** In front of a retained frame. */
const RETAINED_PREFIX_BYTES = 3;

function frameBytes(payload: string, topic = "t"): number {
  const packet: Publish = {
    type: PacketType.PUBLISH,
    dup: false,
    qos: 1,
    retain: true,
    topic,
    packetId: 1,
    payload: new TextEncoder().encode(payload),
  };
  return encodePacket(packet, 5).length;
}

/** What a message of this Client counts for in `retainedBytesMax`. */
function retainedBytes(payload: string, { length }: { length: number }): number {
  return RETAINED_OVERHEAD_BYTES + RETAINED_PREFIX_BYTES + length + frameBytes(payload);
}

describe("retainedBytesMax", () => {
  const LARGE = "x".repeat(16 * 1024);
  const texts = ["x", "xy", LARGE, `${LARGE}y`];

  /** Retains the texts one after the other on one topic; the answers. */
  function retain(client: StubClient, ...texts: string[]): string[] {
    for (const payload of texts) client.publish({ topic: "t", qos: 1, packetId: 1, payload, retain: true });
    return take(client).map((answer) => answer.replace("PUBACK 1 ", ""));
  }

  test("takes what counts for just as much, and not a byte more", () => {
    for (const name of ["stub", "päivä", "äiti", "aitiä"]) {
      const { length } = new TextEncoder().encode(name);
      for (const text of texts) {
        const retainedBytesMax = retainedBytes(text, { length });
        for (const [less, answer] of [[0, "0x10"], [1, "0x97"]] as const) {
          const pair = new Pair({ limits: { retainedBytesMax: retainedBytesMax - less } });
          assertEquals(retain(pair.connect({ clientId: name }), text), [answer]);
        }
      }
    }
  });

  test("has room again for what is replaced, removed or expired, small or large", () => {
    for (const before of texts) {
      for (const after of texts) {
        const most = Math.max(...[before, after].map((text) => retainedBytes(text, "stub")));
        const pair = new Pair({ limits: { retainedBytesMax: most } });
        const client = pair.connect();
        const fits = (text: string) => retainedBytes(text, "stub") <= most ? "0x10" : "0x97";
        assertEquals(retain(client, before, after, `${after}z`), ["0x10", "0x10", fits(`${after}z`)]);
        assertEquals(retain(client, "", before), ["0x10", "0x10"]);
        const properties = { messageExpiryInterval: 1 };
        client.publish({ topic: "t", payload: "e", retain: true, properties });
        pair.advance(1_000);
        assertEquals(retain(client, after, ""), ["0x10", "0x10"]);
        const fresh = pair.connect({ clientId: "next" });
        fresh.publish({ topic: "u", qos: 1, packetId: 1, payload: before.slice(4), retain: true });
        assertEquals(take(fresh), ["PUBACK 1 0x10"]);
      }
    }
  });

  test("counts what was there before a restart", () => {
    for (const text of texts) {
      const store = new MemoryStore();
      const limits = { retainedBytesMax: retainedBytes(text, "stub") };
      assertEquals(retain(new Pair({ store, limits }).connect(), text), ["0x10"]);
      const client = new Pair({ store, limits }).connect();
      client.publish({ topic: "u", qos: 1, packetId: 1, payload: "x", retain: true });
      assertEquals(take(client), ["PUBACK 1 0x97"]);
      assertEquals(retain(client, text, "", text), ["0x10", "0x10", "0x10"]);
    }
  });
});

test("retainedMessagesMax: a topic that has one may have another, and a new topic when one is gone", () => {
  const pair = new Pair({ limits: { retainedMessagesMax: 2 } });
  const client = pair.connect();
  const answers = ["a", "b", "c", "b", "a", "-a", "c", "a"].map((text) => {
    const payload = text.startsWith("-") ? "" : text;
    client.publish({ topic: text.at(-1)!, qos: 1, packetId: 1, payload, retain: true });
    return take(client)[0]!.split(" ")[2];
  });
  assertEquals(answers, ["0x10", "0x10", "0x97", "0x10", "0x10", "0x10", "0x10", "0x97"]);
});

for (const durable of [false, true]) {
  const where = durable ? "with a store" : "in memory";

  /** A session that is away, in a broker with these limits. */
  const begin = (limits: Partial<Limits>): Pair => {
    const pair = new Pair({ limits, ...(durable && { store: new MemoryStore() }) });
    const client = pair.connect(KEPT);
    client.subscribe("t");
    client.lose();
    return pair;
  };
  const publish = (pair: Pair, ...texts: string[]): void => {
    for (const payload of texts) pair.broker.publish({ topic: "t", qos: 1, payload }, pair.now);
    pair.settle();
  };

  test(`queuedBytesMax takes what counts for just as much, and not a byte more, ${where}`, () => {
    const two = 2 * OVERHEAD_BYTES + frameBytes("one") + frameBytes("second");
    for (const [less, expected] of [[0, ["one", "second"]], [1, ["one"]]] as const) {
      const pair = begin({ queuedBytesMax: two - less });
      publish(pair, "one", "second");
      assertEquals(pair.connect(KEPT).takeTexts(), [...expected]);
    }
  });

  test(`what has left the queue makes room in it, to the byte, ${where}`, () => {
    const pair = begin({ queuedBytesMax: 2 * OVERHEAD_BYTES + 2 * frameBytes("x") });
    for (let i = 0; i < 3; i++) {
      publish(pair, "x", "y", "z");
      const client = pair.connect(KEPT);
      assertEquals(client.takeTexts(), ["x", "y"]);
      for (let id = 1; id <= 6; id++) client.acknowledge(PacketType.PUBACK, id);
      client.lose();
    }
  });

  test(`queuedMessagesMax takes just as many, ${where}`, () => {
    const pair = begin({ queuedMessagesMax: 3 });
    publish(pair, "1", "2", "3", "4");
    assertEquals(pair.connect(KEPT).takeTexts(), ["1", "2", "3"]);
  });
}

describe("topicLevelsMax", () => {
  const limits = { topicLevelsMax: 3 };

  test("holds for a filter, without its share", () => {
    const client = new Pair({ limits }).connect();
    const filters = ["a/b/c", "a/b/c/d", "#", "+/+/#", "+/+/+/#", "$share/g/a/b/c", "$share/g/a/b/c/d"];
    assertEquals(client.subscribe(...filters), [2, 0x8f, 2, 2, 0x8f, 2, 0x8f]);
  });

  test("holds for a will", () => {
    const will = { payload: new Uint8Array(), qos: 0, retain: false } as const;
    const pair = new Pair({ limits });
    pair.connect({ will: { ...will, topic: "a/b/c" } });
    const client = pair.open();
    client.connect({ clientId: "other", will: { ...will, topic: "a/b/c/d" } });
    assertNotAccepted(client, 0x90, "limit/topic-levels");
  });

  test("holds for a message, retained or not, at every QoS", () => {
    const client = new Pair({ limits }).connect();
    for (const retain of [false, true]) {
      for (const qos of [1, 2] as const) {
        client.publish({ topic: "a/b/c", qos, packetId: 1 + qos, payload: "x", retain });
        client.publish({ topic: "a/b/c/d", qos, packetId: 3 + qos, payload: "x", retain });
        if (qos === 2) client.acknowledge(PacketType.PUBREL, 3);
      }
      assertEquals(take(client), [
        "PUBACK 2 0x10",
        "PUBACK 4 0x90",
        "PUBREC 3 0x10",
        "PUBREC 5 0x90",
        "PUBCOMP 3",
      ]);
    }
  });
});

test("sessionsMax: as many sessions as that, connected or not; who has one may come back", () => {
  const pair = new Pair({ limits: { sessionsMax: 2 } });
  pair.connect({ ...KEPT, clientId: "a" }).lose();
  pair.connect({ clientId: "b" });
  const refused = pair.open();
  refused.connect({ clientId: "c" });
  assertNotAccepted(refused, 0x97, "limit/sessions");
  pair.connect({ ...KEPT, clientId: "a" }).disconnect(0, { sessionExpiryInterval: 0 });
  pair.connect({ clientId: "c" });
});

test("connectionsMax: as many connections as that, and another when one has gone", () => {
  const pair = new Pair({ limits: { connectionsMax: 2 } });
  const first = pair.connect({ clientId: "a" });
  pair.connect({ clientId: "b" });
  const refused = pair.open();
  refused.connect({ clientId: "c" });
  assertNotAccepted(refused, 0x97, "limit/connections");
  refused.transport.close();
  first.disconnect();
  pair.connect({ clientId: "c" });
});

test("subscriptionsPerSessionMax: as many filters as that, each as often as it likes, and another when one has gone", () => {
  const client = new Pair({ limits: { subscriptionsPerSessionMax: 2 } }).connect();
  assertEquals(client.subscribe("a", "b", "c", "a"), [2, 2, 0x97, 2]);
  client.unsubscribe("a");
  assertEquals(client.subscribe("c", "a"), [2, 0x97]);
});

describe("sessionExpirySecondsMax", () => {
  test("cuts what CONNECT asks for, and CONNACK says so only then", () => {
    for (const [asked, told] of [[99, undefined], [100, undefined], [101, 100]] as const) {
      for (const early of [1, 0]) {
        const pair = new Pair({ limits: { sessionExpirySecondsMax: 100 } });
        const client = pair.connect({ cleanStart: false, properties: { sessionExpiryInterval: asked } });
        assertEquals(client.connack?.properties?.sessionExpiryInterval, told);
        client.lose();
        pair.advance(Math.min(asked, 100) * 1000 - early);
        assertEquals(pair.connect({ cleanStart: false }).connack?.sessionPresent, early > 0);
      }
    }
  });
});

test("keepAliveSecondsMax: what is longer, or never, is cut, and CONNACK says so only then", () => {
  for (
    const [asked, told] of [[0, 100], [1, undefined], [99, undefined], [100, undefined], [101, 100]] as const
  ) {
    const client = new Pair({ limits: { keepAliveSecondsMax: 100 } }).connect({ keepAlive: asked });
    assertEquals(client.connack?.properties?.serverKeepAlive, told);
  }
  for (const keepAlive of [0, 65_535]) {
    assertEquals(new Pair().connect({ keepAlive }).connack?.properties?.serverKeepAlive, undefined);
  }
});
