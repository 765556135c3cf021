/**
 * MQTT.js at levels 4, 5 and 3 against the broker.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { IClientOptions } from "mqtt";
import { Buffer } from "node:buffer";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers";
import { within } from "../../lib/within.ts";
import { type Arrived, joined, type Mqttjs } from "./mqttjs.ts";
import { assertSameBytes, LARGE, onStage, type Stage, UNICODE_TOPICS } from "./test_broker.ts";
import { patient } from "../../../src/testing/patience.ts";

const QOS = [0, 1, 2] as const;

/**
 * Fails unless these are the texts, each at its QoS. MQTT.js hands over a QoS 2 message when it is released, so there is
 * one order for QoS 2 and one for the others.
 */
function assertInOrder(
  messages: readonly Arrived[],
  texts: readonly string[],
  qosOf: (text: string) => number,
): void {
  const got = messages.map(({ payload, qos }) => ({ text: payload.toString(), qos: qos as number }));
  const expected = texts.map((text) => ({ text, qos: qosOf(text) }));
  for (const one of [0, 1, 2]) { // §4.6 what waits for its turn in flight is overtaken by QoS 0
    const some = (all: typeof got) => all.filter(({ qos }) => qos === one);
    assertEquals(some(got), some(expected));
  }
}

/** Fails unless, before "end", 0 to 59 come: the even ones at QoS 1, the odd ones at QoS 2 and so once. */
async function assertAllUntilEnd(subscriber: Mqttjs): Promise<void> {
  const seen = new Map<string, number>();
  for (let text = ""; text !== "end";) {
    [text = ""] = await subscriber.takeTexts(1);
    seen.set(text, (seen.get(text) ?? 0) + 1);
  }
  for (let i = 0; i < 60; i++) {
    const times = seen.get(`${i}`) ?? 0;
    assert(times === 1 || (i % 2 === 0 && times > 1), `QoS ${i % 2 + 1} message ${i} came ${times} times`);
  }
}

for (const level of [4, 5] as const) {
  const client = (stage: Stage, clientId: string, options: IClientOptions = {}): Promise<Mqttjs> =>
    joined(stage, { protocolVersion: level, clientId, ...options });
  /** A session that outlives its connection. */
  const kept: IClientOptions = level === 5
    ? { clean: false, properties: { sessionExpiryInterval: 600 } }
    : { clean: false };

  describe(`MQTT.js, level ${level}`, () => {
    test("QoS 0, 1 and 2 in every pairing", patient, () =>
      onStage(async (stage) => {
        const publisher = await client(stage, "publisher");
        for (const granted of QOS) {
          const subscriber = await client(stage, `subscriber-${granted}`);
          assertEquals(await subscriber.subscribe("pair/#", { qos: granted }), [granted]);
          for (const qos of QOS) {
            await publisher.publish(`pair/${qos}`, `at ${qos}`, { qos });
            const [message] = await subscriber.take(1);
            assertEquals(message!.topic, `pair/${qos}`);
            assertEquals(message!.payload.toString(), `at ${qos}`);
            assertEquals(message!.qos, Math.min(qos, granted));
            assertEquals([message!.retain, message!.dup], [false, false]);
          }
        }
      }));

    test("many messages in order at QoS 0, 1 and 2", patient, () =>
      onStage(async (stage) => {
        const publisher = await client(stage, "publisher");
        const subscriber = await client(stage, "subscriber");
        await subscriber.subscribe("order/+");
        for (const qos of QOS) {
          const texts = Array.from({ length: 500 }, (_, i) => `${qos}:${i}`);
          await Promise.all(texts.map((text) => publisher.publish(`order/${qos}`, text, { qos })));
          assertEquals(await subscriber.takeTexts(texts.length), texts);
        }
      }));

    test(
      "retained messages are set, received, replaced and cleared",
      patient,
      () =>
        onStage(async (stage) => {
          const publisher = await client(stage, "publisher");
          for (const qos of QOS) await publisher.publish(`kept/${qos}`, "old", { qos, retain: true });
          for (const qos of QOS) await publisher.publish(`kept/${qos}`, `new ${qos}`, { qos, retain: true });
          const first = await client(stage, "first");
          await first.subscribe("kept/#");
          const messages = await first.take(3);
          assertEquals(messages.map(({ payload }) => payload.toString()).sort(), ["new 0", "new 1", "new 2"]);
          assert(messages.every(({ retain }) => retain));
          for (const qos of QOS) await publisher.publish(`kept/${qos}`, "", { qos, retain: true });
          assertEquals((await first.take(3)).map(({ retain }) => retain), [false, false, false]);
          const second = await client(stage, "second");
          await second.subscribe("kept/#");
          await publisher.publish("kept/end", "nothing before this");
          assertEquals(await second.takeTexts(1), ["nothing before this"]);
        }),
    );

    test(
      "a will is published for a lost connection, and not after DISCONNECT",
      patient,
      () =>
        onStage(async (stage) => {
          const watcher = await client(stage, "watcher");
          await watcher.subscribe("will/#");
          for (const qos of QOS) {
            const will = {
              topic: `will/${qos}`,
              payload: Buffer.from(`gone ${qos}`),
              qos,
              retain: qos === 1,
            };
            const polite = await client(stage, `polite-${qos}`, { will });
            await polite.end();
            await stage.disconnected(polite.id);
            const lost = await client(stage, `lost-${qos}`, { will });
            lost.cut();
            const [message] = await watcher.take(1);
            assertEquals([message!.topic, message!.payload.toString(), message!.qos], [
              `will/${qos}`,
              `gone ${qos}`,
              qos,
            ]);
          }
          const late = await client(stage, "late");
          await late.subscribe("will/#");
          const [message] = await late.take(1);
          assertEquals([message!.topic, message!.retain], ["will/1", true]);
          assertEquals(watcher.messages.items.length, 0);
        }),
    );

    test(
      "a persistent session gets what was published while it was away",
      patient,
      () =>
        onStage(async (stage) => {
          const before = await client(stage, "sleeper", kept);
          assertEquals(before.connack!.sessionPresent, false);
          await before.subscribe("away/#");
          await before.end();
          await stage.disconnected("sleeper");
          const publisher = await client(stage, "publisher");
          await publisher.publish("away/0", "lost", { qos: 0 });
          const texts = Array.from({ length: 100 }, (_, i) => `${i}`);
          for (const text of texts) {
            const qos = Number(text) % 2 === 0 ? 1 : 2;
            await publisher.publish(`away/${qos}`, text, { qos });
          }
          const after = await client(stage, "sleeper", kept);
          assertEquals(after.connack!.sessionPresent, true);
          assertInOrder(await after.take(texts.length), texts, (text) => Number(text) % 2 === 0 ? 1 : 2);
          await after.end();
          const fresh = await client(stage, "sleeper", { clean: true });
          assertEquals(fresh.connack!.sessionPresent, false);
        }),
    );

    test(
      "members of a shared subscription share, others get everything",
      patient,
      () =>
        onStage(async (stage) => {
          const all = await client(stage, "all");
          await all.subscribe("jobs/#", { qos: 1 });
          const members = await Promise.all([0, 1, 2, 3].map((i) => client(stage, `member-${i}`)));
          for (const member of members) {
            assertEquals(await member.subscribe("$share/crew/jobs/#", { qos: 1 }), [1]);
          }
          const other = await client(stage, "other");
          await other.subscribe("$share/another/jobs/#", { qos: 1 });
          const publisher = await client(stage, "publisher");
          const texts = Array.from({ length: 200 }, (_, i) => `${i}`);
          await Promise.all(texts.map((text) => publisher.publish("jobs/item", text, { qos: 1 })));
          assertEquals(await all.takeTexts(200), texts);
          assertEquals(await other.takeTexts(200), texts);
          const got = (await Promise.all(members.map((member) => member.takeTexts(50)))).flat();
          assertEquals(got.map(Number).sort((a, b) => a - b), texts.map(Number));
          await members[0]!.end();
          await stage.disconnected("member-0");
          await Promise.all(texts.map((text) => publisher.publish("jobs/item", text, { qos: 1 })));
          await Promise.all(members.slice(1).map((member) => member.take(66)));
          assertEquals(await other.takeTexts(200), texts);
        }),
    );

    test("5 MB at QoS 0, 1 and 2", patient, () =>
      onStage(async (stage) => {
        const publisher = await client(stage, "publisher");
        const subscriber = await client(stage, "subscriber");
        await subscriber.subscribe("large");
        for (const qos of QOS) {
          await publisher.publish("large", LARGE, { qos });
          const [message] = await subscriber.take(1);
          assertEquals(message!.qos, qos);
          assertSameBytes(message!.payload, LARGE);
        }
      }));

    test(
      "topics beyond the BMP, with a BOM, composed and decomposed",
      patient,
      () =>
        onStage(async (stage) => {
          const publisher = await client(stage, "publisher");
          for (const topic of UNICODE_TOPICS) {
            const subscriber = await client(stage, `läser-${topic}`);
            await subscriber.subscribe(topic);
            for (const other of UNICODE_TOPICS) await publisher.publish(other, other, { qos: 1 });
            const [message] = await subscriber.take(1);
            assertEquals(message!.payload.toString(), topic);
            assertEquals(message!.topic, topic);
            await publisher.publish(topic, "the next is this", { qos: 1 });
            assertEquals(await subscriber.takeTexts(1), ["the next is this"]);
          }
        }),
    );

    test("500 topics", patient, () =>
      onStage(async (stage) => {
        const topics = Array.from({ length: 500 }, (_, i) => `many/${i % 7}/${i}`);
        const exact = await client(stage, "exact");
        assertEquals(await exact.subscribe(topics, { qos: 1 }), topics.map(() => 1));
        const wild = await client(stage, "wild");
        await wild.subscribe("many/3/#", { qos: 1 });
        const publisher = await client(stage, "publisher");
        await Promise.all(topics.map((topic) => publisher.publish(topic, topic, { qos: 1 })));
        assertEquals((await exact.take(500)).map(({ topic }) => topic), topics);
        const third = topics.filter((topic) => topic.startsWith("many/3/"));
        assertEquals(await wild.takeTexts(third.length), third);
        await within(exact.client.unsubscribeAsync(topics.slice(0, 499)), "499 topics are unsubscribed");
        await Promise.all(topics.map((topic) => publisher.publish(topic, topic, { qos: 1 })));
        assertEquals(await exact.takeTexts(1), topics.slice(499));
      }));

    test("fan-out to 50 clients", patient, () =>
      onStage(async (stage) => {
        const publisher = await client(stage, "publisher");
        const crowd = await Promise.all(Array.from({ length: 50 }, (_, i) => client(stage, `crowd-${i}`)));
        await Promise.all(crowd.map((one, i) => one.subscribe("crowd/#", { qos: i % 3 as 0 | 1 | 2 })));
        const texts = Array.from({ length: 60 }, (_, i) => `${i}`);
        const sent = texts.map((text, i) =>
          publisher.publish(`crowd/${i % 5}`, text, { qos: i % 3 as 0 | 1 | 2 })
        );
        await Promise.all(sent);
        for (const [i, one] of crowd.entries()) {
          assertInOrder(await one.take(texts.length), texts, (text) => Math.min(Number(text) % 3, i % 3));
        }
      }));

    test(
      "a publisher that reconnects ends its open QoS 1 and 2 exchanges, each message once",
      patient,
      () =>
        onStage(async (stage) => {
          const subscriber = await client(stage, "subscriber");
          await subscriber.subscribe("flow/#");
          const publisher = await client(stage, "publisher", { ...kept, reconnectPeriod: 5 });
          // The connection goes when the first answer comes, and once again in the middle of the QoS 2 exchanges.
          const cuts = ["puback", "pubrec", "pubcomp"];
          publisher.client.on("packetreceive", ({ cmd }) => {
            if (cmd !== cuts[0]) return;
            cuts.shift();
            publisher.cut();
          });
          const sent: Promise<unknown>[] = [];
          for (let i = 0; i < 60; i++) {
            const qos = i % 2 === 0 ? 1 : 2;
            sent.push(publisher.publish(`flow/${qos}`, `${i}`, { qos }));
          }
          await Promise.all(sent);
          assertEquals(cuts, []);
          await publisher.publish("flow/2", "end", { qos: 2 });
          await assertAllUntilEnd(subscriber);
        }),
    );

    test(
      "a subscriber that reconnects gets what was open again, QoS 2 once",
      patient,
      () =>
        onStage(async (stage) => {
          const publisher = await client(stage, "publisher");
          const subscriber = await client(stage, "subscriber", { ...kept, reconnectPeriod: 5 });
          await subscriber.subscribe("flow/#");
          let cutAt: string | undefined;
          subscriber.client.on("packetreceive", ({ cmd }) => {
            if (cmd !== cutAt) return;
            cutAt = undefined;
            subscriber.cut();
          });
          for (const [round, cmd] of ["publish", "pubrel", "publish", "pubrel"].entries()) {
            cutAt = cmd;
            for (let i = round * 15; i < (round + 1) * 15; i++) {
              const qos = i % 2 === 0 ? 1 : 2;
              await publisher.publish(`flow/${qos}`, `${i}`, { qos });
            }
            assertEquals((await subscriber.connacks.take("CONNACK after a cut")).sessionPresent, true);
          }
          await publisher.publish("flow/2", "end", { qos: 2 });
          await assertAllUntilEnd(subscriber);
        }),
    );
  });
}

/** The properties as plain objects. */
function plain({ properties }: Arrived): Record<string, unknown> {
  return { ...properties, userProperties: { ...properties!.userProperties } };
}

describe("MQTT.js, level 5 only", () => {
  const client = (stage: Stage, clientId: string, options: IClientOptions = {}): Promise<Mqttjs> =>
    joined(stage, { protocolVersion: 5, clientId, ...options });

  test("properties of a message arrive as they were sent", patient, () =>
    onStage(async (stage) => {
      const publisher = await client(stage, "publisher");
      const subscriber = await client(stage, "subscriber");
      await subscriber.subscribe("with/#");
      const userProperties: Record<string, string | string[]> = {
        first: ["1", "2"],
        "": "empty name",
        "ключ": "значение",
        last: "",
      };
      const properties = {
        payloadFormatIndicator: true,
        messageExpiryInterval: 4_000_000,
        contentType: "text/plain; charset=utf-8 🚀",
        responseTopic: "\uFEFFanswers/🚀",
        correlationData: Buffer.from([0, 255, 1, 254]),
        userProperties,
      };
      for (const qos of QOS) {
        await publisher.publish("with/all", "text", { qos, properties });
        const [message] = await subscriber.take(1);
        assertEquals(plain(message!), properties);
      }
      await publisher.publish("with/all", "kept", { qos: 1, retain: true, properties });
      await subscriber.take(1);
      const late = await client(stage, "late");
      await late.subscribe("with/all", { qos: 0 });
      const [message] = await late.take(1);
      assertEquals(message!.properties!.correlationData, properties.correlationData);
      assertEquals(plain(message!)["userProperties"], userProperties);
    }));

  test("requests find their way back", patient, () =>
    onStage(async (stage) => {
      const responder = await client(stage, "responder");
      await responder.subscribe("square", { qos: 1 });
      responder.client.on("message", (_topic, payload, { properties }) => {
        const { responseTopic, correlationData } = properties!;
        const answer = `${Number(payload) ** 2}`;
        responder.client.publish(responseTopic!, answer, {
          qos: 1,
          properties: { correlationData: correlationData! },
        });
      });
      const requester = await client(stage, "requester");
      await requester.subscribe("answers/requester", { qos: 1 });
      for (let i = 0; i < 20; i++) {
        const properties = { responseTopic: "answers/requester", correlationData: Buffer.from([i]) };
        await requester.publish("square", `${i}`, { qos: 1, properties });
      }
      const answers = await requester.take(20);
      assertEquals(
        answers.map(({ payload, properties }) => [properties!.correlationData![0], Number(payload)]),
        Array.from({ length: 20 }, (_, i) => [i, i * i]),
      );
    }));

  test(
    "overlapping subscriptions give one copy with every identifier",
    patient,
    () =>
      onStage(async (stage) => {
        const subscriber = await client(stage, "subscriber");
        await subscriber.subscribe("a/#", { qos: 0, properties: { subscriptionIdentifier: 7 } });
        await subscriber.subscribe("a/+", { qos: 2, properties: { subscriptionIdentifier: 268_435_455 } });
        const publisher = await client(stage, "publisher");
        await publisher.publish("a/b", "one", { qos: 2 });
        await publisher.publish("a/b/c", "two", { qos: 2 });
        const [one, two] = await subscriber.take(2).then((both) =>
          both.sort((a, b) => a.topic.length - b.topic.length)
        );
        assertEquals([one!.qos, two!.qos], [2, 0]);
        assertEquals((one!.properties!.subscriptionIdentifier as unknown as number[]).sort(), [
          268_435_455,
          7,
        ]);
        assertEquals(two!.properties!.subscriptionIdentifier, 7);
      }),
  );

  test("No Local, Retain As Published and Retain Handling", patient, () =>
    onStage(async (stage) => {
      const both = await client(stage, "both");
      await both.subscribe("own", { qos: 1, nl: true });
      await both.publish("own", "own", { qos: 1, retain: true });
      const other = await client(stage, "other");
      await other.subscribe("own", { qos: 1, rh: 2, rap: true });
      await both.publish("own", "kept", { qos: 1, retain: true });
      const [message] = await other.take(1);
      assertEquals([message!.payload.toString(), message!.retain], ["kept", true]);
      await other.subscribe("own", { qos: 1, rh: 1 });
      await other.subscribe("own", { qos: 1, rh: 0 });
      assertEquals((await other.take(1)).map(({ retain }) => retain), [true]);
      await other.publish("own", "from outside", { qos: 1 });
      assertEquals(await both.takeTexts(1), ["from outside"]);
    }));

  test("Topic Aliases in both directions", patient, () =>
    onStage(async (stage) => {
      const subscriber = await client(stage, "subscriber", { properties: { topicAliasMaximum: 5 } });
      await subscriber.subscribe("alias/#", { qos: 1 });
      const aliases: (number | undefined)[] = [];
      subscriber.client.on("packetreceive", (packet) => {
        if (packet.cmd === "publish") aliases.push(packet.properties?.topicAlias);
      });
      const publisher = await client(stage, "publisher", { autoAssignTopicAlias: true });
      const topics = Array.from({ length: 30 }, (_, i) => `alias/${i % 10}`);
      for (const topic of topics) await publisher.publish(topic, topic, { qos: 1 });
      const messages = await subscriber.take(30);
      assertEquals(messages.map(({ payload }) => payload.toString()), topics);
      assert(aliases.some((alias) => alias !== undefined), "the broker uses aliases");
      assert(aliases.every((alias) => alias === undefined || alias <= 5), "aliases are within the maximum");
    }));

  test("Receive Maximum and Maximum Packet Size of the Client hold", patient, () =>
    onStage(async (stage) => {
      const small = await client(stage, "small", {
        properties: { receiveMaximum: 2, maximumPacketSize: 1_000 },
      });
      await small.subscribe("limits", { qos: 2 });
      const publisher = await client(stage, "publisher");
      for (let i = 0; i < 50; i++) {
        const qos = i % 2 === 0 ? 1 : 2;
        await publisher.publish("limits", `${i}`.padEnd(i % 5 === 0 ? 1_000 : 10), { qos });
      }
      const expected = Array.from({ length: 50 }, (_, i) => i).filter((i) => i % 5 !== 0);
      const got = (await small.takeTexts(expected.length)).map(Number);
      assertEquals(got.sort((a, b) => a - b), expected);
    }));

  test("Reason Codes of acknowledgements", patient, () =>
    onStage(async (stage) => {
      const one = await client(stage, "one");
      const codes: unknown[] = [];
      one.client.on("packetreceive", (packet) => {
        if ("reasonCode" in packet && packet.cmd !== "connack") codes.push([packet.cmd, packet.reasonCode]);
        if (packet.cmd === "unsuback") codes.push([packet.cmd, ...(packet as { granted: number[] }).granted]);
      });
      await one.publish("nobody", "listens", { qos: 1 });
      await within(one.client.unsubscribeAsync("never"), "UNSUBACK");
      assertEquals(codes, [["puback", 0x10], ["unsuback", 0x11]]);
    }));

  test(
    "a second connection of the same Client ends the first with 0x8E",
    patient,
    () =>
      onStage(async (stage) => {
        const first = await client(stage, "twin");
        const told = new Promise<number | undefined>((resolve) =>
          first.client.on("disconnect", ({ reasonCode }) => resolve(reasonCode))
        );
        await client(stage, "twin");
        assertEquals(await within(told, "DISCONNECT for the first"), 0x8e);
      }),
  );

  test("a Client without identifier is given one", patient, () =>
    onStage(async (stage) => {
      const nameless = await client(stage, "");
      assert(nameless.connack!.properties!.assignedClientIdentifier!.length > 0);
    }));
});

test("MQTT.js, level 3: QoS, retained, will, session", patient, () =>
  onStage(async (stage) => {
    const client = (clientId: string, options: IClientOptions = {}): Promise<Mqttjs> =>
      joined(stage, { protocolVersion: 3, protocolId: "MQIsdp", clientId, ...options });
    const publisher = await client("publisher");
    await publisher.publish("old/kept", "kept", { qos: 1, retain: true });
    const will = { topic: "old/will", payload: Buffer.from("gone"), qos: 1, retain: false } as const;
    const subscriber = await client("subscriber", { clean: false });
    await subscriber.subscribe("old/#");
    assertEquals((await subscriber.take(1)).map(({ topic, retain }) => [topic, retain]), [[
      "old/kept",
      true,
    ]]);
    for (const qos of QOS) {
      await publisher.publish(`old/${qos}`, `${qos}`, { qos });
      assertEquals((await subscriber.take(1)).map(({ topic, qos }) => [topic, qos]), [[`old/${qos}`, qos]]);
    }
    (await client("lost", { will })).cut();
    assertEquals(await subscriber.takeTexts(1), ["gone"]);
    await subscriber.end();
    await stage.disconnected("subscriber");
    await publisher.publish("old/away", "away", { qos: 2 });
    const again = await client("subscriber", { clean: false });
    assertEquals(await again.takeTexts(1), ["away"]);
  }));

for (const protocolVersion of [4, 3] as const) {
  test(
    `MQTT.js, level ${protocolVersion}: 3,000 messages of QoS 2 at once are taken, each once, on one connection`,
    patient,
    () =>
      onStage(async (stage) => {
        const old: IClientOptions = protocolVersion === 3 ? { protocolId: "MQIsdp" } : {};
        const subscriber = await joined(stage, { protocolVersion: 5, clientId: "subscriber" });
        await subscriber.subscribe("many");
        const publisher = await joined(stage, { protocolVersion, clientId: "publisher", ...old });
        const texts = Array.from({ length: 3_000 }, (_, i) => `${i}`);
        await Promise.all(texts.map((text) => publisher.publish("many", text, { qos: 2 })));
        assertEquals(await subscriber.takeTexts(3_000), texts);
        assertEquals([publisher.errors, publisher.connacks.items.length], [[], 0]);
      }),
  );
}

test(
  "MQTT.js, level 5: a QoS 2 publish whose PUBCOMP is lost with the connection resolves",
  patient,
  () =>
    onStage(async (stage) => {
      const subscriber = await joined(stage, { protocolVersion: 5, clientId: "subscriber" });
      await subscriber.subscribe("once");
      const publisher = await joined(stage, {
        protocolVersion: 5,
        clientId: "publisher",
        clean: false,
        reconnectPeriod: 20,
        properties: { sessionExpiryInterval: 60 },
      });
      const isReleased = new Promise<void>((resolve) => {
        publisher.client.on("packetsend", ({ cmd }) => {
          if (cmd !== "pubrel" || publisher.isCut) return;
          publisher.client.stream.unpipe(); // PUBCOMP is not read
          resolve();
        });
      });
      const published = publisher.publish("once", "delivered", { qos: 2 });
      await within(isReleased, "PUBREL");
      const session = () => stage.server.broker.session("publisher");
      while (session()!.received > 0) await within(new Promise((resolve) => setImmediate(resolve)), "a turn");
      publisher.cut();
      await published;
      assertEquals(await subscriber.takeTexts(1), ["delivered"]);
      assertEquals(publisher.errors, []);
    }),
);
