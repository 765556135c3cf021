/** A Client of a page: what it does without parts, and with each of them. @module */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { type TestBroker, testBroker, type TestBrokerOptions } from "../test_broker/mod.ts";
import { patient } from "../testing/patience.ts";
import type { ClientStore } from "./options.ts";
import {
  authentication,
  type Client,
  connect,
  explain,
  type PageOptions,
  redirection,
  RefusedError,
  requests,
  store,
  UsageError,
} from "./page.ts";

/** A Client of a broker in memory. */
function connected(broker: TestBroker, options: PageOptions = {}): Promise<Client> {
  return connect("memory://test", { dial: broker.dial, loop: broker.loop, random: () => 1, ...options });
}

async function withBroker(
  body: (broker: TestBroker) => Promise<void>,
  options: TestBrokerOptions = {},
): Promise<void> {
  const broker = testBroker(options);
  try {
    await body(broker);
  } finally {
    await broker.close();
  }
}

class Store implements ClientStore {
  readonly records: Map<number, Uint8Array> = new Map();
  readonly keys: number[] = [];

  load(): Iterable<readonly [key: number, record: Uint8Array]> {
    return [...this.records];
  }

  put(key: number, record: Uint8Array): void {
    this.records.set(key, record);
    this.keys.push(key);
  }

  delete(key: number): void {
    this.records.delete(key);
  }

  commit(): void {}
}

describe("a Client of a page", patient, () => {
  for (const level of [5, 4, 3] as const) {
    test(`without parts publishes, subscribes and comes back, level ${level}`, () =>
      withBroker(async (broker) => {
        const client = await connected(broker, { level, clientId: "page", reconnect: { maxMs: 1_000 } });
        const messages = await client.subscribe("a/+", { qos: 2 });
        const sent = ([0, 1, 2] as const).map((qos) => client.publish("a/b", `${qos}`, { qos }));
        await broker.advance(1_000);
        await Promise.all(sent);
        const got: string[] = [];
        const take = async (count: number) => {
          for await (const { topic, bytes } of messages) {
            got.push(`${topic} ${new TextDecoder().decode(bytes)}`);
            if (got.length === count) break;
          }
        };
        await take(3);
        broker.cut();
        const later = client.publish("a/c", "later", { qos: 2 });
        await broker.advance(5_000);
        await later;
        await take(4);
        assertEquals(got, ["a/b 0", "a/b 1", "a/b 2", "a/c later"]);
        void client.close({ timeoutMs: 0 });
      }));
  }

  test("tells which part is missing", () =>
    withBroker(async (broker) => {
      const client = await connected(broker);
      assertThrows(() => client.request("a", ""), UsageError, "requests");
      assertThrows(() => client.requestMany("a", ""), UsageError, "requests");
      await assertRejects(() => client.reauthenticate(), UsageError, "MQTT-4.12.0-7");
      void client.close({ timeoutMs: 0 });
      const method = { method: "M", next: () => undefined };
      await assertRejects(() => connected(broker, { authentication: method }), UsageError, "authentication");
      await assertRejects(() => connected(broker, { store: new Store() }), UsageError, "store");
    }));

  test("asks and answers with the part requests", () =>
    withBroker(async (broker) => {
      const client = await connected(broker, { parts: { requests } });
      const asked = await client.subscribe("ask");
      const answer = client.request("ask", "what");
      for await (const message of asked) {
        await message.reply("that");
        break;
      }
      assertEquals(new TextDecoder().decode((await answer).bytes), "that");
      void client.close({ timeoutMs: 0 });
    }));

  test("keeps messages with the part store", () =>
    withBroker(async (broker) => {
      const kept = new Store();
      const client = await connected(broker, { clientId: "page", store: kept, parts: { store } });
      await client.publish("a", "b", { qos: 1 });
      assertEquals([kept.keys, kept.records.size], [[1], 0]);
      void client.close({ timeoutMs: 0 });
    }));

  test("[MQTT-4.12.0-3] answers AUTH with the part authentication", () =>
    withBroker(async (broker) => {
      const method = { method: "M", initial: () => Uint8Array.of(1), next: (data: Uint8Array) => data };
      const client = await connected(broker, { authentication: method, parts: { authentication } });
      await client.reauthenticate();
      assertEquals(client.server.authenticationMethod, "M");
      void client.close({ timeoutMs: 0 });
    }, {
      authenticationMethods: ["M"],
      authenticate: ({ data }) =>
        data?.length === 1 ? { code: 0x18, authenticationData: Uint8Array.of(1, 2) } : { code: 0 },
    }));

  test("follows a redirection with the part redirection, and is refused without it", () =>
    withBroker(async (broker) => {
      const options: PageOptions = {
        dial: (url, options) => (url.hostname === "other" ? broker : first).dial(url, options),
      };
      const first = testBroker({ authenticate: () => ({ code: 0x9c, serverReference: "other" }) });
      const refused = await assertRejects(() => connected(broker, options), RefusedError);
      assertEquals(explain(refused).split(",")[0], "The Server refuses by CONNACK: Use another server");
      const client = await connected(broker, { ...options, parts: { redirection } });
      assertEquals(client.status, "connected");
      void client.close({ timeoutMs: 0 });
      await first.close();
    }));
});
