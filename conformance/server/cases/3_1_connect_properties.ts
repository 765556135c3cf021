/**
 * §3.1.2.11 CONNECT Properties and §3.1.3.2 Will Properties: what a Server under audit must do with each.
 * @module
 */
import { acknowledgement, bytes, property, subscribe, TYPE, unsubscribe } from "../../wire/bytes.ts";
import { type CaseInit, type RuleId, type ServerCase, serverCases } from "../../case.ts";
import { valuesOf } from "../../wire/parse.ts";
import { nameOf } from "../../wire/peer.ts";
import { type PlaceName, PLACES } from "../places.ts";
import type { Trial } from "../trial.ts";
import { check } from "../../verdict.ts";

/** A property that may stand once, by the name that its cases have. */
interface Single {
  readonly rule: RuleId;
  readonly name: string;
  /** Two of them, with values that are right. */
  readonly two: readonly [Uint8Array, Uint8Array];
}

const OF_CONNECT: Readonly<Record<string, Single>> = {
  "session-expiry": {
    rule: "3.1.2.11.2/twice",
    name: "Session Expiry Interval",
    two: [property.sessionExpiry(0), property.sessionExpiry(0)],
  },
  "receive-maximum": {
    rule: "3.1.2.11.3/twice",
    name: "Receive Maximum",
    two: [property.receiveMaximum(10), property.receiveMaximum(20)],
  },
  "maximum-packet-size": {
    rule: "3.1.2.11.4/twice",
    name: "Maximum Packet Size",
    two: [property.maximumPacketSize(100_000), property.maximumPacketSize(200_000)],
  },
  "topic-alias-maximum": {
    rule: "3.1.2.11.5/twice",
    name: "Topic Alias Maximum",
    two: [property.topicAliasMaximum(0), property.topicAliasMaximum(0)],
  },
  "request-response-information": {
    rule: "3.1.2.11.6/twice",
    name: "Request Response Information",
    two: [property.requestResponseInformation(0), property.requestResponseInformation(1)],
  },
  "request-problem-information": {
    rule: "3.1.2.11.7/twice",
    name: "Request Problem Information",
    two: [property.requestProblemInformation(1), property.requestProblemInformation(1)],
  },
};

const OF_WILL: Readonly<Record<string, Single>> = {
  "will-delay": {
    rule: "3.1.3.2.2/twice",
    name: "Will Delay Interval",
    two: [property.willDelay(0), property.willDelay(0)],
  },
  "payload-format": {
    rule: "3.1.3.2.3/twice",
    name: "Payload Format Indicator",
    two: [property.payloadFormat(0), property.payloadFormat(0)],
  },
  "message-expiry": {
    rule: "3.1.3.2.4/twice",
    name: "Message Expiry Interval",
    two: [property.messageExpiry(10), property.messageExpiry(20)],
  },
  "content-type": {
    rule: "3.1.3.2.5/twice",
    name: "Content Type",
    two: [property.contentType("a"), property.contentType("b")],
  },
  "response-topic": {
    rule: "3.1.3.2.6/twice",
    name: "Response Topic",
    two: [property.responseTopic("a"), property.responseTopic("b")],
  },
  "correlation-data": {
    rule: "3.1.3.2.7/twice",
    name: "Correlation Data",
    two: [property.correlationData("a"), property.correlationData("b")],
  },
};

function twice(place: PlaceName, all: Readonly<Record<string, Single>>): Record<string, CaseInit<Trial>> {
  return Object.fromEntries(
    Object.entries(all).map(([key, { rule, name, two }]) => [`${key}-twice`, {
      statements: [rule],
      levels: [5],
      does: `Sends ${PLACES[place].name} with ${name} twice.`,
      requires: "The connection is closed; CONNACK 0x82 may say why.",
      async run(t) {
        await (await PLACES[place].send(t, two)).refused([0x82]);
      },
    }]),
  );
}

/** A value that a property may not have. */
function wrongValue(
  rule: RuleId,
  place: PlaceName,
  what: string,
  one: Uint8Array,
): CaseInit<Trial> {
  return {
    statements: [rule],
    levels: [5],
    does: `Sends ${PLACES[place].name} with ${what}.`,
    requires: "The connection is closed; CONNACK 0x82 may say why.",
    async run(t) {
      await (await PLACES[place].send(t, [one])).refused([0x82]);
    },
  };
}

/** The same where no sentence calls the value an error. */
function oddValue(rule: RuleId, place: PlaceName, what: string, one: Uint8Array): CaseInit<Trial> {
  return {
    ...wrongValue(rule, place, what, one),
    requires:
      "The connection should be closed, CONNACK 0x82 or 0x81 may say why; the standard does not say that a receiver must look.",
    async run(t) {
      await (await PLACES[place].send(t, [one])).shouldRefuse([0x81, 0x82], `with ${what}`);
    },
  };
}

/** The Authentication Data of a CONNECT, right if the user's file has it. */
function firstData(t: Trial): Uint8Array {
  return property.authenticationData(t.profile.authenticationData?.[0] ?? bytes(1, 2, 3));
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

/** Cases of §3.1.2.11 and §3.1.3.2. */
export const CASES: readonly ServerCase[] = [
  ...serverCases("3.1.2.11", {
    ...twice("connect", OF_CONNECT),
    "authentication-method-twice": {
      statements: ["3.1.2.11.9/twice"],
      levels: [5],
      needs: ["enhanced authentication"],
      does: "Sends a CONNECT with the target's Authentication Method twice.",
      requires: "The connection is closed; CONNACK 0x82 may say why.",
      async run(t) {
        const method = property.authenticationMethod(t.profile.authenticationMethod!);
        await (await PLACES.connect.send(t, [method, method, firstData(t)])).refused([0x82]);
      },
    },
    "authentication-data-twice": {
      statements: ["3.1.2.11.10/twice"],
      levels: [5],
      needs: ["enhanced authentication"],
      does: "Sends a CONNECT with the target's Authentication Method and Authentication Data twice.",
      requires: "The connection is closed; CONNACK 0x82 may say why.",
      async run(t) {
        const method = property.authenticationMethod(t.profile.authenticationMethod!);
        await (await PLACES.connect.send(t, [method, firstData(t), firstData(t)])).refused([0x82]);
      },
    },
    "authentication-data-without-method": {
      statements: ["3.1.2.11.10/no-method"],
      levels: [5],
      does: "Sends a CONNECT with Authentication Data and without Authentication Method.",
      requires: "The connection is closed; CONNACK 0x82 may say why.",
      async run(t) {
        await (await PLACES.connect.send(t, [property.authenticationData("x")])).refused([0x82]);
      },
    },
    "receive-maximum-0": wrongValue(
      "3.1.2.11.3/zero",
      "connect",
      "Receive Maximum 0",
      property.receiveMaximum(0),
    ),
    "maximum-packet-size-0": wrongValue(
      "3.1.2.11.4/zero",
      "connect",
      "Maximum Packet Size 0",
      property.maximumPacketSize(0),
    ),
    "request-response-information-2": wrongValue(
      "3.1.2.11.6/range",
      "connect",
      "Request Response Information 2",
      property.requestResponseInformation(2),
    ),
    "request-problem-information-2": wrongValue(
      "3.1.2.11.7/range",
      "connect",
      "Request Problem Information 2",
      property.requestProblemInformation(2),
    ),
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
  }),
  ...serverCases("3.1.3.2", {
    ...twice("will", OF_WILL),
    "payload-format-2": oddValue(
      "3.1.3.2.3/range",
      "will",
      "Payload Format Indicator 2",
      property.payloadFormat(2),
    ),
    "response-topic-is-empty": oddValue(
      "MQTT-4.7.3-1",
      "will",
      "an empty Response Topic",
      property.responseTopic(""),
    ),
    "response-topic-has-wildcards": oddValue(
      "3.1.3.2.6/wildcard",
      "will",
      "a Response Topic with a wildcard",
      property.responseTopic("answers/+"),
    ),
  }),
];
