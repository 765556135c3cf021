/** Rates of one Client: it is read less, loses nothing, and costs the others nothing; and it is ended if it never keeps them. @module */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers";
import { encodePacket } from "../codec/encode.ts";
import type { ProtocolLevel } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { assertClosed, assertEnded, assertNotAccepted, Told } from "../testing/assertions.ts";
import { bytesOf } from "../testing/frame.ts";
import { Pair, type StubClient } from "../testing/pair.ts";
import { LIMITS, type Limits } from "./limits.ts";
import type { Verdict } from "./options.ts";

function publishes(count: number, payloadBytes = 0, level: ProtocolLevel = 5): Uint8Array {
  const packets = Array.from({ length: count }, (_, i) =>
    encodePacket({
      type: PacketType.PUBLISH,
      topic: "t",
      qos: 1,
      dup: false,
      retain: false,
      packetId: i + 1,
      payload: new Uint8Array(payloadBytes),
    }, level));
  return bytesOf(...packets);
}

function setup(limits: Partial<Limits>, keepAlive = 1) {
  const told = new Told();
  const pair = new Pair({ hooks: told.hooks, limits });
  return { told, pair, client: pair.connect({ keepAlive }) };
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

describe("overRateTimeoutMs", () => {
  const LIMIT = { publishRateMax: 10, overRateTimeoutMs: 5_000 };

  test("[limit/rate] a Client that is above its rate for so long without a break is ended (0x96)", () => {
    const { told, pair, client } = setup(LIMIT);
    client.write(publishes(1_000));
    pair.advance(4_999);
    assertEquals([acknowledged(client) > 50, client.over], [true, false]);
    pair.advance(1);
    client.take(PacketType.PUBACK);
    assertEnded(client, 0x96, "limit/rate");
    told.assertEnded("stub", 0x96, "limit/rate");
    assertEquals(told.limits.map(({ limit }) => limit), ["publishRateMax", "overRateTimeoutMs"]);
    pair.advance(LIMITS.closeTimeoutMs.default);
    pair.assertEmpty();
  });

  for (const level of [3, 4] as const) {
    test(`its connection is just closed at level ${level}`, () => {
      const { pair } = setup(LIMIT);
      const client = pair.connect({ level, clientId: "c" });
      client.write(publishes(1_000, 0, level));
      pair.advance(5_000);
      acknowledged(client);
      assertClosed(client);
    });
  }

  test("a burst that is over sooner, and then a second's worth that is not used, is a break", () => {
    const { pair, client } = setup(LIMIT, 0);
    for (let i = 0; i < 10; i++) {
      client.write(publishes(50));
      pair.advance(6_000);
      assertEquals([acknowledged(client), client.over], [50, false]);
    }
  });

  test("a shorter pause is none", () => {
    const { told, pair, client } = setup(LIMIT, 0);
    for (let i = 0; i < 10 && !client.over; i++) {
      client.write(publishes(20));
      pair.advance(1_900);
    }
    told.assertEnded("stub", 0x96, "limit/rate");
  });

  test("one packet that takes longer than that to pay for ends the connection too, and not before", () => {
    const { pair, client } = setup({ bytesRateMax: 1_000, overRateTimeoutMs: 5_000 });
    client.write(publishes(1, 100_000));
    pair.advance(4_999);
    assertEquals([acknowledged(client), client.over], [1, false]);
    pair.advance(1);
    assertEnded(client, 0x96, "limit/rate");
  });

  test("0 is never", () => {
    const { pair, client } = setup({ ...LIMIT, overRateTimeoutMs: 0 });
    client.write(publishes(10_000));
    pair.advance(400_000);
    assertEquals([acknowledged(client), client.over], [4_011, false]);
  });

  test("a connection that is not open yet is not ended for it, and goes on when its debt is paid", async () => {
    let accept = (_: Verdict): void => {};
    const authenticate = () => new Promise<Verdict>((resolve) => accept = resolve);
    const told = new Told();
    const limits = { bytesRateMax: 20, overRateTimeoutMs: 2_000 };
    const pair = new Pair({ authenticate, limits, hooks: told.hooks });
    const client = pair.open();
    client.connect({ clientId: "x".repeat(60) }); // some 3 s of debt
    pair.advance(2_500);
    accept({ code: 0 });
    await new Promise<void>((resolve) => setImmediate(resolve));
    pair.advance(2_000);
    client.take(PacketType.CONNACK);
    client.assertSilent();
    assertEquals(told.limits.map(({ limit }) => limit), ["bytesRateMax"]);
  });

  test("a verdict cannot set it, since it holds from the first byte on", () => {
    const told = new Told();
    const authenticate = (): Verdict => ({ code: 0, limits: { overRateTimeoutMs: 1 } });
    const pair = new Pair({ authenticate, hooks: told.hooks });
    const client = pair.open();
    client.connect();
    assertNotAccepted(client, 0x88, "policy/not-authorized");
    assertMatch(String(told.failures), /overRateTimeoutMs holds from the first byte on/);
  });
});
