/**
 * §3.1.2.11 What the properties of CONNECT bind a Server to: Maximum Packet Size, Topic Alias Maximum, Request Response
 * and Problem Information. What a Server under audit must do.
 * @module
 */
import { acknowledgement, options, property, subscribe, TYPE, unsubscribe } from "../bytes.ts";
import { type ServerCase, serverCases } from "../case.ts";
import { numberOf, payloadText, type Seen, valuesOf } from "../parse.ts";
import { nameOf, type Peer } from "../peer.ts";
import type { Trial } from "../trial.ts";
import { check, Finding } from "../verdict.ts";

/** Room for a CONNACK with all its properties, and none for the larger messages. */
const SMALL = 400;
const LARGE_PAYLOAD = "x".repeat(SMALL);

/** Messages to one topic, often enough for any Server to think of an alias. */
const REPEATS = 5;

function checkSize(all: readonly Seen[], most: number): void {
  for (const { type, raw } of all) {
    check(raw.length <= most, `${nameOf(type)} has ${raw.length} bytes, the Maximum Packet Size is ${most}`);
  }
}

/** Packets that the target answers with failures, or would like to explain. */
function questionable(t: Trial): Uint8Array[] {
  return [
    subscribe(5, t.id(), [["plumb-audit/a#", 0]]),
    unsubscribe(5, t.id(), [t.topic("never")]),
    t.publish({ topic: "$plumb-audit/no", qos: t.qos(1), id: t.id() }),
    acknowledgement(TYPE.PUBREL, 60_000),
    t.publish({ topic: t.topic("nobody"), qos: t.qos(1), id: t.id() }),
  ];
}

/** A Client that allows so many aliases, and what it gets of messages to several topics, each sent often. */
async function aliased(t: Trial, peer: Peer): Promise<Seen[]> {
  await t.subscribe(peer, t.topic("#"), options(0));
  const publisher = await t.connect();
  for (let i = 0; i < REPEATS; i++) {
    for (const name of ["a", "b", "c", "d"]) {
      publisher.send(t.publish({ topic: t.topic(name), payload: name }));
    }
  }
  await publisher.barrier();
  const all = (await peer.barrier()).filter(({ type }) => type === TYPE.PUBLISH);
  if (all.length === 0) throw new Finding("inconclusive", "No message came");
  return all;
}

/** Cases of §3.1.2.11 that need more than one packet. */
export const CASES: readonly ServerCase[] = serverCases("3.1.2.11", {
  "no-packet-above-maximum-packet-size": {
    statements: ["MQTT-3.1.2-24", "MQTT-3.1.2-25"],
    levels: [5],
    does:
      `Connects with Maximum Packet Size ${SMALL} and has a small, a larger and another small message published, with each QoS.`,
    requires: "The small ones come, in their order; nothing above that size does.",
    async run(t) {
      const peer = await t.connect({ properties: [property.maximumPacketSize(SMALL)] });
      await t.subscribe(peer, t.topic(), options(2));
      const publisher = await t.connect();
      for (const qos of new Set([0, t.qos(1), t.qos(2)])) {
        const [before, after] = [`before ${qos}`, `after ${qos}`];
        for (const payload of [before, LARGE_PAYLOAD, after]) {
          await t.published(publisher, { topic: t.topic(), payload, qos });
        }
        const came = await peer.takeUntil(after);
        checkSize(came, SMALL);
        const texts = came.map(payloadText);
        check(texts.join() === `${before},${after}`, `The payloads are ${JSON.stringify(texts)}`);
      }
    },
  },
  "message-that-is-too-large-counts-as-sent": {
    statements: ["MQTT-3.1.2-25"],
    levels: [5],
    needs: ["qos 1"],
    does:
      `Connects with Maximum Packet Size ${SMALL} and Receive Maximum 1; three larger QoS 1 messages and a small one are published.`,
    requires: "The small one comes: the others do not stay open.",
    async run(t) {
      const peer = await t.connect({
        properties: [property.maximumPacketSize(SMALL), property.receiveMaximum(1)],
      });
      await t.subscribeAt(peer, t.topic(), 1);
      const publisher = await t.connect();
      for (let i = 0; i < 3; i++) {
        await t.published(publisher, { topic: t.topic(), payload: LARGE_PAYLOAD, qos: 1 });
      }
      await t.published(publisher, { topic: t.topic(), payload: "small", qos: 1 });
      const came = await peer.expectPublish("for the others count as sent");
      check(payloadText(came) === "small", `A payload of ${came.payload?.length} bytes came`);
    },
  },
  "larger-message-waits-for-nobody": {
    statements: ["MQTT-3.1.2-25"],
    levels: [5],
    needs: ["qos 1"],
    does:
      `Comes back with Maximum Packet Size ${SMALL} to a session in which a larger and a small message wait.`,
    requires: "The small one comes; the larger one is given up.",
    async run(t) {
      const first = await t.session();
      if (numberOf(first.connack, 0x11) === 0) {
        throw new Finding("unsupported", "CONNACK says that no session is kept");
      }
      await t.subscribeAt(first.peer, t.topic(), 1);
      await first.peer.leave();
      const publisher = await t.connect();
      for (const payload of [LARGE_PAYLOAD, "small"]) {
        await t.published(publisher, { topic: t.topic(), payload, qos: 1 });
      }
      const { peer } = await t.session({
        properties: [property.maximumPacketSize(SMALL), property.receiveMaximum(1)],
      });
      const came = await peer.expectPublish("for it waited in the session");
      check(payloadText(came) === "small", `A payload of ${came.payload?.length} bytes came`);
    },
  },
  "no-alias-unless-allowed": {
    statements: ["MQTT-3.1.2-27"],
    levels: [5],
    needs: ["wildcards"],
    does: "Connects without Topic Alias Maximum and with Topic Alias Maximum 0, and has messages published.",
    requires: "They have no Topic Alias.",
    async run(t) {
      for (const properties of [[], [property.topicAliasMaximum(0)]]) {
        const peer = await t.connect({ properties });
        for (const seen of await aliased(t, peer)) {
          const alias = numberOf(seen, 0x23);
          check(alias === undefined, `A PUBLISH has Topic Alias ${alias}; none is allowed`);
        }
        peer.abort();
      }
    },
  },
  "no-alias-above-topic-alias-maximum": {
    statements: ["MQTT-3.1.2-26"],
    levels: [5],
    needs: ["wildcards"],
    does: "Connects with Topic Alias Maximum 2 and has messages published to four topics.",
    requires: "No Topic Alias is above 2 or 0, and each stands for the topic of its message.",
    async run(t) {
      const peer = await t.connect({ properties: [property.topicAliasMaximum(2)] });
      const topics = new Map<number, string>();
      for (const seen of await aliased(t, peer)) {
        const alias = numberOf(seen, 0x23);
        check(
          alias === undefined || (alias > 0 && alias <= 2),
          `A PUBLISH has Topic Alias ${alias}, 2 is the most`,
        );
        if (alias !== undefined && seen.topic !== "") topics.set(alias, seen.topic!);
        const topic = seen.topic === "" ? topics.get(alias ?? 0) : seen.topic;
        const wanted = t.topic(payloadText(seen));
        check(topic === wanted, `A message for ${wanted} came for ${topic}`);
      }
    },
  },
  "no-response-information-unless-asked-for": {
    statements: ["MQTT-3.1.2-28"],
    levels: [5],
    does: "Connects without Request Response Information and with Request Response Information 0.",
    requires: "CONNACK has no Response Information.",
    async run(t) {
      for (const properties of [[], [property.requestResponseInformation(0)]]) {
        const { connack } = await t.connectAnd({ properties });
        check(
          valuesOf(connack, 0x1a).length === 0,
          "CONNACK has Response Information, which was not asked for",
        );
      }
    },
  },
  "no-problem-information-unless-asked-for": {
    statements: ["MQTT-3.1.2-29", "3.1.2.11.7/not-requested"],
    levels: [5],
    does:
      "Connects with Request Problem Information 0 and sends packets that are answered with failures: an odd filter, a topic of the Server, a PUBREL for nothing.",
    requires: "No answer but CONNACK, PUBLISH and DISCONNECT has a Reason String or User Properties.",
    async run(t) {
      for (const data of questionable(t)) {
        const peer = await t.connect({ properties: [property.requestProblemInformation(0)] });
        peer.send(data);
        for (const seen of await peer.answers()) {
          if (seen.type === TYPE.PUBLISH || seen.type === TYPE.DISCONNECT) continue;
          const told = seen.properties.filter(({ id }) => id === 0x1f || id === 0x26);
          check(
            told.length === 0,
            `${nameOf(seen.type)} has ${told.map(({ value }) => JSON.stringify(value))}`,
          );
        }
      }
    },
  },
});
