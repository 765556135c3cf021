/** §4.1, §4.13 While the store cannot make facts safe: what depends on it is refused, the rest goes on, and nothing acknowledged is lost. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { Packet, ProtocolLevel, Will } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { seededRandom } from "../engine/random.ts";
import { assertClosed, assertEnded, assertNotAccepted, assertRule } from "../testing/assertions.ts";
import { Life, take } from "../testing/restarts.ts";
import type { ConnectInit, StubClient } from "../testing/pair.ts";

const { CONNACK, PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;
const WILL: Will = { topic: "w", payload: new TextEncoder().encode("bye"), qos: 1, retain: false };
/** Below level 5 a session that is not clean stays. */
const KEPT: ConnectInit = { cleanStart: false, properties: { sessionExpiryInterval: 600 } };
const PASSING: ConnectInit = { cleanStart: true, properties: {} };

/** From now on the store fails; nobody has waited for it. */
function failing(life: Life): void {
  life.store.broken = true;
  life.publish({ topic: "cause", payload: "x", retain: true });
  life.pair.advance(1_000);
  assert(life.pair.broker.stats.isFailing && life.pair.broker.stats.isUnsafe);
}

/** The store is well again, and that is noticed. */
function recovers(life: Life): void {
  life.store.broken = false;
  life.pair.advance(1_000);
  assert(!life.pair.broker.stats.isFailing);
}

/** A Client with an identifier that stays or ends with its connection. */
function client(life: Life, clientId: string, init: ConnectInit, level: ProtocolLevel = 5): StubClient {
  return life.pair.connect({ ...init, clientId, level });
}

describe("PUBLISH while the store fails", () => {
  const needs: Readonly<
    Record<string, { before(life: Life): void; publisher: ConnectInit; retain?: true; qos?: 2 }>
  > = {
    "a subscriber's session stays": {
      before: (life) => client(life, "receiver", KEPT).subscribe("t"),
      publisher: PASSING,
    },
    "that of one who is away stays": {
      before(life) {
        const receiver = client(life, "receiver", KEPT);
        receiver.subscribe("t", "+");
        receiver.lose();
      },
      publisher: PASSING,
    },
    "that of one of a group stays": {
      before(life) {
        client(life, "passing", PASSING).subscribe("$share/g/t");
        client(life, "receiver", KEPT).subscribe("$share/g/t");
      },
      publisher: PASSING,
    },
    "it is to be retained": { before() {}, publisher: PASSING, retain: true },
    "its identifier is to be remembered": { before() {}, publisher: KEPT, qos: 2 },
  };
  for (const [why, { before, publisher, retain = false, qos: only }] of Object.entries(needs)) {
    for (const qos of only === undefined ? [1, 2] as const : [only]) {
      test(`is refused at QoS ${qos} if ${why}, and taken when the store is well again`, () => {
        const life = new Life();
        before(life);
        const [five, four] = [client(life, "five", publisher), client(life, "four", publisher, 4)];
        failing(life);
        life.told.ends.length = 0;
        const message = { topic: "t", qos, payload: "x", packetId: 9, retain };
        const answer = qos === 1 ? PUBACK : PUBREC;
        five.publish(message);
        const { packetId, reasonCode, properties } = five.take(answer);
        assertEquals([packetId, reasonCode], [9, 0x97]);
        assertRule(properties?.reasonString, "limit/store");
        four.publish(message);
        assertClosed(four); // it has no other way to be told
        life.told.assertEnded("four", 0x97, "limit/store");
        for (const clientId of life.pair.broker.clientIds()) {
          const { queued, exchanges } = life.pair.broker.session(clientId)!;
          assertEquals([queued, exchanges], [0, 0]);
        }
        recovers(life);
        five.publish(message);
        assert(five.take(answer).reasonCode < 0x80);
      });
    }
  }

  test("at QoS 0 goes on, also to sessions that stay, also retained", () => {
    const life = new Life();
    const receiver = client(life, "receiver", KEPT);
    receiver.subscribe("t");
    failing(life);
    for (const level of [4, 5] as const) {
      client(life, "passing", PASSING, level).publish({ topic: "t", payload: "a", retain: level === 5 });
      assertEquals(take(receiver), ["PUBLISH a"]);
    }
    recovers(life);
    life.crash();
    const later = client(life, "later", PASSING);
    later.subscribe("t");
    assertEquals(take(later), ["PUBLISH a"]);
  });

  test("at QoS 1 and 2 goes on between sessions that end with their connection", () => {
    for (const level of [4, 5] as const) {
      const life = new Life();
      const publisher = client(life, "publisher", PASSING, level);
      const receiver = client(life, "receiver", PASSING, level);
      receiver.subscribe("t");
      failing(life);
      publisher.publish({ topic: "t", qos: 1, packetId: 5 });
      publisher.publish({ topic: "t", qos: 2, packetId: 6 });
      publisher.acknowledge(PUBREL, 6);
      assertEquals(take(publisher), ["PUBACK 5", "PUBREC 6", "PUBCOMP 6"]);
      assertEquals(take(receiver), ["PUBLISH 1", "PUBLISH 2"]);
      receiver.acknowledge(PUBREC, 2);
      assertEquals(take(receiver), ["PUBREL 2"]);
    }
  });

  test("at QoS 1 goes on from a session that stays to one that does not, or to nobody", () => {
    const life = new Life();
    const publisher = client(life, "publisher", KEPT);
    const receiver = client(life, "receiver", PASSING);
    receiver.subscribe("t");
    client(life, "other", KEPT).subscribe({ filter: "t", qos: 0 });
    failing(life);
    publisher.publish({ topic: "t", qos: 1, packetId: 5 });
    publisher.publish({ topic: "u", qos: 1, packetId: 6 });
    assertEquals(take(publisher), ["PUBACK 5", "PUBACK 6 0x10"]);
    assertEquals(take(receiver), ["PUBLISH 1"]);
  });

  test("of the Server itself is kept, and safe when the store is well again", () => {
    const life = new Life();
    client(life, "receiver", KEPT).subscribe("t");
    failing(life);
    life.publish({ topic: "t", qos: 1, payload: "a" });
    recovers(life);
    life.crash();
    assertEquals(take(client(life, "receiver", KEPT)), ["PUBLISH 1 dup a"]);
  });
});

describe("SUBSCRIBE and UNSUBSCRIBE while the store fails", () => {
  for (const level of [4, 5] as const) {
    test(`a session that stays is refused each filter, level ${level}`, () => {
      const life = new Life();
      const stays = client(life, "stays", KEPT, level);
      failing(life);
      assertEquals(stays.subscribe("a", "b/#"), level === 5 ? [0x97, 0x97] : [0x80, 0x80]);
      assertEquals(life.pair.broker.session("stays")?.subscriptions, 0);
      recovers(life);
      assertEquals(stays.subscribe("a", "b/#"), [2, 2]);
    });
  }

  test("one that ends with its connection may subscribe and unsubscribe", () => {
    const life = new Life();
    const passing = client(life, "passing", PASSING);
    failing(life);
    assertEquals([passing.subscribe("a"), passing.unsubscribe("a")], [[2], [0]]);
  });

  test("UNSUBACK of one that stays waits for the next try, and ends with it", () => {
    for (const isWell of [true, false]) {
      const life = new Life();
      const stays = client(life, "stays", KEPT);
      stays.subscribe("a");
      failing(life);
      stays.send({ type: PacketType.UNSUBSCRIBE, packetId: 5, filters: ["a"] });
      life.pair.advance(999);
      assertEquals(take(stays), []);
      life.store.broken = !isWell;
      life.pair.advance(1);
      if (isWell) assertEquals(take(stays), ["UNSUBACK 5"]);
      else assertEnded(stays, 0x97, "limit/store");
    }
  });
});

describe("CONNECT while the store fails", () => {
  for (const level of [4, 5] as const) {
    const refused = (life: Life, clientId: string, init: ConnectInit): void => {
      const one = life.pair.open(level);
      one.connect({ ...init, clientId, level });
      assertNotAccepted(one, level === 5 ? 0x97 : 3, "limit/store");
      life.told.assertRefused(0x97, "limit/store");
    };

    test(`a new session that is to stay is refused, level ${level}`, () => {
      const life = new Life();
      failing(life);
      refused(life, "new", KEPT);
      assertEquals(life.pair.broker.stats.sessions, 0);
      recovers(life);
      client(life, "new", KEPT, level);
    });

    test(`so is who would end one that stays, and that goes on, level ${level}`, () => {
      const life = new Life();
      const first = client(life, "stub", { ...KEPT, will: WILL }, level);
      failing(life);
      refused(life, "stub", PASSING);
      refused(life, "stub", { ...KEPT, cleanStart: true });
      first.assertSilent();
      first.lose();
      refused(life, "stub", PASSING);
      assertEquals(client(life, "stub", KEPT, level).connack?.sessionPresent, true);
    });

    test(`one that ends with its connection is let in at once, its will too, level ${level}`, () => {
      const life = new Life();
      failing(life);
      for (const clientId of ["new", "new", ""]) client(life, clientId, { ...PASSING, will: WILL }, level);
    });

    test(`a session that goes on is let in at once, level ${level}`, () => {
      const life = new Life();
      const away = client(life, "away", KEPT, level);
      client(life, "here", KEPT, level);
      away.subscribe("t");
      away.lose();
      life.publish({ topic: "t", qos: 1, payload: "a" });
      failing(life);
      for (const clientId of ["away", "here"]) {
        const again = client(life, clientId, KEPT, level);
        assertEquals(again.connack?.sessionPresent, true);
        assertEquals(take(again), clientId === "away" ? ["PUBLISH 1 a"] : []);
        life.pair.advance(10_000);
        again.assertSilent();
      }
    });
  }

  test("[MQTT-3.2.2-3] a session that has begun and was never safe does not go on: it is refused until it is", () => {
    const life = new Life();
    life.store.slow = true;
    const first = life.pair.open();
    first.connect({ ...KEPT, clientId: "new" });
    first.lose(); // while its CONNACK waits
    life.store.settle(new Error("disk full"));
    life.store.slow = false;
    life.store.broken = true;
    life.pair.advance(100);
    assert(life.pair.broker.stats.isFailing);
    const second = life.pair.open();
    second.connect({ ...KEPT, clientId: "new" });
    assertNotAccepted(second, 0x97, "limit/store");
    recovers(life);
    const third = life.pair.open();
    third.connect({ ...KEPT, clientId: "new" });
    assertEquals(third.take(CONNACK).sessionPresent, true);
  });

  test("a session that is over does not go on: it is refused", () => {
    const life = new Life();
    client(life, "expired", KEPT).lose();
    client(life, "ending", KEPT);
    client(life, "ending", { ...KEPT, properties: {} });
    life.pair.advance(1_000);
    failing(life);
    life.pair.now += 600_000; // the clock has not told the broker yet
    for (const clientId of ["expired", "ending"]) {
      const one = life.pair.open();
      one.connect({ ...KEPT, clientId });
      assertNotAccepted(one, 0x97, "limit/store");
    }
  });
});

describe("QoS 2 exchanges while the store fails", () => {
  test("[MQTT-4.3.3-10] PUBREC for a PUBLISH that comes again on another connection waits until it is safe", () => {
    for (const isWell of [true, false]) {
      const life = new Life();
      client(life, "receiver", KEPT).subscribe("t");
      const first = client(life, "stub", KEPT);
      life.store.broken = true;
      first.publish({ topic: "t", qos: 2, packetId: 9, payload: "a" });
      assertEnded(first, 0x97, "limit/store");
      const second = client(life, "stub", KEPT);
      second.publish({ topic: "t", qos: 2, packetId: 9, payload: "a", dup: true });
      assertEquals(take(second), []);
      life.store.broken = !isWell;
      life.pair.advance(1_000);
      if (!isWell) assertEnded(second, 0x97, "limit/store");
      else {
        assertEquals(take(second), ["PUBREC 9"]);
        life.crash();
        const third = client(life, "stub", KEPT);
        third.publish({ topic: "t", qos: 2, packetId: 9, payload: "a", dup: true });
        assertEquals(take(third), ["PUBREC 9"]);
        assertEquals(client(life, "receiver", KEPT).takeTexts(), ["a"]);
      }
    }
  });

  test("[MQTT-4.3.3-10] also while a commit takes its time", () => {
    const life = new Life();
    const first = client(life, "stub", KEPT);
    life.slow();
    first.publish({ topic: "t", qos: 2, packetId: 9 });
    const second = life.pair.open();
    second.connect({ ...KEPT });
    second.publish({ topic: "t", qos: 2, packetId: 9, dup: true });
    assertEquals(take(second), []);
    life.commit();
    assertEquals(take(second), []);
    life.commit();
    assertEquals(take(second), ["CONNACK", "PUBREC 9"]);
  });

  for (const step of ["PUBLISH", "PUBREL"] as const) {
    const shows = step === "PUBREL" ? "[MQTT-4.3.3-6] " : "";
    test(`${shows}${step} of an earlier connection waits on this one until it is safe`, () => {
      for (const isWell of [true, false]) {
        const life = new Life();
        const first = client(life, "stub", KEPT);
        first.subscribe("t");
        if (step === "PUBLISH") life.store.broken = true;
        life.publish({ topic: "t", qos: 2, payload: "a" });
        if (step === "PUBREL") {
          assertEquals(take(first), ["PUBLISH 1 a"]);
          life.store.broken = true;
          first.acknowledge(PUBREC, 1);
        }
        assertEnded(first, 0x97, "limit/store");
        const second = client(life, "stub", KEPT);
        assertEquals(take(second), []);
        life.store.broken = !isWell;
        life.pair.advance(1_000);
        if (!isWell) assertEnded(second, 0x97, "limit/store");
        else {
          const expected = [step === "PUBLISH" ? "PUBLISH 1 dup a" : "PUBREL 1"];
          assertEquals(take(second), expected);
          life.crash();
          assertEquals(take(client(life, "stub", KEPT)), expected);
        }
      }
    });
  }

  test("PUBCOMP waits for the next try, and ends with it", () => {
    for (const isWell of [true, false]) {
      const life = new Life();
      const stays = client(life, "stays", KEPT);
      stays.publish({ topic: "t", qos: 2, packetId: 9 });
      stays.take(PUBREC);
      failing(life);
      stays.acknowledge(PUBREL, 9);
      assertEquals(take(stays), []);
      life.store.broken = !isWell;
      life.pair.advance(1_000);
      if (isWell) assertEquals(take(stays), ["PUBCOMP 9"]);
      else assertEnded(stays, 0x97, "limit/store");
    }
  });

  test("[MQTT-4.3.3-11] also for a PUBREL that comes again on another connection", () => {
    const life = new Life();
    const first = client(life, "stub", KEPT);
    first.publish({ topic: "t", qos: 2, packetId: 9 });
    first.take(PUBREC);
    life.store.broken = true;
    first.acknowledge(PUBREL, 9);
    assertEnded(first, 0x97, "limit/store");
    const second = client(life, "stub", KEPT);
    second.acknowledge(PUBREL, 9);
    assertEquals(take(second), []);
    recovers(life);
    assertEquals(take(second), ["PUBCOMP 9"]);
    life.crash();
    const third = client(life, "stub", KEPT);
    client(life, "receiver", KEPT).subscribe("t");
    third.publish({ topic: "t", qos: 2, packetId: 9, payload: "another" });
    assertEquals(client(life, "receiver", KEPT).takeTexts(), ["another"]);
  });
});

/** A Client with a session that stays, which keeps the rules of §4.3 and §4.4 and tries until it succeeds. */
abstract class Stubborn {
  readonly life: Life;
  readonly id: string;
  readonly level: 4 | 5;
  stub: StubClient | undefined;
  #wasIn = false;

  constructor(life: Life, id: string, level: 4 | 5) {
    this.life = life;
    this.id = id;
    this.level = level;
  }

  connect(): void {
    const stub = this.life.pair.open(this.level);
    const kept = this.level === 5 ? { sessionExpiryInterval: 0xffff_ffff } : undefined;
    stub.connect({
      cleanStart: false,
      clientId: this.id,
      level: this.level,
      ...(kept && { properties: kept }),
    });
    const connack = stub.inbox.shift();
    if (connack?.type !== CONNACK || connack.reasonCode !== 0) return;
    assertEquals(connack.sessionPresent, this.#wasIn, `the session of ${this.id}`);
    this.#wasIn = true;
    this.stub = stub;
    this.begun(stub);
    this.read();
  }

  /** Takes what has come, and answers. */
  read(): void {
    const { stub } = this;
    for (let packet = stub?.inbox.shift(); packet !== undefined; packet = stub?.inbox.shift()) {
      this.got(stub!, packet);
    }
    if (stub?.over) this.stub = undefined;
  }

  abstract begun(stub: StubClient): void;
  abstract got(stub: StubClient, packet: Packet): void;
}

class Publisher extends Stubborn {
  /** By identifier, in order. */
  readonly open: Map<number, { text: string; qos: 1 | 2; released: boolean }> = new Map();
  readonly done: string[] = [];

  publish(text: string, qos: 1 | 2): void {
    const packetId = [1, 2, 3].find((id) => !this.open.has(id));
    if (packetId === undefined || this.stub === undefined) return;
    this.open.set(packetId, { text, qos, released: false });
    this.stub.publish({ topic: "t", qos, packetId, payload: text });
    this.read();
  }

  override begun(stub: StubClient): void {
    for (const [packetId, { text, qos, released }] of this.open) {
      if (released) stub.acknowledge(PUBREL, packetId);
      else stub.publish({ topic: "t", qos, packetId, payload: text, dup: true });
    }
  }

  override got(stub: StubClient, packet: Packet): void {
    if (packet.type !== PUBACK && packet.type !== PUBREC && packet.type !== PUBCOMP) return;
    const { packetId, reasonCode } = packet;
    const exchange = this.open.get(packetId)!;
    if (packet.type === PUBREC && reasonCode < 0x80) {
      exchange.released = true;
      stub.acknowledge(PUBREL, packetId);
      return;
    }
    this.open.delete(packetId);
    if (reasonCode !== 0x97) this.done.push(exchange.text); // what was refused is given up
  }
}

class Receiver extends Stubborn {
  readonly texts: string[] = [];
  readonly #incoming: Set<number> = new Set();

  override begun(): void {}

  override got(stub: StubClient, packet: Packet): void {
    if (packet.type === PUBREL) {
      this.#incoming.delete(packet.packetId);
      stub.acknowledge(PUBCOMP, packet.packetId);
    } else if (packet.type === PacketType.PUBLISH) {
      const { qos, packetId, payload } = packet;
      if (qos === 1 || !this.#incoming.has(packetId!)) this.texts.push(new TextDecoder().decode(payload));
      if (qos === 2) this.#incoming.add(packetId!);
      stub.acknowledge(qos === 1 ? PUBACK : PUBREC, packetId!);
    }
  }
}

describe("[MQTT-4.3.2-4] [MQTT-4.3.3-10] nothing acknowledged is lost, and no QoS 2 message comes twice, however often the store fails and the process dies", () => {
  for (let seed = 0; seed < 40; seed++) {
    test(`seed ${seed}`, () => {
      const random = seededRandom(seed);
      const pick = (below: number) => random() % below;
      const life = new Life({ limits: { residentMessagesMax: 2 + pick(4) } });
      const publisher = new Publisher(life, "publisher", seed % 2 === 0 ? 5 : 4);
      const receiver = new Receiver(life, "receiver", seed % 3 === 0 ? 4 : 5);
      const both = [publisher, receiver];
      for (const one of both) one.connect();
      receiver.stub!.subscribe("t");
      for (let step = 0; step < 300; step++) {
        const what = pick(100);
        if (what < 45) publisher.publish(`${step}/${1 + step % 2}`, 1 + step % 2 as 1 | 2);
        else if (what < 55) life.store.broken = !life.store.broken;
        else if (what < 75) life.pair.advance(pick(1_500));
        else if (what < 80) both[pick(2)]!.stub?.lose();
        else if (what < 82) {
          life.crash(pick(2_000));
          for (const one of both) one.stub = undefined;
        } else both[pick(2)]!.read();
        for (const one of both) if (one.stub === undefined && pick(3) === 0) one.connect();
      }
      life.store.broken = false;
      for (let quiet = 0; quiet < 4; quiet++) {
        life.pair.advance(1_000);
        for (const one of both) {
          if (one.stub === undefined) one.connect();
          one.read();
        }
      }
      assertEquals(publisher.open.size, 0);
      assert(publisher.done.length > 10, `only ${publisher.done.length}`);
      const missing = publisher.done.filter((text) => !receiver.texts.includes(text));
      const twice = receiver.texts.filter((text, i) =>
        text.endsWith("/2") && receiver.texts.indexOf(text) < i
      );
      assertEquals([missing, twice, life.told.failures], [[], [], []]);
    });
  }
});
