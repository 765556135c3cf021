/** §4.3.2 a PUBACK behind a message of the Client's own waits for its next bytes, and never for long. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { Pair, type StubClient } from "../testing/pair.ts";

const { PUBLISH, PUBACK } = PacketType;

/** A Client that is subscribed to what it publishes. */
function echoed(pair = new Pair(), qos: QoS = 1, level: 3 | 4 | 5 = 4): StubClient {
  const client = pair.connect({ clientId: "me", level });
  client.subscribe({ filter: "t", qos });
  return client;
}

/** The types of the packets that have come. */
function takeTypes(client: StubClient): number[] {
  client.pair.settle();
  return client.inbox.splice(0).map(({ type }) => type);
}

describe("a Client that publishes at QoS 1 and gets the message itself", () => {
  for (const level of [3, 4, 5] as const) {
    test(`its PUBACK comes when it has acknowledged the message, level ${level}`, () => {
      const client = echoed(undefined, 1, level);
      for (let packetId = 1; packetId < 100; packetId++) {
        client.publish({ topic: "t", qos: 1, packetId });
        assertEquals(takeTypes(client), [PUBLISH]);
        client.acknowledge(PUBACK, packetId);
        assertEquals(takeTypes(client), [PUBACK]);
      }
    });
  }

  for (const transport of ["memory", "unix"] as const) {
    test(`PUBACK waits for nothing where there is no TCP: ${transport}`, () => {
      const pair = new Pair();
      const client = pair.open(5, {}, { transport });
      client.connect({ clientId: "me" });
      client.take(PacketType.CONNACK);
      client.subscribe({ filter: "t", qos: 1 });
      client.publish({ topic: "t", qos: 1, packetId: 1 });
      assertEquals(takeTypes(client), [PUBLISH, PUBACK]);
    });
  }

  test("a large message is no exception", () => {
    const client = echoed();
    client.publish({ topic: "t", qos: 1, packetId: 1, payload: new Uint8Array(100_000) });
    assertEquals(takeTypes(client), [PUBLISH]);
    client.raw(0xc0, 0);
    assertEquals(takeTypes(client), [PUBACK, PacketType.PINGRESP]);
  });

  test("without a word of the Client PUBACK comes after 2 ms, and soon it waits no more than now and then", () => {
    const pair = new Pair();
    const client = echoed(pair);
    let waits = 0;
    for (let packetId = 1; packetId <= 100; packetId++) {
      client.publish({ topic: "t", qos: 1, packetId });
      const types = takeTypes(client);
      if (types.length === 1) {
        waits++;
        pair.advance(2);
        types.push(...takeTypes(client));
      }
      assertEquals(types, [PUBLISH, PUBACK]);
      client.acknowledge(PUBACK, packetId);
    }
    assertEquals(waits >= 5 && waits <= 20, true, `${waits}`);
  });

  test("what is written behind it takes it along", () => {
    const pair = new Pair();
    const client = echoed(pair);
    client.subscribe("other");
    client.publish({ topic: "t", qos: 1, packetId: 1 });
    pair.broker.publish({ topic: "other", payload: "now" }, pair.now);
    assertEquals(takeTypes(client), [PUBLISH, PUBACK, PUBLISH]);
  });

  test("nothing waits where several messages come together, or are open, or none is to be acknowledged", () => {
    const two = echoed();
    two.pair.settle();
    two.write(Uint8Array.of(0x32, 5, 0, 1, 0x74, 0, 1, 0x32, 5, 0, 1, 0x74, 0, 2));
    assertEquals(takeTypes(two), [PUBLISH, PUBLISH, PUBACK, PUBACK]);
    two.publish({ topic: "t", qos: 1, packetId: 3 });
    assertEquals(takeTypes(two), [PUBLISH, PUBACK]);
    const zero = echoed(undefined, 0);
    zero.publish({ topic: "t", qos: 1, packetId: 1 });
    assertEquals(takeTypes(zero), [PUBLISH, PUBACK]);
    const stranger = new Pair().connect({ level: 4 });
    stranger.publish({ topic: "t", qos: 1, packetId: 1 });
    assertEquals(takeTypes(stranger), [PUBACK]);
  });

  test("the end of the connection does not wait", () => {
    const pair = new Pair();
    const client = echoed(pair, 1, 5);
    client.publish({ topic: "t", qos: 1, packetId: 1 });
    const reason = { code: 0x98, rule: "policy/not-authorized", message: "enough" } as const;
    pair.broker.disconnect("me", reason, pair.now);
    assertEquals(takeTypes(client), [PUBLISH, PUBACK, PacketType.DISCONNECT]);
    assertEquals(client.over, true);
  });
});
