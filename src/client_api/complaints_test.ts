/**
 * What users of MQTT.js have complained of for years, by the numbers of its issues, is not so here.
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { build, stop } from "esbuild";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { ClosedError, OfflineError } from "../client/error.ts";
import { type TestBroker, testBroker } from "../test_broker/mod.ts";
import { patient } from "../testing/patience.ts";
import type { Client } from "./client.ts";
import type { ConnectOptions, Dialer } from "./options.ts";

const decoder = new TextDecoder();

/** A network whose Server can be replaced by one that knows nothing. */
class Network {
  broker: TestBroker;
  /** Topic Filters of SUBSCRIBE packets. */
  readonly subscribed: string[] = [];
  readonly #all: TestBroker[] = [];

  constructor() {
    this.broker = this.#make();
  }

  #make(): TestBroker {
    const broker = testBroker({ hooks: { subscribed: (_, filter) => this.subscribed.push(filter) } });
    this.#all.push(broker);
    return broker;
  }

  readonly dial: Dialer = (url, options) => this.broker.dial(url, options);

  /** Connects a Client that lives by the clock of the first Server. */
  connect(options: ConnectOptions): Promise<Client> {
    return this.#all[0]!.connect({ dial: this.dial, reconnect: { maxMs: 1_000 }, ...options });
  }

  /** The Server crashes, and another one takes its place. */
  async replace(): Promise<void> {
    const before = this.broker;
    this.broker = this.#make();
    before.cut();
    await this.advance(5_000);
  }

  async advance(ms: number): Promise<void> {
    for (const broker of this.#all) await broker.advance(ms);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const broker of this.#all) await broker.close();
  }
}

/** The next messages, as text. */
async function take(messages: AsyncIterable<{ bytes: Uint8Array }>, count: number): Promise<string[]> {
  const got: string[] = [];
  for await (const { bytes } of messages) if (got.push(decoder.decode(bytes)) === count) break;
  return got;
}

describe("A promise of publish()", () => {
  test("settles when there is no connection, and when the Client closes (#1987, #1974)", async () => {
    await using broker = testBroker();
    const client = await broker.connect({ clientId: "client" });
    broker.isReachable = false;
    broker.cut();
    await broker.settle();
    await assertRejects(() => client.publish("a", "0"), OfflineError);
    const waiting = [1, 2].map((qos) => client.publish("a", `${qos}`, { qos: qos as 1 | 2 }));
    const outcomes = Promise.allSettled(waiting);
    await client.close();
    for (const outcome of await outcomes) {
      assert(outcome.status === "rejected" && outcome.reason instanceof ClosedError);
    }
    await assertRejects(() => client.publish("a", "after", { qos: 1 }), ClosedError);
  });

  test("stays pending over a cut, and is fulfilled behind it (#1987, #1974)", async () => {
    await using broker = testBroker();
    const client = await broker.connect({ clientId: "client" });
    const sent = [1, 2].map((qos) => client.publish("a", `${qos}`, { qos: qos as 1 | 2 }));
    broker.cut();
    await broker.advance(60_000);
    for (const { reasonCode } of await Promise.all(sent)) assertEquals(reasonCode, 0x10);
  });
});

describe("A subscription", () => {
  for (const level of [4, 5] as const) {
    test(`is made anew where the Server has lost the session, level ${level} (#895, #1288, #1157)`, async () => {
      await using network = new Network();
      const client = await network.connect({ clientId: "client", cleanStart: false, level });
      const news = await client.subscribe("news/#", { qos: 1 });
      for (let i = 0; i < 3; i++) {
        await network.replace();
        assertEquals(client.status, "connected");
        network.broker.publish({ topic: "news/today", payload: `${i}`, qos: 1 });
        assertEquals(await take(news, 1), [`${i}`]);
      }
    });
  }

  test("is asked for once on each Server, however often the connection is lost (#675)", async () => {
    await using network = new Network();
    const client = await network.connect({ clientId: "client" });
    await client.subscribe("a", { qos: 1 });
    await client.subscribe("b", { qos: 1 });
    for (let i = 0; i < 20; i++) {
      network.broker.cut();
      await network.advance(5_000);
    }
    assertEquals(network.subscribed, ["a", "b"]);
    await network.replace();
    assertEquals(network.subscribed, ["a", "b", "a", "b"]);
  });
});

describe("A Client", () => {
  test("works after cuts at any moment of connecting, and publishes at once (#1216, #1884, #1727)", async () => {
    await using broker = testBroker();
    const client = await broker.connect({ clientId: "client", reconnect: { minMs: 1, maxMs: 10 } });
    const echoes = await client.subscribe("echo", { qos: 2 });
    for (let round = 0; round < 100; round++) {
      broker.cut();
      for (let turns = round % 12; turns > 0; turns--) await Promise.resolve();
      broker.cut();
      const sent = client.publish("echo", `${round}`, { qos: 2 });
      await broker.advance(1_000);
      assertEquals((await sent).reasonCode, 0);
    }
    assertEquals(await take(echoes, 100), Array.from({ length: 100 }, (_, round) => `${round}`));
    assertEquals(echoes.waiting, 0);
  });

  test("stays connected where timers run once a minute, as in a tab in the background (#1257, #1577, #1608, #1861)", async () => {
    await using broker = testBroker();
    const minute = 60_000;
    const client = await broker.connect({
      clientId: "tab",
      keepAlive: 90,
      loop: {
        now: () => broker.now,
        endOfTurn: (run) => broker.loop.endOfTurn(run),
        at: (ms, run) => broker.loop.at(Math.ceil(ms / minute) * minute, run),
      },
    });
    let losses = 0;
    client.on("disconnected", () => losses++);
    await broker.advance(3 * 60 * minute);
    assertEquals([client.status, losses], ["connected", 0]);
  });

  test("that sends all the time, and gets nothing, finds out that the Server is gone (#1268)", async () => {
    await using broker = testBroker();
    let isDeaf = false;
    const client = await broker.connect({
      clientId: "client",
      keepAlive: 30,
      async dial(url, options) {
        const transport = await broker.dial(url, options);
        return {
          label: transport.label,
          start: (handler) => transport.start(handler),
          // Bytes go nowhere: no error, no answer.
          write: (chunk) => isDeaf ? chunk.length : transport.write(chunk),
          pause: () => transport.pause(),
          resume: () => transport.resume(),
          close: () => transport.close(),
          abort: () => transport.abort(),
        };
      },
    });
    let losses = 0;
    client.on("disconnected", () => {
      losses++;
      isDeaf = false;
    });
    isDeaf = true;
    for (let second = 0; second < 60; second++) {
      await client.publish("a", `${second}`, { offline: "drop" });
      await broker.advance(1_000);
    }
    assertEquals([losses, client.status], [1, "connected"]);
  });

  test(
    "holds the Server back where its loop is slow: little waits here, and nothing is lost (#404)",
    patient,
    async () => {
      await using broker = testBroker();
      const count = 5_000;
      const slow = await broker.connect({ clientId: "slow", receiveMaximum: 50 });
      const messages = await slow.subscribe("flood", { qos: 1 });
      const writer = await broker.connect({ clientId: "writer" });
      const sent = Array.from({ length: count }, (_, i) => writer.publish("flood", `${i}`, { qos: 1 }));
      let next = 0;
      for await (const { bytes } of messages) {
        assertEquals(decoder.decode(bytes), `${next}`);
        assert(messages.waiting <= 50, `${messages.waiting} wait`);
        if (next % 100 === 0) await broker.advance(10);
        if (++next === count) break;
      }
      await Promise.all(sent);
    },
  );

  test(
    "bundles for a page without Buffer, process, streams or any part of Node (#1658, #1268, mqtt-packet #151)",
    patient,
    async () => {
      const entry = fileURLToPath(new URL("./browser.ts", import.meta.url));
      const { outputFiles, metafile } = await build({
        entryPoints: [entry],
        bundle: true,
        write: false,
        format: "esm",
        platform: "browser",
        target: "es2022",
        metafile: true,
        logLevel: "silent",
      });
      await stop();
      assertEquals(Object.keys(metafile.inputs).filter((path) => /node_modules|runtime/.test(path)), []);
      const [code] = outputFiles[0]!.text.match(/\b(?:Buffer\.|process\.|require\(|node:)/) ?? [];
      assertEquals(code, undefined);
    },
  );
});
