/** §3.1.4 A CONNECT while its verdict is awaited, and the limits at the door. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { encodePacket } from "../codec/encode.ts";
import type { Packet, ProtocolLevel } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { assertClosed, assertEnded, assertNotAccepted, Told } from "../testing/assertions.ts";
import { bytesOf } from "../testing/frame.ts";
import { Hand } from "../testing/by_hand.ts";
import { Pair } from "../testing/pair.ts";
import type { AuthenticationRequest, BrokerOptions, Refusal, Verdict } from "./mod.ts";

const LEVELS: readonly ProtocolLevel[] = [3, 4, 5];
const policy: Refusal = { code: 0x98, rule: "policy/administrative", message: "Away" };
const { CONNACK, SUBACK, PUBLISH, PUBACK, PINGRESP } = PacketType;

/** A pair whose authenticator answers when the test says so. */
class Deciding {
  readonly told: Told = new Told();
  readonly pair: Pair;
  readonly asked: { request: AuthenticationRequest; hand: Hand<Verdict> }[] = [];

  constructor(options: BrokerOptions = {}) {
    this.pair = new Pair({
      ...options,
      hooks: this.told.hooks,
      authenticate: (request) => {
        const hand = new Hand<Verdict>();
        this.asked.push({ request, hand });
        return hand.later;
      },
    });
  }

  /** Answers the oldest question. */
  decide(verdict: Verdict): void {
    this.asked.shift()!.hand.answer(verdict);
    this.pair.settle();
  }
}

function connectBytes(level: ProtocolLevel, clientId = "c"): Uint8Array {
  return encodePacket({ type: PacketType.CONNECT, level, cleanStart: true, keepAlive: 0, clientId }, level);
}

/** SUBSCRIBE to "t", PUBLISH there at QoS 1, PINGREQ. */
function traffic(level: ProtocolLevel, payload = "hello"): Uint8Array {
  const options = { qos: 1, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
  const packets: Packet[] = [
    { type: PacketType.SUBSCRIBE, packetId: 1, subscriptions: [{ filter: "t", ...options }] },
    {
      type: PUBLISH,
      dup: false,
      qos: 1,
      retain: false,
      topic: "t",
      packetId: 2,
      payload: new TextEncoder().encode(payload),
    },
    { type: PacketType.PINGREQ },
  ];
  return bytesOf(...packets.map((packet) => encodePacket(packet, level)));
}

describe("while the verdict is awaited", () => {
  for (const level of LEVELS) {
    for (const chunkBytes of [1, 7, 1000]) {
      test(`nothing behind CONNECT is read early and nothing is lost, in chunks of ${chunkBytes}, level ${level}`, () => {
        const { pair, asked } = new Deciding();
        const client = pair.open(level, { chunkBytes: () => chunkBytes });
        client.write(bytesOf(connectBytes(level), traffic(level)));
        assertEquals(client.inbox, []);
        assertEquals([
          pair.broker.stats.sessions,
          pair.broker.stats.subscriptions,
          pair.broker.stats.connected,
        ], [0, 0, 0]);
        assertEquals(asked.length, 1);
        asked[0]!.hand.answer({ code: 0 });
        pair.settle();
        assertEquals(client.inbox.map(({ type }) => type), [CONNACK, SUBACK, PUBLISH, PUBACK, PINGRESP]);
        assertEquals(client.takeTexts(), ["hello"]);
        client.inbox.length = 0;
        client.assertSilent();
      });
    }
  }

  test("bytes that come in several pieces wait in their order", () => {
    const setup = new Deciding();
    const client = setup.pair.open();
    client.write(connectBytes(5));
    for (const payload of ["one", "two", "three"]) client.write(traffic(5, payload));
    assertEquals(client.inbox, []);
    setup.decide({ code: 0 });
    assertEquals(client.takeTexts(), ["one", "two", "three"]);
  });

  test("[MQTT-3.1.4-6] [MQTT311-3.1.4-5] after a refusal nothing of it counts", () => {
    for (const level of LEVELS) {
      const setup = new Deciding();
      const { pair } = setup;
      const watcher = pair.open();
      watcher.write(connectBytes(5, "watcher"));
      setup.decide({ code: 0 });
      watcher.take(CONNACK);
      watcher.subscribe("#");
      const client = pair.open(level);
      client.write(bytesOf(connectBytes(level), traffic(level)));
      setup.decide({ code: 0x87 });
      assertNotAccepted(client, level === 5 ? 0x87 : 5, "policy/not-authorized");
      watcher.assertSilent();
      assertEquals([...pair.broker.clientIds()], ["watcher"]);
    }
  });

  test("[limit/pending] the transport is paused once more than pendingBytesMax wait, and nothing is lost", () => {
    const setup = new Deciding({ limits: { pendingBytesMax: 500 } });
    const { pair } = setup;
    let paused = false;
    const client = pair.open();
    const { transport } = pair.serverEnd(client);
    const [pause, resume] = [transport.pause.bind(transport), transport.resume.bind(transport)];
    transport.pause = () => (paused = true, pause());
    transport.resume = () => (paused = false, resume());
    client.write(connectBytes(5));
    const payloads = Array.from({ length: 40 }, (_, i) => `message ${i}`);
    for (const payload of payloads) {
      assertEquals(paused, client.connection.stats.keptBytes > 500);
      client.write(traffic(5, payload));
    }
    assert(paused);
    assert(client.connection.stats.keptBytes < 600, `${client.connection.stats.keptBytes} bytes are held`);
    assertEquals(setup.told.limits, [{ limit: "pendingBytesMax", who: transport.label }]);
    setup.decide({ code: 0 });
    assert(!paused);
    assertEquals(client.takeTexts(), payloads);
    assertEquals(client.connection.stats.keptBytes, 0);
  });

  test("the request outlives the chunk it came in", () => {
    const { pair, asked } = new Deciding();
    const client = pair.open();
    const password = new TextEncoder().encode("secret");
    const will = {
      topic: "w",
      payload: new TextEncoder().encode("bye"),
      qos: 1,
      retain: true,
      properties: { correlationData: new Uint8Array([1, 2, 3]), willDelayInterval: 3 },
    } as const;
    client.connect({
      username: "user",
      password,
      will,
      properties: { userProperties: [["a", "b"], ["a", "c"]] },
    });
    assertEquals(asked[0]!.request, {
      kind: "connect",
      peer: { address: "192.0.2.1", port: 40_000, transport: "tcp" },
      level: 5,
      clientId: "stub",
      username: "user",
      password,
      method: undefined,
      data: undefined,
      will,
      userProperties: [["a", "b"], ["a", "c"]],
      state: undefined,
    });
  });

  test("a verdict for a connection that is gone changes nothing", () => {
    for (const verdict of [{ code: 0 }, { code: 0x87 }, { code: 0x18 }] as const) {
      const setup = new Deciding();
      const client = setup.pair.open();
      client.connect();
      client.lose();
      setup.decide(verdict);
      assertEquals([setup.told.connects, setup.told.refusals, setup.told.failures], [[], [], []]);
      setup.pair.assertEmpty();
    }
  });

  test("[limit/connect-timeout] a verdict that comes too late changes nothing", () => {
    for (const level of LEVELS) {
      const setup = new Deciding({ limits: { connectTimeoutMs: 2_000 } });
      const { pair, told } = setup;
      const client = pair.open(level);
      client.connect();
      pair.advance(1_999);
      assertEquals([client.over, client.inbox], [false, []]);
      pair.advance(1);
      if (level === 5) assertNotAccepted(client, 0x80, "limit/connect-timeout");
      else assertClosed(client);
      told.assertRefused(0x80, "limit/connect-timeout");
      setup.decide({ code: 0 });
      assertEquals(told.connects, []);
      pair.assertEmpty();
    }
  });

  test("a second verdict on the same question changes nothing", () => {
    const { pair, asked, told } = new Deciding();
    const client = pair.open();
    client.connect();
    const { hand } = asked[0]!;
    hand.answer({ code: 0 });
    hand.answer({ code: 0x87 });
    pair.settle();
    assertEquals(client.take(CONNACK).reasonCode, 0);
    client.assertSilent();
    assertEquals(told.connects.length, 1);
  });

  test("a shutdown refuses it with 0x88, and the verdict then changes nothing", () => {
    for (const level of LEVELS) {
      const setup = new Deciding();
      const silent = setup.pair.open(level);
      const client = setup.pair.open(level);
      client.connect();
      setup.pair.broker.shutdown(setup.pair.now);
      assertNotAccepted(client, level === 5 ? 0x88 : 3, "limit/unavailable");
      assertClosed(silent);
      setup.told.assertRefused(0x88, "limit/unavailable");
      setup.decide({ code: 0 });
      assertEquals(setup.told.connects, []);
      setup.pair.assertEmpty();
    }
  });

  for (const how of ["FIN", "reset"]) {
    for (const level of LEVELS) {
      test(`what came behind CONNECT counts though the connection is over, by ${how}, level ${level}`, () => {
        const setup = new Deciding();
        const { pair, told } = setup;
        const watcher = pair.open();
        watcher.write(connectBytes(5, "watcher"));
        setup.decide({ code: 0 });
        watcher.take(CONNACK);
        watcher.subscribe("t");
        told.connects.length = 0;
        const client = pair.open(level);
        client.write(bytesOf(connectBytes(level), traffic(level)));
        if (how === "FIN") client.transport.close();
        else client.transport.abort();
        pair.settle();
        watcher.assertSilent();
        setup.decide({ code: 0 });
        assertEquals(watcher.takeTexts(), ["hello"]);
        assertEquals(told.connects, [{ clientId: "c", sessionPresent: false }]);
        assertEquals(told.ends, [{ clientId: "c", clean: false, refusal: undefined }]);
        assertEquals([pair.broker.connections, [...pair.broker.clientIds()]], [1, ["watcher"]]);
      });
    }
  }

  test("nothing counts of a connection that is over if its Client is refused, has come again, or the Server shuts down", () => {
    for (const what of ["refused", "again", "shutdown", "timeout"]) {
      const setup = new Deciding({ limits: { connectTimeoutMs: 2_000 } });
      const { pair, told } = setup;
      const watcher = pair.open();
      watcher.write(connectBytes(5, "watcher"));
      setup.decide({ code: 0 });
      watcher.subscribe("t");
      const client = pair.open();
      client.write(bytesOf(connectBytes(5), traffic(5)));
      client.transport.close();
      pair.settle();
      assertEquals(pair.broker.connections, 2);
      if (what === "shutdown") pair.broker.shutdown(pair.now);
      if (what === "timeout") pair.advance(2_000);
      if (what === "again") {
        const again = pair.open();
        again.connect({ clientId: "c" });
        setup.asked.reverse();
        setup.decide({ code: 0 });
        assertEquals(again.take(CONNACK).reasonCode, 0);
        setup.decide({ code: 0 });
        again.assertSilent();
        again.disconnect();
      } else setup.decide({ code: what === "refused" ? 0x87 : 0 });
      assertEquals(watcher.takeTexts(), [], what);
      assertEquals(told.failures, []);
      assertEquals(pair.broker.connections, what === "shutdown" ? 0 : 1);
    }
  });

  for (const answers of [true, false]) {
    test(`what came behind it may need a permission that is ${answers ? "late: it counts" : "never given: closeTimeoutMs bounds that"}`, () => {
      const asked: Hand<0>[] = [];
      const setup = new Deciding({
        limits: { closeTimeoutMs: 3_000 },
        authorize: ({ action }) => {
          if (action === "subscribe") return 0;
          const hand = new Hand<0>();
          asked.push(hand);
          return hand.later;
        },
      });
      const { pair, told } = setup;
      const watcher = pair.open();
      watcher.write(connectBytes(5, "watcher"));
      setup.decide({ code: 0 });
      watcher.subscribe("t");
      const client = pair.open();
      client.write(bytesOf(connectBytes(5), traffic(5)));
      client.transport.close();
      pair.settle();
      setup.decide({ code: 0 });
      assertEquals([asked.length, pair.broker.connections], [1, 2]);
      if (answers) asked[0]!.answer(0);
      else {
        pair.advance(2_999);
        assertEquals(pair.broker.connections, 2);
        pair.advance(1);
        asked[0]!.answer(0);
      }
      assertEquals(watcher.takeTexts(), answers ? ["hello"] : []);
      assertEquals(pair.broker.connections, 1);
      assertEquals(told.limits.map(({ limit }) => limit), answers ? [] : ["closeTimeoutMs"]);
      assertEquals(told.failures, []);
    });
  }

  test("what came behind it may be DISCONNECT, whose will is not published", () => {
    const setup = new Deciding();
    const { pair, told } = setup;
    const client = pair.open();
    const will = { topic: "w", payload: new Uint8Array(1), qos: 0, retain: true } as const;
    const connect = {
      type: PacketType.CONNECT,
      level: 5,
      cleanStart: true,
      keepAlive: 0,
      clientId: "c",
      will,
    } as const;
    const disconnect = { type: PacketType.DISCONNECT, reasonCode: 0 } as const;
    client.write(bytesOf(encodePacket(connect, 5), traffic(5), encodePacket(disconnect, 5)));
    client.transport.close();
    pair.settle();
    setup.decide({ code: 0 });
    assertEquals(told.ends, [{ clientId: "c", clean: true, refusal: undefined }]);
    assertEquals(pair.broker.stats.retainedMessages, 0);
    pair.assertEmpty();
  });

  test("a fault in what came behind it ends the session as it would have", () => {
    const setup = new Deciding();
    const { pair, told } = setup;
    const client = pair.open();
    client.write(bytesOf(connectBytes(5), connectBytes(5)));
    client.transport.close();
    pair.settle();
    setup.decide({ code: 0 });
    told.assertEnded("c", 0x82, "MQTT-3.1.0-2");
    pair.assertEmpty();
  });

  test("the authenticator may answer at once", () => {
    const pair = new Pair({ authenticate: () => ({ code: 0 }) });
    const client = pair.open();
    client.write(bytesOf(connectBytes(5), traffic(5)));
    assertEquals(client.inbox.map(({ type }) => type), [CONNACK, SUBACK, PUBLISH, PUBACK, PINGRESP]);
  });

  for (const later of [false, true]) {
    test(`an authenticator that fails ${later ? "later" : "at once"} refuses with 0x88, and the owner is told`, () => {
      const told = new Told();
      const hand = new Hand<Verdict>();
      const error = new Error("no database");
      const pair = new Pair({
        hooks: told.hooks,
        authenticate: () => {
          if (later) return hand.later;
          throw error;
        },
      });
      const client = pair.open();
      client.connect();
      if (later) hand.fail(error);
      assertNotAccepted(client, 0x88, "policy/not-authorized");
      assertEquals(told.failures, [error]);
      pair.assertEmpty();
    });
  }

  test("an error of the owner behind a verdict that comes later is a refusal too", () => {
    const deciding = new Deciding({
      responseInformation: () => {
        throw new Error("no database");
      },
    });
    const client = deciding.pair.open();
    client.connect({ properties: { requestResponseInformation: true } });
    deciding.decide({ code: 0 });
    assertNotAccepted(client, 0x83, "MQTT-4.13.1-1");
    assertEquals(deciding.told.failures.map(String), ["Error: no database"]);
    deciding.pair.assertEmpty();
  });

  test("two connections of one Client wait side by side; the later verdict wins", () => {
    const setup = new Deciding();
    const [first, second] = [setup.pair.open(), setup.pair.open()];
    first.connect();
    second.connect();
    setup.asked.reverse();
    setup.decide({ code: 0 });
    assertEquals(second.take(CONNACK).reasonCode, 0);
    setup.decide({ code: 0 });
    assertEquals(first.take(CONNACK).reasonCode, 0);
    assertEnded(second, 0x8e, "MQTT-3.1.4-3");
    first.assertSilent();
  });
});

describe("limits at the door", () => {
  test("[limit/connect-timeout] connectTimeoutMs: who sends no CONNECT is cut off, without a word", () => {
    const told = new Told();
    const pair = new Pair({ hooks: told.hooks, limits: { connectTimeoutMs: 3_000 } });
    const [silent, half] = [pair.open(), pair.open()];
    const open = pair.connect();
    half.write(connectBytes(5).subarray(0, 9));
    pair.advance(2_999);
    assertEquals([silent.over, half.over], [false, false]);
    pair.advance(1);
    for (const client of [silent, half]) assertClosed(client);
    assertEquals(told.refusals.map(({ rule }) => rule), ["limit/connect-timeout", "limit/connect-timeout"]);
    assertEquals(told.limits.map(({ limit }) => limit), ["connectTimeoutMs", "connectTimeoutMs"]);
    pair.advance(1_000_000);
    open.assertSilent();
  });

  test("[limit/connections] connectionsMax: one too many is refused with 0x97, the others stay", () => {
    for (const level of LEVELS) {
      const told = new Told();
      const pair = new Pair({ hooks: told.hooks, limits: { connectionsMax: 2 } });
      const first = pair.connect({ clientId: "first" });
      const second = pair.connect({ clientId: "second" });
      const third = pair.open(level);
      third.connect({ clientId: "third" });
      assertNotAccepted(third, level === 5 ? 0x97 : 3, "limit/connections");
      told.assertRefused(0x97, "limit/connections");
      assertEquals(told.limits.map(({ limit }) => limit), ["connectionsMax"]);
      second.assertSilent();
      first.disconnect();
      pair.connect({ level, clientId: "third" }).assertSilent();
    }
  });

  test("[limit/connections] connectionsMax: connections without CONNECT, refused and closing ones take no place", () => {
    const pair = new Pair({
      limits: { connectionsMax: 2 },
      authenticate: ({ clientId }) => ({ code: clientId === "bad" ? 0x87 : 0 }),
    });
    for (let i = 0; i < 5; i++) pair.open();
    pair.connect({ clientId: "first" });
    for (let i = 0; i < 5; i++) {
      const refused = pair.open(5, { capacityBytes: 1 }); // its CONNACK does not fit, so it goes on closing
      refused.connect({ clientId: "bad" });
    }
    for (let i = 0; i < 5; i++) {
      const closing = pair.connect({ clientId: "closing" }, {});
      closing.transport.pause();
      pair.broker.disconnect("closing", policy, pair.now);
    }
    pair.connect({ clientId: "a" }).assertSilent();
  });

  test("[limit/connections] connectionsMax 50: of 100 connections that then send 100 CONNECTs 50 get in", () => {
    for (const later of [false, true]) {
      const decide: (() => void)[] = [];
      const pair = new Pair({
        limits: { connectionsMax: 50 },
        ...(later && {
          authenticate: () => {
            const hand = new Hand<Verdict>();
            decide.push(() => hand.answer({ code: 0 }));
            return hand.later;
          },
        }),
      });
      const clients = Array.from({ length: 100 }, () => pair.open());
      for (const [i, client] of clients.entries()) client.connect({ clientId: `${i}` });
      for (const verdict of decide) verdict();
      const codes = clients.map((client) => client.take(CONNACK).reasonCode as number);
      assertEquals(codes, Array.from({ length: 100 }, (_, i) => i < 50 ? 0 : 0x97));
    }
  });

  test("[limit/connections] [MQTT-3.1.4-3] connectionsMax: a Client takes over its own connection though no place is free", () => {
    for (const level of LEVELS) {
      const pair = new Pair({ limits: { connectionsMax: 2 } });
      const other = pair.connect({ clientId: "other" });
      const halfOpen = pair.connect({ level, clientId: "mine" });
      const again = pair.connect({ level, clientId: "mine" });
      if (level === 5) assertEnded(halfOpen, 0x8e, "MQTT-3.1.4-3");
      else assertClosed(halfOpen);
      for (const client of [other, again]) client.assertSilent();
    }
  });

  test("[limit/connecting] connectingMax: the oldest connection without CONNECT gives way to a new one, without a word", () => {
    const told = new Told();
    const pair = new Pair({ hooks: told.hooks, limits: { connectingMax: 3 } });
    const clients = Array.from({ length: 5 }, () => pair.open());
    pair.settle();
    assertEquals(clients.map(({ over }) => over), [true, true, false, false, false]);
    for (const client of clients.slice(0, 2)) assertClosed(client);
    assertEquals(told.limits.map(({ limit }) => limit), ["connectingMax", "connectingMax"]);
    assertEquals(told.refusals.map(({ rule }) => rule), ["limit/connecting", "limit/connecting"]);
    for (const [i, client] of clients.slice(2).entries()) {
      client.connect({ clientId: `${i}` });
      assertEquals(client.take(CONNACK).reasonCode, 0);
    }
    for (let i = 0; i < 3; i++) pair.open();
    pair.connect({ clientId: "late" }).assertSilent();
    for (const client of clients.slice(2)) client.assertSilent();
  });

  test("[limit/connecting] connectingMax: a refused or closing connection gives way before one that may still send CONNECT", () => {
    const pair = new Pair({ limits: { connectingMax: 3, connectionsMax: 1, closeTimeoutMs: 3_600_000 } });
    pair.connect({ clientId: "first" });
    const waiting = pair.open();
    for (let i = 0; i < 10; i++) {
      const refused = pair.open();
      refused.transport.pause(); // so that it does not learn of its end, and goes on closing
      refused.connect({ clientId: `${i}` });
    }
    pair.settle();
    assertEquals([waiting.over, pair.broker.connections <= 1 + 3], [false, true]);
    waiting.connect({ clientId: "first" });
    assertEquals(waiting.take(CONNACK).reasonCode, 0);
  });

  test("[limit/sessions] sessionsMax: a new session is refused with 0x97, a known one goes on", () => {
    for (const level of LEVELS) {
      const told = new Told();
      const pair = new Pair({ hooks: told.hooks, limits: { sessionsMax: 2 } });
      pair.connect({ clientId: "a", properties: { sessionExpiryInterval: 60 } }).lose();
      const b = pair.connect({ clientId: "b" });
      const c = pair.open(level);
      c.connect({ clientId: "c" });
      assertNotAccepted(c, level === 5 ? 0x97 : 3, "limit/sessions");
      told.assertRefused(0x97, "limit/sessions");
      assertEquals(told.limits, [{ limit: "sessionsMax", who: "c" }]);
      assertEquals(pair.connect({ clientId: "a", cleanStart: false }).connack?.sessionPresent, true);
      b.disconnect();
      pair.connect({ level, clientId: "c" }).assertSilent();
    }
  });
});
