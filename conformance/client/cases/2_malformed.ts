/**
 * §2 What a Client under audit does with packets of its Server that are malformed, or that no Server may send.
 *
 * MQTT 3.1.1 has it close the connection whatever the violation; MQTT 5.0 says that it should, and that it should send
 * DISCONNECT with the code before. So one that stays fails at level 4 and is lenient at level 5, where no more is said.
 * @module
 */
import {
  bytes,
  connect,
  disconnect,
  packet,
  pingreq,
  property,
  subscribe,
  TYPE,
  unsubscribe,
} from "../../wire/bytes.ts";
import { type CaseInit, type ClientCase, clientCases, type RuleId } from "../../case.ts";
import { CLIENT_PLACES, type ClientPlace } from "../places.ts";
import type { ClientTrial } from "../trial.ts";
import { nameOf } from "../../wire/peer.ts";
import { connack } from "../server_packets.ts";

type Cases = Record<string, CaseInit<ClientTrial>>;

const SHOULD_CLOSE =
  "The Client {5|should close the connection, with a DISCONNECT that says why}{4|closes the connection}.";
const VIOLATION: RuleId = "MQTT311-4.8.0-1";

function eachPlace(of: (place: ClientPlace) => [string, CaseInit<ClientTrial>] | undefined): Cases {
  return Object.fromEntries(CLIENT_PLACES.map(of).filter((one) => one !== undefined));
}

const FLAGS = eachPlace(({ name, type, levels, occasion }) => [name, {
  statements: [
    "MQTT-2.1.3-1",
    "MQTT311-2.2.2-1",
    "MQTT311-2.2.2-2",
    ...type === TYPE.AUTH ? ["MQTT-3.15.1-1"] as const : [],
  ],
  levels,
  does: `Sends ${nameOf(type)} with a reserved flag of the fixed header flipped.`,
  requires: type === TYPE.AUTH ? "The Client closes the connection." : SHOULD_CLOSE,
  async run(t) {
    const { peer, make } = await occasion(t);
    peer.send(make({ flags: type === TYPE.PUBREL ? 0 : 1 }));
    if (type === TYPE.AUTH) await peer.refused([0x81], "for a reserved flag was set");
    else await t.refused(peer, [0x81], "for a reserved flag was wrong");
  },
}]);

const TRAILING = eachPlace(({ name, type, levels, occasion }) => [`${name}-too-long`, {
  statements: ["2.1.4/trailing", VIOLATION],
  levels,
  does: `Sends ${nameOf(type)} with two bytes behind its last field.`,
  requires: SHOULD_CLOSE,
  async run(t) {
    // SUBACK and UNSUBACK then seem to have more codes than filters were asked for.
    const { peer, make } = await occasion(t);
    peer.send(make({ behind: bytes(0, 0) }));
    await t.refused(peer, [0x81, 0x82], "for bytes were left over");
  },
}]);

const SHORT = eachPlace(({ name, type, levels, occasion }) =>
  type === TYPE.PINGRESP ? undefined : [`${name}-too-short`, {
    statements: ["2.1.4/short", VIOLATION],
    levels,
    does: `Sends ${nameOf(type)} that ends behind one byte of its body.`,
    requires: SHOULD_CLOSE,
    async run(t) {
      const { peer, make } = await occasion(t);
      const [first = 0] = make();
      // The Reason Code alone is a whole AUTH only if it is 0x00.
      peer.send(bytes(first, 1, type === TYPE.AUTH ? 0x18 : 0));
      await t.refused(peer, [0x81, 0x82], "for the packet ends too early");
    },
  }]
);

const TWICE = eachPlace(({ name, type, twice, occasion }) =>
  twice === undefined ? undefined : [`${name}-reason-string-twice`, {
    statements: [twice],
    levels: [5],
    does: `Sends ${nameOf(type)} with two Reason Strings.`,
    requires: SHOULD_CLOSE,
    async run(t) {
      const { peer, make } = await occasion(t);
      peer.send(make({ properties: [property.reasonString("a"), property.reasonString("b")] }));
      await t.refused(peer, [0x82, 0x81], "for a property came twice");
    },
  }]
);

const STRAY = eachPlace(({ name, type, stray, occasion }) =>
  stray === undefined ? undefined : [`${name}-property-of-another-packet`, {
    statements: ["2.2.2.2/not-allowed"],
    levels: [5],
    does: `Sends ${nameOf(type)} with a property that belongs to another packet.`,
    requires: SHOULD_CLOSE,
    async run(t) {
      const { peer, make } = await occasion(t);
      peer.send(make({ properties: [stray] }));
      await t.refused(peer, [0x81, 0x82], "for the property does not belong there");
    },
  }]
);

const UNKNOWN = eachPlace(({ name, type, stray, occasion }) =>
  stray === undefined ? undefined : [`${name}-unknown-property`, {
    statements: ["2.2.2.2/unknown"],
    levels: [5],
    does: `Sends ${nameOf(type)} with a property identifier that the standard does not assign.`,
    requires: SHOULD_CLOSE,
    async run(t) {
      const { peer, make } = await occasion(t);
      peer.send(make({ properties: [bytes(0x04, 0)] }));
      await t.refused(peer, [0x81, 0x82], "for there is no such property");
    },
  }]
);

const PAIRS = eachPlace(({ name, type, stray, occasion }) =>
  stray === undefined ? undefined : [`${name}-user-property-not-utf-8`, {
    statements: ["MQTT-1.5.7-1", "MQTT-1.5.4-1"],
    levels: [5],
    does: `Sends ${nameOf(type)} with a User Property whose value is no UTF-8.`,
    requires: SHOULD_CLOSE,
    async run(t) {
      const { peer, make } = await occasion(t);
      peer.send(make({ properties: [property.userProperty("name", bytes(0xc3, 0x28))] }));
      await t.refused(peer, [0x81], "for a text is ill-formed");
    },
  }]
);

const CODES = eachPlace(({ name, type, levels, wrongCode, occasion }) =>
  wrongCode === undefined ? undefined : [`${name}-wrong-code`, {
    statements: type === TYPE.SUBACK ? ["2.4/reason-code", VIOLATION] : ["2.4/reason-code"],
    levels: type === TYPE.SUBACK ? levels : [5],
    does: `Sends ${nameOf(type)} with a code that it may not have.`,
    requires: SHOULD_CLOSE,
    async run(t) {
      const { peer, make } = await occasion(t);
      peer.send(make({ code: wrongCode }));
      await t.refused(peer, [0x81, 0x82], "for there is no such code");
    },
  }]
);

/** A packet that a Server does not send. */
function stranger(
  what: string,
  statements: readonly RuleId[],
  make: (t: ClientTrial) => Uint8Array,
  levels: readonly (4 | 5)[] = [4, 5],
): CaseInit<ClientTrial> {
  return {
    statements: [...statements, VIOLATION],
    levels,
    does: `Sends ${what} to a Client that has subscribed.`,
    requires: SHOULD_CLOSE,
    async run(t) {
      const peer = await t.subscribed();
      peer.send(make(t));
      await t.refused(peer, [0x81, 0x82], `for a Server does not send ${what}`);
    },
  };
}

/** Cases of §2 where the Server breaks the format. */
export const CASES: readonly ClientCase[] = [
  ...clientCases("2.1.2", {
    "reserved-type-0": stranger("packet type 0", ["2.1.2/reserved-type"], () => packet(0, 0)),
    "reserved-type-15": stranger("packet type 15", ["2.1.2/reserved-type"], () => packet(15, 0), [4]),
    "connect": stranger("CONNECT", ["3.1.0/direction"], (t) => connect({ level: t.level, clientId: "x" })),
    "subscribe": stranger("SUBSCRIBE", ["3.1.0/direction"], (t) => subscribe(t.level, 1, [["a", 0]])),
    "unsubscribe": stranger("UNSUBSCRIBE", ["3.1.0/direction"], (t) => unsubscribe(t.level, 1, ["a"])),
    "pingreq": stranger("PINGREQ", ["3.1.0/direction"], () => pingreq()),
    "disconnect": stranger("DISCONNECT", ["3.1.0/direction"], () => disconnect(), [4]),
    "second-connack": stranger("a second CONNACK", [], (t) => connack(t.level)),
  }),
  ...clientCases("2.1.3", {
    ...FLAGS,
    "disconnect": {
      statements: ["MQTT-3.14.1-1", "MQTT-2.1.3-1"],
      levels: [5],
      does: "Sends DISCONNECT with a reserved flag of the fixed header set.",
      requires: "The Client should close the connection, with DISCONNECT 0x81.",
      async run(t) {
        const peer = await t.subscribed();
        peer.send(packet(TYPE.DISCONNECT, 1, 0x8b));
        await peer.shouldRefuse([0x81], "for a reserved flag was set");
      },
    },
  }),
  ...clientCases("2.1.4", {
    ...TRAILING,
    ...SHORT,
    "fifth-byte": {
      statements: ["1.5.5/fifth-byte", VIOLATION],
      levels: [4, 5],
      does: "Sends a PUBLISH whose Remaining Length has five bytes.",
      requires: SHOULD_CLOSE,
      async run(t) {
        const peer = await t.subscribed();
        peer.send(bytes(0x30, 0x80, 0x80, 0x80, 0x80, 0x01, 0, 1, "a", 0, 0, 0));
        await t.refused(peer, [0x81], "for a length has at most four bytes");
      },
    },
    "larger-than-the-client-takes": {
      statements: ["2.1.4/too-large"],
      levels: [5],
      does: "Sends a PUBLISH of 1000 bytes to a Client whose Maximum Packet Size is 200.",
      requires: "The Client should close the connection, with DISCONNECT 0x95.",
      async run(t) {
        const peer = await t.subscribed({ maximumPacketSize: 200 });
        peer.send(t.publish({ topic: t.topic(), payload: "x".repeat(1_000) }));
        await t.refused(peer, [0x95], "for the packet is too large");
      },
    },
  }),
  ...clientCases("2.2.2", { ...TWICE, ...STRAY, ...UNKNOWN, ...PAIRS }),
  ...clientCases("2.4", CODES),
];
