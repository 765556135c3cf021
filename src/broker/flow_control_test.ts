/** §4.9, §3.1.2.11.3 Receive Maximum in both directions, and Clients that read slowly. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { PacketType } from "../codec/packet_type.ts";
import { PublishView } from "../codec/publish_view.ts";
import { messageBytes } from "../delivery/message.ts";
import { assertEnded } from "../testing/assertions.ts";
import { subscriberScene as scene } from "../testing/subscriber_scene.ts";

/** What a message counts for beside its frame. */
const OVERHEAD_BYTES = messageBytes({ view: new PublishView() });
const { PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;

describe("Receive Maximum of the Client", () => {
  test("[MQTT-3.3.4-9] [MQTT-4.9.0-1] [MQTT-4.9.0-2] so many QoS 1 and 2 messages are open and no more", () => {
    const { to, send } = scene({ properties: { receiveMaximum: 3 } });
    send(1, "1", "2");
    send(2, "3", "4", "5");
    send(1, "6");
    assertEquals(to.takeTexts(), ["1", "2", "3"]);
    to.acknowledge(PUBACK, 2);
    assertEquals(to.takeTexts(), ["4"]);
    to.acknowledge(PUBACK, 1);
    assertEquals(to.takeTexts(), ["5"]);
    to.assertSilent();
  });

  test("[MQTT-4.9.0-2] PUBREC frees no place, PUBCOMP and a refusing PUBREC do", () => {
    const { to, send } = scene({ properties: { receiveMaximum: 1 } });
    send(2, "1", "2", "3");
    assertEquals(to.takeTexts(), ["1"]);
    to.acknowledge(PUBREC, 1);
    to.take(PUBREL);
    to.assertSilent();
    to.acknowledge(PUBCOMP, 1);
    assertEquals(to.takeTexts(), ["2"]);
    to.acknowledge(PUBREC, 2, 0x97);
    assertEquals(to.takeTexts(), ["3"]);
  });

  test("[MQTT-4.9.0-2] acknowledgements of nothing, and repeated ones, free no place", () => {
    const { to, send } = scene({ properties: { receiveMaximum: 1 } });
    send(1, "1", "2", "3");
    to.takeTexts();
    to.acknowledge(PUBACK, 9);
    to.acknowledge(PUBCOMP, 1);
    to.assertSilent();
    to.acknowledge(PUBACK, 1);
    to.acknowledge(PUBACK, 1);
    assertEquals(to.takeTexts(), ["2"]);
  });

  test("[MQTT-3.3.4-10] [MQTT-4.9.0-3] when it is used up, QoS 0 and all other packets go on", () => {
    const { to, send } = scene({ properties: { receiveMaximum: 1 } });
    send(2, "1", "2");
    send(0, "zero");
    assertEquals(to.takeTexts(), ["1", "zero"]);
    to.assertSilent(); // PINGREQ is answered
    assertEquals(to.subscribe("b"), [2]);
    assertEquals(to.unsubscribe("b"), [0]);
    to.publish({ topic: "$x", qos: 1, packetId: 7 });
    assertEquals(to.take(PUBACK).packetId, 7);
    to.acknowledge(PUBREC, 1);
    assertEquals(to.take(PUBREL).packetId, 1);
  });

  test("[MQTT-3.3.4-9] it counts anew after a reconnect, messages sent again included", () => {
    const init = { cleanStart: false, properties: { sessionExpiryInterval: 60, receiveMaximum: 2 } };
    const { pair, to, send } = scene(init);
    send(2, "1");
    send(1, "2", "3", "4");
    assertEquals(to.takeTexts(), ["1", "2"]);
    to.acknowledge(PUBREC, 1);
    to.lose();
    const again = pair.connect({ clientId: "to", ...init });
    assertEquals(again.take(PUBREL).packetId, 1);
    assertEquals(again.takePublishes().map(({ dup, packetId }) => [dup, packetId]), [[true, 2]]);
    again.assertSilent();
    again.acknowledge(PUBCOMP, 1);
    again.acknowledge(PUBACK, 2);
    assertEquals(again.takeTexts(), ["3", "4"]);
  });

  test("[MQTT-3.3.4-9] a smaller one than before holds for what is sent again, too", () => {
    const { pair, to, send } = scene({ cleanStart: false, properties: { sessionExpiryInterval: 60 } });
    send(1, "1", "2", "3");
    to.lose();
    const properties = { sessionExpiryInterval: 60, receiveMaximum: 1 };
    const again = pair.connect({ clientId: "to", cleanStart: false, properties });
    for (const text of ["1", "2", "3"]) {
      const [publish] = again.takePublishes();
      assertEquals([new TextDecoder().decode(publish?.payload), publish?.dup], [text, true]);
      again.assertSilent();
      again.acknowledge(PUBACK, publish!.packetId!);
    }
    again.assertSilent();
  });

  test("[MQTT-3.3.4-9] it holds although a message is acknowledged before it is sent again", () => {
    const { pair, to, send } = scene({ cleanStart: false, properties: { sessionExpiryInterval: 60 } });
    send(2, "1", "2", "3");
    to.lose();
    const properties = { sessionExpiryInterval: 60, receiveMaximum: 1 };
    const again = pair.connect({ clientId: "to", cleanStart: false, properties });
    assertEquals(again.takeTexts(), ["1"]);
    again.acknowledge(PUBREC, 2);
    assertEquals(again.take(PUBREL).packetId, 2);
    again.acknowledge(PUBREC, 1, 0x80);
    again.assertSilent();
    again.acknowledge(PUBCOMP, 2);
    assertEquals(again.takeTexts(), ["3"]);
  });

  test("[MQTT-4.9.0-1] inFlightMax holds for who allows more, and below level 5", () => {
    for (const level of [3, 4, 5] as const) {
      const { to, send } = scene({ level }, { limits: { inFlightMax: 2 } });
      send(1, "1", "2", "3");
      assertEquals(to.takeTexts(), ["1", "2"]);
      to.acknowledge(PUBACK, 1);
      assertEquals(to.takeTexts(), ["3"]);
    }
  });
});

describe("Receive Maximum of the Server", () => {
  test("[3.3.4/receive-maximum] [MQTT-3.3.4-7] more QoS 2 messages than that end the connection", () => {
    const { pair, to, told } = scene({}, { limits: { receiveMaximum: 2 } });
    const from = pair.connect({ clientId: "from" });
    assertEquals(from.connack?.properties?.receiveMaximum, 2);
    for (const packetId of [1, 2]) from.publish({ topic: "a", qos: 2, packetId, payload: `${packetId}` });
    from.publish({ topic: "a", qos: 2, packetId: 2, dup: true, payload: "2" });
    from.publish({ topic: "a", qos: 1, packetId: 3, payload: "3" });
    from.acknowledge(PUBREL, 1);
    from.publish({ topic: "a", qos: 2, packetId: 4, payload: "4" });
    assertEquals(from.inbox.splice(0).map(({ type }) => type), [
      PUBREC,
      PUBREC,
      PUBREC,
      PUBACK,
      PUBCOMP,
      PUBREC,
    ]);
    from.publish({ topic: "a", qos: 2, packetId: 5, payload: "5" });
    assertEnded(from, 0x93, "3.3.4/receive-maximum");
    assertEquals(to.takeTexts(), ["1", "2", "3", "4"]);
    told.assertEnded("from", 0x93, "3.3.4/receive-maximum");
  });
});

describe("a slow reader", () => {
  const small = { limits: { outboundBytesMax: 4096 } };
  const kilobyte = (mark: string) => mark.padEnd(1024, ".");

  test("[MQTT-4.3.2-3] QoS 1 and 2 wait for it and come in order, QoS 0 is dropped above outboundBytesMax", () => {
    const { pair, to, send, told } = scene({}, small, 3000);
    to.transport.pause();
    const marks = Array.from({ length: 20 }, (_, i) => `${i}`);
    send(1, ...marks.slice(0, 6).map(kilobyte));
    assertEquals(to.connection.stats.waitingBytes < 4096, true); // there is room again, but others came before
    for (const mark of marks.slice(6)) send(1, kilobyte(mark));
    send(0, ...["1", "2", "3"].map((mark) => kilobyte(`fits${mark}`)), "zero");
    assertEquals(told.drops, [{ topic: "a", clientId: "to", reason: "outboundBytesMax" }]);
    assertEquals(told.limits, [{ limit: "outboundBytesMax", who: "to" }]);
    to.transport.resume();
    pair.settle();
    const texts = to.takeTexts().map((text) => text.slice(0, text.indexOf(".")));
    assertEquals(texts.filter((text) => !text.startsWith("fits")), marks);
    assertEquals(texts.length, marks.length + 3);
    to.assertSilent();
  });

  test("[MQTT-4.3.2-3] [MQTT-4.5.0-1] nothing stays behind when one turn brings more than outboundBytesMax", () => {
    for (const capacityBytes of [undefined, 3000]) {
      const { to, send } = scene({}, small, capacityBytes);
      send(0, kilobyte("a"), kilobyte("b"), kilobyte("c"), kilobyte("d"));
      send(1, "e");
      send(0, "x".repeat(5000));
      send(1, "f", "g");
      const texts = to.takeTexts().map((text) => text.slice(0, 1));
      assertEquals(texts.filter((text) => text > "d" && text < "x"), ["e", "f", "g"]);
      assertEquals(to.session?.queued, 0);
    }
  });

  test("[MQTT-4.5.0-1] what waits in one turn behind many bytes is sent in the next", () => {
    const { pair, to } = scene({}, small);
    for (let i = 0; i < 6; i++) pair.broker.publish({ topic: "a", payload: kilobyte("z") }, pair.now);
    pair.broker.publish({ topic: "a", qos: 1, payload: "last" }, pair.now);
    pair.settle();
    assertEquals(to.takeTexts().at(-1), "last");
  });

  test("[limit/queue] one that is so slow that its queue is full is cut off, the session of who is away is not", () => {
    const options = { limits: { queuedMessagesMax: 2, inFlightMax: 1 } };
    const { to, send, told } = scene({}, options);
    send(1, "1", "2", "3");
    assertEquals(to.takeTexts(), ["1"]);
    send(1, "4");
    assertEnded(to, 0x97, "limit/queue");
    assertEquals(told.drops, [{ topic: "a", clientId: "to", reason: "queuedMessagesMax" }]);

    const init = { cleanStart: false, properties: { sessionExpiryInterval: 60 } };
    const away = scene(init, { limits: { queuedMessagesMax: 2 } });
    away.to.disconnect();
    away.send(1, "1", "2", "3", "4");
    assertEquals(away.told.limits, [{ limit: "queuedMessagesMax", who: "to" }]);
    assertEquals(away.told.drops.length, 2);
    assertEquals(away.pair.connect({ clientId: "to", ...init }).takeTexts(), ["1", "2"]);
  });

  test("[limit/queue] queuedBytesMax counts the bytes of what waits", () => {
    const init = { cleanStart: false, properties: { sessionExpiryInterval: 60 } };
    const { pair, to, send, told } = scene(init, {
      limits: { queuedBytesMax: 2 * 1040 + 3 * OVERHEAD_BYTES + 50 },
    });
    to.disconnect();
    send(1, kilobyte("1"), kilobyte("2"), kilobyte("3"), "4");
    assertEquals(told.drops.map(({ reason }) => reason), ["queuedBytesMax"]);
    const again = pair.connect({ clientId: "to", ...init });
    assertEquals(again.takeTexts().map((text) => text[0]), ["1", "2", "4"]);
    assertEquals(again.session?.queuedBytes, 0);
  });

  test("[limit/outbound] one that makes us answer and does not read is cut off", () => {
    const { pair, to, told } = scene({}, small, 100);
    to.transport.pause();
    const pings = new Uint8Array(64_000).map((_, i) => i % 2 === 0 ? 0xc0 : 0);
    for (let i = 0; i < 40 && told.ends.length === 0; i++) {
      for (let at = 0; at < pings.length;) {
        at += to.transport.write(pings.subarray(at));
        pair.settle();
      }
    }
    told.assertEnded("to", 0x97, "limit/outbound");
  });
});
