/**
 * §3.3.4 (3.1.1: §3.3.4 and §3.3.5) PUBLISH Actions and Receive Maximum: what a Server under audit must do.
 * @module
 */
import { acknowledgement, options, property, subscribe, TYPE, unsubscribe } from "../../wire/bytes.ts";
import { type ServerCase, serverCases } from "../../case.ts";
import { payloadText } from "../../wire/parse.ts";
import { hexCode, type Peer } from "../../wire/peer.ts";
import type { Trial } from "../trial.ts";
import { check, fail, Finding } from "../../verdict.ts";

/** A Receive Maximum above this is not filled up. */
const FILLED_MOST = 10_000;

/** A subscriber with Receive Maximum 1, and three messages of that QoS on their way to it. */
async function crowded(t: Trial, qos: 1 | 2): Promise<Peer> {
  const subscriber = await t.connect({ properties: [property.receiveMaximum(1)] });
  await t.subscribeAt(subscriber, t.topic(), qos);
  const peer = await t.connect();
  for (const payload of ["1", "2", "3"]) await t.published(peer, { topic: t.topic(), payload, qos });
  return subscriber;
}

/** The next message, with that payload; it stays without an answer. */
async function open(subscriber: Peer, payload: string): Promise<number> {
  const seen = await subscriber.expect(TYPE.PUBLISH);
  check(
    payloadText(seen) === payload,
    `Message ${payload} was due; ${JSON.stringify(payloadText(seen))} came`,
  );
  return seen.id!;
}

/** An acknowledgement for `id`, or the end of the connection. */
async function acknowledgedOrClosed(peer: Peer, type: 4 | 5 | 7, id: number): Promise<"closed" | undefined> {
  const seen = await peer.next();
  if (seen === undefined) return fail("Neither an acknowledgement nor the end of the connection came");
  if (seen.type === "end") return "closed";
  check(seen.type === type && seen.id === id, `Packet type ${type} with id ${id} was expected`);
  return undefined;
}

/** Cases of §3.3.4. */
export const CASES: readonly ServerCase[] = serverCases("3.3.4", {
  "qos-0-is-not-answered": {
    statements: ["MQTT-3.3.4-1", "MQTT311-3.3.4-1"],
    levels: [4, 5],
    does: "Publishes with QoS 0, then sends PINGREQ.",
    requires: "PINGRESP, and nothing before it.",
    async run(t) {
      const peer = await t.connect();
      peer.send(t.publish({ topic: t.topic(), payload: "x" }));
      const before = await peer.barrier();
      check(before.length === 0, `Nothing was expected; packet type ${before[0]?.type} came`);
    },
  },
  "qos-1-puback": {
    statements: ["MQTT-3.3.4-1", "MQTT311-3.3.4-1"],
    levels: [4, 5],
    needs: ["qos 1"],
    does: "Publishes with QoS 1.",
    requires: "PUBACK with its Packet Identifier.",
    async run(t) {
      const peer = await t.connect();
      peer.send(t.publish({ topic: t.topic(), payload: "x", qos: 1, id: 0x1234 }));
      const { id, code = 0 } = await peer.expect(TYPE.PUBACK);
      check(id === 0x1234, `PUBACK has id ${id}, its PUBLISH ${0x1234}`);
      check(code === 0 || code === 0x10, `PUBACK has ${hexCode(code)}`);
    },
  },
  "qos-2-pubrec": {
    statements: ["MQTT-3.3.4-1", "MQTT311-3.3.4-1"],
    levels: [4, 5],
    needs: ["qos 2"],
    does: "Publishes with QoS 2.",
    requires: "PUBREC with its Packet Identifier.",
    async run(t) {
      const peer = await t.connect();
      peer.send(t.publish({ topic: t.topic(), payload: "x", qos: 2, id: 0x1234 }));
      const { id, code = 0 } = await peer.expect(TYPE.PUBREC);
      check(id === 0x1234, `PUBREC has id ${id}, its PUBLISH ${0x1234}`);
      check(code === 0 || code === 0x10, `PUBREC has ${hexCode(code)}`);
      peer.send(acknowledgement(TYPE.PUBREL, 0x1234));
      await peer.expect(TYPE.PUBCOMP);
    },
  },
  "receive-maximum-qos-1": {
    statements: ["MQTT-3.3.4-9"],
    levels: [5],
    needs: ["qos 1"],
    does: "Subscribes with Receive Maximum 1 and QoS 1; three messages are published.",
    requires: "One message is open at a time: the next one comes after PUBACK.",
    async run(t) {
      const subscriber = await crowded(t, 1);
      for (const payload of ["1", "2", "3"]) {
        const id = await open(subscriber, payload);
        await subscriber.expectNoPublish(`for message ${payload} is open`);
        subscriber.send(acknowledgement(TYPE.PUBACK, id));
      }
    },
  },
  "receive-maximum-qos-2": {
    statements: ["MQTT-3.3.4-9"],
    levels: [5],
    needs: ["qos 2"],
    does: "Subscribes with Receive Maximum 1 and QoS 2; three messages are published.",
    requires: "One message is open at a time: the next one comes after PUBCOMP, not after PUBREC.",
    async run(t) {
      const subscriber = await crowded(t, 2);
      for (const payload of ["1", "2", "3"]) {
        const id = await open(subscriber, payload);
        await subscriber.expectNoPublish(`for message ${payload} is open`);
        subscriber.send(acknowledgement(TYPE.PUBREC, id));
        const pubrel = await subscriber.expect(TYPE.PUBREL, `message ${payload} is still open`);
        check(pubrel.id === id, `PUBREL has id ${pubrel.id}, its PUBREC ${id}`);
        await subscriber.expectNoPublish(`for message ${payload} has no PUBCOMP yet`);
        subscriber.send(acknowledgement(TYPE.PUBCOMP, id));
      }
    },
  },
  "receive-maximum-holds-nothing-else": {
    statements: ["MQTT-3.3.4-10"],
    levels: [5],
    needs: ["qos 1"],
    does:
      "Uses up its Receive Maximum of 1, then sends PINGREQ, SUBSCRIBE, UNSUBSCRIBE, and PUBLISH with every " +
      "QoS there is.",
    requires: "All are answered while the message stays open, and no second message comes.",
    async run(t) {
      const subscriber = await crowded(t, 1);
      const first = await open(subscriber, "1");
      await subscriber.expectNoPublish("for message 1 is open");
      const [sub, unsub, one, two] = [t.id(), t.id(), t.id(), t.id()];
      subscriber.send(subscribe(t.level, sub, [[t.topic("x"), options(0)]]));
      await subscriber.expect(TYPE.SUBACK, "whatever is open");
      subscriber.send(unsubscribe(t.level, unsub, [t.topic("x")]));
      await subscriber.expect(TYPE.UNSUBACK, "whatever is open");
      subscriber.send(t.publish({ topic: t.topic("y"), qos: 1, id: one }));
      await subscriber.expect(TYPE.PUBACK, "whatever is open");
      if (t.qos(2) === 2) {
        subscriber.send(t.publish({ topic: t.topic("y"), qos: 2, id: two }));
        await subscriber.expect(TYPE.PUBREC, "whatever is open");
        subscriber.send(acknowledgement(TYPE.PUBREL, two));
        await subscriber.expect(TYPE.PUBCOMP, "whatever is open");
      }
      subscriber.send(acknowledgement(TYPE.PUBACK, first));
      await open(subscriber, "2");
    },
  },
  "receive-maximum-exceeded": {
    statements: ["3.3.4/receive-maximum"],
    levels: [5],
    needs: ["qos 2", "receive maximum"],
    does: "Opens one QoS 2 exchange more than the Receive Maximum of CONNACK allows, without PUBREL.",
    requires:
      "The connection is closed; DISCONNECT 0x93 may say why. To refuse the message only, in its PUBREC, " +
      "is lenient.",
    async run(t) {
      const { receiveMaximum: most } = t.profile;
      if (most > FILLED_MOST) {
        throw new Finding("unsupported", `Receive Maximum ${most} is too great to fill`);
      }
      const peer = await t.connect();
      for (let id = 1; id <= most + 1; id++) peer.send(t.publish({ topic: t.topic(), qos: 2, id }));
      const answers = await peer.answers();
      const refusal = answers.find(({ type, code = 0 }) => type === TYPE.PUBREC && code >= 0x80);
      const goodbye = answers.find(({ type }) => type === TYPE.DISCONNECT);
      if (goodbye === undefined && refusal !== undefined) {
        const came = hexCode(refusal.code!);
        throw new Finding("lenient", `PUBREC ${came} refuses the message; DISCONNECT 0x93 is named`);
      }
      check(
        goodbye !== undefined || peer.drained,
        `${most + 1} exchanges were opened; the connection stayed open`,
      );
      peer.ending = goodbye === undefined ? "silent close" : "code";
      const code = goodbye?.code ?? 0x93;
      if (code !== 0x93) throw new Finding("lenient", `Reason ${hexCode(code)} came; 0x93 is named`);
    },
  },
  "not-authorized": {
    statements: ["MQTT311-3.3.5-2"],
    levels: [4],
    needs: ["forbidden topic", "qos 2"],
    does: "Publishes with QoS 1 and 2 to the topic that the Client may not publish to.",
    requires: "Either the acknowledgements of any other message, or the connection is closed.",
    async run(t) {
      const topic = t.profile.forbiddenTopic!;
      const [one, two] = [await t.connect(), await t.connect()];
      one.send(t.publish({ topic, payload: "x", qos: 1, id: 1 }));
      await acknowledgedOrClosed(one, TYPE.PUBACK, 1);
      two.send(t.publish({ topic, payload: "x", qos: 2, id: 2 }));
      if (await acknowledgedOrClosed(two, TYPE.PUBREC, 2) === "closed") return;
      two.send(acknowledgement(TYPE.PUBREL, 2));
      await acknowledgedOrClosed(two, TYPE.PUBCOMP, 2);
    },
  },
});
