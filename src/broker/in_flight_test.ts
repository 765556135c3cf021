/** §4.4 Messages that were on their way when the connection ended, at each step and in both directions. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { Packet, ProtocolLevel } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { type ConnectInit, Pair, type StubClient } from "../testing/pair.ts";

const LEVELS: readonly ProtocolLevel[] = [3, 4, 5];
const { PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;

function kept(level: ProtocolLevel = 5, receiveMaximum = 65_535): ConnectInit {
  const properties = { sessionExpiryInterval: 600, receiveMaximum };
  return { level, cleanStart: false, ...(level === 5 && { properties }) };
}

/** A pair whose Client subscribes to everything. */
function open(level: ProtocolLevel = 5): { pair: Pair; client: StubClient } {
  const pair = new Pair({ limits: { inFlightMaxLevel4: 1_000 } });
  const client = pair.connect(kept(level));
  client.subscribe("#");
  return { pair, client };
}

function publish(pair: Pair, qos: 1 | 2, ...texts: string[]): void {
  for (const payload of texts) pair.broker.publish({ topic: "t", qos, payload }, pair.now);
  pair.settle();
}

/** What has come, short: `PUBLISH 1 dup text`, `PUBREL 3`. */
function take(client: StubClient): string[] {
  client.pair.settle();
  return client.inbox.splice(0).map((packet) => shown(packet));
}

function shown(packet: Packet): string {
  const name = Object.entries(PacketType).find(([, type]) => type === packet.type)![0];
  if (packet.type === PUBLISH) {
    const { packetId = "-", dup, payload } = packet;
    return `${name} ${packetId}${dup ? " dup" : ""} ${new TextDecoder().decode(payload)}`;
  }
  const code = "reasonCode" in packet && packet.reasonCode !== 0
    ? ` 0x${packet.reasonCode.toString(16)}`
    : "";
  return `${name} ${"packetId" in packet ? packet.packetId : ""}${code}`;
}

for (const level of LEVELS) {
  const again = (pair: Pair) => {
    const client = pair.connect(kept(level));
    if (level > 3) assertEquals(client.connack?.sessionPresent, true);
    return client;
  };

  describe(`to the Client, level ${level}`, () => {
    test("[MQTT-4.4.0-1] [MQTT-3.3.1-1] [MQTT311-4.4.0-1] [MQTT311-3.3.1-1] QoS 1 without PUBACK comes again: same identifier, DUP 1, until it is acknowledged", () => {
      const { pair, client } = open(level);
      publish(pair, 1, "a");
      assertEquals(take(client), ["PUBLISH 1 a"]);
      client.lose();
      const second = again(pair);
      assertEquals(take(second), ["PUBLISH 1 dup a"]);
      second.lose();
      const third = again(pair);
      assertEquals(take(third), ["PUBLISH 1 dup a"]);
      third.acknowledge(PUBACK, 1);
      third.lose();
      again(pair).assertSilent();
    });

    test("[MQTT-4.4.0-1] [MQTT311-4.4.0-1] QoS 2 without PUBREC comes again as PUBLISH", () => {
      const { pair, client } = open(level);
      publish(pair, 2, "a");
      assertEquals(take(client), ["PUBLISH 1 a"]);
      client.lose();
      const second = again(pair);
      assertEquals(take(second), ["PUBLISH 1 dup a"]);
      second.acknowledge(PUBREC, 1);
      assertEquals(take(second), ["PUBREL 1"]);
      second.acknowledge(PUBCOMP, 1);
      second.lose();
      again(pair).assertSilent();
    });

    test("[MQTT-4.4.0-1] [MQTT-4.3.3-6] [MQTT311-4.4.0-1] QoS 2 with PUBREC comes again as PUBREL only", () => {
      const { pair, client } = open(level);
      publish(pair, 2, "a");
      client.acknowledge(PUBREC, 1);
      assertEquals(take(client), ["PUBLISH 1 a", "PUBREL 1"]);
      client.lose();
      const second = again(pair);
      assertEquals(take(second), ["PUBREL 1"]);
      second.acknowledge(PUBREC, 1); // late, and answered as before
      assertEquals(take(second), ["PUBREL 1"]);
      second.lose();
      const third = again(pair);
      assertEquals(take(third), ["PUBREL 1"]);
      third.acknowledge(PUBCOMP, 1);
      third.lose();
      again(pair).assertSilent();
    });

    test("[MQTT-4.4.0-1] on a connection that lives nothing is sent a second time", () => {
      const { pair, client } = open(level);
      publish(pair, 1, "a");
      publish(pair, 2, "b", "c");
      client.acknowledge(PUBREC, 3);
      assertEquals(take(client), ["PUBLISH 1 a", "PUBLISH 2 b", "PUBLISH 3 c", "PUBREL 3"]);
      pair.advance(86_400_000);
      client.assertSilent();
    });

    test("[MQTT-4.6.0-1] [MQTT-4.6.0-4] [MQTT311-4.6.0-1] [MQTT311-4.6.0-6] PUBLISH packets keep their order, PUBREL packets that of their PUBRECs", () => {
      const { pair, client } = open(level);
      for (let i = 0; i < 30; i++) publish(pair, i % 2 === 0 ? 1 : 2, `m${i}`);
      for (const id of [30, 2, 18]) client.acknowledge(PUBREC, id); // 2 is m1
      for (const id of [1, 5, 29]) client.acknowledge(PUBACK, id);
      client.acknowledge(PUBREC, 4);
      client.lose();
      publish(pair, 1, "late");
      const gone = new Set([30, 2, 18, 4, 1, 5, 29]);
      const expected = ["PUBREL 30", "PUBREL 2", "PUBREL 18", "PUBREL 4"];
      for (let id = 1; id <= 30; id++) if (!gone.has(id)) expected.push(`PUBLISH ${id} dup m${id - 1}`);
      const second = again(pair);
      assertEquals(take(second), [...expected, "PUBLISH 31 late"]);
      second.lose();
      assertEquals(take(again(pair)), [...expected, "PUBLISH 31 dup late"]);
    });

    test("[MQTT-4.6.0-1] so they do however many came before them", () => {
      const { pair, client: first } = open(level);
      let client = first;
      const texts = ["a", "b", "c", "d", "e"];
      for (let round = 0, id = 1; round < 20; round++) {
        publish(pair, 1, "alone");
        client.acknowledge(PUBACK, id++);
        publish(pair, 1, ...texts);
        client.lose();
        client = again(pair);
        assertEquals(take(client), texts.map((text, i) => `PUBLISH ${id + i} dup ${text}`));
        for (const _ of texts) client.acknowledge(PUBACK, id++);
      }
    });

    test("an acknowledgement of the old connection's packet counts before that is sent again", () => {
      const { pair, client } = open(level);
      publish(pair, 1, "a");
      client.lose();
      const second = again(pair);
      second.acknowledge(PUBACK, 1);
      second.acknowledge(PUBACK, 1); // a second one changes nothing
      second.inbox.length = 0;
      publish(pair, 1, "b");
      assertEquals(take(second), ["PUBLISH 2 b"]);
    });

    test("what was sent keeps its identifier, new messages get others", () => {
      const { pair, client } = open(level);
      publish(pair, 1, "a", "b", "c");
      client.acknowledge(PUBACK, 2);
      client.lose();
      const second = again(pair);
      publish(pair, 2, "d");
      assertEquals(take(second), ["PUBLISH 1 dup a", "PUBLISH 3 dup c", "PUBLISH 4 d"]);
    });
  });

  describe(`from the Client, level ${level}`, () => {
    test("[MQTT-4.3.3-10] [MQTT-4.4.0-1] [MQTT311-4.3.3-2] QoS 2 that comes again before PUBREL is not delivered again", () => {
      const { pair, client } = open(level);
      client.publish({ topic: "x", qos: 2, packetId: 5, payload: "a" });
      assertEquals(take(client), ["PUBLISH 1 a", "PUBREC 5"]);
      client.lose();
      const second = again(pair);
      assertEquals(take(second), ["PUBLISH 1 dup a"]);
      second.publish({ topic: "x", qos: 2, packetId: 5, payload: "a", dup: true });
      assertEquals(take(second), ["PUBREC 5"]);
      second.acknowledge(PUBREL, 5);
      assertEquals(take(second), ["PUBCOMP 5"]);
      second.publish({ topic: "x", qos: 2, packetId: 5, payload: "b", dup: true }); // [MQTT-4.3.3-12]
      assertEquals(take(second), ["PUBLISH 2 b", "PUBREC 5"]);
    });

    test("[MQTT-4.3.3-11] PUBREL on the next connection is answered, and once more", () => {
      const { pair, client } = open(level);
      client.publish({ topic: "x", qos: 2, packetId: 5 });
      client.lose();
      const second = again(pair);
      take(second);
      second.acknowledge(PUBREL, 5);
      assertEquals(take(second), ["PUBCOMP 5"]);
      second.lose();
      const third = again(pair);
      take(third);
      third.acknowledge(PUBREL, 5);
      assertEquals(take(third), ["PUBCOMP 5"], "it may not know that the first one came");
      third.publish({ topic: "x", qos: 2, packetId: 6 });
      take(third);
      third.acknowledge(PUBREL, 5);
      assertEquals(take(third), [level === 5 ? "PUBCOMP 5 0x92" : "PUBCOMP 5"]);
    });

    test("[MQTT-4.3.2-5] QoS 1 that comes again is a new message", () => {
      const { pair, client } = open(level);
      client.publish({ topic: "x", qos: 1, packetId: 5, payload: "a" });
      client.lose();
      const second = again(pair);
      take(second);
      second.publish({ topic: "x", qos: 1, packetId: 5, payload: "a", dup: true });
      assertEquals(take(second), ["PUBLISH 2 a", "PUBACK 5"]);
    });
  });
}

describe("level 5", () => {
  test("[MQTT-4.4.0-2] what the Client refuses is not sent again", () => {
    const { pair, client } = open();
    publish(pair, 1, "a");
    publish(pair, 2, "b");
    take(client);
    client.acknowledge(PUBACK, 1, 0x97);
    client.acknowledge(PUBREC, 2, 0x80);
    client.assertSilent();
    client.lose();
    pair.connect(kept()).assertSilent();
  });

  test("[MQTT-3.3.4-9] a Receive Maximum smaller than what is open is kept to while it is sent again", () => {
    const { pair, client } = open();
    publish(pair, 1, "a", "b", "c");
    publish(pair, 2, "d", "e");
    client.lose();
    publish(pair, 1, "f");
    const second = pair.connect(kept(5, 2));
    assertEquals(take(second), ["PUBLISH 1 dup a", "PUBLISH 2 dup b"]);
    publish(pair, 1, "g");
    second.assertSilent();
    second.acknowledge(PUBACK, 2);
    assertEquals(take(second), ["PUBLISH 3 dup c"]);
    second.acknowledge(PUBACK, 1);
    second.acknowledge(PUBACK, 3);
    assertEquals(take(second), ["PUBLISH 4 dup d", "PUBLISH 5 dup e"]);
    second.acknowledge(PUBREC, 4);
    assertEquals(take(second), ["PUBREL 4"]);
    second.acknowledge(PUBCOMP, 4);
    assertEquals(take(second), ["PUBLISH 6 f"]);
    second.acknowledge(PUBACK, 6);
    assertEquals(take(second), ["PUBLISH 7 g"]);
  });

  test("what was not yet sent again keeps its place on the connection after", () => {
    const { pair, client } = open();
    publish(pair, 1, "a", "b", "c");
    client.lose();
    const second = pair.connect(kept(5, 1));
    assertEquals(take(second), ["PUBLISH 1 dup a"]);
    second.acknowledge(PUBACK, 3); // of the first connection: c needs not be sent
    second.lose();
    const third = pair.connect(kept(5, 10));
    assertEquals(take(third), ["PUBLISH 1 dup a", "PUBLISH 2 dup b"]);
  });

  test("PUBREL packets are sent again also where there are more than Receive Maximum", () => {
    const { pair, client } = open();
    publish(pair, 2, "a", "b", "c");
    for (const id of [1, 2, 3]) client.acknowledge(PUBREC, id);
    client.lose();
    publish(pair, 1, "d");
    const second = pair.connect(kept(5, 1));
    assertEquals(take(second), ["PUBREL 1", "PUBREL 2", "PUBREL 3"]);
    for (const id of [1, 2, 3]) second.acknowledge(PUBCOMP, id);
    assertEquals(take(second), ["PUBLISH 4 d"]);
  });

  test("[MQTT-3.1.2-25] what is too large for the next connection's Maximum Packet Size counts as delivered", () => {
    const { pair, client } = open();
    publish(pair, 1, "x".repeat(200), "small");
    client.lose();
    const properties = { sessionExpiryInterval: 600, maximumPacketSize: 100 };
    const second = pair.connect({ cleanStart: false, properties });
    assertEquals(take(second), ["PUBLISH 2 dup small"]);
    second.lose();
    assertEquals(take(pair.connect(kept())), ["PUBLISH 2 dup small"]);
  });

  test("more than Receive Maximum QoS 2 identifiers may stay open from an earlier connection", () => {
    const pair = new Pair({ limits: { receiveMaximum: 2 } });
    const client = pair.connect(kept());
    client.publish({ topic: "x", qos: 2, packetId: 1 });
    client.publish({ topic: "x", qos: 2, packetId: 2 });
    client.lose();
    const second = pair.connect(kept());
    second.publish({ topic: "x", qos: 2, packetId: 3 }); // its own quota is new (§4.9)
    second.acknowledge(PUBREL, 1);
    assertEquals(take(second), ["PUBREC 3 0x10", "PUBCOMP 1"]);
  });
});
