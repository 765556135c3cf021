/**
 * §4.3 QoS 0, 1 and 2 from the Server to a subscriber: what a Server under audit must do as sender.
 * @module
 */
import { acknowledgement, options, property, TYPE } from "../../wire/bytes.ts";
import { type ServerCase, serverCases } from "../../case.ts";
import type { Seen } from "../../wire/parse.ts";
import type { Peer } from "../../wire/peer.ts";
import type { Trial } from "../trial.ts";
import { check } from "../../verdict.ts";

/** Publishes `count` messages, each with its whole exchange. */
async function publishes(t: Trial, publisher: Peer, qos: number, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await t.published(publisher, { topic: t.topic(), payload: String(i), qos });
  }
}

/** The messages that a Server sends without acknowledgements: at least one, and as many more as it likes. */
async function unacknowledged(subscriber: Peer): Promise<Seen[]> {
  const first = await subscriber.expectPublish();
  return [first, ...(await subscriber.barrier()).filter(({ type }) => type === TYPE.PUBLISH)];
}

/** Identifiers of messages that are open at the same time are different, and not 0. */
function checkIdentifiers(all: readonly Seen[], open: readonly number[] = []): void {
  const used = [...open];
  for (const { id } of all) {
    check(id !== undefined && id !== 0, "A message has Packet Identifier 0");
    check(!used.includes(id), `Identifier ${id} is used for a new message while it is in use`);
    used.push(id);
  }
}

/** Withholds acknowledgements, gives half of them, has more published, and looks at the identifiers. */
async function identifiers(t: Trial, qos: 1 | 2): Promise<void> {
  const subscriber = await t.connect();
  await t.subscribeAt(subscriber, t.topic(), qos);
  const publisher = await t.connect();
  await publishes(t, publisher, qos, 8);
  const open = await unacknowledged(subscriber);
  checkIdentifiers(open);
  const done = open.splice(0, Math.ceil(open.length / 2));
  for (const { id } of done) {
    subscriber.send(acknowledgement(qos === 1 ? TYPE.PUBACK : TYPE.PUBREC, id!));
    if (qos === 1) continue;
    await subscriber.pick(TYPE.PUBREL);
    subscriber.send(acknowledgement(TYPE.PUBCOMP, id!));
  }
  await publishes(t, publisher, qos, 8);
  const more = (await subscriber.barrier()).filter(({ type }) => type === TYPE.PUBLISH);
  checkIdentifiers(more, open.map(({ id }) => id!));
}

/** Has a message with DUP 1 published; its first transmission must be a fresh one. */
async function firstTransmission(t: Trial, qos: 1 | 2): Promise<void> {
  const subscriber = await t.connect();
  await t.subscribeAt(subscriber, t.topic(), qos);
  await t.published(await t.connect(), { topic: t.topic(), payload: "x", qos, dup: true });
  const seen = await subscriber.take();
  check(seen.qos === qos, `It came at QoS ${seen.qos}, QoS ${qos} is granted and published`);
  check(seen.id !== 0, "It came with Packet Identifier 0");
  check(seen.dup === false, "It came with DUP 1 the first time");
}

/** A session with a QoS 2 message for which PUBREC was sent and PUBREL came. */
async function released(t: Trial): Promise<{ readonly peer: Peer; readonly id: number }> {
  const { peer } = await t.session();
  await t.subscribeAt(peer, t.topic(), 2);
  await t.published(await t.connect(), { topic: t.topic(), payload: "x", qos: 2 });
  const { id } = await peer.expectPublish();
  peer.send(acknowledgement(TYPE.PUBREC, id!));
  const pubrel = await peer.pick(TYPE.PUBREL, "for its PUBREC was sent");
  check(pubrel.id === id, `PUBREL has id ${pubrel.id}, its PUBREC ${id}`);
  return { peer, id: id! };
}

const AT_MOST_ONCE: readonly ServerCase[] = serverCases("4.3.1", {
  "plain": {
    statements: ["MQTT-4.3.1-1", "MQTT-2.2.1-2", "MQTT311-4.3.1-1", "MQTT311-2.3.1-5"],
    levels: [4, 5],
    does: "Publishes at every QoS, with DUP 1 where there is one, to a subscription of QoS 0.",
    requires: "Each message comes with QoS 0 and DUP 0, without a Packet Identifier.",
    async run(t) {
      const subscriber = await t.connect();
      await t.subscribe(subscriber, t.topic(), options(0));
      const publisher = await t.connect();
      for (let qos = 0; qos <= t.qos(2); qos++) {
        await t.published(publisher, { topic: t.topic(), payload: "x", qos, dup: qos > 0 });
        const { flags, raw, payload } = await subscriber.expectPublish(`published at QoS ${qos}`);
        check((flags & 6) === 0, `It came at QoS ${flags >> 1 & 3}, QoS 0 is granted`);
        check((flags & 8) === 0, "It came at QoS 0 with DUP 1");
        check(
          payload!.length === 1,
          `The payload is not the one byte that was sent (${raw.length} bytes in all)`,
        );
      }
    },
  },
});

const AT_LEAST_ONCE: readonly ServerCase[] = serverCases("4.3.2", {
  "first-transmission": {
    statements: ["MQTT-4.3.2-2", "MQTT311-4.3.2-1"],
    levels: [4, 5],
    needs: ["qos 1"],
    does: "Publishes at QoS 1 with DUP 1 to a subscription of QoS 1.",
    requires: "It comes with QoS 1, DUP 0 and a Packet Identifier.",
    run: (t) => firstTransmission(t, 1),
  },
  "identifiers": {
    statements: ["MQTT-4.3.2-1", "MQTT-2.2.1-4", "MQTT311-4.3.2-1", "MQTT311-2.3.1-4"],
    levels: [4, 5],
    needs: ["qos 1"],
    does: "Has QoS 1 messages published, acknowledges half of those that come, and has more published.",
    requires: "No message comes under identifier 0 or one whose PUBACK is still due.",
    run: (t) => identifiers(t, 1),
  },
  "open-until-puback": {
    statements: ["MQTT-4.3.2-3", "MQTT311-4.3.2-1"],
    levels: [4, 5],
    needs: ["qos 1"],
    does:
      "Receives three QoS 1 messages, acknowledges the second, and comes back to its session on a new connection.",
    requires: "The first and the third come again under their identifiers, and not the second.",
    async run(t) {
      const { peer } = await t.session();
      await t.subscribeAt(peer, t.topic(), 1);
      await publishes(t, await t.connect(), 1, 3);
      const open = await unacknowledged(peer);
      const [done] = open.length < 3 ? [] : open.splice(1, 1);
      if (done !== undefined) peer.send(acknowledgement(TYPE.PUBACK, done.id!));
      await peer.barrier();
      peer.abort();
      const again = await t.resume();
      const came: number[] = [];
      for (const _ of open) came.push((await again.take("for it is not acknowledged")).id!);
      const due = open.map(({ id }) => id!);
      check(due.every((id) => came.includes(id)), `Identifiers ${came} came again, ${due} are open`);
      if (done !== undefined) await again.expectNoPublish("the other message was acknowledged");
    },
  },
});

const EXACTLY_ONCE: readonly ServerCase[] = serverCases("4.3.3", {
  "first-transmission": {
    statements: ["MQTT-4.3.3-2", "MQTT311-4.3.3-1"],
    levels: [4, 5],
    needs: ["qos 2"],
    does: "Publishes at QoS 2 with DUP 1 to a subscription of QoS 2.",
    requires: "It comes with QoS 2, DUP 0 and a Packet Identifier.",
    run: (t) => firstTransmission(t, 2),
  },
  "identifiers": {
    statements: ["MQTT-4.3.3-1", "MQTT-2.2.1-4", "MQTT311-4.3.3-1", "MQTT311-2.3.1-4"],
    levels: [4, 5],
    needs: ["qos 2"],
    does:
      "Has QoS 2 messages published, ends the exchanges of half of those that come, and has more published.",
    requires: "No message comes under identifier 0 or one whose exchange is open.",
    run: (t) => identifiers(t, 2),
  },
  "open-until-pubrec": {
    statements: ["MQTT-4.3.3-3", "MQTT311-4.3.3-1"],
    levels: [4, 5],
    needs: ["qos 2"],
    does: "Receives a QoS 2 message, and comes back to its session without having sent PUBREC.",
    requires: "The PUBLISH comes again under its identifier.",
    async run(t) {
      const { peer } = await t.session();
      await t.subscribeAt(peer, t.topic(), 2);
      await publishes(t, await t.connect(), 2, 1);
      const { id } = await peer.expectPublish();
      peer.abort();
      const again = await (await t.resume()).take("for it got no PUBREC");
      check(again.id === id, `It came again under id ${again.id}, before under ${id}`);
    },
  },
  "pubrel": {
    statements: ["MQTT-4.3.3-4", "MQTT-2.2.1-5", "MQTT311-4.3.3-1", "MQTT311-2.3.1-6"],
    levels: [4, 5],
    needs: ["qos 2"],
    does: "Receives two QoS 2 messages and sends a PUBREC for each, the second one{5| with code 0x10}.",
    requires: "A PUBREL for each, with its identifier.",
    async run(t) {
      const subscriber = await t.connect();
      await t.subscribeAt(subscriber, t.topic(), 2);
      const publisher = await t.connect();
      for (const code of [undefined, t.level === 5 ? 0 : undefined]) {
        await publishes(t, publisher, 2, 1);
        const { id } = await subscriber.expectPublish();
        subscriber.send(acknowledgement(TYPE.PUBREC, id!, code));
        const pubrel = await subscriber.pick(TYPE.PUBREL, "for its PUBREC was sent");
        check(pubrel.id === id, `PUBREL has id ${pubrel.id}, its PUBREC ${id}`);
        check((pubrel.code ?? 0) === 0, "PUBREL says that the identifier is not known");
        subscriber.send(acknowledgement(TYPE.PUBCOMP, id!));
      }
    },
  },
  "open-until-pubcomp": {
    statements: ["MQTT-4.3.3-5", "MQTT311-4.3.3-1"],
    levels: [4, 5],
    needs: ["qos 2"],
    does:
      "Receives a QoS 2 message, sends PUBREC, gets PUBREL, and comes back to its session without having sent " +
      "PUBCOMP.",
    requires: "The PUBREL comes again under its identifier.",
    async run(t) {
      const { peer, id } = await released(t);
      peer.abort();
      const again = await t.resume();
      const pubrel = await again.pick(TYPE.PUBREL, "for it got no PUBCOMP");
      check(pubrel.id === id, `PUBREL has id ${pubrel.id}, before ${id}`);
      again.send(acknowledgement(TYPE.PUBCOMP, id));
      await again.barrier();
    },
  },
  "no-publish-after-pubrel": {
    statements: ["MQTT-4.3.3-6", "MQTT311-4.3.3-1"],
    levels: [4, 5],
    needs: ["qos 2"],
    does:
      "Receives a QoS 2 message, sends PUBREC, gets PUBREL, sends PUBREC again, and comes back to its session.",
    requires: "The PUBLISH does not come again, neither after the second PUBREC nor on the new connection.",
    async run(t) {
      const { peer } = await released(t);
      peer.abort();
      const again = await t.resume();
      await again.pick(TYPE.PUBREL, "for it got no PUBCOMP");
      await again.expectNoPublish("its PUBREL was sent before");
    },
  },
  "sent-does-not-expire": {
    statements: ["MQTT-4.3.3-7"],
    levels: [5],
    needs: ["qos 2"],
    timing: true,
    does:
      "Receives a QoS 2 message that expires after one second, and comes back to its session after two, without " +
      "having sent PUBREC.",
    requires: "The PUBLISH comes again, and PUBREL after its PUBREC: once sent, a message does not expire.",
    async run(t) {
      const { peer } = await t.session();
      await t.subscribeAt(peer, t.topic(), 2);
      const all = [property.messageExpiry(1)];
      await t.published(await t.connect(), { topic: t.topic(), payload: "x", qos: 2, properties: all });
      const { id } = await peer.expectPublish();
      peer.abort();
      await t.wait(2200);
      const again = await (await t.resume()).take("for its exchange is open");
      check(again.id === id, `It came again under id ${again.id}, before under ${id}`);
    },
  },
});

/** Cases of §4.3.1 to §4.3.3, the Server as sender. */
export const CASES: readonly ServerCase[] = [...AT_MOST_ONCE, ...AT_LEAST_ONCE, ...EXACTLY_ONCE];
