/** §5.4.2 Authorizers that take time: packets wait, and nothing behind them is lost or reordered. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { encodePacket } from "../codec/encode.ts";
import type { Packet, ProtocolLevel, QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { assertClosed, assertNotAccepted, Told } from "../testing/assertions.ts";
import { Hand } from "../testing/by_hand.ts";
import { bytesOf } from "../testing/frame.ts";
import { Pair, type StubClient } from "../testing/pair.ts";
import type { AuthorizationRequest, BrokerOptions, ReasonCode } from "./mod.ts";

const { PUBLISH, SUBSCRIBE, PINGREQ, PINGRESP, PUBACK, SUBACK, CONNACK } = PacketType;
const OPTIONS = { noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;

/** A pair whose authorizer answers at once for topics that begin with "now", and for the others when the test says so. */
class Asking {
  readonly told: Told = new Told();
  readonly pair: Pair;
  readonly asked: { readonly request: AuthorizationRequest; readonly hand: Hand<ReasonCode> }[] = [];

  constructor(options: BrokerOptions = {}) {
    this.pair = new Pair({
      ...options,
      hooks: this.told.hooks,
      authorize: (request) => {
        if (request.topic.startsWith("now") || request.topic === "#") return 0;
        const hand = new Hand<ReasonCode>();
        this.asked.push({ request, hand });
        return hand.later;
      },
    });
  }

  /** Who has subscribed to everything. */
  watcher(): StubClient {
    const watcher = this.pair.connect({ clientId: "watcher" });
    watcher.subscribe({ filter: "#", qos: 0 });
    return watcher;
  }

  /** Topics that are asked for and not answered. */
  get topics(): string[] {
    return this.asked.map(({ request }) => request.topic);
  }

  /** Answers the oldest question. */
  answer(code: ReasonCode): void {
    this.asked.shift()!.hand.answer(code);
    this.pair.settle();
  }
}

function publish(topic: string, qos: QoS, packetId: number, payload: string): Packet {
  const packet = {
    type: PUBLISH,
    dup: false,
    qos,
    retain: false,
    topic,
    payload: new TextEncoder().encode(payload),
  } as const;
  return qos === 0 ? packet : { ...packet, packetId };
}

function bytes(level: ProtocolLevel, ...packets: Packet[]): Uint8Array {
  return bytesOf(...packets.map((packet) => encodePacket(packet, level)));
}

describe("a PUBLISH that waits for its permission", () => {
  for (const level of [4, 5] as const) {
    for (const chunkBytes of [1, 5, 1000]) {
      test(`keeps what comes behind it in its order, in chunks of ${chunkBytes}, level ${level}`, () => {
        const setup = new Asking();
        const watcher = setup.watcher();
        const client = setup.pair.open(level, { chunkBytes: () => chunkBytes });
        client.connect({ clientId: "client" });
        client.take(CONNACK);
        client.write(bytes(
          level,
          publish("now", 0, 0, "1"),
          publish("later", 1, 1, "2"),
          publish("later", 1, 2, "3"),
          publish("now", 1, 3, "4"),
          publish("later too", 2, 4, "5"),
          { type: PINGREQ },
        ));
        assertEquals([watcher.takeTexts(), client.inbox, setup.topics], [["1"], [], ["later"]]);
        client.write(bytes(level, publish("now", 0, 0, "6")));
        assertEquals(watcher.takeTexts(), []);
        setup.answer(0);
        assertEquals([watcher.takeTexts(), setup.topics], [["2", "3", "4"], ["later too"]]);
        assertEquals(client.inbox.splice(0).map(({ type }) => type), [PUBACK, PUBACK, PUBACK]);
        setup.answer(0);
        assertEquals([watcher.takeTexts(), setup.topics], [["5", "6"], []]);
        assertEquals(client.inbox.splice(0).map(({ type }) => type), [PacketType.PUBREC, PINGRESP]);
      });
    }
  }

  test("is refused if the answer is no, or the promise is rejected, and the next one is asked anew", () => {
    const setup = new Asking();
    const watcher = setup.watcher();
    const client = setup.pair.connect({ clientId: "client" });
    client.write(bytes(5, publish("a", 1, 1, "no"), publish("a", 1, 2, "fails"), publish("a", 1, 3, "yes")));
    setup.answer(0x87);
    assertEquals(client.take(PUBACK).reasonCode, 0x87);
    setup.asked.shift()!.hand.fail(new Error("no database"));
    assertEquals(client.take(PUBACK).reasonCode, 0x87);
    setup.answer(0);
    assertEquals(client.take(PUBACK).reasonCode, 0);
    assertEquals([watcher.takeTexts(), setup.topics], [["yes"], []]);
    assertEquals(setup.told.failures.map(String), ["Error: no database"]);
  });

  test("does not keep other Clients waiting", () => {
    const setup = new Asking();
    const watcher = setup.watcher();
    setup.pair.connect({ clientId: "slow" }).publish({ topic: "later", payload: "late" });
    const quick = setup.pair.connect({ clientId: "quick" });
    quick.publish({ topic: "now", payload: "early" });
    quick.assertSilent();
    setup.answer(0);
    assertEquals(watcher.takeTexts(), ["early", "late"]);
  });

  for (const how of ["lose", "close"] as const) {
    test(`counts, with what is behind it, if its Client is gone before the answer: ${how}`, () => {
      const setup = new Asking();
      const watcher = setup.watcher();
      const client = setup.pair.connect({ clientId: "client" });
      client.write(bytes(5, publish("later", 0, 0, "x"), publish("now", 0, 0, "y")));
      if (how === "lose") client.lose();
      else client.transport.close();
      setup.pair.settle();
      assertEquals(setup.pair.broker.session("client")?.isConnected, true);
      setup.answer(0);
      assertEquals([watcher.takeTexts(), setup.told.failures], [["x", "y"], []]);
      assertEquals(setup.told.ends.map(({ clientId, clean }) => [clientId, clean]), [["client", false]]);
      assertEquals(setup.pair.broker.connections, 1);
    });
  }

  test("[limit/close-timeout] does not keep a Client that is gone for longer than closeTimeoutMs", () => {
    const setup = new Asking({ limits: { closeTimeoutMs: 3_000 } });
    const watcher = setup.watcher();
    const client = setup.pair.connect({ clientId: "client" });
    client.write(bytes(5, publish("later", 0, 0, "x")));
    client.lose();
    setup.pair.advance(2_999);
    assertEquals(setup.pair.broker.connections, 2);
    setup.pair.advance(1);
    assertEquals(setup.pair.broker.connections, 1);
    assertEquals(setup.told.limits.map(({ limit }) => limit), ["closeTimeoutMs"]);
    setup.answer(0);
    assertEquals([watcher.takeTexts(), setup.told.failures], [[], []]);
  });

  test("has the transport paused once more than pendingBytesMax wait behind it", () => {
    const setup = new Asking({ limits: { pendingBytesMax: 200 } });
    const watcher = setup.watcher();
    const client = setup.pair.connect({ clientId: "client" });
    client.write(bytes(5, publish("later", 0, 0, "first")));
    const texts = Array.from({ length: 50 }, (_, i) => `${i}`.padStart(20));
    for (const text of texts) client.write(bytes(5, publish("now", 0, 0, text)));
    assert(client.connection.stats.keptBytes < 300, `${client.connection.stats.keptBytes} bytes are kept`);
    assertEquals(setup.told.limits.map(({ limit }) => limit), ["pendingBytesMax"]);
    setup.answer(0);
    assertEquals(watcher.takeTexts(), ["first", ...texts]);
  });
});

describe("an authorizer", () => {
  test("is asked once for PUBLISH packets that arrive together and are alike in topic, QoS and RETAIN", () => {
    const asked: string[] = [];
    const pair = new Pair({
      authorize: ({ topic, qos, retain }) => {
        asked.push(`${topic} ${qos} ${retain}`);
        return 0;
      },
    });
    const client = pair.connect();
    client.write(bytes(
      5,
      ...["a", "a", "a", "b", "b", "a"].map((topic) => publish(topic, 0, 0, "x")),
      publish("a", 1, 1, "x"),
      publish("a", 1, 2, "x"),
      { ...publish("a", 1, 3, "x"), retain: true } as Packet,
    ));
    assertEquals(asked, ["a 0 false", "b 0 false", "a 0 false", "a 1 false", "a 1 true"]);
    client.write(bytes(5, publish("a", 0, 0, "x")));
    assertEquals(asked.length, 6, "a later chunk is asked for anew");
  });
});

describe("a SUBSCRIBE that waits for its permissions", () => {
  test("has one SUBACK with an answer for each filter, and what comes behind it comes behind it", () => {
    const setup = new Asking();
    const client = setup.pair.connect({ clientId: "client" });
    const subscriptions = ["a", "now", "b", "c/+"].map((filter) => ({ filter, qos: 1 as const, ...OPTIONS }));
    client.write(bytes(5, { type: SUBSCRIBE, packetId: 7, subscriptions }, publish("now", 0, 0, "mine")));
    assertEquals([client.inbox, setup.topics], [[], ["a", "b", "c/+"]]);
    assertEquals(setup.pair.broker.stats.subscriptions, 0);
    const [a, b, c] = setup.asked.splice(0);
    c!.hand.answer(0);
    a!.hand.answer(0);
    setup.pair.settle();
    assertEquals([client.inbox, setup.pair.broker.stats.subscriptions], [[], 0]);
    b!.hand.answer(0x87);
    const { packetId, reasonCodes } = client.take(SUBACK);
    assertEquals([packetId, [...reasonCodes]], [7, [1, 1, 0x87, 1]]);
    assertEquals(client.takeTexts(), ["mine"]);
    assertEquals([setup.topics, setup.pair.broker.stats.subscriptions], [[], 3]);
  });

  test("is asked anew the next time", () => {
    const setup = new Asking();
    const client = setup.pair.connect({ clientId: "client" });
    for (const code of [0x87, 0] as const) {
      const subscriptions = [{ filter: "a", qos: 0 as const, ...OPTIONS }];
      client.write(bytes(5, { type: SUBSCRIBE, packetId: 1, subscriptions }));
      setup.answer(code);
      assertEquals([...client.take(SUBACK).reasonCodes], [code]);
    }
  });
});

describe("a Will that waits for its permission", () => {
  const will = { topic: "later", payload: new Uint8Array(1), qos: 0, retain: false } as const;

  test("keeps its CONNECT waiting, and all that comes behind it", () => {
    for (const clientId of ["client", ""]) {
      const setup = new Asking();
      const watcher = setup.watcher();
      const client = setup.pair.open();
      client.connect({ clientId, will });
      client.write(bytes(5, publish("now", 1, 1, "behind")));
      assertEquals([client.inbox, setup.topics, setup.pair.broker.stats.connected], [[], ["later"], 1]);
      setup.answer(0);
      const { reasonCode, properties } = client.take(CONNACK);
      assertEquals([reasonCode, properties?.assignedClientIdentifier !== undefined], [0, clientId === ""]);
      assertEquals([client.take(PUBACK).packetId, watcher.takeTexts()], [1, ["behind"]]);
      client.lose();
      assertEquals(watcher.takePublishes().map(({ topic }) => topic), ["later"]);
    }
  });

  test("refuses its CONNECT if the answer is no, or comes after the time for it", () => {
    for (const level of [4, 5] as const) {
      const setup = new Asking();
      const refused = setup.pair.open(level);
      refused.connect({ will });
      setup.answer(0x87);
      assertNotAccepted(refused, level === 5 ? 0x87 : 5, "policy/not-authorized");
      const late = setup.pair.open(level);
      late.connect({ will });
      setup.pair.advance(10_000);
      if (level === 5) assertNotAccepted(late, 0x80, "limit/connect-timeout");
      else assertClosed(late);
      setup.answer(0);
      assertEquals(setup.told.connects, []);
      setup.pair.assertEmpty();
    }
  });
});
