/**
 * §4.6 Message ordering: what a Server under audit must do.
 * @module
 */
import { acknowledgement, disconnect, TYPE } from "../../wire/bytes.ts";
import { type ServerCase, serverCases } from "../../case.ts";
import { payloadText, type Seen } from "../../wire/parse.ts";
import type { Peer } from "../../wire/peer.ts";
import type { Trial } from "../trial.ts";
import { check, fail, Finding } from "../../verdict.ts";

/** Messages that a publisher has open at a time. */
const WINDOW = 9;

/** Publishes messages of these QoS on one topic, several at a time; payloads are `QOS:NUMBER`, counted by QoS. */
async function publishes(t: Trial, publisher: Peer, all: readonly number[]): Promise<void> {
  const next = [0, 0, 0];
  const window = Math.min(WINDOW, t.profile.receiveMaximum);
  for (let at = 0; at < all.length; at += window) {
    const some = all.slice(at, at + window);
    publisher.send(
      ...some.map((qos) =>
        t.publish({ topic: t.topic(), payload: `${qos}:${next[qos]!++}`, qos, id: t.id() })
      ),
    );
    for (let open = some.filter((qos) => qos > 0).length; open > 0;) {
      const seen = await publisher.next();
      if (seen === undefined || seen.type === "end") {
        throw new Finding("inconclusive", "The publisher's messages were not all acknowledged");
      }
      if ((seen.code ?? 0) >= 0x80) throw new Finding("inconclusive", "A PUBLISH was refused");
      if (seen.type === TYPE.PUBREC) publisher.send(acknowledgement(TYPE.PUBREL, seen.id!));
      if (seen.type === TYPE.PUBACK || seen.type === TYPE.PUBCOMP) open--;
    }
  }
}

/** Each QoS has its numbers in order; a number that came before may come again at QoS 1. */
function checkOrder(all: readonly Seen[]): void {
  const last = [-1, -1, -1];
  for (const seen of all) {
    const [qos, number] = payloadText(seen).split(":").map(Number) as [number, number];
    if (number > last[qos]!) last[qos] = number;
    else if (qos !== 1) fail(`QoS ${qos}: message ${number} came behind message ${last[qos]}`);
  }
}

/** The same, without gaps from 0 to `count - 1`, and without copies but at QoS 1. */
function checkComplete(all: readonly Seen[], qos: number, count: number): void {
  let due = 0;
  for (const seen of all) {
    const [came, number] = payloadText(seen).split(":").map(Number) as [number, number];
    if (came !== qos) continue;
    if (number > due) fail(`QoS ${qos}: message ${number} came where ${due} was due`);
    if (number === due) due++;
    else if (qos === 2) fail(`QoS 2: message ${number} came behind message ${due - 1}`);
  }
  check(due === count, `QoS ${qos}: ${due} messages came, ${count} were published`);
}

/** Takes what comes until `count` messages of QoS 1 and 2 have come, and what a barrier finds behind them. */
async function takes(subscriber: Peer, count: number): Promise<Seen[]> {
  const all: Seen[] = [];
  const first = new Set<string>(); // by what they say, since DUP says nothing for sure about them
  while (first.size < count) {
    const seen = await subscriber.take(`${count - first.size} messages are due`);
    all.push(seen);
    if (!payloadText(seen).startsWith("0")) first.add(payloadText(seen));
  }
  return [...all, ...(await subscriber.barrier()).filter(({ type }) => type === TYPE.PUBLISH)];
}

/** Ends the connection of a session in good order, so that the Server knows it is away. */
async function leave(peer: Peer): Promise<void> {
  peer.send(disconnect());
  peer.close();
  await peer.rest("for the Client sent DISCONNECT and closed");
}

const RULES = ["MQTT-4.6.0-5", "MQTT-4.6.0-6", "MQTT311-4.6.0-5", "MQTT311-4.6.0-6"] as const;

/** Cases of §4.6. */
export const CASES: readonly ServerCase[] = serverCases("4.6", {
  "live": {
    statements: RULES,
    levels: [4, 5],
    does: "Publishes 60 messages of every QoS in turn on one topic, several at a time.",
    requires:
      "For each QoS they come in the order in which they were published, those of QoS 1 and 2 all of them.",
    async run(t) {
      const subscriber = await t.connect();
      await t.subscribe(subscriber, t.topic());
      const kinds = t.qos(2) + 1;
      const all = Array.from({ length: 60 }, (_, at) => at % kinds);
      await publishes(t, await t.connect(), all);
      const came = await takes(subscriber, all.filter((qos) => qos > 0).length);
      checkOrder(came);
      for (let qos = 1; qos < kinds; qos++) checkComplete(came, qos, 60 / kinds);
    },
  },
  "queued": {
    statements: RULES,
    levels: [4, 5],
    needs: ["qos 1"],
    does: "Publishes 30 messages of QoS 1 and 2 in turn to a session whose Client is away, and connects it.",
    requires: "For each QoS they come in the order in which they were published, all of them.",
    async run(t) {
      const { peer } = await t.session();
      await t.subscribe(peer, t.topic());
      await leave(peer);
      const kinds = t.qos(2);
      await publishes(t, await t.connect(), Array.from({ length: 30 }, (_, at) => 1 + at % kinds));
      const came = await takes(await t.resume(), 30);
      for (let qos = 1; qos <= kinds; qos++) checkComplete(came, qos, 30 / kinds);
    },
  },
  "sent-again": {
    statements: RULES,
    levels: [4, 5],
    needs: ["qos 1"],
    does: "Receives ten messages of QoS 1 and 2 in turn, acknowledges none, and comes back to its session.",
    requires: "For each QoS they come again in the order in which they were published.",
    async run(t) {
      const { peer } = await t.session();
      await t.subscribe(peer, t.topic());
      const kinds = t.qos(2);
      await publishes(t, await t.connect(), Array.from({ length: 10 }, (_, at) => 1 + at % kinds));
      await peer.expectPublish();
      await peer.barrier();
      peer.abort();
      const again = await t.resume();
      const came: Seen[] = [];
      for (let i = 0; i < 10; i++) came.push(await again.take("for it was not acknowledged"));
      for (let qos = 1; qos <= kinds; qos++) checkComplete(came, qos, 10 / kinds);
    },
  },
  "pubrel": {
    statements: ["MQTT311-4.6.0-6"],
    levels: [4],
    needs: ["qos 2"],
    does: "Receives three QoS 2 messages and sends their PUBREC packets in another order, in one chunk.",
    requires: "The PUBREL packets come in the order of the PUBREC packets.",
    async run(t) {
      const peer = await t.connect();
      await t.subscribeAt(peer, t.topic(), 2);
      await publishes(t, await t.connect(), [2, 2, 2]);
      const open = [await peer.expectPublish(), ...await peer.barrier()].filter(({ type }) =>
        type === TYPE.PUBLISH
      );
      if (open.length < 2) throw new Finding("unsupported", "The target sends one QoS 2 message at a time");
      const ids = [...open.slice(-1), ...open.slice(0, -1)].map(({ id }) => id!);
      peer.send(...ids.map((id) => acknowledgement(TYPE.PUBREC, id)));
      const came: number[] = [];
      for (const _ of ids) came.push((await peer.pick(TYPE.PUBREL)).id!);
      check(came.join() === ids.join(), `PUBREL came for ${came}; PUBREC was sent for ${ids}`);
    },
  },
});
