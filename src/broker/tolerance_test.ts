/** Clients that break the standard in a way that their listener tolerates: served there, refused everywhere else. @module */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { UsageError } from "../codec/error.ts";
import { type ToleranceName, TOLERANCES } from "../codec/mend.ts";
import type { ProtocolLevel } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { assertClosed, assertEnded, assertNotAccepted } from "../testing/assertions.ts";
import { Hand } from "../testing/by_hand.ts";
import { bytesOf, frame, properties, utf8 } from "../testing/frame.ts";
import { HandStore } from "../testing/hand_store.ts";
import { Pair, type StubClient } from "../testing/pair.ts";
import type { BrokerOptions } from "./options.ts";
import type { Policy } from "./policy.ts";

const NAMES = Object.keys(TOLERANCES) as ToleranceName[];

interface Scene {
  readonly pair: Pair;
  readonly client: StubClient;
  /** Of its listener. */
  readonly policy: Policy;
  /** Every packet that came for it, byte for byte. */
  readonly heard: number[][];
  /** The identifier of each PUBACK. */
  readonly identifiers: number[];
  /** What was tolerated, of whom. */
  readonly told: (readonly [ToleranceName, string, string | undefined])[];
}

/** A Client that has not connected yet, at a listener with this tolerance. */
function come(
  tolerate: readonly ToleranceName[],
  level: ProtocolLevel = 4,
  options: BrokerOptions = {},
): Scene {
  const told: Scene["told"] = [];
  const pair = new Pair({
    ...options,
    hooks: {
      ...options.hooks,
      tolerated: (name, { address }, client) => told.push([name, address, client?.clientId]),
    },
  });
  const policy = pair.broker.policy({ tolerate });
  const client = pair.open(level, {}, {}, policy);
  const heard: number[][] = [];
  const identifiers: number[] = [];
  client.heard = (bytes) => {
    heard.push([...bytes]);
    const id = bytes[2]! << 8 | bytes[3]!;
    if (bytes[0]! >> 4 === PacketType.PUBACK) identifiers.push(id);
    const isAnswer = [PacketType.PUBACK, PacketType.SUBACK, PacketType.UNSUBACK].includes(
      bytes[0]! >> 4 as 4,
    );
    return !isAnswer || id > 0; // the codec decodes none with 0
  };
  return { pair, client, policy, heard, identifiers, told };
}

/** The same, connected. */
function scene(...given: Parameters<typeof come>): Scene {
  const found = come(...given);
  found.client.connect();
  found.client.take(PacketType.CONNACK);
  found.heard.length = 0;
  return found;
}

/** A CONNECT by hand. */
function connect(level: ProtocolLevel, flags: number, ...rest: number[]): Uint8Array {
  return frame(0x10, utf8("MQTT"), level, flags, 0, 0, rest);
}

describe("a tolerance", () => {
  test("that does not exist is a mistake of the owner, who is told which there are", () => {
    const pair = new Pair();
    const tolerate = ["dup-at-qos-1" as "dup-at-qos-0"];
    const { message } = assertThrows(() => pair.broker.policy({ tolerate }), UsageError);
    assertEquals(message, `There is no tolerance "dup-at-qos-1": there are ${NAMES.join(", ")}`);
  });

  test("holds for the listener that has it, and is told of once for each connection", () => {
    const { pair, client, told } = scene(["dup-at-qos-0"]);
    const strict = pair.connect({ clientId: "strict" });
    const wrong = frame(0x38, utf8("t"), 1);
    client.write(bytesOf(wrong, wrong));
    client.assertSilent();
    assertEquals(told, [["dup-at-qos-0", "192.0.2.1", "stub"]]);
    strict.write(wrong);
    assertEnded(strict, 0x81, "MQTT-3.3.1-2");
  });

  test("of one name tolerates nothing else", () => {
    const others = NAMES.filter((name) => name !== "dup-at-qos-0");
    const { client, told } = scene(others, 5);
    client.write(frame(0x38, utf8("t"), 0));
    assertEnded(client, 0x81, "MQTT-3.3.1-2");
    assertEquals(told, []);
  });

  test("does not make a packet right that is wrong besides, and is not told of then", () => {
    const { client, told } = scene(["dup-at-qos-0", "reserved-flags"], 5);
    client.write(frame(0x38, utf8("a/#"), 0));
    assertEnded(client, 0x90, "MQTT-3.3.2-2");
    assertEquals(told, []);
  });

  test("counts for a packet that comes byte by byte, and for one that comes in one chunk with others", () => {
    const { pair, client } = scene(["dup-at-qos-0", "reserved-flags"]);
    const reader = pair.connect({ clientId: "reader" });
    reader.subscribe("t");
    const all = bytesOf(
      frame(0x30, utf8("t"), 0x61),
      frame(0x38, utf8("t"), 0x62),
      frame(0x30, utf8("t"), 0x63),
      [0xc7, 0],
      frame(0x39, utf8("t"), new Uint8Array(200).fill(0x64)),
    );
    client.write(all);
    for (const byte of all) client.raw(byte);
    const texts = ["a", "b", "c", "d".repeat(200)];
    assertEquals(reader.takeTexts(), [...texts, ...texts]);
    assertEquals(client.inbox.splice(0).map(({ type }) => type), [13, 13]);
    client.assertSilent();
  });

  test("counts behind a limit on the rate, and for a packet that is offered again when the authorizer has answered", () => {
    const asked: Hand<0>[] = [];
    const { pair, client, told, identifiers } = scene(["dup-at-qos-0", "packet-identifier-0"], 4, {
      limits: { publishRateMax: 100 },
      authorize: () => {
        const hand = new Hand<0>();
        asked.push(hand);
        return hand.later;
      },
    });
    const got: number[] = [];
    pair.broker.tap("t", ({ view }) => void got.push(view.payloadLength));
    client.write(bytesOf(frame(0x38, utf8("t"), 1), frame(0x32, utf8("t"), 0, 0, 1, 2)));
    for (const expected of [[1], [1, 2]]) {
      assertEquals(asked.length, 1);
      asked.shift()!.answer(0);
      pair.settle();
      assertEquals(got, expected);
    }
    assertEquals(identifiers, [0]);
    assertEquals(told.map(([name]) => name), ["dup-at-qos-0", "packet-identifier-0"]);
  });

  test("stays with the connections that are open when it is taken away, and new ones go without", () => {
    const { pair, policy, client } = scene(["reserved-flags"], 5);
    const strict = pair.broker.policy({});
    pair.broker.reconfigure(strict, new Map([[policy, strict]]), {}, pair.now);
    client.raw(0xc1, 0);
    client.take(PacketType.PINGRESP);
    const next = pair.open(5, {}, {}, strict);
    next.connect({ clientId: "next" });
    next.take(PacketType.CONNACK);
    next.raw(0xc1, 0);
    assertEnded(next, 0x81, "MQTT-2.1.3-1");
  });
});

describe("packet-identifier-0", () => {
  const ZERO = ["packet-identifier-0"] as const;

  test("a PUBLISH of QoS 1 is delivered, and acknowledged under 0, at every level", () => {
    for (const level of [3, 4, 5] as const) {
      const { pair, client, heard, told } = scene(ZERO, level);
      const none = level === 5 ? [0] : [];
      client.write(frame(0x32, utf8("t"), 0, 0, none, 1));
      assertEquals(heard.splice(0), [level === 5 ? [0x40, 3, 0, 0, 0x10] : [0x40, 2, 0, 0]]);
      const reader = pair.connect({ clientId: "reader" });
      reader.subscribe("t");
      client.write(
        bytesOf(frame(0x32, utf8("t"), 0, 0, none, 0x61), frame(0x3a, utf8("t"), 0, 0, none, 0x62)),
      );
      assertEquals(reader.takePublishes().map(({ qos, payload }) => [qos, ...payload]), [[1, 0x61], [
        1,
        0x62,
      ]]);
      assertEquals(heard, [[0x40, 2, 0, 0], [0x40, 2, 0, 0]]);
      assertEquals(told.length, 1);
    }
  });

  test("among other identifiers each has its own answer, in the order of the packets", () => {
    const { pair, client, identifiers } = scene(ZERO);
    pair.connect({ clientId: "reader" }).subscribe("t");
    const ids = [65_535, 0, 65_535, 1, 0, 0, 65_535, 256];
    client.write(bytesOf(...ids.map((id) => frame(0x32, utf8("t"), id >> 8, id & 255, 1))));
    assertEquals(identifiers, ids);
  });

  test("a Client that gets its own message back has the PUBLISH under an identifier of the Server's, and its PUBACK under 0", () => {
    const { client, heard } = scene(ZERO);
    client.subscribe("t");
    heard.length = 0;
    client.write(frame(0x32, utf8("t"), 0, 0, 0x61));
    client.raw(0xc0, 0);
    assertEquals(heard, [[0x32, 6, 0, 1, 0x74, 0, 1, 0x61], [0x40, 2, 0, 0], [0xd0, 0]]);
  });

  test("the answer waits for the disk, as every one", () => {
    const store = new HandStore();
    const { pair, client, heard } = scene(ZERO, 4, { store });
    const reader = pair.connect({ clientId: "reader", level: 4, cleanStart: false });
    reader.subscribe("t");
    store.slow = true;
    client.write(frame(0x32, utf8("t"), 0, 0, 0x61));
    assertEquals(heard, []);
    store.settle();
    pair.settle();
    assertEquals(heard, [[0x40, 2, 0, 0]]);
  });

  test("a refusal at level 5 has its code, without the reason", () => {
    const { client, heard } = scene(ZERO, 5, { authorize: () => 0x87 });
    client.write(frame(0x32, utf8("t"), 0, 0, 0, 1));
    assertEquals(heard, [[0x40, 3, 0, 0, 0x87]]);
  });

  test("SUBSCRIBE and UNSUBSCRIBE are done, and answered under 0", () => {
    for (const level of [4, 5] as const) {
      const { pair, client, heard } = scene(ZERO, level);
      const none = level === 5 ? [0] : [];
      client.write(frame(0x82, 0, 0, none, utf8("t"), 1));
      assertEquals(heard.splice(0), [bytesOf(0x90, 3 + none.length, 0, 0, none, 1)].map((one) => [...one]));
      pair.connect({ clientId: "other" }).publish({ topic: "t", payload: "x" });
      assertEquals(client.takeTexts(), ["x"]);
      heard.length = 0;
      client.write(frame(0xa2, 0, 0, none, utf8("t")));
      assertEquals(heard.splice(0), [[0xb0, 2 + none.length * 2, 0, 0, ...none, ...none]]);
      assertEquals(client.session?.subscriptions, 0);
    }
  });

  test("at QoS 2 an identifier stands for the message: 0 is refused", () => {
    const { client } = scene(ZERO, 5);
    client.write(frame(0x34, utf8("t"), 0, 0, 0, 1));
    assertEnded(client, 0x82, "2.2.1/zero");
  });
});

describe("a CONNECT that is tolerated", () => {
  test("empty-client-identifier: has a session that ends with its connection, under an identifier of the Server's", () => {
    const { pair, client, told } = come(["empty-client-identifier"]);
    client.write(connect(4, 0, 0, 0));
    assertEquals(client.take(PacketType.CONNACK).reasonCode, 0);
    assert(client.connection.client!.clientId.length > 0);
    assertEquals(client.connection.client!.cleanStart, true);
    assertEquals(told.map(([name, , who]) => [name, who]), [[
      "empty-client-identifier",
      client.connection.client!.clientId,
    ]]);
    client.lose();
    pair.assertEmpty();
  });

  test("[MQTT311-3.1.3-8] empty-client-identifier: is refused by a listener without it", () => {
    const { client } = come(NAMES.filter((name) => name !== "empty-client-identifier"));
    client.write(connect(4, 0, 0, 0));
    assertNotAccepted(client, 2, "MQTT311-3.1.3-8");
  });

  test("trailing-nul: logs in as the Client and the user that it means", () => {
    const asked: unknown[] = [];
    const { client } = come(["trailing-nul"], 4, {
      authenticate: ({ clientId, username, password }) => {
        asked.push([clientId, username, [...password!]]);
        return { code: 0 };
      },
    });
    client.write(connect(4, 0xc2, ...utf8("c\0"), ...utf8("ann\0\0"), ...utf8("p\0")));
    assertEquals(client.take(PacketType.CONNACK).reasonCode, 0);
    assertEquals(asked, [["c", "ann", [0x70, 0]]]);
  });

  test("bytes-behind-connect: is taken at every level; what stands there is no user name and no password", () => {
    for (const level of [4, 5] as const) {
      const { client } = come(["bytes-behind-connect"], level, {
        authenticate: ({ username, password }) => ({ code: username ?? password ? 0x87 : 0 }),
      });
      client.write(connect(level, 2, ...level === 5 ? [0] : [], ...utf8("c"), ...utf8("ann"), ...utf8("p")));
      assertEquals(client.take(PacketType.CONNACK).reasonCode, 0);
      client.assertSilent();
    }
  });
});

describe("the others", () => {
  test("empty-response-topic: the message goes on without the property, and so does a Will", () => {
    const { pair, client, told } = come(["empty-response-topic"], 5);
    const reader = pair.connect({ clientId: "reader" });
    reader.subscribe("#");
    const empty = properties(0x08, 0, 0);
    client.write(connect(5, 6, 0, ...utf8("c"), ...empty, ...utf8("will"), ...utf8("gone")));
    assertEquals(client.take(PacketType.CONNACK).reasonCode, 0);
    client.write(frame(0x30, utf8("t"), empty, 0x61));
    client.lose();
    const came = reader.takePublishes().map(({ topic, properties }) => [topic, properties]);
    assertEquals(came, [["t", undefined], ["will", undefined]]);
    assertEquals(told.length, 1);
  });

  test("reserved-flags: PINGREQ, SUBSCRIBE, UNSUBSCRIBE and acknowledgements do what they do", () => {
    const { pair, client } = scene(["reserved-flags"]);
    client.raw(0xcf, 0);
    assertEquals(client.take(PacketType.PINGRESP).type, PacketType.PINGRESP);
    client.write(frame(0x80, 0, 7, utf8("t"), 1));
    assertEquals(client.take(PacketType.SUBACK).reasonCodes, [1]);
    pair.connect({ clientId: "other" }).publish({ topic: "t", qos: 1 });
    assertEquals([client.takePublishes().length, client.inFlight], [1, 1]);
    client.raw(0x42, 2, 0, 1);
    assertEquals(client.inFlight, 0);
    client.write(frame(0xa0, 0, 8, utf8("t")));
    assertEquals(client.take(PacketType.UNSUBACK).packetId, 8);
    client.assertSilent();
    client.raw(0xe1, 0);
    assertClosed(client);
  });
});
