/**
 * mosquitto_pub, mosquitto_sub and mosquitto_rr at levels 5, 4 and 3 against the broker.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { pub, Run, sub, subscribed, VERSIONS, whatIsMissing } from "./mosquitto.ts";
import { CA, CERT, KEY } from "../../../src/testing/tls.ts";
import { joined } from "./mqttjs.ts";
import { startRelay } from "./relay.ts";
import { assertSameBytes, LARGE, onStage, UNICODE_TOPICS } from "./test_broker.ts";
import { patient, until } from "../../../src/testing/patience.ts";

const QOS = ["0", "1", "2"] as const;
const missing = whatIsMissing();
const required = process.env["PLUMB_REQUIRE_MOSQUITTO"] === "1";
const options = { ...(missing !== undefined && { skip: missing }), ...patient };
if (missing !== undefined) console.log(`The tests with mosquitto are skipped: ${missing}`);

test("mosquitto's programs are there", { skip: missing !== undefined && !required }, () => {
  assertEquals(missing, undefined, "PLUMB_REQUIRE_MOSQUITTO=1 asks for them");
});

for (const version of VERSIONS) {
  /** What a session that outlives its connection takes. */
  const kept = version === "5" ? ["-c", "-x", "600"] : ["-c"];

  describe(`mosquitto_pub and mosquitto_sub -V ${version}`, () => {
    test("QoS 0, 1 and 2 in every pairing", options, () =>
      onStage(async (stage) => {
        const runs: Run[] = [];
        for (const granted of QOS) {
          const format = ["-F", "%q %r %t %p", "-C", "3"];
          runs.push(
            await subscribed(stage, version, `sub${granted}`, "-q", granted, ...format, "-t", "pair/#"),
          );
        }
        for (const qos of QOS) await pub(stage, version, ["-q", qos, "-t", `pair/${qos}`, "-m", `at ${qos}`]);
        for (const [granted, run] of runs.entries()) {
          const expected = QOS.map((qos) => `${Math.min(Number(qos), granted)} 0 pair/${qos} at ${qos}`);
          assertEquals(await run.lines(), expected);
        }
      }));

    test("many messages in order", options, () =>
      onStage(async (stage) => {
        const lines = Array.from({ length: 2_000 }, (_, i) => `line ${i}`);
        const input = new TextEncoder().encode(lines.map((line) => line + "\n").join(""));
        for (const qos of QOS) {
          const run = await subscribed(
            stage,
            version,
            `sub${qos}`,
            "-q",
            "2",
            "-C",
            "2000",
            "-t",
            `order/${qos}`,
          );
          await pub(stage, version, ["-q", qos, "-t", `order/${qos}`, "-l"], input);
          assertEquals(await run.lines(), lines);
        }
      }));

    test("retained messages are set, received and cleared", options, () =>
      onStage(async (stage) => {
        for (const qos of QOS) await pub(stage, version, ["-r", "-q", qos, "-t", `kept/${qos}`, "-m", qos]);
        const first = sub(stage, version, "first", "-q", "2", "-F", "%r %t %p", "-C", "3", "-t", "kept/#");
        assertEquals((await first.lines()).sort(), QOS.map((qos) => `1 kept/${qos} ${qos}`));
        for (const qos of QOS) await pub(stage, version, ["-r", "-q", qos, "-t", `kept/${qos}`, "-n"]);
        const second = await subscribed(
          stage,
          version,
          "second",
          "-F",
          "%r %t %p",
          "-C",
          "1",
          "-t",
          "kept/#",
        );
        await pub(stage, version, ["-t", "kept/end", "-m", "nothing before this"]);
        assertEquals(await second.lines(), ["0 kept/end nothing before this"]);
      }));

    test("a will is published when the process is killed", options, () =>
      onStage(async (stage) => {
        const watcher = await subscribed(
          stage,
          version,
          "watcher",
          "-q",
          "2",
          "-F",
          "%q %t %p",
          "-C",
          "3",
          "-t",
          "will/#",
        );
        for (const qos of QOS) {
          const will = ["--will-topic", `will/${qos}`, "--will-payload", `gone ${qos}`, "--will-qos", qos];
          const lost = await subscribed(stage, version, `lost${qos}`, ...will, "-t", "idle");
          await lost.kill();
          await stage.disconnected(`lost${qos}`);
        }
        assertEquals(await watcher.lines(), QOS.map((qos) => `${qos} will/${qos} gone ${qos}`));
      }));

    test(
      "a persistent session gets what was published while it was away",
      options,
      () =>
        onStage(async (stage) => {
          await sub(stage, version, "sleeper", ...kept, "-q", "2", "-E", "-t", "away/#").bytes();
          await stage.disconnected("sleeper");
          await pub(stage, version, ["-q", "0", "-t", "away/0", "-m", "lost"]);
          const expected: string[] = [];
          for (let i = 0; i < 6; i++) {
            const qos = `${i % 2 + 1}`;
            await pub(stage, version, ["-q", qos, "-t", `away/${qos}`, "-m", `${i}`]);
            expected.push(`${qos} away/${qos} ${i}`);
          }
          const after = sub(
            stage,
            version,
            "sleeper",
            ...kept,
            "-q",
            "2",
            "-F",
            "%q %t %p",
            "-C",
            "6",
            "-t",
            "away/#",
          );
          assertEquals((await after.lines()).sort(), expected.sort());
        }),
    );

    test("members of a shared subscription share", options, () =>
      onStage(async (stage) => {
        const runs: Run[] = [];
        for (let i = 0; i < 4; i++) {
          runs.push(await subscribed(stage, version, `member${i}`, "-q", "1", "-t", "$share/crew/work"));
        }
        const lines = Array.from({ length: 100 }, (_, i) => `${i}`);
        const input = new TextEncoder().encode(lines.map((line) => line + "\n").join(""));
        await pub(stage, version, ["-q", "1", "-t", "work", "-l"], input);
        // A member that leaves with messages unread resets its connection, and what it has acknowledged may come to another.
        const got = () => runs.flatMap(({ printed }) => printed);
        await until(() => got().length >= lines.length, () => `100 lines, ${got().length} are printed`);
        assert(runs.every(({ printed }) => printed.length > 0), "each has some");
        assertEquals(got().map(Number).sort((a, b) => a - b), lines.map(Number));
      }));

    test("5 MB at QoS 0, 1 and 2", options, () =>
      onStage(async (stage) => {
        for (const qos of QOS) {
          const run = await subscribed(
            stage,
            version,
            `sub${qos}`,
            "-q",
            "2",
            "-N",
            "-C",
            "1",
            "-t",
            `large/${qos}`,
          );
          await pub(stage, version, ["-q", qos, "-t", `large/${qos}`, "-s"], LARGE);
          assertSameBytes(await run.bytes(), LARGE);
        }
      }));

    test(
      "topics beyond the BMP, with a BOM, composed and decomposed",
      options,
      () =>
        onStage(async (stage) => {
          const filters = UNICODE_TOPICS.flatMap((topic) => ["-t", topic]);
          const count = `${UNICODE_TOPICS.length}`;
          const run = await subscribed(
            stage,
            version,
            "läser-🚀",
            "-q",
            "1",
            "-F",
            "%t",
            "-C",
            count,
            ...filters,
          );
          const wild = await subscribed(stage, version, "\uFEFFwild", "-F", "%t|%p", "-C", count, "-t", "#");
          for (const topic of UNICODE_TOPICS) {
            await pub(stage, version, ["-q", "1", "-t", topic, "-m", topic]);
          }
          assertEquals(await run.lines(), [...UNICODE_TOPICS]);
          assertEquals(
            await wild.lines(),
            UNICODE_TOPICS.map((topic) => `${topic}|${topic}`),
          );
        }),
    );

    test("500 topics in one SUBSCRIBE", options, () =>
      onStage(async (stage) => {
        const topics = Array.from({ length: 500 }, (_, i) => `many/${i % 7}/${i}`);
        const filters = topics.flatMap((topic) => ["-t", topic]);
        const run = await subscribed(stage, version, "many", "-q", "1", "-F", "%t", "-C", "500", ...filters);
        const publisher = await joined(stage, { clientId: "publisher" });
        for (const topic of topics) publisher.client.publish(topic, "x", { qos: 1 });
        assertEquals(await run.lines(), topics);
      }));
  });
}

describe("mosquitto, properties of level 5", () => {
  test("properties of a message arrive as they were sent", options, () =>
    onStage(async (stage) => {
      const format = ["-F", "%t|%R|%D|%C|%P|%p", "-C", "1"];
      const run = await subscribed(stage, "5", "sub", "-q", "1", ...format, "-t", "with");
      const properties = [
        ["response-topic", "answers/🚀"],
        ["correlation-data", "id 42"],
        ["content-type", "text/plain"],
        ["user-property", "b", "2"],
        ["user-property", "a", "1"],
        ["user-property", "b", "3"],
      ].flatMap((property) => ["-D", "publish", ...property]);
      await pub(stage, "5", ["-q", "1", "-t", "with", "-m", "text", ...properties]);
      assertEquals(await run.lines(), ["with|answers/🚀|id 42|text/plain|b:2 a:1 b:3|text"]);
    }));

  test("mosquitto_rr gets its answer from MQTT.js", options, () =>
    onStage(async (stage) => {
      const responder = await joined(stage, { clientId: "responder", protocolVersion: 5 });
      await responder.subscribe("question", { qos: 1 });
      const args = ["-V", "5", "-i", "rr", "-q", "1", "-t", "question", "-e", "answer/rr", "-m", "6 times 7"];
      const run = new Run(stage, "mosquitto_rr", [...args, "-D", "publish", "correlation-data", "c1"]);
      const [question] = await responder.take(1);
      const { responseTopic, correlationData } = question!.properties!;
      assertEquals(question!.payload.toString(), "6 times 7");
      await responder.publish(responseTopic!, "42", {
        qos: 1,
        properties: { correlationData: correlationData! },
      });
      assertEquals(await run.lines(), ["42"]);
    }));
});

describe("mosquitto beside MQTT.js", () => {
  test("every level hears every level", options, () =>
    onStage(async (stage) => {
      const js = [
        await joined(stage, { clientId: "js5", protocolVersion: 5 }),
        await joined(stage, { clientId: "js4", protocolVersion: 4 }),
        await joined(stage, { clientId: "js3", protocolVersion: 3, protocolId: "MQIsdp" }),
      ];
      for (const one of js) await one.subscribe("all", { qos: 1 });
      const runs: Run[] = [];
      for (const version of VERSIONS) {
        runs.push(await subscribed(stage, version, `m${version}`, "-q", "1", "-C", "6", "-t", "all"));
      }
      const expected: string[] = [];
      for (const one of js) {
        await one.publish("all", one.id, { qos: 1 });
        expected.push(one.id);
      }
      for (const version of VERSIONS) {
        await pub(stage, version, ["-q", "1", "-t", "all", "-m", version]);
        expected.push(version);
      }
      for (const run of runs) assertEquals(await run.lines(), expected);
      for (const one of js) assertEquals(await one.takeTexts(6), expected);
    }));

  test("fan-out to 50 mosquitto_sub", options, () =>
    onStage(async (stage) => {
      const runs: Run[] = [];
      for (let i = 0; i < 50; i++) {
        runs.push(sub(stage, VERSIONS[i % 3]!, `crowd${i}`, "-q", `${i % 2}`, "-C", "100", "-t", "crowd"));
      }
      for (let i = 0; i < 50; i++) await stage.subscribed(`crowd${i}`, "crowd");
      const publisher = await joined(stage, { clientId: "publisher" });
      const texts = Array.from({ length: 100 }, (_, i) => `${i}`);
      for (const text of texts) publisher.client.publish("crowd", text, { qos: 1 });
      for (const run of runs) assertEquals(await run.lines(), texts);
    }));

  test(
    "a mosquitto_sub that is taken over by MQTT.js leaves its session to it",
    options,
    () =>
      onStage(async (stage) => {
        const run = await subscribed(stage, "5", "heir", "-c", "-x", "600", "-q", "1", "-t", "legacy");
        const heir = await joined(stage, {
          clientId: "heir",
          protocolVersion: 5,
          clean: false,
          properties: { sessionExpiryInterval: 600 },
        });
        assert(heir.connack!.sessionPresent);
        await pub(stage, "5", ["-q", "1", "-t", "legacy", "-m", "for the heir"]);
        assertEquals(await heir.takeTexts(1), ["for the heir"]);
        await run.kill();
      }),
  );
});

test("mosquitto_pub and mosquitto_sub over TLS, beside MQTT.js", options, async () => {
  const folder = mkdtempSync(join(tmpdir(), "plumb-interop-"));
  const ca = join(folder, "ca.pem");
  writeFileSync(ca, CA);
  try {
    await onStage(async (stage) => {
      const trust = ["--cafile", ca];
      for (const version of VERSIONS) {
        const id = `sub${version}`;
        const run = await subscribed(
          stage,
          version,
          id,
          ...trust,
          "-q",
          "2",
          "-C",
          "4",
          "-t",
          `tls/${version}`,
        );
        for (const qos of QOS) {
          await pub(stage, version, [...trust, "-q", qos, "-t", `tls/${version}`, "-m", `at ${qos}`]);
        }
        const other = await joined(stage, { clientId: `mqttjs${version}`, protocol: "mqtts", ca: CA });
        await other.publish(`tls/${version}`, "from MQTT.js", { qos: 2 }); // one of QoS 1 may be shown before "at 2"
        assertEquals(await run.lines(), ["at 0", "at 1", "at 2", "from MQTT.js"]);
      }
      const run = await subscribed(stage, "5", "large", ...trust, "-C", "1", "-N", "-q", "1", "-t", "large");
      await pub(stage, "5", [...trust, "-q", "1", "-t", "large", "-s"], LARGE);
      assertSameBytes(await run.bytes(), LARGE);
    }, { cert: CERT, key: KEY });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

for (const scheme of ["ws", "wss"] as const) {
  test(`mosquitto_pub and mosquitto_sub by a relay over ${scheme}://, beside MQTT.js`, options, () =>
    onStage(
      async (stage) => {
        const { port } = stage;
        const relay = await startRelay(`${scheme}://127.0.0.1:${port}/mqtt`);
        stage.atEnd(() => relay.close());
        stage.port = relay.port;
        for (const version of VERSIONS) {
          const topic = `${scheme}/${version}`;
          const run = await subscribed(stage, version, `s${version}`, "-q", "2", "-C", "4", "-t", topic);
          for (const qos of QOS) await pub(stage, version, ["-q", qos, "-t", topic, "-m", `at ${qos}`]);
          const other = await joined(stage, {
            clientId: `mqttjs${version}`,
            protocol: scheme,
            port,
            path: "/mqtt",
            ca: CA,
          });
          await other.publish(topic, "from MQTT.js", { qos: 2 }); // one of QoS 1 may be shown before "at 2"
          assertEquals(await run.lines(), ["at 0", "at 1", "at 2", "from MQTT.js"]);
        }
        const run = await subscribed(stage, "5", "large", "-C", "1", "-N", "-q", "1", "-t", "large");
        await pub(stage, "5", ["-q", "1", "-t", "large", "-s"], LARGE);
        assertSameBytes(await run.bytes(), LARGE);
      },
      scheme === "wss" ? { cert: CERT, key: KEY } : undefined,
      true,
    ));
}
