/** §4.1 When a page of waiting messages is asked for, and how much: seen from the store. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { encodePacket } from "../codec/encode.ts";
import { PacketType } from "../codec/packet_type.ts";
import { PublishView } from "../codec/publish_view.ts";
import { messageBytes } from "../delivery/message.ts";
import { bytesOf } from "../testing/frame.ts";
import { FactLog } from "../testing/fact_log.ts";
import { take } from "../testing/restarts.ts";
import { type ConnectInit, Pair, type StubClient } from "../testing/pair.ts";
import { LIMITS, type Limits } from "./mod.ts";

const { PUBACK } = PacketType;
const BYTES = LIMITS.residentBytesMax.default;
/** What each of the messages here counts for. */
const MESSAGE_BYTES = messageBytes({ view: new PublishView() }) + frameOf("x", 1).length;

function frameOf(text: string, packetId: number): Uint8Array {
  const flags = { dup: false, qos: 1, retain: false } as const;
  const payload = new TextEncoder().encode(text);
  return encodePacket({ type: PacketType.PUBLISH, ...flags, topic: "t", packetId, payload }, 5);
}

function begin(limits: Partial<Limits>): { pair: Pair; store: FactLog } {
  const store = new FactLog();
  return { pair: new Pair({ limits, store }), store };
}

/** One that takes one message at a time, and whose session stays unless `init` says otherwise. */
function receiver(pair: Pair, init: ConnectInit = {}): StubClient {
  const properties = { sessionExpiryInterval: 600, receiveMaximum: 1 };
  return pair.connect({ cleanStart: false, properties, ...init });
}

/** Messages with one character of payload each. */
function publish(pair: Pair, texts: string, topic = "t"): void {
  for (const payload of texts) pair.broker.publish({ topic, qos: 1, payload }, pair.now);
  pair.settle();
}

/** Acknowledges the message that is open, and takes what comes then. */
function next(client: StubClient, packetId: number): string[] {
  client.acknowledge(PUBACK, packetId);
  return take(client);
}

describe("a page is asked for", () => {
  test("when the Client comes back: half of what memory may hold, and then the next half", () => {
    const { pair, store } = begin({ residentMessagesMax: 8 });
    const client = receiver(pair);
    client.subscribe("t");
    client.lose();
    publish(pair, "abcdefghijkl");
    assertEquals(store.asked, []);
    store.late = true;
    const again = receiver(pair);
    const page = { messages: 4, bytes: BYTES };
    assertEquals([take(again), store.asked], [[], [page]]);
    publish(pair, "m"); // comes behind them, from the store too
    assertEquals(store.asked, [page]);
    store.bring();
    assertEquals([take(again), store.asked], [["PUBLISH 1 a"], [page, page]]);
    const got = [2, 3, 4].map((id) => next(again, id - 1));
    assertEquals(got, [["PUBLISH 2 b"], ["PUBLISH 3 c"], ["PUBLISH 4 d"]]);
    assertEquals([next(again, 4), store.asked.length], [[], 2]); // it is on its way
    store.bring();
    assertEquals([take(again), store.asked.length], [["PUBLISH 5 e"], 3]);
    store.late = false;
    store.bring();
    let texts = "";
    for (let id = 5; id < 13; id++) texts += next(again, id).join().at(-1);
    assertEquals(texts, "fghijklm");
    assertEquals(next(again, 13), []);
  });

  test("when memory holds half or less, for one who is slow: by messages", () => {
    const { pair, store } = begin({ residentMessagesMax: 8 });
    const client = receiver(pair);
    client.subscribe("t");
    publish(pair, "abcdefghij"); // one is sent, eight are in memory
    assertEquals(take(client), ["PUBLISH 1 a"]);
    const asked: number[] = [];
    for (let id = 1; id <= 9; id++) {
      next(client, id);
      asked.push(store.asked.length);
    }
    assertEquals(asked, [0, 0, 0, 0, 1, 1, 1, 1, 1]);
  });

  test("by bytes", () => {
    for (const [more, expected] of [[0, [0, 1, 1]], [1, [0, 0, 1]]] as const) {
      const residentBytesMax = 2 * MESSAGE_BYTES + more;
      const { pair, store } = begin({ residentBytesMax });
      const client = receiver(pair);
      client.subscribe("t");
      publish(pair, more === 0 ? "abcd" : "abcde"); // all but the last are in memory, or sent
      take(client);
      const asked: number[] = [];
      for (const id of [1, 2, 3]) {
        next(client, id);
        asked.push(store.asked.length);
      }
      assertEquals(asked, [...expected]);
      assertEquals(store.asked[0], {
        messages: LIMITS.residentMessagesMax.default / 2,
        bytes: residentBytesMax,
      });
    }
  });

  test("at once for one who takes them all, and for nothing when there is nothing", () => {
    const { pair, store } = begin({ residentMessagesMax: 4 });
    const properties = { sessionExpiryInterval: 600 };
    const client = receiver(pair);
    client.subscribe("t");
    client.lose();
    publish(pair, "abcdefg");
    const again = receiver(pair, { properties });
    assertEquals(again.takeTexts().join(""), "abcdefg");
    assertEquals(store.asked.length, 4);
    publish(pair, "hij");
    assertEquals(again.takeTexts().join(""), "hij");
    assertEquals(store.asked.length, 4);
  });
});

test("[MQTT-4.6.0-5] what comes while a page is on its way waits behind it, one by one or many in a chunk", () => {
  for (const inOneChunk of [false, true]) {
    const { pair, store } = begin({ residentMessagesMax: 4 });
    const properties = { sessionExpiryInterval: 600 };
    const client = receiver(pair);
    client.subscribe("t");
    client.lose();
    publish(pair, "ab");
    store.late = true;
    const again = receiver(pair, { properties });
    const from = pair.connect({ clientId: "from" });
    const frames = ["c", "d"].map((payload, i) => frameOf(payload, i + 1));
    for (const bytes of inOneChunk ? [bytesOf(...frames)] : frames) from.write(bytes);
    assertEquals([take(again), take(from)], [[], ["PUBACK 1", "PUBACK 2"]]);
    store.late = false;
    store.bring();
    assertEquals(again.takeTexts().join(""), "abcd");
  }
});

test("a member of a group that waits for a page is passed over", () => {
  const { pair, store } = begin({ residentMessagesMax: 4 });
  const properties = { sessionExpiryInterval: 600 };
  const client = receiver(pair);
  client.subscribe("t", "$share/g/s");
  client.lose();
  publish(pair, "ab");
  store.late = true;
  const again = receiver(pair, { properties });
  const other = pair.connect({ clientId: "other" });
  other.subscribe("$share/g/s");
  publish(pair, "cd", "s");
  assertEquals([take(again), other.takeTexts().join("")], [[], "cd"]);
  store.bring();
  assertEquals(again.takeTexts().join(""), "ab");
});

describe("no page is asked for", () => {
  test("while memory holds everything that waits", () => {
    const { pair, store } = begin({ residentMessagesMax: 4 });
    const client = receiver(pair);
    client.subscribe("t");
    publish(pair, "abcde");
    take(client);
    for (let id = 1; id <= 5; id++) next(client, id);
    assertEquals(store.asked, []);
  });

  test("of what came by a Shared Subscription, which memory holds", () => {
    const { pair, store } = begin({ residentMessagesMax: 2 });
    const client = receiver(pair);
    client.subscribe("$share/g/t");
    client.lose();
    publish(pair, "abcdef");
    const again = receiver(pair);
    let texts = take(again).join().at(-1)!;
    for (let id = 1; id < 6; id++) texts += next(again, id).join().at(-1);
    assertEquals([texts, store.asked], ["abcdef", []]);
  });

  test("for a session that ends with its connection", () => {
    const { pair, store } = begin({ residentMessagesMax: 2, residentBytesMax: 1 });
    const client = receiver(pair, { properties: { receiveMaximum: 1 } });
    client.subscribe("t");
    publish(pair, "abcdef");
    let texts = take(client).join().at(-1)!;
    for (let id = 1; id < 6; id++) texts += next(client, id).join().at(-1);
    assertEquals([texts, store.asked], ["abcdef", []]);
  });

  test("by who is away, nor a second time for who comes back before it is there", () => {
    const { pair, store } = begin({ residentMessagesMax: 4 });
    const client = receiver(pair);
    client.subscribe("t");
    client.lose();
    publish(pair, "abcdef");
    store.late = true;
    const second = receiver(pair);
    assertEquals(store.asked.length, 1);
    second.lose();
    assertEquals(store.asked.length, 1);
    const third = receiver(pair);
    assertEquals(store.asked.length, 1);
    store.bring();
    assertEquals(take(third), ["PUBLISH 1 a"]);
  });
});
