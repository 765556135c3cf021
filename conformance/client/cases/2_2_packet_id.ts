/**
 * §2.2.1 Packet Identifiers of a Client under audit.
 * @module
 */
import { acknowledgement, TYPE } from "../../wire/bytes.ts";
import { type CaseInit, type ClientCase, clientCases } from "../../case.ts";
import type { ClientTrial } from "../trial.ts";
import { payloadText } from "../../wire/parse.ts";
import { nameOf } from "../../wire/peer.ts";
import { check, Finding } from "../../verdict.ts";

/** Cases of §2.2.1. */
export const CASES: readonly ClientCase[] = clientCases("2.2.1", {
  "new-while-open": {
    statements: [
      "MQTT-2.2.1-3",
      "MQTT-4.3.2-1",
      "MQTT-4.3.3-1",
      "MQTT311-2.3.1-1",
      "MQTT311-2.3.1-2",
      "MQTT311-4.3.2-1",
      "MQTT311-4.3.3-1",
      "2.2.1/zero",
      "2.2.1/in-use",
    ],
    levels: [4, 5],
    does: "Orders six messages of QoS 1 and 2 and acknowledges none of them until the Client is silent.",
    requires: "Each has an identifier that is not 0, and that no other open one has.",
    async run(t) {
      const publish = [1, 2, 3, 4, 5, 6].map((n) =>
        t.message(`m${n}`, t.has("message properties") && n % 2 === 0 ? 2 : 1)
      );
      await t.start({ publish });
      const { peer } = await t.acceptConnect();
      const open: number[] = [];
      const { all } = await t.watch(peer, { answer: ({ type }) => type === TYPE.PUBLISH ? [] : undefined });
      for (const { type, id = 0, qos = 0 } of all) {
        if (type !== TYPE.PUBLISH || qos === 0) continue;
        check(id !== 0, "A PUBLISH has Packet Identifier 0");
        check(!open.includes(id), `Packet Identifier ${id} is used for two messages at a time`);
        open.push(id);
      }
      if (open.length < 2) {
        throw new Finding("unsupported", "The Client does not have two messages open at a time");
      }
    },
  },
  "of-subscribe-and-unsubscribe": {
    statements: ["MQTT-2.2.1-3", "MQTT311-2.3.1-1", "2.2.1/zero"],
    levels: [4, 5],
    does: "Orders a subscription.",
    requires: "Every SUBSCRIBE and UNSUBSCRIBE has an identifier that is not 0.",
    async run(t) {
      await t.start({
        subscribe: [{ filter: t.topic(), qos: 0 }],
        ...t.has("unsubscribe") && { unsubscribe: [t.topic()] },
      });
      const { peer } = await t.acceptConnect();
      const { all } = await t.watch(peer);
      const carriers = all.filter(({ type }) => type === TYPE.SUBSCRIBE || type === TYPE.UNSUBSCRIBE);
      if (carriers.length === 0) throw new Finding("unsupported", "The Client does not subscribe");
      for (const { type, id } of carriers) check(id !== 0, `${nameOf(type)} has Packet Identifier 0`);
    },
  },
  "of-subscribe-beside-open-publish": {
    statements: ["MQTT-2.2.1-3", "MQTT311-2.3.1-2", "2.2.1/in-use"],
    levels: [4, 5],
    does: "Orders two subscriptions and answers none until the Client is silent.",
    requires: "If both are under way at a time, they have different identifiers.",
    async run(t) {
      await t.start({ subscribe: [{ filter: t.topic("a"), qos: 0 }, { filter: t.topic("b"), qos: 0 }] });
      const { peer } = await t.acceptConnect();
      const { all } = await t.watch(peer, { answer: ({ type }) => type === TYPE.SUBSCRIBE ? [] : undefined });
      const ids = all.filter(({ type }) => type === TYPE.SUBSCRIBE).map(({ id }) => id);
      if (ids.length < 2) {
        throw new Finding("unsupported", "The Client has one SUBSCRIBE under way at a time");
      }
      check(new Set(ids).size === ids.length, `Two SUBSCRIBE packets under way have identifier ${ids[0]}`);
    },
  },
  "none-at-qos-0": {
    statements: ["MQTT-2.2.1-2", "MQTT-4.3.1-1", "MQTT311-2.3.1-5", "MQTT311-4.3.1-1"],
    levels: [4, 5],
    does: "Orders a message of QoS 0.",
    requires: "Behind topic and properties the payload begins at once; QoS and DUP are 0.",
    async run(t) {
      const message = t.message("plain", 0);
      await t.start({ publish: [message] });
      const { peer } = await t.acceptConnect();
      const seen = await t.brought(peer, TYPE.PUBLISH);
      if (seen.qos !== 0) throw new Finding("unsupported", `The Client publishes with QoS ${seen.qos}`);
      check(seen.dup === false, "DUP is 1");
      check(payloadText(seen) === message.payload, `The payload is ${JSON.stringify(payloadText(seen))}`);
    },
  },
  ...Object.fromEntries(([1, 2] as const).map((qos) => [
    `echoed-at-qos-${qos}`,
    {
      statements: ["MQTT-2.2.1-5", "MQTT311-2.3.1-6"],
      levels: [4, 5] as const,
      does: `Sends messages of QoS ${qos} with the identifiers 1, 258 and 65535.`,
      requires: "Each acknowledgement has the identifier of its PUBLISH.",
      async run(t) {
        const peer = await t.subscribed();
        for (const id of [1, 258, 65_535]) {
          peer.send(t.publish({ topic: t.topic(), payload: `m${id}`, qos, id }));
          const [first, last] = qos === 1 ? [TYPE.PUBACK] : [TYPE.PUBREC, TYPE.PUBCOMP];
          const seen = await t.owed(peer, first!, `for PUBLISH ${id} was sent`);
          check(seen.id === id, `${nameOf(first!)} has identifier ${seen.id}, its PUBLISH ${id}`);
          if (last === undefined) continue;
          peer.send(acknowledgement(TYPE.PUBREL, id));
          const end = await t.owed(peer, last, `for PUBREL ${id} was sent`);
          check(end.id === id, `PUBCOMP has identifier ${end.id}, its PUBREL ${id}`);
        }
      },
    } satisfies CaseInit<ClientTrial>,
  ])),
  "zero-from-server": {
    statements: ["2.2.1/zero"],
    levels: [4, 5],
    does: "Sends a PUBLISH of QoS 1 with Packet Identifier 0.",
    requires: "The Client {5|should close}{4|closes} the connection.",
    async run(t) {
      const peer = await t.subscribed();
      peer.send(t.publish({ topic: t.topic(), payload: "x", qos: 1, id: 0 }));
      await t.refused(peer, [0x81, 0x82], "for the identifier is 0");
    },
  },
});
