/** §4.8.2 Shared Subscriptions over nodes. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { seededRandom } from "../engine/random.ts";
import { HandStore } from "../testing/hand_store.ts";
import type { Pair, StubClient } from "../testing/pair.ts";
import { idOf, NodesWorld } from "../testing/nodes_world.ts";

const { CONNACK, SUBACK, PUBACK, PUBREC } = PacketType;
const SHARE = "$share/g/t";

/** Publishes so many messages, each acknowledged. */
function publish(writer: StubClient, qos: QoS, ...texts: string[]): void {
  for (const payload of texts) {
    writer.publish({ topic: "t", qos, payload });
    if (qos > 0) assertEquals(writer.take(qos === 1 ? PUBACK : PUBREC).reasonCode, 0);
  }
}

describe("a group over nodes", () => {
  for (const qos of [0, 1, 2] as QoS[]) {
    test(`gets each message of QoS ${qos} once, at a member of the publisher's node if there is one`, () => {
      const { nodes: [a, b] } = new NodesWorld();
      const here = a!.connect({ clientId: "here" });
      const there = b!.connect({ clientId: "there" });
      there.subscribe(SHARE);
      const writer = a!.connect({ clientId: "writer" });
      publish(writer, qos, "1", "2");
      assertEquals(there.takeTexts(), ["1", "2"]);
      here.subscribe(SHARE);
      publish(writer, qos, "3");
      const [third] = here.takePublishes();
      assertEquals([third?.payload.length, there.takeTexts()], [1, []]);
      if (qos === 1) here.acknowledge(PUBACK, third!.packetId!);
      here.disconnect();
      publish(writer, qos, "4");
      assertEquals(there.takeTexts(), ["4"]);
      there.unsubscribe(SHARE);
      writer.publish({ topic: "t", qos: 1 });
      assertEquals(writer.take(PUBACK).reasonCode, 0x10);
    });
  }

  test("[MQTT-3.3.4-3] shows the member its own Subscription Identifier and no other", () => {
    const { nodes: [a, b] } = new NodesWorld();
    const reader = b!.connect({ clientId: "reader" });
    reader.subscribeWith({ subscriptionIdentifier: 77 }, SHARE);
    const plain = b!.connect({ clientId: "plain" });
    plain.subscribe("$share/other/t");
    publish(a!.connect({ clientId: "writer" }), 1, "x");
    const identifiers = (client: StubClient) =>
      client.takePublishes().map(({ properties }) => properties?.subscriptionIdentifiers ?? []);
    assertEquals(identifiers(reader), [[77]]);
    assertEquals(identifiers(plain), [[]]);
  });

  test("takes turns between nodes without members of their own", () => {
    const { nodes } = new NodesWorld({ nodes: 3 });
    const readers = [1, 2].map((place) => nodes[place]!.connect({ clientId: `r${place}` }));
    for (const reader of readers) reader.subscribe(SHARE);
    publish(nodes[0]!.connect({ clientId: "writer" }), 1, "1", "2", "3", "4");
    assertEquals(readers.map((reader) => reader.takeTexts().length), [2, 2]);
  });

  test("at a node that cannot take a message passes it on to another node", () => {
    const world = new NodesWorld({
      nodes: 3,
      broker: (place) => place === 1 ? { limits: { queuedMessagesMax: 1 } } : {},
    });
    const full = world.nodes[1]!.connect({ clientId: "full", properties: { receiveMaximum: 1 } });
    full.subscribe({ filter: SHARE, qos: 1 });
    const writer = world.nodes[0]!.connect({ clientId: "writer" });
    publish(writer, 1, "1", "2");
    const other = world.nodes[2]!.connect({ clientId: "other" });
    other.subscribe({ filter: SHARE, qos: 1 });
    publish(writer, 1, "3", "4", "5", "6");
    assertEquals([full.takeTexts(), other.takeTexts().sort()], [["1"], ["3", "4", "5", "6"]]);
  });

  test("goes on at other nodes when a node is lost with messages on their way", () => {
    const world = new NodesWorld({ nodes: 3 });
    for (const place of [1, 2]) {
      const reader = world.nodes[place]!.connect({ clientId: `r${place}` });
      reader.subscribe({ filter: SHARE, qos: 1 });
    }
    const writer = world.nodes[0]!.connect({ clientId: "writer" });
    world.cut(0, 1);
    publish(writer, 1, "1", "2", "3");
    world.linkAll();
    publish(writer, 1, "4", "5");
    assertEquals(writer.inbox, []);
  });
});

describe("a group over nodes, when something goes wrong", () => {
  test("[MQTT-4.8.2-5] gets no QoS 2 message again that was on its way to a node that is lost", () => {
    const world = new NodesWorld({ byHand: true });
    const [a, b] = world.nodes;
    drain(world);
    const there = open(world, b!, "there");
    ask(world, there, SHARE);
    const clientId = idOf(0, 2);
    const here = open(world, a!, clientId, 100, { sessionExpiryInterval: 600 });
    ask(world, here, SHARE);
    here.lose();
    const writer = open(world, a!, "writer");
    drain(world);
    writer.publish({ topic: "t", qos: 2, payload: "exactly once" });
    writer.publish({ topic: "t", qos: 1, payload: "at least once" });
    world.cut(0, 1);
    const back = open(world, a!, clientId, 100, { sessionExpiryInterval: 600 }, false);
    assertEquals(back.takeTexts(), ["at least once"]);
  });

  test("has what waited for a member that leaves in the store until another node has it", () => {
    const stores = [new HandStore(), new HandStore()];
    const world = new NodesWorld({
      keeps: true,
      byHand: true,
      broker: (place) => ({ store: stores[place] = stores[place]!.crashed() }),
    });
    const [a, b] = world.nodes;
    drain(world);
    const here = open(world, a!, idOf(0, 2), 1, { sessionExpiryInterval: 600 });
    ask(world, here, SHARE);
    const writer = open(world, a!, "writer");
    for (const payload of ["sent", "waits"]) writer.publish({ topic: "t", qos: 1, payload });
    drain(world);
    for (let i = 0; i < 2; i++) assertEquals(writer.take(PUBACK).reasonCode, 0);
    const there = open(world, b!, "there");
    ask(world, there, SHARE);
    const kept = (): number => {
      stores[0]!.commit(); // as it comes about for whatever reason
      let count = 0;
      for (const { deliveries } of stores[0]!.crashed().sessions()) count += deliveries.length;
      return count;
    };
    here.lose();
    for (let moves = true; moves;) {
      world.settle();
      const hasIt = there.inbox.some(({ type }) => type === PacketType.PUBLISH);
      assert(hasIt || kept() === 2, "the message that waited is nowhere");
      moves = world.ways.some(({ pair }) => pair.step());
    }
    assertEquals([there.takeTexts(), kept(), world.waiting(0)], [["waits"], 1, 0]);
  });

  test("gets what a node no longer knows under the number that it had, under the new one", () => {
    const stores = [new HandStore(), new HandStore()];
    let starts = 0;
    const world = new NodesWorld({
      keeps: true,
      byHand: true,
      broker: (place) => {
        stores[place] = stores[place]!.crashed();
        return { store: stores[place], random: seededRandom(++starts) };
      },
    });
    const [a, b] = world.nodes;
    drain(world);
    const clientId = idOf(1, 2);
    const keeper = open(world, b!, clientId, 100, { sessionExpiryInterval: 600 });
    ask(world, keeper, SHARE);
    const writer = open(world, a!, "writer");
    writer.publish({ topic: "t", qos: 1, payload: "1" });
    const again = world.restart(1);
    world.linkAll();
    drain(world);
    assertEquals(writer.take(PUBACK).reasonCode, 0);
    const back = open(world, again, clientId, 100, { sessionExpiryInterval: 600 }, false);
    assertEquals(back.takeTexts(), ["1"]);
  });
});

test("no group gets what was meant for one that had its number before its node started anew", () => {
  const stores = [new HandStore(), new HandStore()];
  let starts = 0;
  const world = new NodesWorld({
    keeps: true,
    byHand: true,
    broker: (place) => ({ store: stores[place] = stores[place]!.crashed(), random: seededRandom(++starts) }),
  });
  const [a, b] = world.nodes;
  drain(world);
  const [keeperId, properties] = [idOf(1, 2), { sessionExpiryInterval: 600 }];
  ask(world, open(world, b!, "first"), SHARE);
  ask(world, open(world, b!, keeperId, 100, properties), "$share/other/u");
  const writer = open(world, a!, "writer");
  writer.publish({ topic: "t", qos: 1, payload: "not for it" });
  const again = world.restart(1);
  world.linkAll();
  drain(world);
  writer.take(PUBACK);
  assertEquals(open(world, again, keeperId, 100, properties, false).takeTexts(), []);
});

/** Moves all there is between nodes. */
function drain(world: NodesWorld): void {
  for (let goesOn = true; goesOn;) {
    goesOn = false;
    world.settle();
    for (const { pair } of world.ways) while (pair.step()) goesOn = true;
  }
}

/** A Client whose CONNECT is accepted. */
function open(
  world: NodesWorld,
  node: Pair,
  clientId: string,
  receiveMaximum = 100,
  properties: { sessionExpiryInterval?: number } = {},
  cleanStart = true,
): StubClient {
  const client = node.open();
  client.connect({ clientId, cleanStart, properties: { receiveMaximum, ...properties } });
  drain(world);
  assertEquals(client.take(CONNACK).reasonCode, 0);
  return client;
}

function ask(world: NodesWorld, client: StubClient, filter: string): void {
  const options = { filter, qos: 2, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
  client.send({ type: PacketType.SUBSCRIBE, packetId: 0xffff, subscriptions: [options] });
  drain(world);
  assertEquals(client.take(SUBACK).reasonCodes, [2]);
}

test("a publisher waits for the member that has a message of a group in the end", () => {
  const world = new NodesWorld({
    nodes: 3,
    byHand: true,
    broker: (place) => place === 1 ? { limits: { queuedMessagesMax: 1 } } : {},
  });
  const [a, b, c] = world.nodes;
  drain(world);
  const full = open(world, b!, "full", 1);
  ask(world, full, SHARE);
  const writer = open(world, a!, "writer");
  for (let i = 0; i < 2; i++) writer.publish({ topic: "t", qos: 1 }); // one on its way, one that waits
  drain(world);
  writer.takePublishes();
  for (let i = 0; i < 2; i++) writer.take(PUBACK);
  ask(world, open(world, c!, "free"), SHARE);
  const ways = world.ways.filter(({ from, to }) => from + to === 1);
  writer.publish({ topic: "t", qos: 1 });
  for (const { pair } of ways) while (pair.step()) world.settle(); // node 1 refuses it
  assertEquals(writer.inbox, []);
  drain(world);
  writer.take(PUBACK);

  test("may be more than a link has Packet Identifiers", () => {
    const groups = 70_000;
    const world = new NodesWorld();
    world.cut(0, 1);
    const reader = world.nodes[1]!.connect({ clientId: idOf(1, 2) });
    for (let i = 0; i < groups; i += 1_000) {
      reader.subscribe(
        ...Array.from(
          { length: 1_000 },
          (_, j) => ({ filter: `$share/g${i + j}/t/${i + j}`, qos: 1 as const }),
        ),
      );
    }
    world.linkAll();
    assertEquals(world.stats(0).map(({ routes, isInStep }) => [routes, isInStep]), [[groups, true]]);
    const writer = world.nodes[0]!.connect({ clientId: idOf(0, 2) });
    for (const i of [0, 1, groups - 1]) writer.publish({ topic: `t/${i}`, payload: `${i}`, qos: 1 });
    assertEquals(reader.takeTexts(), ["0", "1", `${groups - 1}`]);
    reader.unsubscribe("$share/g7/t/7");
    assertEquals(world.stats(0)[0]!.routes, groups - 1);
  });
});
