/** Two and three nodes as one Server: routes, messages across, and what waits for what. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { NodesWorld } from "../testing/nodes_world.ts";

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
