/**
 * A mosquitto that is a bridge to the broker, with its default settings and at each level.
 * @module
 */
import { assertEquals } from "@std/assert";
import process from "node:process";
import { test } from "node:test";
import { mosquittoVersion, startMosquitto } from "../peers/start.ts";
import { onlyOn } from "../../lib/broker_process.ts";
import { within } from "../../lib/within.ts";
import { withMortalBroker } from "./mortal_broker.ts";
import { joined, type Mqttjs } from "./mqttjs.ts";
import { onStage } from "./test_broker.ts";
import { patient, WAIT_MS } from "../../../src/testing/patience.ts";

const missing = mosquittoVersion() === undefined ? "mosquitto is not installed" : undefined;
const required = process.env["PLUMB_REQUIRE_MOSQUITTO"] === "1";
const options = { ...(missing !== undefined && !required && { skip: missing }), ...patient };

for (const version of [undefined, "mqttv31", "mqttv311", "mqttv50"]) {
  const name = version === undefined ? "default settings" : `bridge_protocol_version ${version}`;
  test(
    `a mosquitto bridge with ${name} comes in, is told of in the log, and passes messages on both ways`,
    options,
    () =>
      onStage(async (stage) => {
        const lines = [
          "connection edge",
          `address 127.0.0.1:${stage.port}`,
          "remote_clientid edge",
          ...(version === undefined ? [] : [`bridge_protocol_version ${version}`]),
          "topic out/# out 1",
          "topic in/# in 1",
        ];
        const mosquitto = await startMosquitto([], `${lines.join("\n")}\n`);
        stage.atEnd(() => mosquitto.stop());
        await stage.connected("edge");
        await stage.discarded("edge"); // its Will goes to $SYS/broker/connection/...
        await stage.subscribed("edge", "in/#");

        const here = await joined(stage, { protocolVersion: 5, clientId: "here" });
        const there = await joined(stage, { protocolVersion: 4, clientId: "there", port: mosquitto.port });
        await here.subscribe(["out/#", "$SYS/#"], { qos: 1 });
        await there.subscribe("in/#", { qos: 1 });
        await there.publish("out/a", "outwards", { qos: 1 });
        assertEquals(await here.takeTexts(1), ["outwards"]);
        await here.publish("in/a", "inwards", { qos: 1 });
        assertEquals(await there.takeTexts(1), ["inwards"]);

        await mosquitto.stop();
        await stage.disconnected("edge");
        await here.publish("out/b", "nothing of the bridge's state came before this", { qos: 1 });
        assertEquals(await here.takeTexts(1), ["nothing of the bridge's state came before this"]);
      }),
  );
}

/** Messages each way, in thirds: until the broker is killed, while it is away, when it is back. */
const EACH_WAY = 1_500;
const THIRD = EACH_WAY / 3;
const KEPT = { protocolVersion: 4, clean: false, reconnectPeriod: 100 } as const;

/** Publishes the messages from `from` to `until` without waiting; resolves when all of them are over. */
function publishSome(client: Mqttjs, topic: string, from: number, until: number): Promise<unknown> {
  const all: Promise<unknown>[] = [];
  for (let i = from; i < until; i++) all.push(client.client.publishAsync(topic, `${i}`, { qos: 2 }));
  return within(Promise.all(all), `messages ${from} to ${until} to ${topic}`, WAIT_MS);
}

/** The numbers that a reader gets. */
class Reader {
  readonly client: Mqttjs;
  readonly got: number[] = [];

  constructor(client: Mqttjs) {
    this.client = client;
  }

  /** Waits until it has had so many. */
  async has(count: number): Promise<void> {
    const missing = count - this.got.length;
    const what = `a message to ${this.client.id}, after ${this.got.length}`;
    const messages = await this.client.messages.takeMany(Math.max(0, missing), what, WAIT_MS);
    for (const { payload } of messages) this.got.push(Number(payload));
  }

  /** Fails unless each number below `EACH_WAY` comes once, and nothing else before what `publish` brings. */
  async hasAllOnce(publish: () => Promise<unknown>): Promise<void> {
    await this.has(EACH_WAY);
    await publish(); // what comes twice, or again and again, comes before this
    await this.has(EACH_WAY + 1);
    assertEquals(this.got.sort((a, b) => a - b), Array.from({ length: EACH_WAY + 1 }, (_, i) => i));
    assertEquals(this.client.messages.items.length, 0);
  }
}

/**
 * mosquitto 2.0.11 stands still for good when more than `max_inflight_messages` of QoS 2 wait for one receiver: with its default
 * of 20, messages upwards go in tens, each when the tens before have come.
 */
const TEN = 10;

/*
 * At 5.0 its bridge asks for no Session Expiry Interval: its session ends with its connection, and with it what is on its way then. So
 * there the broker is killed when everything has come, and goes on when the bridge is back.
 */

for (const version of [undefined, "mqttv50"]) {
  for (const inFlight of [20, 1_000]) {
    const name = `${version ?? "default settings"}, ${inFlight} in flight`;
    test(
      `a mosquitto bridge "topic # both 2", ${name}: ${EACH_WAY} of ${EACH_WAY} each way, once, though the broker is killed in between`,
      // Both levels on each runtime; how many mosquitto has in flight is its own affair.
      { ...options, ...onlyOn(inFlight === 20 ? "deno" : "bun") },
      () =>
        withMortalBroker(async (broker) => {
          const lines = [
            "max_queued_messages 10000", // above 1,000 it drops what its own reader has not taken yet
            ...(inFlight === 20 ? [] : [`max_inflight_messages ${inFlight}`]),
            "connection edge",
            `address 127.0.0.1:${broker.port}`,
            "topic # both 2",
            "restart_timeout 1", // in place of 5 to 30 s
            ...(version === undefined ? [] : [`bridge_protocol_version ${version}`]),
          ];
          const mosquitto = await startMosquitto([], `${lines.join("\n")}\n`);
          broker.atEnd(() => mosquitto.stop());
          const { port } = mosquitto;
          const here = await joined(broker, { ...KEPT, clientId: "here" });
          const there = await joined(broker, { ...KEPT, clientId: "there", port });
          const hereReader = new Reader(await joined(broker, { ...KEPT, clientId: "here-reader" }));
          const thereReader = new Reader(await joined(broker, { ...KEPT, clientId: "there-reader", port }));
          await hereReader.client.subscribe("up");
          await thereReader.client.subscribe("down", { qos: 1 }); // this connection is never cut
          const prober = await joined(broker, { ...KEPT, clientId: "prober", port });
          await prober.subscribe("probe", { qos: 1 });
          await bridged(here, prober);

          /** Publishes upwards until so many are there. */
          const up = async (until: number) => {
            for (let at = hereReader.got.length; at < until; at += TEN) {
              await publishSome(there, "up", at, at + TEN);
              await hereReader.has(at + TEN);
            }
          };
          const isSlow = inFlight === 20;
          const isKept = version === undefined;
          const away = isSlow ? TEN : THIRD;
          const before = [publishSome(here, "down", 0, THIRD)];
          if (isSlow) await up(THIRD - TEN);
          before.push(publishSome(there, "up", isSlow ? THIRD - TEN : 0, THIRD)); // some of them are on their way
          await thereReader.has(isKept ? 1 : THIRD);
          if (!isKept) await hereReader.has(THIRD);
          await broker.kill();
          await publishSome(there, "up", THIRD, THIRD + (isSlow ? away - 5 : away));
          if (isKept) before.push(publishSome(here, "down", THIRD, 2 * THIRD));
          await broker.start();
          if (!isKept) {
            await bridged(here, prober);
            before.push(publishSome(here, "down", THIRD, 2 * THIRD));
          }
          await Promise.all(before);
          await hereReader.has(THIRD + (isSlow ? away - 5 : away));
          const after = publishSome(here, "down", 2 * THIRD, EACH_WAY);
          if (isSlow) {
            await publishSome(there, "up", THIRD + 5, THIRD + TEN);
            await hereReader.has(THIRD + TEN);
            await up(EACH_WAY);
          } else await publishSome(there, "up", 2 * THIRD, EACH_WAY);
          await after;

          const last = `${EACH_WAY}`;
          await hereReader.hasAllOnce(() => there.publish("up", last, { qos: 2 }));
          await thereReader.hasAllOnce(() => here.publish("down", last, { qos: 2 }));
        }),
    );
  }
}

/** Waits until a message comes through the bridge. */
async function bridged(from: Mqttjs, to: Mqttjs): Promise<void> {
  for (const end = performance.now() + WAIT_MS; performance.now() < end && to.messages.items.length === 0;) {
    await from.publish("probe", "probe", { qos: 1 });
    await within(new Promise((resolve) => setTimeout(resolve, 100)), "a moment");
  }
  await from.publish("probe", "end of probes", { qos: 1 });
  while ((await to.takeTexts(1))[0] !== "end of probes");
}
