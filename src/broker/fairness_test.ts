/** One Client's work stops no other one, and none of it is lost. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { encodePacket } from "../codec/encode.ts";
import type { Connect, Packet } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { HandStore } from "../testing/hand_store.ts";
import { bytesOf } from "../testing/frame.ts";
import type { Transport } from "../transport/transport.ts";
import { Broker, type BrokerOptions, type Connection } from "./mod.ts";

const NOW = 1_700_000_000_000;
const PEER = { address: "192.0.2.1", port: 1, transport: "memory" } as const;
const WILL = { topic: "w", payload: new Uint8Array(), qos: 0, retain: false } as const;
const KEPT = { properties: { sessionExpiryInterval: 600 } } as const;
const OPTIONS = { qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;

/** Takes every byte, and counts. */
class Sink implements Transport {
  readonly label = "sink";
  bytes = 0;
  paused = false;
  closed = false;
  start(): void {}
  write(chunk: Uint8Array): number {
    this.bytes += chunk.length;
    return chunk.length;
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  close(): void {
    this.closed = true;
  }
  abort(): void {}
}

class Client {
  readonly transport: Sink = new Sink();
  readonly broker: Broker;
  readonly connection: Connection;

  constructor(broker: Broker, clientId: string, more: Partial<Connect> = {}) {
    this.broker = broker;
    this.connection = broker.opened(this.transport, PEER, NOW);
    this.send({ type: PacketType.CONNECT, level: 5, cleanStart: false, keepAlive: 0, clientId, ...more });
    broker.flush(NOW);
  }

  send(...packets: Packet[]): void {
    this.write(bytesOf(...packets.map((packet) => encodePacket(packet, 5))));
  }

  write(bytes: Uint8Array): void {
    this.connection.received(bytes, NOW);
  }

  subscribe(filters: readonly string[]): void {
    for (let i = 0; i < filters.length; i += 1_000) {
      const subscriptions = filters.slice(i, i + 1_000).map((filter) => ({ filter, ...OPTIONS }));
      this.send({ type: PacketType.SUBSCRIBE, packetId: 1, subscriptions });
      finish(this.broker);
    }
  }
}

function finish(broker: Broker): number {
  let turns = 0;
  for (; broker.work !== "none"; turns++) broker.flush(NOW);
  broker.assertInvariants();
  return turns;
}

function publish(topic: string, payload = ""): Packet {
  return {
    type: PacketType.PUBLISH,
    dup: false,
    qos: 0,
    retain: false,
    topic,
    payload: new TextEncoder().encode(payload),
  };
}

function numbered(count: number, item: (i: number) => string): string[] {
  return Array.from({ length: count }, (_, i) => item(i));
}

/** A broker whose topic `t` goes to 2,000 groups of one Client, and one with nothing to do with it. */
function scene(
  options: BrokerOptions = {},
): { broker: Broker; attacker: Client; healthy: Client; got: () => number } {
  const broker = new Broker(options);
  let got = 0;
  broker.tap("t", () => void got++);
  const attacker = new Client(broker, "attacker");
  attacker.subscribe(numbered(2_000, (i) => `$share/g${i}/t`));
  const healthy = new Client(broker, "healthy");
  healthy.subscribe(["h"]);
  return { broker, attacker, healthy, got: () => got };
}

describe("work that is counted", () => {
  test("ends at a frame when a Client has used up its share, and goes on in later turns", () => {
    const { broker, attacker, healthy, got } = scene();
    attacker.write(bytesOf(...Array.from({ length: 300 }, () => encodePacket(publish("t"), 5))));
    const first = got();
    assert(first > 0 && first < 300, `${first} at once`);
    const before = healthy.transport.bytes;
    healthy.send(publish("h"));
    let turns = 0;
    for (; healthy.transport.bytes === before; turns++) broker.flush(NOW);
    assert(turns <= 2, `served in ${turns} turns`);
    assert(got() < 300);
    turns = finish(broker);
    assertEquals(got(), 300);
    assert(turns > 3, `${turns} turns`);
  });

  test("an answer leaves before postponed work goes on, and the commit for another one begins", () => {
    const store = new HandStore();
    const { broker, attacker, healthy } = scene({ store });
    const durable = new Client(broker, "durable", KEPT);
    finish(broker);
    store.slow = true;
    attacker.write(bytesOf(...Array.from({ length: 300 }, () => encodePacket(publish("t"), 5))));
    broker.flush(NOW);
    const before = healthy.transport.bytes;
    const { commits } = store;
    const seen: unknown[] = [];
    broker.tap("t", () => void seen.push([healthy.transport.bytes > before, store.commits > commits]));
    healthy.send(publish("h"));
    durable.send({ type: PacketType.SUBSCRIBE, packetId: 1, subscriptions: [{ filter: "d", ...OPTIONS }] });
    while (seen.length === 0) broker.flush(NOW);
    assertEquals(seen[0], [true, true]);
  });

  test("a Client that is over is not read while it has a lot to be dealt with", () => {
    const { broker, attacker, got } = scene();
    const payload = "x".repeat(1_000);
    attacker.write(bytesOf(...Array.from({ length: 200 }, () => encodePacket(publish("t", payload), 5))));
    assertEquals(attacker.transport.paused, true);
    finish(broker);
    assertEquals([attacker.transport.paused, got()], [false, 200]);
  });

  test("what came before the connection ended is dealt with before its end", () => {
    const { broker, attacker, got } = scene();
    attacker.write(bytesOf(...Array.from({ length: 100 }, () => encodePacket(publish("t"), 5))));
    attacker.connection.closed(NOW);
    assert(broker.session("attacker")?.isConnected);
    finish(broker);
    assertEquals([got(), broker.session("attacker"), broker.stats.connections], [100, undefined, 1]);
  });

  test("so is a DISCONNECT: its Will is forgotten", () => {
    const broker = new Broker();
    let wills = 0;
    let got = 0;
    broker.tap("w", () => void wills++);
    broker.tap("t", () => void got++);
    new Client(broker, "groups").subscribe(numbered(2_000, (i) => `$share/g${i}/t`));
    const client = new Client(broker, "c", { will: WILL });
    const packets = Array.from({ length: 50 }, () => publish("t"));
    client.send(...packets, { type: PacketType.DISCONNECT, reasonCode: 0 });
    client.connection.closed(NOW);
    finish(broker);
    assertEquals([got, wills, broker.stats.connections], [50, 0, 1]);
  });

  test("ends of connections wait when the turn has done enough, with the Wills that they bring", () => {
    const broker = new Broker();
    new Client(broker, "reader").subscribe(numbered(5_000, (i) => `$share/g${i}/w`));
    const clients = numbered(200, (i) => `c${i}`).map((clientId) =>
      new Client(broker, clientId, { will: WILL })
    );
    let wills = 0;
    broker.tap("w", () => void wills++);
    for (const { connection } of clients) connection.closed(NOW);
    assert(wills > 0 && wills < 200, `${wills} at once`);
    finish(broker);
    assertEquals([wills, broker.stats.connected], [200, 1]);
  });

  test("deadlines that fall due together are met in portions", () => {
    const broker = new Broker();
    new Client(broker, "reader").subscribe(numbered(5_000, (i) => `$share/g${i}/w`));
    const will = { ...WILL, properties: { willDelayInterval: 5 } };
    for (const clientId of numbered(200, (i) => `c${i}`)) {
      const client = new Client(broker, clientId, { will, properties: { sessionExpiryInterval: 60 } });
      client.connection.closed(NOW);
      finish(broker);
    }
    let wills = 0;
    broker.tap("w", () => void wills++);
    broker.ticked(NOW + 5_000);
    assert(wills > 0 && wills < 200, `${wills} at once`);
    let ticks = 0;
    for (; wills < 200; ticks++) {
      while (broker.work !== "none") broker.flush(NOW + 5_000);
      assert(broker.nextDeadline() <= NOW + 5_000);
      broker.ticked(NOW + 5_000);
    }
    assert(ticks > 1);
  });

  test("the subscriptions of a session that ends go in portions; a new session is not touched by that", () => {
    const broker = new Broker();
    const client = new Client(broker, "c");
    const filters = numbered(20_000, (i) => `t/${i}`);
    client.subscribe(filters);
    client.connection.closed(NOW);
    const left = broker.stats.subscriptions;
    assert(left > 0 && left < 20_000, `${left} left`);
    assertEquals(broker.session("c"), undefined);
    const again = new Client(broker, "c");
    again.subscribe(filters.slice(0, 3));
    finish(broker);
    assertEquals(broker.stats.subscriptions, 3);
    const before = again.transport.bytes;
    again.send(publish("t/1"));
    finish(broker);
    assert(again.transport.bytes > before);
  });

  test("so many bytes are written in a turn, the others in the next ones", () => {
    const broker = new Broker();
    const readers = numbered(50, (i) => `r${i}`).map((clientId) => new Client(broker, clientId));
    for (const reader of readers) reader.subscribe(["t"]);
    const before = readers.map(({ transport }) => transport.bytes);
    const payload = new Uint8Array(1024 * 1024);
    broker.publish({ topic: "t", payload }, NOW);
    const served = () =>
      readers.filter(({ transport }, i) => transport.bytes - before[i]! > payload.length).length;
    broker.flush(NOW);
    assert(served() > 0 && served() < 50, `${served()} at once`);
    assertEquals(broker.work, "later");
    const healthy = new Client(broker, "healthy");
    assert(healthy.transport.bytes > 0, "a small answer does not wait behind them");
    assert(served() < 50);
    assert(finish(broker) > 0);
    assertEquals(served(), 50);
  });
});

describe("facts that are counted", () => {
  /** So many retained messages on new topics, in one chunk. */
  function flood(client: Client, from: number, count: number): void {
    client.send(
      ...numbered(count, (i) => `r/${from + i}`).map((topic) => ({ ...publish(topic, "x"), retain: true })),
    );
  }

  test("a Client that causes more facts than a commit takes is not read until the commit begins", () => {
    const store = new HandStore();
    store.slow = true;
    const broker = new Broker({ store });
    const attacker = new Client(broker, "attacker");
    finish(broker);
    for (let i = 0; i < 24; i++) {
      flood(attacker, i * 1_000, 1_000);
      broker.flush(NOW);
    }
    const stored = broker.stats.retainedMessages;
    assert(stored >= 4_000 && stored < 12_000, `${stored} before the commit is done`);
    const healthy = new Client(broker, "healthy");
    healthy.subscribe(["h"]);
    const before = healthy.transport.bytes;
    healthy.send(publish("h"));
    broker.flush(NOW);
    assert(healthy.transport.bytes > before, "who causes no facts goes on");
  });

  test("and goes on when it does, or when it fails", () => {
    for (const error of [undefined, new Error("disk full")]) {
      const store = new HandStore();
      const broker = new Broker({ store });
      const attacker = new Client(broker, "attacker");
      finish(broker);
      store.slow = true;
      const waitForCommit = (): void => {
        const [question] = broker.flush(NOW).filter(({ kind }) => kind === "commit");
        if (question === undefined) return;
        question.later.then(
          (answer) => broker.answered(question, answer, NOW),
          (failure) => broker.rejected(question, failure, NOW),
        );
        store.settle(error);
      };
      for (let i = 0; i < 24; i++) flood(attacker, i * 1_000, 1_000);
      for (let i = 0; i < 200 && broker.stats.retainedMessages < 24_000; i++) waitForCommit();
      assertEquals(broker.stats.retainedMessages, 24_000);
      assertEquals(attacker.transport.paused, false);
    }
  });
});

function messagesOf(broker: Broker, clientId: string): number {
  const session = broker.session(clientId);
  return session === undefined ? 0 : session.queued + session.exchanges;
}

for (const what of ["ends", "loses its connection"] as const) {
  describe(`a session with many shared messages ${what}`, () => {
    const COUNT = 10_000;
    /** In flight by `inFlightMax`: exchanges stay with the session. */
    const OWN = what === "ends" ? 0 : 1_000;
    const LEAVES = {
      type: PacketType.DISCONNECT,
      reasonCode: 0,
      properties: what === "ends" ? { sessionExpiryInterval: 0 } : {},
    } as const;

    function join(broker: Broker, clientId: string): Client {
      const member = new Client(broker, clientId, KEPT);
      const subscriptions = [{ ...OPTIONS, filter: "$share/g/t", qos: 1 as const }];
      member.send({ type: PacketType.SUBSCRIBE, packetId: 1, subscriptions });
      finish(broker);
      return member;
    }

    /** Between two portions: some of the messages of `leaver` have gone to `other`. */
    function halfway(): { broker: Broker; store: HandStore } {
      const store = new HandStore();
      const broker = new Broker({ store });
      const leaver = join(broker, "leaver");
      for (let i = 0; i < COUNT; i++) broker.publish({ topic: "t", qos: 1, payload: `${i}` }, NOW);
      finish(broker);
      join(broker, "other");
      leaver.send(LEAVES);
      broker.flush(NOW);
      return { broker, store };
    }

    test("[MQTT-4.8.2-4] they go to another member in portions", () => {
      const { broker } = halfway();
      const first = messagesOf(broker, "other");
      assert(first > 0 && first < COUNT, `${first} at first`);
      assert(finish(broker) > 1);
      assertEquals(messagesOf(broker, "other"), COUNT - OWN);
    });

    test("a crash between two portions loses none of them", () => {
      const { store } = halfway();
      const later = new Broker({ store: store.crashed() });
      finish(later);
      const own = messagesOf(later, "leaver");
      assert(own > 0 && own < COUNT, `${own} are left`);
      assertEquals(own + messagesOf(later, "other"), COUNT);
    });

    test("[MQTT-3.2.2-2] its Client may come back between two portions: all of them have another member then", () => {
      const { broker, store } = halfway();
      new Client(broker, "leaver", KEPT);
      assertEquals(messagesOf(broker, "leaver"), OWN);
      assertEquals(messagesOf(broker, "other"), COUNT - OWN);
      finish(broker);
      const later = new Broker({ store: store.crashed() });
      assertEquals([messagesOf(later, "leaver"), messagesOf(later, "other")], [OWN, COUNT - OWN]);
    });
  });
}

test("a session that ends in portions is known until then, though its Client came back in the middle of an earlier end", () => {
  const broker = new Broker();
  const [leaver, other] = ["leaver", "other"].map((id) => new Client(broker, id, KEPT)) as [Client, Client];
  leaver.subscribe(numbered(5_000, (i) => `a/${i}`));
  const shared = { ...OPTIONS, filter: "$share/g/t", qos: 1 as const };
  leaver.send({ type: PacketType.SUBSCRIBE, packetId: 1, subscriptions: [shared] });
  for (let i = 0; i < 3_000; i++) broker.publish({ topic: "t", qos: 1, payload: "" }, NOW);
  finish(broker);
  other.send({ type: PacketType.SUBSCRIBE, packetId: 1, subscriptions: [shared] });
  const leave = { type: PacketType.DISCONNECT, reasonCode: 0 } as const;
  leaver.send(leave);
  assert(messagesOf(broker, "other") < 2_000, "an end goes on");
  const again = broker.opened(new Sink(), PEER, NOW);
  again.received(
    bytesOf(...[
      { type: PacketType.CONNECT, level: 5, cleanStart: false, keepAlive: 0, clientId: "leaver", ...KEPT },
      { ...leave, properties: { sessionExpiryInterval: 0 } },
    ].map((packet) => encodePacket(packet as Packet, 5))),
    NOW,
  );
  for (; broker.work !== "none"; broker.flush(NOW)) broker.assertInvariants();
  assertEquals([broker.session("leaver"), messagesOf(broker, "other")], [undefined, 3_000]);
});
