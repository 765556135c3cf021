/** §4.1, §4.3 What a store has not made safe is not acknowledged; what needs no store does not wait. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { PacketType } from "../codec/packet_type.ts";
import { assertClosed, Told } from "../testing/ended.ts";
import { type ConnectInit, Pair, type StubClient } from "../testing/pair.ts";
import { type Commit, LIMITS, MemoryStore, type StoredSession } from "./mod.ts";

const { PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;

/** Commits when the test says so. */
class SlowStore extends MemoryStore {
  /** As fast as memory until this is false. */
  fast = true;
  pending: { resolve(): void; reject(error: unknown): void } | undefined;
  commits = 0;
  /** What the commit under way makes safe. */
  covered: StoredSession[] = [];

  override commit(): Commit {
    this.commits++;
    if (this.fast) return undefined;
    assert(this.pending === undefined, "two commits at a time");
    this.covered = [...this.sessions()];
    return new Promise((resolve, reject) => {
      const done = (settle: () => void) => () => {
        this.pending = undefined;
        settle();
      };
      this.pending = { resolve: done(resolve), reject: (error) => done(() => reject(error))() };
    });
  }
}

class Setup {
  readonly store: SlowStore = new SlowStore();
  readonly told: Told = new Told();
  readonly pair: Pair = new Pair({ store: this.store, hooks: this.told.hooks });

  /** A Client whose session stays. */
  kept(init: ConnectInit = {}): StubClient {
    return this.pair.connect({ cleanStart: false, properties: { sessionExpiryInterval: 600 }, ...init });
  }

  /** From now on commits take their time. */
  slow(): void {
    this.pair.settle();
    this.store.fast = false;
  }

  /** The commit under way is done. */
  async commit(): Promise<void> {
    assert(this.store.pending !== undefined, "no commit is under way");
    this.store.pending.resolve();
    await turn();
    this.pair.settle();
  }

  async fail(): Promise<void> {
    assert(this.store.pending !== undefined, "no commit is under way");
    this.store.pending.reject(new Error("disk full"));
    await turn();
    this.pair.settle();
  }
}

/** Lets promises that are settled call back. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** What has come, short. */
function take(client: StubClient): string[] {
  client.pair.settle();
  return client.inbox.splice(0).map((packet) => {
    const name = Object.entries(PacketType).find(([, type]) => type === packet.type)![0];
    return "packetId" in packet && packet.packetId !== undefined ? `${name} ${packet.packetId}` : name;
  });
}

/** Fails unless what `act` leads to is only there when its facts are safe. */
async function assertWaits(
  setup: Setup,
  client: StubClient,
  act: () => void,
  expected: string[],
): Promise<void> {
  setup.slow();
  act();
  assertEquals(take(client), []);
  setup.pair.advance(1_000);
  assertEquals(take(client), []);
  await setup.commit();
  assertEquals(take(client), expected);
}

describe("what waits for its facts to be safe", () => {
  test("[MQTT-3.2.2-3] CONNACK of a session that is new, goes on or is replaced", async () => {
    for (const before of ["nothing", "away", "connected"]) {
      for (const cleanStart of [false, true]) {
        const setup = new Setup();
        if (before !== "nothing") setup.kept();
        if (before === "away") setup.pair.broker.sessions.get("stub")!.connection!.transport.abort();
        const client = setup.pair.open();
        const properties = { sessionExpiryInterval: 600 };
        await assertWaits(setup, client, () => client.connect({ cleanStart, properties }), ["CONNACK"]);
      }
    }
  });

  test("[MQTT-3.1.2-4] CONNACK of a session with interval 0 that ends a stored one", async () => {
    const setup = new Setup();
    setup.kept().lose();
    const client = setup.pair.open();
    await assertWaits(setup, client, () => client.connect({ cleanStart: true }), ["CONNACK"]);
  });

  test("SUBACK and UNSUBACK of a session that stays", async () => {
    const setup = new Setup();
    const client = setup.kept();
    const options = {
      filter: "t",
      qos: 1,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0,
    } as const;
    const subscribe = { type: PacketType.SUBSCRIBE, packetId: 5, subscriptions: [options] } as const;
    await assertWaits(setup, client, () => client.send({ ...subscribe, subscriptions: [options] }), [
      "SUBACK 5",
    ]);
    const unsubscribe = { type: PacketType.UNSUBSCRIBE, packetId: 6, filters: ["t"] };
    await assertWaits(setup, client, () => client.send(unsubscribe), ["UNSUBACK 6"]);
  });

  for (const where of ["queue", "connection", "retained"] as const) {
    test(`[MQTT-4.3.2-4] [MQTT-4.3.3-8] PUBACK and PUBREC of a message that a session keeps: ${where}`, async () => {
      for (const [qos, answer] of [[1, "PUBACK"], [2, "PUBREC"]] as const) {
        const setup = new Setup();
        const receiver = setup.kept({ clientId: "receiver" });
        if (where !== "retained") receiver.subscribe("t");
        if (where === "queue") receiver.lose();
        const client = setup.pair.connect();
        const init = { topic: "t", qos, payload: "x", packetId: 9, retain: where === "retained" };
        await assertWaits(setup, client, () => client.publish(init), [`${answer} 9`]);
      }
    });
  }

  test("[MQTT-4.3.3-8] [MQTT-4.3.3-11] PUBREC and PUBCOMP of a publisher whose session stays", async () => {
    const setup = new Setup();
    const client = setup.kept();
    await assertWaits(setup, client, () => client.publish({ topic: "t", qos: 2, packetId: 9 }), ["PUBREC 9"]);
    await assertWaits(setup, client, () => client.acknowledge(PUBREL, 9), ["PUBCOMP 9"]);
  });

  test("[MQTT-4.3.3-6] PUBREL, behind which PUBLISH may never come again", async () => {
    const setup = new Setup();
    const client = setup.kept();
    client.subscribe("t");
    setup.pair.broker.publish({ topic: "t", qos: 2, payload: "" }, setup.pair.now);
    assertEquals(take(client), ["PUBLISH 1"]);
    await assertWaits(setup, client, () => client.acknowledge(PUBREC, 1), ["PUBREL 1"]);
  });

  test("[MQTT-4.3.3-10] PUBLISH of QoS 2, whose identifier must be the same after a crash", async () => {
    const setup = new Setup();
    const client = setup.kept();
    client.subscribe("t");
    const publish = () => setup.pair.broker.publish({ topic: "t", qos: 2, payload: "" }, setup.pair.now);
    await assertWaits(setup, client, publish, ["PUBLISH 1"]);
  });

  test("facts of one turn are safe together, and acknowledged together", async () => {
    const setup = new Setup();
    setup.kept({ clientId: "receiver" }).subscribe("#");
    const clients = ["a", "b"].map((clientId) => setup.pair.connect({ clientId }));
    setup.slow();
    const { commits } = setup.store;
    const [first, second] = clients;
    for (const packetId of [1, 2]) {
      first!.transport.write(Uint8Array.of(0x32, 6, 0, 1, 0x74, 0, packetId, 0));
      second!.transport.write(Uint8Array.of(0x32, 6, 0, 1, 0x74, 0, packetId, 0));
    }
    setup.pair.settle();
    assertEquals(clients.map(take), [[], []]);
    while (setup.store.pending !== undefined) await setup.commit();
    assertEquals(clients.map(take), [["PUBACK 1", "PUBACK 2"], ["PUBACK 1", "PUBACK 2"]]);
    assert(setup.store.commits - commits <= 2, `${setup.store.commits - commits} commits`);
  });

  test("facts told while a commit is under way wait for the next one", async () => {
    const setup = new Setup();
    setup.kept({ clientId: "receiver" }).subscribe("#");
    const client = setup.pair.connect();
    setup.slow();
    client.publish({ topic: "t", qos: 1, packetId: 1 });
    client.publish({ topic: "t", qos: 1, packetId: 2 });
    client.publish({ topic: "t", qos: 1, packetId: 3 });
    assertEquals(take(client), []);
    await setup.commit();
    assertEquals(take(client), ["PUBACK 1"]);
    await setup.commit();
    assertEquals(take(client), ["PUBACK 2", "PUBACK 3"]);
    assertEquals(setup.store.pending, undefined);
  });

  test("[MQTT-4.6.0-2] what comes behind keeps its order behind what waits", async () => {
    const setup = new Setup();
    setup.kept({ clientId: "receiver" }).subscribe("kept");
    const client = setup.pair.connect();
    client.subscribe({ filter: "own", qos: 0 });
    setup.slow();
    client.publish({ topic: "own", qos: 1, packetId: 1 });
    assertEquals(take(client), ["PUBLISH", "PUBACK 1"]);
    client.publish({ topic: "kept", qos: 1, packetId: 2 });
    client.publish({ topic: "own", qos: 1, packetId: 3 });
    client.send({ type: PacketType.PINGREQ });
    assertEquals(take(client), []);
    await setup.commit();
    assertEquals(take(client), ["PUBACK 2", "PUBLISH", "PUBACK 3", "PINGRESP"]);
  });

  test("the acknowledgement is never ahead of the store: a crash at any moment loses nothing acknowledged", async () => {
    const setup = new Setup();
    const receiver = setup.kept({ clientId: "receiver" });
    receiver.subscribe("t");
    receiver.lose();
    const client = setup.pair.connect();
    setup.slow();
    const acknowledged: string[] = [];
    for (let i = 1; i <= 20 || setup.store.pending !== undefined; i++) {
      if (i <= 20) client.publish({ topic: "t", qos: 1, packetId: i, payload: `${i}` });
      if (i % 3 !== 0) continue;
      const safe = texts(setup.store.covered);
      await setup.commit();
      for (const one of take(client)) {
        acknowledged.push(one);
        assert(safe.includes(one.replace("PUBACK ", "")), `${one} is ahead of ${safe}`);
      }
    }
    assertEquals(acknowledged, Array.from({ length: 20 }, (_, i) => `PUBACK ${i + 1}`));
  });
});

/** The payloads that the store has for the receiver. */
function texts(sessions: StoredSession[]): string[] {
  return sessions[0]!.deliveries.map(({ message }) => new TextDecoder().decode(message.frame).slice(8));
}

describe("what waits for nothing", () => {
  test("sessions that end with their connection: no fact, no commit", () => {
    const setup = new Setup();
    setup.slow();
    const client = setup.pair.connect();
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
    assertEquals(setup.store.commits, 0);
    setup.pair.assertEmpty();
  });

  test("QoS 0 and QoS 1 to sessions that stay, and QoS 0 from them", async () => {
    const setup = new Setup();
    const client = setup.kept();
    client.subscribe("t");
    setup.slow();
    client.publish({ topic: "t" });
    assertEquals(take(client), ["PUBLISH"]);
    assertEquals(setup.store.pending, undefined);
    setup.pair.broker.publish({ topic: "t", qos: 1, payload: "" }, setup.pair.now);
    assertEquals(take(client), ["PUBLISH 1"]); // it may come again after a crash
    await setup.commit();
    client.acknowledge(PUBACK, 1);
    client.assertSilent();
  });

  test("another Client, while one waits", () => {
    const setup = new Setup();
    const waiting = setup.kept();
    const other = setup.pair.connect({ clientId: "other" });
    setup.slow();
    waiting.publish({ topic: "t", qos: 2 });
    assertEquals(take(waiting), []);
    other.publish({ topic: "t", qos: 1, packetId: 3 });
    assertEquals(take(other), ["PUBACK 3"]);
    other.assertSilent();
  });
});

describe("a commit that fails", () => {
  test("ends every connection that waited for it, unacknowledged, and no other", async () => {
    const setup = new Setup();
    const waiting = setup.kept();
    const other = setup.pair.connect({ clientId: "other" });
    setup.slow();
    waiting.publish({ topic: "t", qos: 2 });
    await setup.fail();
    assertClosed(waiting);
    assertEquals(setup.told.failures.map(String), ["Error: disk full"]);
    assertEquals(setup.told.ends.map(({ clientId, clean }) => [clientId, clean]), [["stub", false]]);
    other.assertSilent();
    while (setup.store.pending !== undefined) await setup.commit();
    const again = setup.pair.open();
    again.connect({ cleanStart: false, properties: { sessionExpiryInterval: 600 } });
    await setup.commit();
    assertEquals(again.take(PacketType.CONNACK).sessionPresent, true);
    again.publish({ topic: "t", qos: 1, packetId: 3 });
    assertEquals(take(again), ["PUBACK 3"]);
  });

  test("at once, by an exception, does the same", () => {
    const setup = new Setup();
    const waiting = setup.kept();
    const other = setup.pair.connect({ clientId: "other" });
    const commit = setup.store.commit.bind(setup.store);
    setup.store.commit = () => {
      setup.store.commit = commit;
      throw new Error("disk full");
    };
    waiting.publish({ topic: "t", qos: 2 });
    assertClosed(waiting);
    assertEquals(setup.told.failures.map(String), ["Error: disk full"]);
    other.assertSilent();
    assertEquals(setup.kept().connack?.sessionPresent, true);
  });

  test("does not hurt a connection that is gone by then", async () => {
    for (const end of ["commit", "fail"] as const) {
      const setup = new Setup();
      const waiting = setup.kept();
      setup.slow();
      waiting.publish({ topic: "t", qos: 2 });
      waiting.lose();
      await setup[end]();
      while (setup.store.pending !== undefined) await setup.commit();
      assertEquals([setup.pair.broker.connections, setup.pair.broker.sessions.size], [0, 1]);
    }
  });
});

test("DISCONNECT goes out behind what waited, and the close behind DISCONNECT", async () => {
  const setup = new Setup();
  const client = setup.kept();
  setup.slow();
  client.publish({ topic: "t", qos: 2, packetId: 5 });
  setup.pair.broker.shutdown(setup.pair.now);
  assertEquals([take(client), client.over], [[], false]);
  await setup.commit();
  assertEquals(take(client), ["PUBREC 5", "DISCONNECT"]);
  assertClosed(client);
});

test("[limit/close-timeout] a commit that never ends does not keep a connection for ever", () => {
  const setup = new Setup();
  const client = setup.kept();
  setup.slow();
  client.publish({ topic: "t", qos: 2, packetId: 5 });
  setup.pair.broker.shutdown(setup.pair.now);
  setup.pair.advance(LIMITS.closeTimeoutMs.default);
  assertClosed(client);
  assertEquals(setup.pair.broker.connections, 0);
});
