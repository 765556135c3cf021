/**
 * §1.5.4, §3.3 What a Client under audit does with a PUBLISH of its Server, right or wrong.
 * @module
 */
import { bytes, type Part, property, type PublishParts, TYPE } from "../../wire/bytes.ts";
import { type CaseInit, type ClientCase, clientCases, type RuleId } from "../../case.ts";
import type { ClientTrial, OrderInit } from "../trial.ts";
import { nameOf } from "../../wire/peer.ts";
import { check } from "../../verdict.ts";

const SHOULD_CLOSE =
  "The Client {5|should close the connection, with a DISCONNECT that says why}{4|closes the connection}.";

/** A PUBLISH that breaks a rule. */
function wrong(
  what: string,
  statements: readonly RuleId[],
  parts: (t: ClientTrial) => Partial<Omit<PublishParts, "level">>,
  codes: readonly number[],
  levels: readonly (4 | 5)[] = [4, 5],
  order: OrderInit = {},
): CaseInit<ClientTrial> {
  return {
    statements,
    levels,
    does: `Sends a PUBLISH ${what}.`,
    requires: SHOULD_CLOSE,
    async run(t) {
      const peer = await t.subscribed(order);
      peer.send(t.publish({ topic: t.topic(), payload: "x", ...parts(t) }));
      await t.refused(peer, codes, `for a PUBLISH ${what}`);
    },
  };
}

function wrongProperties(
  what: string,
  statements: readonly RuleId[],
  properties: readonly Part[],
  codes: readonly number[] = [0x82, 0x81],
): CaseInit<ClientTrial> {
  return wrong(what, statements, () => ({ properties }), codes, [5]);
}

const ILL_FORMED: Readonly<Record<string, Part>> = {
  "surrogate": bytes("a", 0xed, 0xa0, 0x80),
  "overlong": bytes("a", 0xc0, 0xaf),
  "truncated": bytes("a", 0xe2, 0x82),
};

/** Cases of a PUBLISH that the Client receives. */
export const CASES: readonly ClientCase[] = [
  ...clientCases("1.5.4", {
    ...Object.fromEntries(
      Object.entries(ILL_FORMED).map(([name, topic]) => [
        `topic-${name}`,
        wrong(
          `whose topic has ${name === "overlong" ? "an" : "a"} ${name} sequence`,
          [
            "MQTT-1.5.4-1",
            "MQTT-3.3.2-1",
            "MQTT311-1.5.3-1",
          ],
          () => ({ topic }),
          [0x81],
        ),
      ]),
    ),
    "topic-with-u-0000": wrong(
      "whose topic has U+0000",
      [
        "MQTT-1.5.4-2",
        "MQTT-4.7.3-2",
        "MQTT311-1.5.3-2",
        "MQTT311-4.7.3-2",
      ],
      () => ({ topic: "a\0b" }),
      [0x81, 0x82, 0x90],
    ),
    "byte-order-mark-is-kept": {
      statements: ["MQTT-1.5.4-3", "MQTT311-1.5.3-3"],
      levels: [4, 5],
      does: "Sends a message on a topic that begins with U+FEFF.",
      requires: "The application gets the topic with it, where that can be seen.",
      async run(t) {
        const peer = await t.subscribed();
        const topic = `\ufeff${t.topic()}`;
        const payload = t.payload("bom");
        peer.send(t.publish({ topic, payload, qos: 1, id: 3 }));
        await t.owed(peer, TYPE.PUBACK, "for the topic is well formed");
        const [heard] = await t.handedOver(payload);
        if (heard?.topic === undefined) t.needs("any text");
        else check(heard.topic === topic, `The application got the topic ${JSON.stringify(heard.topic)}`);
      },
    },
  }),
  ...clientCases("3.3.1", {
    "qos-3": wrong("with both QoS bits set", ["MQTT-3.3.1-4", "MQTT311-3.3.1-4"], () => ({ qos: 3 }), [0x81]),
    "dup-at-qos-0": wrong(
      "with DUP 1 and QoS 0",
      ["MQTT-3.3.1-2", "MQTT311-3.3.1-2"],
      () => ({ dup: true }),
      [],
    ),
  }),
  ...clientCases("3.3.2", {
    "topic-with-wildcard": wrong(
      "whose topic has a wildcard",
      [
        "MQTT-3.3.2-2",
        "MQTT-4.7.0-1",
        "MQTT311-3.3.2-2",
        "MQTT311-4.7.1-1",
      ],
      () => ({ topic: "plumb-audit/+/x" }),
      [0x81, 0x82, 0x90],
    ),
    "empty-topic": wrong(
      "with an empty topic and no alias",
      [
        "MQTT-4.7.3-1",
        "MQTT311-4.7.3-1",
        "3.3.2.1/no-topic",
      ],
      () => ({ topic: "" }),
      [0x82, 0x81, 0x90],
    ),
    "alias-0": wrong(
      "with Topic Alias 0",
      ["MQTT-3.3.2-8", "3.3.4/alias-zero"],
      () => ({ properties: [property.topicAlias(0)] }),
      [0x94, 0x82],
      [5],
      { topicAliasMaximum: 5 },
    ),
    "alias-above-maximum": wrong(
      "with Topic Alias 6 to a Client that takes five",
      ["3.3.4/alias-above-maximum"],
      () => ({ properties: [property.topicAlias(6)] }),
      [0x94],
      [5],
      { topicAliasMaximum: 5 },
    ),
    "alias-unknown": wrong(
      "without a topic, with a Topic Alias that was never given one",
      ["3.3.4/alias-unknown"],
      () => ({ topic: "", properties: [property.topicAlias(4)] }),
      [0x82, 0x94],
      [5],
      { topicAliasMaximum: 5 },
    ),
    "aliases-up-to-maximum": {
      statements: ["MQTT-3.3.2-10"],
      levels: [5],
      does:
        "Gives topics to the aliases 1 and 5 of a Client that takes five, and uses them without the topics.",
      requires:
        "Both messages are acknowledged, and the application gets the right topics where that can be seen.",
      async run(t) {
        const peer = await t.subscribed({ topicAliasMaximum: 5 });
        for (const alias of [1, 5]) {
          const properties = [property.topicAlias(alias)];
          const topic = t.topic(`alias-${alias}`);
          peer.send(t.publish({ topic, payload: "given", properties }));
        }
        for (const alias of [1, 5]) {
          const properties = [property.topicAlias(alias)];
          const payload = t.payload(`used-${alias}`);
          peer.send(t.publish({ topic: "", payload, qos: 1, id: alias, properties }));
          await t.owed(
            peer,
            TYPE.PUBACK,
            `for alias ${alias} is in range and known`,
            ({ id }) => id === alias,
          );
          const [heard] = await t.handedOver(payload);
          if (heard?.topic === undefined) continue;
          check(heard.topic === t.topic(`alias-${alias}`), `The application got the topic ${heard.topic}`);
        }
      },
    },
    "alias-given-again": {
      statements: ["MQTT-3.3.2-10"],
      levels: [5],
      does: "Gives alias 1 a topic, then another topic, and uses it without one.",
      requires:
        "The message is acknowledged, and the application gets the later topic where that can be seen.",
      async run(t) {
        const peer = await t.subscribed({ topicAliasMaximum: 5 });
        const properties = [property.topicAlias(1)];
        for (const name of ["former", "latter"]) {
          peer.send(t.publish({ topic: t.topic(name), payload: "given", properties }));
        }
        const payload = t.payload("used");
        peer.send(t.publish({ topic: "", payload, qos: 1, id: 2, properties }));
        await t.owed(peer, TYPE.PUBACK, "for the alias is known", ({ id }) => id === 2);
        const [heard] = await t.handedOver(payload);
        if (heard?.topic === undefined) return;
        check(heard.topic === t.topic("latter"), `The application got the topic ${heard.topic}`);
      },
    },
    "alias-ends-with-the-connection": {
      statements: ["MQTT-3.3.2-7"],
      levels: [5],
      does: "Gives alias 1 a topic, cuts the connection, and uses the alias alone on the next.",
      requires: "The Client does not know it any more: it should close, with DISCONNECT 0x82.",
      async run(t) {
        const peer = await t.subscribed(t.kept({
          topicAliasMaximum: 5,
          subscribe: [{ filter: t.topic(), qos: 2 }],
        }));
        const properties = [property.topicAlias(1)];
        peer.send(t.publish({ topic: t.topic(), payload: "given", qos: 1, id: 1, properties }));
        await t.owed(peer, TYPE.PUBACK, "for a message of QoS 1 was sent");
        peer.abort();
        const { peer: next } = await t.comeBack({ sessionPresent: true });
        const payload = t.payload("stale");
        next.send(t.publish({ topic: "", payload, qos: 1, id: 2, properties }));
        const { all } = await t.watch(next);
        const heard = t.heard(payload).some(({ topic }) => topic === t.topic());
        check(!heard, "The application got the message with the topic of the old connection");
        const taken = all.find(({ type, id, code = 0 }) => type === TYPE.PUBACK && id === 2 && code < 0x80);
        check(taken === undefined, "The message was acknowledged");
      },
    },
    "response-topic-with-wildcard": wrongProperties(
      "whose Response Topic has a wildcard",
      ["MQTT-3.3.2-14"],
      [property.responseTopic("a/#")],
      [0x82, 0x81, 0x90],
    ),
    "response-topic-not-utf-8": wrongProperties(
      "whose Response Topic is no UTF-8",
      [
        "MQTT-3.3.2-13",
        "MQTT-1.5.4-1",
      ],
      [property.responseTopic(bytes(0xff))],
      [0x81],
    ),
    "content-type-not-utf-8": wrongProperties(
      "whose Content Type is no UTF-8",
      [
        "MQTT-3.3.2-19",
        "MQTT-1.5.4-1",
      ],
      [property.contentType(bytes(0xff))],
      [0x81],
    ),
    "user-property-name-not-utf-8": wrongProperties(
      "with a User Property whose name is no UTF-8",
      [
        "MQTT-1.5.7-1",
      ],
      [property.userProperty(bytes(0xff), "value")],
      [0x81],
    ),
    "user-property-with-u-0000": wrongProperties(
      "with a User Property that has U+0000",
      [
        "MQTT-1.5.7-1",
        "MQTT-1.5.4-2",
      ],
      [property.userProperty("name", "a\0b")],
      [0x81],
    ),
    "payload-format-2": wrongProperties("with Payload Format Indicator 2", ["3.3.2.3.2/range"], [
      property.payloadFormat(2),
    ]),
    "payload-format-twice": wrongProperties("with two Payload Format Indicators", ["3.3.2.3.2/twice"], [
      property.payloadFormat(1),
      property.payloadFormat(1),
    ]),
    "message-expiry-twice": wrongProperties("with two Message Expiry Intervals", ["3.3.2.3.3/twice"], [
      property.messageExpiry(60),
      property.messageExpiry(60),
    ]),
    "response-topic-twice": wrongProperties("with two Response Topics", ["3.3.2.3.5/twice"], [
      property.responseTopic("a"),
      property.responseTopic("b"),
    ]),
    "correlation-data-twice": wrongProperties("with two Correlation Data", ["3.3.2.3.6/twice"], [
      property.correlationData("a"),
      property.correlationData("b"),
    ]),
    "content-type-twice": wrongProperties("with two Content Types", ["3.3.2.3.9/twice"], [
      property.contentType("a"),
      property.contentType("b"),
    ]),
    "subscription-identifier-0": wrongProperties("with Subscription Identifier 0", ["3.3.2.3.8/zero"], [
      property.subscriptionIdentifier(0),
    ]),
    "unknown-property": wrongProperties("with a property that is not assigned", ["2.2.2.2/unknown"], [
      bytes(0x04, 0),
    ]),
    "property-of-another-packet": wrongProperties("with a Receive Maximum", ["2.2.2.2/not-allowed"], [
      property.receiveMaximum(9),
    ]),
    "property-past-the-end": wrongProperties("with a property that ends behind Property Length", [
      "2.2.2.1/past-end",
    ], [bytes(0x03, 0, 9, "a")]),
  }),
  ...clientCases("3.3.4", {
    "more-than-receive-maximum": {
      statements: ["3.3.4/receive-maximum"],
      levels: [5],
      does: "Has three QoS 2 messages open at a Client whose Receive Maximum is 2.",
      requires: "The Client should close the connection, with DISCONNECT 0x93.",
      async run(t) {
        const peer = await t.subscribed({ receiveMaximum: 2 });
        for (const id of [1, 2, 3]) peer.send(t.publish({ topic: t.topic(), payload: "x", qos: 2, id }));
        await t.refused(peer, [0x93], "for three are open");
      },
    },
  }),
  ...clientCases("4.13.2", {
    "disconnect-with-error-and-close": {
      statements: ["MQTT-4.13.2-1", "MQTT-3.14.2-1", "MQTT-3.14.4-1", "MQTT-3.14.4-2"],
      levels: [5],
      does: "Sends a PUBLISH with both QoS bits set, for the Client to say why it closes.",
      requires: "If a DISCONNECT comes, the Client closes behind it and sends nothing more.",
      async run(t) {
        const peer = await t.subscribed();
        peer.send(t.publish({ topic: t.topic(), payload: "x", qos: 3 }));
        const { all, end } = await t.serve(peer);
        const at = all.findIndex(({ type }) => type === TYPE.DISCONNECT);
        if (at < 0) return;
        check(all[at]!.faults.length === 0, `DISCONNECT is malformed: ${all[at]!.faults.join(", ")}`);
        const more = all[at + 1];
        check(more === undefined, `${more && nameOf(more.type)} came behind DISCONNECT`);
        check(end === "end", "The connection stayed open behind DISCONNECT");
      },
    },
  }),
];
