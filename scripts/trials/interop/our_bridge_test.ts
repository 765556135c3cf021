/** A bridge of ours to a mosquitto, at both levels, and one that a mosquitto.conf describes. @module */
import { assertEquals } from "@std/assert";
import process from "node:process";
import { describe, test } from "node:test";
import { openBridge } from "../../../src/bridge/mod.ts";
import { Bridges, plansOf } from "../../../src/cli/bridges.ts";
import { Log } from "../../../src/cli/log.ts";
import { settingsOf } from "../../../src/cli/options.ts";
import { type Client, connect } from "../../../src/client_api/mod.ts";
import { parseConfig } from "../../../src/config/file.ts";
import { importMosquitto, mosquittoLines } from "../../../src/config/mosquitto.ts";
import { serve, type Server } from "../../../src/server/serve.ts";
import { patient, until } from "../../../src/testing/patience.ts";
import { OWN_RUNTIME } from "../../lib/broker_process.ts";
import { MosquittoSide, PlumbSide } from "../bridge/sides.ts";
import { bridgeTrial } from "../bridge/trial.ts";
import { freePort, mosquittoVersion, startMosquitto, startMosquittoAt } from "../peers/start.ts";

const isMissing = mosquittoVersion() === undefined && process.env["PLUMB_REQUIRE_MOSQUITTO"] !== "1";
const options = { ...isMissing && { skip: "mosquitto is not installed" }, ...patient };

/** The texts that a new Client gets: `topic=payload`, with `!` behind those with RETAIN. */
async function heard(port: number, ...filters: string[]): Promise<{ client: Client; got: string[] }> {
  const client = await connect(`mqtt://127.0.0.1:${port}`);
  const messages = await client.subscribe(filters, { qos: 2, retainAsPublished: true });
  const got: string[] = [];
  void (async () => {
    for await (const { topic, bytes, retain } of messages) {
      got.push(`${topic}=${new TextDecoder().decode(bytes)}${retain ? "!" : ""}`);
    }
  })().catch(() => {});
  return { client, got };
}

function portOf({ addresses }: Server): number {
  return Number(new URL(addresses[0]!).port);
}

describe("a bridge of ours to mosquitto", () => {
  for (const level of [5, 4] as const) {
    test(
      `at level ${level} carries both ways, retained messages and their end, its state, and nothing back`,
      options,
      async () => {
        const mosquitto = await startMosquitto();
        const server = await serve({ listen: ["mqtt://127.0.0.1:0"] });
        server.publish({ topic: "here/before", payload: "1", qos: 1, retain: true });
        const bridge = openBridge(server, {
          name: "edge",
          url: `mqtt://127.0.0.1:${mosquitto.port}`,
          level,
          topics: [{ filter: "#", direction: "both", qos: 2 }],
        });
        await until(
          () => bridge.figures.isConnected && bridge.figures.sent === 1,
          "what was retained before",
        );
        const state = "$SYS/broker/connection/edge/state";
        const here = await heard(portOf(server), "#", state);
        const there = await heard(mosquitto.port, "#", state);
        await until(() => there.got.length >= 2 && here.got.length >= 2, () => `${there.got} ${here.got}`);
        assertEquals(there.got.toSorted(), [`${state}=1!`, "here/before=1!"]);
        assertEquals(here.got.toSorted(), [`${state}=1!`, "here/before=1!"]);
        await here.client.publish("x", "out", { qos: 2 });
        await there.client.publish("y", "in", { qos: 1, retain: true });
        await until(() => here.got.some((text) => text.startsWith("y=")), "a message from there");
        await here.client.publish("here/before", "", { qos: 1, retain: true });
        await there.client.publish("y", "", { qos: 1, retain: true });
        await until(() => here.got.some((text) => text.startsWith("y=!")), "its end from there");
        await until(() => there.got.some((text) => text.startsWith("here/before=!")), "an end from here");
        // What comes back would come before this.
        await here.client.publish("last", "1", { qos: 2 });
        await there.client.publish("last", "2", { qos: 2 });
        const isLast = (text: string) => text.startsWith("last=");
        await until(() => [here, there].every(({ got }) => got.filter(isLast).length === 2), "the last ones");
        for (const { got } of [here, there]) {
          const all = got.slice(2).filter((text) => !isLast(text)).map((text) => text.replace("!", ""))
            .toSorted();
          assertEquals(all, ["here/before=", "x=out", "y=", "y=in"]);
        }
        const late = await heard(mosquitto.port, "#");
        await late.client.publish("end", "", { qos: 0 });
        await until(() => late.got.includes("end="), "the end");
        assertEquals(late.got, ["end="]);
        await bridge.close();
        await until(() => there.got.at(-1)!.startsWith(`${state}=0`), "its end at mosquitto");
        for (const { client } of [here, there, late]) await client.close();
        await server.close();
        await mosquitto.stop();
      },
    );
  }

  test("keeps what comes while mosquitto is away, and tells its state", options, async () => {
    const port = await freePort();
    const server = await serve({ listen: ["mqtt://127.0.0.1:0"] });
    const bridge = openBridge(server, {
      name: "edge",
      url: `mqtt://127.0.0.1:${port}`,
      topics: [{ filter: "#", qos: 1 }],
      numbers: { reconnectMsMax: 100 },
    });
    const here = await heard(portOf(server), "$SYS/broker/connection/#");
    await until(() => here.got.at(-1)?.includes("=0") === true, "its state before");
    await here.client.publish("early", "1", { qos: 1 });
    assertEquals([bridge.figures.isConnected, bridge.figures.queuedOut], [false, 1]);
    const mosquitto = await startMosquittoAt(port);
    await until(() => bridge.figures.isConnected, "the bridge is connected");
    await until(() => bridge.figures.sent === 1, "the message has gone");
    await until(() => here.got.at(-1)!.includes("=1"), "its state");
    await mosquitto.stop();
    await until(() => here.got.at(-1)!.includes("=0"), "its state behind");
    await here.client.close();
    await bridge.close();
    await server.close();
  });

  test("is made of a mosquitto.conf by plumb import", options, async () => {
    const mosquitto = await startMosquitto();
    const lines = [
      "connection edge",
      `address 127.0.0.1:${mosquitto.port}`,
      "remote_clientid edge",
      "topic # both 2 local/ remote/",
      'topic "" in 1 one/topic another',
      "restart_timeout 1",
    ];
    const { toml, remarks } = importMosquitto(
      mosquittoLines(lines.join("\n"), "m.conf"),
      "m.conf",
      (path) => path,
    );
    assertEquals(remarks, []);
    const settings = settingsOf([], () => undefined, await parseConfig(toml, "plumb.toml"));
    const server = await serve({ listen: ["mqtt://127.0.0.1:0"] });
    const stream = { colours: false, write: (_: string, done: () => void) => done() };
    const bridges = new Bridges(server, new Log({ level: "off", format: "logfmt", stream }));
    await bridges.change(await plansOf(settings));
    await until(() => bridges.figures[0]!.isConnected, "the bridge is connected");
    const [here, there] = [await heard(portOf(server), "#"), await heard(mosquitto.port, "#")];
    await here.client.publish("local/a", "out", { qos: 2 });
    await there.client.publish("remote/b", "in", { qos: 2 });
    await there.client.publish("another", "in", { qos: 1 });
    await until(() => here.got.length === 3 && there.got.length === 3, () => `${here.got} ${there.got}`);
    assertEquals(here.got.toSorted(), ["local/a=out", "local/b=in", "one/topic=in"]);
    assertEquals(there.got.toSorted(), ["another=in", "remote/a=out", "remote/b=in"]);
    await bridges.close();
    for (const { client } of [here, there]) await client.close();
    await server.close();
    await mosquitto.stop();
  });
});

describe("a bridge that is cut, and whose brokers of ours are killed", () => {
  const small = { messages: 300, cuts: 3, seed: 7 } as const;
  test("from ours to ours carries each QoS 2 message once, and all in order", patient, async () => {
    const [near, far] = [await PlumbSide.on(OWN_RUNTIME), await PlumbSide.on(OWN_RUNTIME)];
    const got = await bridgeTrial({ ...small, near, far, level: 5, qos: 2, kills: { near: 1, far: 1 } });
    assertEquals([got.again, got.kills], [0, { near: 1, far: 1 }]);
  });

  test("from ours to mosquitto does too", options, async () => {
    const [near, far] = [await PlumbSide.on(OWN_RUNTIME), await MosquittoSide.on()];
    const got = await bridgeTrial({
      ...small,
      isLoose: true,
      near,
      far,
      level: 4,
      qos: 2,
      kills: { near: 1, far: 0 },
    });
    assertEquals(got.again, 0);
  });

  test("from mosquitto to ours does too", options, async () => {
    const [near, far] = [await MosquittoSide.on(), await PlumbSide.on(OWN_RUNTIME)];
    const got = await bridgeTrial({ ...small, near, far, level: 4, qos: 2, kills: { near: 0, far: 1 } });
    assertEquals(got.again, 0);
  });
});
