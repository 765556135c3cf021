/**
 * §3.2 CONNACK: what a Client under audit makes of what its Server says, and §3.1.2.10 Keep Alive.
 * @module
 */
import { acknowledgement, bytes, property, TYPE } from "../../wire/bytes.ts";
import { type CaseInit, type ClientCase, clientCases, type RuleId } from "../../case.ts";
import type { ClientTrial } from "../trial.ts";
import { numberOf, payloadText, type Seen } from "../../wire/parse.ts";
import { nameOf, type Peer } from "../../wire/peer.ts";
import { connack } from "../server_packets.ts";
import { check, Finding } from "../../verdict.ts";

/** What a clock and a busy machine may add to an interval. */
const JITTER_MS = 500;
const MAXIMUM_PACKET_SIZE = 100;

function qosAbove(most: number): (seen: Seen) => string | undefined {
  return ({ type, qos = 0 }) => type === TYPE.PUBLISH && qos > most ? `QoS ${qos}` : undefined;
}

function aliasAbove(most: number): (seen: Seen) => string | undefined {
  return (seen) => {
    const alias = numberOf(seen, 0x23) ?? 0;
    return seen.type === TYPE.PUBLISH && alias > most ? `Topic Alias ${alias}` : undefined;
  };
}

/** The Client must say something at least every `seconds`. */
async function keepsAlive(t: ClientTrial, peer: Peer, seconds: number): Promise<void> {
  let last = t.elapsedMs;
  let longest = 0;
  const until = last + seconds * 2_500;
  while (t.elapsedMs < until) {
    const { all, end } = await t.serve(peer, { until: () => true, ms: until - t.elapsedMs });
    if (end === "end") throw new Finding("unsupported", "The Client did not stay");
    if (all.length > 0 || t.elapsedMs >= until) {
      longest = Math.max(longest, t.elapsedMs - last);
      last = t.elapsedMs;
    }
  }
  const said = `${(longest / 1_000).toFixed(1)} s passed without a packet at a Keep Alive of ${seconds} s`;
  check(longest <= seconds * 1_500, said);
  // A Server may close only after one and a half times the interval.
  if (longest > seconds * 1_000 + JITTER_MS) throw new Finding("lenient", said);
}

/** A CONNACK that is against the format. */
function wrong(
  what: string,
  statements: readonly RuleId[],
  properties: Parameters<typeof connack>[1] & object,
): CaseInit<ClientTrial> {
  return {
    statements,
    levels: [5],
    does: `Answers CONNECT with a CONNACK ${what}.`,
    requires: "The Client should close the connection, with a DISCONNECT that says why.",
    async run(t) {
      await t.start();
      const { peer } = await t.acceptUnanswered();
      peer.send(connack(5, properties));
      await t.refused(peer, [0x82, 0x81], `for a CONNACK ${what}`);
    },
  };
}

const twice = (name: string, id: RuleId, one: Uint8Array) =>
  wrong(`with two ${name}`, [id], { properties: [one, one] });

/** Cases of §3.2, and of §3.1.2.10. */
export const CASES: readonly ClientCase[] = [
  ...clientCases("3.1.2", {
    "keep-alive": {
      statements: ["MQTT-3.1.2-20", "MQTT311-3.1.2-23"],
      levels: [4, 5],
      timing: true,
      does: "Orders a Keep Alive of 5 seconds and is silent.",
      requires:
        "A packet comes at least every 5 seconds; up to the 7.5 that a Server must wait it is lenient.",
      async run(t) {
        t.needs("keep alive", "subscribe");
        const peer = await t.subscribed({ keepAlive: 5 });
        await keepsAlive(t, peer, 5);
      },
    },
  }),
  ...clientCases("3.2.2", {
    "server-keep-alive": {
      statements: ["MQTT-3.1.2-21", "MQTT-3.2.2-21"],
      levels: [5],
      timing: true,
      does: "Answers CONNECT with Server Keep Alive 4 and is silent.",
      requires: "A packet comes at least every 4 seconds; up to the 6 that a Server must wait it is lenient.",
      async run(t) {
        const peer = await t.subscribed({}, { properties: [property.serverKeepAlive(4)] });
        await keepsAlive(t, peer, 4);
      },
    },
    "session-present-without-a-session": {
      statements: ["MQTT-3.2.2-4"],
      levels: [5],
      does: "Answers a CONNECT with Clean Start 1 with Session Present 1.",
      requires: "The Client, which has no session, closes the connection.",
      async run(t) {
        await t.start();
        const { peer, connect } = await t.acceptUnanswered();
        if ((connect.connect!.flags & 2) === 0) {
          throw new Finding("unsupported", "The Client connects with Clean Start 0");
        }
        peer.send(connack(5, { sessionPresent: true }));
        await peer.refused([], "for the Client has no session");
      },
    },
    "session-lost": {
      statements: ["MQTT-3.2.2-5"],
      levels: [5],
      does:
        "Cuts the connection while a QoS 1 message is open and answers the next CONNECT with Session Present 0.",
      requires:
        "The Client drops the session: the PUBLISH does not come again as a repeat. (A new message may.)",
      async run(t) {
        await t.start(t.kept({ publish: [t.message("lost", 1)] }));
        const { peer } = await t.acceptConnect();
        await t.brought(peer, TYPE.PUBLISH);
        peer.abort();
        const { peer: next } = await t.comeBack();
        const { all } = await t.watch(next);
        const old = all.find(({ type, dup }) => type === TYPE.PUBLISH && dup === true);
        check(old === undefined, `PUBLISH ${old?.id} came again with DUP 1`);
      },
    },
    "session-lost-after-pubrec": {
      statements: ["MQTT-3.2.2-5"],
      levels: [5],
      does: "Cuts the connection behind PUBREC and answers the next CONNECT with Session Present 0.",
      requires: "The Client drops the session: no PUBREL comes.",
      async run(t) {
        await t.start(t.kept({ publish: [t.message("lost", 2)] }));
        const { peer } = await t.acceptConnect();
        const { id = 0 } = await t.brought(peer, TYPE.PUBLISH, ({ qos }) => qos === 2);
        peer.send(acknowledgement(TYPE.PUBREC, id));
        await t.owed(peer, TYPE.PUBREL, "for its PUBREC was sent");
        peer.abort();
        const { peer: next } = await t.comeBack();
        const { all } = await t.watch(next);
        const old = all.find(({ type }) => type === TYPE.PUBREL);
        const again = all.find(({ type, dup }) => type === TYPE.PUBLISH && dup === true);
        check(again === undefined, `PUBLISH ${again?.id} came again with DUP 1`);
        // A new message with a new exchange has a PUBREL too.
        const renewed = all.some(({ type, qos }) => type === TYPE.PUBLISH && qos === 2);
        check(old === undefined || renewed, `PUBREL ${old?.id} came`);
      },
    },
    ...Object.fromEntries(([0, 1] as const).map((most) => [
      `maximum-qos-${most}`,
      {
        statements: ["MQTT-3.2.2-11"],
        levels: [5],
        does: `Answers CONNECT with Maximum QoS ${most}; a message of QoS ${most + 1} was ordered.`,
        requires: "It does not come with a QoS above the maximum.",
        async run(t) {
          const properties = [property.maximumQos(most)];
          const qos = most === 0 ? 1 : 2;
          await t.forbidden({ publish: [t.message("high", qos)] }, qosAbove(most), { properties });
        },
      } satisfies CaseInit<ClientTrial>,
    ])),
    "retain-not-available": {
      statements: ["MQTT-3.2.2-14"],
      levels: [5],
      does: "Answers CONNECT with Retain Available 0; a retained message was ordered.",
      requires: "No PUBLISH with RETAIN 1 comes.",
      async run(t) {
        await t.forbidden(
          { publish: [t.message("kept", 0, { retain: true })] },
          ({ type, retain }) => type === TYPE.PUBLISH && retain === true ? "RETAIN is 1" : undefined,
          { properties: [property.retainAvailable(0)] },
        );
      },
    },
    "maximum-packet-size": {
      statements: ["MQTT-3.2.2-15"],
      levels: [5],
      does:
        `Answers CONNECT with Maximum Packet Size ${MAXIMUM_PACKET_SIZE}; a message of 500 bytes was ordered.`,
      requires: "No packet is larger.",
      async run(t) {
        await t.forbidden(
          { publish: [t.message("", 0, { payload: "x".repeat(500) })] },
          ({ raw }) => raw.length > MAXIMUM_PACKET_SIZE ? `${raw.length} bytes` : undefined,
          { properties: [property.maximumPacketSize(MAXIMUM_PACKET_SIZE)] },
        );
      },
    },
    "explanations-within-maximum-packet-size": {
      statements: [
        "MQTT-3.2.2-15",
        "MQTT-3.4.2-2",
        "MQTT-3.4.2-3",
        "MQTT-3.5.2-2",
        "MQTT-3.5.2-3",
        "MQTT-3.7.2-2",
        "MQTT-3.7.2-3",
        "MQTT-3.14.2-3",
        "MQTT-3.14.2-4",
      ],
      levels: [5],
      does:
        `Sends messages of QoS 1 and 2, then a malformed one, to a Client that may send ${MAXIMUM_PACKET_SIZE} bytes.`,
      requires: "No acknowledgement and no DISCONNECT is larger, whatever it would like to explain.",
      async run(t) {
        const peer = await t.subscribed({}, {
          properties: [property.maximumPacketSize(MAXIMUM_PACKET_SIZE)],
        });
        peer.send(t.publish({ topic: t.topic(), payload: "x", qos: 1, id: 1 }));
        peer.send(t.publish({ topic: t.topic(), payload: "x", qos: 2, id: 2 }));
        const before = await t.watch(peer);
        peer.send(t.publish({ topic: bytes(0xff), payload: "x" }));
        const after = await t.watch(peer);
        for (const { type, raw } of [...before.all, ...after.all]) {
          check(raw.length <= MAXIMUM_PACKET_SIZE, `${nameOf(type)} has ${raw.length} bytes`);
        }
      },
    },
    "no-topic-alias-allowed": {
      statements: ["MQTT-3.2.2-18", "MQTT-3.2.2-17", "MQTT-3.3.2-9"],
      levels: [5],
      does: "Answers CONNECT without Topic Alias Maximum; a message with Topic Alias 1 was ordered.",
      requires: "No PUBLISH with a Topic Alias comes.",
      async run(t) {
        const publish = [t.message("alias", 0, { properties: { topicAlias: 1 } })];
        await t.forbidden({ publish }, aliasAbove(0));
      },
    },
    "topic-alias-maximum": {
      statements: ["MQTT-3.2.2-17", "MQTT-3.3.2-9"],
      levels: [5],
      does: "Answers CONNECT with Topic Alias Maximum 2; messages with the aliases 2 and 3 were ordered.",
      requires: "No alias above 2 comes.",
      async run(t) {
        const publish = [2, 3].map((topicAlias) => t.message("alias", 0, { properties: { topicAlias } }));
        await t.forbidden({ publish }, aliasAbove(2), { properties: [property.topicAliasMaximum(2)] });
      },
    },
    "alias-of-the-client-ends-with-the-connection": {
      statements: ["MQTT-3.3.2-7"],
      levels: [5],
      does:
        "Takes a QoS 1 message with Topic Alias 1, cuts the connection, and lets the Client come back to its session.",
      requires:
        "The message comes again with its topic: the alias alone means nothing on the new connection.",
      async run(t) {
        const message = t.message("alias", 1, { properties: { topicAlias: 1 } });
        const properties = [property.topicAliasMaximum(2)];
        await t.start(t.kept({ publish: [message, message] }));
        const { peer } = await t.acceptConnect({ properties });
        await t.brought(peer, TYPE.PUBLISH);
        await t.watch(peer, { answer: ({ type }) => type === TYPE.PUBLISH ? [] : undefined });
        peer.abort();
        const { peer: next } = await t.comeBack({ sessionPresent: true, properties });
        const again = await t.owed(next, TYPE.PUBLISH, "for it was not acknowledged");
        check(again.topic === message.topic, `Its topic is ${JSON.stringify(again.topic)}`);
        check(payloadText(again) === message.payload, `Its payload is ${JSON.stringify(payloadText(again))}`);
      },
    },
    "receive-maximum-0": wrong("with Receive Maximum 0", ["3.2.2.3.3/zero"], {
      properties: [property.receiveMaximum(0)],
    }),
    "maximum-packet-size-0": wrong("with Maximum Packet Size 0", ["3.2.2.3.6/zero"], {
      properties: [property.maximumPacketSize(0)],
    }),
    "maximum-qos-2": wrong("with Maximum QoS 2", ["3.2.2.3.4/range"], {
      properties: [property.maximumQos(2)],
    }),
    "retain-available-2": wrong("with Retain Available 2", ["3.2.2.3.5/range"], {
      properties: [property.retainAvailable(2)],
    }),
    "receive-maximum-twice": twice("Receive Maximum", "3.2.2.3.3/twice", property.receiveMaximum(9)),
    "session-expiry-twice": twice("Session Expiry Intervals", "3.2.2.3.2/twice", property.sessionExpiry(9)),
    "maximum-qos-twice": twice("Maximum QoS", "3.2.2.3.4/twice", property.maximumQos(1)),
    "topic-alias-maximum-twice": twice(
      "Topic Alias Maximum",
      "3.2.2.3.8/twice",
      property.topicAliasMaximum(1),
    ),
    "server-keep-alive-twice": twice("Server Keep Alive", "3.2.2.3.14/twice", property.serverKeepAlive(60)),
  }),
];
