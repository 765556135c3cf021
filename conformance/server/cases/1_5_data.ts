/**
 * §1.5 Data representation, texts and Variable Byte Integers: what a Server under audit must do.
 * @module
 */
import {
  bytes,
  field,
  options,
  type Part,
  property,
  subscribe,
  TYPE,
  unsubscribe,
} from "../../wire/bytes.ts";
import type { Capability } from "../../capability.ts";
import { type CaseInit, type ServerCase, serverCases } from "../../case.ts";
import type { Peer } from "../../wire/peer.ts";
import { PLACES, places } from "../places.ts";
import type { Trial } from "../trial.ts";
import { check } from "../../verdict.ts";

/** Bytes that are not well-formed UTF-8, by what is wrong with them. */
const ILL_FORMED: Readonly<Record<string, Uint8Array>> = {
  "the surrogate U+D800": bytes(0xed, 0xa0, 0x80),
  "the surrogate U+DFFF": bytes(0xed, 0xbf, 0xbf),
  "an overlong form": bytes(0xc0, 0xaf),
  "a continuation byte alone": bytes("a", 0x80, "b"),
  "a sequence cut short": bytes("a", 0xe2, 0x82),
  "a code point above U+10FFFF": bytes(0xf4, 0x90, 0x80, 0x80),
};

/** A text of a Client's packet, and how it gets there. */
interface Field {
  readonly name: string;
  readonly levels: CaseInit<Trial>["levels"];
  readonly needs?: readonly Capability[];
  /** Sends it and has it refused. */
  refused(t: Trial, text: Part, why: string): Promise<void>;
}

const FIELDS: Readonly<Record<string, Field>> = {
  "client-id": {
    name: "the Client Identifier",
    levels: [4, 5],
    refused: (t, text, why) =>
      t.malformedConnect(t.connectBytes({ clientId: [t.clientId("u"), text] }), [0x81], why),
  },
  "will-topic": {
    name: "the Will Topic",
    levels: [4, 5],
    refused: (t, text, why) =>
      t.malformedConnect(t.connectBytes({ will: { topic: [t.topic(), text] } }), [0x81], why),
  },
  "user-name": {
    name: "the User Name",
    levels: [4, 5],
    refused: (t, text, why) =>
      t.malformedConnect(t.connectBytes({ username: [t.profile.username ?? "u", text] }), [0x81], why),
  },
  "topic-name": {
    name: "the Topic Name of a PUBLISH",
    levels: [4, 5],
    refused: (t, text, why) => after(t, t.publish({ topic: [t.topic(), text] }), why),
  },
  "topic-filter": {
    name: "a Topic Filter of SUBSCRIBE",
    levels: [4, 5],
    refused: (t, text, why) => after(t, subscribe(t.level, t.id(), [[[t.topic(), text], 0]]), why),
  },
  "filter-to-unsubscribe": {
    name: "a Topic Filter of UNSUBSCRIBE",
    levels: [4, 5],
    refused: (t, text, why) => after(t, unsubscribe(t.level, t.id(), [[t.topic(), text]]), why),
  },
  "content-type": {
    name: "the Content Type of a PUBLISH",
    levels: [5],
    refused: (t, text, why) => placed(PLACES.publish.send(t, [property.contentType(text)]), why),
  },
  "response-topic": {
    name: "the Response Topic of a PUBLISH",
    levels: [5],
    refused: (t, text, why) => placed(PLACES.publish.send(t, [property.responseTopic(text)]), why),
  },
  "will-content-type": {
    name: "the Content Type of a will",
    levels: [5],
    refused: (t, text, why) => placed(PLACES.will.send(t, [property.contentType(text)]), why),
  },
  "reason-string": {
    name: "the Reason String of a PUBACK",
    levels: [5],
    needs: ["qos 1"],
    refused: (t, text, why) => placed(PLACES.puback.send(t, [property.reasonString(text)]), why),
  },
};

async function after(t: Trial, data: Uint8Array, why: string): Promise<void> {
  const peer = await t.connect();
  peer.send(data);
  await peer.refused([0x81], why);
}

async function placed(sent: Promise<Peer>, why: string): Promise<void> {
  await (await sent).refused([0x81], why);
}

function ofFields(
  prefix: string,
  statements: CaseInit<Trial>["statements"],
  what: string,
  texts: Readonly<Record<string, Uint8Array>>,
): Record<string, CaseInit<Trial>> {
  const init = ([key, { name, levels, needs, refused }]: [string, Field]) =>
    [`${prefix}-${key}`, {
      statements,
      levels,
      ...(needs && { needs }),
      does: `Sends ${what} in ${name}, each kind on a connection of its own.`,
      requires: "The connection is closed{5|; the code 0x81 may say why}.",
      async run(t: Trial) {
        for (const [kind, text] of Object.entries(texts)) await refused(t, text, `for the text has ${kind}`);
      },
    }] as const;
  return Object.fromEntries(Object.entries(FIELDS).map(init));
}

/** User Properties with one bad text each. */
const BAD_PAIRS: readonly (readonly [what: string, pair: Uint8Array])[] = [
  ["its name is ill-formed", property.userProperty(bytes("n", 0xed, 0xa0, 0x80), "v")],
  ["its value is ill-formed", property.userProperty("n", bytes("v", 0xed, 0xa0, 0x80))],
  ["its name has U+0000", property.userProperty("n\0", "v")],
  ["its value has U+0000", property.userProperty("n", "v\0")],
];

const PAIRS: Record<string, CaseInit<Trial>> = Object.fromEntries(
  places().map(([key, { name, needs, send }]) => [`pair-in-${key}`, {
    statements: ["MQTT-1.5.7-1"],
    levels: [5],
    needs,
    does:
      `Sends ${name} with a User Property whose name or value is ill-formed or has U+0000, four connections in all.`,
    requires: "Each connection is closed; the code 0x81 may say why.",
    async run(t) {
      for (const [what, pair] of BAD_PAIRS) {
        await placed(send(t, [pair]), `for the User Property is malformed: ${what}`);
      }
    },
  }]),
);

/** Payload lengths that bring the Remaining Length of a PUBLISH to both sides of one and of two bytes. */
function payloadsAround(body: number, most = Infinity): number[] {
  return [126, 127, 128, 129, 16_383, 16_384].filter((length) => length + 4 <= most).map((length) =>
    Math.max(0, length - body)
  );
}

/** Cases of §1.5. */
export const CASES: readonly ServerCase[] = [
  ...serverCases("1.5.4", {
    ...ofFields("ill-formed", ["MQTT-1.5.4-1", "MQTT311-1.5.3-1"], "ill-formed UTF-8", ILL_FORMED),
    ...ofFields("nul-in", ["MQTT-1.5.4-2", "MQTT311-1.5.3-2"], "U+0000", {
      "U+0000": bytes("a", 0, "b"),
      "U+0000 at its end": bytes("a", 0),
    }),
    "bom-is-kept": {
      statements: ["MQTT-1.5.4-3", "MQTT311-1.5.3-3"],
      levels: [4, 5],
      does: "Publishes to a topic, and to those with the bytes EF BB BF before and behind it.",
      requires:
        "Each message comes to the subscriber of its own topic only, and the three bytes are still there.",
      async run(t) {
        const topics = [t.topic(), `\ufeff${t.topic()}`, `${t.topic()}\ufeff`];
        const peer = await t.connect();
        const subscribers = [];
        for (const topic of topics) {
          const subscriber = await t.connect();
          await t.subscribe(subscriber, topic, options(0));
          subscribers.push({ subscriber, topic });
        }
        for (const topic of topics) peer.send(t.publish({ topic }));
        await peer.barrier();
        for (const { subscriber, topic } of subscribers) {
          const came = await subscriber.expectPublish(`on ${JSON.stringify(topic)}`);
          check(
            came.topic === topic,
            `The topic is ${JSON.stringify(came.topic)}, not ${JSON.stringify(topic)}`,
          );
          await subscriber.expectNoPublish("for the other topics are others");
        }
      },
    },
  }),
  ...serverCases("1.5.5", {
    "server-writes-the-shortest": {
      statements: ["MQTT-1.5.5-1"],
      levels: [5],
      does: "Has messages sent whose Remaining Length is around 127 and around 16383.",
      requires: "They come, and every Variable Byte Integer is in its shortest form.",
      async run(t) {
        const peer = await t.connect();
        await t.subscribe(peer, t.topic(), options(0));
        const topic = t.topic();
        for (const length of payloadsAround(field(topic).length + 1, t.profile.maximumPacketSize)) {
          peer.send(t.publish({ topic, payload: new Uint8Array(length).fill(0x61) }));
          const came = await peer.expect(TYPE.PUBLISH); // which fails for an over-long form
          check(
            came.payload?.length === length,
            `${came.payload?.length} bytes of payload came, ${length} were sent`,
          );
        }
      },
    },
    "over-long-remaining-length": {
      statements: ["1.5.5/over-long"],
      levels: [5],
      does: "Sends a PINGREQ whose Remaining Length of 0 is written in two bytes.",
      requires:
        "The connection should be closed, for the form is not allowed; the standard does not say that a receiver must look.",
      async run(t) {
        const peer = await t.connect();
        peer.send(bytes(TYPE.PINGREQ << 4, 0x80, 0x00));
        await peer.shouldRefuse([0x81], "for its Remaining Length is over-long");
      },
    },
    "over-long-property-length": {
      statements: ["1.5.5/over-long"],
      levels: [5],
      does: "Sends a SUBSCRIBE whose Property Length of 0 is written in two bytes.",
      requires:
        "The connection should be closed, for the form is not allowed; the standard does not say that a receiver must look.",
      async run(t) {
        const peer = await t.connect();
        peer.send(subscribe(5, t.id(), [[t.topic(), 0]], bytes(0x80, 0x00)));
        await peer.shouldRefuse([0x81], "for its Property Length is over-long");
      },
    },
    "fifth-byte-of-remaining-length": {
      statements: ["1.5.5/fifth-byte"],
      levels: [4, 5],
      does: "Sends a PINGREQ whose Remaining Length goes on for five bytes.",
      requires: "The connection is closed{5|; DISCONNECT 0x81 may say why}.",
      async run(t) {
        const peer = await t.connect();
        peer.send(bytes(TYPE.PINGREQ << 4, 0x80, 0x80, 0x80, 0x80, 0x00));
        await peer.refused([0x81]);
      },
    },
    "fifth-byte-of-property-length": {
      statements: ["1.5.5/fifth-byte"],
      levels: [5],
      does: "Sends an UNSUBSCRIBE whose Property Length goes on for five bytes.",
      requires: "The connection is closed; DISCONNECT 0x81 may say why.",
      async run(t) {
        const peer = await t.connect();
        peer.send(unsubscribe(5, t.id(), [t.topic()], bytes(0x80, 0x80, 0x80, 0x80, 0x00)));
        await peer.refused([0x81]);
      },
    },
  }),
  ...serverCases("1.5.7", PAIRS),
];
