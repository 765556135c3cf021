/**
 * §3.3.1 PUBLISH fixed header, DUP, QoS and RETAIN: what a Server under audit must do.
 * @module
 */
import { options, TYPE } from "../bytes.ts";
import { type ServerCase, serverCases } from "../case.ts";
import { check } from "../verdict.ts";

/** Cases of §3.3.1. */
export const CASES: readonly ServerCase[] = serverCases("3.3.1", {
  "qos-3": {
    statements: ["MQTT-3.3.1-4", "MQTT311-3.3.1-4"],
    levels: [4, 5],
    does: "Sends a PUBLISH with both QoS bits set.",
    requires:
      "The connection is closed; at level 5 DISCONNECT 0x81 may say why. Nobody receives the message.",
    async run(t) {
      const subscriber = await t.connect();
      await t.subscribe(subscriber, t.topic());
      const peer = await t.connect();
      peer.send(t.publish({ topic: t.topic(), id: 1, qos: 3 }));
      await peer.refused([0x81]);
      await subscriber.expectNoPublish("for it came with QoS 3");
    },
  },
  "dup-is-not-passed-on": {
    statements: ["MQTT-3.3.1-3", "MQTT311-3.3.1-3"],
    levels: [4, 5],
    needs: ["qos 1"],
    does: "Publishes a QoS 1 message with DUP 1 that was never sent before.",
    requires: "The subscriber gets it with DUP 0: this forwarding is no repeat.",
    async run(t) {
      const subscriber = await t.connect();
      await t.subscribe(subscriber, t.topic(), options(1));
      const peer = await t.connect();
      peer.send(t.publish({ topic: t.topic(), payload: "x", qos: 1, id: 7, dup: true }));
      const received = await subscriber.expect(TYPE.PUBLISH);
      check(received.dup === false, "It came with DUP 1");
    },
  },
  "retained-is-kept": {
    statements: ["MQTT-3.3.1-5", "MQTT311-3.3.1-5", "MQTT311-3.3.1-6", "MQTT311-3.3.1-8"],
    levels: [4, 5],
    needs: ["retain"],
    does: "Publishes two retained messages to a topic, then subscribes.",
    requires: "The second one comes, with RETAIN 1, and nothing else.",
    async run(t) {
      const peer = await t.connect();
      peer.send(t.publish({ topic: t.topic(), payload: "old", retain: true }));
      peer.send(t.publish({ topic: t.topic(), payload: "new", retain: true }));
      await peer.barrier();
      const subscriber = await t.connect();
      await t.subscribe(subscriber, t.topic());
      const received = await subscriber.expect(TYPE.PUBLISH);
      const payload = new TextDecoder().decode(received.payload);
      check(payload === "new", `The payload is ${JSON.stringify(payload)}, the last one was "new"`);
      check(received.retain === true, "It came with RETAIN 0");
      await subscriber.expectNoPublish("the first one was replaced");
    },
  },
});
