/** §3.3.1.3, §4.6 Retained messages in portions: each comes once, none older than what went before, and nobody waits long. @module */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { encodePacket } from "../codec/encode.ts";
import { PacketType } from "../codec/packet_type.ts";
import { Pair, type StubClient } from "../testing/pair.ts";
import { TURN_STEPS } from "./retained_deliveries.ts";

const { PUBACK, SUBSCRIBE, UNSUBSCRIBE } = PacketType;
const KEPT = { cleanStart: false, properties: { sessionExpiryInterval: 600 } };
const options = { noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;

function retainMany(pair: Pair, count: number, topic: (i: number) => string, qos: 0 | 1 = 0): void {
  for (let i = 0; i < count; i++) {
    pair.broker.publish({ topic: topic(i), qos, retain: true, payload: `${i}` }, pair.now);
  }
  pair.settle();
}

/** A SUBSCRIBE as bytes. */
function subscribeBytes(filter: string, qos: 0 | 1 | 2, retainHandling: 0 | 1 | 2 = 0): Uint8Array {
  const packet = {
    type: SUBSCRIBE,
    packetId: 9,
    subscriptions: [{ filter, qos, ...options, retainHandling }],
  };
  return encodePacket(packet, 5);
}

/** Turns of the broker until nothing is left to do, with what `between` does behind each. */
function turns(pair: Pair, between: (turn: number) => void = () => {}): number {
  let count = 0;
  for (; pair.broker.work !== "none"; count++) {
    pair.broker.flush(pair.now);
    between(count);
  }
  return count;
}

describe("a turn", () => {
  test("[MQTT-3.3.1-9] it sends a part of many retained messages, and others have theirs in between", () => {
    const pair = new Pair();
    const COUNT = 20_000;
    retainMany(pair, COUNT, (i) => `r/${i}/state`);
    const reader = pair.connect({ clientId: "reader" });
    const other = pair.connect({ clientId: "other" });
    other.subscribe("live");
    reader.connection.received(subscribeBytes("#", 0), pair.now);
    const most = 2 * TURN_STEPS / 8 * 30; // bytes of as many messages as two turns may have
    let before = reader.connection.stats.sentBytes;
    const count = turns(pair, () => {
      if (pair.broker.work === "later") pair.broker.publish({ topic: "live", payload: "x" }, pair.now);
      assert(reader.connection.stats.sentBytes - before <= most, "a turn sends no more than its part");
      before = reader.connection.stats.sentBytes;
    });
    assert(count >= COUNT * 8 / TURN_STEPS, `${count} turns`);
    const retained = reader.takePublishes().filter(({ retain }) => retain);
    assertEquals(new Set(retained.map(({ topic }) => topic)).size, COUNT);
    assertEquals(retained.length, COUNT);
    assert(other.takeTexts().length >= count - 1);
    assertEquals(pair.broker.stats.retainedDeliveries, 0);
  });

  test("[MQTT-3.3.2-5] it passes over what has expired, though the clock was not told in time, and what follows comes", () => {
    const pair = new Pair();
    const reader = pair.connect();
    for (
      const [topic, messageExpiryInterval] of [["r/1", 10], ["r/2", 11], ["r/3", 10], ["r/4", 11]] as const
    ) {
      const properties = { messageExpiryInterval };
      pair.broker.publish({ topic, payload: topic, retain: true, properties }, pair.now);
    }
    pair.now += 10_000;
    reader.subscribe("r/+");
    assertEquals(reader.takeTexts(), ["r/2", "r/4"]);
    assertEquals(pair.broker.stats.retainedDeliveries, 0);
  });

  test("it looks at a part of many topics of which none matches", () => {
    const pair = new Pair();
    retainMany(pair, 30_000, (i) => `r/${i}`);
    const reader = pair.connect();
    reader.connection.received(subscribeBytes("+/+/nothing", 0), pair.now);
    assert(turns(pair) >= 30_000 / TURN_STEPS - 1);
    reader.take(PacketType.SUBACK);
    reader.assertSilent();
  });

  test("what a few messages need is done at once, and in the order of the filters", () => {
    const pair = new Pair();
    retainMany(pair, 10, (i) => `r/${i}`);
    const reader = pair.connect();
    const subscriptions = ["r/7", "r/+", "s", "r/3"].map((filter) => ({
      filter,
      qos: 0 as const,
      ...options,
    }));
    reader.connection.received(encodePacket({ type: SUBSCRIBE, packetId: 9, subscriptions }, 5), pair.now);
    assert(pair.broker.work !== "later");
    assertEquals(reader.takeTexts().join(), `7,${[..."0123456789"].join()},3`);
  });

  test("all of many subscribers get everything", () => {
    const pair = new Pair();
    retainMany(pair, 300, (i) => `r/${i}`);
    const readers = Array.from({ length: 40 }, (_, i) => pair.connect({ clientId: `c${i}` }));
    for (const reader of readers) reader.connection.received(subscribeBytes("r/#", 0), pair.now);
    for (const reader of readers) assertEquals(reader.takePublishes().length, 300);
  });

  test("large messages count for more", () => {
    const pair = new Pair();
    for (let i = 0; i < 100; i++) {
      const payload = new Uint8Array(60_000).fill(i);
      pair.broker.publish({ topic: `r/${i}`, payload, retain: true }, pair.now);
    }
    const reader = pair.connect();
    reader.connection.received(subscribeBytes("#", 0), pair.now);
    let position = reader.connection.stats.sentBytes;
    turns(pair, () => {
      assert(reader.connection.stats.sentBytes - position < 3_000_000);
      position = reader.connection.stats.sentBytes;
    });
    assertEquals(reader.takePublishes().map(({ payload }) => payload[0]), Array.from(Array(100).keys()));
  });
});

/** A reader that has stopped in the middle of many retained messages of a kilobyte each. */
function stopped(qos: 0 | 1, init = {}, filters = ["r/+"], own = {}): { pair: Pair; to: StubClient } {
  const pair = new Pair({ limits: { outboundBytesMax: 16_384 }, ...own });
  for (let i = 0; i < 60; i++) {
    pair.broker.publish({ topic: `r/${i}`, qos, retain: true, payload: "old".padEnd(1000, ".") }, pair.now);
  }
  const to = pair.connect({ clientId: "to", ...init }, { capacityBytes: 2000 });
  to.transport.pause();
  for (const filter of filters) to.write(subscribeBytes(filter, qos));
  return { pair, to };
}

/** What came on one topic: the first letters of each payload, and RETAIN. */
function cameOn(to: StubClient, topic: string): [string, boolean][] {
  return to.takePublishes().filter((one) => one.topic === topic)
    .map((
      { payload, retain },
    ) => [new TextDecoder().decode(payload.subarray(0, 4)).replaceAll(".", ""), retain]);
}

describe("a live message while retained ones wait", () => {
  for (const qos of [0, 1] as const) {
    test(`[MQTT-4.6.0-5] of a topic whose retained message waits comes behind that, which comes once, QoS ${qos}`, () => {
      const { pair, to } = stopped(qos);
      const from = pair.connect({ clientId: "from" });
      from.publish({ topic: "r/50", qos, payload: "new1" });
      from.publish({ topic: "r/50", qos, payload: "new2" });
      to.transport.resume();
      assertEquals(cameOn(to, "r/50"), [["old", true], ["new1", false], ["new2", false]]);
    });

    test(`[MQTT-4.6.0-5] so it does where each message is authorized, and if it is the Server's own, QoS ${qos}`, () => {
      for (const own of [false, true]) {
        const { pair, to } = stopped(qos, {}, ["r/+"], { authorize: () => 0 });
        const message = { topic: "r/50", qos, payload: "new1" };
        if (own) pair.broker.publish(message, pair.now);
        else pair.connect({ clientId: "from" }).publish(message);
        to.transport.resume();
        assertEquals(cameOn(to, "r/50"), [["old", true], ["new1", false]]);
      }
    });

    test(`[MQTT-4.6.0-5] so it is with several at once, with two subscriptions, and with the next one in turn, QoS ${qos}`, () => {
      const { pair, to } = stopped(qos, {}, ["r/+", "r/#"]);
      const from = pair.connect({ clientId: "from" });
      for (let i = 0; i < 60; i++) from.publish({ topic: `r/${i}`, qos, payload: "new1" });
      to.transport.resume();
      const came = to.takePublishes();
      for (let i = 0; i < 60; i++) {
        const texts = came.filter(({ topic }) => topic === `r/${i}`)
          .map(({ payload }) => new TextDecoder().decode(payload.subarray(0, 4)));
        // What was on its way already stays before it, and QoS 0 may be dropped.
        const old = texts.filter((text) => text === "old.").length;
        assertEquals(old, 2, `r/${i}`);
        if (qos === 1) assertEquals(texts.at(-1), "new1");
      }
      assertEquals(pair.broker.stats.retainedDeliveries, 0);
    });

    test(`[MQTT-3.3.1-5] one that takes its place is what comes later, QoS ${qos}`, () => {
      const { pair, to } = stopped(qos);
      pair.connect({ clientId: "from" }).publish({ topic: "r/50", qos, retain: true, payload: "new" });
      to.transport.resume();
      assertEquals(cameOn(to, "r/50"), [["new", false], ["new", true]]);
    });
  }

  test("[MQTT-4.6.0-5] frames that run together are no exception", () => {
    const { pair, to } = stopped(1);
    const from = pair.connect({ clientId: "from" });
    const frames = [1, 2, 3].map((packetId) =>
      encodePacket({
        type: PacketType.PUBLISH,
        dup: false,
        retain: false,
        topic: "r/50",
        qos: 1,
        packetId,
        payload: new TextEncoder().encode(`new${packetId}`),
      }, 5)
    );
    from.write(Uint8Array.from(frames.flatMap((frame) => [...frame])));
    to.transport.resume();
    assertEquals(cameOn(to, "r/50").map(([text]) => text), ["old", "new1", "new2", "new3"]);
  });
});

describe("retained messages under way", () => {
  test("[MQTT-3.8.4-3] who asks again gets everything again, but not what was left of the first time besides", () => {
    const { to } = stopped(0);
    for (let i = 0; i < 5; i++) to.write(subscribeBytes("r/+", 0));
    assertEquals(to.session?.retainedDeliveries, 1);
    to.transport.resume();
    const count = to.takePublishes().length;
    assert(count >= 60 && count < 60 + 6 * 30, `${count}`);
  });

  const thrice = (filter: string, qos: 0 | 1, handling: readonly (0 | 1 | 2)[]) =>
    encodePacket({
      type: SUBSCRIBE,
      packetId: 9,
      subscriptions: handling.map((retainHandling) => ({ filter, qos, ...options, retainHandling })),
    }, 5);

  test("[MQTT-3.8.4-5] a filter that stands more than once in one SUBSCRIBE brings everything as often", () => {
    const rows = [[0, [0, 0, 0], 3], [1, [0, 0], 2], [0, [0, 1, 2], 1], [0, [1, 0], 2], [
      0,
      [2, 0],
      1,
    ]] as const;
    for (const [qos, handling, times] of rows) {
      const pair = new Pair({ limits: { inFlightMax: 200 } });
      retainMany(pair, 1_000, (i) => `r/${i}`, 1);
      const reader = pair.connect();
      reader.write(thrice("r/+", qos, handling));
      const topics: string[] = [];
      for (;;) {
        const got = reader.takePublishes();
        if (got.length === 0) break;
        for (const { topic, packetId } of got) {
          topics.push(topic);
          if (packetId !== undefined) reader.acknowledge(PacketType.PUBACK, packetId);
        }
      }
      assertEquals([topics.length, new Set(topics).size], [1_000 * times, 1_000], `${handling}`);
      assertEquals(pair.broker.stats.retainedDeliveries, 0);
    }
  });

  test("[MQTT-3.8.4-5] repeating ends with UNSUBSCRIBE, with the connection, and where nothing matches", () => {
    const { pair, to } = stopped(0, {}, []);
    to.write(thrice("r/+", 0, [0, 0, 0]));
    to.write(encodePacket({ type: UNSUBSCRIBE, packetId: 8, filters: ["r/+"] }, 5));
    assertEquals(pair.broker.stats.retainedDeliveries, 0);
    const other = stopped(1, KEPT, []);
    other.to.write(thrice("r/+", 1, [0, 0, 0]));
    other.to.lose();
    other.pair.settle();
    assertEquals(other.pair.connect({ clientId: "to", ...KEPT }).takePublishes().length, 60);
    const idle = new Pair();
    retainMany(idle, 10_000, (i) => `r/${i}`);
    idle.connect().connection.received(thrice("+/+/no", 0, new Array(100).fill(0)), idle.now);
    assert(turns(idle) < 3 * 10_000 / TURN_STEPS);
  });

  test("[MQTT-3.3.1-11] a SUBSCRIBE that asks for none changes nothing", () => {
    const { to } = stopped(0);
    to.write(subscribeBytes("r/+", 0, 2));
    to.transport.resume();
    assertEquals(to.takePublishes().length, 60);
  });

  test("a subscription that comes and goes leaves nothing behind", () => {
    const { pair, to } = stopped(0, {}, []);
    for (let i = 0; i < 50; i++) {
      to.write(subscribeBytes("r/+", 0));
      to.write(encodePacket({ type: UNSUBSCRIBE, packetId: 8, filters: ["r/+"] }, 5));
    }
    assertEquals([to.session?.retainedDeliveries ?? 0, pair.broker.stats.retainedDeliveries], [0, 0]);
  });

  test("[MQTT-3.3.1-9] a session that comes back gets the rest of QoS 1 on its new connection, without what is QoS 0", () => {
    const { pair, to } = stopped(1, KEPT);
    pair.broker.publish({ topic: "r/59", qos: 0, retain: true, payload: "QoS 0" }, pair.now);
    to.lose();
    pair.settle();
    const got = pair.connect({ clientId: "to", ...KEPT }).takePublishes().map(({ topic }) => topic);
    assertEquals([new Set(got).size, got.includes("r/59")], [59, false]);
    assertEquals(pair.broker.stats.retainedDeliveries, 0);
  });

  test("QoS 0 is for the connection it began on, even if the next one comes before the next turn", () => {
    const { pair, to } = stopped(0, KEPT);
    const again = pair.open();
    to.connection.closed(pair.now);
    const hello = { type: PacketType.CONNECT, level: 5, keepAlive: 0, clientId: "to", ...KEPT } as const;
    again.connection.received(encodePacket(hello, 5), pair.now);
    pair.settle();
    assertEquals(again.inbox.map(({ type }) => type), [PacketType.CONNACK]);
    assertEquals(pair.broker.stats.retainedDeliveries, 0);
  });

  test("[limit/queue] of a hundred thousand for who has gone, the queue takes what it may", () => {
    const pair = new Pair({ limits: { queuedMessagesMax: 500, inFlightMax: 10 } });
    retainMany(pair, 20_000, (i) => `r/${i}`, 1);
    const to = pair.connect({ clientId: "to", ...KEPT });
    to.connection.received(subscribeBytes("#", 1), pair.now);
    to.lose();
    assertEquals(pair.broker.session("to")?.queued, 500);
    assertEquals([pair.broker.work, pair.broker.stats.retainedDeliveries], ["none", 0]);
  });

  test("[MQTT-3.1.2-4] Clean Start ends it with its session", () => {
    const { pair, to } = stopped(1, KEPT);
    pair.connect({ clientId: "to" }).assertSilent();
    assertEquals([to.session, pair.broker.stats.retainedDeliveries], [undefined, 0]);
  });

  test("without a session that stays it ends with its connection", () => {
    const { pair, to } = stopped(1);
    to.lose();
    assertEquals([pair.broker.stats.retainedDeliveries, pair.broker.work !== "none"], [0, false]);
  });

  test("its owner may end the connection from a hook: that holds from the end of the input on", () => {
    const reason = { code: 0x98, rule: "policy/not-authorized", message: "enough" } as const;
    let count = 0;
    const pair: Pair = new Pair({
      hooks: { delivered: () => void (++count === 5 && pair.broker.disconnect("to", reason, pair.now)) },
    });
    retainMany(pair, 5_000, (i) => `r/${i}`, 1);
    const to = pair.connect({ clientId: "to" });
    to.write(subscribeBytes("#", 1));
    assertEquals([to.takePublishes().length, pair.broker.stats.retainedDeliveries], [count, 0]);
    assert(count < 2_000, `${count} of 5,000 messages`);
  });
});

describe("whatever happens meanwhile", () => {
  type Step =
    | { kind: "publish"; topic: number; retain: boolean; count: number }
    | { kind: "remove"; topic: number }
    | { kind: "pause" | "resume" | "lose" }
    | { kind: "acknowledge"; count: number };
  const TOPICS = 24;
  const topic = fc.nat({ max: TOPICS - 1 });
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({
      kind: fc.constant("publish" as const),
      topic,
      retain: fc.boolean(),
      count: fc.integer({ min: 1, max: 3 }),
    }),
    fc.record({ kind: fc.constant("remove" as const), topic }),
    fc.record({ kind: fc.constantFrom("pause" as const, "resume" as const) }),
    fc.record({ kind: fc.constant("acknowledge" as const), count: fc.integer({ min: 1, max: 6 }) }),
  );
  const name = (topic: number) => `r/${topic % 5}/${topic}`;

  for (const qos of [0, 1] as const) {
    test(`[MQTT-3.3.1-9] [MQTT-4.6.0-5] what stays retained comes once as that, and nothing comes behind what is newer, QoS ${qos}`, () => {
      fc.assert(
        fc.property(
          fc.array(step, { maxLength: 60 }),
          fc.integer({ min: 1, max: 20 }),
          fc.boolean(),
          (steps, receiveMaximum, kept) => {
            const pair = new Pair({ limits: { outboundBytesMax: 4096 } });
            const from = pair.connect({ clientId: "from" });
            let last = 0;
            const publish = (topic: number, retain: boolean, count = 1) => {
              const frames: number[] = [];
              for (let i = 0; i < count; i++) {
                const payload = new TextEncoder().encode(`${++last}`.padEnd(400, "."));
                frames.push(
                  ...encodePacket({
                    type: PacketType.PUBLISH,
                    dup: false,
                    retain,
                    topic: name(topic),
                    qos,
                    ...(qos > 0 && { packetId: last }),
                    payload,
                  }, 5),
                );
              }
              from.write(Uint8Array.from(frames));
            };
            for (let topic = 0; topic < TOPICS; topic++) publish(topic, true);
            const properties = { receiveMaximum, sessionExpiryInterval: kept ? 600 : 0 };
            const to = pair.connect({ clientId: "to", properties }, { capacityBytes: 900 });
            to.transport.pause();
            to.write(subscribeBytes("r/#", qos));
            const stays = new Set(Array.from(Array(TOPICS).keys()));
            const open: number[] = [];
            const got: { topic: string; text: number; retain: boolean }[] = [];
            const take = () => {
              for (const { topic, payload, retain, packetId } of to.takePublishes()) {
                got.push({ topic, text: parseInt(new TextDecoder().decode(payload)), retain });
                if (packetId !== undefined) open.push(packetId);
              }
            };
            const acknowledge = (count: number) => {
              for (const id of open.splice(0, count)) to.acknowledge(PUBACK, id);
            };
            for (const step of steps) {
              if (step.kind === "publish") publish(step.topic, step.retain, step.count);
              else if (step.kind === "remove") {
                from.publish({ topic: name(step.topic), retain: true, qos });
                stays.delete(step.topic);
              } else if (step.kind === "pause") to.transport.pause();
              else if (step.kind === "resume") to.transport.resume();
              else if (step.kind === "acknowledge") acknowledge(step.count);
              take();
            }
            to.transport.resume();
            for (take(); open.length > 0; take()) acknowledge(5);
            for (let topic = 0; topic < TOPICS; topic++) {
              const came = got.filter((one) => one.topic === name(topic));
              const texts = came.map(({ text }) => text).filter((text) => !Number.isNaN(text));
              assertEquals(texts, [...texts].sort((a, b) => a - b), name(topic));
              const retained = came.filter(({ retain }) => retain).length;
              if (stays.has(topic)) assertEquals(retained, 1, name(topic));
            }
            assertEquals([to.session?.retainedDeliveries ?? 0, pair.broker.stats.retainedDeliveries], [0, 0]);
          },
        ),
        { numRuns: 150 },
      );
    });
  }
});
