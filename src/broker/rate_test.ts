/** Rates of one Client: it is read less, loses nothing, and costs the others nothing. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { encodePacket } from "../codec/encode.ts";
import { PacketType } from "../codec/packet_type.ts";
import { Told } from "../testing/assertions.ts";
import { bytesOf } from "../testing/frame.ts";
import { Pair, type StubClient } from "../testing/pair.ts";
import { LIMITS, type Limits } from "./limits.ts";

function publishes(count: number, payloadBytes = 0): Uint8Array {
  const packets = Array.from({ length: count }, (_, i) =>
    encodePacket({
      type: PacketType.PUBLISH,
      topic: "t",
      qos: 1,
      dup: false,
      retain: false,
      packetId: i + 1,
      payload: new Uint8Array(payloadBytes),
    }, 5));
  return bytesOf(...packets);
}

function setup(limits: Partial<Limits>) {
  const told = new Told();
  const pair = new Pair({ hooks: told.hooks, limits });
  return { told, pair, client: pair.connect({ keepAlive: 1 }) };
}

/** How many PUBACKs have come. */
function acknowledged(client: StubClient): number {
  client.pair.settle();
  return client.inbox.splice(0).filter(({ type }) => type === PacketType.PUBACK).length;
}

describe("publishRateMax", () => {
  test("a second's worth at once, then as many each second; nothing is lost, and the log says so once", () => {
    const { told, pair, client } = setup({ publishRateMax: 10 });
    client.write(publishes(100));
    let count = acknowledged(client);
    assertEquals(count, 11); // the one too many is a debt
    for (let second = 0; second < 8; second++) {
      pair.advance(1_000);
      const more = acknowledged(client);
      assertEquals(more, 10);
      count += more;
    }
    pair.advance(1_000);
    assertEquals(count + acknowledged(client), 100);
    assertEquals(told.limits, [{ limit: "publishRateMax", who: "stub" }]);
  });

  test("[MQTT-3.1.2-22] who is held up is not silent", () => {
    const { pair, client } = setup({ publishRateMax: 1 });
    client.write(publishes(30));
    pair.advance(25_000);
    assertEquals(client.over, false);
    pair.advance(10_000);
    assertEquals([acknowledged(client), client.over], [30, true]);
  });

  test("others are read as before, and so are other packets", () => {
    const { pair, client } = setup({ publishRateMax: 5 });
    const other = pair.connect({ clientId: "other" });
    client.write(publishes(50));
    other.write(publishes(5));
    assertEquals(acknowledged(other), 5);
    for (let i = 0; i < 100; i++) other.raw(0xc0, 0);
    pair.settle();
    assertEquals(other.inbox.length, 100);
  });

  test("a connection that ends while it is held up leaves nothing behind", () => {
    const { pair, client } = setup({ publishRateMax: 1 });
    client.write(publishes(1_000));
    client.lose();
    pair.advance(LIMITS.closeTimeoutMs.default);
    pair.assertEmpty();
    const { pair: second, client: ended } = setup({ publishRateMax: 1 });
    ended.write(bytesOf(publishes(2), Uint8Array.of(0)));
    second.advance(60_000);
    assert(ended.over);
    second.assertEmpty();
  });

  test("a listener may have its own", () => {
    const pair = new Pair();
    const policy = pair.broker.policy({ limits: { publishRateMax: 3 } });
    const client = pair.open(5, {}, {}, policy);
    client.connect({});
    client.write(publishes(20));
    assertEquals(acknowledged(client), 4);
  });
});

test("bytesRateMax: every packet counts with its bytes", () => {
  const { told, pair, client } = setup({ bytesRateMax: 1_000 });
  pair.advance(1_000);
  client.write(publishes(10, 500 - 9));
  let count = acknowledged(client);
  assertEquals(count, 3);
  while (count < 10) {
    pair.advance(500);
    const more = acknowledged(client);
    assert(more <= 1, `${more}`);
    count += more;
  }
  assertEquals(told.limits, [{ limit: "bytesRateMax", who: "stub" }]);
});
