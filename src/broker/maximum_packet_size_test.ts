/** §3.1.2.11.4, §3.2.2.3.6 Maximum Packet Size in both directions. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { ProtocolLevel } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { assertClosed, assertEnded, assertNotAccepted, Told } from "../testing/assertions.ts";
import { Pair } from "../testing/pair.ts";
import { subscriberScene as scene } from "../testing/subscriber_scene.ts";

const { PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;

describe("Maximum Packet Size of the Client", () => {
  /** A payload that makes a PUBLISH to topic "a" of that many bytes. */
  const payload = (packet: number, level: ProtocolLevel, qos: number) =>
    "x".repeat(packet - 2 - 3 - (level === 5 ? 1 : 0) - (qos > 0 ? 2 : 0));

  test("[MQTT-3.1.2-24] [MQTT-3.1.2-25] a larger message is not sent, and counts as delivered", () => {
    for (const expiry of [0, 60]) {
      for (const qos of [0, 1, 2] as const) {
        const properties = { maximumPacketSize: 50, receiveMaximum: 1, sessionExpiryInterval: expiry };
        const { to, send, told } = scene({ properties });
        send(qos, payload(51, 5, qos), payload(50, 5, qos), payload(51, 5, qos));
        assertEquals(to.takePublishes().map(({ payload }) => payload.length), [payload(50, 5, qos).length]);
        assertEquals(to.inFlight, qos === 0 ? 0 : 1);
        if (qos === 1) to.acknowledge(PUBACK, 2);
        if (qos === 2) {
          to.acknowledge(PUBREC, 2);
          to.acknowledge(PUBCOMP, 2);
          to.take(PUBREL);
        }
        assertEquals(told.drops, Array(2).fill({ topic: "a", clientId: "to", reason: "packet too large" }));
        send(qos, "y");
        assertEquals(to.takeTexts(), ["y"]);
      }
    }
  });

  test("[MQTT-3.1.2-25] what was sent before and is too large now is not sent again, and the rest goes on", () => {
    const { pair, to, send, told } = scene({ cleanStart: false, properties: { sessionExpiryInterval: 60 } });
    send(1, "1".repeat(100), "2");
    send(2, "3".repeat(100), "4");
    to.lose();
    send(1, "5".repeat(100), "6");
    const properties = { sessionExpiryInterval: 60, maximumPacketSize: 60 };
    const again = pair.connect({ clientId: "to", cleanStart: false, properties });
    assertEquals(again.takeTexts(), ["2", "4", "6"]);
    assertEquals(again.inFlight, 3);
    assertEquals(told.drops.map(({ reason }) => reason), Array(3).fill("packet too large"));
  });
});

describe("answers above the Maximum Packet Size of the Client", () => {
  const filters = Array.from({ length: 40 }, (_, i) => `${i}`);
  const properties = { maximumPacketSize: 45 };

  test("[MQTT-3.1.2-24] SUBACK: the connection ends with 0x95, and nothing is subscribed to", () => {
    const { pair } = scene();
    const client = pair.connect({ properties });
    assertEquals(client.subscribe(...filters).length, 40); // just as many codes as there is room for
    const subscriptions = filters.map((filter) => ({
      filter: `x/${filter}`,
      qos: 0 as const,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0 as const,
    }));
    subscriptions.push({ ...subscriptions[0]!, filter: "one more" }, {
      ...subscriptions[0]!,
      filter: "and one",
    });
    const before = pair.broker.stats.subscriptions;
    client.send({ type: PacketType.SUBSCRIBE, packetId: 9, subscriptions });
    assertEquals(client.take(PacketType.DISCONNECT).reasonCode, 0x95);
    assertClosed(client);
    assertEquals(pair.broker.stats.subscriptions, before - 40); // the session has ended
  });

  test("[MQTT-3.1.2-24] UNSUBACK: the same, and nothing is unsubscribed", () => {
    const { pair } = scene();
    const kept = { cleanStart: false, properties: { ...properties, sessionExpiryInterval: 60 } };
    const client = pair.connect({ ...kept, clientId: "kept" });
    client.subscribe(...filters);
    client.send({ type: PacketType.UNSUBSCRIBE, packetId: 9, filters: [...filters, "41", "42"] });
    assertEquals(client.take(PacketType.DISCONNECT).reasonCode, 0x95);
    assertClosed(client);
    assertEquals(pair.broker.session("kept")?.subscriptions, 40);
  });
});

describe("Maximum Packet Size of the Server", () => {
  test("[2.1.4/too-large] a CONNECT above it gets CONNACK 0x95 at level 5 as soon as the level has come, nothing below", () => {
    const begins = (level: number) => [0x10, 0xff, 0x7f, 0, 4, 0x4d, 0x51, 0x54, 0x54, level];
    for (const level of [4, 5] as const) {
      for (const isSlow of [false, true]) {
        const told = new Told();
        const limits = { connectBytesMax: 64, ...(isSlow && { publishRateMax: 1_000 }) }; // a rate limit changes nothing
        const pair = new Pair({ limits, hooks: told.hooks });
        const client = pair.open(level);
        if (isSlow) { for (const byte of begins(level)) client.raw(byte); }
        else client.raw(...begins(level), 2, 0);
        if (level === 5) assertNotAccepted(client, 0x95, "2.1.4/too-large");
        else assertClosed(client);
        told.assertRefused(0x95, "2.1.4/too-large");
      }
    }
  });

  test("[2.1.4/too-large] [MQTT-3.2.2-15] a packet above ours ends the connection before its body has come", () => {
    const { to } = scene({}, { limits: { packetBytesMax: 64 } });
    assertEquals(to.connack?.properties?.maximumPacketSize, 64);
    to.publish({ topic: "$x", payload: "x".repeat(57), qos: 0 });
    to.assertSilent();
    to.raw(0x30, 63);
    assertEnded(to, 0x95, "2.1.4/too-large");
  });
});
