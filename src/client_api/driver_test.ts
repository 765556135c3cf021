/** What the options of a Client do, against our broker in memory under a virtual clock. @module */
import { assertEquals, assertRejects } from "@std/assert";
import { describe, test } from "node:test";
import { type TestBroker, testBroker } from "../test_broker/mod.ts";
import {
  type Client,
  connectBy,
  type ConnectionError,
  type ConnectOptions,
  explain,
  type MqttError,
  QueueFullError,
  RefusedError,
  TimeoutError,
} from "./mod.ts";

const decoder = new TextDecoder();

/** Connects to a URL by the network of a broker, and tells where it was dialled. */
async function connectTo(
  broker: TestBroker,
  url: string,
  options: ConnectOptions = {},
): Promise<{ readonly client: Client; readonly dialled: string[] }> {
  const dialled: string[] = [];
  const client = await connectBy(
    (url, dialOptions) => {
      dialled.push(url.href);
      return broker.dial(url, dialOptions);
    },
    url,
    { loop: broker.loop, random: () => 0xffff_ffff, ...options },
  );
  return { client, dialled };
}

describe("a redirection", () => {
  /** Where a Client of `mqtt://first:1883` goes that is told of another Server by its first one. */
  async function follow(code: 0x9c | 0x9d, serverReference: string): Promise<string[]> {
    await using first = testBroker({ authenticate: () => ({ code, serverReference }) });
    await using other = testBroker();
    const dialled: string[] = [];
    const client = await connectBy(
      (url, options) => {
        dialled.push(url.href);
        return (url.host === "first:1883" ? first : other).dial(url, options);
      },
      "mqtt://first:1883",
      { loop: other.loop, random: () => 0 },
    );
    other.cut();
    await other.advance(1_000);
    assertEquals(client.status, "connected");
    await client.close();
    return dialled;
  }

  test("for one connection is followed anew by each, and one for good only once", async () => {
    assertEquals(await follow(0x9c, "other"), [
      "mqtt://first:1883",
      "mqtt://other",
      "mqtt://first:1883",
      "mqtt://other",
    ]);
    assertEquals(await follow(0x9d, "other"), ["mqtt://first:1883", "mqtt://other", "mqtt://other"]);
  });

  test("is to a host, a host with a port, an address, or a URL, the first of several", async () => {
    for (
      const [reference, wanted] of [
        ["other:1884", "mqtt://other:1884"],
        ["[::1]:1884", "mqtt://[::1]:1884"],
        ["[::1]", "mqtt://[::1]"],
        ["wss://other/path", "wss://other/path"],
        ["mqtts://other:8884", "mqtts://other:8884"],
        [" other.example another.example:1884", "mqtt://other.example"],
      ] as const
    ) assertEquals((await follow(0x9d, reference))[1], wanted);
  });

  test("to what names no Server is an error that says so", async () => {
    for (const reference of ["a:b", "::1", ":1883"]) {
      await using broker = testBroker({ authenticate: () => ({ code: 0x9c, serverReference: reference }) });
      const error = await assertRejects(() => connectTo(broker, "mqtt://first:1883")) as ConnectionError;
      assertEquals([error.kind, error.message.includes(JSON.stringify(reference))], ["connection", true]);
    }
  });

  test("is followed as often as the option says", async () => {
    for (const [redirects, wanted] of [[undefined, 4], [1, 2], [0, 1], [false, 1]] as const) {
      let asked = 0;
      await using broker = testBroker({
        authenticate: () => (asked++, { code: 0x9c, serverReference: "again" }),
      });
      const options = redirects === undefined ? {} : { redirects };
      const error = await assertRejects(() => connectTo(broker, "mqtt://first", options)) as MqttError;
      assertEquals([error.kind, asked], ["refused", wanted]);
    }
  });
});

describe("who connects", () => {
  test("stands in the URL, in the options, or is asked for, the last first", async () => {
    const asked: string[] = [];
    await using broker = testBroker({
      authenticate: ({ username, password }) => {
        asked.push(`${username} ${password === undefined ? undefined : decoder.decode(password)}`);
        return { code: 0 };
      },
    });
    const url = "mqtt://us%20er:pass%3Aword@host/path";
    const events: string[] = [];
    for (
      const options of [
        {},
        { username: "other" },
        { username: "other", password: Uint8Array.of(97) },
        { username: "other", credentials: () => ({ username: "asked", password: "b" }) },
      ]
    ) {
      const { client } = await connectTo(broker, url, options);
      client.on("connected", ({ url }) => events.push(url));
      broker.cut();
      await broker.advance(1_000);
      await client.close();
    }
    const wanted = ["us er pass:word", "other pass:word", "other a", "asked b"];
    assertEquals(asked, wanted.flatMap((one) => [one, one]));
    assertEquals(events, Array(4).fill("mqtt://host/path"));
    const { client } = await connectTo(broker, "mqtt://host");
    assertEquals(asked.at(-1), "undefined undefined");
    await client.close();
  });
});

describe("the options", () => {
  test("bound what waits while there is no connection, by messages and by bytes", async () => {
    await using broker = testBroker();
    for (const offlineQueue of [{ messages: 2 }, { bytes: 20 }]) {
      const { client } = await connectTo(broker, "mqtt://host", { offlineQueue });
      broker.isReachable = false;
      broker.cut();
      await broker.settle();
      const sent = ["1", "2", "3"].map((text) => client.publish("topic", text.repeat(4), { qos: 1 }));
      await assertRejects(() => sent[2]!, QueueFullError);
      broker.isReachable = true;
      await broker.advance(60_000);
      assertEquals((await Promise.all(sent.slice(0, 2))).length, 2);
      await client.close();
    }
  });

  test("say how long it waits between attempts", async () => {
    await using broker = testBroker();
    const { client, dialled } = await connectTo(broker, "mqtt://host", {
      reconnect: { minMs: 100, maxMs: 400 },
    });
    const waits: number[] = [];
    client.on("disconnected", ({ retryAt }) => waits.push(retryAt! - broker.now));
    broker.isReachable = false;
    broker.cut();
    await broker.advance(1_400);
    assertEquals(waits, [100, 200, 400, 400, 400]);
    assertEquals(dialled.length, 5);
    await client.close();
  });

  test("make the Will, which `withWill` has published all the same", async () => {
    await using broker = testBroker();
    const wills: unknown[] = [];
    broker.tap("will", ({ view: { bytes, payloadAt, end, qos, retain } }) => {
      wills.push([decoder.decode(bytes.subarray(payloadAt, end)), qos, retain]);
    });
    const will = { topic: "will", payload: "gone" } as const;
    for (
      const [options, close] of [[will, false], [{ ...will, qos: 1, retain: true }, true], [
        will,
        true,
      ]] as const
    ) {
      const { client } = await connectTo(broker, "mqtt://host", { will: options });
      await client.close({ withWill: close });
      await broker.settle();
    }
    assertEquals(wills, [["gone", 1, true], ["gone", 0, false]]);
  });

  test("have an event heard until its signal or its end", async () => {
    await using broker = testBroker();
    const { client } = await connectTo(broker, "mqtt://host");
    const stop = new AbortController();
    const heard: string[] = [];
    client.on("disconnected", () => heard.push("always"));
    client.on("disconnected", () => heard.push("aborted"), { signal: AbortSignal.abort() });
    client.on("disconnected", () => heard.push("signal"), { signal: stop.signal });
    const off = client.on("disconnected", () => heard.push("off"));
    const cut = async (): Promise<string[]> => {
      broker.cut();
      await broker.advance(1_000);
      return heard.splice(0);
    };
    assertEquals(await cut(), ["always", "signal", "off"]);
    stop.abort();
    off();
    assertEquals(await cut(), ["always"]);
    await client.close();
  });
});

test("explain() has words for each kind of error", () => {
  for (
    const [error, wanted] of [
      [new RefusedError("CONNACK", 5), "The Server refuses by CONNACK: Not authorized"],
      [new RefusedError("CONNACK", 0x87), "The Server refuses by CONNACK: Not authorized"],
      [
        new RefusedError("SUBACK", 0x97, "no room"),
        'The Server refuses by SUBACK: Quota exceeded, "no room"',
      ],
      [new TimeoutError("No answer", new Error("below")), "No answer (Error: below)"],
      [new TimeoutError("No answer", new Error("No answer")), "No answer"],
      [new Error("plain"), "Error: plain"],
      ["text", "text"],
    ] as const
  ) assertEquals(explain(error), wanted);
});
