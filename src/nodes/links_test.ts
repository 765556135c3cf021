/** Two and three nodes as one Server: routes, messages across, and what waits for what. @module */
import { assertEquals, assertMatch } from "@std/assert";
import { describe, test } from "node:test";
import { Busiest } from "../broker/busiest.ts";
import { explain, type Explanation } from "../broker/explain.ts";
import { Inspector } from "../broker/inspect.ts";
import type { QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { seededRandom } from "../engine/random.ts";
import { HandStore } from "../testing/hand_store.ts";
import { idOf, NodesWorld } from "../testing/nodes_world.ts";
import type { Pair } from "../testing/pair.ts";

const { PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;

describe("a message", () => {
  for (const qos of [0, 1, 2] as QoS[]) {
    test(`of QoS ${qos} reaches a Client of another node as it would one of its own`, () => {
      const { nodes: [a, b] } = new NodesWorld();
      const reader = b!.connect({ clientId: "reader" });
      reader.subscribe({ filter: "a/+", qos: 2 });
      const writer = a!.connect({ clientId: "writer" });
      const id = writer.publish({
        topic: "a/b",
        qos,
        payload: "hello",
        properties: { contentType: "text", userProperties: [["k", "v"]] },
      });
      const [came] = reader.takePublishes();
      assertEquals([came?.topic, came?.qos, came?.retain], ["a/b", qos, false]);
      assertEquals(came?.properties?.userProperties, [["k", "v"]]);
      if (qos > 0) assertEquals(writer.take(qos === 1 ? PUBACK : PUBREC).reasonCode, 0);
      if (qos === 2) {
        writer.acknowledge(PUBREL, id);
        writer.take(PUBCOMP);
      }
      writer.assertSilent();
    });
  }

  test("crosses once for each node, whoever of it subscribes, and never from node to node", () => {
    const { nodes } = new NodesWorld({ nodes: 3 });
    const readers = nodes.flatMap((node, i) => [0, 1].map((j) => node.connect({ clientId: `${i} ${j}` })));
    for (const reader of readers) reader.subscribe("t", "#");
    const writer = nodes[0]!.connect({ clientId: "writer" });
    for (const payload of ["one", "two", "three"]) writer.publish({ topic: "t", payload });
    for (const reader of readers) assertEquals(reader.takeTexts(), ["one", "two", "three"]);
  });

  test("[MQTT-3.3.4-1] has 0x10 only where no node has a subscriber", () => {
    const { nodes: [a, b] } = new NodesWorld();
    const writer = a!.connect({ clientId: "writer" });
    writer.publish({ topic: "t", qos: 1 });
    assertEquals(writer.take(PUBACK).reasonCode, 0x10);
    const reader = b!.connect({ clientId: "reader" });
    reader.subscribe("t");
    writer.publish({ topic: "t", qos: 1 });
    assertEquals(writer.take(PUBACK).reasonCode, 0);
    reader.unsubscribe("t");
    writer.publish({ topic: "t", qos: 1 });
    assertEquals(writer.take(PUBACK).reasonCode, 0x10);
    b!.connect({ clientId: "other" }).subscribe("t");
    reader.disconnect();
    writer.publish({ topic: "t", qos: 1 });
    assertEquals(writer.take(PUBACK).reasonCode, 0);
  });

  test("[MQTT-3.3.1-12] [MQTT-3.3.1-13] keeps RETAIN for who asked for it", () => {
    const { nodes: [a, b] } = new NodesWorld();
    const reader = b!.connect({ clientId: "reader" });
    reader.subscribe({ filter: "t", retainAsPublished: true });
    const plain = b!.connect({ clientId: "plain" });
    plain.subscribe("t");
    a!.connect({ clientId: "writer" }).publish({ topic: "t", retain: true, payload: "r" });
    assertEquals(reader.takePublishes().map(({ retain }) => retain), [true]);
    assertEquals(plain.takePublishes().map(({ retain }) => retain), [false]);
  });
});

describe("a link", () => {
  test("stays when its packets come in pieces", () => {
    const world = new NodesWorld({ memory: { chunkBytes: () => 1 } });
    const reader = world.nodes[1]!.connect({ clientId: "reader" });
    reader.subscribe("t");
    reader.unsubscribe("t");
    assertEquals(world.stats(0)[0], {
      name: "n1",
      isLinked: true,
      isInStep: true,
      routes: 0,
      outstanding: 0,
    });
  });
});

describe("[MQTT-4.3.3-10] the identifier of a QoS 2 message", () => {
  test("is not in the store before other nodes have the message: a repeat after a crash brings it to them", () => {
    const stores = [new HandStore(), new HandStore()];
    const world = new NodesWorld({
      keeps: true,
      broker: (place) => ({ store: stores[place] = stores[place]!.crashed() }),
    });
    const reader = world.nodes[1]!.connect({ clientId: "reader" });
    reader.subscribe("t");
    const persistent = {
      clientId: idOf(0, 2),
      cleanStart: false,
      properties: { sessionExpiryInterval: 600 },
    } as const;
    const writer = world.nodes[0]!.connect(persistent);
    world.cut(0, 1);
    const packetId = writer.publish({ topic: "t", qos: 2, payload: "once" });
    assertEquals(writer.inbox, []);
    const again = world.restart(0);
    world.linkAll();
    assertEquals(reader.takeTexts(), []);
    const back = again.connect(persistent);
    back.publish({ topic: "t", qos: 2, payload: "once", packetId, dup: true });
    assertEquals(back.take(PUBREC).packetId, packetId);
    assertEquals(reader.takeTexts(), ["once"]);
  });

  test("that is repeated over another connection is answered when other nodes have the message", () => {
    const world = new NodesWorld({ keeps: true });
    const reader = world.nodes[1]!.connect({ clientId: "reader" });
    reader.subscribe("t");
    const persistent = {
      clientId: idOf(0, 2),
      cleanStart: false,
      properties: { sessionExpiryInterval: 600 },
    } as const;
    const writer = world.nodes[0]!.connect(persistent);
    world.cut(0, 1);
    const packetId = writer.publish({ topic: "t", qos: 2, payload: "once" });
    const back = world.nodes[0]!.connect(persistent);
    back.publish({ topic: "t", qos: 2, payload: "once", packetId, dup: true });
    assertEquals(back.inbox, []);
    world.linkAll();
    assertEquals(back.take(PUBREC).packetId, packetId);
    assertEquals(reader.takeTexts(), ["once"]);
  });
});

describe("looks at a broker", () => {
  test("show no node among Clients, sessions and subscribers", () => {
    const { nodes: [a, b] } = new NodesWorld();
    b!.connect({ clientId: "reader" }).subscribe("t", "$share/g/t");
    const writer = a!.connect({ clientId: "writer" });
    const inspector = new Inspector(a!.broker);
    const ask = { limit: 10, looks: 100 };
    assertEquals(inspector.clients(ask, a!.now)?.items.map(({ clientId }) => clientId), ["writer"]);
    assertEquals(inspector.sessions(ask, a!.now)?.items.map(({ clientId }) => clientId), ["writer"]);
    assertEquals(inspector.subscribers(ask, a!.now, "t")?.items, []);
    assertEquals([a!.broker.stats.sessions, a!.broker.stats.subscriptions, a!.broker.connections], [1, 0, 1]);
    const { steps } = explain(a!.broker, { client: "writer", topic: "t" }, a!.now) as Explanation;
    const { detail } = steps.find(({ what }) => what === "others")!;
    assertMatch(detail, /1 other node of this Server has subscribers/);
    writer.disconnect();
  });
});

test("figures are those of Clients: a message that crosses comes in at one node and goes out at the other", () => {
  const { nodes: [a, b] } = new NodesWorld();
  const busiest = new Busiest(b!.now, seededRandom(1));
  b!.broker.observe(busiest);
  const reader = b!.connect({ clientId: "reader" });
  reader.subscribe("t");
  const writer = a!.connect({ clientId: "writer" });
  for (let i = 0; i < 50; i++) {
    writer.publish({ topic: "t", qos: 1, payload: "together" });
    writer.publish({ topic: "t", qos: 1, retain: true, payload: "alone" });
  }
  assertEquals(reader.takePublishes().length, 100);
  const counts = (
    { broker: { stats } }: Pair,
  ) => [stats.received, stats.traffic.messagesSent, stats.subscriptions];
  assertEquals([counts(a!), counts(b!)], [[100, 0, 0], [0, 100, 1]]);
  assertEquals(busiest.stats(b!.now + 1_000), { clients: [], prefixes: [] });
});

describe("[MQTT-3.8.4-1] SUBACK", () => {
  const requests = (filter: string, qos: QoS) => [
    { filter, qos, noLocal: false, retainAsPublished: false, retainHandling: 0 as const },
  ];

  for (const filter of ["t", "$share/g/t"]) {
    test(`waits for other nodes also where they are being told of ${filter} for another Client`, () => {
      const world = new NodesWorld({ byHand: true });
      world.drain();
      const readers = [0, 1].map((i) => world.nodes[1]!.connect({ clientId: idOf(1, 2, `r${i}`) }));
      for (const reader of readers) {
        reader.send({ type: PacketType.SUBSCRIBE, packetId: 1, subscriptions: requests(filter, 1) });
      }
      assertEquals(readers.map(({ inbox }) => inbox.length), [0, 0]);
      assertEquals(world.stats(0)[0]!.routes, 0);
      world.drain();
      for (const reader of readers) reader.take(PacketType.SUBACK);
      assertEquals(world.stats(0)[0]!.routes, 1);
    });
  }
});
