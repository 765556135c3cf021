/** Bridges of other brokers at levels 3 and 4, and what a Client that knows no Receive Maximum is spared. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { ProtocolLevel } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { assertEnded } from "../testing/assertions.ts";
import { Pair, type StubClient } from "../testing/pair.ts";

const { PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;

describe("the bridge bit of the protocol version", () => {
  function scene(level: ProtocolLevel, bridge: boolean): { edge: StubClient; other: StubClient } {
    const pair = new Pair();
    const other = pair.connect({ clientId: "other", level });
    other.subscribe("#");
    const edge = pair.connect({ clientId: "edge", level, cleanStart: false, ...(bridge && { bridge }) });
    edge.subscribe("#", "a/+");
    return { edge, other };
  }

  for (const level of [3, 4] as const) {
    test(`[MQTT-3.8.3-3] a bridge does not get its own messages, others do, level ${level}`, () => {
      for (const qos of [0, 1, 2] as const) {
        const { edge, other } = scene(level, true);
        edge.publish({ topic: "a/b", qos, payload: "up" });
        assertEquals(other.takeTexts(), ["up"]);
        assertEquals(edge.takeTexts(), []);
        other.publish({ topic: "a/b", qos, payload: "down" });
        assertEquals(edge.takeTexts(), ["down"]);
      }
    });

    test(`[MQTT-3.3.1-13] a bridge gets RETAIN as it was published, level ${level}`, () => {
      const { edge, other } = scene(level, true);
      other.publish({ topic: "a/b", qos: 1, retain: true, payload: "kept" });
      assertEquals(edge.takePublishes().map(({ retain }) => retain), [true]);
    });

    test(`nor does it get its own retained messages back when it subscribes anew, level ${level}`, () => {
      const { edge } = scene(level, true);
      edge.publish({ topic: "a/b", qos: 1, retain: true, payload: "own" });
      edge.take(PUBACK);
      edge.subscribe("#");
      edge.assertSilent();
      const again = edge.pair.connect({ clientId: "edge", level, cleanStart: false, bridge: true });
      again.subscribe("#");
      again.assertSilent();
    });

    test(`a Client without the bit gets its own, with RETAIN 0, level ${level}`, () => {
      const { edge } = scene(level, false);
      edge.publish({ topic: "a/b", qos: 1, retain: true, payload: "own" });
      assertEquals(edge.takePublishes().map(({ retain }) => retain), [false]);
    });
  }
});

describe("messages in flight without a Receive Maximum", () => {
  for (const level of [3, 4, 5] as const) {
    const most = level === 5 ? 235 : 20;
    test(`[MQTT-3.3.4-9] of 235 that wait, level ${level} is sent ${most}, and one more for each that is over`, () => {
      for (const qos of [1, 2] as const) {
        const pair = new Pair();
        const init = { clientId: "to", level, cleanStart: false };
        const kept = level === 5 ? { ...init, properties: { sessionExpiryInterval: 60 } } : init;
        const first = pair.connect(kept);
        first.subscribe("a");
        first.lose();
        for (let i = 0; i < 235; i++) pair.broker.publish({ topic: "a", qos, payload: `${i}` }, pair.now);
        const to = pair.connect(kept);
        const got = to.takeTexts();
        assertEquals([got.length, to.inFlight], [most, most]);
        while (got.length < 235) {
          const id = got.length - most + 1;
          to.acknowledge(qos === 1 ? PUBACK : PUBREC, id);
          if (qos === 2) to.acknowledge(PUBCOMP, id);
          got.push(...to.takeTexts());
          assertEquals(got.length, most + id);
        }
        assertEquals(got, Array.from({ length: 235 }, (_, i) => `${i}`));
      }
    });
  }

  test("inFlightMaxLevel4 and inFlightMax: the smaller one holds below level 5", () => {
    for (const [limits, most] of [[{ inFlightMaxLevel4: 50 }, 50], [{ inFlightMax: 7 }, 7]] as const) {
      const pair = new Pair({ limits });
      const to = pair.connect({ clientId: "to", level: 4 });
      to.subscribe("a");
      for (let i = 0; i < 60; i++) pair.broker.publish({ topic: "a", qos: 1, payload: "x" }, pair.now);
      assertEquals(to.takeTexts().length, most);
    }
  });

  for (const level of [3, 4] as const) {
    test(`a Client of level ${level} may open QoS 2 messages under every identifier`, () => {
      const pair = new Pair();
      const to = pair.connect({ clientId: "to" });
      to.subscribe("a");
      const from = pair.connect({ clientId: "from", level });
      for (let packetId = 1; packetId <= 3_000; packetId++) from.publish({ topic: "a", qos: 2, packetId });
      assertEquals(from.session?.received, 3_000);
      assertEquals(from.over, false);
      for (let packetId = 1; packetId <= 3_000; packetId++) from.acknowledge(PUBREL, packetId);
      assertEquals(from.session?.received, 0);
    });
  }

  test("[3.3.4/receive-maximum] at level 5 the Receive Maximum of CONNACK still holds", () => {
    const client = new Pair({ limits: { receiveMaximum: 2 } }).connect();
    for (const packetId of [1, 2, 3]) client.publish({ topic: "a", qos: 2, packetId });
    client.take(PUBREC);
    client.take(PUBREC);
    assertEnded(client, 0x93, "3.3.4/receive-maximum");
  });
});
