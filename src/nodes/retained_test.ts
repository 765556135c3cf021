/** §3.3.1.3 Retained messages, the same at every node. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { MemoryStore } from "../broker/mod.ts";
import { PacketType } from "../codec/packet_type.ts";
import { HandStore } from "../testing/hand_store.ts";
import type { Pair } from "../testing/pair.ts";
import { idOf, NodesWorld } from "../testing/nodes_world.ts";
import { homeOf } from "./home.ts";

const { PUBACK } = PacketType;

/** What a Client that subscribes at a node gets. */
function retainedAt(node: Pair, filter = "#"): string[] {
  const reader = node.connect({ clientId: "reader" });
  reader.subscribe(filter);
  const texts = reader.takePublishes().map(({ topic, payload, retain }) =>
    `${topic} ${new TextDecoder().decode(payload)}${retain ? "" : " live"}`
  );
  reader.disconnect();
  return texts.sort();
}

describe("a retained message", () => {
  test("is at each node when its publisher has its PUBACK, large or small, until it is removed", () => {
    const { nodes } = new NodesWorld({ nodes: 3 });
    const writer = nodes[0]!.connect({ clientId: "writer" });
    const large = "x".repeat(20_000);
    for (const [topic, payload] of [["a", "1"], ["b", "2"], ["a", "3"], ["large", large]] as const) {
      writer.publish({ topic, payload, qos: 1, retain: true });
      writer.take(PUBACK);
    }
    for (const node of nodes) assertEquals(retainedAt(node), ["a 3", "b 2", `large ${large}`]);
    nodes[1]!.connect({ clientId: "other" }).publish({ topic: "a", retain: true });
    for (const node of nodes) assertEquals(retainedAt(node), ["b 2", `large ${large}`]);
    for (const node of nodes) assertEquals(node.broker.stats.retainedMessages, 2);
  });

  test("of two nodes that did not hear of each other is the same at both when they do: the later one", () => {
    const world = new NodesWorld({ nodes: 3 });
    world.cut(0, 1);
    world.cut(0, 2);
    world.cut(1, 2);
    world.nodes[1]!.connect({ clientId: idOf(1, 3) }).publish({ topic: "t", payload: "early", retain: true });
    world.advance(10);
    world.nodes[0]!.connect({ clientId: idOf(0, 3) }).publish({ topic: "t", payload: "late", retain: true });
    world.nodes[2]!.connect({ clientId: idOf(2, 3) }).publish({ topic: "u", payload: "u", retain: true });
    world.linkAll();
    for (const node of world.nodes) assertEquals(retainedAt(node), ["t late", "u u"]);
  });

  test("that was removed meanwhile does not come back with a node that had it", () => {
    const world = new NodesWorld();
    const writer = world.nodes[0]!.connect({ clientId: "writer" });
    writer.publish({ topic: "t", payload: "x", retain: true });
    world.cut(0, 1);
    world.advance(10);
    writer.publish({ topic: "t", retain: true });
    world.linkAll();
    for (const node of world.nodes) assertEquals(retainedAt(node), []);
  });

  test("is in the store of its home alone, and comes back from there to all", () => {
    const stores = [new MemoryStore(), new MemoryStore()];
    const world = new NodesWorld({ keeps: true, broker: (place) => ({ store: stores[place]! }) });
    const writer = world.nodes[0]!.connect({ clientId: "writer" });
    const topics = Array.from({ length: 20 }, (_, i) => `t/${i}`);
    for (const topic of topics) {
      writer.publish({ topic, payload: "x", qos: 1, retain: true });
      writer.take(PUBACK);
    }
    const kept = stores.map((store) => [...store.retainedMessages()].length);
    assertEquals(kept[0]! + kept[1]!, 20);
    assertEquals(kept.every((count) => count > 0), true);
    for (const place of [0, 1]) world.restart(place);
    world.linkAll();
    for (const node of world.nodes) assertEquals(retainedAt(node).length, 20);
    assertEquals([0, 1].map((place) => world.stats(place)[0]!.isInStep), [true, true]);
  });

  test("expires at every node", () => {
    const world = new NodesWorld();
    const writer = world.nodes[0]!.connect({ clientId: "writer" });
    const properties = { messageExpiryInterval: 5 };
    writer.publish({ topic: "t", payload: "x", retain: true, properties });
    world.advance(4_000);
    for (const node of world.nodes) assertEquals(retainedAt(node), ["t x"]);
    world.advance(2_000);
    for (const node of world.nodes) assertEquals(retainedAt(node), []);
  });
});

for (const what of ["replaced", "removed"]) {
  test(`what its home alone has ${what}, and knows from its store, is not undone by a node that was cut off`, () => {
    const stores = [new HandStore(), new HandStore()];
    const world = new NodesWorld({
      keeps: true,
      broker: (place) => ({ store: stores[place] = stores[place]!.crashed() }),
    });
    let topic = "t";
    while (homeOf(topic, 2) !== 0) topic += "t";
    world.nodes[1]!.connect({ clientId: idOf(1, 2) })
      .publish({ topic, payload: "before", qos: 1, retain: true });
    world.cut(0, 1);
    world.advance(10);
    world.nodes[0]!.connect({ clientId: idOf(0, 2) })
      .publish({ topic, payload: what === "removed" ? "" : "after", qos: 1, retain: true });
    world.restart(0);
    world.linkAll();
    const wanted = what === "removed" ? [] : [`${topic} after`];
    for (const node of world.nodes) assertEquals(retainedAt(node), wanted);
  });
}

test("what a node has said to some before it started anew it says to all", () => {
  const world = new NodesWorld({ nodes: 3, byHand: true });
  world.drain();
  const writer = world.nodes[0]!.open();
  writer.connect({ clientId: "" });
  world.drain();
  writer.publish({ topic: "t", payload: "new", qos: 1, retain: true });
  for (const { from, to, pair } of world.ways) if (from === 0 && to === 1) { while (pair.step()); }
  world.restart(0);
  world.linkAll();
  world.drain();
  for (const { broker } of world.nodes) assertEquals(broker.stats.retainedMessages, 1);
});

for (const what of ["replaced", "removed"]) {
  test(`what was ${what} at its home alone, before that ended, is the same at all nodes when it comes back`, () => {
    const stores = [new MemoryStore(), new MemoryStore()];
    const world = new NodesWorld({ keeps: true, broker: (place) => ({ store: stores[place]! }) });
    let topic = "t";
    while (homeOf(topic, 2) !== 1) topic += "t";
    const writer = world.nodes[1]!.connect({ clientId: idOf(1, 2) });
    writer.publish({ topic, payload: "before", qos: 1, retain: true });
    writer.take(PUBACK);
    for (const place of [1, 0]) world.restart(place);
    world.linkAll();
    world.cut(0, 1);
    world.nodes[1]!.connect({ clientId: idOf(1, 2) })
      .publish({ topic, payload: what === "removed" ? "" : "after", qos: 1, retain: true });
    world.restart(1);
    world.linkAll();
    const found = world.nodes.map((node) => retainedAt(node));
    assertEquals(found[0], found[1]);
    if (what === "replaced") assertEquals(found[0], [`${topic} after`]);
  });
}
