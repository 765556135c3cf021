/** §4.1 What the store is told by each packet, and that what it was told is made safe within a second. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { PacketType } from "../codec/packet_type.ts";
import { FactLog } from "../testing/fact_log.ts";
import { type ConnectInit, Pair, type StubClient } from "../testing/pair.ts";
import { take } from "../testing/restarts.ts";
import type { BrokerOptions } from "./mod.ts";

const { PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;
const KEPT: ConnectInit = { cleanStart: false, properties: { sessionExpiryInterval: 600 } };

function begin(options: BrokerOptions = {}): { pair: Pair; store: FactLog } {
  const store = new FactLog();
  return { pair: new Pair({ ...options, store }), store };
}

/** What the store is told by this; fails unless exactly what was told is committed within a second. */
function told({ pair, store }: { pair: Pair; store: FactLog }, act: () => unknown): string[] {
  pair.advance(1_000);
  store.take();
  const { commits } = store;
  act();
  pair.settle();
  const facts = store.take();
  pair.advance(1_000);
  assertEquals(store.commits > commits, facts.length > 0, `${store.commits - commits} commits of ${facts}`);
  pair.advance(10_000);
  assertEquals([store.take(), store.isCommitting], [[], false]);
  return facts;
}

function publish(pair: Pair, qos: 0 | 1 | 2, payload: string, topic = "t"): void {
  pair.broker.publish({ topic, qos, payload }, pair.now);
  pair.settle();
}

/** A Client whose session stays and that subscribes to "t". */
function subscriber(pair: Pair, init: ConnectInit = {}): StubClient {
  const client = pair.connect({ ...KEPT, ...init });
  client.subscribe("t");
  return client;
}

describe("of a session the store is told", () => {
  test("that it is there and for how long; nothing of one that ends with its connection", () => {
    const scene = begin();
    assertEquals(told(scene, () => scene.pair.connect(KEPT)), ["stub: saved 600 connected"]);
    assertEquals(told(scene, () => scene.pair.connect({ clientId: "other" })), []);
  });

  test("that it has a will, also of one that ends with its connection, and that such a one is over", () => {
    const scene = begin();
    const will = { topic: "w", payload: new Uint8Array(), qos: 0, retain: false } as const;
    let client: StubClient | undefined;
    const connect = () => client = scene.pair.connect({ clientId: "a", will });
    assertEquals(told(scene, connect), ["a: saved 0 connected will"]);
    assertEquals(told(scene, () => client!.disconnect()), ["a: dropped"]);
  });

  test("that its Client is away, that it has come back, and that it is over", () => {
    const scene = begin();
    const client = scene.pair.connect(KEPT);
    assertEquals(told(scene, () => client.lose()), ["stub: saved 600 away"]);
    let again: StubClient | undefined;
    assertEquals(told(scene, () => again = scene.pair.connect(KEPT)), ["stub: saved 600 connected"]);
    assertEquals(told(scene, () => again!.disconnect(0, { sessionExpiryInterval: 99 })), [
      "stub: saved 99 away",
    ]);
    scene.pair.advance(99_000);
    assertEquals(scene.store.take(), ["stub: dropped"]);
    assertEquals([...scene.store.crashed().sessions()], []);
  });

  test("its subscriptions if it was one that stays, though now it ends with its connection, and no messages", () => {
    const scene = begin();
    subscriber(scene.pair).lose();
    let client: StubClient | undefined;
    const connect = () => client = scene.pair.connect({ cleanStart: false });
    assertEquals(told(scene, connect), ["stub: saved 0 connected"]);
    assertEquals(told(scene, () => client!.subscribe("u")), ["stub: subscribed u 2"]);
    assertEquals(told(scene, () => publish(scene.pair, 1, "a")), []);
    assertEquals(told(scene, () => client!.lose()), ["stub: dropped"]);
  });

  test("[MQTT-3.1.2-4] that Clean Start ends it and another begins", () => {
    const scene = begin();
    scene.pair.connect(KEPT).lose();
    const connect = () => scene.pair.connect({ ...KEPT, cleanStart: true });
    assertEquals(told(scene, connect), ["stub: dropped", "stub: saved 600 connected"]);
  });

  test("that its will waits, and that it does no more", () => {
    const scene = begin();
    const will = {
      topic: "w",
      payload: new Uint8Array(),
      qos: 0,
      retain: false,
      properties: { willDelayInterval: 5 },
    } as const;
    const client = scene.pair.connect({ ...KEPT, will });
    scene.store.take();
    client.lose();
    assertEquals(scene.store.take(), ["stub: saved 600 away will waits"]);
    scene.pair.advance(5_000);
    assertEquals(scene.store.take(), ["stub: saved 600 away"]);
  });

  test("each subscription that is made, replaced or taken away, and no other", () => {
    const scene = begin();
    const client = scene.pair.connect(KEPT);
    assertEquals(told(scene, () => client.subscribe("t", { filter: "u", qos: 1 }, "bad/#/filter")), [
      "stub: subscribed t 2",
      "stub: subscribed u 1",
    ]);
    assertEquals(told(scene, () => client.subscribe({ filter: "t", qos: 0 })), ["stub: subscribed t 0"]);
    assertEquals(told(scene, () => client.unsubscribe("t", "nothing")), ["stub: unsubscribed t"]);
    const plain = scene.pair.connect({ clientId: "plain" });
    assertEquals(told(scene, () => plain.subscribe("t")), []);
    assertEquals(told(scene, () => plain.unsubscribe("t")), []);
  });
});

describe("of a message to a Client the store is told", () => {
  test("QoS 1: that it is sent, and that it is acknowledged", () => {
    const scene = begin();
    const client = subscriber(scene.pair);
    assertEquals(told(scene, () => publish(scene.pair, 1, "a")), ["stub: queued 1 a"]);
    assertEquals(told(scene, () => client.acknowledge(PUBACK, 1)), ["stub: finished 1 a"]);
    assertEquals(told(scene, () => client.acknowledge(PUBACK, 1)), []);
  });

  test("QoS 2: that it is sent, released and finished, once each", () => {
    const scene = begin();
    const client = subscriber(scene.pair);
    assertEquals(told(scene, () => publish(scene.pair, 2, "a")), ["stub: queued 1 a"]);
    assertEquals(told(scene, () => client.acknowledge(PUBREC, 1)), ["stub: released 1 a"]);
    assertEquals(told(scene, () => client.acknowledge(PUBREC, 1)), []);
    assertEquals(told(scene, () => client.acknowledge(PUBCOMP, 1)), ["stub: finished 1 a"]);
    assertEquals(told(scene, () => client.acknowledge(PUBCOMP, 1)), []);
  });

  test("QoS 2: that the Client refuses it", () => {
    const scene = begin();
    const client = subscriber(scene.pair);
    publish(scene.pair, 2, "a");
    assertEquals(told(scene, () => client.acknowledge(PUBREC, 1, 0x80)), ["stub: finished 1 a"]);
  });

  test("nothing at QoS 0, nor for a session that ends with its connection", () => {
    const scene = begin();
    subscriber(scene.pair);
    assertEquals(told(scene, () => publish(scene.pair, 0, "a")), []);
    const plain = scene.pair.connect({ clientId: "plain" });
    plain.subscribe("u");
    assertEquals(told(scene, () => publish(scene.pair, 2, "a", "u")), []);
    assertEquals(told(scene, () => plain.acknowledge(PUBREC, 1)), []);
    assertEquals(told(scene, () => plain.acknowledge(PUBCOMP, 1)), []);
  });

  test("that it waits for the Client, or for room, and then that it is sent", () => {
    for (const qos of [1, 2] as const) {
      const scene = begin();
      subscriber(scene.pair).lose();
      assertEquals(told(scene, () => publish(scene.pair, qos, "a")), ["stub: queued 0 a"]);
      assertEquals(told(scene, () => publish(scene.pair, qos, "b")), ["stub: queued 0 b"]);
      const properties = { sessionExpiryInterval: 600, receiveMaximum: 1 };
      let client: StubClient | undefined;
      assertEquals(told(scene, () => client = scene.pair.connect({ ...KEPT, properties })), [
        "stub: saved 600 connected",
        "stub: sent 1 a",
      ]);
      const finish = () => {
        if (qos === 1) return client!.acknowledge(PUBACK, 1);
        client!.acknowledge(PUBREC, 1);
        scene.store.take();
        client!.acknowledge(PUBCOMP, 1);
      };
      assertEquals(told(scene, finish), ["stub: finished 1 a", "stub: sent 2 b"]);
    }
  });

  test("nothing when it is sent again", () => {
    const scene = begin();
    const client = subscriber(scene.pair);
    publish(scene.pair, 1, "a");
    publish(scene.pair, 2, "b");
    client.lose();
    assertEquals(told(scene, () => scene.pair.connect(KEPT)), ["stub: saved 600 connected"]);
  });

  test("[MQTT-3.3.2-5] that one that waited has expired", () => {
    const scene = begin();
    subscriber(scene.pair).lose();
    const message = { topic: "t", qos: 1, payload: "a", properties: { messageExpiryInterval: 1 } } as const;
    scene.pair.broker.publish(message, scene.pair.now);
    publish(scene.pair, 1, "b");
    assertEquals(told(scene, () => scene.pair.connect(KEPT)), [
      "stub: saved 600 connected",
      "stub: finished 0 a",
      "stub: sent 1 b",
    ]);
  });

  test("[MQTT-3.1.2-25] that one that waited, or was sent before, is too large now; nothing of one that was at once", () => {
    const scene = begin();
    const large = "x".repeat(100);
    const client = subscriber(scene.pair);
    publish(scene.pair, 1, large);
    client.lose();
    publish(scene.pair, 1, `${large}2`);
    publish(scene.pair, 1, "small");
    const properties = { sessionExpiryInterval: 600, maximumPacketSize: 50 };
    assertEquals(told(scene, () => scene.pair.connect({ ...KEPT, properties })), [
      "stub: saved 600 connected",
      `stub: finished 1 ${large}`,
      `stub: finished 0 ${large}2`,
      "stub: sent 3 small",
    ]);
    assertEquals(told(scene, () => publish(scene.pair, 1, large)), []);
  });

  test("nothing of one that the queue has no room for", () => {
    const scene = begin({ limits: { queuedMessagesMax: 1 } });
    subscriber(scene.pair).lose();
    assertEquals(told(scene, () => publish(scene.pair, 1, "a")), ["stub: queued 0 a"]);
    assertEquals(told(scene, () => publish(scene.pair, 1, "b")), []);
  });

  test("[4.8.2/retained] by a Shared Subscription: that another member gets it", () => {
    const scene = begin();
    const first = scene.pair.connect({ ...KEPT, clientId: "a" });
    first.subscribe("$share/g/t");
    const second = scene.pair.connect({ ...KEPT, clientId: "b" });
    second.subscribe("$share/g/t");
    for (const member of [first, second]) member.lose();
    scene.pair.advance(1_000);
    scene.store.take();
    assertEquals(told(scene, () => publish(scene.pair, 1, "x")), ["a: queued 0 x"]);
    let again: StubClient | undefined;
    scene.pair.advance(1_000);
    scene.store.take();
    assertEquals(told(scene, () => again = scene.pair.connect({ ...KEPT, clientId: "a" })), [
      "a: saved 600 connected",
      "a: sent 1 x",
    ]);
    assertEquals(told(scene, () => again!.disconnect(0, { sessionExpiryInterval: 0 })), [
      "b: queued 0 x",
      "a: finished 1 x",
      "a: dropped",
    ]);
  });

  test("by a Shared Subscription: that it waits no more at a member who is away, when another one comes", () => {
    const scene = begin();
    for (const clientId of ["a", "b"]) {
      const member = scene.pair.connect({ ...KEPT, clientId });
      member.subscribe("$share/g/t");
      member.lose();
    }
    scene.pair.advance(1_000);
    scene.store.take();
    assertEquals(told(scene, () => publish(scene.pair, 1, "x")), ["a: queued 0 x"]);
    assertEquals(told(scene, () => scene.pair.connect({ ...KEPT, clientId: "b" })), [
      "b: saved 600 connected",
      "a: finished 0 x",
      "b: queued 1 x",
    ]);
  });
});

describe("of a message from a Client the store is told", () => {
  test("[MQTT-4.3.3-10] QoS 2: that its identifier is open, and then free, if the session stays", () => {
    const scene = begin();
    const client = scene.pair.connect(KEPT);
    const publish = () => client.publish({ topic: "t", qos: 2, packetId: 9 });
    assertEquals(told(scene, publish), ["stub: identifier 9 open"]);
    assertEquals(told(scene, publish), []);
    assertEquals(told(scene, () => client.acknowledge(PUBREL, 9)), ["stub: identifier 9 free"]);
    assertEquals(told(scene, () => client.acknowledge(PUBREL, 9)), []);
    const plain = scene.pair.connect({ clientId: "plain" });
    assertEquals(told(scene, () => plain.publish({ topic: "t", qos: 2, packetId: 9 })), []);
    assertEquals(told(scene, () => plain.acknowledge(PUBREL, 9)), []);
  });

  test("[MQTT-3.3.1-5] that it is retained, replaced, removed, at every QoS", () => {
    for (const qos of [0, 1, 2] as const) {
      const scene = begin();
      const client = scene.pair.connect();
      const publish = (payload: string) => () => client.publish({ topic: "r", qos, payload, retain: true });
      assertEquals(told(scene, publish("a")), ["retained r a"]);
      assertEquals(told(scene, publish("b")), ["retained r b"]);
      assertEquals(told(scene, publish("")), ["retained r none"]);
      assertEquals(told(scene, publish("")), []);
    }
  });

  test("[MQTT-3.3.2-5] that it was retained and has expired", () => {
    const scene = begin();
    const client = scene.pair.connect();
    const properties = { messageExpiryInterval: 20 };
    client.publish({ topic: "r", payload: "a", retain: true, properties });
    scene.pair.advance(19_999);
    scene.store.take();
    scene.pair.advance(1);
    assertEquals(scene.store.take(), ["retained r none"]);
    const { commits } = scene.store;
    scene.pair.advance(1_000);
    assertEquals(scene.store.commits, commits + 1);
  });

  test("nothing of a retained message that a limit forbids", () => {
    const scene = begin({ limits: { retainedMessagesMax: 1 } });
    const client = scene.pair.connect();
    client.publish({ topic: "r", payload: "a", retain: true });
    assertEquals(told(scene, () => client.publish({ topic: "s", payload: "b", retain: true })), []);
  });
});

test("[MQTT-4.3.3-4] what is not acknowledged is found again after a crash, at the step where it was", () => {
  const { pair, store } = begin();
  const client = subscriber(pair);
  publish(pair, 1, "a");
  publish(pair, 2, "b");
  publish(pair, 2, "c");
  client.acknowledge(PUBREC, 3);
  client.publish({ topic: "x", qos: 2, packetId: 7 });
  pair.advance(1_000);
  const next = new Pair({ store: store.crashed() });
  next.now = pair.now;
  const again = next.connect(KEPT);
  assertEquals(take(again), ["PUBREL 3", "PUBLISH 1 dup a", "PUBLISH 2 dup b"]);
  again.publish({ topic: "t", qos: 2, packetId: 7, payload: "again", dup: true });
  assertEquals(take(again), ["PUBREC 7"]);
});
