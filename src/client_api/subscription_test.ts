/** Subscriptions of a Client as programs see them: several filters for one loop, those of an earlier process, and requests below Response Information. @module */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, test } from "node:test";
import { RefusedError } from "../client/error.ts";
import { UsageError } from "../codec/error.ts";
import type { ReasonCode } from "../codec/reason_code.ts";
import { type TestBroker, testBroker, type TestBrokerOptions } from "../test_broker/mod.ts";
import { patient } from "../testing/patience.ts";
import type { Message } from "./message.ts";

const decoder = new TextDecoder();

/** A broker that tells of subscriptions, and refuses those in `refused`. */
class Scene {
  readonly broker: TestBroker;
  /** `+filter` and `-filter`, in order. */
  readonly log: string[] = [];
  readonly refused: Set<string> = new Set();

  constructor(options: TestBrokerOptions = {}) {
    this.broker = testBroker({
      authorize: ({ topic }): ReasonCode => this.refused.has(topic) ? 0x87 : 0,
      hooks: {
        subscribed: (_, filter) => void this.log.push(`+${filter}`),
        unsubscribed: (_, filter) => void this.log.push(`-${filter}`),
      },
      ...options,
    });
  }

  publish(...topics: readonly string[]): void {
    for (const topic of topics) this.broker.publish({ topic, payload: topic, qos: 1 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.broker.close();
  }
}

async function take(messages: AsyncIterable<Message>, count: number): Promise<string[]> {
  const got: string[] = [];
  for await (const { bytes } of messages) if (got.push(decoder.decode(bytes)) === count) break;
  return got;
}

describe("One subscription to several Topic Filters", () => {
  test("has the messages of all in one loop, in order, and ends with all of them", patient, async () => {
    await using scene = new Scene();
    const client = await scene.broker.connect();
    const messages = await client.subscribe(["a/+", "b", "a/+", "a/1"], { qos: 1 });
    assertEquals([messages.filters, messages.filter], [["a/+", "b", "a/1"], "a/+"]);
    scene.publish("a/1", "b", "c", "a/2");
    assertEquals(new Set(await take(messages, 3)), new Set(["a/1", "b", "a/2"]));
    await messages.unsubscribe();
    assertEquals(scene.log, ["+a/+", "+b", "+a/1", "-a/+", "-b", "-a/1"]);
    assertEquals(await take(messages, 1), []);
  });

  test("leaves nothing behind at its signal", patient, async () => {
    await using scene = new Scene();
    const client = await scene.broker.connect();
    const { signal } = new AbortController();
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...it: Parameters<typeof add>) => (listeners++, add(...it));
    signal.removeEventListener = (...it: Parameters<typeof remove>) => (listeners--, remove(...it));
    const one = await client.subscribe("a", { signal });
    const other = await client.subscribe("b", { signal });
    assertEquals(listeners, 2);
    await one.unsubscribe();
    assertEquals(listeners, 1);
    await client.close();
    assertEquals([listeners, await take(other, 1)], [0, []]);
  });

  test("is granted the least that one of them is", patient, async () => {
    await using scene = new Scene({
      permissions: {
        of: () => ({
          version: 0,
          isNarrowed: false,
          publish: () => 0,
          subscribe: (filter, qos) => filter === "b" ? 0 : qos,
          receive: () => true,
        }),
      },
    });
    const client = await scene.broker.connect();
    assertEquals((await client.subscribe(["a", "b"], { qos: 1 })).granted, 0);
    assertEquals((await client.subscribe(["a", "c"], { qos: 1 })).granted, 1);
  });

  test("is made as a whole or not at all", patient, async () => {
    await using scene = new Scene();
    const client = await scene.broker.connect({ clientId: "client" });
    scene.refused.add("b");
    await assertRejects(() => client.subscribe(["a", "b", "c"]), RefusedError);
    await assertRejects(() => client.subscribe(["a", "b/#/c"]), UsageError);
    await assertRejects(() => client.subscribe([]), UsageError);
    await scene.broker.settle();
    assertEquals(scene.broker.broker.session("client")!.subscriptions, 0);
  });

  test(
    "ends as a whole where one is refused after the session was lost; what has come can be read",
    patient,
    async () => {
      await using scene = new Scene();
      await using another = new Scene();
      let { broker } = scene;
      const client = await scene.broker.connect({
        clientId: "client",
        dial: (url, options) => broker.dial(url, options),
      });
      const messages = await client.subscribe(["a", "b", "c"], { qos: 1 });
      const other = await client.subscribe("c");
      scene.publish("a");
      await scene.broker.settle();
      another.refused.add("b");
      broker = another.broker;
      scene.broker.cut();
      await scene.broker.advance(5_000);
      const got: string[] = [];
      await assertRejects(async () => {
        for await (const { bytes } of messages) got.push(decoder.decode(bytes));
      }, RefusedError);
      assertEquals(got, ["a"]);
      await scene.broker.settle();
      assertEquals(another.log.filter((line) => !line.endsWith("c")), ["+a", "-a"]);
      another.publish("c");
      assertEquals(await take(other, 1), ["c"]);
      await client.close({ timeoutMs: 0 });
    },
  );
});

describe("A subscription of an earlier process", () => {
  test("ends by Client.unsubscribe(), which says whether there was one", patient, async () => {
    await using scene = new Scene();
    const before = await scene.broker.connect({ clientId: "client" });
    await before.subscribe("old");
    await before.close();
    const client = await scene.broker.connect({ clientId: "client" });
    assertEquals([await client.unsubscribe("old"), await client.unsubscribe("old")], [0, 0x11]);
    assertEquals(scene.log, ["+old", "-old"]);
    await client.subscribe("new");
    await assertRejects(() => client.unsubscribe("new"), UsageError, "has a Subscription");
  });
});

describe("A request", () => {
  test(
    "has its Response Topic below the Response Information, where that was asked for",
    patient,
    async () => {
      await using scene = new Scene({ responseInformation: ({ clientId }) => `answers/${clientId}` });
      const server = await scene.broker.connect();
      const questions = await server.subscribe("question");
      void (async () => {
        for await (const message of questions) await message.reply(message.properties.responseTopic!);
      })();
      for (const requestResponseInformation of [true, false]) {
        const client = await scene.broker.connect({ clientId: "c", requestResponseInformation });
        const answer = decoder.decode((await client.request("question", "?")).bytes);
        assert(answer.startsWith(requestResponseInformation ? "answers/c/" : "reply/"), answer);
        await client.close();
      }
    },
  );
});

describe("Client.close()", () => {
  test("ends the session at once, if it is told so", patient, async () => {
    await using scene = new Scene();
    for (const sessionExpiry of [undefined, 0]) {
      const client = await scene.broker.connect({ clientId: "client", sessionExpiry: 100 });
      await client.close({ ...sessionExpiry !== undefined && { sessionExpiry } });
      assertEquals(scene.broker.broker.session("client") === undefined, sessionExpiry === 0);
    }
  });

  test("rejects what DISCONNECT cannot say, and the Client goes on", patient, async () => {
    await using scene = new Scene();
    const client = await scene.broker.connect();
    await assertRejects(() => client.close({ sessionExpiry: 1 }), UsageError, "3.14.2.2.2/expiry-from-zero");
    assertEquals(client.status, "connected");
  });
});
