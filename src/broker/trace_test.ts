/** Packets as they pass: which, in which order, without secrets, within bounds; and nothing of it when it is over. @module */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { decodePacket } from "../codec/decode.ts";
import { UsageError } from "../codec/error.ts";
import type { Auth, Connect, Packet, Publish } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import type { ReasonCode } from "../codec/reason_code.ts";
import { Hand } from "../testing/by_hand.ts";
import { Pair } from "../testing/pair.ts";
import { trace, type TracedPacket, type TraceEnd, type TraceOptions } from "./trace.ts";

const NAMES = Object.fromEntries(Object.entries(PacketType).map(([name, type]) => [type, name]));

/** A trace, and what it has seen. */
function traced(pair: Pair, options: TraceOptions) {
  const packets: TracedPacket[] = [];
  const ends: TraceEnd[] = [];
  const events = {
    seen: (packet: TracedPacket) => void packets.push(packet),
    ended: (why: TraceEnd) => void ends.push(why),
  };
  const one = trace(pair.broker, options, events, pair.now);
  const names = () =>
    packets.map(({ direction, packet }) => `${direction} ${packet ? NAMES[packet.type] : "?"}`);
  return { trace: one, packets, ends, names };
}

/** Both ways of everything that a Client does, from its CONNECT on. */
function session(pair: Pair, clientId: string): void {
  const client = pair.connect({ clientId, username: "u", password: new TextEncoder().encode("top secret") });
  client.subscribe("a/#");
  client.publish({ topic: "a/b", qos: 2, payload: "hello" });
  client.acknowledge(PacketType.PUBREL, 2);
  for (const packet of client.inbox.splice(0)) {
    if (packet.type === PacketType.PUBLISH) client.acknowledge(PacketType.PUBREC, packet.packetId!);
  }
  client.take(PacketType.PUBREL);
  client.acknowledge(PacketType.PUBCOMP, 1);
  client.send({ type: PacketType.PINGREQ });
  client.disconnect();
}

const OF_SESSION = [
  "in CONNECT",
  "out CONNACK",
  "in SUBSCRIBE",
  "out SUBACK",
  "in PUBLISH",
  "out PUBLISH",
  "out PUBREC",
  "in PUBREL",
  "out PUBCOMP",
  "in PUBREC",
  "out PUBREL",
  "in PUBCOMP",
  "in PINGREQ",
  "out PINGRESP",
  "in DISCONNECT",
];

describe("trace of a Client", () => {
  test("shows its packets in both directions from its CONNECT on, and none of another one", () => {
    const pair = new Pair();
    const { packets, names, ends } = traced(pair, { client: "c" });
    session(pair, "other");
    assertEquals(names(), []);
    session(pair, "c");
    assertEquals(names(), OF_SESSION);
    for (const packet of packets) {
      assertEquals([packet.clientId, packet.connection, packet.level, packet.at], ["c", 2, 5, pair.now]);
      assertEquals(packet.peer.address, "192.0.2.1");
      assertEquals(decodePacket(packet.frame, 5), packet.packet);
    }
    assertEquals(ends, []);
  });

  test("begins with a connection that is there, also if it is assigned its Client Identifier", () => {
    const pair = new Pair();
    const client = pair.connect({ clientId: "c" });
    const { names } = traced(pair, { client: "c" });
    client.publish({ topic: "t", qos: 1 });
    assertEquals(names(), ["in PUBLISH", "out PUBACK"]);
    const unnamed = pair.connect({ clientId: "" });
    const assigned = unnamed.connack!.properties!.assignedClientIdentifier!;
    const next = traced(pair, { client: assigned });
    unnamed.publish({ topic: "t", qos: 1 });
    assertEquals(next.names(), ["in PUBLISH", "out PUBACK"]);
  });

  test("shows the CONNECT of a Client that was assigned its identifier", () => {
    const pair = new Pair({ random: () => 0.5 });
    const id = pair.connect({ clientId: "" }).connack!.properties!.assignedClientIdentifier!;
    const again = new Pair({ random: () => 0.5 });
    const { names, packets } = traced(again, { client: id });
    again.connect({ clientId: "" });
    assertEquals(names(), ["in CONNECT", "out CONNACK"]);
    assertEquals(packets.map(({ clientId }) => clientId), [id, id]);
  });

  test("shows one that comes while nobody is connected, is refused, and what is not well formed", () => {
    const pair = new Pair({ authenticate: ({ clientId }) => ({ code: clientId === "c" ? 0x87 : 0 }) });
    const { names, packets } = traced(pair, { client: "c" });
    pair.open().connect({ clientId: "c" });
    assertEquals(names(), ["in CONNECT", "out CONNACK"]);
    const other = traced(pair, { client: "d" });
    const client = pair.connect({ clientId: "d" });
    client.raw(0x82, 3, 0, 0, 0);
    assertEquals(other.names(), ["in CONNECT", "out CONNACK", "in ?", "out DISCONNECT"]);
    const { fault, frame, packet } = other.packets[2]!;
    assertEquals([packet, [...frame]], [undefined, [0x82, 3, 0, 0, 0]]);
    assert(fault !== undefined && fault.length > 0);
    assertEquals(packets.length, 2);
  });

  test("a frame that waits for the authorizer is seen once", () => {
    const answer = new Hand<ReasonCode>();
    const pair = new Pair({ authorize: ({ action }) => action === "publish" ? answer.later : 0 });
    const client = pair.connect({ clientId: "c" });
    const { names } = traced(pair, { client: "c" });
    client.publish({ topic: "t", qos: 1 });
    assertEquals(names(), ["in PUBLISH"]);
    answer.answer(0);
    pair.settle();
    assertEquals(names(), ["in PUBLISH", "out PUBACK"]);
  });

  test("outgoing packets come whole, however few bytes the transport takes", () => {
    const pair = new Pair();
    const client = pair.open(5, { capacityBytes: 50 });
    const { names, packets } = traced(pair, { client: "c", payloadBytesMax: 10_000 });
    client.connect({ clientId: "c" });
    client.subscribe("t");
    client.inbox.length = 0;
    for (let i = 0; i < 3; i++) {
      pair.broker.publish({ topic: "t", payload: new Uint8Array(1_000).fill(i) }, pair.now);
    }
    pair.settle();
    assertEquals(names().slice(4), ["out PUBLISH", "out PUBLISH", "out PUBLISH"]);
    packets.slice(4).forEach(({ packet, bytes }, i) => {
      assertEquals((packet as Publish).payload, new Uint8Array(1_000).fill(i));
      assertEquals(bytes, 1_000 + 7);
    });
  });

  test("a connection whose peer takes nothing at the beginning is seen from its next whole packet on", () => {
    const pair = new Pair();
    const client = pair.open(5, { capacityBytes: 100 });
    client.connect({ clientId: "c" });
    client.subscribe("t");
    client.transport.pause();
    const publish = (fill: number) => {
      pair.broker.publish({ topic: "t", payload: new Uint8Array(500).fill(fill) }, pair.now);
      pair.settle();
    };
    publish(1);
    const { packets } = traced(pair, { client: "c" });
    publish(2);
    client.transport.resume();
    pair.settle();
    publish(3);
    assertEquals(packets.map(({ packet }) => (packet as Publish).payload[0]), [3]);
    assertEquals(client.takePublishes().length, 3);
  });
});

describe("trace of an address and of topics", () => {
  test("an address: all Clients that come from it", () => {
    const pair = new Pair();
    const { names, packets } = traced(pair, { address: "192.0.2.7" });
    for (const [clientId, address] of [["a", "192.0.2.7"], ["b", "192.0.2.8"], ["c", "192.0.2.7"]] as const) {
      pair.open(5, {}, { address }).connect({ clientId });
    }
    assertEquals(names(), ["in CONNECT", "out CONNACK", "in CONNECT", "out CONNACK"]);
    assertEquals(packets.map(({ clientId, connection }) => `${clientId} ${connection}`), [
      "a 1",
      "a 1",
      "c 2",
      "c 2",
    ]);
  });

  test("topics: PUBLISH, its acknowledgements and subscriptions, of all Clients, by Topic Alias too", () => {
    const pair = new Pair();
    const receiver = pair.connect({ clientId: "r", properties: { topicAliasMaximum: 5 } });
    receiver.subscribe("#");
    const sender = pair.connect({ clientId: "s" });
    sender.publish({ topic: "a/b", properties: { topicAlias: 1 } });
    const { names, packets } = traced(pair, { topic: "a/+" });
    receiver.subscribe({ filter: "a/b", qos: 1 }, { filter: "c", qos: 0 });
    receiver.subscribe("b/#");
    receiver.inbox.length = 0;
    sender.publish({ topic: "", qos: 1, properties: { topicAlias: 1 } });
    sender.publish({ topic: "b", qos: 1 });
    for (const packet of receiver.takePublishes()) {
      if (packet.qos > 0) receiver.acknowledge(PacketType.PUBACK, packet.packetId!);
    }
    assertEquals(names(), [
      "in SUBSCRIBE",
      "out SUBACK",
      "in PUBLISH",
      "out PUBLISH",
      "out PUBACK",
      "in PUBACK",
    ]);
    assertEquals(packets.filter(({ topic }) => topic === "a/b").map(({ clientId }) => clientId), ["s", "r"]);
  });

  test("several traces at once, each of its own", () => {
    const pair = new Pair();
    const one = traced(pair, { client: "c" });
    const two = traced(pair, { topic: "t" });
    const client = pair.connect({ clientId: "c" });
    client.publish({ topic: "t", qos: 1 });
    one.trace.end();
    client.publish({ topic: "t", qos: 1 });
    assertEquals(one.names(), ["in CONNECT", "out CONNACK", "in PUBLISH", "out PUBACK"]);
    assertEquals(two.names(), ["in PUBLISH", "out PUBACK", "in PUBLISH", "out PUBACK"]);
  });
});

describe("secrets", () => {
  const text = (bytes: Uint8Array) => new TextDecoder("latin1").decode(bytes);

  test("passwords and Authentication Data have asterisks, in frames and packets", () => {
    const pair = new Pair({
      authenticationMethods: ["m"],
      authenticate: ({ kind }) =>
        kind === "connect"
          ? { code: 0x18, authenticationData: new TextEncoder().encode("secret question") }
          : { code: 0, authenticationData: new TextEncoder().encode("secret end") },
    });
    const { packets, names } = traced(pair, { client: "c" });
    const data = (text: string) => ({
      authenticationMethod: "m",
      authenticationData: new TextEncoder().encode(text),
    });
    const client = pair.open();
    client.connect({
      clientId: "c",
      username: "u",
      password: new TextEncoder().encode("secret word"),
      properties: data("secret hello"),
      will: { topic: "w", payload: new TextEncoder().encode("bye"), qos: 0, retain: false },
    });
    client.send({ type: PacketType.AUTH, reasonCode: 0x18, properties: data("secret answer") });
    assertEquals(names(), ["in CONNECT", "out AUTH", "in AUTH", "out CONNACK"]);
    for (const { frame, packet, level } of packets) {
      assert(!text(frame).includes("secret"), text(frame));
      assertEquals(decodePacket(frame, level), packet);
      assertEquals(text((packet as Auth).properties!.authenticationData!), "********");
    }
    assertEquals(text((packets[0]!.packet as Connect).password!), "********");
  });

  test("of a CONNECT that is not well formed only the header is shown", () => {
    const pair = new Pair();
    const { packets } = traced(pair, { address: "192.0.2.1" });
    const client = pair.open();
    client.raw(0x10, 20, 0, 4, 0x4d, 0x51, 0x54, 0x54, 5, 0xc3, 0, 0, 0, 0, 1, 0x63, 0, 1, 0x75, 0, 1, 0x70);
    assertEquals([...packets[0]!.frame], [0x10, 20]);
    assertEquals([packets[0]!.bytes, packets[0]!.packet], [22, undefined]);
  });

  test("of a request of another protocol only the header of what would be a packet is shown", () => {
    const pair = new Pair();
    const { packets } = traced(pair, { address: "192.0.2.1" });
    pair.open().write(
      new TextEncoder().encode(
        `GET / HTTP/1.1\r\nAuthorization: Basic c2VjcmV0OnNlY3JldA==${" ".repeat(99)}`,
      ),
    );
    assert(packets.length > 0);
    for (const { frame, direction } of packets) {
      assert(direction === "out" || frame.length === 2, text(frame));
    }
  });

  test("payloads are cut off where the one who asks says so; a Will's too", () => {
    const pair = new Pair();
    const { packets } = traced(pair, { client: "c", payloadBytesMax: 3 });
    const will = { topic: "w", payload: new TextEncoder().encode("goodbye"), qos: 0, retain: false } as const;
    const client = pair.connect({ clientId: "c", will });
    client.publish({ topic: "t", payload: "hello" });
    const [connect, , publish] = packets;
    assertEquals(text((connect!.packet as Connect).will!.payload), "goo");
    assertEquals(text((publish!.packet as Publish).payload), "hel");
    assertEquals([publish!.bytes, publish!.frame.length], [11, 9]);
  });

  test("packets are copies: what comes later does not change them", () => {
    const pair = new Pair();
    const { packets } = traced(pair, { client: "c" });
    const client = pair.connect({ clientId: "c" });
    client.publish({ topic: "t", payload: "one", properties: { correlationData: Uint8Array.of(1, 2) } });
    client.publish({ topic: "t", payload: "two", properties: { correlationData: Uint8Array.of(3, 4) } });
    const [one, two] = packets.slice(2).map(({ packet }) => packet as Publish);
    assertEquals([text(one!.payload), text(two!.payload)], ["one", "two"]);
    assertEquals(one!.properties!.correlationData, Uint8Array.of(1, 2));
  });
});

describe("the end of a trace", () => {
  for (
    const [why, options] of [
      ["packets", { packetsMax: 3 }],
      ["bytes", { bytesMax: 60 }],
      ["time", { milliseconds: 1_000 }],
    ] as const
  ) {
    test(`${why}: it says so once, and the connection is as before`, () => {
      const pair = new Pair();
      const { packets, ends } = traced(pair, { client: "c", ...options });
      const client = pair.connect({ clientId: "c" });
      if (why === "time") pair.advance(1_000);
      for (let i = 0; i < 10; i++) client.publish({ topic: "t", qos: 1, payload: "0123456789" });
      assertEquals(ends, [why]);
      if (why === "packets") assertEquals(packets.length, 3);
      if (why === "bytes") assert(packets.reduce((sum, { frame }) => sum + frame.length, 0) <= 60);
      if (why === "time") assertEquals(packets.length, 2);
      assertUntouched(pair);
      assertEquals(pair.connect({ clientId: "d" }).connack!.reasonCode, 0);
      assertUntouched(pair);
    });
  }

  /** Each connection has its own stream, without anything between. */
  function assertUntouched(pair: Pair): void {
    pair.settle();
    assertEquals(pair.broker.onOpened, undefined);
    for (const open of pair.broker.inside.connections.opens()) {
      const { client } = open;
      const { link } = pair.broker.inside.sessions.get(client!.clientId)!.connection!;
      assertEquals(link.transport.constructor.name, "End");
    }
  }

  test("stopped from outside and from inside, twice, and before it began", () => {
    const pair = new Pair();
    const client = pair.connect({ clientId: "c" });
    const one = traced(pair, { client: "c" });
    client.publish({ topic: "t", qos: 1 });
    one.trace.end();
    one.trace.end();
    assertEquals(one.ends, ["stopped"]);
    assertUntouched(pair);
    const ends: TraceEnd[] = [];
    const self = trace(pair.broker, { client: "c" }, {
      seen: () => self.end(),
      ended: (why) => void ends.push(why),
    }, pair.now);
    client.publish({ topic: "t", qos: 1 });
    assertEquals([ends, self.packets], [["stopped"], 1]);
    assertUntouched(pair);
  });

  test("an exception of the one who watches is reported, and nothing else happens", () => {
    const errors: unknown[] = [];
    const pair = new Pair({ hooks: { failed: (error) => void errors.push(error) } });
    const client = pair.connect({ clientId: "c" });
    trace(pair.broker, { client: "c" }, {
      seen: () => {
        throw new Error("mine");
      },
      ended: () => {},
    }, pair.now);
    client.publish({ topic: "t", qos: 1 });
    assertEquals((client.take(PacketType.PUBACK) as Packet).type, PacketType.PUBACK);
    assertEquals(errors.map((error) => (error as Error).message), ["mine", "mine"]);
  });

  test("a Client is seen after a thousand others have come and gone", () => {
    const pair = new Pair();
    const { packets } = traced(pair, { topic: "t", packetsMax: 100_000 });
    for (let i = 0; i < 1_100; i++) pair.connect({ clientId: `c${i}` }).lose();
    pair.connect({ clientId: "c" }).publish({ topic: "t" });
    assertEquals(packets.map(({ clientId }) => clientId), ["c"]);
  });

  test("takes no options that say not what, or too much", () => {
    const { broker } = new Pair();
    const events = { seen: () => {}, ended: () => {} };
    for (
      const options of [
        {},
        { client: "c", topic: "t" },
        { topic: "a/#/b" },
        { topic: "$share/g/a" },
        { client: "c", packetsMax: 0 },
        { client: "c", bytesMax: 1e9 },
        { client: "c", milliseconds: 0.5 },
        { client: 7 },
      ]
    ) assertThrows(() => trace(broker, options as TraceOptions, events, 0), UsageError);
  });
});
