/** Values of the owner that packets cannot carry: an error at the call, or a no and a report, and never a word of it to the peer. @module */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { PeerError, UsageError } from "../codec/error.ts";
import { PacketType } from "../codec/packet_type.ts";
import { assertEnded, assertNotAccepted, Told } from "../testing/assertions.ts";
import { Hand } from "../testing/by_hand.ts";
import { Pair } from "../testing/pair.ts";
import type { AuthorizationRequest, MessageInit, ReasonCode, Tap, Verdict } from "./mod.ts";

const LONG = "x".repeat(65_536);
const { CONNACK, DISCONNECT, PUBACK, SUBACK } = PacketType;

/** A value that TypeScript would not let through. */
function wrong<T>(value: unknown): T {
  return value as T;
}

const MESSAGES: Readonly<Record<string, unknown>> = {
  "no message": undefined,
  "null": null,
  "no topic": { payload: "" },
  "a topic that is a number": { topic: 5, payload: "" },
  "an empty topic": { topic: "", payload: "" },
  "a wildcard": { topic: "a/#", payload: "" },
  "U+0000 in the topic": { topic: "a\0", payload: "" },
  "a lone surrogate in the topic": { topic: "\ud800", payload: "" },
  "a topic of 65,536 bytes": { topic: LONG, payload: "" },
  "a topic of 65,536 bytes in fewer characters": { topic: "é".repeat(32_768), payload: "" },
  "no payload": { topic: "t" },
  "a payload that is a number": { topic: "t", payload: 5 },
  "an ArrayBuffer": { topic: "t", payload: new ArrayBuffer(3) },
  "a DataView": { topic: "t", payload: new DataView(new ArrayBuffer(3)) },
  "null as payload": { topic: "t", payload: null },
  "QoS 3": { topic: "t", payload: "", qos: 3 },
  "QoS -1": { topic: "t", payload: "", qos: -1 },
  "QoS as a text": { topic: "t", payload: "", qos: "1" },
  "QoS null": { topic: "t", payload: "", qos: null },
  "RETAIN 1": { topic: "t", payload: "", retain: 1 },
  "properties that are none": { topic: "t", payload: "", properties: 5 },
  "null as properties": { topic: "t", payload: "", properties: null },
};

const PROPERTIES: Readonly<Record<string, unknown>> = {
  "a Topic Alias": { topicAlias: 1 },
  "a Topic Alias that is undefined": { topicAlias: undefined },
  "Subscription Identifiers": { subscriptionIdentifiers: [1] },
  "a property of another packet": { sessionExpiryInterval: 1 },
  "an unknown property": { colour: "red" },
  "a format of 2": { payloadFormatIndicator: 2 },
  "a format that is true": { payloadFormatIndicator: true },
  "an expiry below 0": { messageExpiryInterval: -1 },
  "an expiry of half a second": { messageExpiryInterval: 0.5 },
  "an expiry that is a text": { messageExpiryInterval: "1" },
  "an expiry that is a bigint": { messageExpiryInterval: 1n },
  "an expiry that is null": { messageExpiryInterval: null },
  "a Content Type that is a number": { contentType: 1 },
  "a Content Type of 65,536 bytes": { contentType: LONG },
  "a Content Type with a lone surrogate": { contentType: "\udc00" },
  "a Content Type with U+0000": { contentType: "\0" },
  "a Response Topic with a wildcard": { responseTopic: "a/+" },
  "an empty Response Topic": { responseTopic: "" },
  "a Response Topic that is a symbol": { responseTopic: Symbol("a") },
  "Correlation Data that are a text": { correlationData: "abc" },
  "Correlation Data that are an ArrayBuffer": { correlationData: new ArrayBuffer(3) },
  "Correlation Data of 65,536 bytes": { correlationData: new Uint8Array(65_536) },
  "User Properties that are an object": { userProperties: { a: "b" } },
  "a User Property that is a text": { userProperties: ["ab"] },
  "a User Property of one text": { userProperties: [["a"]] },
  "a User Property of three texts": { userProperties: [["a", "b", "c"]] },
  "a User Property with a number": { userProperties: [["a", 1]] },
  "a User Property with a lone surrogate": { userProperties: [["a", "\ud800"]] },
};

describe("publish() throws a UsageError, and nothing has happened, for", () => {
  const all = Object.entries(MESSAGES).concat(
    Object.entries(PROPERTIES).map(([name, properties]) => [name, { topic: "t", payload: "x", properties }]),
  );
  for (const [name, message] of all) {
    test(name, () => {
      const pair = new Pair();
      const client = pair.connect();
      client.subscribe("#");
      const { traffic: _, ...stats } = pair.broker.stats;
      const error = assertThrows(
        () => pair.broker.publish(wrong<MessageInit>(message), pair.now),
        UsageError,
      );
      assert(!error.message.includes("[object"), error.message);
      const { traffic: __, ...after } = pair.broker.stats;
      assertEquals(after, stats);
      client.assertSilent();
      pair.broker.publish({ topic: "t", payload: new Uint8Array([0x79]), retain: true }, pair.now); // no half is left over
      assertEquals(client.takeTexts(), ["y"]);
    });
  }

  test("what is no frame, for inject(); and what is no PUBLISH is a PeerError", () => {
    const { broker, now } = new Pair();
    for (const frame of [undefined, "text", new ArrayBuffer(4), {}]) {
      assertThrows(() => broker.inject(wrong<Uint8Array>(frame), now), UsageError, "no frame");
    }
    for (
      const bytes of [[], [0x30], [0x30, 3, 0, 0, 0], [0x30, 4, 0, 1, 0x23, 0], [0x30, 4, 0, 1, 0xff, 0]]
    ) {
      assertThrows(() => broker.inject(Uint8Array.from(bytes), now), PeerError);
    }
    assertEquals(broker.work, "none");
  });

  test("what is no filter, no function and no tap, for tap() and untap()", () => {
    const { broker } = new Pair();
    for (const filter of [undefined, 5, "", "#/a", "$share/g/a"]) {
      assertThrows(() => broker.tap(wrong<string>(filter), () => {}), UsageError, "Topic Filter");
    }
    assertThrows(() => broker.tap("a", wrong<() => void>(undefined)), UsageError, "function");
    assertThrows(() => broker.untap(wrong<Tap>({})), UsageError);
    const tap = broker.tap("a", () => {});
    broker.untap(tap);
    broker.untap(tap);
  });
});

describe("disconnect() throws a UsageError for a reason that DISCONNECT cannot carry", () => {
  const fine = { code: 0x98, rule: "policy/administrative", message: "Out" };
  const reasons: Readonly<Record<string, unknown>> = {
    "nothing": undefined,
    "a code that is a text": { ...fine, code: "0" },
    "an unknown code": { ...fine, code: 0x79 },
    "a code of another packet": { ...fine, code: 0x92 },
    "a code of the Client": { ...fine, code: 0x04 },
    "no rule": { code: 0x98, message: "Out" },
    "no message": { code: 0x98, rule: fine.rule },
    "a lone surrogate": { ...fine, message: "\ud800" },
    "U+0000": { ...fine, message: "\0" },
    "a Server Reference that is a number": { code: 0x9c, serverReference: 5 },
    "a Server Reference of 65,536 bytes": { code: 0x9c, serverReference: LONG },
  };
  for (const [name, reason] of Object.entries(reasons)) {
    test(name, () => {
      const pair = new Pair();
      const client = pair.connect();
      assertThrows(
        () =>
          pair.broker.disconnect(
            "stub",
            reason as typeof fine & { code: 0x98; rule: "policy/banned" },
            pair.now,
          ),
        UsageError,
      );
      assertThrows(() => pair.broker.disconnect("nobody", wrong(reason), pair.now), UsageError);
      client.assertSilent();
      assertEquals(pair.broker.disconnect("stub", wrong(fine), pair.now), true);
      assertEnded(client, 0x98, "policy/administrative");
    });
  }
});

const VERDICTS: Readonly<Record<string, unknown>> = {
  "undefined": undefined,
  "null": null,
  "true": true,
  "0": 0,
  "a text": "yes",
  "no code": {},
  "a code that is a text": { code: "x" },
  "a code that is a digit": { code: "0" },
  "a code that is a promise": { code: Promise.resolve(0) },
  "an unknown code": { code: 0x79 },
  "a return code of 3.1.1": { code: 5 },
  "a code that CONNACK does not have": { code: 0x8b },
  "a thing with a `then` that is none": { then: 5, code: "x" },
  "0x18 to a Client without method": { code: 0x18 },
  "data that are a text": { code: 0, authenticationData: "abc" },
  "data of 65,536 bytes": { code: 0, authenticationData: new Uint8Array(65_536) },
  "a name that is a number": { code: 0, username: 5 },
  "a reason that is an Error": { code: 0, reasonString: new Error("secret") },
  "a reason of 65,536 bytes": { code: 0, reasonString: LONG },
  "a reason with a lone surrogate, and a no": { code: 0x87, reasonString: "\ud800" },
  "a Server Reference that is a number": { code: 0x9c, serverReference: 5 },
};

describe("an authenticator's answer that is no verdict is reported, and a no: 0x88", () => {
  for (const [name, answer] of Object.entries(VERDICTS)) {
    test(name, () => {
      for (const level of [3, 4, 5] as const) {
        for (const isLater of [false, true]) {
          const told = new Told();
          const hand = new Hand<Verdict>();
          const pair = new Pair({
            hooks: told.hooks,
            authenticate: () => isLater ? hand.later : wrong<Verdict>(answer),
          });
          const client = pair.open(level);
          client.connect();
          if (isLater) hand.answer(wrong<Verdict>(answer));
          const connack = assertNotAccepted(client, level === 5 ? 0x88 : 3, "policy/not-authorized");
          const reason = connack.properties?.reasonString;
          assertEquals(reason, level === 5 ? "policy/not-authorized: The authenticator failed" : undefined);
          assertEquals(told.failures.length, 1);
          assert(told.failures[0] instanceof UsageError);
          assert(!`${told.failures[0]}`.includes("[object") && !`${told.failures[0]}`.includes("secret"));
          told.assertRefused(0x88, "policy/not-authorized");
          pair.assertEmpty();
        }
      }
    });
  }

  test("and a Client that is authenticated anew is ended: 0x87", () => {
    for (
      const answer of [undefined, { code: "x" }, { code: 0x8d, reasonString: 5 }, { code: 0x9e, username: 5 }]
    ) {
      const told = new Told();
      const pair = new Pair({
        hooks: told.hooks,
        authenticationMethods: ["m"],
        authenticate: ({ kind }) => kind === "connect" ? { code: 0 } : wrong<Verdict>(answer),
      });
      const client = pair.connect({ properties: { authenticationMethod: "m" } });
      client.send({ type: PacketType.AUTH, reasonCode: 0x19, properties: { authenticationMethod: "m" } });
      assertEquals(
        assertEnded(client, 0x87, "policy/not-authorized").properties?.reasonString?.includes("failed"),
        true,
      );
      assertEquals(told.failures.length, 1);
    }
  });

  test("but it may be any code of DISCONNECT then, and any of CONNACK before", () => {
    for (const code of [0x8d, 0x9e, 0xa0] as const) {
      const pair = new Pair({
        authenticationMethods: ["m"],
        authenticate: ({ kind }) => kind === "connect" ? { code: 0 } : { code },
      });
      const client = pair.connect({ properties: { authenticationMethod: "m" } });
      client.send({ type: PacketType.AUTH, reasonCode: 0x19, properties: { authenticationMethod: "m" } });
      assertEquals(client.take(DISCONNECT).reasonCode, code);
    }
  });
});

describe("an authorizer's answer that is no permission is reported, and a no: 0x87", () => {
  const answers: Readonly<Record<string, unknown>> = {
    "undefined": undefined,
    "true": true,
    "false": false,
    "a text": "0",
    "an object": { code: 0 },
    "a thing with a `then` that is none": { then: true },
    "1": 1,
    "0x10": 0x10,
    "NaN": NaN,
    "0x91": 0x91,
    "a code of DISCONNECT": 0x8e,
  };
  for (const [name, answer] of Object.entries(answers)) {
    test(name, () => {
      for (const isLater of [false, true]) {
        const told = new Told();
        const asked: Hand<ReasonCode>[] = [];
        const pair = new Pair({
          hooks: told.hooks,
          authorize: ({ action }) => {
            if (action === "subscribe" && answer === 0x91) return 0; // SUBACK has that
            if (!isLater) return wrong<ReasonCode>(answer);
            const hand = new Hand<ReasonCode>();
            asked.push(hand);
            return hand.later;
          },
        });
        const client = pair.connect();
        const settle = () => {
          for (const hand of asked.splice(0)) hand.answer(wrong<ReasonCode>(answer));
          pair.settle();
        };
        client.publish({ topic: "t", qos: 1 });
        settle();
        const puback = client.take(PUBACK);
        assertEquals(puback.reasonCode, 0x87);
        assertEquals(
          puback.properties?.reasonString,
          "policy/not-authorized: This topic may not be published to",
        );
        assertEquals(told.failures.length, 1);
        assert(told.failures[0] instanceof UsageError);
        assert(!`${told.failures[0]}`.includes("[object"));
        const will = { topic: "w", payload: new Uint8Array(0), qos: 0, retain: false } as const;
        const other = pair.open();
        other.connect({ clientId: "other", will });
        settle();
        assertNotAccepted(other, 0x87, "policy/not-authorized");
        if (answer === 0x91) continue;
        const options = { qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
        client.send({
          type: PacketType.SUBSCRIBE,
          packetId: 1,
          subscriptions: [{ filter: "t", ...options }],
        });
        settle();
        assertEquals(client.take(SUBACK).reasonCodes, [0x87]);
        assertEquals(told.failures.length, 3);
      }
    });
  }

  test("every code that its packet has is taken", () => {
    const codes: Record<AuthorizationRequest["action"], readonly ReasonCode[]> = {
      publish: [0x80, 0x83, 0x87, 0x90, 0x97, 0x99],
      subscribe: [0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2],
    };
    let code: ReasonCode = 0;
    const pair = new Pair({ authorize: () => code });
    const client = pair.connect();
    for (code of codes.subscribe) assertEquals(client.subscribe("t"), [code]);
    for (code of codes.publish) {
      client.publish({ topic: "t", qos: 1 });
      assertEquals(client.take(PUBACK).reasonCode, code);
      const other = pair.open();
      other.connect({
        clientId: "o",
        will: { topic: "w", payload: new Uint8Array(0), qos: 0, retain: false },
      });
      assertEquals(other.take(CONNACK).reasonCode, code);
    }
  });
});

test("Response Information that is no text is reported, and the Client that it was for has lost nothing", () => {
  for (const answer of [5, LONG, "\ud800"]) {
    const told = new Told();
    const pair = new Pair({ hooks: told.hooks, responseInformation: () => wrong<string>(answer) });
    const first = pair.connect();
    const client = pair.open();
    client.connect({ properties: { requestResponseInformation: true } });
    assertNotAccepted(client, 0x83, "MQTT-4.13.1-1");
    assertEquals(told.failures.length, 1);
    first.assertSilent();
  }
});
