/**
 * §4.9 Flow control, §3.3.4 Receive Maximum: what a Server under audit must do, as sender and as receiver.
 * @module
 */
import { acknowledgement, property, subscribe, TYPE, unsubscribe } from "../../wire/bytes.ts";
import { type ServerCase, serverCases } from "../../case.ts";
import { payloadText, type Seen } from "../../wire/parse.ts";
import { hexCode, nameOf, type Peer } from "../../wire/peer.ts";
import type { Trial } from "../trial.ts";
import { check, Finding } from "../../verdict.ts";

/** A subscriber with that Receive Maximum, and `count` messages published to it at that QoS. */
async function flooded(t: Trial, maximum: number, qos: 1 | 2, count: number): Promise<Peer> {
  const subscriber = await t.connect({ properties: [property.receiveMaximum(maximum)] });
  await t.subscribeAt(subscriber, t.topic(), qos);
  await publishes(t, qos, count);
  return subscriber;
}

async function publishes(t: Trial, qos: number, count: number): Promise<void> {
  const publisher = await t.connect();
  for (let i = 0; i < count; i++) {
    await t.published(publisher, { topic: t.topic(), payload: String(i), qos });
  }
}

const isPublish = ({ type }: Seen) => type === TYPE.PUBLISH;

/**
 * Takes `count` messages and ends the oldest exchange each time; there may never be more than `maximum` open.
 * `end` ends one. What comes is looked at behind a barrier, so that one too many has time to come.
 */
async function takesWithin(
  subscriber: Peer,
  maximum: number,
  count: number,
  end: (seen: Seen) => Promise<void>,
): Promise<void> {
  const open: Seen[] = [];
  for (let came = 0; came < count;) {
    if (open.length === 0) {
      open.push(await subscriber.expectPublish("for none is open"));
      came++;
    }
    const more = (await subscriber.barrier()).filter(isPublish);
    open.push(...more);
    came += more.length;
    check(open.length <= maximum, `${open.length} messages are open, Receive Maximum is ${maximum}`);
    await end(open.shift()!);
  }
}

/** PUBREC, PUBREL, PUBCOMP; between them no message may come if `full`. */
async function endQos2(subscriber: Peer, { id }: Seen, full: boolean): Promise<void> {
  subscriber.send(acknowledgement(TYPE.PUBREC, id!));
  await subscriber.pick(TYPE.PUBREL, "for its PUBREC was sent");
  if (full) await subscriber.expectNoPublish("PUBREC does not make room, and PUBCOMP was not sent");
  subscriber.send(acknowledgement(TYPE.PUBCOMP, id!));
}

/** Cases of §4.9. */
export const CASES: readonly ServerCase[] = serverCases("4.9", {
  "qos-1-within-receive-maximum": {
    statements: ["MQTT-4.9.0-1", "MQTT-4.9.0-2", "MQTT-3.3.4-9"],
    levels: [5],
    needs: ["qos 1"],
    does:
      "Connects with Receive Maximum 3, has ten QoS 1 messages published, and sends one PUBACK at a time.",
    requires: "Never more than three messages are open, and all of them come.",
    async run(t) {
      const subscriber = await flooded(t, 3, 1, 10);
      await takesWithin(subscriber, 3, 10, (seen) => {
        subscriber.send(acknowledgement(TYPE.PUBACK, seen.id!));
        return Promise.resolve();
      });
    },
  },
  "qos-2-within-receive-maximum": {
    statements: ["MQTT-4.9.0-1", "MQTT-4.9.0-2", "MQTT-3.3.4-9"],
    levels: [5],
    needs: ["qos 2"],
    does:
      "Connects with Receive Maximum 1, has five QoS 2 messages published, and ends one exchange at a time.",
    requires: "Never more than one message is open: not PUBREC makes room, but PUBCOMP. All of them come.",
    async run(t) {
      const subscriber = await flooded(t, 1, 2, 5);
      await takesWithin(subscriber, 1, 5, (seen) => endQos2(subscriber, seen, true));
    },
  },
  "both-qos-within-receive-maximum": {
    statements: ["MQTT-4.9.0-2", "MQTT-3.3.4-9"],
    levels: [5],
    needs: ["qos 2"],
    does: "Connects with Receive Maximum 2, and has messages of QoS 1 and 2 published in turn.",
    requires: "Never more than two messages of both kinds together are open, and all of them come.",
    async run(t) {
      const subscriber = await t.connect({ properties: [property.receiveMaximum(2)] });
      await t.subscribeAt(subscriber, t.topic(), 2);
      for (const qos of [1, 2, 1, 2, 1, 2]) await publishes(t, qos, 1);
      await takesWithin(subscriber, 2, 6, async (seen) => {
        if (seen.qos === 2) await endQos2(subscriber, seen, false);
        else subscriber.send(acknowledgement(TYPE.PUBACK, seen.id!));
      });
    },
  },
  "refusals-make-room": {
    statements: ["MQTT-4.9.0-2"],
    levels: [5],
    needs: ["qos 2"],
    does: "Connects with Receive Maximum 1, and refuses each of four QoS 2 messages by PUBREC 0x80.",
    requires: "Each refusal brings the next message.",
    async run(t) {
      const subscriber = await flooded(t, 1, 2, 4);
      for (let i = 0; i < 4; i++) {
        const seen = await subscriber.expectPublish(i === 0 ? "" : "for the one before was refused");
        check(payloadText(seen) === String(i), `Message ${payloadText(seen)} came, ${i} is due`);
        subscriber.send(acknowledgement(TYPE.PUBREC, seen.id!, 0x80));
      }
    },
  },
  "within-receive-maximum-again": {
    statements: ["MQTT-4.9.0-1", "MQTT-3.3.4-9"],
    levels: [5],
    needs: ["qos 1"],
    does: "Leaves six QoS 1 messages without PUBACK, and comes back to its session with Receive Maximum 2.",
    requires: "Never more than two messages are open, and all of them come.",
    async run(t) {
      const { peer } = await t.session();
      await t.subscribeAt(peer, t.topic(), 1);
      await publishes(t, 1, 6);
      await peer.expectPublish();
      await peer.barrier();
      peer.abort();
      const again = await t.resume({ properties: [property.receiveMaximum(2)] });
      await takesWithin(again, 2, 6, (seen) => {
        again.send(acknowledgement(TYPE.PUBACK, seen.id!));
        return Promise.resolve();
      });
    },
  },
  "other-packets-go-on": {
    statements: ["MQTT-4.9.0-3", "MQTT-3.3.4-10"],
    levels: [5],
    needs: ["qos 2"],
    does:
      "Connects with Receive Maximum 1, leaves a message without acknowledgement while others wait, and sends " +
      "every packet that asks for an answer.",
    requires: "PINGRESP, SUBACK, UNSUBACK, PUBACK, PUBREC, PUBCOMP and PUBREL come; no other message does.",
    async run(t) {
      const subscriber = await flooded(t, 1, 2, 3);
      const { id } = await subscriber.expectPublish();
      const [first, second] = [t.id(), t.id()];
      subscriber.send(
        subscribe(5, first, [[t.topic("other"), 0]]),
        unsubscribe(5, second, [t.topic("other")]),
        t.publish({ topic: t.topic("out"), payload: "x", qos: 1, id: t.id() }),
        t.publish({ topic: t.topic("out"), payload: "x", qos: 2, id: 4711 }),
      );
      for (const type of [TYPE.SUBACK, TYPE.UNSUBACK, TYPE.PUBACK, TYPE.PUBREC]) {
        await subscriber.pick(type, `though Receive Maximum is used up: ${nameOf(type)} is no PUBLISH`);
      }
      subscriber.send(acknowledgement(TYPE.PUBREL, 4711));
      await subscriber.pick(TYPE.PUBCOMP, "though Receive Maximum is used up");
      subscriber.send(acknowledgement(TYPE.PUBREC, id!));
      await subscriber.pick(TYPE.PUBREL, "though Receive Maximum is used up");
      await subscriber.expectNoPublish("Receive Maximum is 1 and the first exchange is open");
    },
  },
  "receive-maximum-of-the-target": {
    statements: ["3.3.4/receive-maximum"],
    levels: [5],
    needs: ["qos 2", "receive maximum"],
    does:
      "Publishes as many QoS 2 messages as the target's Receive Maximum allows, without PUBREL; then one more.",
    requires:
      "A PUBREC for each that is allowed; then the connection is closed, and DISCONNECT 0x93 may say why.",
    async run(t) {
      const { receiveMaximum } = t.profile;
      if (receiveMaximum > MOST) {
        throw new Finding(
          "unsupported",
          `Receive Maximum is ${receiveMaximum}; above ${MOST} it is not tried`,
        );
      }
      const peer = await t.connect();
      for (let id = 1; id <= receiveMaximum; id++) {
        peer.send(t.publish({ topic: t.topic(), qos: 2, id }));
        const { code } = await peer.pick(TYPE.PUBREC, `${id} of ${receiveMaximum} messages are open`);
        if (code! >= 0x80) throw new Finding("inconclusive", "A PUBLISH was refused");
      }
      peer.send(t.publish({ topic: t.topic(), qos: 2, id: receiveMaximum + 1 }));
      const seen = await peer.peek();
      if (seen?.type === TYPE.PUBREC && seen.code! >= 0x80) {
        throw new Finding(
          "lenient",
          `The message is refused by PUBREC ${hexCode(seen.code!)}; DISCONNECT is named`,
        );
      }
      await peer.refused([0x93]);
    },
  },
});

/** Open messages that the auditor is ready to send. */
const MOST = 5000;
