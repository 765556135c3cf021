/** §4.8.2 Shared Subscriptions over nodes. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import type { StubClient } from "../testing/pair.ts";
import { NodesWorld } from "../testing/nodes_world.ts";

const { PUBACK, PUBREC } = PacketType;
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
