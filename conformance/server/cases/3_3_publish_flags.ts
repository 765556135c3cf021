/**
 * §3.3.1.1 DUP and §3.3.1.2 QoS of PUBLISH: what a Server under audit must do.
 * @module
 */
import { options } from "../../wire/bytes.ts";
import { type ServerCase, serverCases } from "../../case.ts";
import { check } from "../../verdict.ts";

/** Cases of §3.3.1.1 and §3.3.1.2. */
export const CASES: readonly ServerCase[] = serverCases("3.3.1", {
  "qos-3": {
    statements: ["MQTT-3.3.1-4", "MQTT311-3.3.1-4"],
    levels: [4, 5],
    does: "Sends a PUBLISH with both QoS bits set.",
    requires: "The connection is closed{5|; DISCONNECT 0x81 may say why}. Nobody receives the message.",
    async run(t) {
      const subscriber = await t.connect();
      await t.subscribe(subscriber, t.topic());
      const peer = await t.connect();
      peer.send(t.publish({ topic: t.topic(), id: 1, qos: 3 }));
      await peer.refused([0x81]);
      await subscriber.expectNoPublish("for it came with QoS 3");
    },
  },
  "dup-at-qos-0": {
    statements: ["MQTT-3.3.1-2", "MQTT311-3.3.1-2"],
    levels: [4, 5],
    does: "Sends a PUBLISH with QoS 0 and DUP 1.",
    requires:
      "The connection is closed: there is no such packet.{5| No Reason Code is named for it, so a Server " +
      "that lets it pass is lenient.}",
    async run(t) {
      const peer = await t.connect();
      peer.send(t.publish({ topic: t.topic(), dup: true }));
      if (t.level === 4) await peer.refused();
      else await peer.shouldRefuse();
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
      const received = await subscriber.expectPublish();
      check(received.dup === false, "It came with DUP 1");
    },
  },
  "dup-is-not-passed-on-at-qos-0": {
    statements: ["MQTT-3.3.1-2", "MQTT-3.3.1-3", "MQTT311-3.3.1-2", "MQTT311-3.3.1-3"],
    levels: [4, 5],
    needs: ["qos 1"],
    does: "Publishes a QoS 1 message with DUP 1 to a subscriber of QoS 0.",
    requires: "It comes with QoS 0, and DUP 0 as every message of QoS 0.",
    async run(t) {
      const subscriber = await t.connect();
      await t.subscribe(subscriber, t.topic(), options(0));
      const peer = await t.connect();
      peer.send(t.publish({ topic: t.topic(), payload: "x", qos: 1, id: 7, dup: true }));
      const received = await subscriber.expectPublish();
      check(received.qos === 0, `It came with QoS ${received.qos}`);
      check(received.dup === false, "It came with DUP 1");
    },
  },
  "sent-again-with-dup": {
    statements: ["MQTT-3.3.1-1", "MQTT311-3.3.1-1"],
    levels: [4, 5],
    needs: ["qos 1"],
    does: "Receives a QoS 1 message, resets the connection without a PUBACK, and comes back to its session.",
    requires: "The message comes again, now with DUP 1.",
    async run(t) {
      const { peer: subscriber } = await t.session();
      await t.subscribeAt(subscriber, t.topic(), 1);
      await t.published(await t.connect(), { topic: t.topic(), payload: "x", qos: 1 });
      const first = await subscriber.expectPublish();
      check(first.dup === false, "It came with DUP 1 the first time");
      subscriber.abort();
      const again = await (await t.resume()).expectPublish("for it was not acknowledged");
      check(again.dup === true, "It came again with DUP 0");
    },
  },
});
