/**
 * The loop around a broker: turns, deadlines, commits and the end.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers";
import { Broker, type BrokerOptions, type Commit, MemoryStore } from "../broker/mod.ts";
import {
  type Connect,
  decodePacket,
  encodePacket,
  type Packet,
  PacketType,
  type Publish,
} from "../codec/mod.ts";
import { type Loop, systemLoop } from "../runtime/loop.ts";
import { VirtualLoop } from "../testing/virtual_loop.ts";
import type { Transport, TransportHandler } from "../transport/mod.ts";
import { Driver } from "./driver.ts";
import { until } from "../testing/patience.ts";

/** A transport in the hands of a test: it counts writes and keeps what was written. */
class Hand implements Transport {
  readonly label = "hand";
  handler!: TransportHandler;
  readonly writes: Uint8Array[] = [];
  /** Called in place of a write, to fail. */
  onWrite: () => void = () => {};
  /** Calls of close() and abort(). */
  readonly ends: string[] = [];
  /** The peer does not end its half after ours. */
  lingers = false;

  start(handler: TransportHandler): void {
    this.handler = handler;
  }

  write(chunk: Uint8Array): number {
    this.onWrite();
    this.writes.push(chunk.slice());
    return chunk.length;
  }

  pause(): void {}
  resume(): void {}

  close(): void {
    this.ends.push("close");
    if (!this.lingers) setImmediate(() => this.handler.closed());
  }

  abort(): void {
    this.ends.push("abort");
    setImmediate(() => this.handler.closed());
  }

  send(...packets: Packet[]): void {
    for (const packet of packets) this.handler.received(encodePacket(packet, 5));
  }

  /** The last packet written, when nothing else was written with it. */
  get last(): Packet | undefined {
    const bytes = this.writes.at(-1);
    return bytes && decodePacket(bytes, 5);
  }
}

const PEER = { address: "192.0.2.1", port: 40_000, transport: "memory" } as const;

function connectPacket(clientId: string): Packet {
  return { type: PacketType.CONNECT, level: 5, cleanStart: true, keepAlive: 0, clientId };
}

function publishPacket(qos: 0 | 1, packetId: number): Publish {
  const payload = new Uint8Array([1]);
  return { type: PacketType.PUBLISH, dup: false, qos, retain: qos === 1, topic: "a", payload, packetId };
}

function drive(options: BrokerOptions = {}, loop: Loop = systemLoop): { driver: Driver; open(): Hand } {
  const driver = new Driver(new Broker(options), loop);
  return {
    driver,
    open(): Hand {
      const hand = new Hand();
      driver.accept(hand, PEER);
      return hand;
    },
  };
}

describe("Driver", () => {
  test("writes once for each connection at the end of a turn, however much came in", () => {
    const loop = new VirtualLoop();
    const { open } = drive({}, loop);
    const [one, other] = [open(), open()];
    one.send(connectPacket("one"));
    other.send(connectPacket("other"));
    one.send({ type: PacketType.PINGREQ }, { type: PacketType.PINGREQ }, { type: PacketType.PINGREQ });
    assertEquals([one.writes.length, other.writes.length, loop.waiting.turns], [0, 0, 1]);
    loop.endTurn();
    assertEquals([one.writes.length, other.writes.length, loop.waiting.turns], [1, 1, 0]);
    one.send({ type: PacketType.PINGREQ });
    loop.endTurn();
    assertEquals(one.last, { type: PacketType.PINGRESP });
    assertEquals([one.writes.length, other.writes.length], [2, 1]);
  });

  test("what takes many turns comes after all input: an answer to somebody else does not wait for it, and does not hurry it", () => {
    const loop = new VirtualLoop();
    const { driver, open } = drive({}, loop);
    const [reader, other] = [open(), open()];
    reader.send(connectPacket("reader"));
    other.send(connectPacket("other"));
    for (let i = 0; i < 5_000; i++) {
      driver.run((broker, now) => broker.publish({ topic: `r/${i}`, payload: "x", retain: true }, now));
    }
    const options = { qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
    reader.send({ type: PacketType.SUBSCRIBE, packetId: 1, subscriptions: [{ filter: "#", ...options }] });
    loop.endTurn();
    assertEquals([loop.waiting.turns, loop.waiting.later], [0, 1]);
    other.send({ type: PacketType.PINGREQ });
    reader.handler.drained();
    assertEquals([loop.waiting.turns, loop.waiting.later], [1, 1]);
    loop.endTurn();
    assertEquals(other.last, { type: PacketType.PINGRESP });
    for (let i = 0; loop.goOn(); i++) assert(loop.waiting.turns === 0 && i < 20);
    const bytes = reader.writes.reduce((sum, chunk) => sum + chunk.length, 0);
    assert(bytes > 5_000 * 8, `${bytes}`);
  });

  test("a walk without an end of turn of its own goes on by itself", async () => {
    const { driver, open } = drive();
    const hand = open();
    hand.send(connectPacket("one"));
    for (let i = 0; i < 5_000; i++) {
      driver.run((broker, now) => broker.publish({ topic: `r/${i}`, payload: "x", retain: true }, now));
    }
    const options = { qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
    hand.send({ type: PacketType.SUBSCRIBE, packetId: 1, subscriptions: [{ filter: "#", ...options }] });
    await until(() => driver.broker.stats.retainedDeliveries === 0, "all is sent");
    await driver.close();
  });

  test("the default end of a turn comes by itself", async () => {
    const { open } = drive();
    const hand = open();
    hand.send(connectPacket("one"));
    assertEquals(hand.writes.length, 0);
    await until(() => hand.writes.length === 1, "CONNACK is written");
    assertEquals(hand.last?.type, PacketType.CONNACK);
  });

  test("calls the broker when something falls due", async () => {
    const { driver, open } = drive({ limits: { connectTimeoutMs: 50 } });
    const hand = open();
    await until(() => hand.ends.length > 0, "the connection without a CONNECT is closed");
    await until(() => driver.broker.connections === 0, "it is over");
  });

  test("an earlier deadline overtakes a later one", () => {
    const loop = new VirtualLoop();
    const { driver, open } = drive({ limits: { connectTimeoutMs: 3_600_000, closeTimeoutMs: 50 } }, loop);
    open();
    const hand = open();
    hand.send(connectPacket("one"));
    loop.endTurn();
    hand.lingers = true;
    const reason = { code: 0x98, rule: "policy/banned", message: "Out" } as const;
    driver.run((broker, now) => broker.disconnect("one", reason, now));
    loop.endTurn();
    const end = loop.time + 50;
    while (loop.tick(end - 1));
    assert(!hand.ends.includes("abort"));
    while (loop.tick(end));
    assertEquals(hand.ends.at(-1), "abort");
  });

  test("after a standstill of the process, what Clients have sent meanwhile is read before deadlines are kept", () => {
    const loop = new VirtualLoop();
    const { open } = drive({ limits: { connectTimeoutMs: 100 } }, loop);
    const [quick, silent] = [open(), open()];
    loop.time += 500; // nothing runs: the timer will be late
    assert(loop.tick(loop.time));
    assertEquals([quick.ends, silent.ends], [[], []]);
    quick.send(connectPacket("quick")); // what has waited in the kernel
    loop.endTurn();
    while (loop.look() || loop.endTurn());
    assertEquals([quick.ends, silent.ends], [[], ["close"]]);
  });

  test("[MQTT-3.1.2-22] nobody is called silent before every socket has been looked at, though the timer is not late", () => {
    const loop = new VirtualLoop();
    const { open } = drive({}, loop);
    const [pinged, silent] = [open(), open()];
    for (const hand of [pinged, silent]) {
      hand.send({ ...connectPacket(hand === silent ? "silent" : "pinged") as Connect, keepAlive: 10 });
      loop.endTurn();
    }
    const until = loop.time + 15_000; // stopped until then
    while (loop.tick(until));
    assertEquals([pinged.ends, silent.ends], [[], []]);
    loop.endTurn();
    pinged.send({ type: PacketType.PINGREQ }); // what has waited in the kernel
    while (loop.look() || loop.endTurn());
    assertEquals([pinged.ends, silent.ends], [[], ["close"]]);
    while (loop.tick(loop.time + 15_000)) while (loop.look() || loop.endTurn());
    assertEquals(pinged.ends[0], "close");
  });

  test("one look at a time: silence that is found during a look waits for the next", () => {
    const loop = new VirtualLoop();
    const { open } = drive({}, loop);
    const hands = [10, 20].map((keepAlive) => {
      const hand = open();
      hand.send({ ...connectPacket(`c${keepAlive}`) as Connect, keepAlive });
      loop.endTurn();
      return hand;
    });
    const ends = () => hands.map(({ ends }) => ends.length);
    const until = loop.time + 30_000;
    while (loop.tick(until)) loop.endTurn();
    assertEquals(ends(), [0, 0]);
    loop.look();
    assertEquals(ends(), [1, 0]);
    loop.look();
    assertEquals(ends(), [1, 1]);
  });

  test("what had fallen due before it begins is done at once", () => {
    const loop = new VirtualLoop();
    const store = new MemoryStore();
    const message = { topic: "a", payload: "b", retain: true, properties: { messageExpiryInterval: 10 } };
    drive({ store }, loop).driver.run((broker, now) => broker.publish(message, now));
    const later = new VirtualLoop();
    later.time += 600_000;
    const { driver } = drive({ store }, later);
    assertEquals(driver.broker.stats.retainedMessages, 1);
    assert(later.tick(later.time));
    assertEquals(driver.broker.stats.retainedMessages, 0);
  });

  test("run() has done what follows from it", async () => {
    const { driver, open } = drive();
    const hand = open();
    const options = { qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
    hand.send(connectPacket("one"), {
      type: PacketType.SUBSCRIBE,
      packetId: 1,
      subscriptions: [{ filter: "a", ...options }],
    });
    await until(() => hand.writes.length === 1, "CONNACK and SUBACK are written");
    driver.run((broker, now) => broker.publish({ topic: "a", payload: "hello" }, now));
    await until(() => hand.writes.length === 2, "PUBLISH is written");
    const packet = hand.last as Publish;
    assertEquals([packet.topic, new TextDecoder().decode(packet.payload)], ["a", "hello"]);
  });

  test("an acknowledgement waits for the commit that it depends on", async () => {
    let commits = 0;
    let safe: (() => void) | undefined;
    class SlowStore extends MemoryStore {
      override commit(): Commit {
        commits++;
        return new Promise((resolve) => safe = resolve);
      }
    }
    const { driver, open } = drive({ store: new SlowStore() });
    const hand = open();
    hand.send(connectPacket("one"));
    await until(() => hand.writes.length === 1, "CONNACK is written");
    hand.send(publishPacket(1, 7));
    await until(() => commits === 1, "the retained message is being made safe");
    let turns = 0;
    await until(() => turns++ > 20, "time goes on");
    assertEquals(hand.writes.length, 1);
    safe!();
    await until(() => hand.writes.length === 2, "PUBACK is written");
    assertEquals(hand.last?.type, PacketType.PUBACK);
    await driver.close();
  });

  test("close() waits for a commit", async () => {
    let safe: (() => void) | undefined;
    class SlowStore extends MemoryStore {
      override commit(): Commit {
        return new Promise((resolve) => safe = resolve);
      }
    }
    const { driver } = drive({ store: new SlowStore() });
    driver.run((broker, now) => broker.publish({ topic: "a", payload: "b", retain: true }, now));
    let closed = false;
    const closing = driver.close().then(() => closed = true);
    await until(() => safe !== undefined, "the commit is under way");
    let turns = 0;
    await until(() => turns++ > 20, "time goes on");
    assert(!closed);
    safe!();
    await closing;
  });

  test("a commit that fails ends who waited for it, and is tried again until it succeeds", async () => {
    const told: string[] = [];
    let commits = 0;
    class FailingStore extends MemoryStore {
      override commit(): Commit {
        return ++commits < 3 ? Promise.reject(new Error("disk full")) : undefined;
      }
    }
    const { driver, open } = drive({
      store: new FailingStore(),
      hooks: {
        storeFailed: (error) => void told.push(`${error}`),
        storeRecovered: () => void told.push("recovered"),
      },
    });
    const hand = open();
    hand.send(connectPacket("one"));
    await until(() => hand.writes.length === 1, "CONNACK is written");
    hand.send(publishPacket(1, 7));
    await until(() => hand.ends.length > 0, "the connection is closed");
    const last = hand.last!;
    assert(last.type === PacketType.DISCONNECT && last.reasonCode === 0x97);
    assertEquals([commits, told], [1, ["Error: disk full"]]);
    await until(() => !driver.broker.stats.isFailing, "the store is well again");
    assertEquals([commits, told], [3, ["Error: disk full", "recovered"]]);
    await driver.close();
  });

  test("close() does not wait for a store that fails", async () => {
    class FailingStore extends MemoryStore {
      override commit(): Commit {
        return Promise.reject(new Error("disk full"));
      }
    }
    const { driver } = drive({ store: new FailingStore() });
    driver.run((broker, now) => broker.publish({ topic: "a", payload: "b", retain: true }, now));
    await driver.close();
    assert(driver.broker.stats.isFailing);
  });

  test("facts that nobody waits for are committed by themselves", async () => {
    let commits = 0;
    class CountingStore extends MemoryStore {
      override commit(): Commit {
        commits++;
      }
    }
    const { driver } = drive({ store: new CountingStore() });
    driver.run((broker, now) => broker.publish({ topic: "a", payload: "b", retain: true }, now));
    await until(() => commits > 0, "the retained message is made safe");
    await driver.close();
    assertEquals(commits, 1);
  });

  test("a page that the store brings later is sent", async () => {
    class LateStore extends MemoryStore {
      override load(...page: Parameters<MemoryStore["load"]>): ReturnType<MemoryStore["load"]> {
        const found = super.load(...page);
        return new Promise((resolve) => setTimeout(() => resolve(found), 10));
      }
    }
    const { driver, open } = drive({ store: new LateStore() });
    const kept = { ...connectPacket("one"), cleanStart: false, properties: { sessionExpiryInterval: 60 } };
    const options = { qos: 1, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
    const first = open();
    first.send(kept as Packet, {
      type: PacketType.SUBSCRIBE,
      packetId: 1,
      subscriptions: [{ filter: "a", ...options }],
    });
    await until(() => first.writes.length === 1, "CONNACK and SUBACK are written");
    first.abort();
    await until(() => driver.broker.connections === 0, "the connection is over");
    driver.run((broker, now) => broker.publish({ topic: "a", payload: "hello", qos: 1 }, now));
    const second = open();
    second.send(kept as Packet);
    await until(() => second.writes.length === 2, "CONNACK, then PUBLISH are written");
    assertEquals(new TextDecoder().decode((second.last as Publish).payload), "hello");
    await driver.close();
  });

  test("close() says Server shutting down to everybody and resolves when all are gone", async () => {
    const { driver, open } = drive();
    const [one, silent] = [open(), open()];
    one.send(connectPacket("one"));
    await until(() => one.writes.length === 1, "CONNACK is written");
    const closing = driver.close();
    assertEquals(driver.close(), closing, "twice is once");
    await closing;
    const last = one.last!;
    assert(last.type === PacketType.DISCONNECT && last.reasonCode === 0x8b);
    assertEquals([one.ends, silent.ends, driver.broker.connections], [["close"], ["close"], 0]);
  });

  test("close() in a hook is like any other: everybody gets what came before it, then the reason", async () => {
    const hooks = {
      connected: () => void (closing ??= driver.close()),
      disconnected: () => void driver.close(),
    };
    let closing: Promise<void> | undefined;
    const { driver, open } = drive({ hooks });
    const [one, silent] = [open(), open()];
    one.send(connectPacket("one"));
    await until(() => closing !== undefined, "the hook is called");
    await closing;
    const types = one.writes.flatMap((bytes) =>
      bytes[0]! >> 4 === PacketType.CONNACK ? [bytes[0]! >> 4] : []
    );
    assertEquals(types, [PacketType.CONNACK]);
    assertEquals([one.ends, silent.ends, driver.broker.connections], [["close"], ["close"], 0]);
  });

  test("a promise of the owner that is none of the language's may answer twice, or throw, without harm to other questions", async () => {
    const failures: unknown[] = [];
    let odd: { then(done: (answer: 0) => void): void } = {
      then: () => {
        throw new Error("then");
      },
    };
    const asked: string[] = [];
    const { driver, open } = drive({
      hooks: { failed: (error) => void failures.push(error) },
      authorize: ({ topic }) => {
        asked.push(topic);
        return topic === "a" ? odd as Promise<0> : Promise.resolve(0);
      },
    });
    const [one, two] = [open(), open()];
    one.send(connectPacket("one"));
    two.send({ ...connectPacket("two") });
    await until(() => one.writes.length + two.writes.length === 2, "CONNACK is written");
    one.send(publishPacket(1, 1));
    two.send({ ...publishPacket(1, 1), topic: "b" });
    await until(() => one.writes.length + two.writes.length === 4, "both are answered");
    assertEquals(
      [one.last, two.last].map((packet) => packet?.type === PacketType.PUBACK && packet.reasonCode),
      [
        0x87,
        0x10,
      ],
    );
    assertEquals(failures.map(String), ["Error: then"]);
    odd = {
      then: (done) => {
        done(0);
        done(0);
      },
    };
    for (const id of [2, 3]) {
      one.send(publishPacket(1, id));
      await until(() => one.writes.length === 1 + id, "the answer is written");
      assertEquals(one.last?.type === PacketType.PUBACK && one.last.packetId, id);
    }
    assertEquals(asked, ["a", "b", "a", "a"], "the second answer is for no other packet");
    await driver.close();
  });

  test("an exception in the engine or a transport ends one connection and is told", async () => {
    const failures: unknown[] = [];
    const { open } = drive({ hooks: { failed: (error) => void failures.push(error) } });
    const [bad, good] = [open(), open()];
    bad.onWrite = () => {
      throw new Error("broken");
    };
    bad.send(connectPacket("bad"));
    await until(() => failures.length > 0, "it is told");
    good.send(connectPacket("good"));
    await until(() => good.writes.length === 1, "the other is served");
  });
});
