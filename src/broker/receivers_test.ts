/** §4.5, §4.8.2 Which sessions take a message, as the `published` hook counts them, and at which bound they no longer do. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { QoS, Will } from "../codec/packet.ts";
import { assertEnded } from "../testing/assertions.ts";
import { bytesOf } from "../testing/frame.ts";
import { type ConnectInit, Pair, type StubClient } from "../testing/pair.ts";
import type { BrokerOptions } from "./mod.ts";

const KEPT: ConnectInit = { cleanStart: false, properties: { sessionExpiryInterval: 600 } };
const QOS: readonly QoS[] = [0, 1, 2];

/** A pair, and what its hooks have told since they were asked last. */
function begin(options: BrokerOptions = {}) {
  const counts: number[] = [];
  const drops: string[] = [];
  const delivered: string[] = [];
  const hooks = {
    published: (_message: unknown, _client: unknown, receivers: number) => counts.push(receivers),
    dropped: (_message: unknown, clientId: string, reason: string) => drops.push(`${clientId} ${reason}`),
    delivered: (_message: unknown, { clientId }: { clientId: string }) => delivered.push(clientId),
  };
  const pair = new Pair({ ...options, hooks });
  const publish = (qos: QoS, payload = "x", topic = "t") => {
    pair.broker.publish({ topic, qos, payload }, pair.now);
    pair.settle();
    return counts.splice(0);
  };
  return { pair, counts, drops, delivered, publish };
}

/** A Client that reads nothing from now on; what it was sent before has come. */
function stopped(pair: Pair, init: ConnectInit = {}): StubClient {
  const client = pair.connect(init, { capacityBytes: 64 });
  client.subscribe("t");
  client.transport.pause();
  return client;
}

describe("a session counts as a receiver", () => {
  test("that is sent the message, or keeps it until there is room", () => {
    for (const qos of QOS) {
      const { pair, publish } = begin();
      pair.connect({ clientId: "a" }).subscribe("t");
      pair.connect({ clientId: "b", ...KEPT }).subscribe("t", "#"); // two subscriptions, one copy
      pair.connect({ clientId: "c", ...KEPT, properties: { receiveMaximum: 1 } }).subscribe("$share/g/t");
      assertEquals([publish(qos), publish(qos)], [[3], [3]]);
    }
  });

  test("that is away, at QoS 1 and 2 only", () => {
    const { pair, publish } = begin();
    const client = pair.connect(KEPT);
    client.subscribe("t");
    client.lose();
    assertEquals(QOS.map((qos) => publish(qos)), [[0], [1], [1]]);
  });

  test("not if the message is too large for it", () => {
    for (const filters of [["t"], ["t", "#"], ["$share/g/t"]]) {
      const { pair, publish, drops } = begin();
      pair.connect({ properties: { maximumPacketSize: 50 } }).subscribe(...filters);
      assertEquals(QOS.map((qos) => publish(qos, "x".repeat(60))), [[0], [0], [0]]);
      assertEquals(drops, Array(3).fill("stub packet too large"));
    }
  });

  test("not if its queue is full, and it is ended if it is there", () => {
    const { pair, publish, drops } = begin({ limits: { queuedMessagesMax: 1 } });
    const client = pair.connect({ properties: { receiveMaximum: 1 } });
    client.subscribe("t");
    assertEquals([publish(1), publish(1), publish(1)], [[1], [1], [0]]);
    assertEquals(drops, ["stub queuedMessagesMax"]);
    client.takePublishes();
    assertEnded(client, 0x97, "limit/queue");
  });

  test("not if it takes back its own message with No Local", () => {
    const { pair, counts } = begin();
    const client = pair.connect();
    client.subscribe({ filter: "t", noLocal: true });
    client.publish({ topic: "t", qos: 1 });
    client.subscribe({ filter: "#", noLocal: true });
    client.publish({ topic: "t", qos: 1 });
    client.subscribe({ filter: "+", noLocal: false });
    client.publish({ topic: "t", qos: 1 });
    assertEquals(counts, [0, 0, 1]);
  });

  test("not a group that nobody can take it for", () => {
    const { pair, publish, drops } = begin();
    const client = pair.connect(KEPT);
    client.subscribe({ filter: "$share/g/t", qos: 1 });
    client.lose();
    assertEquals(QOS.map((qos) => publish(qos)), [[0], [1], [1]]);
    assertEquals(drops, ["$share/g/t no member"]);
  });
});

describe("a will", () => {
  const will: Will = { topic: "w", payload: new Uint8Array(), qos: 1, retain: false };

  test("goes to its own session if that goes on, and not if it ends with the connection, or is over", () => {
    const delayed = { ...KEPT, will: { ...will, properties: { willDelayInterval: 60 } } };
    for (const [init, count] of [[{}, 0], [KEPT, 1], [delayed, 0]] as [ConnectInit, number][]) {
      const { pair, counts, drops } = begin();
      const client = pair.connect({ will, ...init });
      client.subscribe("w");
      client.lose();
      pair.connect({ cleanStart: true });
      assertEquals([counts, drops], [[count], []]);
    }
  });

  test("goes to another member of the group when its own session is over, in whatever way", () => {
    for (const end of ["with its connection", "by its interval", "by Clean Start"]) {
      const { pair, counts } = begin();
      const properties = { sessionExpiryInterval: end === "with its connection" ? 0 : 100 };
      const delayed = { ...will, properties: { willDelayInterval: 200 } };
      const client = pair.connect({ clientId: "own", properties, will: delayed });
      const other = pair.connect({ ...KEPT, clientId: "other" });
      for (const member of [client, other]) member.subscribe("$share/g/w");
      other.lose();
      client.lose();
      if (end === "by Clean Start") pair.connect({ clientId: "own" }).disconnect();
      else pair.advance(100_000);
      assertEquals(counts, [1], end);
      assertEquals(pair.connect({ ...KEPT, clientId: "other" }).takePublishes().length, 1, end);
    }
  });
});

describe("outboundBytesMax", () => {
  const BYTES = 100;
  /** PUBLISH of level 5 to "t": two bytes of header, three of topic, one of Property Length; an identifier above QoS 0. */
  const text = (qos: QoS) => "x".repeat(BYTES - 6 - (qos === 0 ? 0 : 2));

  for (const qos of QOS) {
    test(`is what may wait before one more of QoS ${qos} is added`, () => {
      const deliveredAt = (outboundBytesMax: number): number => {
        const { pair, delivered, publish } = begin({ limits: { outboundBytesMax } });
        stopped(pair);
        for (let i = 0; i < 60; i++) publish(qos, text(qos));
        return delivered.length;
      };
      // 64 bytes have been taken by the transport: at 5036 the outbox has exactly that much after 51 messages.
      assertEquals([5_000, 5_035, 5_036, 5_100].map(deliveredAt), [51, 51, 52, 52]);
    });
  }

  test("QoS 0 above it is dropped and counts for nobody", () => {
    const { pair, publish, drops } = begin({ limits: { outboundBytesMax: 5_000 } });
    stopped(pair);
    const counts = Array.from({ length: 100 }, () => publish(0, text(0))).flat();
    const taken = counts.lastIndexOf(1) + 1;
    assertEquals(counts, [...Array(taken).fill(1), ...Array(100 - taken).fill(0)]);
    assertEquals(drops, Array(100 - taken).fill("stub outboundBytesMax"));
  });

  test("a member of a group that is above it is passed over, at every QoS", () => {
    for (const qos of QOS) {
      const { pair, delivered, publish } = begin({ limits: { outboundBytesMax: 5_000 } });
      const slow = pair.connect({ clientId: "slow" }, { capacityBytes: 64 });
      slow.subscribe("$share/g/t", "u");
      slow.transport.pause();
      pair.connect({ clientId: "fast" }).subscribe("$share/g/t");
      assertEquals(publish(0, "x".repeat(5_000), "u"), [1]);
      publish(0, "x".repeat(64), "u");
      delivered.length = 0;
      for (let i = 0; i < 4; i++) assertEquals(publish(qos), [1]);
      assertEquals(delivered, Array(4).fill("fast"));
    }
  });
});

describe("one that is ended for two reasons in one turn", () => {
  const PUBLISH = Uint8Array.of(0x32, 6, 0, 1, 0x74, 0, 1, 0);
  /** PUBLISH packets to "$SYS", whose refusals are above what a Client may leave unread. */
  const REFUSED = bytesOf(...Array<number[]>(27_000).fill([0x32, 9, 0, 4, 0x24, 0x53, 0x59, 0x53, 0, 1, 0]));

  for (const first of ["limit/outbound", "limit/queue"] as const) {
    test(`is told the first: ${first}`, () => {
      const { pair } = begin({ limits: { outboundBytesMax: 4_096, queuedMessagesMax: 0 } });
      const client = pair.connect({ properties: { receiveMaximum: 1 } }, { capacityBytes: 300_000 });
      client.subscribe("t");
      client.transport.pause();
      client.write(PUBLISH); // is open from now on
      client.write(first === "limit/queue" ? bytesOf(PUBLISH, REFUSED) : bytesOf(REFUSED, PUBLISH));
      client.transport.resume();
      pair.settle();
      client.inbox.splice(0, client.inbox.length - 1);
      assertEnded(client, 0x97, first);
    });
  }
});
