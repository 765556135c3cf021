/**
 * §3.2 CONNACK: what a Server under audit must do.
 * @module
 */
import { bytes, property, TYPE } from "../../wire/bytes.ts";
import { type ServerCase, serverCases } from "../../case.ts";
import { type Seen, strayProperties, valuesOf } from "../../wire/parse.ts";
import { hexCode } from "../../wire/peer.ts";
import type { ConnectInit, Trial } from "../trial.ts";
import { check, fail, Finding } from "../../verdict.ts";

/** A method that no Server has. */
const NO_METHOD = property.authenticationMethod("PLUMB-AUDIT-NONE");

/** The Reason Codes of Table 3-1. */
// deno-fmt-ignore
const REASONS: readonly number[] = [
  0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99, 0x9a, 0x9b,
  0x9c, 0x9d, 0x9f,
];

/** The properties of §3.2.2.3. */
// deno-fmt-ignore
const ALLOWED: readonly number[] = [
  0x11, 0x12, 0x13, 0x15, 0x16, 0x1a, 0x1c, 0x1f, 0x21, 0x22, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a,
];
const BITS: readonly number[] = [0x24, 0x25, 0x28, 0x29, 0x2a];
const NOT_ZERO: readonly number[] = [0x21, 0x27];

/** A CONNECT that is refused by a CONNACK; unsupported if the target closes in silence, as it may. */
async function refusal(t: Trial, init: ConnectInit): Promise<Seen> {
  const peer = await t.open();
  peer.send(t.connectBytes(init));
  const first = await peer.next();
  if (first === undefined) return fail("Neither CONNACK nor the end of the connection came");
  if (first.type === "end") throw new Finding("unsupported", "It refuses without a CONNACK");
  if (first.type !== TYPE.CONNACK || first.code === 0) {
    throw new Finding("inconclusive", "The CONNECT was to be refused by a CONNACK");
  }
  await peer.closed("for CONNACK refuses");
  return first;
}

/** One CONNACK of every kind that can be had: plain, of a session, for an empty Client Identifier, of a refusal. */
async function variety(t: Trial): Promise<Seen[]> {
  const all: Seen[] = [];
  const asking = [property.requestResponseInformation(1), property.requestProblemInformation(1)];
  const inits: ConnectInit[] = [
    { properties: asking },
    { clientId: "" },
    { keepAlive: 0xffff, properties: [property.sessionExpiry(0xffff_ffff)] },
    { properties: [NO_METHOD] },
  ];
  for (const init of inits) {
    const peer = await t.open();
    peer.send(t.connectBytes({ clientId: t.clientId("v"), ...init }));
    const first = await peer.next();
    if (first?.type === TYPE.CONNACK) all.push(first);
    peer.abort();
  }
  await t.connect({ clientId: t.clientId("v"), cleanStart: true }); // the session of the third one ends
  if (all.length === 0) throw new Finding("inconclusive", "No CONNACK came");
  return all;
}

/** The CONNACK packets that come where there is hardly room for them. */
async function squeezed(t: Trial): Promise<{ readonly size: number; readonly connack: Seen }[]> {
  const { raw } = (await t.connectAnd()).connack;
  const all: { size: number; connack: Seen }[] = [];
  const refused = [NO_METHOD];
  for (
    const { size, properties } of [
      { size: raw.length, properties: [] },
      { size: raw.length - 1, properties: [] },
      { size: 8, properties: refused },
      { size: 5, properties: refused },
      { size: 4, properties: refused },
    ]
  ) {
    const peer = await t.open();
    peer.send(t.connectBytes({ properties: [property.maximumPacketSize(size), ...properties] }));
    const first = await peer.next();
    if (first === undefined) fail("Neither CONNACK nor the end of the connection came");
    if (first.type === TYPE.CONNACK) all.push({ size, connack: first });
  }
  return all;
}

/** Cases of §3.2. */
export const CASES: readonly ServerCase[] = [
  ...serverCases("3.2", {
    "only-one": {
      statements: ["MQTT-3.2.0-2"],
      levels: [5],
      does: "Connects, exchanges some packets, and sends CONNECT a second time.",
      requires: "No second CONNACK comes.",
      async run(t) {
        const clientId = t.clientId("one");
        const peer = await t.connect({ clientId });
        await t.subscribe(peer, t.topic(), 0);
        peer.send(t.publish({ topic: t.topic() }), t.connectBytes({ clientId }));
        const second = (await peer.answers()).find(({ type }) => type === TYPE.CONNACK);
        check(second === undefined, `A second CONNACK came, ${hexCode(second?.code ?? 0)}`);
      },
    },
  }),
  ...serverCases("3.2.2", {
    "acknowledge-flags": {
      statements: ["MQTT-3.2.2-1"],
      levels: [5],
      does: "Has a CONNACK sent for a new session, for one that goes on, and for a refusal.",
      requires: "Bits 7 to 1 of the Connect Acknowledge Flags are 0.",
      async run(t) {
        const all = await variety(t);
        const first = await t.session();
        await first.peer.leave();
        all.push(first.connack, (await t.session()).connack);
        for (const { acknowledgeFlags = 0 } of all) {
          check(acknowledgeFlags <= 1, `The Connect Acknowledge Flags are ${hexCode(acknowledgeFlags)}`);
        }
      },
    },
    "refusal-has-session-present-0": {
      statements: ["MQTT-3.2.2-6"],
      levels: [5],
      does:
        "Comes back to a session with a CONNECT that is refused, for its Authentication Method does not exist.",
      requires: "CONNACK has Session Present 0.",
      async run(t) {
        await (await t.session()).peer.leave();
        const connack = await refusal(t, {
          clientId: t.clientId("s"),
          cleanStart: false,
          properties: [NO_METHOD],
        });
        check(connack.sessionPresent === false, "CONNACK has Session Present 1");
      },
    },
    "refusal-closes": {
      statements: ["MQTT-3.2.2-7"],
      levels: [5],
      does:
        "Sends a CONNECT that is refused, for its Authentication Method does not exist, and keeps the connection open.",
      requires: "Behind a CONNACK that refuses, the Server closes the connection.",
      async run(t) {
        await refusal(t, { properties: [NO_METHOD] });
      },
    },
    "no-code-applies": {
      statements: ["MQTT311-3.2.2-6"],
      levels: [4],
      does:
        "Sends CONNECT packets for whose faults there is no return code: a reserved flag, and Will QoS 3.",
      requires: "The connection is closed without a CONNACK.",
      async run(t) {
        await t.malformedConnect(
          t.connectBytes({ headerFlags: 1 }),
          [],
          "for its first byte is not that of a CONNECT",
        );
        const will = { topic: t.topic("will"), qos: 3 };
        await t.malformedConnect(t.connectBytes({ will }), [], "for there is no QoS 3");
      },
    },
    "reason-codes": {
      statements: ["MQTT-3.2.2-8"],
      levels: [5],
      does:
        "Sends CONNECT packets that are accepted, malformed, against the protocol, and of an unknown method.",
      requires: "The code of each CONNACK is one of Table 3-1.",
      async run(t) {
        const inits: ConnectInit[] = [
          {},
          { headerFlags: 1 },
          { will: { topic: t.topic("will"), qos: 3 } },
          { will: { topic: "" } },
          { clientId: bytes(0xff) },
          { properties: [property.receiveMaximum(0)] },
          { properties: [NO_METHOD] },
          { username: "nobody", password: "no" },
        ];
        for (const init of inits) {
          const peer = await t.open();
          peer.send(t.connectBytes(init));
          const first = await peer.next();
          peer.abort();
          if (first?.type !== TYPE.CONNACK) continue;
          const { code = 0 } = first;
          check(REASONS.includes(code), `CONNACK has ${hexCode(code)}, which Table 3-1 does not have`);
        }
      },
    },
  }),
  ...serverCases("3.2.2.3", {
    "properties-stand-once": {
      statements: [
        "2.2.2.2/not-allowed",
        "3.2.2.3.2/twice",
        "3.2.2.3.3/twice",
        "3.2.2.3.4/twice",
        "3.2.2.3.5/twice",
        "3.2.2.3.6/twice",
        "3.2.2.3.7/twice",
        "3.2.2.3.8/twice",
        "3.2.2.3.9/twice",
        "3.2.2.3.11/twice",
        "3.2.2.3.12/twice",
        "3.2.2.3.13/twice",
        "3.2.2.3.14/twice",
        "3.2.2.3.15/twice",
        "3.2.2.3.16/twice",
        "3.2.2.3.17/twice",
        "3.2.2.3.18/twice",
      ],
      levels: [5],
      does: "Has CONNACK packets of several kinds sent.",
      requires:
        "Each is well formed, has only properties of CONNACK, and all but User Property once at most.",
      async run(t) {
        for (const connack of await variety(t)) {
          const wrong = [...connack.faults, ...strayProperties(connack, ALLOWED)];
          check(wrong.length === 0, `CONNACK: ${wrong.join(", ")}`);
        }
      },
    },
    "properties-have-values-that-may-be": {
      statements: [
        "3.2.2.3.3/zero",
        "3.2.2.3.4/range",
        "3.2.2.3.5/range",
        "3.2.2.3.6/zero",
        "3.2.2.3.11/range",
        "3.2.2.3.12/range",
        "3.2.2.3.13/range",
      ],
      levels: [5],
      does: "Has CONNACK packets of several kinds sent.",
      requires:
        "Receive Maximum and Maximum Packet Size are not 0; Maximum QoS and what says whether something is available are 0 or 1.",
      async run(t) {
        for (const connack of await variety(t)) {
          for (const id of BITS) {
            for (const value of valuesOf(connack, id)) {
              check(value === 0 || value === 1, `Property ${hexCode(id)} of CONNACK is ${value}`);
            }
          }
          for (const id of NOT_ZERO) {
            check(!valuesOf(connack, id).includes(0), `Property ${hexCode(id)} of CONNACK is 0`);
          }
        }
      },
    },
    "fits-the-maximum-packet-size": {
      statements: ["MQTT-3.1.2-24"],
      levels: [5],
      does:
        "Connects with Maximum Packet Sizes that its CONNACK just fits into and does not fit into, and that are below any CONNACK.",
      requires: "Nothing that comes is above that size; the connection may be closed in silence.",
      async run(t) {
        for (const { size, connack } of await squeezed(t)) {
          check(connack.raw.length <= size, `CONNACK has ${connack.raw.length} bytes, ${size} were allowed`);
        }
      },
    },
    "explanations-are-left-out": {
      statements: ["MQTT-3.2.2-19", "MQTT-3.2.2-20"],
      levels: [5],
      does:
        "Connects with Maximum Packet Sizes that leave a CONNACK no room for a Reason String or User Property, and with an Authentication Method that does not exist.",
      requires: "No CONNACK above that size has a Reason String or User Property.",
      async run(t) {
        for (const { size, connack } of await squeezed(t)) {
          const told = [0x1f, 0x26].filter((id) => valuesOf(connack, id).length > 0);
          check(
            told.length === 0 || connack.raw.length <= size,
            `CONNACK has ${connack.raw.length} bytes with property ${
              hexCode(told[0] ?? 0)
            }, ${size} were allowed`,
          );
        }
      },
    },
  }),
];
