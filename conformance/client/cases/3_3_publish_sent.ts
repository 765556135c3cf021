/**
 * §1.5, §3.3 PUBLISH: what a Client under audit may send, and what it may not even if it is told to.
 * @module
 */
import { bytes, field, hex, TYPE } from "../../wire/bytes.ts";
import { type CaseInit, type ClientCase, clientCases, type RuleId } from "../../case.ts";
import { faultsOf } from "../rules.ts";
import type { ClientTrial } from "../trial.ts";
import { describe } from "../../wire/describe.ts";
import type { OrderedMessage } from "../drivers/driver.ts";
import { payloadText, textOf, valuesOf } from "../../wire/parse.ts";
import { check, Finding } from "../../verdict.ts";

/** A message that no Client may send: it refuses, or sends something else. */
function never(
  what: string,
  statements: readonly RuleId[],
  more: Partial<OrderedMessage>,
  levels: readonly (4 | 5)[] = [4, 5],
): CaseInit<ClientTrial> {
  return {
    statements,
    levels,
    does: `Orders a message ${what}.`,
    requires: "The Client does not send it so, but refuses or sends something that is right.",
    async run(t) {
      t.needs("any text");
      await t.forbidden({ publish: [t.message("wrong", 0, more)] }, (seen) => {
        if (seen.type !== TYPE.PUBLISH) return undefined;
        return faultsOf(seen, t.level)[0];
      });
    },
  };
}

/** Remaining Lengths on both sides of each step of a Variable Byte Integer, as far as a payload may bring them. */
const PAYLOAD_SIZES: readonly number[] = [1, 60, 127, 128, 300, 16_384, 20_000];

/** Cases of a PUBLISH that the Client sends. */
export const CASES: readonly ClientCase[] = [
  ...clientCases("1.5.4", {
    "byte-order-mark-is-sent": {
      statements: ["MQTT-1.5.4-3", "MQTT311-1.5.3-3", "MQTT-3.3.2-1", "MQTT311-3.3.2-1"],
      levels: [4, 5],
      does: "Orders a message on a topic that begins with U+FEFF.",
      requires: "The topic begins with the bytes EF BB BF.",
      async run(t) {
        const message = t.message("bom", 0, { topic: `\ufeff${t.topic("bom")}` });
        await t.start({ publish: [message] });
        const { peer } = await t.acceptConnect();
        const seen = await t.brought(peer, TYPE.PUBLISH);
        check(seen.topic === message.topic, `Its topic is ${JSON.stringify(seen.topic)}`);
      },
    },
    "u-0000-in-topic": never("on a topic with U+0000", [
      "MQTT-1.5.4-2",
      "MQTT-4.7.3-2",
      "MQTT311-1.5.3-2",
      "MQTT311-4.7.3-2",
    ], { topic: "a\0b" }),
    "surrogate-in-topic": never("on a topic with half a surrogate pair", [
      "MQTT-1.5.4-1",
      "MQTT311-1.5.3-1",
    ], { topic: "a\ud800b" }),
    "texts-of-properties": {
      statements: ["MQTT-3.3.2-13", "MQTT-3.3.2-19", "MQTT-1.5.7-1", "MQTT-1.5.4-1"],
      levels: [5],
      does:
        "Orders a message with a Response Topic, a Content Type and a User Property that are not all ASCII.",
      requires: "They come as ordered, in UTF-8.",
      async run(t) {
        const properties = {
          responseTopic: "antwört/auf",
          contentType: "text/schön",
          userProperty: ["größe", "übel 😀"],
        } as const;
        await t.start({ publish: [t.message("texts", 0, { properties })] });
        const { peer } = await t.acceptConnect();
        const seen = await t.owed(peer, TYPE.PUBLISH, "for it was ordered");
        check(textOf(seen, 0x08) === properties.responseTopic, "The Response Topic is not as ordered");
        check(textOf(seen, 0x03) === properties.contentType, "The Content Type is not as ordered");
        const pair = JSON.stringify(valuesOf(seen, 0x26));
        check(pair === JSON.stringify([properties.userProperty]), `The User Properties are ${pair}`);
      },
    },
  }),
  ...clientCases("1.5.5", {
    "shortest-lengths": {
      statements: ["MQTT-1.5.5-1"],
      levels: [5],
      does: `Orders messages of ${PAYLOAD_SIZES.join(", ")} bytes.`,
      requires: "Every length is written in the fewest bytes, and says what follows.",
      async run(t) {
        await t.start({
          publish: PAYLOAD_SIZES.map((size) => t.message("", 0, { payload: "x".repeat(size) })),
        });
        const { peer } = await t.acceptConnect();
        const { all } = await t.watch(peer);
        const sizes = all.filter(({ type }) => type === TYPE.PUBLISH).map((seen) => {
          check(seen.faults.length === 0, `PUBLISH is malformed: ${seen.faults.join(", ")}`);
          return payloadText(seen).length;
        });
        if (sizes.length === 0) throw new Finding("unsupported", "The Client does not publish");
        check(
          sizes.every((size) => PAYLOAD_SIZES.includes(size)),
          `Payloads of ${sizes.join(", ")} bytes came`,
        );
      },
    },
  }),
  ...clientCases("3.3.1", {
    "well-formed-at-every-qos": {
      statements: [
        "MQTT-3.3.1-2",
        "MQTT-3.3.1-4",
        "MQTT-3.3.4-6",
        "MQTT-3.3.2-1",
        "MQTT-2.1.3-1",
        "2.1.4/short",
        "2.2.2.2/not-allowed",
        "MQTT311-3.3.1-2",
        "MQTT311-3.3.1-4",
        "MQTT311-3.3.2-1",
        "MQTT311-2.2.2-1",
      ],
      levels: [4, 5],
      does:
        "Orders a message of each QoS, one with RETAIN where that can be ordered, and serves them to their end.",
      requires: "Every packet that comes is one that a Client may send, right in all its parts.",
      async run(t) {
        const several = t.has("several messages") && t.has("any text");
        const publish = several
          ? ([0, 1, 2] as const).map((qos) => t.message(`q${qos}`, qos))
          : [t.message("q2", 2)];
        if (several && t.has("retain")) publish.push(t.message("r", 1, { retain: true }));
        await t.start({ publish });
        const { peer } = await t.acceptConnect();
        const { all } = await t.watch(peer);
        if (!all.some(({ type }) => type === TYPE.PUBLISH)) {
          throw new Finding("unsupported", "The Client does not publish");
        }
        for (const seen of all) {
          const [fault] = faultsOf(seen, t.level);
          check(fault === undefined, `${describe(seen.raw, t.level)}: ${fault}`);
        }
      },
    },
  }),
  ...clientCases("3.3.2", {
    "topic-in-utf-8": {
      statements: ["MQTT-3.3.2-1", "MQTT-1.5.4-1", "MQTT311-3.3.2-1", "MQTT311-1.5.3-1"],
      levels: [4, 5],
      does: "Orders a message on a topic with characters of two, three and four bytes.",
      requires: "The topic is their UTF-8, its length counted in bytes.",
      async run(t) {
        const topic = `${t.topic("ü")}/€/😀`;
        await t.start({ publish: [t.message("x", 0, { topic })] });
        const { peer } = await t.acceptConnect();
        const seen = await t.brought(peer, TYPE.PUBLISH);
        const wanted = hex(bytes(field(topic)));
        check(hex(seen.raw).includes(wanted), `Its topic is ${JSON.stringify(seen.topic)}`);
      },
    },
    "hash-in-topic": never("on a topic with #", [
      "MQTT-3.3.2-2",
      "MQTT-4.7.0-1",
      "MQTT311-3.3.2-2",
      "MQTT311-4.7.1-1",
    ], { topic: "plumb-audit/#" }),
    "plus-in-topic": never("on a topic with +", [
      "MQTT-3.3.2-2",
      "MQTT-4.7.0-1",
      "MQTT311-3.3.2-2",
      "MQTT311-4.7.1-1",
    ], { topic: "plumb-audit/+/a" }),
    "empty-topic": never("on an empty topic", ["MQTT-4.7.3-1", "MQTT311-4.7.3-1"], { topic: "" }),
    "alias-0": never("with Topic Alias 0", ["MQTT-3.3.2-8"], { properties: { topicAlias: 0 } }, [5]),
    "wildcard-in-response-topic": never(
      "with a wildcard in its Response Topic",
      ["MQTT-3.3.2-14"],
      { properties: { responseTopic: "answers/#" } },
      [5],
    ),
  }),
];
