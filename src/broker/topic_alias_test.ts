/** §3.3.2.3.4 Topic Aliases in both directions. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { encodePacket } from "../codec/encode.ts";
import type { Publish } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { assertEnded } from "../testing/assertions.ts";
import { bytesOf, frame, properties, utf8 } from "../testing/frame.ts";
import { Pair, type StubClient } from "../testing/pair.ts";

/** A publisher, and a subscriber to everything that allows so many aliases. */
function two(topicAliasMaximum = 0, limits = {}): { pair: Pair; from: StubClient; to: StubClient } {
  const pair = new Pair({ limits });
  const to = pair.connect({ clientId: "to", properties: { topicAliasMaximum } });
  to.subscribe("#");
  return { pair, from: pair.connect({ clientId: "from" }), to };
}

function send(client: StubClient, topic: string, topicAlias: number, payload = ""): void {
  client.publish({ topic, payload, properties: { topicAlias } });
}

/** Topic and alias of each PUBLISH in the inbox. */
function topics(client: StubClient): (readonly [string, number | undefined])[] {
  return client.takePublishes().map(({ topic, properties }) => [topic, properties?.topicAlias]);
}

describe("Topic Aliases from the Client", () => {
  test("[MQTT-3.3.2-12] each from 1 to Topic Alias Maximum stands for the topic it was sent with", () => {
    const { from, to } = two(0, { topicAliasMaximum: 3 });
    assertEquals(from.connack?.properties?.topicAliasMaximum, 3);
    send(from, "a", 3);
    send(from, "b", 1);
    send(from, "c", 2);
    for (const alias of [1, 2, 3]) send(from, "", alias);
    assertEquals(topics(to).map(([topic]) => topic), ["a", "b", "c", "b", "c", "a"]);
  });

  test("[MQTT-3.3.2-12] an alias that is sent with another topic stands for that one", () => {
    const { from, to } = two();
    send(from, "a", 1);
    send(from, "b", 1);
    send(from, "", 1);
    assertEquals(topics(to), [["a", undefined], ["b", undefined], ["b", undefined]]);
  });

  test("[MQTT-3.3.2-12] many in one chunk stand for their topics, however long those are", () => {
    for (const length of [1, 2_000, 30_000, 65_000]) {
      const { from, to } = two(0, { nameBytesMax: 65_535 });
      const topics = ["a", "b"].map((letter) => letter.repeat(length));
      for (const [i, topic] of topics.entries()) send(from, topic, i + 1, "first");
      to.takePublishes();
      const order = Array.from({ length: 200 }, (_, i) => i % 50 < 40 ? 1 : 2);
      from.write(bytesOf(...order.map((topicAlias, i) =>
        encodePacket({
          type: PacketType.PUBLISH,
          dup: false,
          qos: 0,
          retain: false,
          topic: "",
          payload: new TextEncoder().encode(`${i}`),
          properties: { topicAlias },
        }, 5)
      )));
      const got = to.takePublishes();
      assertEquals(got.map(({ payload }) => Number(new TextDecoder().decode(payload))), [...order.keys()]);
      assertEquals(got.map(({ topic }) => topics.indexOf(topic) + 1), order);
    }
  });

  test("[MQTT-3.3.2-12] the rest of the packet goes on as it is, the alias does not", () => {
    const { from, to } = two();
    send(from, "a", 1);
    to.takePublishes();
    const publish: Publish = {
      type: PacketType.PUBLISH,
      dup: false,
      qos: 2,
      retain: false,
      topic: "",
      packetId: 9,
      payload: Uint8Array.of(1, 2),
      properties: { contentType: "c", topicAlias: 1, userProperties: [["k", "v"]], messageExpiryInterval: 5 },
    };
    from.send(publish);
    assertEquals(to.takePublishes(), [{
      ...publish,
      topic: "a",
      packetId: 1,
      properties: { contentType: "c", userProperties: [["k", "v"]], messageExpiryInterval: 5 },
    }]);
    assertEquals(from.take(PacketType.PUBREC).packetId, 9);
  });

  test("[MQTT-3.3.2-12] a repeated QoS 2 PUBLISH, and one that is refused, set their alias too", () => {
    const { from, to } = two();
    to.subscribe("$x");
    from.publish({ topic: "a", qos: 2, packetId: 1, properties: { topicAlias: 1 } });
    from.publish({ topic: "b", qos: 2, packetId: 1, dup: true, properties: { topicAlias: 2 } });
    from.publish({ topic: "$x", properties: { topicAlias: 3 } });
    send(from, "", 1);
    send(from, "", 2);
    send(from, "", 3);
    assertEquals(topics(to).map(([topic]) => topic), ["a", "a", "b"]);
  });

  test("[MQTT-3.3.2-8] alias 0 ends the connection", () => {
    const { from, to } = two();
    from.write(frame(0x30, utf8("a"), properties([0x23, 0, 0])));
    assertEnded(from, 0x94, "MQTT-3.3.2-8");
    to.assertSilent();
  });

  test("[3.3.4/alias-above-maximum] an alias above Topic Alias Maximum ends the connection", () => {
    for (const [topicAliasMaximum, alias] of [[0, 1], [5, 6], [256, 65_535]] as const) {
      const { from, to } = two(0, { topicAliasMaximum });
      send(from, "a", alias);
      assertEnded(from, 0x94, "3.3.4/alias-above-maximum");
      to.assertSilent();
    }
  });

  test("[3.3.4/alias-unknown] an alias that no topic was sent with ends the connection", () => {
    const { from, to } = two();
    send(from, "a", 2);
    to.takePublishes();
    send(from, "", 1);
    assertEnded(from, 0x82, "3.3.4/alias-unknown");
    to.assertSilent();
  });

  test("[MQTT-3.3.2-7] aliases end with the connection, the session notwithstanding", () => {
    const { pair, from } = two();
    const session = { cleanStart: false, properties: { sessionExpiryInterval: 60 } };
    const first = pair.connect({ clientId: "c", ...session });
    send(first, "a", 1);
    first.lose();
    const second = pair.connect({ clientId: "c", ...session });
    send(second, "", 1);
    assertEnded(second, 0x82, "3.3.4/alias-unknown");
    send(from, "", 1);
    assertEnded(from, 0x82, "3.3.4/alias-unknown");
  });
});

describe("Topic Aliases to the Client", () => {
  test("[MQTT-3.3.2-11] none for a Client that allows none", () => {
    for (const topicAliasMaximum of [undefined, 0]) {
      const pair = new Pair();
      const to = pair.connect({
        clientId: "to",
        ...(topicAliasMaximum !== undefined && { properties: { topicAliasMaximum } }),
      });
      to.subscribe("#");
      const from = pair.connect({ clientId: "from" });
      for (const topic of ["a", "a", "b"]) from.publish({ topic });
      assertEquals(topics(to), [["a", undefined], ["a", undefined], ["b", undefined]]);
    }
  });

  test("[MQTT-3.3.2-11] [MQTT-3.1.2-26] the first topics get those the Client allows, then they stand alone", () => {
    const { from, to } = two(2);
    for (const topic of ["a", "b", "a", "c", "b", "c"]) from.publish({ topic });
    assertEquals(topics(to), [["a", 1], ["b", 2], ["", 1], ["c", undefined], ["", 2], ["c", undefined]]);
  });

  test("no more than topicAliasesOutMax, whatever the Client allows", () => {
    const { from, to } = two(65_535, { topicAliasesOutMax: 1 });
    for (const topic of ["a", "b", "a"]) from.publish({ topic });
    assertEquals(topics(to), [["a", 1], ["b", undefined], ["", 1]]);
  });

  test("[MQTT-3.3.2-7] a new connection begins anew, for messages that are sent again too", () => {
    const pair = new Pair();
    const session = { cleanStart: false, properties: { sessionExpiryInterval: 60, topicAliasMaximum: 2 } };
    const to = pair.connect({ clientId: "to", ...session });
    to.subscribe("#");
    const from = pair.connect({ clientId: "from" });
    for (let i = 0; i < 2; i++) from.publish({ topic: "a", qos: 1 });
    assertEquals(topics(to), [["a", 1], ["", 1]]);
    to.lose();
    const again = pair.connect({ clientId: "to", ...session });
    assertEquals(topics(again), [["a", 1], ["", 1]]);
  });

  test("[MQTT-3.1.2-24] a topic whose first message is too large has no alias yet", () => {
    const pair = new Pair();
    const properties = { topicAliasMaximum: 2, maximumPacketSize: 60 };
    const to = pair.connect({ clientId: "to", properties });
    to.subscribe("#");
    const from = pair.connect({ clientId: "from" });
    from.publish({ topic: "a", payload: "x".repeat(100) });
    from.publish({ topic: "a", payload: "y" });
    from.publish({ topic: "a", payload: "z" });
    assertEquals(topics(to), [["a", 1], ["", 1]]);
  });

  test("[MQTT-3.1.2-25] a message that fits only without a new alias is sent without one", () => {
    const pair = new Pair();
    const to = pair.connect({ clientId: "to", properties: { topicAliasMaximum: 2, maximumPacketSize: 60 } });
    to.subscribe("#");
    const from = pair.connect({ clientId: "from" });
    from.publish({ topic: "a", payload: "x".repeat(60 - 6) });
    assertEquals(topics(to), [["a", undefined]]);
    from.publish({ topic: "a", payload: "x" });
    from.publish({ topic: "a", payload: "x".repeat(60 - 8) });
    assertEquals(topics(to), [["a", 1], ["", 1]]);
  });
});
