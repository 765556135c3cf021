/** §3.3.2.3.3 The Message Expiry Interval goes down wherever a message waits on its way to a Client that is connected. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { subscriberScene as scene } from "../testing/subscriber_scene.ts";

const SLOW = 4_000;

describe("[MQTT-3.3.2-6] a Client that stops reading for four seconds", () => {
  for (const qos of [0, 1, 2] as const) {
    for (const before of [1, 200]) {
      test(`gets intervals of QoS ${qos} that are less by four, behind ${before} KB that waited too`, () => {
        const { pair, to } = scene({}, {}, 512);
        to.transport.pause();
        const publish = (payload: string, messageExpiryInterval?: number) =>
          pair.broker.publish({
            topic: "a",
            qos,
            payload,
            ...(messageExpiryInterval !== undefined && { properties: { messageExpiryInterval } }),
          }, pair.now);
        for (let i = 0; i < before; i++) publish("x".repeat(1_000));
        publish("first", 10);
        publish("short", 2);
        pair.advance(2_000);
        publish("second", 10);
        publish("none");
        pair.advance(SLOW - 2_000);
        to.transport.resume();
        const got = to.takePublishes().slice(before).map(({ payload, properties }) => [
          new TextDecoder().decode(payload),
          properties?.messageExpiryInterval,
        ]);
        assertEquals(got, [["first", 6], ["short", 0], ["second", 8], ["none", undefined]]);
      });
    }
  }

  test("a message that came in a batch with others too", () => {
    const { pair, to } = scene({}, {}, 64);
    to.transport.pause();
    const from = pair.connect({ clientId: "from" });
    for (let i = 0; i < 3; i++) {
      from.publish({ topic: "a", qos: 1, payload: "x".repeat(50), properties: { messageExpiryInterval: 9 } });
    }
    pair.advance(SLOW);
    to.transport.resume();
    const got = to.takePublishes().map(({ properties }) => properties?.messageExpiryInterval);
    assertEquals(got, [9, 5, 5]); // the head of the first one had left
  });
});
