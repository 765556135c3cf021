/** `$SYS/broker/…` as subscribers see it. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { Pair, type StubClient } from "../testing/pair.ts";
import { Life } from "../testing/restarts.ts";
import { MemoryStore } from "./memory_store.ts";
import { SYSTEM_TOPICS, systemTopics } from "./system_topics.ts";

/** Takes the messages that have come: `topic text`, with `retained` behind those that are. */
function took(client: StubClient): string[] {
  client.pair.settle();
  return client.takePublishes().map(({ topic, payload, retain }) =>
    `${topic.replace("$SYS/broker/", "")} ${new TextDecoder().decode(payload)}${retain ? " retained" : ""}`
  );
}

function shown(options: ConstructorParameters<typeof Pair>[0] = {}): Pair {
  return new Pair({ systemTopics: systemTopics({ version: "plumb 1.2.3", intervalMs: 10_000 }), ...options });
}

describe("a Server that shows its figures", () => {
  test("has them retained for a new subscription, and sends what has changed each interval", () => {
    const pair = shown();
    const reader = pair.connect({ clientId: "reader" });
    reader.subscribe("$SYS/broker/version", "$SYS/broker/uptime", "$SYS/broker/clients/connected");
    assertEquals(took(reader), [
      "version plumb 1.2.3 retained",
      "uptime 0 seconds retained",
      "clients/connected 1 retained",
    ]);
    pair.advance(9_999);
    assertEquals(took(reader), []);
    pair.connect({ clientId: "other" });
    pair.advance(1);
    assertEquals(took(reader), ["uptime 10 seconds", "clients/connected 2"]);
    pair.advance(10_000);
    assertEquals(took(reader), ["uptime 20 seconds"]);
  });

  test("of several brokers shows nothing until the figures of all are there, and then those", () => {
    let asked = 0;
    let received: number | undefined;
    const pair = shown({
      systemTopics: systemTopics({
        intervalMs: 10_000,
        since: 1_000,
        whole: (own) => {
          asked++;
          const answer = received;
          received = undefined; // each time they are asked anew
          return answer === undefined ? undefined : { stats: { ...own, received: answer }, since: 500 };
        },
      }),
    });
    assertEquals(asked, 0, "nobody reads");
    const reader = pair.connect({ clientId: "reader" });
    reader.subscribe("$SYS/broker/publish/messages/received", "$SYS/broker/load/publish/received/1min");
    assertEquals(took(reader), []);
    pair.advance(100);
    assertEquals(took(reader), []);
    assert(asked >= 3, `${asked}`);
    received = 70;
    pair.advance(100);
    assertEquals(took(reader).map((line) => line.split(" ")[0]), [
      "publish/messages/received",
      "load/publish/received/1min",
    ]);
    const before = asked;
    pair.advance(9_000);
    assertEquals([took(reader), asked], [[], before]);
    pair.advance(1_000);
    received = 71;
    pair.advance(100);
    assertEquals(took(reader)[0], "publish/messages/received 71");
    reader.unsubscribe("$SYS/broker/publish/messages/received", "$SYS/broker/load/publish/received/1min");
    pair.advance(10_000);
    const last = asked;
    pair.advance(60_000);
    assertEquals(asked, last, "nobody reads any more");
  });

  test("shows the names that mosquitto has, each a number", () => {
    const pair = shown();
    const reader = pair.connect({ clientId: "reader", level: 4 });
    reader.subscribe("$SYS/#");
    const all = took(reader).map((line) => line.split(" "));
    const names = all.map((words) => words.slice(0, -2).join(" ")).filter((name) =>
      !["version plumb", "uptime 0"].includes(name)
    );
    assert(
      names.includes("load/messages/received/15min") && names.includes("retained messages/count"),
      `${names}`,
    );
    assertEquals(new Set(names).size, names.length);
    for (const words of all) {
      if (words[0] !== "version" && words[0] !== "uptime") {
        assert(/^\d+(\.\d\d)?$/.test(words.at(-2)!), `${words}`);
      }
    }
  });

  test("has every name that mosquitto publishes, but for the heap's maximum", () => {
    const loads = [
      ...["messages/received", "messages/sent", "publish/dropped", "publish/received", "publish/sent"],
      ...["bytes/received", "bytes/sent", "sockets", "connections"],
    ].flatMap((name) => [1, 5, 15].map((minutes) => `load/${name}/${minutes}min`));
    const names = [
      ...["version", "uptime", "heap/current", "bytes/received", "bytes/sent"],
      ...["total", "inactive", "disconnected", "active", "connected", "expired", "maximum"].map((name) =>
        `clients/${name}`
      ),
      ...["messages/stored", "messages/received", "messages/sent", "store/messages/count"],
      ...["store/messages/bytes", "subscriptions/count", "shared_subscriptions/count"],
      ...["retained messages/count", "publish/messages/dropped", "publish/messages/received"],
      ...["publish/messages/sent", "publish/bytes/received", "publish/bytes/sent"],
    ];
    assertEquals([...SYSTEM_TOPICS].sort(), [...names, ...loads].sort());
    const pair = shown();
    const reader = pair.connect({ clientId: "reader" });
    reader.subscribe("$SYS/broker/#");
    assertEquals(took(reader).length, SYSTEM_TOPICS.length);
  });

  test("[MQTT-4.7.2-1] shows them to no filter that begins with a wildcard", () => {
    const pair = shown();
    const reader = pair.connect({ clientId: "reader" });
    reader.subscribe("$SYS/broker/uptime", "#", "+/broker/uptime", "$share/g/#");
    assertEquals(took(reader), ["uptime 0 seconds retained"]);
    pair.advance(10_000);
    assertEquals(took(reader), ["uptime 10 seconds"]);
    reader.unsubscribe("$SYS/broker/uptime");
    pair.advance(20_000);
    assertEquals([took(reader), pair.broker.stats.retainedMessages], [[], 0]);
  });

  test("shows them to a Client that comes back to its subscription behind a restart, and to a tap", () => {
    const life = new Life({ systemTopics: systemTopics({ intervalMs: 10_000, since: 1_700_000_000_000 }) });
    const reader = life.connect({ clientId: "reader", keepAlive: 0 });
    reader.subscribe("$SYS/broker/uptime");
    reader.lose();
    life.restart(60_000);
    const again = life.connect({ clientId: "reader", keepAlive: 0 });
    life.pair.advance(10_000);
    assertEquals(took(again), ["uptime 70 seconds"]);

    const pair = shown();
    const seen: string[] = [];
    pair.broker.tap("$SYS/broker/clients/#", ({ topic }) => void seen.push(topic));
    assertEquals(pair.broker.stats.retainedMessages, 0);
    pair.connect();
    pair.advance(0);
    assert(seen.includes("$SYS/broker/clients/connected"), `${seen}`);
  });

  test("does not queue them for a Client that is away, nor count them as dropped", () => {
    const pair = shown();
    const properties = { sessionExpiryInterval: 600 };
    const reader = pair.connect({ clientId: "reader", cleanStart: false, properties });
    reader.subscribe({ filter: "$SYS/#", qos: 2 });
    reader.disconnect();
    pair.advance(30_000);
    const { queuedMessages, dropped } = pair.broker.stats;
    assertEquals([queuedMessages, dropped], [0, 0]);
  });

  test("counts the messages that wait, and those that are retained, as stored", () => {
    const pair = shown();
    const away = pair.connect({ clientId: "away", properties: { sessionExpiryInterval: 600 } });
    away.subscribe("t");
    away.disconnect();
    const reader = pair.connect({ clientId: "reader" });
    reader.publish({ topic: "t" });
    for (const qos of [1, 2] as const) reader.publish({ topic: "t", qos, packetId: qos });
    reader.publish({ topic: "r", payload: "kept", retain: true });
    pair.settle();
    reader.subscribe("$SYS/broker/store/messages/count");
    assertEquals(took(reader), ["store/messages/count 3 retained"]);
  });

  test("does nothing while nobody reads them, and shows none that are old", () => {
    const pair = shown();
    assertEquals([pair.broker.nextDeadline(), pair.broker.stats.retainedMessages], [Infinity, 0]);
    const reader = pair.connect({ clientId: "reader", keepAlive: 0 });
    reader.subscribe("$SYS/broker/uptime");
    assert(pair.broker.stats.retainedMessages > 40);
    reader.unsubscribe("$SYS/broker/uptime");
    pair.advance(10_000);
    assertEquals([pair.broker.nextDeadline(), pair.broker.stats.retainedMessages], [Infinity, 0]);
    pair.advance(50_000);
    reader.subscribe("$SYS/broker/uptime");
    assertEquals(took(reader).at(-1), "uptime 60 seconds retained");
  });

  test("averages loads over minutes as mosquitto does", () => {
    const pair = shown();
    const reader = pair.connect({ clientId: "reader", keepAlive: 0 });
    const load = "load/publish/received/1min";
    reader.subscribe(`$SYS/broker/${load}`);
    assertEquals(took(reader), [`${load} 0.00 retained`]);
    for (let i = 0; i < 60; i++) reader.publish({ topic: "t" });
    pair.advance(10_000);
    const after = 360 * (1 - Math.exp(-1 / 6));
    assertEquals(took(reader), [`${load} ${after.toFixed(2)}`]);
    pair.advance(10_000);
    assertEquals(took(reader), [`${load} ${(after * Math.exp(-1 / 6)).toFixed(2)}`]);
  });

  test("keeps them in no store, and sends them to a Shared Subscription too", () => {
    const store = new MemoryStore();
    const pair = shown({ store });
    const reader = pair.connect({ clientId: "reader" });
    reader.subscribe("$share/g/$SYS/broker/uptime");
    assertEquals(took(reader), []);
    pair.advance(10_000);
    assertEquals(took(reader), ["uptime 10 seconds"]);
    assertEquals([...store.retainedMessages()], []);
  });

  test("without the option there is none", () => {
    const pair = new Pair();
    const reader = pair.connect({ clientId: "reader" });
    reader.subscribe("$SYS/#");
    assertEquals(took(reader), []);
  });
});
