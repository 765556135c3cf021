/**
 * §4.3 QoS 0, 1 and 2: a Client under audit as the sender.
 * @module
 */
import { acknowledgement, TYPE } from "../../wire/bytes.ts";
import { type ClientCase, clientCases } from "../../case.ts";
import type { ClientTrial } from "../trial.ts";
import { faultsOf } from "../rules.ts";
import { payloadText, type Seen } from "../../wire/parse.ts";
import type { Peer } from "../../wire/peer.ts";
import { check, Finding } from "../../verdict.ts";

/** A Client that was told to publish one message, and its PUBLISH, which is unanswered. */
async function publishing(
  t: ClientTrial,
  qos: 0 | 1 | 2,
): Promise<{ readonly peer: Peer; readonly seen: Seen; readonly id: number }> {
  const message = t.message("one", qos);
  await t.start({ publish: [message] });
  const { peer } = await t.acceptConnect();
  const seen = await t.brought(peer, TYPE.PUBLISH);
  if (seen.qos !== qos) throw new Finding("unsupported", `The Client publishes with QoS ${seen.qos}`);
  check(payloadText(seen) === message.payload, `The payload is ${JSON.stringify(payloadText(seen))}`);
  check(seen.topic === message.topic, `The topic is ${JSON.stringify(seen.topic)}`);
  return { peer, seen, id: seen.id ?? 0 };
}

/** The Client stays silent about its message, whatever else it says. */
async function expectNothingOf(t: ClientTrial, peer: Peer, why: string): Promise<void> {
  const { all } = await t.watch(peer);
  const came = all.find(({ type }) => type === TYPE.PUBLISH || type === TYPE.PUBREL);
  check(came === undefined, `${came?.type === TYPE.PUBLISH ? "PUBLISH" : "PUBREL"} ${came?.id} came, ${why}`);
}

/** Cases of §4.3 where the Client sends. */
export const CASES: readonly ClientCase[] = [
  ...clientCases("4.3.1", {
    "qos-0": {
      statements: ["MQTT-4.3.1-1", "MQTT-3.3.1-2", "MQTT311-4.3.1-1", "MQTT311-3.3.1-2"],
      levels: [4, 5],
      does: "Orders a message of QoS 0.",
      requires: "It comes with QoS 0, DUP 0 and no identifier.",
      async run(t) {
        const { seen } = await publishing(t, 0);
        check(seen.dup === false, "DUP is 1");
      },
    },
  }),
  ...clientCases("4.3.2", {
    "first-time": {
      statements: ["MQTT-4.3.2-2", "MQTT-4.3.2-1", "MQTT311-4.3.2-1"],
      levels: [4, 5],
      does: "Orders a message of QoS 1.",
      requires: "It comes with QoS 1, DUP 0 and an identifier that is not 0.",
      async run(t) {
        const { seen, id } = await publishing(t, 1);
        check(seen.dup === false, "DUP is 1 at the first sending");
        check(id !== 0, "Its Packet Identifier is 0");
      },
    },
    "identifier-is-free-after-puback": {
      statements: ["MQTT-4.3.2-3", "MQTT-2.2.1-3", "MQTT311-2.3.1-3", "MQTT311-4.3.2-1"],
      levels: [4, 5],
      does: "Holds back the PUBACK of the first of three QoS 1 messages and acknowledges the others.",
      requires: "The identifier of the open message is not used for another.",
      async run(t) {
        await t.start({ publish: ["a", "b", "c"].map((name) => t.message(name, 1)) });
        const { peer } = await t.acceptConnect();
        const first = await t.brought(peer, TYPE.PUBLISH);
        const { all } = await t.watch(peer);
        const again = all.find(({ type, id }) => type === TYPE.PUBLISH && id === first.id);
        check(again === undefined, `Packet Identifier ${first.id} is used again before its PUBACK`);
      },
    },
  }),
  ...clientCases("4.3.3", {
    "first-time": {
      statements: ["MQTT-4.3.3-2", "MQTT-4.3.3-1", "MQTT311-4.3.3-1"],
      levels: [4, 5],
      does: "Orders a message of QoS 2.",
      requires: "It comes with QoS 2, DUP 0 and an identifier that is not 0.",
      async run(t) {
        const { seen, id } = await publishing(t, 2);
        check(seen.dup === false, "DUP is 1 at the first sending");
        check(id !== 0, "Its Packet Identifier is 0");
      },
    },
    "pubrel-for-pubrec": {
      statements: ["MQTT-4.3.3-4", "MQTT-3.6.1-1", "MQTT-3.6.2-1", "MQTT311-4.3.3-1", "MQTT311-3.6.1-1"],
      levels: [4, 5],
      does: "Answers a PUBLISH of QoS 2 with PUBREC.",
      requires: "PUBREL comes, well formed and with the same identifier.",
      async run(t) {
        const { peer, id } = await publishing(t, 2);
        peer.send(acknowledgement(TYPE.PUBREC, id));
        const pubrel = await t.owed(peer, TYPE.PUBREL, "for its PUBREC was sent");
        check(pubrel.id === id, `PUBREL has identifier ${pubrel.id}, its PUBREC ${id}`);
        const faults = faultsOf(pubrel, t.level);
        check(faults.length === 0, `PUBREL: ${faults.join(", ")}`);
      },
    },
    "pubrel-for-pubrec-0x10": {
      statements: ["MQTT-4.3.3-4"],
      levels: [5],
      does: "Answers a PUBLISH of QoS 2 with PUBREC 0x10: nobody has subscribed.",
      requires: "PUBREL comes: the code is no error.",
      async run(t) {
        const { peer, id } = await publishing(t, 2);
        peer.send(acknowledgement(TYPE.PUBREC, id, 0x10));
        const pubrel = await t.owed(peer, TYPE.PUBREL, "for its PUBREC was sent");
        check(pubrel.id === id, `PUBREL has identifier ${pubrel.id}, its PUBREC ${id}`);
      },
    },
    "no-publish-after-pubrel": {
      statements: ["MQTT-4.3.3-6", "MQTT-4.3.3-5", "MQTT311-4.3.3-1"],
      levels: [4, 5],
      does: "Takes the PUBREL and leaves it without PUBCOMP.",
      requires: "The PUBLISH does not come again, nor is its identifier used for another message.",
      async run(t) {
        const { peer, id } = await publishing(t, 2);
        peer.send(acknowledgement(TYPE.PUBREC, id));
        await t.owed(peer, TYPE.PUBREL, "for its PUBREC was sent");
        const { all } = await t.watch(peer, { answer: ({ type }) => type === TYPE.PUBREL ? [] : undefined });
        const again = all.find((seen) => seen.type === TYPE.PUBLISH && seen.id === id);
        check(again === undefined, `PUBLISH ${id} came after its PUBREL`);
      },
    },
    "nothing-after-pubrec-with-error": {
      statements: ["MQTT-4.4.0-2"],
      levels: [5],
      does: "Answers a PUBLISH of QoS 2 with PUBREC 0x97.",
      requires: "The exchange is over: neither PUBLISH nor PUBREL comes.",
      async run(t) {
        const { peer, id } = await publishing(t, 2);
        peer.send(acknowledgement(TYPE.PUBREC, id, 0x97));
        await expectNothingOf(t, peer, "though PUBREC 0x97 has ended the exchange");
      },
    },
    "nothing-after-puback": {
      statements: ["MQTT-4.4.0-2"],
      levels: [5],
      does: "Answers a PUBLISH of QoS 1 with PUBACK 0x97.",
      requires: "The exchange is over: the message does not come again.",
      async run(t) {
        const { peer, id } = await publishing(t, 1);
        peer.send(acknowledgement(TYPE.PUBACK, id, 0x97));
        await expectNothingOf(t, peer, "though PUBACK 0x97 has ended the exchange");
      },
    },
    "expiry-does-not-stop-it": {
      statements: ["MQTT-4.3.3-7"],
      levels: [5],
      timing: true,
      does: "Orders a QoS 2 message that expires after a second, and sends PUBREC after two.",
      requires: "PUBREL comes all the same.",
      async run(t) {
        await t.start({ publish: [t.message("short", 2, { properties: { messageExpiry: 1 } })] });
        const { peer } = await t.acceptConnect();
        const { id = 0, qos } = await t.brought(peer, TYPE.PUBLISH);
        if (qos !== 2) throw new Finding("unsupported", `The Client publishes with QoS ${qos}`);
        await t.wait(2_000);
        peer.send(acknowledgement(TYPE.PUBREC, id));
        await t.owed(peer, TYPE.PUBREL, "for its PUBREC was sent", (seen) => seen.id === id);
      },
    },
  }),
];
