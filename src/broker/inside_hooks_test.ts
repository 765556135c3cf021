/** What an owner does inside a hook, by example: it comes behind the step that told him. @module */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { UsageError } from "../codec/error.ts";
import { PacketType } from "../codec/packet_type.ts";
import { assertEnded, assertNotAccepted, Told } from "../testing/assertions.ts";
import { HandStore } from "../testing/hand_store.ts";
import { Pair, type StubClient } from "../testing/pair.ts";
import { CALLS_MAX } from "./inputs.ts";
import { type BrokerHooks, MemoryStore, type Refusal, type Tap } from "./mod.ts";

const OUT: Refusal = { code: 0x98, rule: "policy/administrative", message: "Out" };
const KEPT = { cleanStart: false, properties: { sessionExpiryInterval: 600 } };
const { PUBACK, CONNACK, SUBACK } = PacketType;

/** The text, identifier and DUP of each PUBLISH that has come. */
function sent(client: StubClient): [string, number | undefined, boolean][] {
  return client.takePublishes().map(({ payload, packetId, dup }) => [
    new TextDecoder().decode(payload),
    packetId,
    dup,
  ]);
}

describe("an owner inside a hook", () => {
  for (const store of [undefined, new MemoryStore()]) {
    test(`[MQTT-4.6.0-1] [MQTT-4.9.0-2] connected publishes to the session that resumes: once, behind what is older, ${store ? "with" : "without"} store`, () => {
      const pair: Pair = new Pair({
        ...(store && { store }),
        hooks: {
          connected: (_, isPresent) =>
            void (isPresent && pair.broker.publish({ topic: "t", qos: 1, payload: "hook" }, pair.now)),
        },
      });
      const init = { ...KEPT, properties: { ...KEPT.properties, receiveMaximum: 2 } };
      const first = pair.connect(init);
      first.subscribe({ filter: "t", qos: 1 });
      for (const payload of ["one", "two", "three"]) {
        pair.broker.publish({ topic: "t", qos: 1, payload }, pair.now);
      }
      assertEquals(sent(first), [["one", 1, false], ["two", 2, false]]);
      first.lose();
      const again = pair.connect(init);
      assertEquals(sent(again), [["one", 1, true], ["two", 2, true]]);
      assertEquals(again.inFlight, 2);
      again.acknowledge(PUBACK, 1);
      again.acknowledge(PUBACK, 2);
      assertEquals(sent(again), [["three", 3, false], ["hook", 4, false]]);
      again.acknowledge(PUBACK, 3);
      again.acknowledge(PUBACK, 4);
      again.assertSilent();
      again.disconnect();
    });
  }

  test("[MQTT-3.3.4-9] delivered publishes to a Client with Receive Maximum 1: one message is open at a time", () => {
    for (const batch of [1, 3]) {
      let left = 3;
      const pair: Pair = new Pair({
        hooks: {
          delivered: () =>
            void (left-- > 0 &&
              pair.broker.publish({ topic: "t", qos: 1, payload: `hook ${left}` }, pair.now)),
        },
      });
      const client = pair.connect({ ...KEPT, properties: { ...KEPT.properties, receiveMaximum: 1 } });
      client.subscribe({ filter: "t", qos: 1 });
      for (let i = 0; i < batch; i++) pair.broker.publish({ topic: "t", qos: 1, payload: `${i}` }, pair.now);
      const texts: string[] = [];
      for (;;) {
        const open = sent(client);
        if (open.length === 0) break;
        assertEquals([open.length, client.inFlight], [1, 1]);
        texts.push(open[0]![0]);
        client.acknowledge(PUBACK, open[0]![1]!);
      }
      assertEquals(
        texts.toSorted(),
        [...Array(batch).keys()].map(String).concat("hook 0", "hook 1", "hook 2"),
      );
    }
  });

  test("connected ends the connection: CONNACK is there before the reason, and the session is as it was", () => {
    const told = new Told();
    const pair: Pair = new Pair({
      hooks: {
        ...told.hooks,
        connected: ({ clientId }) => assertEquals(pair.broker.disconnect(clientId, OUT, pair.now), true),
      },
    });
    for (const level of [4, 5] as const) {
      const client = pair.open(level);
      client.connect({ clientId: "c", cleanStart: false });
      assertEquals(client.take(CONNACK).reasonCode, 0);
      if (level === 5) assertEnded(client, 0x98, "policy/administrative");
      assertEquals([client.over, client.inbox], [true, []]);
      told.assertEnded("c", 0x98, "policy/administrative");
    }
    assertEquals(told.failures, []);
  });

  test("an authenticator ends the connection that the Client has, not the one that is coming", () => {
    const pair: Pair = new Pair({
      authenticate: ({ clientId }) => {
        pair.broker.disconnect(clientId, OUT, pair.now);
        return { code: 0 };
      },
    });
    const first = pair.connect();
    const second = pair.connect();
    assertEnded(first, 0x8e, "MQTT-3.1.4-3"); // it was taken over meanwhile
    second.assertSilent();
  });

  test("disconnect() says whether the Client has a connection when it is called", () => {
    const answers: [string, boolean][] = [];
    const ask = (name: string) => answers.push([name, pair.broker.disconnect("stub", OUT, pair.now)]);
    const pair: Pair = new Pair({
      authenticate: () => (ask("authenticate"), { code: 0 }),
      hooks: { connected: () => ask("connected"), disconnected: () => ask("disconnected") },
    });
    pair.open().connect();
    assertEquals(answers, [["authenticate", false], ["connected", true], ["disconnected", false]]);
  });

  test("a call that is wrong throws at the call, and nothing comes of it", () => {
    const errors: unknown[] = [];
    const pair: Pair = new Pair({
      hooks: {
        connected: () => {
          for (
            const wrong of [
              () => pair.broker.publish({ topic: "#", payload: "" }, pair.now),
              () => pair.broker.disconnect("stub", { ...OUT, code: 0x92 }, pair.now),
              () => pair.broker.tap("$share/g/a", () => {}),
              () => pair.broker.untap({} as Tap),
            ]
          ) errors.push(assertThrows(wrong, UsageError));
        },
      },
    });
    pair.connect().assertSilent();
    assertEquals(errors.length, 4);
  });

  test("published publishes, taps and untaps, in this order", () => {
    const got: string[] = [];
    let once = true;
    const pair: Pair = new Pair({
      hooks: {
        published: () => {
          if (!once) return;
          once = false;
          const publish = (payload: string) => pair.broker.publish({ topic: "t", payload }, pair.now);
          publish("before");
          const tap = pair.broker.tap(
            "t",
            ({ view }) =>
              void got.push(new TextDecoder().decode(view.bytes.subarray(view.payloadAt, view.end))),
          );
          publish("while");
          pair.broker.untap(tap);
          pair.broker.untap(tap);
          publish("after");
        },
      },
    });
    const client = pair.connect();
    client.subscribe("t");
    client.publish({ topic: "t", payload: "first", qos: 1 });
    assertEquals(client.takeTexts(), ["first", "before", "while", "after"]);
    assertEquals(got, ["while"]);
  });

  test("a tap injects the frame that it got, whose bytes are its only during the call", () => {
    const pair: Pair = new Pair();
    const tap = pair.broker.tap("a/#", ({ view }) => {
      const frame = view.bytes.slice(view.at, view.end);
      pair.broker.inject(frame, pair.now, tap);
      frame.fill(0xdd);
    });
    const client = pair.connect();
    client.subscribe("a/b");
    client.publish({ topic: "a/b", payload: "x" });
    assertEquals(client.takeTexts(), ["x", "x"]);
  });

  test("a hook may make every input too: connections, their events, the time and the end of a turn", () => {
    const told = new Told();
    const store = new HandStore();
    let depth = 0;
    const pair: Pair = new Pair({
      store,
      limits: { connectingMax: 2 },
      hooks: {
        ...told.hooks,
        published: () => {
          if (depth++ > 3) return;
          const strangers = [1, 2, 3].map(() => pair.open());
          assertEquals(pair.broker.connections >= 4, true);
          pair.broker.ticked(pair.now);
          assertEquals(pair.broker.flush(pair.now), []);
          strangers[0]!.connection.closed(pair.now);
          strangers[1]!.connection.drained(pair.now);
          strangers[2]!.connection.received(Uint8Array.of(0xc0, 0), pair.now);
        },
      },
    });
    const client = pair.connect(KEPT);
    client.subscribe("t");
    for (let i = 0; i < 3; i++) client.publish({ topic: "t", payload: `${i}`, qos: 1 });
    assertEquals(client.takeTexts(), ["0", "1", "2"]);
    client.take(PUBACK);
    assertEquals(told.failures, []);
    assertEquals(pair.broker.connections, 2); // the last one that has sent nothing
    assert(told.refusals.length >= 3, `${told.refusals.length} refusals`);
  });

  test("a flush() in a hook ends no input: what is called behind it still waits", () => {
    const log: string[] = [];
    const pair: Pair = new Pair({
      hooks: {
        subscribed: () => {
          pair.broker.flush(pair.now);
          pair.broker.publish({ topic: "t", payload: "own" }, pair.now);
          log.push("the hook returns");
        },
        delivered: () => void log.push("delivered"),
      },
    });
    assertEquals(pair.connect().subscribe("t"), [2]);
    assertEquals(log, ["the hook returns", "delivered"]);
  });

  test("what a hook calls in a flush leaves with that flush", () => {
    const store = new HandStore();
    const pair: Pair = new Pair({
      store,
      hooks: { storeFailed: () => pair.broker.publish({ topic: "t", payload: "failed" }, pair.now) },
    });
    const client = pair.connect();
    client.subscribe("t");
    store.broken = true;
    pair.broker.publish({ topic: "other", payload: "x", retain: true }, pair.now);
    pair.broker.flush(pair.now);
    pair.broker.ticked(pair.now + 1_000);
    assertEquals(pair.broker.work, "soon");
    pair.broker.flush(pair.now + 1_000);
    assertEquals(pair.broker.work, "none");
    assertEquals(client.takeTexts(), ["failed"]);
  });

  test("the store publishes while it is told", () => {
    class Loud extends MemoryStore {
      override subscribed(...args: Parameters<MemoryStore["subscribed"]>): void {
        super.subscribed(...args);
        pair.broker.publish({ topic: "t", qos: 1, payload: "from the store" }, pair.now);
      }
    }
    const pair: Pair = new Pair({ store: new Loud() });
    const client = pair.connect(KEPT);
    client.send({
      type: PacketType.SUBSCRIBE,
      packetId: 1,
      subscriptions: [{ filter: "t", qos: 1, noLocal: false, retainAsPublished: false, retainHandling: 0 }],
    });
    assertEquals(client.inbox.map(({ type }) => type), [SUBACK, PacketType.PUBLISH]);
  });

  test("shutdown() in a hook refuses who is authenticating, and ends everybody once", () => {
    const told = new Told();
    const pair: Pair = new Pair({
      hooks: { ...told.hooks, subscribed: () => pair.broker.shutdown(pair.now) },
      authenticate: ({ clientId }) => clientId === "late" ? new Promise(() => {}) : { code: 0 },
    });
    const [one, two] = [pair.connect({ clientId: "one" }), pair.connect({ clientId: "two" })];
    const late = pair.open();
    late.connect({ clientId: "late" });
    assertEquals(one.subscribe("t"), [2]);
    for (const client of [one, two]) assertEnded(client, 0x8b, "limit/unavailable");
    assertNotAccepted(late, 0x88, "limit/unavailable");
    assertEquals([told.ends.length, told.failures], [2, []]);
    pair.assertEmpty();
  });

  test("hooks that call for ever do not keep the Clients from being served", () => {
    let count = 0;
    let isOn = true;
    const pair: Pair = new Pair({
      hooks: {
        published: ({ topic }) => {
          if (topic !== "loop" || !isOn) return;
          count++;
          pair.broker.publish({ topic: "loop", payload: "" }, pair.now);
        },
      },
    });
    const now = pair.now;
    const { broker } = pair;
    const client = pair.connect();
    client.subscribe("t");
    broker.publish({ topic: "loop", payload: "" }, now);
    assertEquals([count, broker.work], [CALLS_MAX + 1, "later"]);
    broker.flush(now);
    assertEquals([count, broker.work], [2 * CALLS_MAX + 1, "later"]);
    broker.publish({ topic: "t", payload: "own" }, now);
    isOn = false;
    assertEquals(client.takeTexts(), ["own"]);
    assertEquals(broker.work, "none");
  });
});

describe("an asynchronous function of the owner that is rejected", () => {
  test("is reported, be it a hook or a tap", async () => {
    const failures: unknown[] = [];
    const pair: Pair = new Pair({
      hooks: {
        failed: (error) => void failures.push(error),
        connected: (): void => Promise.reject(new Error("connected")) as unknown as void,
      },
    });
    pair.broker.tap("t", (): void => Promise.reject(new Error("tap")) as unknown as void);
    pair.connect().publish({ topic: "t" });
    await Promise.resolve();
    assertEquals(failures.map(String), ["Error: connected", "Error: tap"]);
  });

  test("ends nothing, even if it is the hook for errors", async () => {
    let calls = 0;
    const hooks: BrokerHooks = {
      failed: () => (calls++, Promise.reject(new Error("failed"))) as unknown as void,
      connected: () => {
        throw new Error("connected");
      },
    };
    new Pair({ hooks }).connect().assertSilent();
    await new Promise((resolve) => setTimeout(resolve, 0)); // an unhandled rejection would end the process by then
    assertEquals(calls, 1);
  });
});

test("delivered and published hear of the owner's own messages as of any other, at every QoS", () => {
  for (const qos of [0, 1, 2] as const) {
    const log: string[] = [];
    let once = true;
    const pair: Pair = new Pair({
      hooks: {
        delivered: ({ payload }) => void log.push(`delivered ${new TextDecoder().decode(payload)}`),
        published: ({ payload }, client) => {
          log.push(`published ${new TextDecoder().decode(payload)} ${client?.clientId}`);
          if (once) pair.broker.publish({ topic: "t", payload: "own", qos }, pair.now);
          once = false;
        },
      },
    });
    const client = pair.connect();
    client.subscribe("t");
    client.publish({ topic: "t", payload: "theirs", qos });
    assertEquals(log, [
      "delivered theirs",
      "published theirs stub",
      "delivered own",
      "published own undefined",
    ]);
  }
});
