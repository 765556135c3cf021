/** §3.14, §4.13 How connections end, from both sides. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { Rule } from "../codec/error.ts";
import { encodePacket } from "../codec/encode.ts";
import type { ProtocolLevel } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { assertClosed, assertEnded, Told } from "../testing/assertions.ts";
import { bytesOf, frame, properties, utf8 } from "../testing/frame.ts";
import { Pair } from "../testing/pair.ts";
import type { Transport } from "../transport/transport.ts";

const LEVELS: readonly ProtocolLevel[] = [3, 4, 5];
const SESSION_EXPIRY = 0x11;
const SERVER_REFERENCE = 0x1c;
const GO = { code: 0x98, rule: "policy/administrative", message: "Go away" } as const;

function open(level: ProtocolLevel = 5) {
  const told = new Told();
  const pair = new Pair({ hooks: told.hooks });
  return { told, pair, client: pair.connect({ level }) };
}

describe("DISCONNECT from the Client", () => {
  for (const level of LEVELS) {
    test(`ends the connection without a word, level ${level}`, () => {
      const { told, pair, client } = open(level);
      client.send({ type: PacketType.DISCONNECT, reasonCode: 0 });
      assertClosed(client);
      assertEquals(told.ends, [{ clientId: "stub", clean: true, refusal: undefined }]);
      pair.assertEmpty();
    });

    test(`[MQTT-3.14.1-1] [MQTT311-3.14.1-1] with flags it is malformed, level ${level}`, () => {
      for (const flags of [1, 2, 4, 8]) {
        const { told, client } = open(level);
        client.raw(0xe0 | flags, 0);
        if (level === 5) assertEnded(client, 0x81, "MQTT-3.14.1-1");
        else assertClosed(client);
        told.assertEnded("stub", 0x81, "MQTT-3.14.1-1");
      }
    });

    test(`[MQTT311-3.14.4-2] what stands behind it is not read, level ${level}`, () => {
      const { pair, client } = open(level);
      const watcher = pair.connect({ clientId: "watcher" });
      watcher.subscribe("#");
      const late = { type: PacketType.PUBLISH, dup: false, qos: 0, retain: false, topic: "t" } as const;
      client.write(bytesOf([0xe0, 0], encodePacket({ ...late, payload: new Uint8Array() }, level)));
      assertClosed(client);
      watcher.assertSilent();
    });
  }

  test("the Session Expiry Interval that CONNECT asked for counts, not the limit it was cut down to", () => {
    const told = new Told();
    const pair = new Pair({ hooks: told.hooks, limits: { sessionExpirySecondsMax: 0 } });
    const will = { topic: "w", payload: new Uint8Array(), qos: 0, retain: false } as const;
    const watcher = pair.connect({ clientId: "watcher" });
    watcher.subscribe("w");
    const client = pair.connect({ will, properties: { sessionExpiryInterval: 100 } });
    assertEquals(client.connack?.properties?.sessionExpiryInterval, 0);
    client.disconnect(0, { sessionExpiryInterval: 50 });
    assertClosed(client);
    assertEquals(told.ends, [{ clientId: "stub", clean: true, refusal: undefined }]);
    watcher.assertSilent();
    watcher.disconnect();
    pair.assertEmpty();
  });

  test("[3.14.2.2.2/expiry-from-zero] it may not begin a session that was to end: it then counts as none", () => {
    for (const given of [1, 0xffff_ffff]) {
      const { told, pair, client } = open();
      client.send({
        type: PacketType.DISCONNECT,
        reasonCode: 0,
        properties: { sessionExpiryInterval: given },
      });
      assertEnded(client, 0x82, "3.14.2.2.2/expiry-from-zero");
      told.assertEnded("stub", 0x82, "3.14.2.2.2/expiry-from-zero");
      pair.assertEmpty();
    }
    const { client } = open();
    client.send({ type: PacketType.DISCONNECT, reasonCode: 0, properties: { sessionExpiryInterval: 0 } });
    assertClosed(client);
  });

  const malformed: [string, number, Rule, Uint8Array][] = [
    ["an unknown code", 0x82, "MQTT-3.14.2-1", frame(0xe0, 0x55, properties())],
    ["a code that only a Server sends", 0x82, "2.4/reason-code", frame(0xe0, 0x8e, properties())],
    [
      "a Server Reference",
      0x82,
      "3.14.2.2.5/from-client",
      frame(0xe0, 0, properties([SERVER_REFERENCE], utf8("b"))),
    ],
    [
      "two Session Expiry Intervals",
      0x82,
      "3.14.2.2.2/twice",
      frame(0xe0, 0, properties([SESSION_EXPIRY, 0, 0, 0, 0], [SESSION_EXPIRY, 0, 0, 0, 0])),
    ],
    ["surplus bytes", 0x81, "2.1.4/trailing", frame(0xe0, 0, properties(), [0])],
  ];
  for (const [what, code, rule, bytes] of malformed) {
    test(`[${rule}] [MQTT-4.13.1-1] with ${what} it ends the connection as an error, and the will is published`, () => {
      const told = new Told();
      const pair = new Pair({ hooks: told.hooks });
      const watcher = pair.connect({ clientId: "watcher" });
      watcher.subscribe("w");
      const client = pair.connect({
        will: { topic: "w", payload: new Uint8Array([0x62]), qos: 0, retain: false },
      });
      client.write(bytes);
      assertEnded(client, code, rule);
      told.assertEnded("stub", code, rule);
      assertEquals(watcher.takeTexts(), ["b"]);
    });
  }
});

describe("DISCONNECT from the Server", () => {
  test("[MQTT-3.14.4-1] [MQTT-3.14.4-2] [MQTT-4.13.2-1] is the last packet, then it closes", () => {
    const { told, pair, client } = open();
    client.subscribe("t");
    pair.broker.publish({ topic: "t", payload: "before" }, pair.now);
    assertEquals(pair.broker.disconnect("stub", GO, pair.now), true);
    pair.broker.publish({ topic: "t", payload: "behind" }, pair.now);
    pair.settle();
    assertEquals(client.takeTexts(), ["before"]);
    assertEnded(client, 0x98, "policy/administrative");
    told.assertEnded("stub", 0x98, "policy/administrative");
    pair.assertEmpty();
  });

  test("[MQTT-3.14.4-1] what the Client still sends is not answered", () => {
    const { pair, client } = open();
    pair.broker.disconnect("stub", GO, pair.now);
    client.transport.write(Uint8Array.of(0xc0, 0));
    pair.settle();
    assertEnded(client, 0x98, "policy/administrative");
  });

  test("[MQTT-3.14.2-2] has no Session Expiry Interval", () => {
    const pair = new Pair({ limits: { sessionExpirySecondsMax: 5 } });
    const client = pair.connect({ properties: { sessionExpiryInterval: 60 } });
    pair.broker.disconnect("stub", GO, pair.now);
    const { properties } = assertEnded(client, 0x98, "policy/administrative");
    assertEquals(properties, { reasonString: "policy/administrative: Go away" });
  });

  test("[MQTT-3.14.2-1] [policy/redirected] names another Server", () => {
    for (const code of [0x9c, 0x9d] as const) {
      const { pair, client } = open();
      pair.broker.disconnect("stub", { code, serverReference: "b.example" }, pair.now);
      const { properties } = assertEnded(client, code, "policy/redirected");
      assertEquals(properties?.serverReference, "b.example");
    }
  });

  for (const level of [3, 4] as const) {
    test(`[MQTT-3.14.4-2] is not there at level ${level}: the connection is only closed`, () => {
      const { told, pair, client } = open(level);
      pair.broker.disconnect("stub", GO, pair.now);
      assertClosed(client);
      told.assertEnded("stub", 0x98, "policy/administrative");
    });
  }

  test("goes to nobody who is not connected", () => {
    const { pair, client } = open();
    assertEquals(pair.broker.disconnect("other", GO, pair.now), false);
    client.lose();
    assertEquals(pair.broker.disconnect("stub", GO, pair.now), false);
  });

  test("[MQTT-3.14.2-3] has no Reason String where that would be too large", () => {
    const reason = "policy/administrative: Go away"; // 30 characters
    for (const [maximumPacketSize, expected] of [[37, { reasonString: reason }], [36, undefined]] as const) {
      const pair = new Pair();
      const client = pair.connect({ properties: { maximumPacketSize } });
      pair.broker.disconnect("stub", GO, pair.now);
      const { reasonCode, properties } = client.take(PacketType.DISCONNECT);
      assertEquals([reasonCode, properties], [0x98, expected]);
      assertClosed(client);
    }
  });

  test("[MQTT-4.13.1-1] the Server that shuts down says 0x8B to everybody, and is gone when all have closed", () => {
    const told = new Told();
    const pair = new Pair({ hooks: told.hooks });
    const clients = LEVELS.map((level) => pair.connect({ level, clientId: `${level}` }));
    pair.broker.shutdown(pair.now);
    pair.settle();
    assertClosed(clients[0]!);
    assertClosed(clients[1]!);
    assertEnded(clients[2]!, 0x8b, "limit/unavailable");
    assertEquals(told.ends.map(({ clientId, refusal }) => [clientId, refusal?.rule]), [
      ["3", "limit/unavailable"],
      ["4", "limit/unavailable"],
      ["5", "limit/unavailable"],
    ]);
    pair.assertEmpty();
  });
});

describe("errors of the Client", () => {
  const errors: [string, number, Rule, readonly number[]][] = [
    ["a packet of type 0", 0x81, "2.1.2/reserved-type", [0, 0]],
    ["CONNACK", 0x82, "3.1.0/direction", [0x20, 3, 0, 0, 0]],
    ["PINGRESP", 0x82, "3.1.0/direction", [0xd0, 0]],
    ["SUBACK", 0x82, "3.1.0/direction", [0x90, 4, 0, 1, 0, 0]],
    ["SUBSCRIBE without a filter", 0x82, "MQTT-3.8.3-2", [0x82, 3, 0, 1, 0]],
    ["PUBREL with other flags", 0x81, "MQTT-3.6.1-1", [0x60, 2, 0, 1]],
    ["PUBLISH of QoS 3", 0x81, "MQTT-3.3.1-4", [0x36, 6, 0, 1, 0x61, 0, 1, 0]],
    ["a Remaining Length of five bytes", 0x81, "1.5.5/fifth-byte", [0x30, 0x80, 0x80, 0x80, 0x80, 1]],
    ["AUTH without a method", 0x82, "MQTT-4.12.0-7", [0xf0, 0]],
  ];
  for (const [what, code, rule, bytes] of errors) {
    test(`[MQTT-4.13.1-1] [${rule}] ${what}: DISCONNECT says which, and nobody else is hurt`, () => {
      const { told, pair, client } = open();
      const other = pair.connect({ clientId: "other" });
      client.write(bytesOf([0xc0, 0], [...bytes], [0xc0, 0]));
      client.take(PacketType.PINGRESP); // what stood before it was served
      assertEnded(client, code, rule);
      told.assertEnded("stub", code, rule);
      other.assertSilent();
    });
  }

  for (const level of [3, 4] as const) {
    test(`[MQTT311-4.8.0-1] below level 5 the connection is closed, level ${level}`, () => {
      for (const bytes of [[0xd0, 0], [0, 0], [0x36, 5, 0, 1, 0x61, 0, 1], [0xf0, 0], [0x60, 2, 0, 1]]) {
        const { told, client } = open(level);
        client.raw(...bytes);
        assertClosed(client);
        assertEquals(told.ends.length, 1);
        assertEquals(told.ends[0]?.refusal !== undefined, true);
      }
    });
  }

  test("a network that fails is nobody's fault", () => {
    const { told, pair, client } = open();
    client.lose();
    assertEquals(told.ends, [{ clientId: "stub", clean: false, refusal: undefined }]);
    pair.assertEmpty();
  });
});

test("[limit/close-timeout] closeTimeoutMs: a peer that does not close in time is cut off, and the owner is told", () => {
  const told = new Told();
  const pair = new Pair({ hooks: told.hooks, limits: { closeTimeoutMs: 2_000 } });
  const client = pair.connect();
  client.transport.pause(); // so it never learns that we have closed
  const { label } = pair.serverEnd(client).transport;
  pair.broker.disconnect("stub", GO, pair.now);
  pair.advance(1_999);
  assertEquals([pair.broker.connections, told.limits], [1, []]);
  pair.advance(1);
  assertEquals(told.limits, [{ limit: "closeTimeoutMs", who: label }]);
  pair.assertEmpty();
});

test("a transport that throws is cut off, the owner is told, and nobody else is hurt", () => {
  const told = new Told();
  const pair = new Pair({ hooks: told.hooks });
  const other = pair.connect({ clientId: "other" });
  let aborts = 0;
  const nothing = () => {};
  const transport: Transport = {
    label: "broken",
    start: nothing,
    pause: nothing,
    resume: nothing,
    close: nothing,
    write() {
      throw new Error("broken pipe");
    },
    abort: () => void aborts++,
  };
  const peer = { address: "192.0.2.9", port: 1, transport: "tcp" } as const;
  const connection = pair.broker.opened(transport, peer, pair.now);
  // CONNECT with a reserved flag, which CONNACK would refuse.
  connection.received(frame(0x10, utf8("MQTT"), [5, 1, 0, 0, 0], utf8("")), pair.now);
  assertEquals([aborts, pair.broker.connections], [1, 1]);
  assertEquals(told.failures.map(String), ["Error: broken pipe"]);
  connection.closed(pair.now);
  assertEquals(pair.broker.connections, 1);
  other.assertSilent();
});
