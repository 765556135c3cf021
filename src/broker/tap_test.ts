/** Receivers and publishers inside the process: taps in the tree of filters, and frames that are injected as they are. @module */
import { assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { encodePacket } from "../codec/encode.ts";
import { UsageError } from "../codec/error.ts";
import type { Publish } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { Told } from "../testing/assertions.ts";
import { Pair } from "../testing/pair.ts";
import type { TappedMessage } from "./mod.ts";

/** What a tap gets, as text. */
function text({ topic, view, publisher }: TappedMessage): string {
  const payload = new TextDecoder().decode(view.bytes.subarray(view.payloadAt, view.end));
  return `${topic} ${payload} ${view.qos}${view.retain ? " retained" : ""} ${publisher ?? "-"}`;
}

function frame(init: Partial<Publish> & { topic: string }, payload = "x"): Uint8Array {
  const packet: Publish = {
    type: PacketType.PUBLISH,
    dup: false,
    qos: 0,
    retain: false,
    payload: new TextEncoder().encode(payload),
    ...init,
  };
  return encodePacket(packet, 5);
}

describe("a tap", () => {
  test("gets each message that its filter matches once, from Clients, Wills and the Server, until it is taken away", () => {
    const pair = new Pair();
    const got: string[] = [];
    const tap = pair.broker.tap("a/#", (message) => void got.push(text(message)));
    const will = { topic: "a/will", payload: new Uint8Array(0), qos: 1, retain: false } as const;
    const client = pair.connect({ clientId: "c", will });
    client.subscribe("a/#", "a/+");
    for (const qos of [0, 1, 2] as const) client.publish({ topic: "a/b", qos, payload: `${qos}` });
    client.publish({ topic: "b", payload: "no" });
    client.publish({ topic: "a", retain: true, payload: "kept" });
    pair.broker.publish({ topic: "a/s", payload: "server" }, pair.now);
    client.lose();
    assertEquals(got.splice(0), [
      "a/b 0 0 c",
      "a/b 1 1 c",
      "a/b 2 2 c",
      "a kept 0 retained c",
      "a/s server 0 -",
      "a/will  1 c",
    ]);
    pair.broker.untap(tap);
    pair.broker.publish({ topic: "a/b", payload: "late" }, pair.now);
    assertEquals(got, []);
    pair.assertEmpty();
  });

  test("gets every message of a chunk, in order", () => {
    const pair = new Pair();
    const got: string[] = [];
    pair.broker.tap("+", (message) => void got.push(text(message)));
    const client = pair.connect({ clientId: "c" });
    const chunk = Array.from({ length: 20 }, (_, i) => [...frame({ topic: i < 10 ? "a" : "b" }, `${i}`)]);
    client.write(Uint8Array.from(chunk.flat()));
    assertEquals(got, Array.from({ length: 20 }, (_, i) => `${i < 10 ? "a" : "b"} ${i} 0 c`));
  });

  test("is no subscriber: a publisher is told that there is none", () => {
    const pair = new Pair();
    pair.broker.tap("#", () => {});
    const client = pair.connect();
    for (const topic of ["a", "a"]) client.publish({ topic, qos: 1 });
    assertEquals(client.take(PacketType.PUBACK).reasonCode, 0x10);
    assertEquals(pair.broker.stats.subscriptions, 0);
  });

  test("that throws is reported, and harms neither subscribers nor other taps", () => {
    const told = new Told();
    const pair = new Pair({ hooks: told.hooks });
    const got: string[] = [];
    pair.broker.tap("a", () => {
      throw new Error("broken tap");
    });
    pair.broker.tap("a", (message) => void got.push(text(message)));
    const client = pair.connect({ clientId: "c" });
    client.subscribe("a");
    client.publish({ topic: "a", payload: "x" });
    assertEquals([client.takeTexts(), got], [["x"], ["a x 0 c"]]);
    assertEquals(told.failures.map(String), ["Error: broken tap"]);
  });

  test("may not be for what is no Topic Filter, nor for a Shared Subscription", () => {
    const { broker } = new Pair();
    for (const filter of ["", "a/#/b", "$share/g/a"]) {
      assertThrows(() => broker.tap(filter, () => {}), UsageError, "is not a Topic Filter for a tap");
    }
  });
});

describe("inject()", () => {
  test("publishes a frame with all that is in it, and not back to its origin", () => {
    const pair = new Pair();
    const got: string[] = [];
    const origin = pair.broker.tap("#", (message) => void got.push(`origin ${text(message)}`));
    pair.broker.tap("#", (message) => void got.push(text(message)));
    const client = pair.connect();
    client.subscribe("a");
    const properties = { contentType: "t", userProperties: [["k", "v"], ["k", "w"]] } as const;
    pair.broker.inject(
      frame({ topic: "a", qos: 1, packetId: 77, retain: true, properties }),
      pair.now,
      origin,
    );
    const [publish] = client.takePublishes();
    assertEquals([publish?.topic, publish?.qos, publish?.retain, publish?.properties], [
      "a",
      1,
      false,
      properties,
    ]);
    assertEquals(got, ["a x 1 retained -"]);
    assertEquals(pair.broker.stats.retainedMessages, 1);
  });

  test("refuses what is no PUBLISH for a Topic Name", () => {
    const { broker, now } = new Pair();
    for (const bytes of [frame({ topic: "a" }).subarray(0, 4), Uint8Array.of(0x36, 3, 0, 1, 0x61)]) {
      assertThrows(() => broker.inject(bytes, now));
    }
    for (const properties of [{ topicAlias: 1 }, { subscriptionIdentifiers: [1] }]) {
      assertThrows(() => broker.inject(frame({ topic: "a", properties }), now), UsageError, "Topic Alias");
    }
    assertEquals(broker.stats.received, 0);
  });
});
