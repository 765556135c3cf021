/** Spans of what is rare. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { type Commit, MemoryStore } from "../broker/mod.ts";
import { connect } from "../client_api/mod.ts";
import { patient, until } from "../testing/patience.ts";
import { serve, type ServeOptions } from "./serve.ts";
import type { FinishedSpan } from "./spans.ts";

/** A store whose commits are promises. */
class LaterStore extends MemoryStore {
  override commit(): Commit {
    return Promise.resolve();
  }
}

/** Hooks of a class, with a private field. */
class OwnHooks {
  readonly #told: string[] = [];

  get told(): readonly string[] {
    return this.#told;
  }

  connected(): void {
    this.#told.push("connected");
  }

  disconnected(): void {
    this.#told.push("disconnected");
  }
}

async function withSpans(
  options: ServeOptions,
  body: (url: string, spans: readonly FinishedSpan[]) => Promise<void>,
): Promise<void> {
  const spans: FinishedSpan[] = [];
  const server = await serve({
    listen: ["mqtt://127.0.0.1:0"],
    spans: (span) => void spans.push(span),
    ...options,
  });
  try {
    await body(server.addresses[0]!, spans);
  } finally {
    await server.close();
  }
}

function named(spans: readonly FinishedSpan[], name: string): FinishedSpan[] {
  return spans.filter((span) => span.name === name);
}

describe("spans", () => {
  test("are of a connect, a verdict, a subscription and a commit, and of no message", patient, async () => {
    const hooks = new OwnHooks();
    const authenticate = () => Promise.resolve({ code: 0 as const });
    const before = Date.now();
    await withSpans({ hooks, authenticate, store: new LaterStore() }, async (url, spans) => {
      const client = await connect(url, { clientId: "one", cleanStart: false, sessionExpiry: 60 });
      await client.subscribe("a/#", { qos: 1 });
      for (let i = 0; i < 3; i++) await client.publish("a/b", "x", { qos: 1 });
      await client.close();
      await until(() => hooks.told.length === 2, "the hooks");
      assertEquals(hooks.told, ["connected", "disconnected"]);
      const [connected] = named(spans, "mqtt.connect");
      const { "network.peer.port": port, ...rest } = connected!.attributes;
      assert(Number(port) > 0);
      assertEquals(rest, {
        "messaging.system": "mqtt",
        "messaging.client.id": "one",
        "mqtt.level": 5,
        "network.transport": "tcp",
        "network.peer.address": "127.0.0.1",
      });
      const [verdict] = named(spans, "mqtt.authenticate");
      assert(connected!.startMs <= verdict!.startMs && verdict!.endMs <= connected!.endMs);
      assert(connected!.startMs >= before - 1_000 && connected!.endMs <= Date.now() + 1_000);
      const [subscribed] = named(spans, "mqtt.subscribe");
      assertEquals(subscribed!.attributes["messaging.destination.template"], "a/#");
      assertEquals(subscribed!.attributes["mqtt.qos"], 1);
      assert(named(spans, "mqtt.commit").length > 0);
      assertEquals([...new Set(spans.map(({ name }) => name))].sort(), [
        "mqtt.authenticate",
        "mqtt.commit",
        "mqtt.connect",
        "mqtt.subscribe",
      ]);
    });
  });

  test("say the rule of a refusal", patient, async () => {
    await withSpans({ authenticate: () => ({ code: 0x87 }) }, async (url, spans) => {
      await connect(url, { clientId: "one", reconnect: false }).then(() => assert(false), () => {});
      await until(() => spans.length > 0, "a span");
      const [{ name, error, attributes }] = spans as [FinishedSpan];
      assertEquals([name, error], ["mqtt.connect", attributes["error.type"]]);
      assert(error!.length > 0);
    });
  });
});
