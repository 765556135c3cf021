/**
 * A broker and Clients in memory under a virtual clock.
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, test } from "node:test";
import { testBroker } from "./mod.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

describe("testBroker()", () => {
  for (const qos of [0, 1, 2] as const) {
    test(`carries messages at QoS ${qos} between Clients without a port`, async () => {
      await using broker = testBroker();
      const [one, two] = [await broker.connect(), await broker.connect({ level: 4 })];
      const news = await two.subscribe("news/#", { qos });
      await one.publish("news/today", "hello", { qos });
      for await (const message of news) {
        assertEquals([message.topic, text(message.bytes), message.qos], ["news/today", "hello", qos]);
        break;
      }
    });
  }

  test("lets hours pass at once: Keep Alive, and a session that expires", async () => {
    await using broker = testBroker();
    const client = await broker.connect({ clientId: "kitchen", sessionExpiry: 7_200, keepAlive: 60 });
    let losses = 0;
    client.on("disconnected", () => losses++);
    await client.subscribe("a", { qos: 1 });
    await broker.advance(3_600_000);
    assertEquals([client.status, losses], ["connected", 0]);
    await client.close();
    await broker.advance(7_100_000);
    assert(broker.broker.session("kitchen") !== undefined);
    await broker.advance(200_000);
    assertEquals(broker.broker.session("kitchen"), undefined);
  });

  test("has Clients come back after a cut, with what was published meanwhile", async () => {
    await using broker = testBroker();
    const client = await broker.connect({ clientId: "kitchen" });
    const news = await client.subscribe("news", { qos: 1 });
    broker.isReachable = false;
    broker.cut();
    await broker.settle();
    assertEquals(client.status, "waiting");
    broker.publish({ topic: "news", payload: "missed", qos: 1 });
    const sent = client.publish("news", "queued", { qos: 1 });
    await broker.advance(5_000);
    assertEquals(client.status, "waiting");
    broker.isReachable = true;
    await broker.advance(30_000);
    assertEquals((await sent).reasonCode, 0);
    const got: string[] = [];
    for await (const { bytes } of news) if (got.push(text(bytes)) === 2) break;
    assertEquals(got, ["missed", "queued"]);
  });

  test("tells what was published, and does the same again with the same seed", async () => {
    const seen: string[][] = [];
    for (let i = 0; i < 2; i++) {
      await using broker = testBroker({ seed: 7 });
      const topics: string[] = [];
      const end = broker.tap("#", ({ topic }) => topics.push(topic));
      const client = await broker.connect();
      await client.publish(`of/${client.clientId}`, "", { qos: 2 });
      end();
      await client.publish("untold", "", { qos: 2 });
      seen.push(topics);
    }
    assertEquals(seen[0], seen[1]);
    assertEquals(seen[0]!.length, 1);
  });

  test("acknowledges what a Client publishes to itself in no time", async () => {
    await using broker = testBroker();
    const client = await broker.connect();
    const own = await client.subscribe("own", { qos: 1 });
    const { now } = broker;
    await client.publish("own", "unread", { qos: 1 });
    assertEquals([broker.now, own.waiting], [now, 1]);
  });

  test("cannot be reached if the test says so", async () => {
    await using broker = testBroker();
    broker.isReachable = false;
    await assertRejects(() => broker.connect(), Error, "not reachable");
  });

  test("closes though a peer never does", async () => {
    const broker = testBroker();
    await broker.dial(new URL("memory://test"), { tls: {}, signal: new AbortController().signal });
    await broker.close();
    assertEquals(broker.broker.stats.connections, 0);
  });
});
