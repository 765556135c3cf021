/**
 * §2.2.2 Properties and §2.4 Reason Codes, as rules of every packet: what a Server under audit must do.
 * @module
 */
import { acknowledgement, bytes, property, subscribe, TYPE, unsubscribe } from "../../wire/bytes.ts";
import { type CaseInit, type ServerCase, serverCases } from "../../case.ts";
import { strayProperties } from "../../wire/parse.ts";
import { hexCode, nameOf } from "../../wire/peer.ts";
import { type PlaceName, places } from "../places.ts";
import type { Trial } from "../trial.ts";
import { check } from "../../verdict.ts";

/** Each property with a value that is right where it belongs. */
const PROPERTIES: Readonly<Record<number, Uint8Array>> = {
  0x01: property.payloadFormat(1),
  0x02: property.messageExpiry(60),
  0x03: property.contentType("text"),
  0x08: property.responseTopic("answers"),
  0x09: property.correlationData("7"),
  0x0b: property.subscriptionIdentifier(1),
  0x11: property.sessionExpiry(1),
  0x12: property.assignedClientIdentifier("somebody"),
  0x13: property.serverKeepAlive(60),
  0x15: property.authenticationMethod("PLUMB-AUDIT-NONE"),
  0x16: property.authenticationData("x"),
  0x17: property.requestProblemInformation(1),
  0x18: property.willDelay(0),
  0x19: property.requestResponseInformation(0),
  0x1a: property.responseInformation("answers"),
  0x1c: property.serverReference("elsewhere"),
  0x1f: property.reasonString("because"),
  0x21: property.receiveMaximum(10),
  0x22: property.topicAliasMaximum(0),
  0x23: property.topicAlias(1),
  0x24: property.maximumQos(1),
  0x25: property.retainAvailable(1),
  0x26: property.userProperty("n", "v"),
  0x27: property.maximumPacketSize(1_000_000),
  0x28: property.wildcardAvailable(1),
  0x29: property.identifiersAvailable(1),
  0x2a: property.sharedAvailable(1),
};

/** Identifiers that no property has: between the assigned ones, above them, and in two bytes. */
const UNKNOWN: readonly Uint8Array[] = [bytes(0x00), bytes(0x04), bytes(0x7f), bytes(0x80, 0x01)];

/** Acknowledgements take a whole exchange to come to: a few properties stand for all. */
const FEW: readonly number[] = [0x01, 0x11, 0x21, 0x23];
const MANY: readonly PlaceName[] = ["connect", "will", "publish", "subscribe", "unsubscribe"];

/** What a list of properties looks like that runs past an end, without its own end and with it. */
const PAST_END: Readonly<Record<string, Uint8Array>> = {
  // Property Length 3, and a User Property that takes 7.
  "a User Property is longer than the Property Length says": bytes(3, property.userProperty("n", "v")),
  "a User Property ends with its identifier": bytes(1, 0x26),
};

function ofPlaces(
  prefix: string,
  init: (key: PlaceName, place: ReturnType<typeof places>[number][1]) => Omit<CaseInit<Trial>, "levels">,
): Record<string, CaseInit<Trial>> {
  return Object.fromEntries(
    places().map(([key, place]) => [`${prefix}-${key}`, {
      needs: place.needs,
      ...init(key, place),
      levels: [5],
    }]),
  );
}

/** Cases of §2.2.2 and §2.4. */
export const CASES: readonly ServerCase[] = [
  ...serverCases("2.2.2", {
    "length-is-written": {
      statements: ["MQTT-2.2.2-1"],
      levels: [5],
      does: "Has a CONNACK, SUBACK, PUBLISH and UNSUBACK sent that need no properties.",
      requires: "Each has a Property Length, be it 0.",
      async run(t) {
        const { peer, connack } = await t.connectAnd();
        check(connack.faults.length === 0, `CONNACK is malformed: ${connack.faults.join(", ")}`);
        peer.send(subscribe(5, t.id(), [[t.topic(), 0]]));
        const { codes } = await peer.expect(TYPE.SUBACK);
        check(codes?.length === 1, `SUBACK has ${codes?.length} Reason Codes for one filter`);
        peer.send(t.publish({ topic: t.topic(), payload: "abc" }));
        const { payload } = await peer.expect(TYPE.PUBLISH);
        check(payload?.length === 3, `${payload?.length} bytes of payload came, 3 were sent`);
        peer.send(unsubscribe(5, t.id(), [t.topic()]));
        const unsuback = await peer.expect(TYPE.UNSUBACK);
        check(
          unsuback.codes?.length === 1,
          `UNSUBACK has ${unsuback.codes?.length} Reason Codes for one filter`,
        );
      },
    },
    "server-sends-what-belongs": {
      statements: ["2.2.2.2/not-allowed"],
      levels: [5],
      does: "Has a SUBACK, UNSUBACK and PUBLISH sent.",
      requires: "Their properties are those that these packets may have.",
      async run(t) {
        const peer = await t.connect();
        peer.send(subscribe(5, t.id(), [[t.topic(), 0]]));
        const came = [await peer.expect(TYPE.SUBACK)];
        peer.send(t.publish({ topic: t.topic(), properties: [property.contentType("text")] }));
        const message = await peer.expect(TYPE.PUBLISH);
        peer.send(unsubscribe(5, t.id(), [t.topic()]));
        came.push(await peer.expect(TYPE.UNSUBACK));
        for (const seen of came) {
          const stray = strayProperties(seen, [0x1f, 0x26]);
          check(stray.length === 0, `${nameOf(seen.type)}: ${stray.join(", ")}`);
        }
        const stray = strayProperties(message, [0x01, 0x02, 0x03, 0x08, 0x09, 0x0b, 0x23, 0x26]);
        check(stray.length === 0, `PUBLISH: ${stray.join(", ")}`);
      },
    },
    ...ofPlaces("unknown-in", (_, { name, send }) => ({
      statements: ["2.2.2.2/unknown"],
      does:
        `Sends ${name} with a Property Identifier that does not exist, several on connections of their own.`,
      requires: "Each connection is closed; the code 0x81 may say why.",
      async run(t) {
        for (const id of UNKNOWN) {
          const peer = await send(t, [id, 0, 0]);
          await peer.refused([0x81], `for there is no property ${hexCode(id[0]!)}`);
        }
      },
    })),
    ...ofPlaces("not-allowed-in", (key, { name, allowed, send }) => ({
      statements: ["2.2.2.2/not-allowed"],
      does: `Sends ${name} with a property of other packets, several on connections of their own.`,
      requires: "Each connection is closed; the code 0x81 or 0x82 may say why.",
      async run(t) {
        const all = MANY.includes(key) ? Object.keys(PROPERTIES).map(Number) : FEW;
        for (const id of all) {
          if (allowed.includes(id)) continue;
          const peer = await send(t, [PROPERTIES[id]!]);
          await peer.refused([0x81, 0x82], `for property ${hexCode(id)} does not belong there`);
        }
      },
    })),
    ...ofPlaces("past-end-in", (_, { name, send }) => ({
      statements: ["2.2.2.1/past-end"],
      does: `Sends ${name} with a property that ends behind the end that Property Length gives.`,
      requires: "The connection is closed; the code 0x81 may say why.",
      async run(t) {
        for (const [what, section] of Object.entries(PAST_END)) {
          await (await send(t, section)).refused([0x81], `for ${what}`);
        }
      },
    })),
    "length-past-end": {
      statements: ["2.2.2.1/past-end", "2.1.4/short"],
      levels: [5],
      does:
        "Sends a PUBACK, SUBSCRIBE and UNSUBSCRIBE whose Property Length is more than what is left of the packet.",
      requires: "The connection is closed; the code 0x81 may say why.",
      async run(t) {
        const section = bytes(100, property.userProperty("n", "v"));
        for (
          const data of [
            acknowledgement(TYPE.PUBACK, 1, 0, section),
            subscribe(5, t.id(), [[t.topic(), 0]], section),
            unsubscribe(5, t.id(), [t.topic()], section),
          ]
        ) {
          const peer = await t.connect();
          peer.send(data);
          await peer.refused([0x81], `for the Property Length of ${nameOf(data[0]! >> 4)} is too much`);
        }
      },
    },
  }),
  ...serverCases("2.4", {
    "code-of-another-packet": {
      statements: ["2.4/reason-code"],
      levels: [5],
      needs: ["qos 1"],
      does:
        "Answers a QoS 1 PUBLISH with a PUBACK whose Reason Code belongs to DISCONNECT, then one with a code that does not exist.",
      requires:
        "The connection should be closed, 0x82 or 0x81 may say why; the standard does not say that a receiver must look.",
      async run(t) {
        for (const code of [0x8e, 0x7f]) {
          const { peer, id } = await t.delivery(1);
          peer.send(acknowledgement(TYPE.PUBACK, id, code));
          await peer.shouldRefuse([0x82, 0x81], `for PUBACK has no code ${hexCode(code)}`);
        }
      },
    },
  }),
];
