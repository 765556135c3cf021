/**
 * §3.1 CONNECT: what a Client under audit must send first.
 * @module
 */
import { TYPE } from "../../wire/bytes.ts";
import { type CaseInit, type ClientCase, clientCases } from "../../case.ts";
import { CLIENT_PROPERTIES, faultsOf, WILL_PROPERTIES } from "../rules.ts";
import type { ClientTrial, OrderInit } from "../trial.ts";
import { describe } from "../../wire/describe.ts";
import { numberOf, type Seen, type SeenConnect, strayProperties } from "../../wire/parse.ts";
import { check, Finding } from "../../verdict.ts";

const WILL = 4;
const WILL_QOS = 0x18;
const WILL_RETAIN = 0x20;
const PASSWORD = 0x40;
const USER_NAME = 0x80;

/** The CONNECT of a Client with that order. */
async function connectOf(t: ClientTrial, order: OrderInit = {}): Promise<Seen & { connect: SeenConnect }> {
  await t.start(order);
  const { connect } = await t.acceptConnect();
  check(connect.faults.length === 0, `CONNECT is malformed: ${connect.faults.join(", ")}`);
  return { ...connect, connect: connect.connect! };
}

/** The CONNECT of a Client that may rather not connect than do what it was told; undefined then. */
async function connectIfAny(t: ClientTrial, order: OrderInit): Promise<SeenConnect | undefined> {
  await t.start(order);
  const peer = await t.accept(1_000);
  if (peer === undefined) return undefined;
  const first = await peer.next();
  if (first === undefined || first.type === "end") return undefined;
  check(first.type === TYPE.CONNECT, `CONNECT was expected first; ${describe(first.raw, t.level)} came`);
  check(first.faults.length === 0, `CONNECT is malformed: ${first.faults.join(", ")}`);
  return first.connect;
}

/** Cases of §3.1. */
export const CASES: readonly ClientCase[] = [
  ...clientCases("3.1", {
    "connect-comes-first": {
      statements: ["MQTT-3.1.0-1", "MQTT311-3.1.0-1"],
      levels: [4, 5],
      does: "Lets the Client connect and waits for its first packet.",
      requires: "It is a CONNECT.",
      async run(t) {
        await t.start();
        await t.acceptUnanswered();
      },
    },
    "one-connect": {
      statements: ["MQTT-3.1.0-1", "MQTT311-3.1.0-1"],
      levels: [4, 5],
      does: "Accepts the Client and serves it until it is silent.",
      requires: "No second CONNECT comes on the connection.",
      async run(t) {
        await t.start();
        const { peer } = await t.acceptConnect();
        const { all } = await t.watch(peer);
        check(!all.some(({ type }) => type === TYPE.CONNECT), "A second CONNECT came");
      },
    },
  }),
  ...clientCases("3.1.2", {
    "protocol-name": {
      statements: ["MQTT-3.1.2-1", "2.1.4/short", "2.1.4/trailing"],
      levels: [4, 5],
      does: "Reads the variable header of CONNECT.",
      requires: "The Protocol Name is MQTT, the version is that of the level, no reserved bit is set, and " +
        "nothing is missing or left over.",
      async run(t) {
        const { connect: { protocolName, version, flags } } = await connectOf(t);
        check(protocolName === "MQTT", `Its name is ${JSON.stringify(protocolName)}`);
        check(version === t.level, `Its version is ${version}`);
        check((flags & 1) === 0, "The reserved bit of Connect Flags is 1");
      },
    },
    "no-will": {
      statements: [
        "MQTT-3.1.2-11",
        "MQTT-3.1.2-13",
        "MQTT311-3.1.2-11",
        "MQTT311-3.1.2-13",
        "MQTT311-3.1.2-15",
      ],
      levels: [4, 5],
      does: "Lets the Client connect without a will.",
      requires: "Will QoS and Will Retain are 0, and the payload has neither Will Topic nor Will Payload.",
      async run(t) {
        const { connect: { flags } } = await connectOf(t);
        if ((flags & WILL) !== 0) throw new Finding("unsupported", "The Client has a will of its own");
        check((flags & WILL_QOS) === 0, "Will QoS is not 0 though there is no will");
        check((flags & WILL_RETAIN) === 0, "Will Retain is 1 though there is no will");
      },
    },
    ...Object.fromEntries(([0, 1, 2] as const).map((qos) => [
      `will-with-qos-${qos}`,
      {
        statements: [
          "MQTT-3.1.2-9",
          "MQTT-3.1.2-12",
          "MQTT-3.1.3-11",
          "MQTT311-3.1.2-9",
          "MQTT311-3.1.2-14",
          "MQTT311-3.1.3-10",
        ],
        levels: [4, 5],
        does: `Orders a will of QoS ${qos}${qos === 1 ? ", retained" : ""}.`,
        requires: "The flags say so, and topic and payload are in their place.",
        async run(t: ClientTrial) {
          const will = { topic: t.topic("wíll"), payload: "good-bye", qos, retain: qos === 1 };
          const { connect } = await connectOf(t, { will });
          check((connect.flags & WILL) !== 0, "The Will Flag is 0");
          check((connect.flags & WILL_QOS) >> 3 === qos, `Will QoS is ${(connect.flags & WILL_QOS) >> 3}`);
          check(((connect.flags & WILL_RETAIN) !== 0) === will.retain, "Will Retain is not as ordered");
          check(connect.willTopic === will.topic, `The Will Topic is ${JSON.stringify(connect.willTopic)}`);
          const payload = new TextDecoder().decode(connect.willPayload);
          check(payload === will.payload, `The Will Payload is ${JSON.stringify(payload)}`);
          const stray = strayProperties({ properties: connect.willProperties ?? [] }, WILL_PROPERTIES);
          check(stray.length === 0, `In the Will Properties ${stray.join(", ")}`);
        },
      } satisfies CaseInit<ClientTrial>,
    ])),
    "no-credentials": {
      statements: [
        "MQTT-3.1.2-16",
        "MQTT-3.1.2-18",
        "MQTT311-3.1.2-18",
        "MQTT311-3.1.2-20",
        "MQTT311-3.1.2-22",
      ],
      levels: [4, 5],
      does: "Lets the Client connect without User Name and Password.",
      requires: "Nothing follows the Client Identifier that no flag announces.",
      async run(t) {
        const { connect: { flags } } = await connectOf(t);
        if ((flags & (USER_NAME | PASSWORD)) !== 0) {
          throw new Finding("unsupported", "The Client has credentials of its own");
        }
      },
    },
    "user-name-and-password": {
      statements: [
        "MQTT-3.1.2-17",
        "MQTT-3.1.2-19",
        "MQTT-3.1.3-12",
        "MQTT311-3.1.2-19",
        "MQTT311-3.1.2-21",
        "MQTT311-3.1.3-11",
      ],
      levels: [4, 5],
      does: "Orders a User Name, not all of it ASCII, and a Password.",
      requires: "Both flags are set and both fields are there as ordered.",
      async run(t) {
        const { connect } = await connectOf(t, { username: "plümb", password: "pass word" });
        check((connect.flags & USER_NAME) !== 0, "The User Name Flag is 0");
        check((connect.flags & PASSWORD) !== 0, "The Password Flag is 0");
        check(connect.username === "plümb", `The User Name is ${JSON.stringify(connect.username)}`);
        const password = new TextDecoder().decode(connect.password);
        check(password === "pass word", `The Password is ${JSON.stringify(password)}`);
      },
    },
    "user-name-alone": {
      statements: ["MQTT-3.1.2-17", "MQTT-3.1.2-18", "MQTT311-3.1.2-19", "MQTT311-3.1.2-20"],
      levels: [4, 5],
      does: "Orders a User Name without a Password.",
      requires: "Only the User Name Flag is set, only the User Name is there.",
      async run(t) {
        const { connect } = await connectOf(t, { username: "plumb" });
        check((connect.flags & USER_NAME) !== 0, "The User Name Flag is 0");
        check((connect.flags & PASSWORD) === 0, "The Password Flag is 1");
        check(connect.username === "plumb", `The User Name is ${JSON.stringify(connect.username)}`);
      },
    },
    "password-alone": {
      statements: ["MQTT311-3.1.2-22"],
      levels: [4],
      does: "Orders a Password without a User Name.",
      requires:
        "The Client does not send it so: it does not connect, leaves the Password out or adds a User Name.",
      async run(t) {
        const connect = await connectIfAny(t, { password: "secret" });
        if (connect === undefined) return;
        check(
          (connect.flags & PASSWORD) === 0 || (connect.flags & USER_NAME) !== 0,
          "The Password Flag is 1, the User Name Flag 0",
        );
      },
    },
    "password-alone-at-level-5": {
      statements: ["MQTT-3.1.2-16", "MQTT-3.1.2-19"],
      levels: [5],
      does: "Orders a Password without a User Name, which MQTT 5.0 allows.",
      requires:
        "What the flags announce is there, and nothing else. A Client that does not do it is unsupported.",
      async run(t) {
        const connect = await connectIfAny(t, { password: "secret" });
        if (connect === undefined || (connect.flags & PASSWORD) === 0) {
          throw new Finding("unsupported", "The Client does not send a Password alone");
        }
        const password = new TextDecoder().decode(connect.password);
        check(password === "secret", `The Password is ${JSON.stringify(password)}`);
      },
    },
    "all-together": {
      statements: [
        "MQTT-3.1.3-1",
        "MQTT-3.1.3-3",
        "MQTT-3.1.3-4",
        "MQTT311-3.1.3-1",
        "MQTT311-3.1.3-3",
        "MQTT311-3.1.3-4",
      ],
      levels: [4, 5],
      does: "Orders a will, a User Name and a Password.",
      requires:
        "The fields of the payload come in their order: Client Identifier, will, User Name, Password.",
      async run(t) {
        const { connect } = await connectOf(t, {
          will: { topic: t.topic("will"), payload: "good-bye", qos: 0, retain: false },
          username: "plumb",
          password: "secret",
        });
        if (t.has("client id")) {
          check(
            connect.clientId === t.order.clientId,
            `Its identifier is ${JSON.stringify(connect.clientId)}`,
          );
        }
        check(
          connect.willTopic === t.topic("will"),
          `The Will Topic is ${JSON.stringify(connect.willTopic)}`,
        );
        check(connect.username === "plumb", `The User Name is ${JSON.stringify(connect.username)}`);
        const password = new TextDecoder().decode(connect.password);
        check(password === "secret", `The Password is ${JSON.stringify(password)}`);
      },
    },
    "properties": {
      statements: [
        "2.2.2.2/not-allowed",
        "3.1.2.11.2/twice",
        "3.1.2.11.3/twice",
        "3.1.2.11.3/zero",
        "3.1.2.11.4/twice",
        "3.1.2.11.4/zero",
        "3.1.2.11.5/twice",
      ],
      levels: [5],
      does:
        "Orders a Session Expiry Interval, a Receive Maximum and a Topic Alias Maximum where they can be ordered.",
      requires: "The properties of CONNECT belong there, stand once, and are in range.",
      async run(t) {
        const connect = await connectOf(t, {
          ...t.has("session") && { cleanStart: false, sessionExpiry: 60 },
          ...t.has("receive maximum") && { receiveMaximum: 7 },
          ...t.has("topic alias maximum") && { topicAliasMaximum: 5 },
          ...t.has("maximum packet size") && { maximumPacketSize: 100_000 },
        });
        const stray = strayProperties(connect, CLIENT_PROPERTIES[TYPE.CONNECT]!);
        check(stray.length === 0, `In CONNECT ${stray.join(", ")}`);
        check(numberOf(connect, 0x21) !== 0, "Receive Maximum is 0");
        check(numberOf(connect, 0x27) !== 0, "Maximum Packet Size is 0");
        for (const id of [0x17, 0x19]) {
          check((numberOf(connect, id) ?? 0) <= 1, `Property ${id} is neither 0 nor 1`);
        }
      },
    },
    "no-properties": {
      statements: ["MQTT-2.2.2-1"],
      levels: [5],
      does: "Lets the Client connect, subscribe and publish without properties.",
      requires: "Where a packet has no properties, it has a Property Length of 0.",
      async run(t) {
        const subscribes = t.has("subscribe");
        await t.start({
          ...subscribes
            ? { subscribe: [{ filter: t.topic(), qos: 0 as const }] }
            : { publish: [t.message("x", 0)] },
        });
        const { peer, connect } = await t.acceptConnect();
        check(connect.faults.length === 0, `CONNECT is malformed: ${connect.faults.join(", ")}`);
        const { all } = await t.watch(peer);
        for (const seen of all) {
          const faults = faultsOf(seen, t.level);
          check(faults.length === 0, `${describe(seen.raw, t.level)}: ${faults.join(", ")}`);
        }
      },
    },
  }),
  ...clientCases("3.1.3", {
    "empty-client-identifier": {
      statements: ["MQTT-3.1.3-3", "MQTT311-3.1.3-3"],
      levels: [4, 5],
      does: "Orders an empty Client Identifier with Clean Start 1.",
      requires: "The field is there: of length 0, or with an identifier that the Client makes up.",
      async run(t) {
        t.needs("client id");
        const connect = await connectIfAny(t, { clientId: "" });
        if (connect === undefined) throw new Finding("unsupported", "The Client does not connect so");
      },
    },
    "empty-client-identifier-and-session": {
      statements: ["MQTT311-3.1.3-7"],
      levels: [4],
      does: "Orders an empty Client Identifier with CleanSession 0.",
      requires: "The Client does not send both.",
      async run(t) {
        t.needs("client id");
        const connect = await connectIfAny(t, { clientId: "", cleanStart: false });
        if (connect === undefined) return;
        check(
          connect.clientId !== "" || (connect.flags & 2) !== 0,
          "The Client Identifier is empty and CleanSession 0",
        );
      },
    },
  }),
];
