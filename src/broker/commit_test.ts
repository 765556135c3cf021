/** §4.1, §4.3 What a store has not made safe is not acknowledged; what needs no store does not wait. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { Will } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { assertClosed, assertEnded, assertNotAccepted } from "../testing/assertions.ts";
import type { HandStore } from "../testing/hand_store.ts";
import { Life, take } from "../testing/restarts.ts";
import type { StubClient } from "../testing/pair.ts";
import { LIMITS, type StoredSession } from "./mod.ts";

const { PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;
const WILL: Will = { topic: "w", payload: new Uint8Array(), qos: 1, retain: false };
const KEPT = { cleanStart: false, properties: { sessionExpiryInterval: 600 } };

/** Fails unless what `act` leads to is only there when its facts are safe. */
function assertWaits(life: Life, client: StubClient, act: () => void, expected: string[]): void {
  life.slow();
  act();
  assertEquals(take(client), []);
  life.pair.advance(1_000);
  assertEquals(take(client), []);
  life.commit();
  assertEquals(take(client), expected);
}

describe("what waits for its facts to be safe", () => {
  test("[MQTT-3.2.2-3] CONNACK of a session that is new, goes on or is replaced", () => {
    for (const before of ["nothing", "away", "connected"]) {
      for (const cleanStart of [false, true]) {
        const life = new Life();
        const earlier = before === "nothing" ? undefined : life.connect();
        if (before === "away") earlier!.lose();
        const client = life.pair.open();
        const properties = { sessionExpiryInterval: 600 };
        assertWaits(life, client, () => client.connect({ cleanStart, properties }), ["CONNACK"]);
      }
    }
  });

  test("[MQTT-3.1.2-4] CONNACK of a session with interval 0 that ends a stored one", () => {
    const life = new Life();
    life.connect().lose();
    const client = life.pair.open();
    assertWaits(life, client, () => client.connect({ cleanStart: true }), ["CONNACK"]);
  });

  test("[MQTT-3.2.2-3] CONNACK of a Client whose stored session has just ended, until that is safe", () => {
    for (const state of ["told", "being committed", "told while a commit is under way"]) {
      const life = new Life();
      const first = life.connect();
      const other = life.connect({ clientId: "other" });
      life.slow();
      if (state === "told while a commit is under way") other.publish({ topic: "t", qos: 2 });
      first.disconnect(0, { sessionExpiryInterval: 0 });
      if (state === "being committed") other.publish({ topic: "t", qos: 2 });
      const client = life.pair.open();
      client.connect();
      assertEquals(take(client), [], state);
      life.commit();
      if (state !== "told") {
        if (state !== "being committed") assertEquals(take(client), [], state);
        while (life.store.isCommitting) life.commit();
      }
      assertEquals(take(client), ["CONNACK"], state);
      client.disconnect();
      const again = life.pair.open();
      again.connect();
      assertEquals(take(again), ["CONNACK"], "nothing of it is left");
    }
  });

  test("[MQTT-3.2.2-3] CONNACK of no other Client, nor of one whose session never stayed", () => {
    const life = new Life();
    const first = life.connect();
    life.pair.connect({ clientId: "plain" }).disconnect();
    life.slow();
    first.disconnect(0, { sessionExpiryInterval: 0 });
    for (const clientId of ["other", "plain"]) {
      const client = life.pair.open();
      client.connect({ clientId });
      assertEquals(take(client), ["CONNACK"]);
    }
  });

  test("SUBACK and UNSUBACK of a session that stays", () => {
    const life = new Life();
    const client = life.connect();
    const options = {
      filter: "t",
      qos: 1,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0,
    } as const;
    const subscribe = { type: PacketType.SUBSCRIBE, packetId: 5, subscriptions: [options] } as const;
    assertWaits(life, client, () => client.send({ ...subscribe, subscriptions: [options] }), [
      "SUBACK 5",
    ]);
    const unsubscribe = { type: PacketType.UNSUBSCRIBE, packetId: 6, filters: ["t"] };
    assertWaits(life, client, () => client.send(unsubscribe), ["UNSUBACK 6"]);
  });

  for (const where of ["queue", "connection", "retained"] as const) {
    test(`[MQTT-4.3.2-4] [MQTT-4.3.3-8] PUBACK and PUBREC of a message that a session keeps: ${where}`, () => {
      for (const [qos, answer] of [[1, "PUBACK"], [2, "PUBREC"]] as const) {
        const life = new Life();
        const receiver = life.connect({ clientId: "receiver" });
        if (where !== "retained") receiver.subscribe("t");
        if (where === "queue") receiver.lose();
        const client = life.pair.connect();
        const init = { topic: "t", qos, payload: "x", packetId: 9, retain: where === "retained" };
        const unmatched = where === "retained" ? " 0x10" : "";
        assertWaits(life, client, () => client.publish(init), [`${answer} 9${unmatched}`]);
      }
    });
  }

  test("[MQTT-4.3.3-8] [MQTT-4.3.3-11] PUBREC and PUBCOMP of a publisher whose session stays", () => {
    const life = new Life();
    const client = life.connect();
    assertWaits(life, client, () => client.publish({ topic: "t", qos: 2, packetId: 9 }), ["PUBREC 9 0x10"]);
    assertWaits(life, client, () => client.acknowledge(PUBREL, 9), ["PUBCOMP 9"]);
  });

  test("[MQTT-4.3.3-6] PUBREL, behind which PUBLISH may never come again", () => {
    const life = new Life();
    const client = life.connect();
    client.subscribe("t");
    life.publish({ topic: "t", qos: 2 });
    assertEquals(take(client), ["PUBLISH 1"]);
    assertWaits(life, client, () => client.acknowledge(PUBREC, 1), ["PUBREL 1"]);
  });

  test("[MQTT-4.3.3-10] PUBLISH of QoS 2, whose identifier must be the same after a crash", () => {
    const life = new Life();
    const client = life.connect();
    client.subscribe("t");
    const publish = () => life.publish({ topic: "t", qos: 2 });
    assertWaits(life, client, publish, ["PUBLISH 1"]);
  });

  test("facts of one turn are safe together, and acknowledged together", () => {
    const life = new Life();
    life.connect({ clientId: "receiver" }).subscribe("#");
    const clients = ["a", "b"].map((clientId) => life.pair.connect({ clientId }));
    life.slow();
    const { commits } = life.store;
    const [first, second] = clients;
    for (const packetId of [1, 2]) {
      first!.transport.write(Uint8Array.of(0x32, 6, 0, 1, 0x74, 0, packetId, 0));
      second!.transport.write(Uint8Array.of(0x32, 6, 0, 1, 0x74, 0, packetId, 0));
    }
    life.pair.settle();
    assertEquals(clients.map(take), [[], []]);
    while (life.store.isCommitting) life.commit();
    assertEquals(clients.map(take), [["PUBACK 1", "PUBACK 2"], ["PUBACK 1", "PUBACK 2"]]);
    assert(life.store.commits - commits <= 2, `${life.store.commits - commits} commits`);
  });

  test("facts told while a commit is under way wait for the next one", () => {
    const life = new Life();
    life.connect({ clientId: "receiver" }).subscribe("#");
    const client = life.pair.connect();
    life.slow();
    client.publish({ topic: "t", qos: 1, packetId: 1 });
    client.publish({ topic: "t", qos: 1, packetId: 2 });
    client.publish({ topic: "t", qos: 1, packetId: 3 });
    assertEquals(take(client), []);
    life.commit();
    assertEquals(take(client), ["PUBACK 1"]);
    life.commit();
    assertEquals(take(client), ["PUBACK 2", "PUBACK 3"]);
    assert(!life.store.isCommitting);
  });

  test("[MQTT-4.6.0-2] what comes behind keeps its order behind what waits", () => {
    const life = new Life();
    life.connect({ clientId: "receiver" }).subscribe("kept");
    const client = life.pair.connect();
    client.subscribe({ filter: "own", qos: 0 });
    life.slow();
    client.publish({ topic: "own", qos: 1, packetId: 1 });
    assertEquals(take(client), ["PUBLISH", "PUBACK 1"]);
    client.publish({ topic: "kept", qos: 1, packetId: 2 });
    client.publish({ topic: "own", qos: 1, packetId: 3 });
    client.send({ type: PacketType.PINGREQ });
    assertEquals(take(client), []);
    life.commit();
    assertEquals(take(client), ["PUBACK 2", "PUBLISH", "PUBACK 3", "PINGRESP"]);
  });

  test("[MQTT-4.3.2-4] the acknowledgement is never ahead of the store: a crash at any moment loses nothing acknowledged", () => {
    const life = new Life();
    const receiver = life.connect({ clientId: "receiver" });
    receiver.subscribe("t");
    receiver.lose();
    const client = life.pair.connect();
    life.slow();
    const acknowledged: string[] = [];
    for (let i = 1; i <= 20 || life.store.isCommitting; i++) {
      if (i <= 20) client.publish({ topic: "t", qos: 1, packetId: i, payload: `${i}` });
      if (i % 3 === 0) life.commit();
      acknowledged.push(...take(client));
      const safe = textsOf(life.store.crashed()).map((text) => `PUBACK ${text}`);
      assertEquals(acknowledged, safe.slice(0, acknowledged.length));
    }
    assertEquals(acknowledged, Array.from({ length: 20 }, (_, i) => `PUBACK ${i + 1}`));
  });
});

/** The payloads that wait for the one session of a store. */
function textsOf(store: HandStore): string[] {
  const [{ session, storeId }] = [...store.sessions()] as [StoredSession];
  const texts: string[] = [];
  for (const { message: { view } } of store.page({ clientId: session.clientId, storeId })) {
    texts.push(new TextDecoder().decode(view.bytes.subarray(view.payloadAt, view.end)));
  }
  return texts;
}

describe("what waits for nothing", () => {
  test("sessions that end with their connection: no fact, no commit", () => {
    const life = new Life();
    life.slow();
    const client = life.pair.connect();
    client.subscribe("t");
    client.publish({ topic: "t" });
    for (const qos of [1, 2] as const) client.publish({ topic: "t", qos, packetId: 5 });
    assertEquals(take(client), ["PUBLISH", "PUBLISH 1", "PUBACK 5", "PUBLISH 2", "PUBREC 5"]);
    client.acknowledge(PUBACK, 1);
    client.acknowledge(PUBREC, 2);
    client.acknowledge(PUBCOMP, 2);
    client.acknowledge(PUBREL, 5);
    client.unsubscribe("t");
    assertEquals(take(client), ["PUBREL 2", "PUBCOMP 5"]);
    client.disconnect();
    assertEquals(life.store.commits, 0);
    life.pair.assertEmpty();
  });

  test("QoS 0 and QoS 1 to sessions that stay, and QoS 0 from them", () => {
    const life = new Life();
    const client = life.connect();
    client.subscribe("t");
    life.slow();
    client.publish({ topic: "t" });
    life.publish({ topic: "t", qos: 1 });
    assertEquals(take(client), ["PUBLISH", "PUBLISH 1"]); // it may come again after a crash
    client.acknowledge(PUBACK, 1);
    client.assertSilent();
    assert(!life.store.isCommitting);
  });

  test("another Client, while one waits", () => {
    const life = new Life();
    const waiting = life.connect();
    const other = life.pair.connect({ clientId: "other" });
    life.slow();
    waiting.publish({ topic: "t", qos: 2 });
    assertEquals(take(waiting), []);
    other.publish({ topic: "t", qos: 1, packetId: 3 });
    assertEquals(take(other), ["PUBACK 3 0x10"]);
    other.assertSilent();
  });
});

/** What happens to a Client "stub" that subscribes to "t" and whose session stays; no answer to it is waited for. */
const UNHURRIED: Readonly<Record<string, (client: StubClient, life: Life) => void>> = {
  "a PUBACK": (client) => client.acknowledge(PUBACK, 1),
  "a PUBCOMP": (client) => client.acknowledge(PUBCOMP, 2),
  "a message of the Server": (_client, life) => life.publish({ topic: "t", qos: 1 }),
  "a retained message of QoS 0": (client) => client.publish({ topic: "r", payload: "x", retain: true }),
  "the end of a connection": (client) => client.lose(),
  "a DISCONNECT": (client) => client.disconnect(),
  "the will of a session that ends with its connection": (_client, life) =>
    void life.pair.connect({ clientId: "other", will: WILL }),
};

describe("facts that nobody waits for are safe within a second", () => {
  for (const [what, act] of Object.entries(UNHURRIED)) {
    test(`${what}, and no sooner`, () => {
      const life = new Life();
      const client = life.connect();
      client.subscribe("t");
      life.publish({ topic: "t", qos: 1 });
      life.publish({ topic: "t", qos: 2 });
      client.acknowledge(PUBREC, 2);
      life.pair.advance(1_000);
      const { commits } = life.store;
      act(client, life);
      life.pair.advance(999);
      assertEquals(life.store.commits, commits);
      assert(life.pair.broker.stats.isUnsafe);
      life.pair.advance(1);
      assertEquals(life.store.commits, commits + 1);
      assert(!life.pair.broker.stats.isUnsafe);
      life.pair.advance(10_000);
      assertEquals(life.store.commits, commits + 1);
    });
  }

  test("[MQTT-3.14.4-3] but that a will is discarded at once: a crash shall not bring it back", () => {
    for (const init of [{}, KEPT]) {
      const life = new Life();
      const client = life.pair.connect({ ...init, will: WILL });
      life.pair.advance(1_000);
      const { commits } = life.store;
      client.disconnect();
      assertEquals([life.store.commits, life.pair.broker.stats.isUnsafe], [commits + 1, false]);
      const watcher = life.connect({ clientId: "watcher" });
      watcher.subscribe("w");
      life.crash();
      life.pair.advance(10_000);
      assertEquals(take(life.connect({ clientId: "watcher" })), []);
    }
  });

  test("many of them together", () => {
    const life = new Life();
    life.connect().subscribe("t");
    const { commits } = life.store;
    for (let i = 0; i < 50; i++) {
      life.publish({ topic: "t", qos: 1 });
      life.pair.advance(100);
    }
    assertEquals(life.store.commits, commits + 5);
  });

  test("or with one that somebody waits for", () => {
    const life = new Life();
    const client = life.connect();
    client.subscribe("t");
    const { commits } = life.store;
    life.publish({ topic: "t", qos: 1 });
    client.publish({ topic: "x", qos: 2, packetId: 1 });
    assertEquals(take(client), ["PUBLISH 1", "PUBREC 1 0x10"]);
    life.pair.advance(10_000);
    assertEquals(life.store.commits, commits + 1);
  });

  test("also those told while a commit is under way", () => {
    const life = new Life();
    const client = life.connect();
    client.subscribe("t");
    life.publish({ topic: "t", qos: 1 });
    life.slow();
    client.publish({ topic: "x", qos: 2 });
    client.acknowledge(PUBACK, 1);
    life.commit();
    assert(!life.store.isCommitting);
    life.pair.advance(1_000);
    life.commit();
    assert(!life.pair.broker.stats.isUnsafe);
  });

  test("a crash before that costs a repeat", () => {
    for (const [ms, expected] of [[999, ["PUBLISH 1 dup a"]], [1_000, []]] as [number, string[]][]) {
      const life = new Life();
      const client = life.connect();
      client.subscribe("t");
      life.publish({ topic: "t", qos: 1, payload: "a" });
      life.pair.advance(1_000);
      client.acknowledge(PUBACK, 1);
      life.pair.advance(ms);
      life.crash();
      assertEquals(take(life.connect()), expected);
    }
  });

  test("at once when the Server shuts down", () => {
    const life = new Life();
    life.connect().lose();
    life.publish({ topic: "r", payload: "x", retain: true });
    assert(life.pair.broker.stats.isUnsafe);
    life.pair.broker.shutdown(life.pair.now);
    life.pair.settle();
    assert(!life.pair.broker.stats.isUnsafe);
  });
});

describe("a commit that fails", () => {
  test("ends every connection that waited for it, with 0x97 and unacknowledged, and no other", () => {
    for (const level of [4, 5] as const) {
      const life = new Life();
      const waiting = life.connect({ level });
      const other = life.pair.connect({ clientId: "other" });
      life.slow();
      waiting.publish({ topic: "t", qos: 2 });
      life.fail();
      if (level === 5) assertEnded(waiting, 0x97, "limit/store");
      else assertClosed(waiting);
      life.told.assertEnded("stub", 0x97, "limit/store");
      other.publish({ topic: "t", qos: 2, packetId: 3 });
      assertEquals(take(other), ["PUBREC 3 0x10"]);
    }
  });

  test("[MQTT-3.2.2-3] refuses the CONNECT whose session could not be made safe", () => {
    for (const level of [4, 5] as const) {
      const life = new Life();
      life.connect({ clientId: "watcher" }).subscribe("w");
      const client = life.pair.open(level);
      life.slow();
      client.connect({ ...KEPT, will: WILL });
      life.fail();
      assertNotAccepted(client, level === 5 ? 0x97 : 3, "limit/store");
      assertEquals([...life.pair.broker.clientIds()], ["watcher"]); // the Client has none, either
      assertEquals(life.pair.broker.session("watcher")?.exchanges, 0); // its will is not published
    }
  });

  test("does not end the session that went on", () => {
    const life = new Life();
    life.connect().lose();
    life.pair.advance(1_000);
    const client = life.pair.open();
    life.slow();
    client.connect(KEPT);
    life.fail();
    assertNotAccepted(client, 0x97, "limit/store");
    life.store.slow = false;
    life.pair.advance(1_000);
    assertEquals(life.connect().connack?.sessionPresent, true);
  });

  test("is told and tried again every second, until it can be done", () => {
    const life = new Life();
    const waiting = life.connect();
    life.store.broken = true;
    const { commits } = life.store;
    waiting.publish({ topic: "t", qos: 2 });
    assertEnded(waiting, 0x97, "limit/store");
    assertEquals([life.store.commits, life.troubles], [commits + 1, ["Error: disk full"]]);
    life.pair.advance(999);
    assertEquals(life.store.commits, commits + 1);
    life.pair.advance(2_001);
    assertEquals([life.store.commits, life.troubles], [commits + 4, ["Error: disk full"]]);
    assertEquals(life.pair.broker.stats.isFailing, true);
    life.store.broken = false;
    life.pair.advance(1_000);
    assertEquals([life.store.commits, life.troubles], [commits + 5, ["Error: disk full", "recovered"]]);
    assertEquals([life.pair.broker.stats.isFailing, life.pair.broker.stats.isUnsafe], [false, false]);
    life.pair.advance(10_000);
    assertEquals([life.store.commits, life.told.failures], [commits + 5, []]);
  });

  test("what was to be sent before what waited is sent, what waited is not", () => {
    const life = new Life();
    const client = life.pair.open(5, { capacityBytes: 40 });
    client.connect(KEPT);
    client.subscribe({ filter: "t", qos: 0 });
    life.pair.advance(1_000);
    client.inbox.length = 0;
    client.transport.pause();
    life.publish({ topic: "t", payload: "x".repeat(100) });
    life.slow();
    client.publish({ topic: "u", qos: 2 }); // its PUBREC waits
    life.publish({ topic: "t", payload: "behind" });
    life.fail();
    client.transport.resume();
    assertEquals(client.takeTexts(), ["x".repeat(100)]);
    assertEnded(client, 0x97, "limit/store");
  });

  for (const end of ["commit", "fail"] as const) {
    test(`does not hurt a connection that is gone by then: ${end}`, () => {
      const life = new Life();
      const waiting = life.pair.open(5, { capacityBytes: 40 });
      waiting.connect(KEPT);
      waiting.subscribe({ filter: "t", qos: 0 });
      waiting.transport.pause();
      life.publish({ topic: "t", payload: "x".repeat(100) }); // is not read, and stands before what waits
      life.slow();
      waiting.publish({ topic: "t", qos: 2 });
      waiting.lose();
      life[end]();
      life.store.slow = false;
      life.pair.advance(1_000);
      assertEquals([life.pair.broker.connections, life.pair.broker.stats.sessions], [0, 1]);
      assertEquals([waiting.connection.stats.waitingBytes, life.told.failures], [0, []]);
    });
  }

  test("and again does not touch a connection that ended the first time", () => {
    const life = new Life();
    const client = life.pair.open(5, { capacityBytes: 60 });
    client.connect(KEPT);
    life.slow();
    client.transport.pause();
    client.publish({ topic: "t", qos: 2, packetId: 1 });
    client.publish({ topic: "t", qos: 2, packetId: 2 }); // waits for the next one
    life.fail();
    life.pair.advance(1_000);
    const { waitingBytes: size } = client.connection.stats;
    life.fail();
    assertEquals(client.connection.stats.waitingBytes, size);
    client.inbox.length = 0;
    client.transport.resume();
    assertEnded(client, 0x97, "limit/store");
  });
});

test("DISCONNECT goes out behind what waited, and the close behind DISCONNECT", () => {
  const life = new Life();
  const client = life.connect();
  life.slow();
  client.publish({ topic: "t", qos: 2, packetId: 5 });
  life.pair.broker.shutdown(life.pair.now);
  assertEquals([take(client), client.over], [[], false]);
  life.commit();
  assertEquals(take(client), ["PUBREC 5 0x10", "DISCONNECT 0x8b"]);
  assertClosed(client);
});

test("[limit/close-timeout] a commit that never ends does not keep a connection for ever", () => {
  const life = new Life();
  const client = life.connect();
  life.slow();
  client.publish({ topic: "t", qos: 2, packetId: 5 });
  life.pair.broker.shutdown(life.pair.now);
  life.pair.advance(LIMITS.closeTimeoutMs.default);
  assertClosed(client);
  assertEquals(life.pair.broker.connections, 0);
});
