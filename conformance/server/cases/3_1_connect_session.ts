/**
 * §3.1.2.4 Clean Start, §3.1.2.11.2 Session Expiry Interval, §3.1.3.1 Client Identifier: what a Server under audit must do.
 * @module
 */
import { options, property, TYPE } from "../../wire/bytes.ts";
import { type ServerCase, serverCases } from "../../case.ts";
import { numberOf, payloadText, type Seen, textOf } from "../../wire/parse.ts";
import { hexCode, type Peer } from "../../wire/peer.ts";
import type { Connected, Trial } from "../trial.ts";
import { check, fail, Finding } from "../../verdict.ts";

/** A session that is kept, with a subscription of that QoS, left by DISCONNECT. */
async function leaveSession(t: Trial, qos = 0): Promise<void> {
  const { peer, connack } = await t.session();
  checkSession(connack, false);
  if (numberOf(connack, 0x11) === 0) throw new Finding("unsupported", "CONNACK says that no session is kept");
  await t.subscribeAt(peer, t.topic(), qos);
  await peer.leave();
}

function checkSession(connack: Seen, present: boolean): void {
  check(
    connack.sessionPresent === present,
    `CONNACK has Session Present ${connack.sessionPresent ? 1 : 0}, ${present ? 1 : 0} was expected`,
  );
}

/** Publishes and shows that the subscription is gone. */
async function checkUnsubscribed(t: Trial, peer: Peer): Promise<void> {
  const publisher = await t.connect();
  await t.published(publisher, { topic: t.topic(), payload: "later", qos: t.qos(1) });
  await publisher.barrier();
  await peer.expectNoPublish("for the subscription went with its session");
}

/** A CONNECT without Client Identifier; unsupported if the target refuses it, as it may. */
async function anonymous(t: Trial, init: Parameters<Trial["connectBytes"]>[0] = {}): Promise<Connected> {
  const peer = await t.open();
  peer.send(t.connectBytes({ ...init, clientId: "" }));
  const connack = await peer.expect(TYPE.CONNACK);
  if (connack.code === (t.level === 5 ? 0x85 : 2)) {
    throw new Finding("unsupported", "It takes no Client without a Client Identifier");
  }
  check(connack.code === 0, `CONNACK has ${hexCode(connack.code ?? 0)}`);
  return { peer, connack };
}

/** All characters that a Client Identifier may have anywhere. */
const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
/** Bytes of a Client Identifier that every Server takes. */
const ID_BYTES = 23;

/** Cases of §3.1.2.4 and what belongs to it. */
export const CASES: readonly ServerCase[] = [
  ...serverCases("3.1.2", {
    "clean-start-ends-the-session": {
      statements: [
        "MQTT-3.1.2-4",
        "MQTT-3.1.4-4",
        "MQTT-3.2.2-2",
        "MQTT311-3.1.2-6",
        "MQTT311-3.1.4-3",
        "MQTT311-3.2.2-1",
      ],
      levels: [4, 5],
      needs: ["qos 1"],
      does: "Leaves a session with a subscription and a message waiting, then comes back with Clean Start 1.",
      requires: "Session Present is 0; neither the message nor a new one comes.",
      async run(t) {
        await leaveSession(t, 1);
        await t.published(await t.connect(), { topic: t.topic(), payload: "waiting", qos: 1 });
        const { peer, connack } = await t.connectAnd({ clientId: t.clientId("s"), cleanStart: true });
        checkSession(connack, false);
        await checkUnsubscribed(t, peer);
      },
    },
    "session-goes-on": {
      statements: [
        "MQTT-3.1.2-5",
        "MQTT-3.1.2-23",
        "MQTT-3.1.4-4",
        "MQTT-3.2.2-3",
        "MQTT311-3.1.2-4",
        "MQTT311-3.1.4-3",
        "MQTT311-3.2.2-2",
        "MQTT311-4.1.0-1",
      ],
      levels: [4, 5],
      does: "Leaves a session with a subscription and comes back with Clean Start 0.",
      requires: "Session Present is 1, and a message comes without a new SUBSCRIBE.",
      async run(t) {
        await leaveSession(t);
        const { peer, connack } = await t.session();
        checkSession(connack, true);
        const publisher = await t.connect();
        publisher.send(t.publish({ topic: t.topic() }));
        await peer.expectPublish("for its session has the subscription");
      },
    },
    "messages-wait": {
      statements: ["MQTT-3.1.2-5", "MQTT-3.1.2-23", "MQTT311-3.1.2-4", "MQTT311-3.1.2-5"],
      levels: [4, 5],
      needs: ["qos 1"],
      does: "Leaves a session with a QoS 1 subscription, has three QoS 1 messages published, and comes back.",
      requires: "The three messages come in their order, with QoS 1.",
      async run(t) {
        await leaveSession(t, 1);
        const publisher = await t.connect();
        for (const payload of ["1", "2", "3"]) {
          await t.published(publisher, { topic: t.topic(), payload, qos: 1 });
        }
        const { peer } = await t.session();
        for (const payload of ["1", "2", "3"]) {
          const came = await peer.take("for it waited in the session");
          check(payloadText(came) === payload, `"${payloadText(came)}" came in place of "${payload}"`);
          check(came.qos === 1, `It came with QoS ${came.qos}`);
        }
      },
    },
    "session-survives-a-reset": {
      statements: ["MQTT-3.1.2-5", "MQTT-3.1.2-23", "MQTT311-3.1.2-4"],
      levels: [4, 5],
      does: "Subscribes in a session that is kept, resets the connection, and comes back with Clean Start 0.",
      requires: "Session Present is 1: the session does not need a DISCONNECT.",
      async run(t) {
        const { peer, connack } = await t.session();
        if (numberOf(connack, 0x11) === 0) {
          throw new Finding("unsupported", "CONNACK says that no session is kept");
        }
        await t.subscribe(peer, t.topic(), options(0));
        peer.abort();
        checkSession((await t.session()).connack, true);
      },
    },
    "session-begins": {
      statements: [
        "MQTT-3.1.2-6",
        "MQTT-3.1.4-4",
        "MQTT-3.2.2-3",
        "MQTT311-3.1.2-4",
        "MQTT311-3.1.4-3",
        "MQTT311-3.2.2-3",
      ],
      levels: [4, 5],
      does: "Connects with Clean Start 0 under a Client Identifier that has no session.",
      requires: "It is accepted, with Session Present 0.",
      async run(t) {
        const peer = await t.open();
        peer.send(t.connectBytes({ clientId: t.clientId("new"), cleanStart: false }));
        const connack = await peer.expect(TYPE.CONNACK);
        check(connack.code === 0, `CONNACK has ${hexCode(connack.code ?? 0)}`);
        checkSession(connack, false);
        await t.connect({ clientId: t.clientId("new"), cleanStart: true });
      },
    },
    "session-ends-with-its-connection": {
      statements: ["MQTT-3.2.2-3", "MQTT311-3.1.2-6", "MQTT311-3.2.2-3"],
      levels: [4, 5],
      does:
        "Subscribes in a session that is not to be kept, leaves, and comes back with Clean Start 0; a message is published.",
      requires: "Session Present is 0, and the message does not come.",
      async run(t) {
        const clientId = t.clientId("brief");
        const first = await t.connect({ clientId });
        await t.subscribe(first, t.topic(), options(0));
        await first.leave();
        const { peer, connack } = await t.connectAnd({ clientId, cleanStart: false });
        checkSession(connack, false);
        await checkUnsubscribed(t, peer);
      },
    },
    "retained-messages-are-not-part-of-it": {
      statements: ["MQTT311-3.1.2-7"],
      levels: [4],
      needs: ["retain"],
      does:
        "Publishes a retained message in a session that ends with its connection, then another Client subscribes.",
      requires: "The message comes.",
      async run(t) {
        const publisher = await t.connect();
        await t.published(publisher, { topic: t.topic(), payload: "kept", retain: true, qos: t.qos(1) });
        await publisher.leave();
        const subscriber = await t.connect();
        await t.subscribe(subscriber, t.topic());
        const came = await subscriber.expectPublish("for it is retained");
        check(payloadText(came) === "kept", `The payload is ${JSON.stringify(payloadText(came))}`);
      },
    },
  }),
  ...serverCases("3.1.3", {
    "client-id-is-the-key": {
      statements: ["MQTT-3.1.3-2", "MQTT311-3.1.3-2"],
      levels: [4, 5],
      does:
        "Leaves a session and connects under another Client Identifier, in another case, and under the same one.",
      requires: "Session Present is 1 under the same one only.",
      async run(t) {
        await leaveSession(t);
        const other = await t.session({ clientId: t.clientId("S") });
        checkSession(other.connack, false);
        checkSession((await t.session()).connack, true);
      },
    },
    "client-ids-of-23-bytes": {
      statements: ["MQTT-3.1.3-5", "MQTT311-3.1.3-5"],
      levels: [4, 5],
      does:
        `Connects under Client Identifiers of ${ID_BYTES} bytes that have every digit and letter among them, and of one byte.`,
      requires: "All are accepted.",
      async run(t) {
        const prefix = t.clientId("");
        const ids = ["7"];
        for (let at = 0; at < ALPHABET.length;) {
          const id = (prefix + ALPHABET.slice(at)).slice(0, ID_BYTES);
          ids.push(id.padEnd(ID_BYTES, "0"));
          at += ID_BYTES - prefix.length;
        }
        for (const clientId of ids) {
          const peer = await t.open();
          peer.send(t.connectBytes({ clientId }));
          const { code = 0 } = await peer.expect(TYPE.CONNACK, `for the Client Identifier ${clientId}`);
          check(code === 0, `CONNACK has ${hexCode(code)} for the Client Identifier ${clientId}`);
        }
      },
    },
    "empty-client-id": {
      statements: ["MQTT-3.1.3-6", "MQTT-3.2.2-16", "MQTT311-3.1.3-6"],
      levels: [4, 5],
      does: "Connects twice with an empty Client Identifier.",
      requires:
        "Each Client gets an identifier of its own, so both connections stay{5|; CONNACK says which}.",
      async run(t) {
        const all = [await anonymous(t), await anonymous(t)];
        for (const { peer, connack } of all) {
          checkSession(connack, false);
          await peer.barrier();
        }
        if (t.level === 4) return;
        const [one, two] = all.map(({ connack }) => textOf(connack, 0x12));
        check(one !== undefined && two !== undefined, "CONNACK has no Assigned Client Identifier");
        check(one !== "" && one !== two, `The Assigned Client Identifiers are ${one} and ${two}`);
      },
    },
    "empty-client-id-is-as-if-it-had-been-sent": {
      statements: ["MQTT-3.1.3-7"],
      levels: [5],
      does:
        "Subscribes without a Client Identifier of its own, leaves, and comes back under the one that was assigned.",
      requires: "The session is there.",
      async run(t) {
        const { peer, connack } = await anonymous(t, {
          cleanStart: false,
          properties: [property.sessionExpiry(60)],
        });
        const clientId = textOf(connack, 0x12);
        if (clientId === undefined) {
          throw new Finding("inconclusive", "CONNACK has no identifier to come back under");
        }
        if (numberOf(connack, 0x11) === 0) {
          throw new Finding("unsupported", "CONNACK says that no session is kept");
        }
        await t.subscribe(peer, t.topic(), options(0));
        await peer.leave();
        checkSession((await t.session({ clientId })).connack, true);
      },
    },
    "empty-client-id-without-clean-session": {
      statements: ["MQTT311-3.1.3-8", "MQTT311-3.2.2-4", "MQTT311-3.2.2-5"],
      levels: [4],
      does: "Connects with an empty Client Identifier and Clean Session 0, which MQTT 3.1.1 forbids.",
      requires: "CONNACK 0x02 comes, with Session Present 0, and the connection is closed.",
      async run(t) {
        const peer = await t.open();
        peer.send(t.connectBytes({ clientId: "", cleanStart: false }));
        const connack = await peer.expect(TYPE.CONNACK);
        check(connack.code === 2, `CONNACK has ${hexCode(connack.code ?? 0)}`);
        checkSession(connack, false);
        await peer.closed("for the Client Identifier was refused");
      },
    },
    "client-id-that-is-refused": {
      statements: ["MQTT-3.1.3-8", "MQTT311-3.1.3-9"],
      levels: [4, 5],
      does: "Looks for a Client Identifier that the target refuses: of odd characters, and of 1000 bytes.",
      requires: "The connection is closed; CONNACK {5|0x85}{4|0x02} says why.",
      async run(t) {
        for (const clientId of [`${t.clientId()}/+#$ \u00e4`, t.clientId().padEnd(1000, "x")]) {
          const peer = await t.open();
          peer.send(t.connectBytes({ clientId }));
          const first = await peer.next();
          if (first?.type === TYPE.CONNACK && first.code === 0) {
            peer.abort();
            continue;
          }
          if (first === undefined) fail("Neither CONNACK nor the end of the connection came");
          const code = first.type === TYPE.CONNACK ? first.code : undefined;
          await peer.closed("for the Client Identifier was refused");
          if (code === (t.level === 5 ? 0x85 : 2)) return;
          const message = `${code === undefined ? "no CONNACK" : `CONNACK ${hexCode(code)}`} came`;
          if (t.level === 4) fail(`CONNACK 0x02 was expected, ${message}`);
          if (code !== undefined) throw new Finding("lenient", `0x85 is named, ${message}`);
          return;
        }
        throw new Finding("unsupported", "It takes every Client Identifier");
      },
    },
  }),
];
