/** §4.8.2 Shared Subscriptions: one message, one member, whoever comes and goes. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { ProtocolLevel, QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { PublishView } from "../codec/publish_view.ts";
import { messageBytes } from "../delivery/message.ts";
import type { BrokerOptions } from "./options.ts";
import { assertEnded, Told } from "../testing/assertions.ts";
import { type ConnectInit, Pair, type StubClient } from "../testing/pair.ts";

/** What a message counts for beside its frame. */
const OVERHEAD_BYTES = messageBytes({ view: new PublishView() });
const { PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;
const KEPT: ConnectInit = { cleanStart: false, properties: { sessionExpiryInterval: 60 } };

class Group {
  readonly told: Told = new Told();
  readonly pair: Pair;
  readonly members: StubClient[] = [];
  #count = 0;

  constructor(options: BrokerOptions = {}) {
    this.pair = new Pair({ ...options, hooks: this.told.hooks });
  }

  /** A member whose session is kept. */
  join(init: ConnectInit = {}, qos: QoS = 2, filter = "$share/g/a"): StubClient {
    const level = init.level ?? 5;
    const clientId = `m${this.members.length}`;
    const member = this.pair.connect({ clientId, ...(level === 5 ? KEPT : { cleanStart: false }), ...init });
    assertEquals(member.subscribe({ filter, qos }), [qos]);
    this.members.push(member);
    return member;
  }

  /** The next so many messages, `0`, `1`, … */
  publish(qos: QoS, count = 1, topic = "a"): void {
    for (let i = 0; i < count; i++) {
      this.pair.broker.publish({ topic, qos, payload: `${this.#count++}` }, this.pair.now);
    }
    this.pair.settle();
  }

  /** Payloads that each member has got since. */
  texts(): string[][] {
    return this.members.map((member) => member.takeTexts());
  }
}

describe("who gets a message", () => {
  for (const level of [3, 4, 5] as readonly ProtocolLevel[]) {
    test(`[MQTT-4.8.2-1] [MQTT-4.8.2-2] one member of each group, in turn, level ${level}`, () => {
      for (const qos of [0, 1, 2] as const) {
        const group = new Group();
        for (let i = 0; i < 3; i++) group.join({ level });
        group.publish(qos, 7);
        assertEquals(group.texts(), [["0", "3", "6"], ["1", "4"], ["2", "5"]]);
      }
    });
  }

  test("groups of another name or filter, and ordinary subscriptions, each get their own copy", () => {
    const group = new Group();
    group.join();
    group.join({}, 2, "$share/h/a");
    group.join({}, 2, "$share/g/+");
    group.join({}, 2, "a");
    group.publish(1, 2);
    assertEquals(group.texts(), [["0", "1"], ["0", "1"], ["0", "1"], ["0", "1"]]);
  });

  test("a Client in several groups, and with an ordinary subscription, gets one copy by each", () => {
    const group = new Group();
    const client = group.join({});
    client.subscribeWith({ subscriptionIdentifier: 3 }, "$share/h/#");
    client.subscribeWith({ subscriptionIdentifier: 4 }, "a", "+");
    group.publish(1);
    const got = client.takePublishes().map(({ properties }) => properties?.subscriptionIdentifiers);
    assertEquals(got.sort(), [[3], [4, 4], undefined]);
  });

  test("[MQTT-4.8.2-3] each member at no more than the QoS it was granted, with its identifier", () => {
    const group = new Group();
    for (const qos of [0, 1, 2] as const) group.join({}, qos);
    group.members[1]!.subscribeWith({ subscriptionIdentifier: 9 }, { filter: "$share/g/a", qos: 1 });
    group.publish(2, 3);
    const got = group.members.map((member) =>
      member.takePublishes().map(({ qos, properties }) => [qos, properties?.subscriptionIdentifiers])
    );
    assertEquals(got, [[[0, undefined]], [[1, [9]]], [[2, undefined]]]);
  });

  test("RETAIN is 0, or as published for a member that asks for it", () => {
    const group = new Group();
    const member = group.join();
    for (const retainAsPublished of [false, true]) {
      member.subscribe({ filter: "$share/g/a", retainAsPublished });
      group.pair.broker.publish({ topic: "a", payload: "x", retain: true }, group.pair.now);
      assertEquals(member.takePublishes().map(({ retain }) => retain), [retainAsPublished]);
    }
  });

  test("[4.8.2/retained] no retained messages, at the first SUBSCRIBE and at each further one", () => {
    const group = new Group();
    group.pair.broker.publish({ topic: "a", payload: "x", qos: 1, retain: true }, group.pair.now);
    const member = group.join();
    member.subscribe("$share/g/a");
    member.assertSilent();
  });

  test("[MQTT-3.8.3-4] No Local on one ends the connection", () => {
    const client = new Pair().connect();
    client.send({
      type: PacketType.SUBSCRIBE,
      packetId: 1,
      subscriptions: [{
        filter: "$share/g/a",
        qos: 0,
        noLocal: true,
        retainAsPublished: false,
        retainHandling: 0,
      }],
    });
    assertEnded(client, 0x82, "MQTT-3.8.3-4");
  });

  test("the publisher may be the member that gets it", () => {
    const group = new Group();
    group.join().publish({ topic: "a", payload: "own" });
    assertEquals(group.texts(), [["own"]]);
  });

  test("[MQTT-4.7.2-1] a $ topic is not for a group by wildcard", () => {
    const group = new Group();
    group.join({}, 2, "$share/g/#");
    group.join({}, 2, "$share/g/$SYS/#");
    group.publish(0, 1, "$SYS/a");
    assertEquals(group.texts(), [[], ["0"]]);
  });
});

describe("members that come, go, and are slow", () => {
  test("who joins takes turns at once; who leaves by UNSUBSCRIBE or DISCONNECT is passed over", () => {
    const group = new Group();
    const [a, b] = [group.join(), group.join()];
    group.publish(0, 2);
    const c = group.join();
    group.publish(0, 3);
    assertEquals(group.texts().map((texts) => texts.length).reduce((sum, n) => sum + n), 5);
    b.unsubscribe("$share/g/a");
    group.publish(0, 4);
    assertEquals([a.takeTexts().length, b.takeTexts().length, c.takeTexts().length], [2, 0, 2]);
    a.disconnect();
    group.publish(1, 2);
    assertEquals(c.takeTexts().length, 2);
  });

  test("a leaving member does not change whose turn it is", () => {
    for (const [leaves, next] of [[0, 2], [1, 2], [2, 3], [3, 2]] as const) {
      const group = new Group();
      for (let i = 0; i < 4; i++) group.join();
      group.publish(0, 2); // members 0 and 1
      group.texts();
      group.members[leaves]!.unsubscribe("$share/g/a");
      group.publish(0);
      assertEquals(group.texts().findIndex((texts) => texts.length > 0), next, `without ${leaves}`);
    }
  });

  test("[MQTT-4.8.2-2] with its last member a group vanishes, and can begin anew", () => {
    const group = new Group();
    const [a, b] = [group.join(), group.join()];
    a.unsubscribe("$share/g/a");
    assertEquals([group.pair.broker.stats.sharedSubscriptions, group.pair.broker.stats.subscriptions], [
      1,
      1,
    ]);
    b.unsubscribe("$share/g/a");
    assertEquals([group.pair.broker.stats.sharedSubscriptions, group.pair.broker.stats.subscriptions], [
      0,
      0,
    ]);
    group.publish(1);
    a.assertSilent();
    a.subscribe("$share/g/a");
    group.publish(0);
    assertEquals(group.texts(), [["1"], []]);
  });

  test("who is connected comes before who is away; with all away QoS 1 and 2 wait for one, QoS 0 is lost", () => {
    const group = new Group();
    const [a, b] = [group.join(), group.join()];
    a.disconnect();
    group.publish(1, 2);
    assertEquals(b.takeTexts(), ["0", "1"]);
    for (const id of [1, 2]) b.acknowledge(PUBACK, id);
    b.disconnect();
    group.publish(0);
    group.publish(1, 2);
    group.publish(2, 2);
    const again = ["m0", "m1"].map((clientId) => group.pair.connect({ clientId, ...KEPT }).takeTexts());
    assertEquals(again.map((texts) => texts.length), [4, 0]);
    assertEquals(again.flat().sort(), ["3", "4", "5", "6"]);
    assertEquals(group.pair.broker.stats.dropped, 1);
  });

  test("a member with a free place comes before one that is full", () => {
    const group = new Group();
    const slow = group.join({ properties: { sessionExpiryInterval: 60, receiveMaximum: 1 } });
    const quick = group.join();
    group.publish(1, 5);
    assertEquals([slow.takeTexts(), quick.takeTexts()], [["0"], ["1", "2", "3", "4"]]);
    slow.acknowledge(PUBACK, 1);
    group.publish(1, 2);
    assertEquals([slow.takeTexts(), quick.takeTexts()], [["5"], ["6"]]);
  });

  test("when all are full the messages wait, each for one member", () => {
    const group = new Group({ limits: { inFlightMax: 1 } });
    const [a, b] = [group.join(), group.join()];
    group.publish(1, 6);
    assertEquals(group.texts(), [["0"], ["1"]]);
    for (const [id, ...expected] of [[1, "2", "3"], [2, "4", "5"]] as const) {
      for (const member of [a, b]) member.acknowledge(PUBACK, id);
      assertEquals(group.texts(), expected.map((text) => [text]));
    }
  });

  test("a member whose queue is full is passed over, and not cut off", () => {
    const group = new Group({ limits: { inFlightMax: 1, queuedMessagesMax: 1 } });
    const [a, b] = [group.join(), group.join()];
    group.publish(1, 5);
    assertEquals([a.over, b.over], [false, false]);
    assertEquals(group.pair.broker.stats.dropped, 1);
    assertEquals(group.texts(), [["0"], ["1"]]);
  });

  test("a member that has no room for the bytes is passed over, and not cut off", () => {
    const group = new Group({ limits: { inFlightMax: 1, queuedBytesMax: 700 + OVERHEAD_BYTES } });
    const [a, b] = [group.join(), group.join()];
    group.publish(1, 2);
    for (let i = 0; i < 4; i++) {
      group.pair.broker.publish({ topic: "a", qos: 1, payload: `${i}`.padEnd(500, ".") }, group.pair.now);
    }
    group.pair.settle();
    assertEquals([a.over, b.over], [false, false]);
    assertEquals(group.pair.broker.stats.dropped, 2);
  });
});

describe("messages that wait at members who are away", () => {
  function away(count: number, options: BrokerOptions = {}, members = 3): Group {
    const group = new Group(options);
    for (let i = 0; i < members; i++) group.join();
    for (const member of group.members) member.lose();
    group.publish(1, count);
    return group;
  }

  /** The numbers that a member gets, acknowledging each. */
  function drain(client: StubClient): number[] {
    const got: number[] = [];
    for (;;) {
      const publishes = client.takePublishes();
      if (publishes.length === 0) return got;
      for (const { payload, packetId } of publishes) {
        got.push(Number(new TextDecoder().decode(payload)));
        client.acknowledge(PUBACK, packetId!);
      }
    }
  }

  test("all go to the one that comes back first", () => {
    const group = away(12);
    const back = group.pair.connect({ clientId: "m1", ...KEPT });
    assertEquals(drain(back).sort((a, b) => a - b), Array.from({ length: 12 }, (_, i) => i));
    for (const clientId of ["m0", "m2"]) group.pair.connect({ clientId, ...KEPT }).assertSilent();
    assertEquals(group.pair.broker.stats.dropped, 0);
  });

  test("all go to a member that joins, at the QoS it is granted; a member at QoS 0 leaves them where they are kept", () => {
    const group = away(12);
    group.join({ clientId: "zero" }, 0).assertSilent();
    const joined = group.join({ clientId: "one" }, 1);
    assertEquals(drain(joined), Array.from({ length: 12 }, (_, i) => i));
  });

  test("a message that a member was sent stays with that member [MQTT-4.8.2-4]", () => {
    const group = new Group();
    const [a, b] = [
      group.join({ properties: { sessionExpiryInterval: 60, receiveMaximum: 1 } }),
      group.join(),
    ];
    b.lose();
    group.publish(2, 3);
    assertEquals(a.takeTexts(), ["0"]);
    a.lose();
    const back = group.pair.connect({ clientId: "m1", ...KEPT });
    assertEquals(back.takeTexts(), ["1", "2"]);
    assertEquals(group.pair.connect({ clientId: "m0", ...KEPT }).takeTexts(), ["0"]);
  });

  test("many come in portions, as the member takes them; the rest stays when it leaves", () => {
    const group = away(3_000);
    const back = group.pair.connect({ clientId: "m1", ...KEPT });
    const got = drain(back);
    assertEquals(group.pair.broker.session("m0")!.queued > 0, true);
    for (let i = 0; i < 20; i++) {
      group.pair.advance(10);
      got.push(...drain(back));
    }
    assertEquals(got.sort((a, b) => a - b), Array.from({ length: 3_000 }, (_, i) => i));
    group.pair.advance(2_000);
    assertEquals(group.pair.broker.session("m0")!.queued, 0);
  });

  test("what has expired meanwhile does not come", () => {
    const group = away(0);
    const { pair } = group;
    const properties = { messageExpiryInterval: 2 };
    for (let i = 0; i < 4; i++) {
      pair.broker.publish({ topic: "a", qos: 1, payload: `${i}`, properties }, pair.now);
    }
    pair.advance(3_000);
    pair.connect({ clientId: "m1", ...KEPT }).assertSilent();
  });
});

describe("messages that a member cannot finish", () => {
  test("[MQTT-4.8.2-4] QoS 2 begun with a member is finished with that one when it comes back", () => {
    const group = new Group();
    const [a, b] = [group.join(), group.join()];
    group.publish(2);
    assertEquals(a.takePublishes().length, 1);
    a.lose();
    b.assertSilent();
    const again = group.pair.connect({ clientId: "m0", ...KEPT });
    assertEquals(again.takePublishes().map(({ dup, packetId }) => [dup, packetId]), [[true, 1]]);
    again.acknowledge(PUBREC, 1);
    again.take(PUBREL);
    again.lose();
    const third = group.pair.connect({ clientId: "m0", ...KEPT });
    assertEquals(third.take(PUBREL).packetId, 1);
    third.acknowledge(PUBCOMP, 1);
    third.assertSilent();
    b.assertSilent();
  });

  test("[MQTT-4.8.2-5] QoS 2 begun with a member whose session ends goes to nobody else", () => {
    for (const begun of [false, true]) {
      const group = new Group();
      const [a, b] = [group.join(), group.join()];
      group.publish(2);
      a.takePublishes();
      if (begun) a.acknowledge(PUBREC, 1);
      a.inbox.length = 0;
      a.lose();
      group.pair.advance(60_000);
      assertEquals(group.told.sessionsEnded, ["m0"]);
      b.assertSilent();
    }
  });

  test("[MQTT-4.8.2-5] QoS 1 that a member did not acknowledge goes to another when its session ends", () => {
    const group = new Group();
    const [a, b] = [group.join(), group.join()];
    group.publish(1, 4);
    assertEquals(group.texts(), [["0", "2"], ["1", "3"]]);
    a.acknowledge(PUBACK, 1);
    a.lose();
    b.assertSilent();
    group.pair.advance(60_000);
    assertEquals(b.takePublishes().map(({ payload, dup }) => [payload[0], dup]), [[0x32, false]]);
  });

  test("[MQTT-4.8.2-5] so it does, in order, when the member came back and was sent a part of it again", () => {
    const group = new Group();
    const a = group.join();
    group.publish(1, 2);
    group.publish(2, 1);
    group.publish(1, 1);
    assertEquals(a.takeTexts(), ["0", "1", "2", "3"]);
    a.lose();
    const properties = { sessionExpiryInterval: 60, receiveMaximum: 1 };
    const again = group.pair.connect({ clientId: "m0", cleanStart: false, properties });
    assertEquals(again.takeTexts(), ["0"]);
    const b = group.join({ clientId: "other" });
    again.disconnect(0, { sessionExpiryInterval: 0 });
    assertEquals(b.takeTexts(), ["0", "1", "3"]);
    b.assertSilent();
  });

  test("QoS 1 of a session that ends with its connection goes to another at once", () => {
    const group = new Group();
    const [a, b] = [group.join({ properties: {} }), group.join()];
    group.publish(1, 2);
    group.texts();
    a.lose();
    assertEquals(b.takeTexts(), ["0"]);
    assertEquals(group.pair.broker.stats.sharedSubscriptions, 1);
  });

  test("so it does if it had to wait before it was sent", () => {
    const group = new Group();
    const a = group.join({ properties: { receiveMaximum: 1 } });
    group.publish(1, 3);
    assertEquals(a.takeTexts(), ["0"]);
    a.acknowledge(PUBACK, 1);
    assertEquals(a.takeTexts(), ["1"]);
    const b = group.join();
    a.lose();
    assertEquals(b.takeTexts(), ["1", "2"]);
  });

  test("what was not sent yet goes to a connected member at once, QoS 2 too", () => {
    const group = new Group();
    const a = group.join({ properties: { sessionExpiryInterval: 60, receiveMaximum: 1 } });
    group.publish(2, 4);
    assertEquals(a.takeTexts(), ["0"]);
    const b = group.join();
    a.lose();
    assertEquals(b.takeTexts(), ["1", "2", "3"]);
    assertEquals(group.pair.connect({ clientId: "m0", ...KEPT }).takeTexts(), ["0"]);
  });

  test("without another connected member it stays where it is", () => {
    const group = new Group();
    const a = group.join({ properties: { sessionExpiryInterval: 60, receiveMaximum: 1 } });
    group.join().disconnect();
    group.publish(1, 3);
    assertEquals(a.takeTexts(), ["0"]);
    a.lose();
    assertEquals(group.pair.connect({ clientId: "m0", ...KEPT }).takeTexts(), ["0", "1", "2"]);
  });

  test("when the last member's session ends its messages are dropped, each counted once", () => {
    const group = new Group();
    const a = group.join({ properties: { sessionExpiryInterval: 60, receiveMaximum: 1 } });
    group.publish(1, 3);
    a.lose();
    group.pair.advance(60_000);
    assertEquals(
      group.told.drops,
      Array(3).fill({ topic: "a", clientId: "$share/g/a", reason: "no member" }),
    );
    assertEquals(group.pair.broker.stats.dropped, 3);
    group.pair.assertEmpty();
  });

  test("[MQTT-3.3.2-5] what has expired meanwhile goes to nobody", () => {
    const group = new Group();
    const a = group.join({ properties: { sessionExpiryInterval: 60, receiveMaximum: 1 } });
    const properties = { messageExpiryInterval: 5 };
    for (let i = 0; i < 2; i++) {
      group.pair.broker.publish({ topic: "a", qos: 1, payload: "x", properties }, group.pair.now);
    }
    assertEquals(a.takeTexts(), ["x"]);
    a.lose();
    group.pair.advance(6_000);
    const b = group.join();
    group.pair.advance(60_000);
    b.assertSilent();
    assertEquals(group.told.drops.map(({ reason }) => reason), ["expired", "expired"]);
  });

  test("[MQTT-4.8.2-6] [MQTT-4.4.0-2] what a member refuses goes to nobody else", () => {
    const group = new Group();
    const [a, b] = [group.join(), group.join()];
    group.publish(1);
    group.publish(2);
    a.acknowledge(PUBACK, 1, 0x97);
    b.acknowledge(PUBREC, 1, 0x80);
    assertEquals(group.texts(), [["0"], ["1"]]);
    for (const member of [a, b]) {
      member.assertSilent();
      member.lose();
    }
    group.pair.advance(60_000);
    assertEquals(group.told.drops.map(({ reason }) => reason), Array(2).fill("refused by the client"));
    group.pair.assertEmpty();
  });

  test("[MQTT-3.10.4-3] a member that unsubscribes finishes what has begun", () => {
    const group = new Group();
    const [a, b] = [group.join(), group.join()];
    group.publish(2);
    assertEquals(a.takeTexts(), ["0"]);
    a.unsubscribe("$share/g/a");
    a.acknowledge(PUBREC, 1);
    assertEquals(a.take(PUBREL).packetId, 1);
    a.acknowledge(PUBCOMP, 1);
    assertEquals(a.inFlight, 0);
    b.assertSilent();
  });
});
