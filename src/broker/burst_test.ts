/** §4.1, §4.3 Many PUBLISH packets in one chunk: the same facts, holds and answers as one by one. @module */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { encodePacket } from "../codec/encode.ts";
import type { ProtocolLevel, Publish, QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { assertEnded } from "../testing/assertions.ts";
import { FactLog } from "../testing/fact_log.ts";
import { bytesOf } from "../testing/frame.ts";
import { take } from "../testing/restarts.ts";
import { type ConnectInit, Pair, type StubClient } from "../testing/pair.ts";
import type { BrokerOptions } from "./mod.ts";
import { TEST_MS } from "../testing/patience.ts";

const { PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;
const KEPT: ConnectInit = { cleanStart: false, properties: { sessionExpiryInterval: 600 } };

type Frame = Partial<Omit<Publish, "payload">> & { payload?: string };

/** PUBLISH frames to "t", each with its number as its text and, above QoS 0, as its identifier, unless they say otherwise. */
function framesOf(level: ProtocolLevel, qos: QoS, frames: readonly Frame[]): Uint8Array[] {
  return frames.map(({ payload, ...frame }, i) => {
    const packet: Publish = {
      type: PacketType.PUBLISH,
      dup: false,
      retain: false,
      topic: "t",
      qos,
      ...frame,
      payload: new TextEncoder().encode(payload ?? `${i + 1}`),
    };
    if (packet.qos > 0) packet.packetId ??= i + 1;
    return encodePacket(packet, level);
  });
}

/** So many plain frames in one chunk. */
function burst(client: StubClient, qos: QoS, frames: number | readonly Frame[]): void {
  const list = typeof frames === "number" ? Array.from({ length: frames }, () => ({})) : frames;
  client.write(bytesOf(...framesOf(client.level, qos, list)));
}

function begin(options: BrokerOptions = {}): { pair: Pair; store: FactLog } {
  const store = new FactLog();
  return { pair: new Pair({ ...options, store }), store };
}

function numbered(word: string, count: number, rest = ""): string[] {
  return Array.from({ length: count }, (_, i) => `${word} ${i + 1}${rest}`);
}

const ANSWERS = { 1: "PUBACK", 2: "PUBREC" } as const;

for (const qos of [1, 2] as const) {
  describe(`of a chunk of QoS ${qos}`, () => {
    test("[MQTT-4.3.2-4] [MQTT-4.3.3-8] the acknowledgements wait for the facts of a session that stays", () => {
      for (const away of [false, true]) {
        const { pair, store } = begin();
        const receiver = pair.connect({ ...KEPT, clientId: "receiver" });
        receiver.subscribe("t");
        if (away) receiver.lose();
        const client = pair.connect();
        pair.advance(1_000);
        store.take();
        store.slow = true;
        burst(client, qos, 3);
        assertEquals(take(client), []);
        const ids = away ? [0, 0, 0] : [1, 2, 3];
        assertEquals(store.take(), ids.map((id, i) => `receiver: queued ${id} ${i + 1}`));
        // [MQTT-4.3.3-10] a QoS 2 message must have the same identifier after a crash
        const sent = ids.map((id, i) => `PUBLISH ${id} ${i + 1}`);
        assertEquals(take(receiver), qos === 1 && !away ? sent : []);
        store.settle();
        pair.settle();
        assertEquals(take(client), numbered(ANSWERS[qos], 3));
        assertEquals(take(receiver), qos === 2 && !away ? sent : []);
      }
    });

    test("[MQTT-4.3.3-8] what the publisher's session must remember is told, and waited for", () => {
      const { pair, store } = begin();
      const client = pair.connect(KEPT);
      pair.advance(1_000);
      store.take();
      store.slow = true;
      burst(client, qos, 2);
      const facts = qos === 1 ? [] : ["stub: identifier 1 open", "stub: identifier 2 open"];
      assertEquals(store.take(), facts);
      assertEquals(take(client), qos === 1 ? ["PUBACK 1 0x10", "PUBACK 2 0x10"] : []);
      if (qos === 1) return;
      store.settle();
      pair.settle();
      assertEquals(take(client), ["PUBREC 1 0x10", "PUBREC 2 0x10"]);
    });

    test("between sessions that end with their connection nothing waits, and the store is told nothing", () => {
      const { pair, store } = begin();
      const receiver = pair.connect({ clientId: "receiver" });
      receiver.subscribe("t");
      const client = pair.connect();
      store.slow = true;
      burst(client, qos, 3);
      assertEquals(take(client), numbered(ANSWERS[qos], 3));
      assertEquals(take(receiver), numbered("PUBLISH", 3).map((text, i) => `${text} ${i + 1}`));
      assertEquals([store.take(), store.commits], [[], 0]);
    });

    test("[MQTT-3.3.4-9] as many are open as Receive Maximum allows, and the others follow one by one", () => {
      for (const kept of [false, true]) {
        for (const receiveMaximum of [2, 3, 4]) {
          const { pair } = begin();
          const properties = { receiveMaximum, sessionExpiryInterval: kept ? 600 : 0 };
          const receiver = pair.connect({ clientId: "receiver", properties });
          receiver.subscribe("t");
          const client = pair.connect();
          burst(client, qos, 3);
          burst(client, qos, [{ packetId: 9, payload: "4" }]);
          const sent = Math.min(receiveMaximum, 4);
          const publishes = Array.from({ length: 4 }, (_, i) => `PUBLISH ${i + 1} ${i + 1}`);
          assertEquals(take(receiver), publishes.slice(0, sent));
          for (let id = 1; id <= 4; id++) {
            if (qos === 1) receiver.acknowledge(PUBACK, id);
            else {
              receiver.acknowledge(PUBREC, id);
              receiver.acknowledge(PUBCOMP, id);
            }
          }
          const later = take(receiver).filter((text) => text.startsWith("PUBLISH"));
          assertEquals(later.map((text) => text.split(" ").at(-1)), ["1", "2", "3", "4"].slice(sent));
        }
      }
    });

    test("[MQTT-4.4.0-1] what is not acknowledged comes again, each message under its identifier", () => {
      const { pair } = begin();
      const receiver = pair.connect({ ...KEPT, clientId: "receiver" });
      receiver.subscribe("t");
      burst(pair.connect(), qos, 3);
      receiver.acknowledge(qos === 1 ? PUBACK : PUBREC, 2, 0x80);
      receiver.lose();
      const again = pair.connect({ ...KEPT, clientId: "receiver" });
      assertEquals(take(again), ["PUBLISH 1 dup 1", "PUBLISH 3 dup 3"]);
    });

    test("[MQTT-3.3.2-5] each expires by its own interval where it waits", () => {
      const { pair } = begin();
      const receiver = pair.connect({ ...KEPT, clientId: "receiver" });
      receiver.subscribe("t");
      receiver.lose();
      const expiring = (messageExpiryInterval: number) => ({ properties: { messageExpiryInterval } });
      burst(pair.connect(), qos, [{}, expiring(5), expiring(20), {}]);
      pair.advance(10_000);
      const again = pair.connect({ ...KEPT, clientId: "receiver" });
      assertEquals(
        again.takePublishes().map(({ payload, properties }) => [
          new TextDecoder().decode(payload),
          properties?.messageExpiryInterval,
        ]),
        [["1", undefined], ["3", 10], ["4", undefined]],
      );
    });

    test("each subscriber gets each at the lower QoS, in order", () => {
      const { pair } = begin();
      const receivers = ([0, 1, 2] as const).map((granted) => {
        const receiver = pair.connect({ clientId: `${granted}` });
        receiver.subscribe({ filter: "t", qos: granted });
        return receiver;
      });
      burst(pair.connect(), qos, 2);
      assertEquals(receivers.map((receiver) => receiver.takePublishes().map((publish) => publish.qos)), [
        [0, 0],
        [1, 1],
        [qos, qos],
      ]);
    });

    test("[MQTT-4.3.2-5] a larger QoS than ours ends the connection", () => {
      const { pair } = begin({ maximumQos: (qos - 1) as QoS });
      const client = pair.connect();
      burst(client, qos, 2);
      assertEnded(client, 0x9b, "MQTT-3.2.2-11");
    });

    test("a topic of the Server's, or of too many levels, is refused each time", () => {
      const { pair } = begin({ limits: { topicLevelsMax: 2 } });
      const client = pair.connect();
      client.subscribe("#");
      burst(client, qos, ["$t", "$t", "a/b/c", "a/b/c", "a/b"].map((topic) => ({ topic })));
      pair.advance(2); // PUBACK waits so long for the acknowledgement of the Client's own message
      const name = ANSWERS[qos];
      assertEquals(take(client).filter((text) => text.startsWith(name)), [
        `${name} 1 0x87`,
        `${name} 2 0x87`,
        `${name} 3 0x90`,
        `${name} 4 0x90`,
        `${name} 5`,
      ]);
    });

    test("while the store fails it is refused for a session that stays", () => {
      const { pair, store } = begin();
      pair.connect({ ...KEPT, clientId: "receiver" }).subscribe("t");
      const client = pair.connect();
      pair.advance(1_000);
      store.broken = true;
      pair.broker.publish({ topic: "t", qos: 1, payload: "x" }, pair.now);
      pair.advance(1_000);
      burst(client, qos, 2);
      assertEquals(take(client), [`${ANSWERS[qos]} 1 0x97`, `${ANSWERS[qos]} 2 0x97`]);
    });

    test("the counters count each", () => {
      const { pair } = begin();
      const receiver = pair.connect({ clientId: "receiver", properties: { maximumPacketSize: 30 } });
      receiver.subscribe("t");
      burst(pair.connect(), qos, [{}, { payload: "x".repeat(40) }, {}]);
      assertEquals(receiver.takeTexts(), ["1", "3"]);
      const { received, dropped } = pair.broker.stats;
      assertEquals([received, dropped], [3, 1]);
    });
  });
}

describe("of a chunk", () => {
  test("[MQTT-4.3.3-10] an identifier that comes twice is one message, also for a session that stays", () => {
    for (const init of [{}, KEPT]) {
      const { pair, store } = begin();
      const client = pair.connect(init);
      const receiver = pair.connect({ clientId: "receiver" });
      receiver.subscribe("t");
      pair.advance(1_000);
      store.take();
      burst(client, 2, [{ packetId: 1 }, { packetId: 2 }, { packetId: 1 }, { packetId: 3 }]);
      assertEquals(take(client), ["PUBREC 1", "PUBREC 2", "PUBREC 1", "PUBREC 3"]);
      assertEquals(receiver.takeTexts(), ["1", "2", "4"]);
      assertEquals(pair.broker.stats.received, 4);
      const open = ["stub: identifier 1 open", "stub: identifier 2 open", "stub: identifier 3 open"];
      assertEquals(store.take(), init === KEPT ? open : []);
      client.acknowledge(PUBREL, 1);
      burst(client, 2, [{ packetId: 1, payload: "new" }, { packetId: 2 }]);
      assertEquals(take(client), ["PUBCOMP 1", "PUBREC 1", "PUBREC 2"]);
      assertEquals(receiver.takeTexts(), ["new"]);
    }
  });

  test("QoS 1 and 2 to a session that stayed once, and now ends with its connection, wait for nothing", () => {
    for (const qos of [1, 2] as const) {
      const { pair, store } = begin();
      pair.connect({ ...KEPT, clientId: "receiver" }).subscribe("t");
      const receiver = pair.connect({ clientId: "receiver", cleanStart: false });
      const client = pair.connect();
      pair.advance(1_000);
      store.take();
      store.slow = true;
      burst(client, qos, 2);
      assertEquals([take(receiver), take(client)], [
        ["PUBLISH 1 1", "PUBLISH 2 2"],
        numbered(ANSWERS[qos], 2),
      ]);
      assertEquals(store.take(), []);
    }
  });

  test("[2.2.1/in-use] QoS 1 under an identifier of an open QoS 2 message is refused", () => {
    const { pair } = begin();
    const client = pair.connect();
    client.publish({ topic: "t", qos: 2, packetId: 2 });
    take(client);
    burst(client, 1, 3);
    assertEquals(take(client), ["PUBACK 1 0x10", "PUBACK 2 0x91", "PUBACK 3 0x10"]);
  });

  test("[3.3.4/receive-maximum] as many QoS 2 messages as we allow are taken, and one more ends the connection", () => {
    const { pair } = begin({ limits: { receiveMaximum: 3 } });
    const client = pair.connect();
    burst(client, 2, 3);
    assertEquals(take(client), numbered("PUBREC", 3, " 0x10"));
    client.acknowledge(PUBREL, 2);
    burst(client, 2, [{ packetId: 8 }, { packetId: 9 }]);
    assertEquals(take(client), ["PUBCOMP 2", "PUBREC 8 0x10", "DISCONNECT 0x93"]);
  });

  test("[MQTT-3.8.3-3] the publisher's own subscription with No Local gets none, and one without gets all", () => {
    for (const qos of [0, 1, 2] as const) {
      const { pair } = begin();
      const client = pair.connect();
      client.subscribe({ filter: "t", noLocal: true });
      burst(client, qos, 2);
      assertEquals(client.takeTexts(), []);
      client.subscribe({ filter: "t", noLocal: false });
      burst(client, qos, qos === 0 ? 2 : [{ packetId: 11 }, { packetId: 12 }]);
      assertEquals(client.takeTexts(), ["1", "2"]);
    }
  });

  test("QoS 0 is lost for who is away, and QoS 1 for who will not come back", () => {
    const { pair } = begin();
    const receiver = pair.connect({ ...KEPT, clientId: "receiver" });
    receiver.subscribe("t");
    receiver.lose();
    const client = pair.connect();
    burst(client, 0, 2);
    burst(client, 1, 1);
    const again = pair.connect({ ...KEPT, clientId: "receiver" });
    assertEquals(again.takeTexts(), ["1"]);
    again.assertSilent();
  });

  test("QoS 0 above outboundBytesMax is dropped and counted, whether the owner wants to hear of each or not", () => {
    for (const own of [{}, { dropped: () => {} }]) {
      const limits: string[] = [];
      const pair = new Pair({
        limits: { outboundBytesMax: 5_000 },
        hooks: { ...own, limited: (limit, who) => limits.push(`${limit} ${who}`) },
      });
      const slow = pair.connect({ clientId: "slow" }, { capacityBytes: 64 });
      const fast = pair.connect({ clientId: "fast" });
      for (const client of [slow, fast]) client.subscribe("t");
      slow.transport.pause();
      const client = pair.connect();
      const frames = Array.from({ length: 4 }, () => ({ payload: "x".repeat(94) }));
      const dropped = Array.from({ length: 20 }, () => {
        burst(client, 0, frames);
        assertEquals(fast.takePublishes().length, 4);
        return pair.broker.stats.dropped;
      });
      // 64 bytes have been taken by the transport: 12 times 400 bytes are below, 13 times above.
      assertEquals(dropped, Array.from({ length: 20 }, (_, i) => Math.max(0, i - 12) * 4));
      assertEquals([limits, pair.broker.stats.received], [["outboundBytesMax slow"], 80]);
      slow.transport.resume();
      assertEquals(slow.takePublishes().length, 52);
    }
  });

  test("QoS 0 goes out as long as exactly outboundBytesMax wait", () => {
    const sent = [5_035, 5_036].map((outboundBytesMax) => {
      const pair = new Pair({ limits: { outboundBytesMax } });
      const slow = pair.connect({ clientId: "slow" }, { capacityBytes: 64 });
      slow.subscribe("t");
      slow.transport.pause();
      const client = pair.connect();
      for (let i = 0; i < 60; i++) burst(client, 0, [{ payload: "x".repeat(94) }]);
      return 60 - pair.broker.stats.dropped;
    });
    assertEquals(sent, [51, 52]);
  });

  test("[MQTT-4.3.2-3] QoS 1 waits while more than outboundBytesMax does, and comes in order", () => {
    const pair = new Pair({ limits: { outboundBytesMax: 5_000 } });
    const slow = pair.connect({ ...KEPT, clientId: "slow" }, { capacityBytes: 64 });
    slow.subscribe("t");
    slow.transport.pause();
    const client = pair.connect();
    for (let i = 0; i < 30; i++) {
      burst(client, 1, Array.from({ length: 4 }, (_, j) => ({ payload: `${4 * i + j}`.padStart(94) })));
    }
    slow.lose();
    const again = pair.connect({ ...KEPT, clientId: "slow" });
    const publishes = again.takePublishes();
    assertEquals(publishes.map(({ payload }) => Number(new TextDecoder().decode(payload))), [
      ...Array(120).keys(),
    ]);
    const first = publishes.findIndex(({ dup }) => !dup);
    assertEquals(first, 52); // what was sent is as much as with QoS 0, in fours
  });

  test("messages with a large payload are shared, whole and in order", () => {
    const { pair } = begin();
    const receivers = ["a", "b"].map((clientId) => {
      const receiver = pair.connect({ ...KEPT, clientId });
      receiver.subscribe("t");
      return receiver;
    });
    const large = "x".repeat(16 * 1024);
    for (const qos of [0, 1, 2] as const) {
      burst(pair.connect(), qos, [{ payload: large }, { payload: `${large}y` }, { payload: "small" }]);
      for (const receiver of receivers) assertEquals(receiver.takeTexts(), [large, `${large}y`, "small"]);
    }
  });

  test("what is retained among them is retained, and the others go on", () => {
    const { pair, store } = begin();
    const client = pair.connect();
    client.subscribe("t");
    burst(client, 1, [{}, { retain: true }, {}, { retain: true, payload: "last" }]);
    assertEquals(client.takeTexts(), ["1", "2", "3", "last"]);
    assertEquals(store.take(), ["retained t 2", "retained t last"]);
    assertEquals(take(client), numbered("PUBACK", 4));
  });

  test("a packet behind them is answered behind them", () => {
    const { pair } = begin();
    const client = pair.connect();
    const frames = framesOf(5, 1, [{}, {}]);
    client.write(bytesOf(...frames, encodePacket({ type: PacketType.PINGREQ }, 5), frames[0]!));
    assertEquals(take(client), ["PUBACK 1 0x10", "PUBACK 2 0x10", "PINGRESP", "PUBACK 1 0x10"]);
  });

  test("[MQTT-3.14.4-1] those before a DISCONNECT, or before a broken packet, have arrived", () => {
    for (const end of [Uint8Array.of(0xe0, 0), Uint8Array.of(0x36, 0)]) {
      const { pair } = begin();
      const receiver = pair.connect({ clientId: "receiver" });
      receiver.subscribe("t");
      const client = pair.connect();
      client.write(bytesOf(...framesOf(5, 1, [{}, {}]), end));
      assertEquals(receiver.takeTexts(), ["1", "2"]);
      assertEquals(take(client).slice(0, 2), ["PUBACK 1", "PUBACK 2"]);
    }
  });
});

interface Scene {
  readonly level: ProtocolLevel;
  readonly kept: boolean;
  readonly qos: QoS;
  readonly frames: readonly Frame[];
  readonly receivers: readonly {
    readonly level: ProtocolLevel;
    readonly kept: boolean;
    readonly away: boolean;
    readonly qos: QoS;
    readonly receiveMaximum: number;
    readonly maximumPacketSize: number;
  }[];
}

const scenes: fc.Arbitrary<Scene> = fc.record({
  level: fc.constantFrom<ProtocolLevel[]>(4, 5),
  kept: fc.boolean(),
  qos: fc.constantFrom<QoS[]>(0, 1, 2),
  frames: fc.array(
    fc.record({
      topic: fc.constantFrom("t", "t", "t", "t", "u"),
      payload: fc.constantFrom("a", "b", "c", "d", "a longer text than the others have"),
    }),
    { minLength: 1, maxLength: 12 },
  ),
  receivers: fc.array(
    fc.record({
      level: fc.constantFrom<ProtocolLevel[]>(4, 5),
      kept: fc.boolean(),
      away: fc.boolean(),
      qos: fc.constantFrom<QoS[]>(0, 1, 2),
      receiveMaximum: fc.constantFrom(1, 3, 65_535),
      maximumPacketSize: fc.constantFrom(30, 1_000),
    }),
    { maxLength: 4 },
  ),
});

/** What each Client hears, the store is told of each session, and another broker sends after a crash. */
function play({ level, kept, qos, frames, receivers }: Scene, oneChunk: boolean): unknown {
  const { pair, store } = begin();
  const inits = receivers.map((receiver, i): ConnectInit => {
    const { level, kept, receiveMaximum, maximumPacketSize } = receiver;
    const properties = { receiveMaximum, maximumPacketSize, sessionExpiryInterval: kept ? 600 : 0 };
    return { clientId: `${i}`, level, cleanStart: !kept, ...(level === 5 && { properties }) };
  });
  const clients = inits.map((init, i) => {
    const client = pair.connect(init);
    client.subscribe({ filter: "#", qos: receivers[i]!.qos });
    if (receivers[i]!.away) client.lose();
    return client;
  });
  const from = pair.connect({ clientId: "from", level, ...(kept && KEPT) });
  pair.advance(1_000);
  store.take();
  const encoded = framesOf(level, qos, frames);
  for (const bytes of oneChunk ? [bytesOf(...encoded)] : encoded) from.write(bytes);
  const facts: Record<string, string[]> = {};
  for (const fact of store.take()) (facts[fact.split(":")[0]!] ??= []).push(fact);
  const heard = [...clients, from].map(take);
  pair.advance(1_000);
  const next = new Pair({ store: store.crashed() });
  next.now = pair.now;
  const again = inits.filter(({ cleanStart }) => cleanStart === false).map((init) =>
    take(next.connect(init))
  );
  const { memory: _memory, commits: _commits, ...counters } = pair.broker.stats; // how much is shared, kept in caches and committed together may differ
  return { facts, heard, again, counters };
}

test(
  "[MQTT-4.5.0-1] [MQTT-4.6.0-5] in one chunk or in as many as there are packets: the same is heard, kept and found after a crash",
  {
    timeout: TEST_MS,
  },
  () => {
    fc.assert(
      fc.property(scenes, (scene) => {
        assertEquals(play(scene, true), play(scene, false));
      }),
      { numRuns: 60 },
    );
  },
);
