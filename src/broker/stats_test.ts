/** What a broker says of itself at one moment. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { Told } from "../testing/assertions.ts";
import { Pair } from "../testing/pair.ts";
import { encodePacket } from "../codec/encode.ts";
import { PacketType } from "../codec/packet_type.ts";
import { Broker, type TrafficStats } from "./mod.ts";

describe("stats", () => {
  test("count what there is, and what has come and was dropped since the start", () => {
    const pair = new Pair();
    const nothing = {
      received: 0,
      dropped: 0,
      limits: {},
      refusals: {},
      connections: 0,
      connected: 0,
      sessions: 0,
      subscriptions: 0,
      sharedSubscriptions: 0,
      retainedMessages: 0,
      retainedBytes: 0,
      queuedMessages: 0,
      retainedDeliveries: 0,
      facts: 0,
      commits: 0,
      failedCommits: 0,
      deadlines: 0,
      isFailing: false,
      isUnsafe: false,
    };
    const { memory: empty, traffic: none, ...atFirst } = pair.broker.stats;
    assertEquals(Object.values(none).filter((figure) => figure !== 0), []);
    assertEquals([atFirst, empty.total], [nothing, 0]);
    const properties = { sessionExpiryInterval: 60 };
    const away = pair.connect({ clientId: "away", cleanStart: false, properties });
    away.subscribe("a/#", "$share/g/b");
    away.disconnect();
    const one = pair.connect({ clientId: "one" });
    one.subscribe("a/+", "$share/g/b");
    pair.open();
    one.publish({ topic: "r", payload: "kept", retain: true });
    const { retainedBytes, memory, traffic: _, ...counts } = pair.broker.stats;
    assertEquals(counts, {
      received: 1,
      dropped: 0,
      limits: {},
      refusals: {},
      connections: 2,
      connected: 1,
      sessions: 2,
      subscriptions: 4,
      sharedSubscriptions: 1,
      retainedMessages: 1,
      queuedMessages: 0,
      retainedDeliveries: 0,
      facts: 0,
      commits: 0,
      failedCommits: 0,
      deadlines: 2,
      isFailing: false,
      isUnsafe: false,
    });
    assert(retainedBytes > 4);
    const { total: all, ...parts } = memory;
    assertEquals(all, Object.values(parts).reduce((sum, bytes) => sum + bytes, 0));
    for (const name of ["retained", "subscriptions", "sessions", "connections", "topics"] as const) {
      assert(memory[name] > 0, name);
    }
    one.publish({ topic: "r", retain: true });
    one.disconnect();
    pair.advance(60_000);
    const { memory: left, traffic: __, ...atLast } = pair.broker.stats;
    const counted = { limits: { connectTimeoutMs: 1 }, refusals: { "limit/connect-timeout": 1 } } as const;
    assertEquals(atLast, { ...nothing, ...counted, received: 2 });
    const { total, connections, topics, pool, ...rest } = left;
    assertEquals(Object.values(rest).filter((bytes) => bytes !== 0), [], "nothing that has gone counts");
    assertEquals(total, connections + topics + pool);
  });
});

describe("traffic", () => {
  /** The figures that grow while `action` goes on. */
  function grown(pair: Pair, action: () => void): Partial<TrafficStats> {
    pair.settle();
    const before = pair.broker.stats.traffic;
    action();
    pair.settle();
    const all = Object.entries(pair.broker.stats.traffic).map(([name, figure]) =>
      [name, figure - before[name as keyof TrafficStats]] as const
    );
    return Object.fromEntries(all.filter(([, figure]) => figure !== 0));
  }

  test("counts connections, and the most at a time", () => {
    const pair = new Pair();
    assertEquals(grown(pair, () => pair.connect({ level: 4, clientId: "a" })), {
      bytesReceived: 15,
      bytesSent: 4,
      packetsReceived: 1,
      packetsSent: 1,
      connectionsOpened: 1,
      connectsAccepted: 1,
      connectedMost: 1,
    });
    const b = pair.connect({ level: 4, clientId: "b" });
    b.disconnect();
    pair.connect({ level: 4, clientId: "c" });
    pair.open();
    pair.settle();
    const { connectionsOpened, connectsAccepted, connectedMost } = pair.broker.stats.traffic;
    assertEquals([connectionsOpened, connectsAccepted, connectedMost], [4, 3, 2]);
  });

  test("counts sessions that nobody came back to", () => {
    const pair = new Pair();
    const properties = { sessionExpiryInterval: 60 };
    for (const clientId of ["a", "b"]) pair.connect({ clientId, properties }).disconnect();
    assertEquals(
      grown(pair, () => pair.connect({ clientId: "b" }).disconnect())["sessionsExpired"],
      undefined,
    );
    assertEquals(grown(pair, () => pair.advance(60_000))["sessionsExpired"], 1);
  });

  for (const qos of [0, 1, 2] as const) {
    test(`counts each message once for who sends it and for each who gets it, alone or in a batch, QoS ${qos}`, () => {
      const pair = new Pair();
      const from = pair.connect({ level: 4, clientId: "from" });
      for (const clientId of ["one", "two"]) {
        pair.connect({ level: 4, clientId }).subscribe({ filter: "t", qos });
      }
      const payloads = ["", "1", "22", "333", "x".repeat(20_000)];
      for (const one of [payloads.slice(0, 1), payloads]) {
        const bytes = one.reduce((sum, { length }) => sum + length, 0);
        let packetId = 1;
        const chunk = () => {
          const frames = one.map((payload) =>
            encodePacket({
              type: PacketType.PUBLISH,
              dup: false,
              qos,
              retain: false,
              topic: "t",
              payload: new TextEncoder().encode(payload),
              ...qos > 0 && { packetId: packetId++ },
            }, 4)
          );
          from.raw(...frames.flatMap((frame) => [...frame]));
        };
        const all = grown(pair, chunk);
        assertEquals(all.messagesSent, 2 * one.length);
        assertEquals([all.payloadBytesReceived ?? 0, all.payloadBytesSent ?? 0], [bytes, 2 * bytes]);
        const answers = qos === 0 ? 0 : one.length;
        assertEquals([all.packetsReceived, all.packetsSent], [one.length, 2 * one.length + answers]);
        assertEquals(all.bytesReceived! - bytes, one.length * (qos === 0 ? 5 : 7) + (one.length > 1 ? 2 : 0));
        if (qos === 2) {
          for (let id = 1; id < packetId; id++) from.acknowledge(PacketType.PUBREL, id);
        }
        pair.settle();
      }
    });
  }
});

describe("limits and refusals", () => {
  test("are counted by name, also where a hook is not called for each", () => {
    const told = new Told();
    const limits = { queuedMessagesMax: 1, connectionsMax: 2, topicLevelsMax: 2 };
    const pair = new Pair({ limits, hooks: told.hooks, authorize: ({ topic }) => topic === "no" ? 0x87 : 0 });
    const away = pair.connect({ clientId: "away", properties: { sessionExpiryInterval: 60 } });
    away.subscribe("t");
    away.lose();
    const client = pair.connect({ clientId: "client" });
    for (let i = 0; i < 4; i++) client.publish({ topic: "t", qos: 1 });
    for (const topic of ["no", "no", "a/b/c"]) client.publish({ topic });
    client.subscribe("no", "a/b/c/d");
    const will = { topic: "$w", payload: new Uint8Array(), qos: 0, retain: false } as const;
    pair.connect({ clientId: "other", will });
    for (let i = 0; i < 3; i++) pair.open().connect({ clientId: `more${i}` });
    pair.broker.disconnect(
      "client",
      { code: 0x98, rule: "policy/administrative", message: "enough" },
      pair.now,
    );
    pair.broker.refused(client.connection.peer, { code: 0x8a, rule: "policy/banned", message: "no" });
    pair.broker.limited("connectionsMax", "192.0.2.1");
    const { limits: reached, refusals } = pair.broker.stats;
    assertEquals(reached, { queuedMessagesMax: 3, topicLevelsMax: 2, connectionsMax: 4 });
    assertEquals(refusals, {
      "limit/queue": 3,
      "policy/not-authorized": 3,
      "limit/topic-levels": 2,
      "policy/dollar-topic": 1,
      "limit/connections": 3,
      "policy/administrative": 1,
      "policy/banned": 1,
    });
    const hooked = told.limits.map(({ limit }) => limit);
    assertEquals(hooked.filter((limit) => limit === "queuedMessagesMax").length, 1);
    assertEquals(told.refusals.map(({ rule }) => rule).filter((rule) => rule === "policy/banned").length, 1);
  });

  test("of an owner's own making do not take memory without end", () => {
    const broker = new Broker();
    const peer = { address: "192.0.2.1", port: 1, transport: "memory" } as const;
    for (let i = 0; i < 5_000; i++) {
      for (const rule of ["policy/banned", `own/${i}`]) {
        broker.refused(peer, { code: 0x8a, rule: rule as "policy/banned", message: "no" });
      }
    }
    const { refusals } = broker.stats;
    assertEquals([Object.keys(refusals).length, refusals["policy/banned"]], [1_024, 5_000]);
  });
});

describe("the stats of a session", () => {
  test("say who connected last, whoever made it", () => {
    const pair = new Pair({ takeoverByOthers: true });
    const kept = { clientId: "c", cleanStart: false, properties: { sessionExpiryInterval: 60 } } as const;
    const lastOf = () => {
      const { user, address } = pair.broker.session("c")!;
      return [user, address];
    };
    pair.connect({ ...kept, username: "ada" }).lose();
    assertEquals(lastOf(), ["ada", "192.0.2.1"]);
    pair.connect({ ...kept, username: "grace" }).lose();
    assertEquals(lastOf(), ["grace", "192.0.2.1"]);
    pair.connect(kept).lose();
    assertEquals(lastOf(), [undefined, "192.0.2.1"]);
  });

  test("count what is in it", () => {
    const pair = new Pair();
    const client = pair.connect();
    const nothing = {
      user: undefined,
      address: "192.0.2.1",
      isConnected: true,
      expirySeconds: 0,
      subscriptions: 0,
      queued: 0,
      queuedBytes: 0,
      residentBytes: 0,
      pagedOut: 0,
      inFlight: 0,
      exchanges: 0,
      received: 0,
      retainedDeliveries: 0,
      hasPendingWill: false,
    };
    assertEquals(client.session, nothing);
    assertEquals(pair.broker.session("other"), undefined);
    client.disconnect();
    const properties = { sessionExpiryInterval: 60, receiveMaximum: 1 };
    const will = {
      topic: "w",
      payload: new Uint8Array(),
      qos: 0,
      retain: false,
      properties: { willDelayInterval: 5 },
    } as const;
    const kept = pair.connect({ properties, will });
    kept.subscribe("t");
    for (const payload of ["1", "22"]) pair.broker.publish({ topic: "t", payload, qos: 1 }, pair.now);
    kept.publish({ topic: "other", qos: 2 });
    const { queuedBytes, ...counts } = kept.session!;
    const { queuedBytes: _, ...none } = nothing;
    const open = { ...none, expirySeconds: 60, subscriptions: 1, queued: 1, exchanges: 1, received: 1 };
    assertEquals(counts, { ...open, inFlight: 1, residentBytes: queuedBytes });
    assert(queuedBytes > 2);
    kept.lose();
    assertEquals(pair.broker.session("stub"), {
      ...open,
      isConnected: false,
      inFlight: 1,
      residentBytes: queuedBytes,
      queuedBytes,
      hasPendingWill: true,
    });
  });
});
