/**
 * §2.2.1 Packet Identifiers: what a Server under audit must do.
 * @module
 */
import { acknowledgement, options, subscribe, TYPE, unsubscribe } from "../../wire/bytes.ts";
import { type CaseInit, type ServerCase, serverCases } from "../../case.ts";
import { payloadText, type Seen } from "../../wire/parse.ts";
import { hexCode, nameOf, type Peer } from "../../wire/peer.ts";
import type { Trial } from "../trial.ts";
import { check, Finding } from "../../verdict.ts";

/** Identifiers that show which bytes are read, and in which order. */
const IDS: readonly number[] = [1, 0x00ff, 0x0100, 0x1234, 0xffff];

/** Messages on their way to one Client, enough to run out of a small pool. */
const MESSAGES = 10;

/** A packet under identifier 0 that begins an exchange. */
interface Request {
  readonly name: string;
  readonly needs?: CaseInit<Trial>["needs"];
  make(t: Trial): Uint8Array;
}

const REQUESTS: Readonly<Record<string, Request>> = {
  "publish-qos-1": {
    name: "a QoS 1 PUBLISH",
    needs: ["qos 1"],
    make: (t) => t.publish({ topic: t.topic(), qos: 1, id: 0 }),
  },
  "publish-qos-2": {
    name: "a QoS 2 PUBLISH",
    needs: ["qos 2"],
    make: (t) => t.publish({ topic: t.topic(), qos: 2, id: 0 }),
  },
  "subscribe": { name: "a SUBSCRIBE", make: (t) => subscribe(t.level, 0, [[t.topic(), 0]]) },
  "unsubscribe": { name: "an UNSUBSCRIBE", make: (t) => unsubscribe(t.level, 0, [t.topic()]) },
};

const ZERO: Record<string, CaseInit<Trial>> = Object.fromEntries([
  ...Object.entries(REQUESTS).map((
    [name, { needs, make }],
  ): [string, CaseInit<Trial>] => [`zero-in-${name}`, {
    statements: ["2.2.1/zero", "MQTT311-2.3.1-1"],
    levels: [4, 5],
    ...(needs && { needs }),
    does: `Sends ${name} under Packet Identifier 0.`,
    requires: "The connection is closed{5|; DISCONNECT 0x82 or 0x81 may say why}.",
    async run(t) {
      const peer = await t.connect();
      peer.send(make(t));
      await peer.refused([0x82, 0x81]);
    },
  }]),
  ...([TYPE.PUBACK, TYPE.PUBREC, TYPE.PUBREL, TYPE.PUBCOMP] as const).map((
    type,
  ): [string, CaseInit<Trial>] => [`zero-in-${nameOf(type).toLowerCase()}`, {
    statements: ["2.2.1/zero"],
    levels: [4, 5],
    does: `Sends ${nameOf(type)} under Packet Identifier 0.`,
    requires:
      "The connection should be closed, for no exchange can have this identifier; the standard does not say that a receiver must look.",
    async run(t) {
      const peer = await t.connect();
      peer.send(acknowledgement(type, 0));
      await peer.shouldRefuse([0x82, 0x81], "for there is no Packet Identifier 0");
    },
  }]),
]);

/** Publishes to the topic of the trial and takes what of it has come to `subscriber`. */
async function arrivals(t: Trial, subscriber: Peer, qos: number, count: number): Promise<Seen[]> {
  const publisher = await t.connect();
  for (let i = 0; i < count; i++) await t.published(publisher, { topic: t.topic(), qos });
  await publisher.barrier();
  return (await subscriber.barrier()).filter((seen) => seen.type === TYPE.PUBLISH);
}

function checkFree(seen: Seen, open: Set<number>): void {
  const { id } = seen;
  check(id !== undefined && id !== 0, `A PUBLISH of QoS ${seen.qos} has the Packet Identifier ${id}`);
  check(!open.has(id), `A PUBLISH has the Packet Identifier ${id}, whose exchange is open`);
  open.add(id);
}

/** Cases of §2.2.1. */
export const CASES: readonly ServerCase[] = serverCases("2.2.1", {
  ...ZERO,
  "qos-0-has-none": {
    statements: ["MQTT-2.2.1-2", "MQTT311-2.3.1-5"],
    levels: [4, 5],
    does:
      "Has messages sent with QoS 0: one published so, one published with QoS 1 to a subscription of QoS 0.",
    requires: "Their payloads come whole and alone: there is no Packet Identifier before them.",
    async run(t) {
      const peer = await t.connect();
      await t.subscribe(peer, t.topic(), options(0));
      for (const qos of [0, t.qos(1)]) {
        await t.published(await t.connect(), { topic: t.topic(), payload: "abc", qos });
        const came = await peer.expect(TYPE.PUBLISH);
        check(came.qos === 0, `It came with QoS ${came.qos}, QoS 0 was granted`);
        check(payloadText(came) === "abc", `The payload is ${JSON.stringify(payloadText(came))}, not "abc"`);
      }
    },
  },
  "open-ones-are-not-used-again": {
    statements: ["MQTT-2.2.1-4", "MQTT311-2.3.1-4"],
    levels: [4, 5],
    needs: ["qos 1"],
    does:
      `Leaves QoS 1 messages unacknowledged while ${MESSAGES} more are published, then acknowledges the last one.`,
    requires: "Each PUBLISH has an identifier other than 0 that none of the open ones has.",
    async run(t) {
      const subscriber = await t.connect();
      await t.subscribeAt(subscriber, t.topic(), 1);
      const open = new Set<number>();
      const first = await arrivals(t, subscriber, 1, MESSAGES);
      for (const seen of first) checkFree(seen, open);
      const last = first.at(-1);
      if (last?.id === undefined) throw new Finding("inconclusive", "No message came");
      subscriber.send(acknowledgement(TYPE.PUBACK, last.id));
      open.delete(last.id);
      for (const seen of await arrivals(t, subscriber, 1, MESSAGES)) checkFree(seen, open);
    },
  },
  "open-until-pubcomp": {
    statements: ["MQTT-2.2.1-4", "MQTT311-2.3.1-4"],
    levels: [4, 5],
    needs: ["qos 2"],
    does:
      `Takes a QoS 2 message up to its PUBREL and leaves PUBCOMP out, while ${MESSAGES} more are published.`,
    requires: "None of them has the identifier that is still open.",
    async run(t) {
      const subscriber = await t.connect();
      await t.subscribeAt(subscriber, t.topic(), 2);
      const [first] = await arrivals(t, subscriber, 2, 1);
      if (first?.id === undefined) throw new Finding("inconclusive", "No message came");
      const open = new Set([first.id]);
      subscriber.send(acknowledgement(TYPE.PUBREC, first.id));
      await subscriber.expect(TYPE.PUBREL);
      for (const seen of await arrivals(t, subscriber, 2, MESSAGES)) checkFree(seen, open);
    },
  },
  "puback-has-that-of-publish": {
    statements: ["MQTT-2.2.1-5", "MQTT311-2.3.1-6"],
    levels: [4, 5],
    needs: ["qos 1"],
    does: "Publishes QoS 1 messages under several identifiers.",
    requires: "Each PUBACK has the identifier of its PUBLISH.",
    async run(t) {
      const peer = await t.connect();
      for (const id of IDS) {
        peer.send(t.publish({ topic: t.topic(), qos: 1, id }));
        checkEcho(await peer.expect(TYPE.PUBACK), id);
      }
    },
  },
  "pubrec-and-pubcomp-have-that-of-publish": {
    statements: ["MQTT-2.2.1-5", "MQTT311-2.3.1-6"],
    levels: [4, 5],
    needs: ["qos 2"],
    does: "Publishes QoS 2 messages under several identifiers, all open at a time, and releases them.",
    requires: "Each PUBREC and PUBCOMP has the identifier of its PUBLISH.",
    async run(t) {
      const peer = await t.connect();
      const ids = IDS.slice(0, Math.min(IDS.length, t.profile.receiveMaximum));
      for (const id of ids) {
        peer.send(t.publish({ topic: t.topic(), qos: 2, id }));
        checkEcho(await peer.expect(TYPE.PUBREC), id);
      }
      for (const id of ids) {
        peer.send(acknowledgement(TYPE.PUBREL, id));
        checkEcho(await peer.expect(TYPE.PUBCOMP), id);
      }
    },
  },
  "pubrel-has-that-of-publish": {
    statements: ["MQTT-2.2.1-5", "MQTT311-2.3.1-6"],
    levels: [4, 5],
    needs: ["qos 2"],
    does: "Receives two QoS 2 messages, one behind the other, and answers each with PUBREC.",
    requires: "Each PUBREL has the identifier of its PUBLISH.",
    async run(t) {
      const subscriber = await t.connect();
      await t.subscribeAt(subscriber, t.topic(), 2);
      for (let i = 0; i < 2; i++) {
        await t.published(await t.connect(), { topic: t.topic(), qos: 2 });
        const { id = 0 } = await subscriber.expect(TYPE.PUBLISH);
        subscriber.send(acknowledgement(TYPE.PUBREC, id));
        checkEcho(await subscriber.expect(TYPE.PUBREL), id);
        subscriber.send(acknowledgement(TYPE.PUBCOMP, id));
      }
    },
  },
  "suback-has-that-of-subscribe": {
    statements: ["MQTT-2.2.1-6", "MQTT311-2.3.1-7"],
    levels: [4, 5],
    does: "Subscribes under several identifiers.",
    requires: "Each SUBACK has the identifier of its SUBSCRIBE.",
    async run(t) {
      const peer = await t.connect();
      for (const id of IDS) {
        peer.send(subscribe(t.level, id, [[t.topic(), 0]]));
        checkEcho(await peer.expect(TYPE.SUBACK), id);
      }
    },
  },
  "unsuback-has-that-of-unsubscribe": {
    statements: ["MQTT-2.2.1-6", "MQTT311-2.3.1-7"],
    levels: [4, 5],
    does: "Unsubscribes under several identifiers.",
    requires: "Each UNSUBACK has the identifier of its UNSUBSCRIBE.",
    async run(t) {
      const peer = await t.connect();
      for (const id of IDS) {
        peer.send(unsubscribe(t.level, id, [t.topic()]));
        checkEcho(await peer.expect(TYPE.UNSUBACK), id);
      }
    },
  },
  "in-use": {
    statements: ["2.2.1/in-use"],
    levels: [5],
    needs: ["qos 2"],
    does: "Publishes with QoS 1 under the identifier of a QoS 2 message that is not released.",
    requires:
      "PUBACK 0x91 or the end of the connection should come; the standard only says that a Client must not do so.",
    async run(t) {
      const peer = await t.connect();
      const id = t.id();
      peer.send(t.publish({ topic: t.topic(), qos: 2, id }));
      await peer.expect(TYPE.PUBREC);
      peer.send(t.publish({ topic: t.topic(), qos: 1, id }));
      const [first] = await peer.answers();
      if (first?.type === TYPE.PUBACK && (first.code ?? 0) < 0x80) {
        throw new Finding("lenient", `PUBACK ${hexCode(first.code ?? 0)} came for an identifier in use`);
      }
    },
  },
});

function checkEcho({ type, id }: Seen, wanted: number): void {
  check(id === wanted, `${nameOf(type)} has the Packet Identifier ${id}, ${wanted} was expected`);
}
