/** A Client as programs use it, against our broker, over TCP and in memory. @module */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { inProcess } from "../runtime/in_process.ts";
import type { ServeOptions, Server } from "../server/serve.ts";
import { serve } from "../server/serve.ts";
import { testBroker } from "../test_broker/mod.ts";
import { patient, until } from "../testing/patience.ts";
import { CA, CERT, KEY } from "../testing/tls.ts";
import type { Transport } from "../transport/transport.ts";
import { dialByScheme } from "./dial.ts";
import {
  type Client,
  type ClientLoop,
  type ClientStore,
  connect,
  type ConnectOptions,
  explain,
  json,
  type Message,
  type MqttError,
  PayloadError,
  type PublishOptions,
  type QoS,
  RefusedError,
  text,
  topic,
  UsageError,
} from "./mod.ts";

const ANYWHERE = ["mqtt://127.0.0.1:0"];
const decoder = new TextDecoder();

/** A broker, the means to cut connections, and a Client. */
interface Scene {
  readonly server: Server;
  readonly url: string;
  readonly client: Client;
  /** Connections of the Client, the last one last. */
  readonly transports: Transport[];
}

async function withClient(
  options: ConnectOptions,
  body: (scene: Scene) => Promise<void>,
  serveOptions: ServeOptions = {},
): Promise<void> {
  const server = await serve({ listen: ANYWHERE, ...serveOptions });
  const url = server.addresses[0]!;
  const transports: Transport[] = [];
  const client = await connect(url, {
    clientId: "client",
    reconnect: { minMs: 10, maxMs: 50 },
    async dial(url, options) {
      const transport = await dialByScheme(url, options);
      transports.push(transport);
      return transport;
    },
    ...options,
  });
  try {
    await body({ server, url, client, transports });
  } finally {
    await client.close({ timeoutMs: 0 });
    await server.close();
  }
}

function textOf({ bytes }: Message<unknown>): string {
  return decoder.decode(bytes);
}

/** The next messages of a subscription, as text. */
async function next(messages: AsyncIterable<Message<unknown>>, count: number): Promise<string[]> {
  const got: string[] = [];
  for await (const message of messages) if (got.push(textOf(message)) === count) break;
  return got;
}

async function errorOf(promise: Promise<unknown>): Promise<MqttError> {
  try {
    await promise;
  } catch (error) {
    return error as MqttError;
  }
  throw new Error("It was not rejected");
}

describe("a Client", patient, () => {
  for (const level of [5, 4, 3] as const) {
    test(`publishes and receives at level ${level}`, () =>
      withClient({ level }, async ({ client }) => {
        assertEquals([client.status, client.level, client.clientId], ["connected", level, "client"]);
        const messages = await client.subscribe("a/#", { qos: 2 });
        assertEquals(messages.granted, 2);
        for (const qos of [0, 1, 2] as const) {
          assertEquals((await client.publish(`a/${qos}`, `m${qos}`, { qos })).reasonCode, 0);
        }
        assertEquals(await next(messages, 3), ["m0", "m1", "m2"]);
        const { reasonCode } = await client.publish("nobody", "", { qos: 2 });
        assertEquals(reasonCode, level === 5 ? 0x10 : 0);
      }));
  }

  test("has topics with parameters and payloads with types", () =>
    withClient({}, async ({ client }) => {
      const temperature = topic("home/{room}/temperature", json<{ celsius: number }>());
      await using readings = await client.subscribe(temperature, { qos: 1 });
      await client.publish(temperature, { room: "kitchen" }, { celsius: 21 }, { qos: 1 });
      // @ts-expect-error no such parameter
      await assertRejects(() => client.publish(temperature, { rom: "kitchen" }, { celsius: 21 }), UsageError);
      for await (const { params: { room }, payload: { celsius }, properties } of readings) {
        assertEquals([room, celsius, properties.contentType], ["kitchen", 21, "application/json"]);
        break;
      }
      await client.publish("home/x/temperature", "{");
      for await (const message of readings) {
        assertThrows(() => message.payload, PayloadError);
        break;
      }
    }));

  test("gets retained messages that come with SUBACK", () =>
    withClient({}, async ({ client }) => {
      await client.publish("a", "kept", { retain: true, qos: 1 });
      assertEquals(await next(await client.subscribe("a"), 1), ["kept"]);
    }));

  test("asks and is answered", () =>
    withClient({}, async ({ client, server }) => {
      const fan = await client.subscribe("fan");
      const work = (async () => {
        for await (const message of fan) {
          await message.reply(`${textOf(message)} done`, { qos: 1 });
          await message.reply("again");
        }
      })();
      assertEquals(textOf(await client.request("fan", "on", { qos: 1 })), "on done");
      const answers = await Promise.all(["a", "b", "c"].map((one) => client.request("fan", one)));
      assertEquals(answers.map(textOf), ["a done", "b done", "c done"]);
      const stop = new AbortController();
      const many: string[] = [];
      for await (const answer of client.requestMany("fan", "x", { signal: stop.signal })) {
        many.push(textOf(answer));
        if (many.length === 2) stop.abort();
      }
      assertEquals(many, ["x done", "again"]);
      assertEquals((await errorOf(client.request("nobody", "", { timeoutMs: 20 }))).kind, "timeout");
      assertEquals(server.broker.stats.subscriptions, 2);
      await fan.unsubscribe();
      await work;
    }));

  test("below level 5 cannot ask, and says so", () =>
    withClient({ level: 4 }, async ({ client }) => {
      assertEquals((await errorOf(client.request("fan", "on"))).kind, "unsupported");
    }));

  test("speaks TLS", async () => {
    const server = await serve({ listen: ["mqtts://127.0.0.1:0"], tls: { cert: CERT, key: KEY } });
    try {
      const [url] = server.addresses;
      await using client = await connect(url!.replace("127.0.0.1", "localhost"), { tls: { ca: CA } });
      assertEquals(client.status, "connected");
      assertEquals((await errorOf(connect(url!))).kind, "connection");
    } finally {
      await server.close();
    }
  });

  test("that is closed leaves no timer, which would keep its process alive", async () => {
    await using broker = testBroker();
    const timers = new Set<unknown>();
    const loop: ClientLoop = {
      now: () => broker.loop.now(),
      endOfTurn: (run) => broker.loop.endOfTurn(run),
      at(ms, run) {
        const cancel = broker.loop.at(ms, () => (timers.delete(cancel), run()));
        timers.add(cancel);
        return () => (timers.delete(cancel), cancel());
      },
    };
    const client = await broker.connect({ loop });
    assertEquals(timers.size, 1);
    await client.close();
    assertEquals(timers.size, 0);
  });

  test("needs no socket", async () => {
    const server = await serve({ listen: [] });
    try {
      const dial = () => {
        const [theirs, ours] = inProcess();
        server.accept(theirs);
        return Promise.resolve(ours);
      };
      await using client = await connect("memory://broker", { dial });
      const messages = await client.subscribe("a");
      await client.publish("a", "x".repeat(3_000_000), { qos: 2 });
      assertEquals((await next(messages, 1))[0]?.length, 3_000_000);
    } finally {
      await server.close();
    }
  });
});

describe("messages at QoS 0", patient, () => {
  test("of one turn keep their place among all others, and each promise is settled", async () => {
    await using broker = testBroker();
    const client = await broker.connect();
    const messages = await client.subscribe("#", { qos: 1 });
    const signal = new AbortController().signal;
    const all: Promise<unknown>[] = [];
    for (let i = 0; i < 300; i++) {
      const options: PublishOptions[] = [{}, { retain: i % 2 === 0 }, {}, { qos: 1 }, { contentType: "t" }, {
        signal,
      }];
      all.push(client.publish(`topic/${i % 7 === 0 ? 1 : 2}`, `${i}`, options[i % 11 % 6]));
    }
    assertEquals(await next(messages, 300), Array.from({ length: 300 }, (_, i) => `${i}`));
    await Promise.all(all);
    assert(new Set(all).size < 250, "no two share a promise");
  });

  test("that are wrong fail by themselves", async () => {
    await using broker = testBroker();
    const client = await broker.connect();
    const good = [client.publish("topic", "a"), client.publish("topic", "b")];
    await assertRejects(() => client.publish("a/#", "x"), UsageError);
    await assertRejects(() => client.publish("topic", "\ud800"), PayloadError);
    await assertRejects(() => client.publish("topic", "x", { qos: 3 as 2 }), UsageError);
    const aborted = AbortSignal.abort(new Error("too late"));
    await assertRejects(() => client.publish("topic", "x", { signal: aborted }), Error, "too late");
    const { signal } = new AbortController();
    await assertRejects(() => client.publish("a/#", "x", { signal }), UsageError);
    assertEquals(await Promise.all(good), [{ reasonCode: 0 }, { reasonCode: 0 }]);
  });
});

describe("connect()", patient, () => {
  test("rejects with why there is no connection", async () => {
    const error = await errorOf(connect("mqtt://127.0.0.1:1"));
    assertEquals([error.kind, error.message], ["connection", "127.0.0.1:1: nothing listens there"]);
    assertEquals(explain(error), error.message);
    assert((await errorOf(connect("gopher://x"))).message.includes("gopher: is not supported"));
    await assertRejects(
      () => connect("mqtt://127.0.0.1:1", { will: { topic: "a/#", payload: "" } }),
      UsageError,
    );
  });

  test("rejects with the reason of the Server", () =>
    withClient({ username: "good" }, async ({ url }) => {
      const error = await errorOf(connect(url, { username: "bad" }));
      assert(error instanceof RefusedError);
      assertEquals([error.packet, error.reasonCode], ["CONNACK", 0x86]);
      assert(
        explain(error).startsWith("The Server refuses by CONNACK: Bad User Name or Password"),
        explain(error),
      );
      const old = await errorOf(connect(url, { username: "bad", level: 4 }));
      assertEquals(explain(old), "The Server refuses by CONNACK: Bad user name or password");
    }, { authenticate: ({ username }) => username === "good" ? { code: 0 } : { code: 0x86 } }));

  test("tries as long as it may, and then says what it waited for", async () => {
    const attempts: number[] = [];
    const error = await errorOf(connect("mqtt://127.0.0.1:1", {
      connectTimeoutMs: 100,
      reconnect: { minMs: 1, maxMs: 5 },
      credentials: (attempt) => {
        attempts.push(attempt);
        return {};
      },
    }));
    assertEquals([error.kind, (error.cause as MqttError).message], [
      "timeout",
      "127.0.0.1:1: nothing listens there",
    ]);
    assert(attempts.length > 2, `${attempts}`);
    assertEquals(attempts.slice(0, 3), [0, 1, 2]);
  });

  test("ends with its signal", async () => {
    const stop = new AbortController();
    const connecting = errorOf(
      connect("mqtt://127.0.0.1:1", { connectTimeoutMs: Infinity, signal: stop.signal }),
    );
    stop.abort(new Error("enough"));
    assertEquals((await connecting).message, "enough");
    assertEquals((await errorOf(connect("mqtt://127.0.0.1:1", { signal: stop.signal }))).message, "enough");
  });

  test("follows a redirection", () =>
    withClient({}, async ({ url }) => {
      const other = await serve({
        listen: ANYWHERE,
        authenticate: () => ({ code: 0x9c, serverReference: url.slice("mqtt://".length) }),
      });
      try {
        await using client = await connect(other.addresses[0]!);
        assertEquals(client.status, "connected");
        assertEquals((await errorOf(connect(other.addresses[0]!, { redirects: false }))).kind, "refused");
      } finally {
        await other.close();
      }
    }));
});

describe("a connection that is lost", patient, () => {
  test("comes back, and nothing that was asked for is forgotten", () =>
    withClient({ level: 4, cleanStart: true }, async ({ client, transports, server }) => {
      const events: unknown[] = [];
      client.on("connected", ({ sessionPresent }) => events.push(sessionPresent));
      client.on("disconnected", ({ retryAt }) => events.push(typeof retryAt));
      const messages = await client.subscribe("a");
      for (let i = 1; i <= 3; i++) {
        transports.at(-1)!.abort();
        const published = [0, 1, 2].map((n) => client.publish("a", `${i}${n}`, { qos: n === 0 ? 1 : 2 }));
        await Promise.all(published);
        assertEquals((await next(messages, 3)).sort(), [0, 1, 2].map((n) => `${i}${n}`));
        assertEquals(server.broker.stats.subscriptions, 1);
      }
      assertEquals(events.filter((one) => one === "number").length, 3);
      assert(events.includes(false));
    }));

  test("again and again has each message of QoS 2 come once, and all in order", () =>
    withClient({}, async ({ client, url, transports }) => {
      const others: Transport[] = [];
      await using reader = await connect(url, {
        clientId: "reader",
        reconnect: { minMs: 1, maxMs: 10 },
        async dial(url, options) {
          const transport = await dialByScheme(url, options);
          others.push(transport);
          return transport;
        },
      });
      const messages = await reader.subscribe("a", { qos: 2 });
      for (let round = 0; round < 20; round++) {
        const sent = Array.from({ length: 50 }, (_, i) => `${round}/${i}`);
        const published = Promise.all(sent.map((payload) => client.publish("a", payload, { qos: 2 })));
        await next(messages, 1);
        (round % 2 === 0 ? transports : others).at(-1)!.abort();
        assertEquals(await next(messages, 49), sent.slice(1));
        await published;
      }
      assert(
        others.length > 5 && transports.length > 5,
        `${others.length} and ${transports.length} connections`,
      );
    }));

  test("by a store that always fails comes back at the pace of reconnect, and the Client can be closed", async () => {
    await using broker = testBroker();
    let commits = 0;
    const client = await broker.connect({
      clientId: "client",
      reconnect: { again: () => 1_000 },
      store: {
        load: () => [],
        put() {},
        delete() {},
        commit: () => ++commits > 100 ? new Promise(() => {}) : Promise.reject(new Error("disk full")),
      },
    });
    const causes: unknown[] = [];
    client.on("disconnected", ({ error }) => causes.push((error.cause as Error).message));
    const published = errorOf(client.publish("a", "", { qos: 1 }));
    await broker.settle();
    assertEquals(commits, 1);
    await broker.advance(10_000);
    assertEquals(commits, 11);
    assertEquals(causes, Array(11).fill("disk full"));
    await client.close();
    assertEquals([(await published).kind, commits], ["closed", 11]);
  });

  test("leaves `await using` of a subscription at once while there is no connection, and UNSUBSCRIBE goes out with the next", async () => {
    await using broker = testBroker();
    await using client = await broker.connect({ clientId: "client", reconnect: { again: () => 1_000 } });
    for (const isCutBefore of [true, false]) {
      const messages = await client.subscribe("a", { qos: 1 });
      broker.isReachable = false;
      if (isCutBefore) broker.cut();
      const left = messages[Symbol.asyncDispose]();
      broker.cut();
      await left;
      broker.isReachable = true;
      await broker.advance(2_000);
      assertEquals(client.status, "connected");
      assertEquals(await client.publish("a", "", { qos: 1 }).then(({ reasonCode }) => reasonCode), 0x10);
    }
  });

  test("has QoS 0 fail at once unless it is to wait; with close() all that is pending fails", () =>
    withClient(
      { reconnect: { minMs: 60_000, maxMs: 60_000, again: () => 60_000 } },
      async ({ client, transports }) => {
        transports.at(-1)!.abort();
        await until(() => client.status === "waiting", "the connection is lost");
        assertEquals((await errorOf(client.publish("a", ""))).kind, "offline");
        assertEquals(await client.publish("a", "", { offline: "drop" }), { reasonCode: 0 });
        const pending = [
          client.publish("a", "", { offline: "queue" }),
          client.publish("a", "", { qos: 2 }),
          client.subscribe("a"),
        ]
          .map(errorOf);
        await client.close();
        assertEquals((await Promise.all(pending)).map(({ kind }) => kind), ["closed", "closed", "closed"]);
        assertEquals((await errorOf(client.publish("a", ""))).kind, "closed");
        assertEquals((await errorOf(client.subscribe("a"))).kind, "closed");
        await client.close();
      },
    ));

  test("asks for credentials anew, and gives up only where the owner says so", async () => {
    const attempts: number[] = [];
    let isOpen = true;
    await withClient({
      credentials: (attempt) => {
        attempts.push(attempt);
        return { username: isOpen ? "good" : "bad" };
      },
      reconnect: {
        minMs: 1,
        maxMs: 5,
        again: (error, attempt) => error.kind === "refused" && attempt > 3 ? false : undefined,
      },
    }, async ({ client, transports }) => {
      const closed = new Promise<MqttError | undefined>((resolve) =>
        client.on("closed", ({ error }) => resolve(error))
      );
      isOpen = false;
      transports.at(-1)!.abort();
      assertEquals((await closed)?.kind, "refused");
      assertEquals(attempts, [0, 1, 2, 3, 4]);
    }, { authenticate: ({ username }) => username === "good" ? { code: 0 } : { code: 0x86 } });
  });

  test("ends the Client where another one has taken over its session", () =>
    withClient({}, async ({ client, url }) => {
      const messages = await client.subscribe("a");
      const reading = errorOf(next(messages, 1));
      await using _other = await connect(url, { clientId: "client" });
      const error = await reading;
      assert(error instanceof RefusedError);
      assertEquals([error.packet, error.reasonCode, client.status], ["DISCONNECT", 0x8e, "closed"]);
    }));
});

describe("a reader", patient, () => {
  test("holds the Server back by the messages that it has not taken", () =>
    withClient({ receiveMaximum: 5 }, async ({ client, server }) => {
      const messages = await client.subscribe("a", { qos: 1 });
      for (let i = 0; i < 20; i++) server.publish({ topic: "a", payload: `${i}`, qos: 1 });
      await until(() => messages.waiting === 5, "five have come");
      assertEquals(server.broker.session("client")?.inFlight, 5);
      assertEquals(await next(messages, 20), Array.from({ length: 20 }, (_, i) => `${i}`));
      await until(() => server.broker.session("client")?.inFlight === 0, "all are acknowledged");
    }));

  test("acknowledges at receipt, or by hand with a reason, if it is to", () =>
    withClient({ receiveMaximum: 5 }, async ({ client, server }) => {
      const messages = await client.subscribe("a", { qos: 1, ack: "receipt", buffer: 3 });
      for (let i = 0; i < 20; i++) server.publish({ topic: "a", payload: `${i}`, qos: 1 });
      await until(() => messages.waiting === 8, "three are acknowledged, and five more have come");
      assertEquals((await next(messages, 20)).length, 20);
      const byHand = await client.subscribe("b", { qos: 1, ack: "manual" });
      server.publish({ topic: "b", payload: "", qos: 1 });
      for await (const message of byHand) {
        assertEquals(server.broker.session("client")?.inFlight, 1);
        message.ack(0x87);
        message.ack();
        break;
      }
      await until(() => server.broker.session("client")?.inFlight === 0, "it is refused");
    }));

  test("drops the oldest or the newest where it is to", () =>
    withClient({}, async ({ client }) => {
      const [oldest, newest] = [
        await client.subscribe("a", { buffer: 2, overflow: "dropOldest" }),
        await client.subscribe("a", { buffer: 2, overflow: "dropNewest" }),
      ];
      for (const payload of ["1", "2", "3", "4"]) await client.publish("a", payload, { qos: 2 });
      assertEquals([oldest.dropped, newest.dropped], [2, 2]);
      assertEquals([await next(oldest, 2), await next(newest, 2)], [["3", "4"], ["1", "2"]]);
    }));

  test("has nothing read while it is full at QoS 0, and gets all in the end", () =>
    withClient({ keepAlive: 1 }, async ({ client, url }) => {
      const messages = await client.subscribe("a", { qos: 0, buffer: 10 });
      await using publisher = await connect(url);
      const count = 2_000;
      for (let i = 0; i < count; i++) await publisher.publish("a", `${i}`);
      await until(() => messages.waiting >= 10, "it is full");
      const got: string[] = [];
      for await (const message of messages) {
        assert(messages.waiting <= 10, `${messages.waiting} wait`);
        if (got.push(textOf(message)) === count) break;
      }
      assertEquals([got.length, messages.dropped, client.status], [count, 0, "connected"]);
    }));

  test("that takes 10 ms for each message of a flood loses none, keeps a bounded number, and is not cut off", async () => {
    await using broker = testBroker();
    const client = await broker.connect({ receiveMaximum: 50 });
    let losses = 0;
    client.on("disconnected", () => losses++);
    const count = 600;
    const reading = [1, 2].map(async (qos) => {
      const messages = await client.subscribe(`${qos}`, { qos: qos as QoS });
      const got: string[] = [];
      let most = 0;
      for await (const message of messages) {
        most = Math.max(most, messages.waiting);
        got.push(textOf(message));
        await new Promise<void>((resolve) => broker.loop.at(broker.now + 10, resolve));
        if (got.length === count) break;
      }
      assertEquals(got, Array.from({ length: count }, (_, i) => `${i}`));
      assert(most > 10 && most <= 50, `${most} waited`);
    });
    await broker.settle();
    for (let i = 0; i < count; i++) {
      for (const qos of [1, 2] as const) broker.publish({ topic: `${qos}`, payload: `${i}`, qos });
    }
    await broker.advance(2 * count * 10);
    await Promise.all(reading);
    assertEquals([losses, client.status], [0, "connected"]);
  });

  test("that is behind where the transport cannot pause has QoS 0 dropped, and counted", async () => {
    await using broker = testBroker();
    const client = await broker.connect({
      dial: async (url, options) =>
        Object.assign(await broker.dial(url, options), { isUnpausable: true, pause() {}, resume() {} }),
    });
    const messages = await client.subscribe("a", { qos: 0, buffer: 10 });
    for (let i = 0; i < 1_000; i++) broker.publish({ topic: "a", payload: `${i}` });
    await broker.settle();
    assertEquals([messages.waiting, messages.dropped], [10, 990]);
    assertEquals(await next(messages, 10), Array.from({ length: 10 }, (_, i) => `${i}`));
    broker.publish({ topic: "a", payload: "later" });
    assertEquals(await next(messages, 1), ["later"]);
  });

  test("that publishes and waits in its loop does not wait for itself", () =>
    withClient({}, async ({ client, url }) => {
      const messages = await client.subscribe("a", { qos: 0, buffer: 2 });
      await using publisher = await connect(url);
      let isOver = false;
      const flood = (async () => {
        while (!isOver) await publisher.publish("a", "x");
      })();
      let count = 0;
      for await (const _message of messages) {
        await client.publish("b", "", { qos: 1 });
        if (++count === 100) break;
      }
      isOver = true;
      await flood;
    }));

  test("is one at a time, goes on where another loop ended, and ends with the subscription", () =>
    withClient({}, async ({ client }) => {
      const stop = new AbortController();
      const messages = await client.subscribe("a", { signal: stop.signal });
      for (const payload of ["1", "2", "3"]) await client.publish("a", payload, { qos: 1 });
      assertEquals(await next(messages, 1), ["1"]);
      const rest = next(messages, 9);
      const [, second] = [await Promise.resolve(), messages[Symbol.asyncIterator]()];
      await until(() => messages.waiting === 0, "the others are read");
      await assertRejects(() => second.next(), UsageError, "one reader");
      stop.abort();
      assertEquals(await rest, ["2", "3"]);
      assertEquals(await next(messages, 1), []);
    }));

  test("of messages that no subscription matches is a listener", () =>
    withClient({}, async ({ client, url, server }) => {
      await client.subscribe("a");
      await client.close();
      await using next = await connect(url, { clientId: "client", limits: { strayMs: 1 } });
      const unmatched = new Promise<string>((resolve) => {
        next.on("unmatched", (message) => resolve(textOf(message)));
      });
      server.publish({ topic: "a", payload: "old", qos: 1 });
      assertEquals(await unmatched, "old");
      await until(() => server.broker.session("client")?.inFlight === 0, "it is acknowledged");
    }));
});

test("a request ends at its time, or with its signal, also while it waits for a connection", async () => {
  await using broker = testBroker();
  const client = await broker.connect({ clientId: "client", reconnect: { again: () => 60_000 } });
  const first = errorOf(client.request("a", "", { timeoutMs: 1 })); // with it the Response Topic is subscribed to
  await broker.advance(1);
  await first;
  broker.cut();
  await broker.settle();
  const stop = new AbortController();
  const options = { qos: 1, timeoutMs: 1_000 } as const;
  const late = errorOf(client.request("a", "", options));
  const aborted = errorOf(client.request("a", "", { ...options, signal: stop.signal }));
  const many = client.requestMany("a", "", options)[Symbol.asyncIterator]().next();
  stop.abort(new Error("enough"));
  assertEquals((await aborted).message, "enough");
  await broker.advance(1_000);
  assertEquals([client.status, (await late).kind, (await many).done], ["waiting", "timeout", true]);
  await client.close();
});

describe("a signal", patient, () => {
  test("is forgotten with its message, also with one that cannot be sent", async () => {
    await using broker = testBroker();
    const client = await broker.connect();
    const { signal } = new AbortController();
    let listeners = 0;
    const watched = Object.assign(signal, {
      addEventListener: () => listeners++,
      removeEventListener: () => listeners--,
    });
    await client.publish("a", "", { qos: 1, signal: watched });
    await assertRejects(() => client.publish("a/#", "", { qos: 1, signal: watched }), UsageError);
    assertEquals(listeners, 0);
  });

  test("takes a message back that has not left", () =>
    withClient({ reconnect: { again: () => 60_000 } }, async ({ client, transports }) => {
      transports.at(-1)!.abort();
      await until(() => client.status === "waiting", "the connection is lost");
      const stop = new AbortController();
      const [taken, kept] = [
        client.publish("a", "", { qos: 1, signal: stop.signal }),
        client.publish("a", "", { qos: 1 }),
      ]
        .map(errorOf);
      stop.abort(new Error("enough"));
      assertEquals((await taken!).message, "enough");
      assertEquals((await errorOf(client.publish("a", "", { signal: stop.signal }))).message, "enough");
      assertEquals((await errorOf(client.subscribe("a", { signal: stop.signal }))).message, "enough");
      await client.close();
      assertEquals((await kept!).kind, "closed");
    }));

  test("closes the Client of its connect()", async () => {
    const stop = new AbortController();
    await withClient({ signal: stop.signal }, async ({ client, server }) => {
      const closed = new Promise<void>((resolve) => client.on("closed", () => resolve()));
      stop.abort();
      await closed;
      await until(() => server.broker.stats.connected === 0, "the Server knows it too");
    });
  });
});

/** A store that forgets with the process. */
class MapStore implements ClientStore {
  readonly records: Map<number, Uint8Array> = new Map();
  load(): Iterable<readonly [number, Uint8Array]> {
    return [...this.records];
  }
  put(key: number, record: Uint8Array): void {
    this.records.set(key, record);
  }
  delete(key: number): void {
    this.records.delete(key);
  }
  commit(): Promise<void> {
    return Promise.resolve();
  }
}

test(
  "a store keeps messages of QoS 1 and 2 over the end of a Client",
  patient,
  () =>
    withClient({ clientId: "reader" }, async ({ client, url }) => {
      const messages = await client.subscribe("a", { qos: 2 });
      const store = new MapStore();
      let isDown = false;
      const transports: Transport[] = [];
      const first = await connect(url, {
        clientId: "writer",
        store,
        reconnect: { again: () => 60_000 },
        async dial(url, options) {
          const transport = await dialByScheme(url, options);
          transports.push(transport);
          return transport;
        },
      });
      transports[0]!.abort();
      await until(() => first.status === "waiting", "the connection is lost");
      isDown = true;
      const pending = ["1", "2"].map((payload) => errorOf(first.publish("a", payload, { qos: 2 })));
      await first.close();
      assertEquals((await Promise.all(pending)).map(({ kind }) => kind), ["closed", "closed"]);
      assertEquals([store.records.size, isDown], [2, true]);
      await using _second = await connect(url, { clientId: "writer", store });
      assertEquals(await next(messages, 2), ["1", "2"]);
      await until(() => store.records.size === 0, "the exchanges have ended");
    }),
);

test(
  "enhanced authentication goes back and forth, and the Server is checked",
  patient,
  () =>
    withClient({ username: "x" }, async ({ url }) => {
      const said: string[] = [];
      const authentication = {
        method: "ECHO",
        initial: () => text.encode("one"),
        next: (data: Uint8Array) => text.encode(`${decoder.decode(data)}!`),
        verify: (data: Uint8Array | undefined) =>
          void said.push(data === undefined ? "none" : decoder.decode(data)),
      };
      await using client = await connect(url, { authentication });
      assertEquals([client.status, said], ["connected", ["two!"]]);
      await client.reauthenticate();
      const verify = () => {
        throw new Error("not my Server");
      };
      assertEquals(
        (await errorOf(connect(url, { authentication: { ...authentication, verify } }))).kind,
        "connection",
      );
    }, {
      authenticationMethods: ["ECHO"],
      authenticate: ({ method, data, username }) => {
        if (method === undefined) return { code: username === "x" ? 0 : 0x86 };
        const said = decoder.decode(data);
        return said === "one"
          ? { code: 0x18, authenticationData: text.encode("two") }
          : { code: 0, authenticationData: text.encode(said) };
      },
    }),
);
