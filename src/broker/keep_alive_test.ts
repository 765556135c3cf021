/** §3.1.2.10, §3.12 Keep Alive: who is silent for too long is gone. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { ProtocolLevel } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { assertClosed, assertEnded, Told } from "../testing/assertions.ts";
import { Hand } from "../testing/by_hand.ts";
import type { Verdict } from "./mod.ts";
import { Pair, type StubClient } from "../testing/pair.ts";
import type { BrokerOptions } from "./mod.ts";

const LEVELS: readonly ProtocolLevel[] = [3, 4, 5];
const RULE = "MQTT-3.1.2-22";

/** A Client with that Keep Alive in seconds. */
function open(keepAlive: number, level: ProtocolLevel = 5, options: BrokerOptions = {}) {
  const told = new Told();
  const pair = new Pair({ ...options, hooks: told.hooks });
  return { told, pair, client: pair.connect({ level, keepAlive }) };
}

/** Fails unless the connection ends when `ms` have gone by, and not before. */
function assertEndsAfter(client: StubClient, ms: number): void {
  const { pair } = client;
  pair.advance(ms - 1);
  assertEquals([client.over, client.inbox], [false, []]);
  pair.advance(1);
  if (client.level === 5) assertEnded(client, 0x8d, RULE);
  else assertClosed(client);
}

for (const level of LEVELS) {
  describe(`level ${level}`, () => {
    test("[MQTT-3.1.2-22] [MQTT-3.2.2-22] [MQTT311-3.1.2-24] after one and a half times the Keep Alive the connection ends", () => {
      const { told, pair, client } = open(10, level);
      assertEndsAfter(client, 15_000);
      told.assertEnded("stub", 0x8d, RULE);
      pair.assertEmpty();
    });

    test("[MQTT-3.1.2-22] a second is enough for Keep Alive 1, a day is not for 65535", () => {
      assertEndsAfter(open(1, level).client, 1_500);
      assertEndsAfter(open(65_535, level).client, 98_302_500);
    });

    test("Keep Alive 0 never ends", () => {
      const { pair, client } = open(0, level);
      assertEquals(pair.broker.stats.deadlines, 0);
      pair.advance(10 * 365 * 86_400_000);
      client.assertSilent();
    });

    test("[MQTT-3.12.4-1] [MQTT311-3.12.4-1] PINGREQ is answered, and counts", () => {
      const { pair, client } = open(10, level);
      for (let i = 0; i < 20; i++) {
        pair.advance(14_999);
        client.send({ type: PacketType.PINGREQ });
        assertEquals(client.inbox.splice(0), [{ type: PacketType.PINGRESP }]);
      }
      assertEndsAfter(client, 15_000);
    });

    test("every packet counts, what the Server sends does not", () => {
      const { pair, client } = open(10, level);
      client.subscribe("t");
      const packets = [
        () => client.publish({ topic: "x" }),
        () => client.acknowledge(PacketType.PUBACK, 9),
        () => client.unsubscribe("none"),
      ];
      for (const send of packets) {
        pair.advance(14_000);
        send();
      }
      pair.advance(14_000);
      pair.broker.publish({ topic: "t", payload: "" }, pair.now);
      pair.settle();
      assertEquals(client.takePublishes().length, 1);
      assertEndsAfter(client, 1_000);
    });
  });
}

test("[MQTT-3.1.2-22] a Server Keep Alive holds in place of the Client's", () => {
  const limits = { keepAliveSecondsMax: 20 };
  for (const asked of [0, 21, 65_535]) {
    const { client } = open(asked, 5, { limits });
    assertEquals(client.connack?.properties?.serverKeepAlive, 20);
    assertEndsAfter(client, 30_000);
  }
  const { client } = open(19, 5, { limits });
  assertEquals(client.connack?.properties?.serverKeepAlive, undefined); // [MQTT-3.2.2-22]
  assertEndsAfter(client, 28_500);
  assertEndsAfter(open(0, 4, { limits }).client, 30_000);
});

test("the count begins when the verdict is there, however late", () => {
  const hand = new Hand<Verdict>();
  const pair = new Pair({ authenticate: () => hand.later });
  const client = pair.open();
  client.connect({ keepAlive: 1 });
  pair.advance(5_000);
  hand.answer({ code: 0 });
  assertEquals(client.take(PacketType.CONNACK).reasonCode, 0);
  assertEndsAfter(client, 1_500);
});

test("a Client that reads nothing and sends nothing is gone too, and its transport after closeTimeoutMs", () => {
  const told = new Told();
  const pair = new Pair({ hooks: told.hooks, limits: { closeTimeoutMs: 4_000 } });
  const client = pair.connect({ keepAlive: 10 }, { capacityBytes: 40 });
  client.transport.pause();
  pair.advance(15_000);
  told.assertEnded("stub", 0x8d, RULE);
  assertEquals([pair.broker.stats.connected, pair.broker.connections], [0, 1]);
  pair.advance(3_999);
  assertEquals(pair.broker.connections, 1);
  pair.advance(1);
  pair.assertEmpty();
});

test("a Client that we do not read is not silent, and is one when we have read on", () => {
  const hands: Hand<0>[] = [];
  const authorize = () => {
    hands.push(new Hand<0>());
    return hands.at(-1)!.later;
  };
  const told = new Told();
  const pair = new Pair({ authorize, hooks: told.hooks, limits: { pendingBytesMax: 10 } });
  const client = pair.connect({ keepAlive: 10 });
  client.publish({ topic: "t" });
  client.publish({ topic: "t", payload: new Uint8Array(20) });
  assertEquals(told.limits.map(({ limit }) => limit), ["pendingBytesMax"]);
  pair.advance(3_600_000);
  assertEquals([client.inbox, client.over], [[], false]);
  for (let i = 0; i < 2; i++) {
    hands.at(-1)!.answer(0);
    pair.settle();
  }
  pair.advance(30_000);
  told.assertEnded("stub", 0x8d, RULE);
});

test("many Clients each have their own clock", () => {
  const pair = new Pair();
  const clients = [3, 1, 2].map((keepAlive) => pair.connect({ clientId: `${keepAlive}`, keepAlive }));
  const over = () => clients.map(({ over }) => over);
  pair.advance(1_500);
  assertEquals(over(), [false, true, false]);
  clients[2]!.send({ type: PacketType.PINGREQ });
  pair.advance(2_999);
  assertEquals(over(), [false, true, false]);
  pair.advance(1);
  assertEquals(over(), [true, true, true]);
  pair.assertEmpty();
});
