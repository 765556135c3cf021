/**
 * §3.3.1.3 RETAIN of PUBLISH, Retain Handling and Retain As Published: what a Server under audit must do.
 * @module
 */
import { options, type PublishParts, TYPE, unsubscribe } from "../../wire/bytes.ts";
import { type ServerCase, serverCases } from "../../case.ts";
import { payloadText, type Seen } from "../../wire/parse.ts";
import type { Peer } from "../../wire/peer.ts";
import type { Trial } from "../trial.ts";
import { check, Finding } from "../../verdict.ts";

/** Publishes to the topic of the trial, with QoS 1 unless told otherwise: a Server may drop retained QoS 0 messages. */
async function tell(t: Trial, peer: Peer, parts: Partial<PublishParts>): Promise<void> {
  await t.published(peer, { topic: t.topic(), qos: 1, ...parts });
  await peer.barrier();
}

/** A new Client with a subscription to the topic `end`, by which `rest()` knows that nothing else comes. */
async function newSubscriber(t: Trial): Promise<Peer> {
  const subscriber = await t.connect();
  await t.subscribe(subscriber, t.topic("end"), options(0));
  return subscriber;
}

/** What comes before a live message that is published now. */
async function rest(t: Trial, subscriber: Peer): Promise<Seen[]> {
  subscriber.send(t.publish({ topic: t.topic("end") }));
  return await subscriber.gather(t.topic("end"));
}

/** A new subscriber of the topic gets one message, the retained one with that payload. */
async function checkKept(t: Trial, payload: string): Promise<void> {
  const subscriber = await newSubscriber(t);
  await t.subscribe(subscriber, t.topic());
  await checkOnly(t, subscriber, payload);
}

/** The retained message with that payload comes, and no other. */
async function checkOnly(t: Trial, subscriber: Peer, payload: string): Promise<Seen> {
  const first = await subscriber.take(`the retained ${JSON.stringify(payload)}`);
  check(
    payloadText(first) === payload,
    `The payload is ${show([first])} in place of ${JSON.stringify(payload)}`,
  );
  check(first.retain === true, "It came with RETAIN 0");
  const more = await rest(t, subscriber);
  check(more.length === 0, `One message was expected; ${show(more)} came besides`);
  return first;
}

/** A new subscriber of the topic gets nothing. */
async function checkNotKept(t: Trial): Promise<void> {
  const subscriber = await newSubscriber(t);
  await t.subscribe(subscriber, t.topic());
  const found = await rest(t, subscriber);
  check(found.length === 0, `No message was expected; ${show(found)} came`);
}

function show(found: readonly Seen[]): string {
  return found.map((seen) => JSON.stringify(payloadText(seen))).join(", ");
}

/** Cases of §3.3.1.3. */
export const CASES: readonly ServerCase[] = serverCases("3.3.1", {
  "retained-is-kept": {
    statements: ["MQTT-3.3.1-5", "MQTT311-3.3.1-5", "MQTT311-3.3.1-6", "MQTT311-3.3.1-8"],
    levels: [4, 5],
    needs: ["retain", "qos 1"],
    does: "Publishes two retained QoS 1 messages to a topic, then subscribes with QoS 2.",
    requires: "The second one comes, with RETAIN 1 and its QoS, and nothing else.",
    async run(t) {
      const peer = await t.connect();
      await tell(t, peer, { payload: "old", retain: true });
      await tell(t, peer, { payload: "new", retain: true });
      const subscriber = await newSubscriber(t);
      const granted = await t.subscribe(subscriber, t.topic());
      const { qos } = await checkOnly(t, subscriber, "new");
      check(qos === Math.min(1, granted), `It was published with QoS 1; QoS ${qos} came`);
    },
  },
  "qos-0-retained-replaces": {
    statements: ["MQTT-3.3.1-5", "MQTT311-3.3.1-7"],
    levels: [4, 5],
    needs: ["retain", "qos 1"],
    does: "Publishes a retained QoS 1 message and then one of QoS 0 to the same topic, then subscribes.",
    requires: "The first one is gone; the second one should come.",
    async run(t) {
      const peer = await t.connect();
      await tell(t, peer, { payload: "old", retain: true });
      await tell(t, peer, { payload: "new", retain: true, qos: 0 });
      const subscriber = await newSubscriber(t);
      await t.subscribe(subscriber, t.topic());
      const found = await rest(t, subscriber);
      if (found.length === 0) throw new Finding("lenient", "The retained QoS 0 message is not kept");
      check(
        found.length === 1 && payloadText(found[0]!) === "new",
        `"new" was expected; ${show(found)} came`,
      );
    },
  },
  "empty-payload-removes": {
    statements: ["MQTT-3.3.1-6", "MQTT-3.3.1-7", "MQTT311-3.3.1-10", "MQTT311-3.3.1-11"],
    levels: [4, 5],
    needs: ["retain", "qos 1"],
    does: "Removes a retained message by an empty one while a subscriber is there, then subscribes anew.",
    requires: "The subscriber gets the empty message like any other; the new one gets nothing.",
    async run(t) {
      const peer = await t.connect();
      await tell(t, peer, { payload: "kept", retain: true });
      const subscriber = await newSubscriber(t);
      await t.subscribe(subscriber, t.topic());
      await checkOnly(t, subscriber, "kept");
      await tell(t, peer, { payload: "", retain: true });
      const live = await subscriber.take("for RETAIN 1 and an empty payload are published like any message");
      check(live.payload?.length === 0, "The message was empty, its payload is not");
      await checkNotKept(t);
    },
  },
  "empty-payload-is-not-kept": {
    statements: ["MQTT-3.3.1-7", "MQTT311-3.3.1-11"],
    levels: [4, 5],
    needs: ["retain", "qos 1"],
    does: "Publishes an empty retained message to a topic that has none, then subscribes.",
    requires: "Nothing comes.",
    async run(t) {
      await tell(t, await t.connect(), { payload: "", retain: true });
      await checkNotKept(t);
    },
  },
  "retain-0-is-not-kept": {
    statements: ["MQTT-3.3.1-8", "MQTT311-3.3.1-12"],
    levels: [4, 5],
    needs: ["qos 1"],
    does: "Publishes with RETAIN 0, then subscribes.",
    requires: "Nothing comes.",
    async run(t) {
      await tell(t, await t.connect(), { payload: "live" });
      await checkNotKept(t);
    },
  },
  "retain-0-replaces-nothing": {
    statements: ["MQTT-3.3.1-8", "MQTT311-3.3.1-12"],
    levels: [4, 5],
    needs: ["retain", "qos 1"],
    does:
      "Publishes a retained message, one with RETAIN 0 to the same topic, and an empty one with RETAIN 0.",
    requires: "A new subscriber gets the retained one.",
    async run(t) {
      const peer = await t.connect();
      await tell(t, peer, { payload: "kept", retain: true });
      await tell(t, peer, { payload: "live" });
      await checkKept(t, "kept");
      await tell(t, peer, { payload: "" });
      await checkKept(t, "kept");
    },
  },
  "retain-handling-0": {
    statements: ["MQTT-3.3.1-9"],
    levels: [5],
    needs: ["retain", "qos 1"],
    does: "Subscribes with Retain Handling 0 twice to a topic with a retained message.",
    requires: "The retained message comes each time.",
    async run(t) {
      await tell(t, await t.connect(), { payload: "kept", retain: true });
      const subscriber = await newSubscriber(t);
      for (let i = 0; i < 2; i++) {
        await t.subscribe(subscriber, t.topic(), options(1));
        await checkOnly(t, subscriber, "kept");
      }
    },
  },
  "retain-handling-1": {
    statements: ["MQTT-3.3.1-10"],
    levels: [5],
    needs: ["retain", "qos 1"],
    does: "Subscribes with Retain Handling 1 to a topic with a retained message; again, with another QoS; " +
      "and after UNSUBSCRIBE.",
    requires: "The retained message comes at first and after UNSUBSCRIBE, not for the existing subscription.",
    async run(t) {
      await tell(t, await t.connect(), { payload: "kept", retain: true });
      const subscriber = await newSubscriber(t);
      await t.subscribe(subscriber, t.topic(), options(1, { retainHandling: 1 }));
      await checkOnly(t, subscriber, "kept");
      await t.subscribe(subscriber, t.topic(), options(0, { retainHandling: 1 }));
      const found = await rest(t, subscriber);
      check(found.length === 0, `The subscription existed; ${show(found)} came again`);
      subscriber.send(unsubscribe(t.level, t.id(), [t.topic()]));
      await subscriber.pick(TYPE.UNSUBACK);
      await t.subscribe(subscriber, t.topic(), options(1, { retainHandling: 1 }));
      await checkOnly(t, subscriber, "kept");
    },
  },
  "retain-handling-2": {
    statements: ["MQTT-3.3.1-11"],
    levels: [5],
    needs: ["retain", "qos 1"],
    does: "Subscribes with Retain Handling 2 to a topic with a retained message.",
    requires: "It does not come.",
    async run(t) {
      await tell(t, await t.connect(), { payload: "kept", retain: true });
      const subscriber = await newSubscriber(t);
      await t.subscribe(subscriber, t.topic(), options(1, { retainHandling: 2 }));
      const found = await rest(t, subscriber);
      check(found.length === 0, `No retained message was asked for; ${show(found)} came`);
    },
  },
  "live-without-retain-as-published": {
    statements: ["MQTT-3.3.1-12", "MQTT311-3.3.1-9"],
    levels: [4, 5],
    needs: ["retain"],
    does: "Publishes with RETAIN 1 to a subscriber without Retain As Published.",
    requires: "It comes with RETAIN 0.",
    async run(t) {
      const subscriber = await t.connect();
      await t.subscribe(subscriber, t.topic());
      const peer = await t.connect();
      peer.send(t.publish({ topic: t.topic(), payload: "x", retain: true, qos: t.qos(1), id: t.id() }));
      const received = await subscriber.expectPublish();
      check(received.retain === false, "It came with RETAIN 1");
    },
  },
  "live-with-retain-as-published": {
    statements: ["MQTT-3.3.1-13"],
    levels: [5],
    needs: ["retain"],
    does: "Publishes with RETAIN 1, then with RETAIN 0, to a subscriber with Retain As Published.",
    requires: "Each comes with the RETAIN flag that it was published with.",
    async run(t) {
      const subscriber = await t.connect();
      await t.subscribe(subscriber, t.topic(), options(1, { retainAsPublished: true }));
      const peer = await t.connect();
      for (const retain of [true, false]) {
        peer.send(t.publish({ topic: t.topic(), payload: "x", retain, qos: t.qos(1), id: t.id() }));
        const received = await subscriber.take();
        check(received.retain === retain, `It came with RETAIN ${received.retain === true ? 1 : 0}`);
      }
    },
  },
});
