/** A bridge between two brokers of ours, under virtual time. @module */
import { assertEquals, assertRejects } from "@std/assert";
import { describe, test } from "node:test";
import { UsageError } from "../codec/error.ts";
import { BridgeScene } from "../testing/bridge_scene.ts";

const EVERYTHING = [{ filter: "#", direction: "both", qos: 2 }] as const;

async function scene(
  ...args: ConstructorParameters<typeof BridgeScene>
): Promise<BridgeScene & AsyncDisposable> {
  const made = new BridgeScene(...args);
  await made.start();
  await made.loop.advance(1_000); // at level 4 it connects a second time
  return Object.assign(made, { [Symbol.asyncDispose]: () => made.close() });
}

describe("a bridge", () => {
  test("carries what its topics say, each direction under the prefixes of the other side", async () => {
    await using all = await scene({
      topics: [
        { filter: "a/#", qos: 2, localPrefix: "l/", remotePrefix: "r/" },
        { filter: "b", direction: "in", qos: 1, localPrefix: "from/" },
      ],
    });
    const [here, there] = [await all.texts(all.here, "#"), await all.texts(all.there, "#")];
    all.here.publish({ topic: "l/a/x", payload: "1", qos: 2 });
    all.here.publish({ topic: "a/x", payload: "not under the prefix", qos: 2 });
    all.here.publish({ topic: "b", payload: "the other direction", qos: 2 });
    all.there.publish({ topic: "b", payload: "2", qos: 2 });
    all.there.publish({ topic: "r/a/x", payload: "the other direction", qos: 2 });
    await all.loop.advance(0);
    assertEquals(there.filter((text) => !/=(the|not)/.test(text)), ["b=2", "r/a/x=1"]);
    assertEquals(here.filter((text) => !/=(the|not)/.test(text)), ["l/a/x=1", "from/b=2"]);
    assertEquals(there.includes("b=the other direction"), false);
    const { sent, received } = all.bridge.figures;
    assertEquals([sent, received], [1, 1]);
  });

  test("carries the properties of a message, its QoS at most, and RETAIN as it was published", async () => {
    await using all = await scene({ topics: [{ filter: "#", qos: 1 }] });
    const client = await all.client(all.there);
    const messages = await client.subscribe("#", { qos: 2, retainAsPublished: true });
    all.here.publish({
      topic: "a",
      payload: "1",
      qos: 2,
      retain: true,
      properties: { contentType: "text/plain", userProperties: [["k", "v"]], messageExpiryInterval: 60 },
    });
    await all.loop.advance(0);
    for await (const { qos, retain, properties } of messages) {
      assertEquals([qos, retain, properties.contentType, properties.userProperties], [
        1,
        true,
        "text/plain",
        [["k", "v"]],
      ]);
      assertEquals(properties.messageExpiryInterval, 60);
      break;
    }
  });

  for (const level of [5, 4] as const) {
    test(`at level ${level} brings nothing back: # in both directions does not loop`, async () => {
      await using all = await scene({ topics: EVERYTHING, level });
      const [here, there] = [await all.texts(all.here, "#"), await all.texts(all.there, "#")];
      all.here.publish({ topic: "a", payload: "out", qos: 1, retain: true });
      all.there.publish({ topic: "b", payload: "in", qos: 2 });
      await all.loop.advance(60_000);
      assertEquals(here, ["a=out!", "b=in"]);
      assertEquals(there.toSorted(), ["a=out!", "b=in"]);
    });

    test(`at level ${level} carries retained messages over, those of before too, and their end`, async () => {
      const all = new BridgeScene({ topics: EVERYTHING, level });
      all.here.publish({ topic: "here/kept", payload: "1", qos: 1, retain: true });
      all.there.publish({ topic: "there/kept", payload: "2", qos: 1, retain: true });
      await all.start();
      await all.loop.advance(1_000);
      assertEquals(await all.texts(all.there, "here/kept"), ["here/kept=1!"]);
      assertEquals(await all.texts(all.here, "there/kept"), ["there/kept=2!"]);
      all.here.publish({ topic: "here/kept", payload: "", qos: 1, retain: true });
      all.there.publish({ topic: "there/kept", payload: "", qos: 1, retain: true });
      await all.loop.advance(0);
      assertEquals(await all.texts(all.there, "here/kept"), []);
      assertEquals(await all.texts(all.here, "there/kept"), []);
      await all.close();
    });
  }

  test("keeps what comes while there is no way there, beyond its own room in the session", async () => {
    await using all = await scene({ topics: EVERYTHING, numbers: { messagesMax: 3, receiveMaximum: 2 } });
    const there = await all.texts(all.there, "#");
    all.there.isReachable = false;
    all.cut("there");
    await all.loop.advance(1_000);
    for (let i = 0; i < 20; i++) all.here.publish({ topic: "a", payload: `${i}`, qos: 2 });
    await all.loop.advance(1_000);
    assertEquals(there, []);
    assertEquals(all.bridge.figures.queuedOut, 20);
    assertEquals(all.here.broker.session("$bridge/b")!.queued, 15);
    all.there.isReachable = true;
    await all.loop.advance(60_000);
    assertEquals(there, Array.from({ length: 20 }, (_, i) => `a=${i}`));
    assertEquals([all.bridge.figures.queuedOut, all.bridge.figures.reconnects], [0, 1]);
  });

  test("begins before the other broker is there, and tries for ever", async () => {
    const all = new BridgeScene({ topics: EVERYTHING });
    all.there.isReachable = false;
    await all.start();
    all.here.publish({ topic: "a", payload: "1", qos: 1 });
    await all.loop.advance(24 * 3_600_000);
    assertEquals(all.told.length, 1);
    all.there.isReachable = true;
    await all.loop.advance(30_000);
    assertEquals(await all.texts(all.there, "#"), []);
    assertEquals(all.bridge.figures.sent, 1);
    await all.close();
  });

  test("tells its state at both brokers, retained, and its end by the Will", async () => {
    const topic = "bridge/state";
    await using all = await scene({ topics: [{ filter: "x" }], stateTopic: topic });
    const state = async () => [await all.texts(all.here, topic), await all.texts(all.there, topic)].flat();
    assertEquals(await state(), [`${topic}=1!`, `${topic}=1!`]);
    all.there.isReachable = false;
    all.cut("there");
    await all.loop.advance(1_000);
    assertEquals(await state(), [`${topic}=0!`, `${topic}=0!`]);
    all.there.isReachable = true;
    await all.loop.advance(60_000);
    assertEquals(await state(), [`${topic}=1!`, `${topic}=1!`]);
    const closed = all.bridge.close();
    await all.loop.advance(5_000);
    await closed;
    assertEquals(await state(), [`${topic}=0!`, `${topic}=0!`]);
  });

  test("goes on without its state where the other broker keeps $SYS to itself", async () => {
    await using all = await scene({ topics: EVERYTHING });
    const here = await all.texts(all.here, "$SYS/#");
    const there = await all.texts(all.there, "#");
    assertEquals(here, ["$SYS/broker/connection/b/state=1!"]);
    all.here.publish({ topic: "a", payload: "1", qos: 1 });
    await all.loop.advance(0);
    assertEquals(there, ["a=1"]);
  });

  test("sends its retained messages again to a broker that has lost the session", async () => {
    await using all = await scene({ topics: [{ filter: "#", qos: 1 }] });
    all.here.publish({ topic: "kept", payload: "1", qos: 1, retain: true });
    await all.loop.advance(0);
    all.there.publish({ topic: "kept", payload: "", qos: 1, retain: true });
    const thief = await all.client(all.there, { clientId: "plumb.b", cleanStart: true, sessionExpiry: 0 });
    await thief.close({ timeoutMs: 0 });
    await all.loop.advance(60_000);
    assertEquals(await all.texts(all.there, "kept"), ["kept=1!"]);
  });

  test("drops what the other broker refuses, and says so", async () => {
    await using all = await scene({ topics: [{ filter: "#", qos: 1 }], state: "off" }, {
      there: { authorize: ({ topic }) => topic === "no" ? 0x87 : 0 },
    });
    const there = await all.texts(all.there, "#");
    all.here.publish({ topic: "no", payload: "1", qos: 1 });
    all.here.publish({ topic: "yes", payload: "2", qos: 1 });
    await all.loop.advance(0);
    assertEquals(there, ["yes=2"]);
    assertEquals(all.bridge.figures.dropped, 1);
    assertEquals(all.told.filter((text) => text.startsWith("no: RefusedError: PUBACK 0x87")).length, 1);
  });

  test("that keeps nothing drops what comes while there is no way there", async () => {
    await using all = await scene({ topics: EVERYTHING, isClean: true });
    const there = await all.texts(all.there, "#");
    all.there.isReachable = false;
    all.cut("there");
    await all.loop.advance(1_000);
    all.here.publish({ topic: "a", payload: "lost", qos: 2 });
    await all.loop.advance(1_000);
    all.there.isReachable = true;
    await all.loop.advance(60_000);
    all.here.publish({ topic: "a", payload: "there", qos: 2 });
    await all.loop.advance(0);
    assertEquals(there, ["a=there"]);
    assertEquals(all.bridge.figures.dropped, 1);
  });

  test("needs no login and no permission in its own broker, and nobody else gets its session", async () => {
    await using all = await scene({ topics: EVERYTHING }, {
      here: {
        authenticate: ({ username }) => ({ code: username === "$bridge/b" ? 0x87 : 0 }),
        authorize: () => 0x87,
      },
    });
    all.there.publish({ topic: "a", payload: "1", qos: 1, retain: true });
    await all.loop.advance(0);
    assertEquals(all.here.broker.stats.retainedMessages, 2); // and its state
    let why = "";
    await all.client(all.here, { clientId: "$bridge/b" }).catch((error: Error) => why = error.message);
    assertEquals(why.startsWith("CONNACK 0x85"), true, why);
  });

  test("ends its session for good when it is taken away, and keeps it over a restart", async () => {
    const all = new BridgeScene({ topics: EVERYTHING });
    await all.start();
    for (const isForGood of [false, true]) {
      const closed = all.bridge.close(isForGood);
      await all.loop.advance(5_000);
      await closed;
      assertEquals(all.here.broker.session("$bridge/b") === undefined, isForGood);
      if (!isForGood) await all.start();
    }
  });

  test("gives up the filters that it had before, and gets nothing of them", async () => {
    const all = new BridgeScene({ topics: [{ filter: "old", qos: 2 }] });
    await all.start();
    const closed = all.bridge.close();
    await all.loop.advance(5_000);
    await closed;
    all.here.publish({ topic: "old", payload: "1", qos: 2 });
    await all.start({ topics: [{ filter: "new", qos: 2 }] });
    const there = await all.texts(all.there, "#");
    all.here.publish({ topic: "old", payload: "2", qos: 2 });
    all.here.publish({ topic: "new", payload: "3", qos: 2 });
    await all.loop.advance(0);
    assertEquals(there, ["new=3"]);
    assertEquals(all.here.broker.session("$bridge/b")!.subscriptions, 1);
    await all.close();
  });

  test("has its store's trouble end the connections, and goes on when it is over: nothing lost", async () => {
    await using all = await scene({ topics: EVERYTHING });
    const there = await all.texts(all.there, "#");
    all.base!.isBroken = true;
    for (let i = 0; i < 5; i++) all.here.publish({ topic: "a", payload: `${i}`, qos: i % 2 === 0 ? 2 : 1 });
    await all.loop.advance(10_000);
    assertEquals(there, []);
    all.base!.isBroken = false;
    await all.loop.advance(120_000);
    assertEquals(new Set(there), new Set(["a=0", "a=1", "a=2", "a=3", "a=4"]));
    assertEquals(there.filter((text) => ["a=0", "a=2", "a=4"].includes(text)), ["a=0", "a=2", "a=4"]);
  });

  test("refuses what cannot be, in words", async () => {
    for (
      const [options, said] of [
        [{ name: "a b", topics: [] }, '"a b" is no name of a bridge'],
        [{ topics: [{ filter: "a/#/b" }] }, '"a/#/b" is no Topic Filter [MQTT-4.7.1-1]'],
        [{ topics: [{ filter: "$share/g/a" }] }, '"$share/g/a": a bridge takes no share'],
        [{ topics: [{ filter: "a", localPrefix: "+/" }] }, '"+/" is no prefix: it has + or #'],
        [
          { topics: [], numbers: { messagesMax: 0 } },
          "messagesMax of a bridge is 0: it takes a whole number",
        ],
      ] as const
    ) {
      await assertRejects(() => new BridgeScene(options).start(), UsageError, said);
    }
  });
});
