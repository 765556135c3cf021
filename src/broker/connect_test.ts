/** §3.1 CONNECT on the Server: who comes in, who does not, and what is said about it. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { Rule } from "../codec/error.ts";
import { encodePacket } from "../codec/encode.ts";
import type { Connect, ProtocolLevel } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { assertClosed, assertEnded, assertNotAccepted, Told } from "../testing/assertions.ts";
import { bytesOf, frame, properties, utf8 } from "../testing/frame.ts";
import { Pair } from "../testing/pair.ts";

const LEVELS: readonly ProtocolLevel[] = [3, 4, 5];
const CONNECT = 0x10;
const CLEAN = 0x02;

/** A CONNECT by hand, Client Identifier "c". */
function connectFrame(name: string, version: number, flags = CLEAN, ...tail: number[][]): Uint8Array {
  const none = version === 5 ? properties() : [];
  return frame(CONNECT, utf8(name), version, flags, [0, 0], none, utf8("c"), ...tail);
}

function packetOf(init: Partial<Connect> = {}): Connect {
  return { type: PacketType.CONNECT, level: 5, cleanStart: true, keepAlive: 0, clientId: "c", ...init };
}

describe("the first packet", () => {
  const others = {
    PINGREQ: [0xc0, 0],
    DISCONNECT: [0xe0, 0],
    AUTH: [0xf0, 0],
    PUBLISH: [0x30, 3, 0, 1, 0x61],
  };
  for (const [name, bytes] of Object.entries(others)) {
    test(`[MQTT-3.1.0-1] [MQTT-3.14.0-1] [MQTT311-3.1.0-1] ${name} in place of CONNECT is not answered but by the close`, () => {
      const told = new Told();
      const pair = new Pair({ hooks: told.hooks });
      const client = pair.open(5);
      client.raw(...bytes);
      assertClosed(client);
      told.assertRefused(0x82, "MQTT-3.1.0-1");
      pair.assertEmpty();
    });
  }

  test("[MQTT-3.1.4-6] what stands behind a first packet that is no CONNECT is not read, even a CONNECT", () => {
    const told = new Told();
    const pair = new Pair({ hooks: told.hooks });
    const client = pair.open(5);
    client.write(bytesOf([0xc0, 0], encodePacket(packetOf(), 5)));
    assertClosed(client);
    assertEquals(told.connects, []);
  });

  for (const level of LEVELS) {
    test(`[MQTT-3.1.0-2] [MQTT311-3.1.0-2] [MQTT-4.13.1-1] a second CONNECT ends the connection, level ${level}`, () => {
      const told = new Told();
      const pair = new Pair({ hooks: told.hooks });
      const client = pair.connect({ level });
      client.connect({ level });
      if (level === 5) assertEnded(client, 0x82, "MQTT-3.1.0-2");
      else assertClosed(client);
      told.assertEnded("stub", 0x82, "MQTT-3.1.0-2");
      pair.assertEmpty();
    });
  }
});

describe("protocol name and version", () => {
  /** Name, version, and the bytes of the answer: its level depends on what could be read. */
  const names: [string, number, ProtocolLevel, number][] = [
    ["mqtt", 5, 5, 0x84],
    ["MQTT\u0000".slice(0, 3) + "S", 5, 5, 0x84],
    ["MQTTT", 5, 4, 1],
    ["", 4, 4, 1],
    ["MQIsdp", 4, 4, 1],
    ["MQIsdp", 5, 4, 1],
    ["MQISDP", 3, 4, 1],
  ];
  for (const [name, version, level, code] of names) {
    test(`[MQTT-3.1.2-1] [MQTT311-3.1.2-1] no protocol is called ${JSON.stringify(name)} with version ${version}`, () => {
      const told = new Told();
      const client = new Pair({ hooks: told.hooks }).open(level);
      client.write(connectFrame(name, version));
      assertNotAccepted(client, code, "MQTT-3.1.2-1");
      told.assertRefused(0x84, "MQTT-3.1.2-1");
    });
  }

  for (const version of [0, 1, 2, 3, 6, 7, 127, 0x83, 0x85, 0xff]) {
    test(`[MQTT-3.1.2-2] [MQTT311-3.1.2-2] version ${version} of "MQTT" is refused in words its Client knows`, () => {
      const told = new Told();
      const level = version > 5 && version < 0x80 ? 5 : 4;
      const client = new Pair({ hooks: told.hooks }).open(level);
      client.write(connectFrame("MQTT", version));
      assertNotAccepted(client, level === 5 ? 0x84 : 1, "MQTT-3.1.2-2");
      told.assertRefused(0x84, "MQTT-3.1.2-2");
    });
  }

  test("[MQTT-3.1.2-1] MQTT 3.1 is served: MQIsdp 3, without Session Present even where there is a session", () => {
    const pair = new Pair();
    pair.connect({ level: 3, cleanStart: false }).lose();
    const client = pair.connect({ level: 3, cleanStart: false });
    assertEquals(client.connack?.sessionPresent, false);
    client.assertSilent();
  });

  for (const [name, level] of [["MQIsdp", 3], ["MQTT", 4]] as const) {
    test(`a bridge of level ${level} sets bit 7 of the version and is served`, () => {
      const pair = new Pair();
      const client = pair.open(level);
      client.write(connectFrame(name, level | 0x80));
      assertEquals(client.take(PacketType.CONNACK).reasonCode, 0);
      assertEquals(client.subscribe("t"), [2]);
      pair.connect({ clientId: "other" }).publish({ topic: "t", payload: "x" });
      assertEquals(client.takeTexts(), ["x"]);
    });
  }
});

describe("a CONNECT that is malformed", () => {
  const cases: [string, Rule, (version: number) => Uint8Array][] = [
    ["reserved flag", "MQTT-3.1.2-3", (version) => connectFrame("MQTT", version, CLEAN | 1)],
    ["Will QoS without Will Flag", "MQTT-3.1.2-11", (version) => connectFrame("MQTT", version, CLEAN | 8)],
    [
      "Will Retain without Will Flag",
      "MQTT-3.1.2-13",
      (version) => connectFrame("MQTT", version, CLEAN | 0x20),
    ],
    ["Will QoS 3", "MQTT-3.1.2-12", (version) => connectFrame("MQTT", version, CLEAN | 0x1c)],
    ["no will where one is announced", "MQTT-3.1.2-9", (version) => connectFrame("MQTT", version, CLEAN | 4)],
    ["no User Name", "MQTT-3.1.2-17", (version) => connectFrame("MQTT", version, CLEAN | 0x80)],
    ["surplus bytes", "2.1.4/trailing", (version) => connectFrame("MQTT", version, CLEAN, utf8("user"))],
    [
      "flags in the fixed header",
      "MQTT-2.1.3-1",
      (version) => frame(CONNECT | 1, connectFrame("MQTT", version).subarray(2)),
    ],
  ];
  test("[MQTT-2.1.3-1] where TLS is spoken to a listener without, the owner is told so", () => {
    const refusals: string[] = [];
    const pair = new Pair({ hooks: { refused: (_, { message }) => void refusals.push(message) } });
    pair.open(5).write(Uint8Array.of(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3));
    assertEquals(refusals, ["Fixed header flags 0110: TLS begins so, and this listener is without TLS"]);
    pair.assertEmpty();
  });

  for (const [what, rule, bytes] of cases) {
    test(`[MQTT-3.1.4-1] [${rule}] [MQTT-3.1.4-6] ${what}: CONNACK 0x81 at level 5, and nothing behind it counts`, () => {
      const told = new Told();
      const pair = new Pair({ hooks: told.hooks });
      const client = pair.open(5);
      client.write(bytesOf(bytes(5), connectFrame("MQTT", 5)));
      assertNotAccepted(client, 0x81, rule);
      told.assertRefused(0x81, rule);
      assertEquals(told.connects, []);
      pair.assertEmpty();
    });

    test(`[MQTT311-3.1.4-1] [${rule}] ${what}: closed without CONNACK at level 4`, () => {
      const told = new Told();
      const client = new Pair({ hooks: told.hooks }).open(4);
      client.write(bytes(4));
      assertClosed(client);
      told.assertRefused(0x81, rule);
    });
  }

  test("[MQTT311-3.1.2-22] a password without a user name is for level 5 only", () => {
    const told = new Told();
    const pair = new Pair({ hooks: told.hooks });
    const client = pair.open(4);
    client.write(connectFrame("MQTT", 4, CLEAN | 0x40, utf8("secret")));
    assertClosed(client);
    told.assertRefused(0x81, "MQTT311-3.1.2-22");
    pair.connect({ password: new Uint8Array(3) }).assertSilent();
  });

  test("[3.1.3.3/wildcard] [MQTT-4.13.1-1] a will to a Topic Filter is refused with 0x90", () => {
    const client = new Pair().open(5);
    client.write(connectFrame("MQTT", 5, CLEAN | 4, properties(), utf8("a/#"), utf8("bye")));
    assertNotAccepted(client, 0x90, "3.1.3.3/wildcard");
  });
});

describe("Client Identifiers", () => {
  const letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const ids = [
    "0",
    "Z",
    letters.slice(0, 23),
    letters.slice(23, 46),
    letters.slice(39),
    letters,
    "a/+#$ü\uFEFF",
  ];
  for (const level of LEVELS) {
    test(`[MQTT-3.1.3-5] [MQTT311-3.1.3-5] 1 to 23 letters and digits are taken, and anything longer, level ${level}`, () => {
      const pair = new Pair({ limits: { nameBytesMax: 65_535, connectBytesMax: 100_000 } });
      for (const clientId of [...ids, "x".repeat(65_535)]) {
        pair.connect({ level, clientId }).assertSilent();
        assert(pair.broker.session(clientId) !== undefined);
      }
    });
  }

  test("[MQTT-3.1.3-6] [MQTT-3.2.2-16] [MQTT311-3.1.3-6] Clients without an identifier get one each", () => {
    const pair = new Pair();
    const four = pair.connect({ level: 4, clientId: "" });
    const clients = [0, 1, 2].map(() => pair.connect({ clientId: "", cleanStart: false }));
    const ids = clients.map(({ connack }) => connack?.properties?.assignedClientIdentifier ?? "");
    assertEquals(new Set([...ids, ""]).size, 4);
    assertEquals(pair.broker.stats.sessions, 4);
    for (const id of ids) assert(pair.broker.session(id)?.isConnected);
    for (const client of [four, ...clients]) client.assertSilent();
  });

  test("[MQTT-3.2.2-16] it is made of four random numbers, and of four others if a Client has that one", () => {
    const numbers = [7, 7, 0, 1, 35, 0xffff_ffff, 0, 1, 35, 0xffff_ffff, 36, 2, 3, 4];
    const pair = new Pair({ random: () => numbers.shift()! }); // the first two are for tables of the Server
    const ids = [1, 2].map(() =>
      pair.connect({ clientId: "" }).connack?.properties?.assignedClientIdentifier
    );
    assertEquals(ids, ["auto-00000000000001000000z1z141z3", "auto-0000010000000200000030000004"]);
    assertEquals(numbers, []);
  });

  test("[MQTT-3.1.3-7] the assigned identifier is the Client's own from then on", () => {
    const pair = new Pair();
    const first = pair.connect({ clientId: "", properties: { sessionExpiryInterval: 60 } });
    const clientId = first.connack?.properties?.assignedClientIdentifier ?? "";
    first.subscribe("t");
    first.lose();
    const again = pair.connect({ clientId, cleanStart: false });
    assertEquals(again.connack?.sessionPresent, true);
    assertEquals(again.connack?.properties?.assignedClientIdentifier, undefined);
  });

  test("[MQTT311-3.1.3-8] [MQTT311-3.1.3-9] no identifier with Clean Session 0 is code 2 at level 4", () => {
    const told = new Told();
    const client = new Pair({ hooks: told.hooks }).open(4);
    client.write(frame(CONNECT, utf8("MQTT"), 4, 0, [0, 0], utf8("")));
    assertNotAccepted(client, 2, "MQTT311-3.1.3-8");
    told.assertRefused(0x85, "MQTT311-3.1.3-8");
  });

  test("[3.1.3.1/level-3-empty] no identifier is code 2 at level 3, whatever Clean Session says", () => {
    const told = new Told();
    const client = new Pair({ hooks: told.hooks }).open(3);
    client.write(frame(CONNECT, utf8("MQIsdp"), 3, CLEAN, [0, 0], utf8("")));
    assertNotAccepted(client, 2, "3.1.3.1/level-3-empty");
    told.assertRefused(0x85, "3.1.3.1/level-3-empty");
  });

  test("[MQTT-3.1.3-8] [MQTT311-3.1.3-9] an owner may refuse an identifier", () => {
    for (const level of LEVELS) {
      const pair = new Pair({ authenticate: ({ clientId }) => ({ code: clientId === "bad" ? 0x85 : 0 }) });
      const client = pair.open(level);
      client.connect({ clientId: "bad" });
      assertNotAccepted(client, level === 5 ? 0x85 : 2, "MQTT-3.1.3-8");
      pair.connect({ level, clientId: "good" }).assertSilent();
    }
  });

  for (const level of LEVELS) {
    test(`[MQTT-3.1.4-3] [MQTT311-3.1.4-2] a second connection of a Client ends the first with 0x8E, level ${level}`, () => {
      const told = new Told();
      const pair = new Pair({ hooks: told.hooks });
      const first = pair.connect({ level });
      const other = pair.connect({ level, clientId: "other" });
      const second = pair.connect({ level });
      if (level === 5) assertEnded(first, 0x8e, "MQTT-3.1.4-3");
      else assertClosed(first);
      told.assertEnded("stub", 0x8e, "MQTT-3.1.4-3");
      second.assertSilent();
      other.assertSilent();
      assertEquals([pair.broker.stats.connected, pair.broker.stats.sessions], [2, 2]);
    });
  }

  test("[MQTT-3.1.3-2] [MQTT311-3.1.3-2] identifiers are compared byte by byte", () => {
    const pair = new Pair();
    const clients = ["a", "A", "a ", "\uFEFFa"].map((clientId) => pair.connect({ clientId }));
    for (const client of clients) client.assertSilent();
    assertEquals(pair.broker.stats.connected, 4);
  });
});

test("[MQTT-3.1.4-5] [MQTT-3.2.0-1] [MQTT-3.2.0-2] [MQTT311-3.1.4-4] [MQTT311-3.2.0-1] CONNACK comes first and once", () => {
  for (const level of LEVELS) {
    const pair = new Pair();
    pair.broker.publish({ topic: "t", payload: "kept", retain: true }, pair.now);
    const client = pair.open(level);
    const subscriptions = [{
      filter: "t",
      qos: 0,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0,
    }];
    client.write(bytesOf(
      encodePacket(packetOf({ level }), level),
      encodePacket({ type: PacketType.SUBSCRIBE, packetId: 1, subscriptions } as never, level),
      encodePacket({ type: PacketType.PINGREQ }, level),
    ));
    const { CONNACK, SUBACK, PUBLISH, PINGRESP } = PacketType;
    assertEquals(client.inbox.map(({ type }) => type), [CONNACK, SUBACK, PUBLISH, PINGRESP]);
  }
});
