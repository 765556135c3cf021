/**
 * §3.3.2.3 Properties of PUBLISH that are not what they must be: what a Server under audit must do.
 * @module
 */
import { options, type Part, property, TYPE } from "../../wire/bytes.ts";
import { type CaseInit, type RuleId, type ServerCase, serverCases } from "../../case.ts";
import { valuesOf } from "../../wire/parse.ts";
import type { Trial } from "../trial.ts";
import { fail, Finding } from "../../verdict.ts";

/** Publishes with these properties on a new connection, which must be closed. */
async function refused(t: Trial, codes: readonly number[], ...properties: readonly Part[]): Promise<void> {
  const peer = await t.connect();
  peer.send(t.publish({ topic: t.topic(), properties }));
  await peer.refused(codes);
}

/** A property that the text allows only once. */
function twice(rule: RuleId, name: string, property: Part): CaseInit<Trial> {
  return {
    statements: [rule],
    levels: [5],
    does: `Publishes with ${name} twice.`,
    requires: "The connection is closed; DISCONNECT 0x82 may say why.",
    run: (t) => refused(t, [0x82], property, property),
  };
}

/** A property of which the text does not say what happens if it comes twice. */
function oddlyTwice(rule: RuleId, name: string, property: Part): CaseInit<Trial> {
  return {
    statements: [rule],
    levels: [5],
    does: `Publishes with ${name} twice.`,
    requires:
      "The connection is closed; DISCONNECT 0x82 or 0x81 may say why. No sentence says so for PUBLISH, " +
      "so a Server that lets it pass is lenient.",
    async run(t) {
      const peer = await t.connect();
      peer.send(t.publish({ topic: t.topic(), properties: [property, property] }));
      await peer.shouldRefuse([0x82, 0x81]);
    },
  };
}

/** A text that is none: a surrogate, an overlong form, U+0000. */
const NO_TEXT: readonly Part[] = [["a", 0xed, 0xa0, 0x80], [0xc0, 0xaf], ["a", 0, "b"]];

/** Cases of §3.3.2.3. */
export const CASES: readonly ServerCase[] = serverCases("3.3.2", {
  "payload-format-twice": oddlyTwice(
    "3.3.2.3.2/twice",
    "Payload Format Indicator",
    property.payloadFormat(0),
  ),
  "payload-format-2": {
    statements: ["3.3.2.3.2/range"],
    levels: [5],
    does: "Publishes with Payload Format Indicator 2.",
    requires:
      "The connection is closed; DISCONNECT 0x82 or 0x81 may say why. No sentence says so, so a Server " +
      "that lets it pass is lenient.",
    async run(t) {
      const peer = await t.connect();
      peer.send(t.publish({ topic: t.topic(), properties: [property.payloadFormat(2)] }));
      await peer.shouldRefuse([0x82, 0x81]);
    },
  },
  "message-expiry-twice": oddlyTwice(
    "3.3.2.3.3/twice",
    "Message Expiry Interval",
    property.messageExpiry(100),
  ),
  "topic-alias-twice": {
    ...twice("3.3.2.3.4/twice", "Topic Alias", property.topicAlias(1)),
    needs: ["topic alias"],
  },
  "response-topic-twice": twice("3.3.2.3.5/twice", "Response Topic", property.responseTopic("a")),
  "correlation-data-twice": twice("3.3.2.3.6/twice", "Correlation Data", property.correlationData("a")),
  "content-type-twice": twice("3.3.2.3.9/twice", "Content Type", property.contentType("a")),
  "subscription-identifier-from-client": {
    statements: ["MQTT-3.3.4-6"],
    levels: [5],
    does: "Publishes with a Subscription Identifier, which only a Server may do.",
    requires: "The connection is closed; DISCONNECT 0x82 may say why. Nobody receives the message.",
    async run(t) {
      const subscriber = await t.connect();
      await t.subscribe(subscriber, t.topic());
      await refused(t, [0x82, 0x81], property.subscriptionIdentifier(1));
      await subscriber.expectNoPublish("for it came with a Subscription Identifier");
    },
  },
  "subscription-identifier-0": {
    statements: ["3.3.2.3.8/zero"],
    levels: [5],
    does: "Publishes with Subscription Identifier 0.",
    requires: "The connection is closed; DISCONNECT 0x82 may say why.",
    run: (t) => refused(t, [0x82, 0x81], property.subscriptionIdentifier(0)),
  },
  "response-topic-not-utf-8": {
    statements: ["MQTT-3.3.2-13"],
    levels: [5],
    does: "Publishes with a Response Topic that is no UTF-8, or has U+0000, each on a new connection.",
    requires: "Each connection is closed; DISCONNECT 0x81 may say why.",
    async run(t) {
      for (const bad of NO_TEXT) await refused(t, [0x81], property.responseTopic(bad));
    },
  },
  "content-type-not-utf-8": {
    statements: ["MQTT-3.3.2-19"],
    levels: [5],
    does: "Publishes with a Content Type that is no UTF-8, or has U+0000, each on a new connection.",
    requires: "Each connection is closed; DISCONNECT 0x81 may say why.",
    async run(t) {
      for (const bad of NO_TEXT) await refused(t, [0x81], property.contentType(bad));
    },
  },
  "response-topic-empty": {
    statements: ["MQTT-4.7.3-1"],
    levels: [5],
    does: "Publishes with an empty Response Topic.",
    requires:
      "The connection is closed; DISCONNECT 0x82 may say why. A Topic Name has a character; no sentence says it of this property, so a Server that lets it pass is lenient.",
    async run(t) {
      const peer = await t.connect();
      peer.send(t.publish({ topic: t.topic(), properties: [property.responseTopic("")] }));
      await peer.shouldRefuse([0x82, 0x81]);
    },
  },
  "response-topic-with-wildcard": {
    statements: ["MQTT-3.3.2-14"],
    levels: [5],
    does: "Publishes with a Response Topic that has a wildcard, while a subscriber is there.",
    requires:
      "It is refused: any code, or a close. To pass it on is a breach of the Server's own; to drop it " +
      "without a word is lenient.",
    async run(t) {
      const subscriber = await t.connect();
      await t.subscribe(subscriber, t.topic(), options(0));
      for (const bad of ["a/#", "+/a"]) {
        const peer = await t.connect();
        const properties = [property.responseTopic(bad)];
        peer.send(t.publish({ topic: t.topic(), qos: t.qos(1), id: t.id(), properties }));
        const answers = await peer.answers();
        const closed = peer.drained || answers.some(({ type }) => type === TYPE.DISCONNECT);
        if (closed || answers.some(({ type, code = 0 }) => type === TYPE.PUBACK && code >= 0x80)) continue;
        const publisher = await t.connect();
        publisher.send(t.publish({ topic: t.topic(), payload: "end" }));
        for (const seen of await subscriber.takeUntil("end")) {
          const came = valuesOf(seen, 0x08)[0];
          if (came !== undefined) fail(`PUBLISH came with Response Topic ${JSON.stringify(came)}`);
        }
        throw new Finding("lenient", `A Response Topic ${JSON.stringify(bad)} is not refused`);
      }
    },
  },
});
