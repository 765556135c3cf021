/** §3.3 Frames that go on as a batch give each subscriber exactly the bytes that frame by frame would. @module */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { encodePacket } from "../codec/encode.ts";
import type { ProtocolLevel, Publish, QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { bytesOf } from "../testing/frame.ts";
import { Pair, type StubClient } from "../testing/pair.ts";
import { MemoryStore } from "./mod.ts";
import { patient } from "../testing/patience.ts";

interface Receiver {
  readonly receiveMaximum: number;
  /** Its session outlives the connection. */
  readonly kept: boolean;
  readonly level: ProtocolLevel;
  readonly filters: readonly {
    filter: string;
    qos: QoS;
    noLocal: boolean;
    retainAsPublished: boolean;
    identifier: number;
  }[];
  readonly topicAliasMaximum: number;
  readonly maximumPacketSize: number;
}

interface Scene {
  readonly level: ProtocolLevel;
  readonly store: boolean;
  readonly kept: boolean;
  /** What the publisher subscribes to itself. */
  readonly own: Receiver["filters"];
  readonly frames: readonly Uint8Array[];
  readonly chunkBytes: readonly number[];
  readonly receivers: readonly Receiver[];
}

const TOPICS = ["a", "b", "a/b", "$x"];
const filters: fc.Arbitrary<Receiver["filters"]> = fc.array(
  fc.record({
    filter: fc.constantFrom("a", "b", "+", "#", "a/#", "a/b", "$share/g/a", "$share/g/#"),
    qos: fc.constantFrom<QoS[]>(0, 1, 2),
    noLocal: fc.boolean(),
    retainAsPublished: fc.boolean(),
    identifier: fc.constantFrom(0, 0, 0, 1, 200),
  }).map((one) => one.filter.startsWith("$share") ? { ...one, noLocal: false } : one),
  { maxLength: 3 },
);
const receiver: fc.Arbitrary<Receiver> = fc.record({
  level: fc.constantFrom<ProtocolLevel[]>(4, 5, 5),
  filters,
  topicAliasMaximum: fc.constantFrom(0, 0, 0, 1, 5),
  maximumPacketSize: fc.constantFrom(1000, 1000, 1000, 24, 40),
  receiveMaximum: fc.constantFrom(1000, 1000, 1, 5),
  kept: fc.constantFrom(false, false, true),
});

/** ms in which every answer leaves; less than any message of a scene takes to expire. */
const ANSWERED_MS = 500;

/** Most frames are such as go together: one QoS, no flags, one topic for a while. */
function publish(level: ProtocolLevel, qos: QoS): fc.Arbitrary<Publish> {
  const rare = <T>(usual: T, other: fc.Arbitrary<T>) =>
    fc.oneof({ weight: 8, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: other });
  return fc.record({
    topic: fc.oneof({ weight: 6, arbitrary: fc.constant("a") }, fc.constantFrom(...TOPICS)),
    qos: rare<QoS>(qos, fc.constantFrom<QoS[]>(0, 1, 2)),
    retain: rare(false, fc.constant(true)),
    payload: fc.oneof(
      { weight: 5, arbitrary: fc.uint8Array({ maxLength: 20 }) },
      { weight: 1, arbitrary: fc.integer({ min: 100, max: 20_000 }).map((length) => new Uint8Array(length)) },
    ),
    messageExpiryInterval: rare<number | undefined>(undefined, fc.integer({ min: 1, max: 9 })),
    contentType: rare<string | undefined>(undefined, fc.constant("c")),
    topicAlias: rare<number | undefined>(undefined, fc.integer({ min: 1, max: 2 })),
  }).map(({ messageExpiryInterval, contentType, topicAlias, ...rest }) => {
    const properties = {
      ...(messageExpiryInterval !== undefined && { messageExpiryInterval }),
      ...(contentType !== undefined && { contentType }),
      ...(topicAlias !== undefined && { topicAlias }),
    };
    const packet: Publish = { type: PacketType.PUBLISH, dup: false, ...rest };
    if (level === 5 && Object.keys(properties).length > 0) packet.properties = properties;
    return packet;
  });
}

/** PUBLISH, and now and then something else in between, that ends a batch or changes who subscribes. */
function frames(level: ProtocolLevel, qos: QoS): fc.Arbitrary<Uint8Array[]> {
  const ping = fc.constant(encodePacket({ type: PacketType.PINGREQ }, level));
  const subscribe = fc.constantFrom("a", "#").map((filter) => {
    const options = { qos: 0 as const, noLocal: false, retainAsPublished: false, retainHandling: 0 as const };
    return encodePacket({
      type: PacketType.SUBSCRIBE,
      packetId: 999,
      subscriptions: [{ filter, ...options }],
    }, level);
  });
  const broken = fc.constantFrom(Uint8Array.of(0x36, 2, 0, 0), Uint8Array.of(0x30, 3, 0, 1, 0x23));
  const any = fc.oneof(
    { weight: 40, arbitrary: publish(level, qos) },
    { weight: 3, arbitrary: ping },
    { weight: 2, arbitrary: subscribe },
    { weight: 1, arbitrary: broken },
  );
  const id = fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined, freq: 20 }); // now and then one that is in use
  return fc.array(fc.tuple(any, id), { minLength: 1, maxLength: 40 }).map((packets) =>
    packets.map(([packet, id], i) => {
      if (packet instanceof Uint8Array) return packet;
      return encodePacket(packet.qos === 0 ? packet : { ...packet, packetId: id ?? i + 1 }, level);
    })
  );
}

function scene(qos: QoS): fc.Arbitrary<Scene> {
  return fc.constantFrom<ProtocolLevel[]>(4, 5).chain((level) =>
    fc.record({
      level: fc.constant(level),
      store: fc.boolean(),
      kept: fc.boolean(),
      own: filters,
      frames: frames(level, qos),
      chunkBytes: fc.array(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constant(Infinity)), {
        minLength: 1,
        maxLength: 5,
      }),
      receivers: fc.array(receiver, { minLength: 1, maxLength: 4 }),
    })
  );
}

/** How often a message was taken by a session, or given to a Client: with the hooks that are told of each. */
type Told = Record<string, number>;

/**
 * What everybody hears, by name, and what the owner is told, if it asks; frames stand alone, so that chunks do not matter. One by one,
 * no message is in a batch.
 */
function play(scene: Scene, isOneByOne: boolean, isTold: boolean): [Record<string, Uint8Array[]>, Told] {
  const told: Told = {};
  const tell = (line: string, by = 1) => void (told[line] = (told[line] ?? 0) + by);
  const pair = new Pair({
    ...(isTold && {
      hooks: {
        published: ({ topic, payload, qos, retain }, client, receivers) =>
          tell(`${topic} ${payload.length} ${qos} ${retain} of ${client?.clientId} taken`, receivers),
        delivered: ({ topic, payload, qos, retain }, { clientId }) =>
          tell(`${topic} ${payload.length} ${qos} ${retain} to ${clientId}`),
        dropped: ({ topic, payload, qos }, clientId, why) =>
          tell(`${topic} ${payload.length} ${qos} not to ${clientId}: ${why}`),
      },
    }),
    ...(scene.store && { store: new MemoryStore() }),
    limits: { receiveMaximum: 20, ...(isOneByOne && { batchMessagesMax: 0 }) },
  });
  const heard: Record<string, Uint8Array[]> = {};
  const subscribe = (
    name: string,
    receiver: Omit<Receiver, "level">,
    level: ProtocolLevel,
    chunkBytes = {},
  ) => {
    const { topicAliasMaximum, maximumPacketSize, receiveMaximum, kept } = receiver;
    const sessionExpiryInterval = kept ? 60 : 0;
    const properties = level === 5
      ? { topicAliasMaximum, maximumPacketSize, receiveMaximum, sessionExpiryInterval }
      : {};
    const client = pair.connect({ clientId: name, level, properties }, chunkBytes);
    for (const { identifier, ...filter } of receiver.filters) {
      client.subscribeWith(identifier > 0 ? { subscriptionIdentifier: identifier } : {}, filter);
    }
    const frames: Uint8Array[] = heard[name] = [];
    client.heard = (frame) => frames.push(frame);
    return client;
  };
  for (const [i, receiver] of scene.receivers.entries()) subscribe(`${i}`, receiver, receiver.level);
  let turn = 0;
  const chunkBytes = () => scene.chunkBytes[turn++ % scene.chunkBytes.length]!;
  const { own, kept } = scene;
  const plain = { filters: own, topicAliasMaximum: 0, maximumPacketSize: 1000, receiveMaximum: 1000, kept };
  const from = subscribe("from", plain, scene.level, { chunkBytes });
  from.write(bytesOf(...scene.frames));
  pair.advance(ANSWERED_MS); // a PUBACK to who got a copy itself may wait for its acknowledgement, if it comes alone
  const { received, dropped } = pair.broker.stats;
  for (const [i, { kept, level }] of scene.receivers.entries()) {
    if (!kept || level !== 5) continue;
    const frames: Uint8Array[] = heard[`${i} again`] = [];
    const again = pair.open();
    again.heard = (frame) => frames.push(frame);
    again.connect({ clientId: `${i}`, cleanStart: false });
  }
  // A batch is acknowledged at its end: a publisher that subscribes to its own topic hears the same in another order.
  heard["from: PUBLISH"] = heard["from"]!.filter(([first]) => first! >> 4 === PacketType.PUBLISH);
  heard["from"] = heard["from"]!.filter(([first]) => first! >> 4 !== PacketType.PUBLISH);
  heard["counters"] = from.over ? [] : [Uint8Array.of(received, dropped)]; // a frame that ends it may count or not
  return [heard, told];
}

describe("a batch of PUBLISH", () => {
  for (const qos of [0, 1, 2] as const) {
    test(
      `[MQTT-3.3.2-18] [MQTT-4.6.0-5] is heard and told as the same bytes frame by frame, mostly QoS ${qos}`,
      patient,
      () => {
        fc.assert(
          fc.property(scene(qos), fc.boolean(), (scene, isTold) => {
            assertEquals(play(scene, false, isTold), play(scene, true, isTold));
          }),
          { numRuns: 60 },
        );
      },
    );
  }

  test("[MQTT-4.6.0-5] [MQTT-4.6.0-6] a chunk of many small messages arrives whole and in order", () => {
    const pair = new Pair();
    const to = pair.connect({ clientId: "to" });
    to.subscribe("a", "b");
    const from = pair.connect({ clientId: "from" });
    const sent = Array.from({ length: 5000 }, (_, i) => ({ topic: i % 7 < 5 ? "a" : "b", text: `${i}` }));
    from.write(bytesOf(...sent.map(({ topic, text }) =>
      encodePacket({
        type: PacketType.PUBLISH,
        dup: false,
        qos: 0,
        retain: false,
        topic,
        payload: new TextEncoder().encode(text),
      }, 5)
    )));
    assertEquals(to.takeTexts(), sent.map(({ text }) => text));
    assertEquals(pair.broker.stats.received, 5000);
  });
});

test("[MQTT-2.2.1-4] a batch to several receivers has each message under an identifier of its own, above 255 too", () => {
  for (const sessionExpiryInterval of [0, 60]) {
    const pair = new Pair();
    const receivers = ["one", "two"].map((clientId) => {
      const client = pair.connect({ clientId, properties: { sessionExpiryInterval } });
      client.subscribe("a");
      return client;
    });
    const count = 600;
    pair.connect({ clientId: "from" }).write(bytesOf(...Array.from({ length: count }, (_, i) =>
      encodePacket({
        type: PacketType.PUBLISH,
        dup: false,
        qos: 1,
        retain: false,
        packetId: i + 1_000,
        topic: "a",
        payload: Uint8Array.of(i >> 8, i & 255),
      }, 5))));
    for (const client of receivers) {
      const sent = client.takePublishes().map((
        { packetId, payload },
      ) => [packetId, payload[0]! << 8 | payload[1]!]);
      assertEquals(sent, Array.from({ length: count }, (_, i) => [i + 1, i]));
    }
  }
});

describe("of each message of a batch", () => {
  /** Publishes in one chunk to topic `a`, at QoS 1. */
  function batch(from: StubClient, ...texts: string[]): void {
    from.write(bytesOf(...texts.map((text, i) =>
      encodePacket({
        type: PacketType.PUBLISH,
        dup: false,
        qos: 1,
        retain: false,
        packetId: i + 1,
        topic: "a",
        payload: new TextEncoder().encode(text),
      }, 5)
    )));
  }

  const texts = ["1", "2", "3", "4", "5"];

  test("the owner is told to how many sessions it went, and to whom", () => {
    const published: string[] = [];
    const delivered: string[] = [];
    const text = (payload: Uint8Array) => new TextDecoder().decode(payload);
    const pair = new Pair({
      hooks: {
        published: ({ payload, qos }, client, receivers) =>
          published.push(`${text(payload)} qos ${qos} of ${client?.clientId}: ${receivers}`),
        delivered: ({ payload, qos }, { clientId }) =>
          delivered.push(`${text(payload)} qos ${qos} to ${clientId}`),
      },
    });
    const from = pair.connect({ clientId: "from" });
    batch(from, "0");
    assertEquals(published.splice(0), ["0 qos 1 of from: 0"]);
    const [one, two] = ["one", "two"].map((clientId) =>
      pair.connect({ clientId, properties: { receiveMaximum: 3 } })
    );
    pair.connect({ clientId: "three" }).subscribe({ filter: "a", qos: 0 });
    for (const client of [one!, two!]) client.subscribe({ filter: "$share/g/a", qos: 1 });
    batch(from, ...texts);
    assertEquals(published.splice(0), texts.map((text) => `${text} qos 1 of from: 2`));
    const ordinary = texts.map((text) => `${text} qos 0 to three`);
    const inTurn = ["1 one", "3 one", "5 one", "2 two", "4 two"].map((pair) =>
      pair.replace(" ", " qos 1 to ")
    );
    assertEquals(delivered.splice(0), [...ordinary, ...inTurn]);
    batch(from, "6", "7", "8"); // one member has no room: the other has for one more
    assertEquals(published.splice(0), ["6", "7", "8"].map((text) => `${text} qos 1 of from: 2`));
    assertEquals(delivered.splice(0).filter((line) => line.includes("qos 1")), ["6 qos 1 to two"]);
  });

  test("[MQTT-4.6.0-5] to a session that gets two copies, both copies of one go before those of the next", () => {
    const pair = new Pair();
    const from = pair.connect({ clientId: "from" });
    const to = pair.connect({ clientId: "to" });
    to.subscribe("a", "$share/g/a", "$share/h/a");
    batch(from, "1", "2");
    assertEquals(to.takeTexts(), ["1", "1", "1", "2", "2", "2"]);
  });

  test("a tap is told once, behind the sessions", () => {
    const told: string[] = [];
    const pair = new Pair({ hooks: { delivered: () => told.push("delivered") } });
    const tap = pair.broker.tap("a", ({ topic, view, publisher }) => {
      const text = new TextDecoder().decode(view.bytes.subarray(view.payloadAt, view.end));
      told.push(`${publisher} ${topic} ${text}`);
    });
    const from = pair.connect({ clientId: "from" });
    pair.connect({ clientId: "to" }).subscribe("a");
    batch(from, "1", "2");
    assertEquals(told.splice(0), ["delivered", "delivered", "from a 1", "from a 2"]);
    pair.broker.untap(tap);
    batch(from, "3");
    assertEquals(told, ["delivered"]);
  });
});
