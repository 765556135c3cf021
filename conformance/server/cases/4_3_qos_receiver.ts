/**
 * §4.3 QoS 1 and 2 from a publisher to the Server: what a Server under audit must do as receiver.
 * @module
 */
import { acknowledgement, bytes, options, property, type PublishParts, TYPE } from "../../wire/bytes.ts";
import { type ServerCase, serverCases } from "../../case.ts";
import { payloadText } from "../../wire/parse.ts";
import { hexCode, nameOf, type Peer } from "../../wire/peer.ts";
import type { Trial } from "../trial.ts";
import { check, Finding } from "../../verdict.ts";

/** Identifiers whose two bytes are different, alike, and at the ends of the range. */
const IDS = [1, 0x0102, 0x7f7f, 65_535];

/** More QoS 2 messages than many Servers have open at a time. */
const MANY = 1_100;

/** Sends a packet and takes its answer, which must have that type and identifier; returns its code. */
async function answered(peer: Peer, sent: Uint8Array, type: number, id: number): Promise<number> {
  peer.send(sent);
  const seen = await peer.pick(type);
  check(seen.id === id, `${nameOf(type)} has id ${seen.id}, ${id} was sent`);
  return seen.code ?? 0;
}

/** The same where a failure makes the rest impossible. */
async function taken(peer: Peer, sent: Uint8Array, type: number, id: number): Promise<void> {
  const code = await answered(peer, sent, type, id);
  if (code >= 0x80) throw new Finding("inconclusive", `${nameOf(type)} refuses with ${hexCode(code)}`);
}

/** A subscriber that counts copies: what came before a last message on the same topic and of the same QoS. */
async function copies(t: Trial, subscriber: Peer, publisher: Peer, qos: number): Promise<number> {
  await t.published(publisher, { topic: t.topic(), payload: "end", qos, id: 40_000 });
  return (await subscriber.takeUntil("end")).filter((seen) => payloadText(seen) === "x").length;
}

async function subscriberOf(t: Trial): Promise<Peer> {
  const subscriber = await t.connect();
  await t.subscribe(subscriber, t.topic(), options(2));
  return subscriber;
}

const pubrel = (id: number) => acknowledgement(TYPE.PUBREL, id);

/** Publications that a Server may refuse. */
function doubtful(t: Trial): Omit<PublishParts, "level">[] {
  return [
    { topic: t.topic(), payload: [0xff], properties: [property.payloadFormat(1)] },
    { topic: "$SYS/plumb-audit", payload: "x" },
    { topic: "$plumb-audit", payload: "x" },
  ];
}

const AT_LEAST_ONCE: readonly ServerCase[] = serverCases("4.3.2", {
  "acknowledged": {
    statements: ["MQTT-4.3.2-4", "MQTT-2.2.1-5", "MQTT311-4.3.2-2", "MQTT311-2.3.1-6"],
    levels: [4, 5],
    needs: ["qos 1"],
    does: "Publishes four messages at QoS 1 in one chunk, under identifiers from 1 to 65535.",
    requires: "A PUBACK for each, with its identifier.",
    async run(t) {
      const peer = await t.connect();
      peer.send(...IDS.map((id) => t.publish({ topic: t.topic(), payload: "x", qos: 1, id })));
      const came: number[] = [];
      for (const _ of IDS) came.push((await peer.expect(TYPE.PUBACK)).id!);
      check(IDS.every((id) => came.includes(id)), `PUBACK came for ${came}; ${IDS} were sent`);
    },
  },
  "new-after-puback": {
    statements: ["MQTT-4.3.2-5", "MQTT311-4.3.2-2"],
    levels: [4, 5],
    needs: ["qos 1"],
    does:
      "Publishes at QoS 1, takes PUBACK, and publishes the same with DUP 1 under the same identifier, twice.",
    requires:
      "A PUBACK for each, and three messages for the subscriber: an acknowledged identifier is a new one.",
    async run(t) {
      const subscriber = await subscriberOf(t);
      const peer = await t.connect();
      for (const dup of [false, true, true]) {
        await taken(peer, t.publish({ topic: t.topic(), payload: "x", qos: 1, id: 7, dup }), TYPE.PUBACK, 7);
      }
      const count = await copies(t, subscriber, peer, 1);
      check(count >= 3, `${count} messages came, 3 were published`);
    },
  },
  "under-a-forgotten-qos-2": {
    statements: ["MQTT311-4.3.2-2"],
    levels: [4],
    needs: ["qos 2"],
    does:
      "Publishes at QoS 2 and takes PUBREC, comes back to its session without a memory of that, as after a power cut, and " +
      "publishes another message at QoS 1 under the same identifier.",
    requires: "If PUBACK comes, the subscriber gets the message; the connection may end instead.",
    async run(t) {
      const subscriber = await subscriberOf(t);
      const { peer } = await t.session();
      await taken(peer, t.publish({ topic: t.topic(), payload: "old", qos: 2, id: 1 }), TYPE.PUBREC, 1);
      await subscriber.takeUntil("old");
      peer.abort();
      const again = await t.resume();
      again.send(t.publish({ topic: t.topic(), payload: "new", qos: 1, id: 1 }));
      const seen = await again.next();
      if (seen === undefined) throw new Finding("fail", "Neither PUBACK nor the end of the connection came");
      if (seen.type === "end") return;
      check(seen.type === TYPE.PUBACK && seen.id === 1, `${nameOf(seen.type)} came, PUBACK was expected`);
      await t.published(await t.connect(), { topic: t.topic(), payload: "end", qos: 1, id: 40_000 });
      const came = (await subscriber.takeUntil("end")).map(payloadText);
      check(came.includes("new"), "PUBACK came, but the message to no subscriber");
    },
  },
});

const EXACTLY_ONCE: readonly ServerCase[] = serverCases("4.3.3", {
  "many-open": {
    statements: ["MQTT311-4.3.3-2"],
    levels: [4],
    needs: ["qos 2"],
    does: "Publishes 1,100 messages at QoS 2 under as many identifiers before it sends a PUBREL.",
    requires: "A PUBREC and a PUBCOMP for each: nothing has told the Client of a maximum.",
    async run(t) {
      const peer = await t.connect();
      const ids = Array.from({ length: MANY }, (_, i) => i + 1);
      peer.send(bytes(...ids.map((id) => t.publish({ topic: t.topic(), qos: 2, id }))));
      for (const id of ids) check((await peer.expect(TYPE.PUBREC)).id === id, `PUBREC for ${id} was due`);
      peer.send(bytes(...ids.map(pubrel)));
      for (const id of ids) check((await peer.expect(TYPE.PUBCOMP)).id === id, `PUBCOMP for ${id} was due`);
    },
  },
  "pubrel-again-on-a-new-connection": {
    statements: ["MQTT-4.3.3-11"],
    levels: [5],
    needs: ["qos 2"],
    does:
      "Publishes at QoS 2 and sends PUBREL, comes back to its session as if PUBCOMP had got lost, and sends PUBREL again.",
    requires: "PUBCOMP with that identifier and code 0x00: the message was delivered.",
    async run(t) {
      const { peer } = await t.session();
      await taken(peer, t.publish({ topic: t.topic(), qos: 2, id: 321 }), TYPE.PUBREC, 321);
      await taken(peer, pubrel(321), TYPE.PUBCOMP, 321);
      peer.abort();
      const code = await answered(await t.resume(), pubrel(321), TYPE.PUBCOMP, 321);
      if (code === 0) return;
      const message = `PUBCOMP has ${
        hexCode(code)
      }: some Clients take that for a message that was not delivered`;
      throw new Finding("lenient", message);
    },
  },
  "acknowledged": {
    statements: ["MQTT-4.3.3-8", "MQTT-2.2.1-5", "MQTT311-4.3.3-2", "MQTT311-2.3.1-6"],
    levels: [4, 5],
    needs: ["qos 2"],
    does: "Publishes at QoS 2 under identifiers from 1 to 65535.",
    requires: "A PUBREC for each, with its identifier.",
    async run(t) {
      const peer = await t.connect();
      for (const id of IDS) {
        await taken(peer, t.publish({ topic: t.topic(), qos: 2, id }), TYPE.PUBREC, id);
        peer.send(pubrel(id));
        await peer.pick(TYPE.PUBCOMP);
      }
    },
  },
  "pubcomp": {
    statements: ["MQTT-4.3.3-11", "MQTT311-4.3.3-2"],
    levels: [4, 5],
    needs: ["qos 2"],
    does: "Publishes at QoS 2 under identifiers from 1 to 65535, and sends PUBREL for each.",
    requires: "A PUBCOMP for each, with its identifier{5|, with code 0x00}.",
    async run(t) {
      const peer = await t.connect();
      for (const id of IDS) {
        await taken(peer, t.publish({ topic: t.topic(), qos: 2, id }), TYPE.PUBREC, id);
        const code = await answered(peer, pubrel(id), TYPE.PUBCOMP, id);
        check(code === 0, `PUBCOMP has ${hexCode(code)} for an exchange that was open`);
      }
    },
  },
  "pubcomp-for-unknown": {
    statements: ["MQTT-4.3.3-11", "MQTT311-4.3.3-2"],
    levels: [4, 5],
    needs: ["qos 2"],
    does: "Sends PUBREL under an identifier that is not open.",
    requires: "PUBCOMP comes with that identifier{5|; its code is 0x92}.",
    async run(t) {
      const code = await answered(await t.connect(), pubrel(321), TYPE.PUBCOMP, 321);
      if (t.level === 5 && code !== 0x92) {
        throw new Finding(
          "lenient",
          `PUBCOMP has ${hexCode(code)}; 0x92 says that the identifier is not known`,
        );
      }
    },
  },
  "repeat-before-pubrel": {
    statements: ["MQTT-4.3.3-10", "MQTT311-4.3.3-2"],
    levels: [4, 5],
    needs: ["qos 2"],
    does:
      "Publishes at QoS 2 under one identifier three times, from the second with DUP 1, and then sends PUBREL.",
    requires:
      "A PUBREC for each, and one message for the subscriber.{5| A Client repeats only on a new connection, so " +
      "a Server that ends this one is lenient.}",
    async run(t) {
      const subscriber = await subscriberOf(t);
      const peer = await t.connect();
      const message = { topic: t.topic(), payload: "x", qos: 2, id: 7 };
      await taken(peer, t.publish(message), TYPE.PUBREC, 7);
      for (let i = 0; i < 2; i++) {
        peer.send(t.publish({ ...message, dup: true }));
        const seen = await peer.next();
        if (t.level === 5 && seen !== undefined && (seen.type === "end" || seen.type === TYPE.DISCONNECT)) {
          throw new Finding(
            "lenient",
            `The connection was ended on repetition ${i + 1}; PUBREC was expected`,
          );
        }
        check(seen?.type === TYPE.PUBREC && seen.id === 7, `No PUBREC came for repetition ${i + 1}`);
      }
      await answered(peer, pubrel(7), TYPE.PUBCOMP, 7);
      const count = await copies(t, subscriber, peer, 2);
      check(count === 1, `${count} messages came, 1 was published`);
    },
  },
  "repeat-on-a-new-connection": {
    statements: ["MQTT-4.3.3-10", "MQTT311-4.3.3-2"],
    levels: [4, 5],
    needs: ["qos 2"],
    does:
      "Publishes at QoS 2, takes PUBREC, comes back to its session on a new connection, publishes the same with " +
      "DUP 1, and sends PUBREL.",
    requires: "PUBREC again, PUBCOMP, and one message for the subscriber.",
    async run(t) {
      const subscriber = await subscriberOf(t);
      const { peer: first } = await t.session();
      const message = { topic: t.topic(), payload: "x", qos: 2, id: 7 };
      await taken(first, t.publish(message), TYPE.PUBREC, 7);
      first.abort();
      const peer = await t.resume();
      await taken(peer, t.publish({ ...message, dup: true }), TYPE.PUBREC, 7);
      const code = await answered(peer, pubrel(7), TYPE.PUBCOMP, 7);
      check(code === 0, `PUBCOMP has ${hexCode(code)} for an exchange that was open`);
      const count = await copies(t, subscriber, peer, 2);
      check(count === 1, `${count} messages came, 1 was published`);
    },
  },
  "new-after-pubcomp": {
    statements: ["MQTT-4.3.3-12", "MQTT311-4.3.3-2"],
    levels: [4, 5],
    needs: ["qos 2"],
    does:
      "Publishes at QoS 2, ends the exchange, and does the same with DUP 1 under the same identifier, twice.",
    requires: "Three messages for the subscriber: an identifier whose exchange has ended is a new one.",
    async run(t) {
      const subscriber = await subscriberOf(t);
      const peer = await t.connect();
      for (const dup of [false, true, true]) {
        await taken(peer, t.publish({ topic: t.topic(), payload: "x", qos: 2, id: 7, dup }), TYPE.PUBREC, 7);
        await answered(peer, pubrel(7), TYPE.PUBCOMP, 7);
      }
      const count = await copies(t, subscriber, peer, 2);
      check(count === 3, `${count} messages came, 3 were published`);
    },
  },
  "new-after-refusal": {
    statements: ["MQTT-4.3.3-9"],
    levels: [5],
    needs: ["qos 2"],
    does:
      "Has a QoS 2 message refused (one that is not the UTF-8 it claims to be, or to a topic that begins with $), " +
      "and publishes another one under the same identifier.",
    requires: "The other one is taken as new and reaches the subscriber.",
    async run(t) {
      const subscriber = await subscriberOf(t);
      for (const parts of doubtful(t)) {
        const peer = await t.connect();
        peer.send(t.publish({ ...parts, qos: 2, id: 7 }));
        const seen = await peer.next();
        if (seen === undefined || seen.type !== TYPE.PUBREC || seen.code! < 0x80) continue;
        await taken(peer, t.publish({ topic: t.topic(), payload: "x", qos: 2, id: 7 }), TYPE.PUBREC, 7);
        await answered(peer, pubrel(7), TYPE.PUBCOMP, 7);
        const count = await copies(t, subscriber, peer, 2);
        check(count === 1, `${count} messages came, 1 was published`);
        return;
      }
      throw new Finding("unsupported", "The target refuses no QoS 2 message that the auditor knows of");
    },
  },
  "exchange-outlives-expiry": {
    statements: ["MQTT-4.3.3-13"],
    levels: [5],
    needs: ["qos 2"],
    timing: true,
    does:
      "Publishes at QoS 2 a message that expires after one second, repeats it after two seconds with DUP 1, and " +
      "sends PUBREL.",
    requires: "PUBREC each time, and PUBCOMP 0x00: the exchange goes on although the message has expired.",
    async run(t) {
      const peer = await t.connect();
      const parts = { topic: t.topic(), qos: 2, id: 7, properties: [property.messageExpiry(1)] };
      await taken(peer, t.publish(parts), TYPE.PUBREC, 7);
      await t.wait(2200);
      const code = await answered(peer, pubrel(7), TYPE.PUBCOMP, 7);
      check(code === 0, `PUBCOMP has ${hexCode(code)} for an exchange that was open`);
    },
  },
});

/** Cases of §4.3.2 and §4.3.3, the Server as receiver. */
export const CASES: readonly ServerCase[] = [...AT_LEAST_ONCE, ...EXACTLY_ONCE];
