/**
 * §4.3 QoS 0, 1 and 2, §4.5: a Client under audit as the receiver.
 * @module
 */
import { acknowledgement, property, TYPE } from "../../wire/bytes.ts";
import { type ClientCase, clientCases } from "../../case.ts";
import { faultsOf } from "../rules.ts";
import type { ClientTrial } from "../trial.ts";
import type { Seen } from "../../wire/parse.ts";
import { nameOf, type Peer } from "../../wire/peer.ts";
import { check } from "../../verdict.ts";

function checkGood(t: ClientTrial, seen: Seen): void {
  const faults = faultsOf(seen, t.level);
  check(faults.length === 0, `${nameOf(seen.type)}: ${faults.join(", ")}`);
}

/** Sends a message of QoS 2 and takes its PUBREC. */
async function half(t: ClientTrial, peer: Peer, id: number, payload: string, dup = false): Promise<Seen> {
  peer.send(t.publish({ topic: t.topic(), payload, qos: 2, id, dup }));
  const pubrec = await t.owed(peer, TYPE.PUBREC, `for PUBLISH ${id} of QoS 2 was sent`);
  check(pubrec.id === id, `PUBREC has identifier ${pubrec.id}, its PUBLISH ${id}`);
  return pubrec;
}

/** Ends the exchange of a message of QoS 2. */
async function otherHalf(t: ClientTrial, peer: Peer, id: number): Promise<Seen> {
  peer.send(acknowledgement(TYPE.PUBREL, id));
  const pubcomp = await t.owed(peer, TYPE.PUBCOMP, `for PUBREL ${id} was sent`);
  check(pubcomp.id === id, `PUBCOMP has identifier ${pubcomp.id}, its PUBREL ${id}`);
  return pubcomp;
}

/** Cases of §4.3 where the Client receives. */
export const CASES: readonly ClientCase[] = [
  ...clientCases("4.3.1", {
    "qos-0-is-not-acknowledged": {
      statements: ["MQTT-3.3.4-1", "MQTT311-3.3.4-1"],
      levels: [4, 5],
      does: "Sends a message of QoS 0, then one of QoS 1.",
      requires: "Only the second is acknowledged.",
      async run(t) {
        const peer = await t.subscribed();
        peer.send(t.publish({ topic: t.topic(), payload: "zero" }));
        const before = await t.barrier(peer);
        const stray = before.find(({ type }) => type === TYPE.PUBACK || type === TYPE.PUBREC);
        check(stray === undefined, `${nameOf(stray?.type ?? 0)} ${stray?.id} came for a message of QoS 0`);
      },
    },
  }),
  ...clientCases("4.3.2", {
    "puback": {
      statements: ["MQTT-4.3.2-4", "MQTT-3.3.4-1", "MQTT-3.4.2-1", "MQTT311-4.3.2-2", "MQTT311-3.3.4-1"],
      levels: [4, 5],
      does: "Sends a message of QoS 1.",
      requires: "PUBACK comes, well formed, with its identifier and a code that PUBACK may have.",
      async run(t) {
        const peer = await t.subscribed();
        peer.send(t.publish({ topic: t.topic(), payload: "one", qos: 1, id: 77 }));
        const puback = await t.owed(peer, TYPE.PUBACK, "for a message of QoS 1 was sent");
        check(puback.id === 77, `PUBACK has identifier ${puback.id}, its PUBLISH 77`);
        checkGood(t, puback);
      },
    },
    "same-identifier-is-a-new-message": {
      statements: ["MQTT-4.3.2-5", "MQTT311-4.3.2-2"],
      levels: [4, 5],
      does: "Sends a second message with the same identifier and DUP 1 after the PUBACK of the first.",
      requires: "It is acknowledged too, and handed to the application where that can be seen.",
      async run(t) {
        const peer = await t.subscribed();
        for (const name of ["first", "second"]) {
          const dup = name === "second";
          peer.send(t.publish({ topic: t.topic(), payload: t.payload(name), qos: 1, id: 9, dup }));
          await t.owed(peer, TYPE.PUBACK, `for the ${name} message 9 was sent`, ({ id }) => id === 9);
        }
        await t.handedOver(t.payload("second"));
      },
    },
  }),
  ...clientCases("4.3.3", {
    "pubrec-and-pubcomp": {
      statements: [
        "MQTT-4.3.3-8",
        "MQTT-4.3.3-11",
        "MQTT-3.3.4-1",
        "MQTT-3.5.2-1",
        "MQTT-3.7.2-1",
        "MQTT311-4.3.3-2",
        "MQTT311-3.3.4-1",
      ],
      levels: [4, 5],
      does: "Sends a message of QoS 2, and PUBREL.",
      requires: "PUBREC and PUBCOMP come, well formed, with its identifier and codes that they may have.",
      async run(t) {
        const peer = await t.subscribed();
        checkGood(t, await half(t, peer, 300, "two"));
        checkGood(t, await otherHalf(t, peer, 300));
      },
    },
    "repeated-publish": {
      statements: ["MQTT-4.3.3-10", "MQTT311-4.3.3-2"],
      levels: [4, 5],
      does: "Sends a PUBLISH of QoS 2 twice, with DUP 1 the second time, before its PUBREL.",
      requires: "PUBREC comes twice, and the application gets the message once where that can be seen.",
      async run(t) {
        const peer = await t.subscribed();
        const payload = t.payload("once");
        await half(t, peer, 5, payload);
        await half(t, peer, 5, payload, true);
        await otherHalf(t, peer, 5);
        await t.barrier(peer);
        const { length } = await t.handedOver(payload);
        check(length === 1, `The application got the message ${length} times`);
      },
    },
    "new-message-after-pubcomp": {
      statements: ["MQTT-4.3.3-12", "MQTT311-4.3.3-2"],
      levels: [4, 5],
      does: "Sends two messages of QoS 2 one after the other with the same identifier.",
      requires: "Both go through, and the application gets both where that can be seen.",
      async run(t) {
        const peer = await t.subscribed();
        for (const name of ["former", "latter"]) {
          await half(t, peer, 6, t.payload(name));
          await otherHalf(t, peer, 6);
        }
        await t.handedOver(t.payload("latter"));
      },
    },
    "pubrel-of-nothing": {
      statements: ["MQTT-4.3.3-11", "MQTT-3.7.2-1", "MQTT311-4.3.3-2"],
      levels: [4, 5],
      does: "Sends PUBREL for an identifier that was never used, as after a lost PUBCOMP.",
      requires: "PUBCOMP comes with that identifier{5|; it may say 0x92}.",
      async run(t) {
        const peer = await t.subscribed();
        checkGood(t, await otherHalf(t, peer, 4_711));
      },
    },
    "expiry-does-not-stop-it": {
      statements: ["MQTT-4.3.3-13"],
      levels: [5],
      timing: true,
      does: "Sends a QoS 2 message that expires after a second, and PUBREL after two.",
      requires: "PUBCOMP comes all the same.",
      async run(t) {
        const peer = await t.subscribed();
        const properties = [property.messageExpiry(1)];
        peer.send(t.publish({ topic: t.topic(), payload: "short", qos: 2, id: 8, properties }));
        await t.owed(peer, TYPE.PUBREC, "for a message of QoS 2 was sent");
        await t.wait(2_000);
        await otherHalf(t, peer, 8);
      },
    },
  }),
  ...clientCases("4.5.0", {
    "unwanted-message": {
      statements: ["MQTT-4.5.0-2", "MQTT311-4.5.0-2"],
      levels: [4, 5],
      does: "Sends messages of QoS 1 and 2 on a topic that the Client has not subscribed to.",
      requires: "They are acknowledged like all others.",
      async run(t) {
        const peer = await t.subscribed();
        const topic = t.topic("unwanted");
        peer.send(t.publish({ topic, payload: "x", qos: 1, id: 21 }));
        await t.owed(peer, TYPE.PUBACK, "whether it is wanted or not", ({ id }) => id === 21);
        peer.send(t.publish({ topic, payload: "x", qos: 2, id: 22 }));
        await t.owed(peer, TYPE.PUBREC, "whether it is wanted or not", ({ id }) => id === 22);
      },
    },
  }),
];
