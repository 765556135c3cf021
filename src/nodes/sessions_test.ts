/** One Client Identifier, one session, over all nodes: homes, claims and relayed Clients. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { MemoryStore } from "../broker/mod.ts";
import { encodePacket } from "../codec/encode.ts";
import { PacketType } from "../codec/packet_type.ts";
import { HandStore } from "../testing/hand_store.ts";
import { idOf, NodesWorld } from "../testing/nodes_world.ts";
import { Pair } from "../testing/pair.ts";
import { type MemoryPair, memoryPair } from "../transport/memory.ts";
import { nodesPart } from "./mod.ts";

const { CONNACK, DISCONNECT, PUBACK } = PacketType;

describe("[MQTT-3.1.4-3] a Client that connects again", () => {
  for (const nodes of [2, 3]) {
    for (let home = 0; home < nodes; home++) {
      for (let from = 0; from < nodes; from++) {
        for (let to = 0; to < nodes; to++) {
          test(`at node ${to} of ${nodes} takes its place at node ${from}; home is ${home}`, () => {
            const world = new NodesWorld({ nodes });
            const clientId = idOf(home, nodes);
            const will = { topic: "will", payload: new Uint8Array(), qos: 0, retain: false } as const;
            const watcher = world.nodes[0]!.connect({ clientId: "watcher" });
            watcher.subscribe("will");
            const first = world.nodes[from]!.connect({ clientId, will });
            const second = world.nodes[to]!.connect({ clientId });
            assertEquals(first.take(DISCONNECT).reasonCode, 0x8e);
            assertEquals(first.over, true);
            assertEquals(watcher.takePublishes().length, 1);
            second.subscribe("t");
            watcher.publish({ topic: "t", payload: "x" });
            assertEquals(second.takeTexts(), ["x"]);
            const again = world.nodes[from]!.connect({ clientId });
            assertEquals(second.take(DISCONNECT).reasonCode, 0x8e);
            again.disconnect();
            const last = world.nodes[to]!.connect({ clientId });
            last.assertSilent();
          });
        }
      }
    }
  }
});

describe("a Client whose home is asked", () => {
  test("has what it sends behind CONNECT taken when the answer is there, and nodes miss no acknowledgement", () => {
    const world = new NodesWorld();
    const client = world.nodes[0]!.open();
    const clientId = idOf(1, 2);
    const connect = { type: PacketType.CONNECT, level: 5, cleanStart: true, keepAlive: 0, clientId } as const;
    const payload = new Uint8Array(1);
    const publish = {
      type: PacketType.PUBLISH,
      qos: 0,
      dup: false,
      retain: false,
      topic: "t",
      payload,
      properties: {},
    } as const;
    const both = [connect, publish, { ...publish, qos: 1, packetId: 9 } as const];
    client.write(Uint8Array.from(both.flatMap((packet) => [...encodePacket(packet, 5)])));
    client.take(CONNACK);
    assertEquals(client.take(PUBACK).packetId, 9);
    assertEquals([0, 1].map((place) => world.stats(place)[0]!.outstanding), [0, 0]);
  });
});

describe("a session that outlives its connection", () => {
  const persistent = { cleanStart: false, properties: { sessionExpiryInterval: 600 } } as const;

  for (const at of [0, 1]) {
    for (const then of [0, 1]) {
      test(`is there at node ${then} though it began at node ${at}`, () => {
        const { nodes } = new NodesWorld();
        for (const home of [0, 1]) {
          const clientId = idOf(home, 2);
          const client = nodes[at]!.connect({ clientId, ...persistent });
          assertEquals(client.connack?.sessionPresent, false);
          client.subscribe({ filter: "t", qos: 1 });
          client.lose();
          const writer = nodes[then]!.connect({ clientId: "writer" });
          writer.publish({ topic: "t", qos: 1, payload: "kept" });
          writer.take(PUBACK);
          const again = nodes[then]!.connect({ clientId, ...persistent });
          assertEquals(again.connack?.sessionPresent, true);
          assertEquals(again.takeTexts(), ["kept"]);
          const clean = nodes[at]!.connect({ clientId });
          assertEquals(clean.connack?.sessionPresent, false);
          assertEquals(again.take(DISCONNECT).reasonCode, 0x8e);
          assertEquals(nodes[1 - at]!.broker.session(clientId), undefined);
          clean.disconnect();
          writer.disconnect();
        }
      });
    }
  }

  test("is relayed with what comes right behind CONNECT, and ends with either side", () => {
    const { nodes: [a, b] } = new NodesWorld();
    const clientId = idOf(1, 2);
    const client = a!.open(4);
    client.write(Uint8Array.from([
      ...[0x10, 12 + clientId.length, 0, 4, 77, 81, 84, 84, 4, 0, 0, 0, 0, clientId.length],
      ...new TextEncoder().encode(clientId),
      ...[0xc0, 0],
    ]));
    client.take(CONNACK);
    client.take(PacketType.PINGRESP);
    assertEquals(b!.broker.stats.connected, 1);
    assertEquals(a!.broker.stats.connected, 0);
    assertEquals(a!.broker.connections, 1);
    client.lose();
    assertEquals(b!.broker.stats.connected, 0);
    assertEquals(a!.broker.connections, 0);
    const again = a!.connect({ clientId, level: 4, cleanStart: false });
    b!.broker.disconnect(clientId, { code: 0x98, rule: "policy/administrative", message: "go" }, b!.now);
    b!.settle();
    assertEquals(again.over, true);
    again.transport.close();
    a!.settle();
    assertEquals(a!.broker.connections, 0);
  });

  for (const level of [5, 4] as const) {
    test(`whose node cannot be reached is refused with Server unavailable at level ${level}`, () => {
      const ways: MemoryPair[] = [];
      const relay = () => {
        ways.push(memoryPair());
        return ways[0]!.left;
      };
      const node = new Pair({ nodes: nodesPart({ name: "n0", all: ["n0", "n1"], keeps: true, relay }) });
      const client = node.open(level);
      client.connect({ clientId: idOf(1, 2), level, cleanStart: false });
      assertEquals(client.inbox, []);
      ways[0]!.right.abort();
      ways[0]!.deliver();
      node.settle();
      assertEquals(client.take(CONNACK).reasonCode, level === 5 ? 0x88 : 3);
      assertEquals([client.over, node.broker.connections], [true, 0]);
    });
  }

  test("of another user is not taken over from another node", () => {
    const world = new NodesWorld({
      broker: () => ({ authenticate: ({ username = "" }) => ({ code: 0, username }) }),
    });
    const [a, b] = world.nodes;
    const clientId = idOf(1, 2);
    b!.connect({ clientId, username: "one", ...persistent }).lose();
    const thief = a!.open();
    thief.connect({ clientId, username: "two" });
    assertEquals(thief.take(CONNACK).reasonCode, 0x85);
    a!.connect({ clientId, username: "one" });
  });
});

describe("a node that comes back", () => {
  test("knows when each other one has told all of its routes and retained messages", () => {
    const told: string[] = [];
    const world = new NodesWorld({ nodes: 3, inStep: (place, name) => told.push(`${name} to ${place}`) });
    const all = ["n0 to 1", "n0 to 2", "n1 to 0", "n1 to 2", "n2 to 0", "n2 to 1"];
    assertEquals(told.splice(0).sort(), all);
    world.restart(1);
    assertEquals(told, []);
    world.linkAll();
    assertEquals(told.sort(), all.filter((one) => one.includes("1")));
  });

  test("knows who holds the Client Identifiers that it is home to", () => {
    const world = new NodesWorld();
    const clientId = idOf(1, 2);
    const held = world.nodes[0]!.connect({ clientId });
    const b = world.restart(1);
    world.linkAll();
    b.connect({ clientId });
    assertEquals(held.take(DISCONNECT).reasonCode, 0x8e);
  });

  test("while its link is away a Client of its Client Identifiers waits for it", () => {
    const world = new NodesWorld();
    const clientId = idOf(1, 2);
    world.cut(0, 1);
    const client = world.nodes[0]!.open();
    client.connect({ clientId });
    assertEquals(client.inbox, []);
    world.linkAll();
    assertEquals(client.take(CONNACK).reasonCode, 0);
  });

  test("two Clients of one Client Identifier that met no home are one when it is there", () => {
    const world = new NodesWorld({ nodes: 3 });
    const clientId = idOf(2, 3);
    const first = world.nodes[0]!.connect({ clientId });
    world.cut(0, 2);
    const second = world.nodes[1]!.connect({ clientId });
    world.linkAll();
    assertEquals([first.over, second.over], [true, false]);
  });
});

describe("messages for a session whose node is away", () => {
  test("wait, and so does who published them", () => {
    const store = new MemoryStore();
    const world = new NodesWorld({ keeps: true, broker: (place) => place === 1 ? { store } : {} });
    const clientId = idOf(1, 2);
    const persistent = { cleanStart: false, properties: { sessionExpiryInterval: 600 } } as const;
    const client = world.nodes[1]!.connect({ clientId, ...persistent });
    client.subscribe({ filter: "t", qos: 1 });
    world.settle();
    const b = world.restart(1);
    const writer = world.nodes[0]!.connect({ clientId: idOf(0, 2, "writer") });
    writer.publish({ topic: "t", qos: 1, payload: "one" });
    writer.publish({ topic: "t", qos: 1, payload: "two" });
    assertEquals(writer.inbox, []);
    world.linkAll();
    assertEquals([writer.take(PUBACK).reasonCode, writer.take(PUBACK).reasonCode], [0, 0]);
    const again = b.connect({ clientId, ...persistent });
    assertEquals(again.takeTexts(), ["one", "two"]);
  });
});

describe("a Client that is claimed", () => {
  test("is refused where the session is that of another user, at whatever nodes they are", () => {
    const world = new NodesWorld({ nodes: 3 });
    const clientId = idOf(2, 3);
    const ann = world.nodes[0]!.connect({ clientId, username: "ann" });
    for (const node of world.nodes) {
      const bob = node.open();
      bob.connect({ clientId, username: "bob" });
      assertEquals(bob.take(CONNACK).reasonCode, 0x85);
    }
    world.cut(0, 2);
    world.link(0, 2);
    const bob = world.nodes[1]!.open();
    bob.connect({ clientId, username: "bob" });
    assertEquals(bob.take(CONNACK).reasonCode, 0x85);
    ann.assertSilent();
    world.nodes[1]!.connect({ clientId, username: "ann" });
    assertEquals(ann.take(DISCONNECT).reasonCode, 0x8e);
  });

  test("goes on with what came right behind its CONNECT", () => {
    const { nodes: [a, b] } = new NodesWorld();
    const reader = a!.connect({ clientId: "reader" });
    reader.subscribe("t/#");
    const clientId = idOf(1, 2);
    const client = a!.open();
    const connect = encodePacket(
      { type: PacketType.CONNECT, level: 5, clientId, cleanStart: true, keepAlive: 0 },
      5,
    );
    const publish = encodePacket(
      {
        type: PacketType.PUBLISH,
        dup: false,
        qos: 2,
        retain: false,
        topic: "t/u",
        packetId: 777,
        payload: connect,
      },
      5,
    );
    client.write(Uint8Array.from([...connect, ...publish]));
    client.take(CONNACK);
    assertEquals(client.take(PacketType.PUBREC).packetId, 777);
    assertEquals(reader.takePublishes().length, 1);
    client.disconnect();
    assertEquals(b!.broker.stats.sessions, 0);
  });

  test("has its CONNACK when the end of the session that it had at home is safe", () => {
    const store = new HandStore();
    const world = new NodesWorld({ broker: (place) => place === 1 ? { store } : {} });
    const [a, b] = world.nodes;
    const clientId = idOf(1, 2);
    const properties = { sessionExpiryInterval: 600 };
    b!.connect({ clientId, cleanStart: false, properties }).lose();
    b!.advance(1_000);
    store.slow = true;
    const client = a!.open();
    client.connect({ clientId });
    assertEquals(client.inbox, []);
    store.settle();
    world.settle();
    assertEquals(client.take(CONNACK).reasonCode, 0);
    while (store.isCommitting) store.settle();
    assertEquals([...store.crashed().sessions()], []);
  });

  test("is not thrown out by what its home has said over an earlier link", () => {
    const world = new NodesWorld({ keeps: true, byHand: true });
    const [a, b] = world.nodes;
    const drain = (): void => {
      for (let goesOn = true; goesOn;) {
        goesOn = false;
        world.settle();
        for (const { pair } of world.ways) while (pair.step()) goesOn = true;
      }
    };
    drain();
    const clientId = idOf(1, 2);
    const first = a!.open();
    first.connect({ clientId });
    drain();
    first.take(CONNACK);
    const second = b!.open();
    second.connect({ clientId }); // its home tells node 0 to end what it has
    world.cut(0, 1);
    second.take(CONNACK);
    second.disconnect();
    world.link(0, 1);
    drain();
    assertEquals([first.over, a!.broker.session(clientId) !== undefined], [false, true]);
  });
});
