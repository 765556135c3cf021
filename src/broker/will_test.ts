/** §3.1.2.5 Will Messages: when they are published, how, and when never. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { ProtocolLevel, Publish, Will, WillProperties } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { assertEnded } from "../testing/assertions.ts";
import { type ConnectInit, Pair, type StubClient } from "../testing/pair.ts";
import type { BrokerOptions } from "./mod.ts";

const LEVELS: readonly ProtocolLevel[] = [3, 4, 5];

function will(init: Partial<Will> = {}, properties?: WillProperties): Will {
  const will = {
    topic: "w",
    payload: new TextEncoder().encode("bye"),
    qos: 0,
    retain: false,
    ...init,
  } as const;
  return properties === undefined ? will : { ...will, properties };
}

/** A pair, a watcher of the will's topic, and a Client with the will. */
function open(
  init: ConnectInit,
  options: BrokerOptions = {},
): { pair: Pair; watcher: StubClient; client: StubClient } {
  const pair = new Pair(options);
  const watcher = pair.connect({ clientId: "watcher" });
  watcher.subscribe("w");
  return { pair, watcher, client: pair.connect({ will: will(), ...init }) };
}

/** A CONNECT whose session stays that long, with a will that waits. */
function delayed(willDelayInterval: number, sessionExpiryInterval: number): ConnectInit {
  return {
    cleanStart: false,
    properties: { sessionExpiryInterval },
    will: will({}, { willDelayInterval }),
  };
}

/** Fails unless the will comes exactly when `ms` have gone by, and only once. */
function assertComesAfter(pair: Pair, watcher: StubClient, ms: number): void {
  if (ms > 0) {
    pair.advance(ms - 1);
    watcher.assertSilent();
    pair.advance(1);
  }
  assertEquals(watcher.takeTexts(), ["bye"]);
  pair.advance(3_600_000);
  watcher.assertSilent();
}

describe("a will is published", () => {
  for (const level of LEVELS) {
    test(`[MQTT-3.1.2-7] [MQTT-3.1.2-8] [MQTT-3.1.2-10] [MQTT311-3.1.2-8] [MQTT311-3.1.2-10] once, when the network fails, level ${level}`, () => {
      const { pair, watcher, client } = open({ level });
      watcher.assertSilent();
      client.lose();
      assertComesAfter(pair, watcher, 0);
    });

    test(`[MQTT-3.1.2-8] [MQTT311-3.1.2-8] when the Client closes without DISCONNECT, level ${level}`, () => {
      const { pair, watcher, client } = open({ level });
      client.transport.close();
      pair.settle();
      assertComesAfter(pair, watcher, 0);
    });

    test(`[MQTT-3.1.2-8] [MQTT-3.1.2-22] [MQTT311-3.1.2-24] when the Client is silent for too long, level ${level}`, () => {
      const { pair, watcher } = open({ level, keepAlive: 10 });
      assertComesAfter(pair, watcher, 15_000);
    });

    test(`[MQTT-3.1.2-8] [MQTT311-3.1.2-8] when the Server closes because of an error, level ${level}`, () => {
      const { pair, watcher, client } = open({ level });
      client.connect({ level });
      assertComesAfter(pair, watcher, 0);
    });

    test(`[MQTT-3.1.2-8] when another connection takes over, whether the session goes on or not, level ${level}`, () => {
      for (const cleanStart of [true, false]) {
        const { pair, watcher } = open({ level, cleanStart });
        const again = pair.connect({ level, cleanStart, will: will({ payload: new Uint8Array([0x32]) }) });
        assertComesAfter(pair, watcher, 0);
        again.lose();
        assertEquals(watcher.takeTexts(), ["2"]);
      }
    });

    test(`[MQTT-3.14.4-3] [MQTT-3.1.2-10] [MQTT311-3.14.4-3] [MQTT311-3.1.2-10] never after DISCONNECT, level ${level}`, () => {
      const { pair, watcher, client } = open({ level, cleanStart: false });
      client.disconnect();
      pair.advance(3_600_000);
      pair.connect({ level, cleanStart: true }).lose();
      watcher.assertSilent();
    });

    test(`[MQTT311-3.1.2-12] never on a connection without one, level ${level}`, () => {
      const { pair, watcher, client } = open({ level, cleanStart: false });
      client.disconnect();
      const second = pair.connect({ level, cleanStart: false });
      second.lose();
      pair.advance(3_600_000);
      watcher.assertSilent();
    });

    test(`[MQTT311-3.14.1-1] [MQTT-3.14.1-1] a DISCONNECT with flags is none, level ${level}`, () => {
      const { pair, watcher, client } = open({ level });
      client.raw(0xe1, 0);
      if (level === 5) assertEnded(client, 0x81, "MQTT-3.14.1-1");
      assertComesAfter(pair, watcher, 0);
    });
  }

  for (const code of [0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x97, 0x98]) {
    test(`[MQTT-3.1.2-8] by DISCONNECT 0x${code.toString(16)}`, () => {
      const { pair, watcher, client } = open({});
      client.disconnect(code);
      assertComesAfter(pair, watcher, 0);
    });
  }

  test("when the owner ends the connection or shuts down", () => {
    for (const end of [(pair: Pair) => pair.broker.disconnect("stub", policy, pair.now), shutdown]) {
      const { pair, client } = open({ will: will({ retain: true }) });
      end(pair);
      pair.settle();
      assertEquals([client.over, pair.broker.stats.retainedMessages], [true, 1]);
    }
  });

  test("never after a refused CONNECT", () => {
    const authenticate = (
      { clientId }: { clientId: string },
    ) => ({ code: clientId === "bad" ? 0x87 : 0 } as const);
    const { pair, watcher, client } = open({}, { authenticate });
    client.disconnect();
    const refused = pair.open();
    refused.connect({ clientId: "bad", will: will() });
    pair.advance(3_600_000);
    watcher.assertSilent();
  });
});

const policy = { code: 0x98, rule: "policy/administrative", message: "Go" } as const;

function shutdown(pair: Pair): void {
  pair.broker.shutdown(pair.now);
}

describe("Will Delay Interval", () => {
  test("[MQTT-3.1.2-8] [MQTT-3.1.2-10] the will waits for it, and comes once", () => {
    const { pair, watcher, client } = open(delayed(10, 60));
    client.lose();
    assertComesAfter(pair, watcher, 10_000);
  });

  test("[MQTT-3.1.2-8] the end of the session comes first if the interval is longer", () => {
    for (const willDelay of [60, 61, 0xffff_ffff]) {
      const { pair, watcher, client } = open(delayed(willDelay, 60));
      client.lose();
      assertComesAfter(pair, watcher, 60_000);
      assertEquals([...pair.broker.clientIds()], ["watcher"]);
    }
  });

  test("[MQTT-3.1.2-8] a session that ends with its connection does not wait", () => {
    const { pair, watcher, client } = open(delayed(10, 0));
    client.lose();
    assertComesAfter(pair, watcher, 0);
  });

  test("[MQTT-3.1.2-8] DISCONNECT 0x04 that ends the session does not wait, one that does not ends waits", () => {
    const ending = open(delayed(10, 60));
    ending.client.disconnect(4, { sessionExpiryInterval: 0 });
    assertComesAfter(ending.pair, ending.watcher, 0);
    const shorter = open(delayed(10, 60));
    shorter.client.disconnect(4, { sessionExpiryInterval: 5 });
    assertComesAfter(shorter.pair, shorter.watcher, 5_000);
    const same = open(delayed(10, 60));
    same.client.disconnect(4);
    assertComesAfter(same.pair, same.watcher, 10_000);
  });

  test("[MQTT-3.1.3-9] a Client that comes back in time has its will not sent", () => {
    const { pair, watcher, client } = open(delayed(10, 60));
    client.lose();
    pair.advance(9_999);
    const other = will({ payload: new Uint8Array([0x32]) }, { willDelayInterval: 10 });
    const again = pair.connect({ ...delayed(10, 60), will: other });
    pair.advance(3_600_000);
    watcher.assertSilent();
    again.lose();
    pair.advance(9_999);
    watcher.assertSilent();
    pair.advance(1);
    assertEquals(watcher.takeTexts(), ["2"]);
  });

  test("[MQTT-3.1.3-9] so it is with a takeover, whose DISCONNECT then is all that happens", () => {
    const { pair, watcher, client } = open(delayed(10, 60));
    pair.connect({ cleanStart: false });
    assertEnded(client, 0x8e, "MQTT-3.1.4-3");
    pair.advance(3_600_000);
    watcher.assertSilent();
  });

  test("[MQTT-3.1.2-8] Clean Start ends the session, so the will of the old one is sent", () => {
    const takeover = open(delayed(10, 60));
    takeover.pair.connect({ cleanStart: true });
    assertComesAfter(takeover.pair, takeover.watcher, 0);
    const later = open(delayed(10, 60));
    later.client.lose();
    later.pair.advance(5_000);
    later.watcher.assertSilent();
    later.pair.connect({ cleanStart: true });
    assertComesAfter(later.pair, later.watcher, 0);
  });

  test("[MQTT-3.1.2-8] a Client that comes back too late finds it sent, even if the clock was not told in time", () => {
    const { pair, watcher, client } = open(delayed(10, 60));
    client.lose();
    pair.now += 10_000;
    pair.connect({ cleanStart: false });
    assertComesAfter(pair, watcher, 0);
  });

  test("a second loss does not bring the will of the first back", () => {
    const { pair, watcher, client } = open(delayed(10, 60));
    client.lose();
    const second = pair.connect({ cleanStart: false, properties: { sessionExpiryInterval: 60 } });
    second.lose();
    pair.advance(3_600_000);
    watcher.assertSilent();
  });
});

describe("the message", () => {
  function published(init: Partial<Will>, properties?: WillProperties): Publish | undefined {
    const { watcher, client } = open({ will: will(init, properties) }, {
      limits: { connectBytesMax: 100_000 },
    });
    client.lose();
    return watcher.takePublishes()[0];
  }

  test("[MQTT-3.1.3-10] has the properties of CONNECT, User Properties in their order, but no delay", () => {
    const properties = {
      payloadFormatIndicator: 1,
      contentType: "text/plain",
      responseTopic: "answer",
      correlationData: new Uint8Array([1, 2]),
      userProperties: [["b", "1"], ["a", "2"], ["b", "1"], ["a", "0"]],
    } as const;
    assertEquals(published({}, properties)?.properties, properties);
    assertEquals(published({}, { ...properties, willDelayInterval: 5 })?.properties, properties);
    assertEquals(published({})?.properties, undefined);
  });

  test("has its QoS", () => {
    for (const qos of [0, 1, 2] as const) assertEquals(published({ qos })?.qos, qos);
  });

  test("may be empty, or 65535 bytes", () => {
    for (const length of [0, 1, 65_535]) {
      assertEquals(published({ payload: new Uint8Array(length).fill(7) })?.payload.length, length);
    }
  });

  for (const level of LEVELS) {
    test(`[MQTT-3.1.2-14] [MQTT311-3.1.2-16] without Will Retain a later subscriber does not find it, level ${level}`, () => {
      const { pair, watcher, client } = open({ level });
      client.lose();
      assertEquals(watcher.takePublishes().map(({ retain }) => retain), [false]);
      const late = pair.connect({ clientId: "late" });
      late.subscribe("w");
      late.assertSilent();
    });

    test(`[MQTT-3.1.2-15] [MQTT311-3.1.2-17] with Will Retain it does, level ${level}`, () => {
      const { pair, watcher, client } = open({ level, will: will({ retain: true, qos: 1 }) });
      client.lose();
      assertEquals(watcher.takePublishes().map(({ retain }) => retain), [false]);
      const late = pair.connect({ clientId: "late" });
      late.subscribe("w");
      assertEquals(late.takePublishes().map(({ retain, qos }) => [retain, qos]), [[true, 1]]);
    });
  }

  test("an empty will with Will Retain removes the retained message", () => {
    const { pair, client } = open({ will: will({ retain: true, payload: new Uint8Array() }) });
    pair.broker.publish({ topic: "w", payload: "old", retain: true }, pair.now);
    client.lose();
    assertEquals(pair.broker.stats.retainedMessages, 0);
  });

  test("Message Expiry Interval counts from the publication, not from CONNECT", () => {
    const pair = new Pair();
    const away = { clientId: "away", cleanStart: false, properties: { sessionExpiryInterval: 0xffff_ffff } };
    const first = pair.connect(away);
    first.subscribe("w");
    first.lose();
    const client = pair.connect({
      cleanStart: false,
      properties: { sessionExpiryInterval: 600 },
      will: will({ qos: 1 }, { willDelayInterval: 100, messageExpiryInterval: 50 }),
    });
    pair.advance(1_000_000);
    client.lose();
    pair.advance(100_000 + 20_000);
    const second = pair.connect(away);
    assertEquals(second.takePublishes().map(({ properties }) => properties?.messageExpiryInterval), [30]);
    second.lose();
    pair.advance(31_000);
    assertEquals(pair.connect(away).takePublishes().length, 1); // was sent, so it is sent again
  });

  test("Message Expiry Interval of one nobody fetched in time", () => {
    const pair = new Pair();
    const away = { clientId: "away", cleanStart: false, properties: { sessionExpiryInterval: 0xffff_ffff } };
    const first = pair.connect(away);
    first.subscribe("w");
    first.lose();
    pair.connect({ will: will({ qos: 1 }, { messageExpiryInterval: 50 }) }).lose();
    pair.advance(50_000);
    pair.connect(away).assertSilent();
  });

  test("[MQTT-3.8.3-3] No Local keeps it from its own session, which may get it later otherwise", () => {
    for (const noLocal of [true, false]) {
      const { pair, watcher, client } = open({
        ...delayed(10, 60),
        will: will({ qos: 1 }, { willDelayInterval: 10 }),
      });
      client.subscribe({ filter: "w", qos: 1, noLocal });
      client.lose();
      pair.advance(20_000);
      assertEquals(watcher.takeTexts(), ["bye"]);
      const again = pair.connect({ cleanStart: false });
      assertEquals(again.takeTexts(), noLocal ? [] : ["bye"]);
    }
  });

  test("of a Client at level 4 reaches one at level 5, and the other way round", () => {
    for (const [from, to] of [[4, 5], [5, 4]] as const) {
      const pair = new Pair();
      const watcher = pair.connect({ clientId: "watcher", level: to });
      watcher.subscribe("w");
      pair.connect({ level: from, will: will({ qos: 1 }) }).lose();
      const { topic, qos, payload } = watcher.take(PacketType.PUBLISH);
      assertEquals([topic, qos, new TextDecoder().decode(payload)], ["w", 1, "bye"]);
    }
  });
});
