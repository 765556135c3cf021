/**
 * §3.3.2.3 Properties of PUBLISH that a Server passes on as they are.
 * @module
 */
import { hex, type Part, property, TYPE } from "../../wire/bytes.ts";
import { type ServerCase, serverCases } from "../../case.ts";
import { type Seen, textOf, valuesOf } from "../../wire/parse.ts";
import { hexCode } from "../../wire/peer.ts";
import type { Trial } from "../trial.ts";
import { check, fail, Finding } from "../../verdict.ts";

/** What a subscriber gets of a message with these properties. */
async function forwarded(t: Trial, ...properties: readonly Part[]): Promise<Seen> {
  const subscriber = await t.connect();
  await t.subscribe(subscriber, t.topic());
  await t.published(await t.connect(), { topic: t.topic(), payload: "x", qos: t.qos(1), properties });
  return await subscriber.take();
}

/** A property that holds one text came unaltered. */
function checkText(seen: Seen, id: number, text: string): void {
  const came = textOf(seen, id);
  check(came === text, `${JSON.stringify(text)} was published; ${JSON.stringify(came ?? "nothing")} came`);
}

type Pair = readonly [name: string, value: string];

/** Names and values that tell much: one twice, an empty one, one beyond ASCII, and no order of the alphabet. */
const PAIRS: readonly Pair[] = [["zulu", "1"], ["alpha", "2"], ["zulu", "3"], ["", ""], ["ä\u{1f600}", "é"]];

function pairsOf(seen: Seen): string[] {
  return valuesOf(seen, 0x26).map((pair) => JSON.stringify(pair));
}

const PUBLISHED_PAIRS: readonly string[] = PAIRS.map((pair) => JSON.stringify(pair));

/** Every property that is to be passed on, User Properties between the others. */
const ALL: readonly Part[] = [
  property.userProperty("b", "1"),
  property.payloadFormat(1),
  property.contentType("text/plain"),
  property.userProperty("a", "2"),
  property.responseTopic("audit/answer"),
  property.correlationData([0, 1, 254, 255]),
];

function checkAll(seen: Seen): void {
  checkFormat(seen, 1);
  checkText(seen, 0x03, "text/plain");
  checkText(seen, 0x08, "audit/answer");
  checkText(seen, 0x09, "0001feff");
  const pairs = pairsOf(seen).join(" ");
  check(pairs === '["b","1"] ["a","2"]', `The User Properties came as ${pairs || "none"}`);
}

/** Absent and 0 mean the same, so there a change is one of form only. */
function checkFormat(seen: Seen, published: 0 | 1 | undefined): void {
  const came = valuesOf(seen, 0x01)[0];
  if (came === published) return;
  const message = `Payload Format Indicator ${published ?? "absent"} was published; ${came ?? "none"} came`;
  if ((came ?? 0) === (published ?? 0)) throw new Finding("lenient", message);
  fail(message);
}

/** Cases of §3.3.2.3. */
export const CASES: readonly ServerCase[] = serverCases("3.3.2", {
  "payload-format": {
    statements: ["MQTT-3.3.2-4"],
    levels: [5],
    does: "Publishes with Payload Format Indicator 1, with 0, and without one.",
    requires: "A subscriber gets the same.",
    async run(t) {
      const subscriber = await t.connect();
      await t.subscribe(subscriber, t.topic());
      const peer = await t.connect();
      for (const format of [1, 0, undefined] as const) {
        const properties = format === undefined ? [] : [property.payloadFormat(format)];
        await t.published(peer, { topic: t.topic(), payload: "x", qos: t.qos(1), properties });
        checkFormat(await subscriber.take(), format);
      }
    },
  },
  "payload-not-utf-8": {
    statements: ["3.3.2.3.2/not-utf-8", "MQTT-3.3.2-4"],
    levels: [5],
    needs: ["qos 1"],
    does: "Publishes a payload that is no UTF-8 with Payload Format Indicator 1, QoS 1.",
    requires:
      "Either it is refused (0x99 in PUBACK or DISCONNECT), or a subscriber gets both as they were published.",
    async run(t) {
      const subscriber = await t.connect();
      await t.subscribe(subscriber, t.topic());
      const peer = await t.connect();
      const payload = Uint8Array.from([0x61, 0xc0, 0x80, 0xff]);
      const properties = [property.payloadFormat(1)];
      peer.send(t.publish({ topic: t.topic(), payload, qos: 1, id: 7, properties }));
      const answer = await peer.next();
      if (answer === undefined) return fail("Neither PUBACK nor the end of the connection came");
      if (answer.type === "end") return;
      const code = answer.code ?? 0;
      if (code === 0x99) return;
      if (code >= 0x80) throw new Finding("lenient", `Reason ${hexCode(code)} came; 0x99 is named`);
      check(answer.type === TYPE.PUBACK, `PUBACK was expected; packet type ${answer.type} came`);
      const received = await subscriber.take("for its PUBLISH was acknowledged");
      check(hex(received.payload!) === hex(payload), "The payload came altered");
      checkFormat(received, 1);
    },
  },
  "response-topic": {
    statements: ["MQTT-3.3.2-15"],
    levels: [5],
    does: "Publishes with a Response Topic.",
    requires: "It reaches a subscriber unaltered.",
    async run(t) {
      const text = `${t.topic("Answer")}//ä /`;
      checkText(await forwarded(t, property.responseTopic(text)), 0x08, text);
    },
  },
  "correlation-data": {
    statements: ["MQTT-3.3.2-16"],
    levels: [5],
    does: "Publishes with Correlation Data of all byte values.",
    requires: "They reach a subscriber byte for byte.",
    async run(t) {
      const data = Uint8Array.from({ length: 256 }, (_, i) => 255 - i);
      checkText(await forwarded(t, property.correlationData(data)), 0x09, hex(data));
    },
  },
  "correlation-data-empty": {
    statements: ["MQTT-3.3.2-16"],
    levels: [5],
    does: "Publishes with Correlation Data of no bytes.",
    requires: "A subscriber gets the property, with no bytes.",
    async run(t) {
      const received = await forwarded(t, property.correlationData([]));
      check(textOf(received, 0x09) !== undefined, "It came without Correlation Data");
      checkText(received, 0x09, "");
    },
  },
  "user-properties": {
    statements: ["MQTT-3.3.2-17"],
    levels: [5],
    does: "Publishes with five User Properties: one name twice, an empty name and value, some beyond ASCII.",
    requires: "A subscriber gets all of them unaltered.",
    async run(t) {
      const came = pairsOf(await forwarded(t, ...PAIRS.map((pair) => property.userProperty(...pair))));
      for (const pair of PUBLISHED_PAIRS) {
        check(came.includes(pair), `${pair} was published; ${came.join(" ") || "none"} came`);
      }
    },
  },
  "user-properties-in-order": {
    statements: ["MQTT-3.3.2-18"],
    levels: [5],
    does: "Publishes with User Properties of which one name comes twice, in no order of the alphabet.",
    requires: "They come in the order in which they were published.",
    async run(t) {
      const came = pairsOf(await forwarded(t, ...PAIRS.map((pair) => property.userProperty(...pair))))
        .filter((pair) => PUBLISHED_PAIRS.includes(pair));
      check(came.length > 1, `Five User Properties were published; ${came.length} came`);
      const wanted = PUBLISHED_PAIRS.filter((pair) => came.includes(pair)).join(" ");
      check(came.join(" ") === wanted, `The order was ${wanted}; ${came.join(" ") || "none"} came`);
    },
  },
  "content-type": {
    statements: ["MQTT-3.3.2-20"],
    levels: [5],
    does: "Publishes with a Content Type.",
    requires: "It reaches a subscriber unaltered.",
    async run(t) {
      const text = "Text/Plain; ä=\u{1f600}";
      checkText(await forwarded(t, property.contentType(text)), 0x03, text);
    },
  },
  "properties-of-retained": {
    statements: [
      "MQTT-3.3.2-4",
      "MQTT-3.3.2-15",
      "MQTT-3.3.2-16",
      "MQTT-3.3.2-17",
      "MQTT-3.3.2-18",
      "MQTT-3.3.2-20",
    ],
    levels: [5],
    needs: ["retain", "qos 1"],
    does: "Publishes a retained message with all its properties, then subscribes.",
    requires: "The new subscriber gets them all unaltered.",
    async run(t) {
      const peer = await t.connect();
      await t.published(peer, { topic: t.topic(), payload: "x", qos: 1, retain: true, properties: ALL });
      const subscriber = await t.connect();
      await t.subscribe(subscriber, t.topic());
      checkAll(await subscriber.take());
    },
  },
  "properties-of-queued": {
    statements: [
      "MQTT-3.3.2-4",
      "MQTT-3.3.2-15",
      "MQTT-3.3.2-16",
      "MQTT-3.3.2-17",
      "MQTT-3.3.2-18",
      "MQTT-3.3.2-20",
    ],
    levels: [5],
    needs: ["qos 1"],
    does: "Publishes a message with all its properties to a subscriber that is away and comes back.",
    requires: "The subscriber gets them all unaltered.",
    async run(t) {
      const { peer: subscriber } = await t.session();
      await t.subscribeAt(subscriber, t.topic(), 1);
      await subscriber.leave();
      await t.published(await t.connect(), { topic: t.topic(), payload: "x", qos: 1, properties: ALL });
      checkAll(await (await t.resume()).take("for it was published while the session lasted"));
    },
  },
});
