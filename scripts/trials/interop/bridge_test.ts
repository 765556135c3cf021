/**
 * A mosquitto that is a bridge to the broker, with its default settings and at each level.
 * @module
 */
import { assertEquals } from "@std/assert";
import process from "node:process";
import { test } from "node:test";
import { mosquittoVersion, startMosquitto } from "../peers/start.ts";
import { SLOW_MS } from "./mosquitto.ts";
import { joined } from "./mqttjs.ts";
import { onStage } from "./test_broker.ts";

const missing = mosquittoVersion() === undefined ? "mosquitto is not installed" : undefined;
const required = process.env["PLUMB_REQUIRE_MOSQUITTO"] === "1";
const options = { ...(missing !== undefined && !required && { skip: missing }), timeout: 2 * SLOW_MS };

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
