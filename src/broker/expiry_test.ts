/** §3.3.2.3.3 What has expired keeps no place: not in a queue's limits, not in a session's counts, not in the store. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { PacketType } from "../codec/packet_type.ts";
import { frameOf } from "../delivery/message.ts";
import type { ConnectInit, StubClient } from "../testing/pair.ts";
import { Pair } from "../testing/pair.ts";
import { Backlog } from "./backlog.ts";
import { Delivery } from "./delivery.ts";
import { Expiries } from "./expiries.ts";
import { MemoryStore } from "./mod.ts";

const KEPT: ConnectInit = {
  clientId: "to",
  cleanStart: false,
  properties: { sessionExpiryInterval: 600, receiveMaximum: 1 },
};

/** Publishes each text at QoS 1, and takes its PUBACK; gives the Reason Codes. */
function publish(from: StubClient, texts: readonly string[], messageExpiryInterval?: number): number[] {
  return texts.map((payload) => {
    from.publish({
      topic: "t",
      qos: 1,
      payload,
      ...(messageExpiryInterval !== undefined && { properties: { messageExpiryInterval } }),
    });
    return from.take(PacketType.PUBACK).reasonCode;
  });
}

/** Takes and acknowledges one message after the other. */
function drain(client: StubClient): string[] {
  const texts: string[] = [];
  for (;;) {
    const [packet, ...more] = client.takePublishes();
    if (packet === undefined) return texts;
    assertEquals(more, []);
    texts.push(new TextDecoder().decode(packet.payload));
    client.acknowledge(PacketType.PUBACK, packet.packetId!);
  }
}

const FIVE = ["1", "2", "3", "4", "5"];

for (const kind of ["memory", "a store"] as const) {
  describe(`a full queue in ${kind}`, () => {
    const begin = () =>
      new Pair({
        limits: { queuedMessagesMax: 5, residentMessagesMax: 2 },
        ...(kind === "a store" && { store: new MemoryStore() }),
      });

    test("[MQTT-3.3.2-5] takes a new message in the place of one that has expired, while its Client is away", () => {
      const pair = begin();
      const to = pair.connect(KEPT);
      to.subscribe("t");
      to.lose();
      const from = pair.connect({ clientId: "from" });
      assertEquals(publish(from, FIVE, 1), [0, 0, 0, 0, 0]);
      pair.advance(1_300);
      assertEquals(publish(from, ["6"]), [0]);
      assertEquals(pair.broker.session("to")?.queued, 1);
      assertEquals(drain(pair.connect(KEPT)), ["6"]);
      pair.broker.assertInvariants();
    });

    test("gives place as far as messages expire, and no further", () => {
      const pair = begin();
      const to = pair.connect(KEPT);
      to.subscribe("t");
      to.lose();
      const from = pair.connect({ clientId: "from" });
      publish(from, ["1"], 1);
      publish(from, ["2"], 100);
      publish(from, ["3"], 1);
      publish(from, ["4", "5"]);
      pair.advance(1_300);
      publish(from, ["6", "7", "8"]);
      assertEquals(drain(pair.connect(KEPT)), ["2", "4", "5", "6", "7"]);
    });

    test("of a slow Client that is connected does not cost it the connection", () => {
      const pair = begin();
      const to = pair.connect(KEPT);
      to.subscribe("t");
      const from = pair.connect({ clientId: "from" });
      publish(from, ["0"]);
      publish(from, FIVE, 1);
      pair.advance(1_300);
      publish(from, ["6"]);
      assertEquals(drain(to), ["0", "6"]);
      pair.broker.assertInvariants();
    });

    test("of a member of a Shared Subscription gives place too", () => {
      const pair = begin();
      const to = pair.connect(KEPT);
      to.subscribe("$share/g/t");
      to.lose();
      const from = pair.connect({ clientId: "from" });
      publish(from, FIVE, 1);
      pair.advance(1_300);
      publish(from, ["6"]);
      assertEquals(drain(pair.connect(KEPT)), ["6"]);
    });
  });
}

describe("messages that expire in the store alone", () => {
  /** A store in which messages wait for `to`: `short` with an expiry of 10 seconds, `long` without. */
  function waiting(short: number, long: number): { store: MemoryStore; pair: Pair } {
    const store = new MemoryStore();
    const pair = new Pair({ store });
    const to = pair.connect(KEPT);
    to.subscribe("t");
    to.lose();
    const from = pair.connect({ clientId: "from" });
    publish(from, Array.from({ length: short }, (_, i) => `short ${i}`), 10);
    publish(from, Array.from({ length: long }, (_, i) => `long ${i}`));
    from.disconnect();
    return { store, pair };
  }

  const rows = (store: MemoryStore) => [...store.sessions()][0]!.waiting.count;

  test("leave it, and the counts of the session, when it is time", () => {
    const { store, pair } = waiting(7, 2);
    pair.advance(9_000);
    assertEquals([pair.broker.session("to")?.queued, rows(store)], [9, 9]);
    pair.advance(1_200);
    const { queued, pagedOut, queuedBytes } = pair.broker.session("to")!;
    assertEquals([queued, pagedOut, rows(store)], [2, 2, 2]);
    assertEquals(pair.broker.stats.dropped, 7);
    assert(queuedBytes > 0 && queuedBytes < 2 * 1200);
    assertEquals(drain(pair.connect(KEPT)), ["long 0", "long 1"]);
    assertEquals(pair.broker.session("to")?.queuedBytes, 0);
    pair.broker.assertInvariants();
  });

  test("leave it after a restart", () => {
    const { store, pair: before } = waiting(7, 2);
    const pair = new Pair({ store }, before.now + 20_000);
    pair.advance(1);
    assertEquals([pair.broker.session("to")?.queued, rows(store)], [2, 2]);
    assertEquals(drain(pair.connect(KEPT)), ["long 0", "long 1"]);
  });

  test("leave nothing to be done behind a session that ends", () => {
    const { pair } = waiting(1, 0);
    assertEquals(pair.broker.stats.deadlines, 2); // the end of the session, and of the message
    pair.connect({ clientId: "to", cleanStart: true }).disconnect();
    pair.advance(6_000);
    assertEquals(pair.broker.stats.deadlines, 0);
  });

  test("are passed over where a page of them was on its way", () => {
    const { pair } = waiting(600, 3);
    pair.advance(10_200);
    assertEquals(drain(pair.connect(KEPT)), ["long 0", "long 1", "long 2"]);
  });
});

test("[MQTT-3.3.2-6] a clock that was set back between two Servers never brings more than was published", () => {
  const store = new MemoryStore();
  const pair = new Pair({ store });
  const to = pair.connect(KEPT);
  to.subscribe("t");
  to.lose();
  const from = pair.connect({ clientId: "from" });
  publish(from, ["1"], 3_600);
  from.publish({ topic: "r", payload: "x", retain: true, properties: { messageExpiryInterval: 60 } });
  const next = new Pair({ store }, pair.now - 300_000);
  const again = next.connect(KEPT);
  const [packet] = again.takePublishes();
  assertEquals(packet?.properties?.messageExpiryInterval, 3_600);
  again.acknowledge(PacketType.PUBACK, packet!.packetId!);
  again.subscribe("r");
  assertEquals(again.takePublishes()[0]?.properties?.messageExpiryInterval, 60);
});

describe("Expiries", () => {
  test("take out what has expired, wherever intervals had to be widened", () => {
    const expiries = new Expiries();
    const times = Array.from({ length: 20_000 }, (_, i) => (i * 7_919) % 1_000_003 * 1_000);
    for (const at of times) expiries.add(at, 1, 3);
    for (const at of times.slice(0, 10_000)) expiries.remove(at, 3);
    let count = 0;
    let until = -1;
    for (let now = 100_000_000; now < 1_200_000_000; now += 100_000_000) {
      const taken = expiries.take(now);
      assert(taken.until < now && taken.bytes === taken.count * 3);
      const due = times.slice(10_000).filter((at) => at > until && at <= taken.until).length;
      assertEquals(taken.count, due);
      count += taken.count;
      until = Math.max(until, taken.until);
      assert(expiries.first > until);
    }
    assertEquals(count, 10_000);
    assertEquals([expiries.take(Infinity).count, expiries.first], [0, Infinity]);
  });
});

test("a full backlog in which one message expires now and then is not walked through each time", () => {
  const backlog = new Backlog();
  const view = frameOf({ topic: "t", payload: new Uint8Array(), qos: 1, retain: false }, {}, 5);
  let looks = 0;
  const COUNT = 10_000;
  for (let order = 1; order <= COUNT; order++) {
    const message = {
      topic: "t",
      view,
      publisher: undefined,
      get expiresAt(): number {
        looks++;
        return order * 1_000;
      },
    };
    backlog.push(new Delivery(order, message, 1, false, [], undefined));
  }
  looks = 0;
  let gone = 0;
  for (let now = 1_001; now <= 5_000_000; now += 1_000) {
    gone += backlog.expire(now, false)?.resident.length ?? 0;
  }
  const walks = looks / COUNT;
  assert(walks < 4 * 16, `${walks} walks`);
  assert(gone > 4_000, `${gone} gone`);
});
