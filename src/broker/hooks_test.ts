/** What an owner is told, that a hook that throws hurts nobody, and that nothing is left behind. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { PacketType } from "../codec/packet_type.ts";
import { assertEnded } from "../testing/assertions.ts";
import { HandStore } from "../testing/hand_store.ts";
import { Pair } from "../testing/pair.ts";
import type { BrokerHooks, BrokerOptions, ClientInfo, MessageInfo, Refusal } from "./mod.ts";

const NAMES = [
  "connected",
  "disconnected",
  "refused",
  "subscribed",
  "unsubscribed",
  "published",
  "delivered",
  "dropped",
  "denied",
  "discarded",
  "limited",
  "sessionEnded",
  "storeFailed",
  "storeRecovered",
  "failed",
] as const satisfies readonly (keyof BrokerHooks)[];

/** A hook's arguments, short. */
function short(argument: unknown): unknown {
  if (argument instanceof Error) return argument.message;
  if (typeof argument !== "object" || argument === null) return argument;
  if ("payload" in argument) {
    const { topic, payload, qos, retain } = argument as MessageInfo;
    return `${topic} ${new TextDecoder().decode(payload)} ${qos}${retain ? " retain" : ""}`;
  }
  if ("clientId" in argument) return `<${(argument as ClientInfo).clientId}>`;
  if ("rule" in argument) return `0x${(argument as Refusal).code.toString(16)} ${(argument as Refusal).rule}`;
  if ("address" in argument) return argument.address;
  if ("filter" in argument) return { ...argument, session: undefined };
  return argument;
}

/** A pair and a list of what its owner is told. */
function listen(options: BrokerOptions = {}): { pair: Pair; take(): unknown[][] } {
  const calls: unknown[][] = [];
  const hooks = Object.fromEntries(
    NAMES.map((name) => [name, (...args: unknown[]) => calls.push([name, ...args.map(short)])]),
  );
  return { pair: new Pair({ ...options, hooks }), take: () => calls.splice(0) };
}

describe("an owner is told", () => {
  test("connected and disconnected: by whom and why, and when the session is over", () => {
    const { pair, take } = listen();
    const kept = { cleanStart: false, properties: { sessionExpiryInterval: 10 } };
    pair.connect(kept).disconnect();
    assertEquals(take(), [["connected", "<stub>", false], ["disconnected", "<stub>", true, undefined]]);
    pair.connect(kept).lose();
    assertEquals(take(), [["connected", "<stub>", true], ["disconnected", "<stub>", false, undefined]]);
    pair.connect(kept);
    pair.connect(kept);
    assertEquals(take(), [
      ["connected", "<stub>", true],
      ["disconnected", "<stub>", false, "0x8e MQTT-3.1.4-3"],
      ["connected", "<stub>", true],
    ]);
    pair.connect({ cleanStart: true }).disconnect();
    assertEquals(take(), [
      ["disconnected", "<stub>", false, "0x8e MQTT-3.1.4-3"],
      ["sessionEnded", "stub"],
      ["connected", "<stub>", false],
      ["disconnected", "<stub>", true, undefined],
      ["sessionEnded", "stub"],
    ]);
  });

  test("connected: what is known of the Client", () => {
    const seen: ClientInfo[] = [];
    const pair = new Pair({
      limits: { keepAliveSecondsMax: 30 },
      authenticate: () => ({ code: 0, username: "verified" }),
      hooks: { connected: (client) => seen.push(client) },
    });
    const client = pair.open(4, {}, { address: "198.51.100.7", port: 7, transport: "tls" });
    client.connect({ clientId: "c", username: "claimed", keepAlive: 60, cleanStart: false });
    assertEquals(seen, [{
      clientId: "c",
      username: "verified",
      groups: [],
      claims: Object.create(null),
      level: 4,
      peer: { address: "198.51.100.7", port: 7, transport: "tls" },
      keepAlive: 30,
      cleanStart: false,
    }]);
  });

  test("refused: from where, and why, and who if its CONNECT could be read", () => {
    const { pair, take } = listen({ authenticate: () => ({ code: 0x86 }) });
    pair.open().connect();
    assertEquals(take(), [["refused", "192.0.2.1", "0x86 policy/bad-credentials", "<stub>"]]);
    pair.open().send({ type: PacketType.PINGREQ });
    assertEquals(take(), [["refused", "192.0.2.1", "0x82 MQTT-3.1.0-1", undefined]]);
  });

  test("subscribed and unsubscribed, and denied for what is not", () => {
    const { pair, take } = listen({ authorize: ({ topic }) => topic === "no" ? 0x87 : 0 });
    const client = pair.connect();
    take();
    client.subscribe({ filter: "a/#", qos: 1, noLocal: true }, "no", "#/a");
    const [subscribed, ...denied] = take();
    const { filter, qos, noLocal } = subscribed![3] as Record<string, unknown>;
    assertEquals([...subscribed!.slice(0, 3), filter, qos, noLocal], [
      "subscribed",
      "<stub>",
      "a/#",
      "a/#",
      1,
      true,
    ]);
    assertEquals(denied, [
      ["denied", "<stub>", "0x87 policy/not-authorized"],
      ["denied", "<stub>", "0x8f MQTT-4.7.1-1"],
    ]);
    client.unsubscribe("a/#", "other");
    assertEquals(take(), [["unsubscribed", "<stub>", "a/#"]]);
  });

  test("published and delivered: the message, whose it is, and how many sessions it goes to", () => {
    const { pair, take } = listen();
    const client = pair.connect();
    client.subscribe({ filter: "t", qos: 1 });
    take();
    client.publish({ topic: "t", payload: "x", qos: 2, retain: true });
    client.publish({ topic: "nobody", payload: "y" });
    client.publish({ topic: "t", payload: "z" });
    pair.broker.publish({ topic: "$SYS/x", payload: "own" }, pair.now);
    assertEquals(take(), [
      ["delivered", "t x 1", "<stub>"],
      ["published", "t x 2 retain", "<stub>", 1],
      ["published", "nobody y 0", "<stub>", 0],
      ["delivered", "t z 0", "<stub>"],
      ["published", "t z 0", "<stub>", 1],
      ["published", "$SYS/x own 0", undefined, 0],
    ]);
  });

  test("published: a will as one of the Server's own", () => {
    const { pair, take } = listen();
    const will = { topic: "w", payload: new Uint8Array(), qos: 0, retain: false } as const;
    const client = pair.connect({ will });
    take();
    client.lose();
    assertEquals(take(), [
      ["published", "w  0", undefined, 0],
      ["disconnected", "<stub>", false, undefined],
      ["sessionEnded", "stub"],
    ]);
  });

  test("dropped: what a session does not get, and why", () => {
    const { pair, take } = listen({ limits: { queuedMessagesMax: 1 } });
    const kept = { cleanStart: false, properties: { sessionExpiryInterval: 600, maximumPacketSize: 100 } };
    const client = pair.connect(kept);
    client.subscribe("t");
    take();
    for (const qos of [0, 1, 2] as const) {
      pair.broker.publish({ topic: "t", qos, payload: "x".repeat(100) }, pair.now);
    }
    const dropped = () =>
      take().filter(([name]) => name === "dropped").map(([, , clientId, reason]) => [clientId, reason]);
    assertEquals(dropped(), Array(3).fill(["stub", "packet too large"]));
    pair.broker.publish({ topic: "t", qos: 1, payload: "refused" }, pair.now);
    const [publish] = client.takePublishes();
    client.acknowledge(PacketType.PUBACK, publish!.packetId!, 0x83);
    assertEquals(dropped(), [["stub", "refused by the client"]]);
    client.lose();
    pair.broker.publish(
      { topic: "t", qos: 1, payload: "", properties: { messageExpiryInterval: 1 } },
      pair.now,
    );
    pair.broker.publish({ topic: "t", qos: 1, payload: "one too many" }, pair.now);
    assertEquals(dropped(), [["stub", "queuedMessagesMax"]]);
    pair.advance(1_000);
    pair.connect(kept).assertSilent();
    assertEquals(dropped(), [["stub", "expired"]]);
    assertEquals(pair.broker.stats.dropped, 6);
  });

  test("denied: a PUBLISH that is not taken, at every QoS", () => {
    for (const level of [4, 5] as const) {
      const { pair, take } = listen({ authorize: () => 0x87 });
      const client = pair.connect({ level });
      take();
      for (const qos of [0, 1, 2] as const) client.publish({ topic: "t", qos });
      const denied = take().filter(([name]) => name === "denied");
      assertEquals(denied, Array(3).fill(["denied", "<stub>", "0x87 policy/not-authorized"]));
      assertEquals(client.over, false);
    }
  });

  test("discarded: a PUBLISH that its Client cannot be told of, once for each rule and connection", () => {
    const { pair, take } = listen({ authorize: ({ topic }) => topic === "ok" ? 0 : 0x87 });
    const discarded = (): unknown[] =>
      take().filter(([name]) => name === "discarded").map(([, ...rest]) => rest);
    const dollar = ["<stub>", "0x87 policy/dollar-topic"];
    const notAuthorized = ["<stub>", "0x87 policy/not-authorized"];
    for (const level of [3, 4] as const) {
      for (const qos of [0, 1, 2] as const) {
        const client = pair.connect({ level });
        for (const topic of ["$SYS/x", "ok", "$SYS/y", "no", "$", "no"]) client.publish({ topic, qos });
        client.disconnect();
        assertEquals(discarded(), [dollar, notAuthorized], `level ${level}, QoS ${qos}`);
      }
    }
    const client = pair.connect();
    for (const qos of [1, 2] as const) client.publish({ topic: "$SYS/x", qos });
    assertEquals(discarded(), [], "level 5 has Reason Codes");
    for (let i = 0; i < 2; i++) client.publish({ topic: "$SYS/x", qos: 0 });
    assertEquals(discarded(), [dollar]);
  });

  test("discarded: a Will on a topic that begins with $, at each CONNECT", () => {
    for (const level of [3, 4, 5] as const) {
      const { pair, take } = listen();
      const will = {
        topic: "$SYS/broker/connection/x/state",
        payload: new Uint8Array(1),
        qos: 1,
        retain: true,
      };
      for (let i = 0; i < 2; i++) {
        const client = pair.connect({ level, will: { ...will, qos: 1 } });
        assertEquals(take(), [
          ["connected", "<stub>", false],
          ["discarded", "<stub>", "0x90 policy/dollar-topic"],
        ]);
        client.lose();
        assertEquals(take().map(([name]) => name).filter((name) => name === "published"), []);
      }
    }
  });

  test("failed: an error of an authorizer, which is a no", () => {
    const { pair, take } = listen({
      authorize: () => {
        throw new Error("no database");
      },
    });
    const client = pair.connect();
    take();
    assertEquals(client.subscribe("t"), [0x87]);
    assertEquals(take(), [["failed", "no database"], ["denied", "<stub>", "0x87 policy/not-authorized"]]);
  });

  test("by methods of a class, too", () => {
    class Owner implements BrokerHooks {
      readonly seen: string[] = [];
      connected({ clientId }: ClientInfo): void {
        this.seen.push(clientId);
      }
    }
    const hooks = new Owner();
    new Pair({ hooks }).connect({ clientId: "c" });
    assertEquals(hooks.seen, ["c"]);
  });
});

/** Everything that there is to be told, on one pair. */
function live(pair: Pair): void {
  const watcher = pair.connect({ clientId: "watcher", properties: { sessionExpiryInterval: 60 } });
  assertEquals(watcher.subscribe("w", "$share/g/t", "a/b/c/d"), [2, 2, 0x8f]);
  const will = { topic: "w", payload: new Uint8Array([0x62]), qos: 1, retain: false } as const;
  const client = pair.connect({ will });
  client.subscribe("t");
  client.unsubscribe("t", "none");
  client.publish({ topic: "t", qos: 1, payload: "1" });
  assertEquals(client.take(PacketType.PUBACK).reasonCode, 0);
  client.publish({ topic: "$x", qos: 1 });
  assertEquals(client.take(PacketType.PUBACK).reasonCode, 0x87);
  client.publish({ topic: "$x" });
  client.connect();
  assertEnded(client, 0x82, "MQTT-3.1.0-2");
  assertEquals(watcher.takeTexts(), ["1", "b"]);
  const stranger = pair.open();
  stranger.raw(0xc0, 0);
  watcher.acknowledge(PacketType.PUBACK, 1, 0x80);
  watcher.lose();
  pair.broker.publish(
    { topic: "w", qos: 1, payload: "later", properties: { messageExpiryInterval: 1 } },
    pair.now,
  );
  pair.advance(60_000);
  pair.assertEmpty();
}

/** A store fails for a while. */
function fail(hooks: BrokerHooks): void {
  const store = new HandStore();
  const pair = new Pair({ store, hooks });
  store.broken = true;
  pair.broker.publish({ topic: "t", payload: "x", retain: true }, pair.now);
  pair.advance(1_000);
  pair.connect().assertSilent();
  store.broken = false;
  pair.advance(1_000);
  assertEquals([pair.broker.stats.isFailing, pair.broker.stats.isUnsafe], [false, false]);
}

describe("a hook that throws", () => {
  for (const name of NAMES) {
    test(`hurts nobody: ${name}`, () => {
      let thrown = 0;
      const failures: unknown[] = [];
      const hooks = {
        failed: (error: unknown) => failures.push(error),
        [name]: () => {
          thrown++;
          throw new Error(name);
        },
      };
      const authorize = () => {
        if (name === "failed") throw new Error("so that there is a failure");
        return 0 as const;
      };
      if (name === "failed") {
        const client = new Pair({ hooks, authorize }).connect();
        assertEquals(client.subscribe("t"), [0x87]);
        client.assertSilent();
      } else if (name.startsWith("store")) fail(hooks);
      else live(new Pair({ hooks, limits: { topicLevelsMax: 3 } }));
      assertEquals(thrown > 0, true, "it was not called");
      if (name !== "failed") assertEquals(failures.map(String), Array(thrown).fill(`Error: ${name}`));
    });
  }

  test("hurts nobody: all of them", () => {
    const boom = () => {
      throw new Error("boom");
    };
    const hooks = Object.fromEntries(NAMES.map((name) => [name, boom]));
    live(new Pair({ hooks, limits: { topicLevelsMax: 3 } }));
    fail(hooks);
  });
});

test("two brokers in one process share nothing", () => {
  const one = listen();
  const two = listen({ maximumQos: 1, limits: { topicAliasMaximum: 3 } });
  const kept = { cleanStart: false, properties: { sessionExpiryInterval: 600 } };
  const [a, b] = [one.pair.connect(kept), two.pair.connect(kept)];
  assertEquals([a, b].map(({ connack }) => connack?.properties?.maximumQos), [undefined, 1]);
  assertEquals([a.subscribe("#"), b.subscribe("#")], [[2], [1]]);
  two.take();
  a.publish({ topic: "t", payload: "x", retain: true, qos: 2 });
  a.disconnect();
  one.pair.broker.shutdown(one.pair.now);
  assertEquals(two.take(), []);
  b.assertSilent();
  assertEquals(two.pair.broker.stats.retainedMessages, 0);
  assertEquals(two.pair.connect({ ...kept, clientId: "other" }).connack?.sessionPresent, false);
});

describe("nothing is left behind", () => {
  test("when everybody has left, in whatever way", () => {
    const pair = new Pair();
    for (let i = 0; i < 60; i++) {
      const level = ([3, 4, 5] as const)[i % 3]!;
      const properties = i % 2 === 0 ? { sessionExpiryInterval: 30 } : {};
      const will = { topic: "w", payload: new Uint8Array(), qos: 1, retain: false } as const;
      const clientId = `${i % 20}`;
      const init = { level, clientId, cleanStart: level < 5, keepAlive: 20, will };
      const client = pair.connect(level === 5 ? { ...init, properties } : init);
      client.subscribe("t", "+/x", "$share/g/t", "$share/h/#");
      client.publish({ topic: "t", qos: 2, payload: "x" });
      client.publish({ topic: "u", qos: 0, payload: "x" });
      if (i % 4 === 0) client.lose();
      if (i % 4 === 1) client.disconnect();
      if (i % 4 === 2) client.raw(0, 0);
    }
    pair.advance(3_600_000);
    pair.assertEmpty();
    assertEquals(pair.broker.nextDeadline(), Infinity);
    assertEquals(pair.broker.work !== "none", false);
  });

  test("when connections end before they have begun", () => {
    const pair = new Pair();
    for (const bytes of [[], [0x10], [0x10, 20, 0, 4], [0xc0, 0], [0, 0]]) {
      const client = pair.open();
      if (bytes.length > 0) client.raw(...bytes);
      client.lose();
    }
    pair.open();
    pair.advance(60_000);
    pair.assertEmpty();
  });
});
