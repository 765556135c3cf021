/** §3.3.4, §3.8.3.1 One message and many subscriptions: how many copies, at which QoS, with which identifiers. @module */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import type { ProtocolLevel, QoS } from "../codec/packet.ts";
import { matches } from "../topic/filter.ts";
import { Pair, type StubClient } from "../testing/pair.ts";

const LEVELS: readonly ProtocolLevel[] = [3, 4, 5];
const QOS: readonly QoS[] = [0, 1, 2];

function two(level: ProtocolLevel = 5): { pair: Pair; from: StubClient; to: StubClient } {
  const pair = new Pair();
  return {
    pair,
    to: pair.connect({ clientId: "to", level }),
    from: pair.connect({ clientId: "from", level }),
  };
}

/** QoS and identifiers of each PUBLISH in the inbox. */
function copies(client: StubClient): (readonly [QoS, readonly number[] | undefined])[] {
  return client.takePublishes().map(({ qos, properties }) => [qos, properties?.subscriptionIdentifiers]);
}

describe("one subscription", () => {
  for (const level of LEVELS) {
    test(`[MQTT-3.8.4-8] [MQTT311-3.8.4-6] the lower of published and granted QoS, level ${level}`, () => {
      const { from, to } = two(level);
      for (const granted of QOS) {
        assertEquals(to.subscribe({ filter: "a", qos: granted }), [granted]);
        for (const qos of QOS) {
          from.publish({ topic: "a", qos });
          assertEquals(copies(to), [[Math.min(qos, granted) as QoS, undefined]]);
        }
      }
    });
  }

  test("[MQTT-3.3.4-3] its identifier comes with the message, and ends with it", () => {
    const { from, to } = two();
    for (const identifier of [1, 127, 128, 16_383, 16_384, 2_097_152, 268_435_455]) {
      to.subscribeWith({ subscriptionIdentifier: identifier }, "a");
      for (const qos of QOS) {
        from.publish({ topic: "a", qos });
        assertEquals(copies(to), [[qos, [identifier]]]);
      }
    }
    to.subscribe("a");
    from.publish({ topic: "a" });
    assertEquals(copies(to), [[0, undefined]]);
  });

  test("[MQTT-3.3.4-3] a queued message keeps the identifier of the subscription that brought it", () => {
    const pair = new Pair();
    const session = { clientId: "to", cleanStart: false, properties: { sessionExpiryInterval: 60 } };
    const to = pair.connect(session);
    to.subscribeWith({ subscriptionIdentifier: 7 }, "a");
    to.subscribeWith({ subscriptionIdentifier: 8 }, "a/#");
    to.disconnect();
    pair.connect({ clientId: "from" }).publish({ topic: "a", qos: 2 });
    assertEquals(copies(pair.connect(session)), [[2, [8, 7]]]);
  });
});

describe("overlapping subscriptions", () => {
  for (const level of LEVELS) {
    test(`[MQTT-3.3.4-2] [MQTT311-3.3.5-1] one copy at the highest QoS granted, level ${level}`, () => {
      for (const [first, second] of [[0, 1], [1, 0], [2, 1], [0, 2], [1, 1]] as const) {
        const { from, to } = two(level);
        to.subscribe({ filter: "a/+", qos: first }, { filter: "#", qos: second });
        from.publish({ topic: "a/b", qos: 2 });
        assertEquals(copies(to), [[Math.max(first, second) as QoS, undefined]]);
        from.publish({ topic: "a/b", qos: 1 });
        assertEquals(copies(to), [[Math.min(1, Math.max(first, second)) as QoS, undefined]]);
      }
    });
  }

  test("[MQTT-3.3.4-4] [MQTT-3.3.4-5] [3.3.4/subscription-identifier-unknown] it has the identifiers of all that match", () => {
    const { from, to } = two();
    to.subscribeWith({ subscriptionIdentifier: 300 }, "a/b", "a/+");
    to.subscribeWith({ subscriptionIdentifier: 2 }, "#");
    to.subscribeWith({ subscriptionIdentifier: 3 }, "c");
    to.subscribe("a/#");
    from.publish({ topic: "a/b", qos: 1 });
    const [[qos, identifiers] = []] = copies(to);
    assertEquals([qos, [...identifiers ?? []].sort()], [1, [2, 300, 300]]);
    from.publish({ topic: "a" });
    assertEquals(copies(to), [[0, [2]]]);
  });

  test("[MQTT-3.3.4-4] what a publisher wrote of properties comes behind them", () => {
    const { from, to } = two();
    to.subscribeWith({ subscriptionIdentifier: 1 }, "a");
    to.subscribeWith({ subscriptionIdentifier: 2 }, "#");
    from.publish({ topic: "a", properties: { userProperties: [["k", "v"]], contentType: "c" } });
    assertEquals(to.takePublishes().map(({ properties }) => properties), [{
      subscriptionIdentifiers: [2, 1],
      userProperties: [["k", "v"]],
      contentType: "c",
    }]);
  });

  test("[MQTT-3.8.4-3] [MQTT-3.10.4-2] a topic known before is matched anew after each change of subscriptions", () => {
    const { from, to } = two();
    const filters = ["a/b", "+/b", "#", "a/+"];
    const current = new Set<string>();
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(...filters), fc.boolean()), { maxLength: 12 }),
        (changes) => {
          for (const [filter, add] of changes) {
            if (add) {
              to.subscribeWith({ subscriptionIdentifier: filters.indexOf(filter) + 1 }, filter);
              current.add(filter);
            } else {
              assertEquals(to.unsubscribe(filter), [current.delete(filter) ? 0 : 0x11]);
            }
            for (const topic of ["a/b", "a", "a/b/c"]) {
              from.publish({ topic });
              const wanted = filters.filter((one) => current.has(one) && matches(one, topic));
              const ids = wanted.map((one) => filters.indexOf(one) + 1);
              const got = copies(to).map(([, identifiers]) => [...identifiers ?? []].sort());
              assertEquals(got, ids.length === 0 ? [] : [ids]);
            }
          }
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe("No Local", () => {
  test("[MQTT-3.8.3-3] a Client's own messages do not come back by that subscription, others' do", () => {
    for (const qos of QOS) {
      const { from, to } = two();
      to.subscribe({ filter: "a", noLocal: true });
      to.publish({ topic: "a", qos, payload: "own" });
      from.publish({ topic: "a", qos, payload: "other" });
      assertEquals(to.takeTexts(), ["other"]);
    }
  });

  test("[MQTT-3.8.3-3] another subscription without it brings them, with its QoS and identifier alone", () => {
    const { to } = two();
    to.subscribeWith({ subscriptionIdentifier: 1 }, { filter: "a", qos: 2, noLocal: true });
    to.subscribeWith({ subscriptionIdentifier: 2 }, { filter: "#", qos: 1 });
    to.publish({ topic: "a", qos: 2 });
    assertEquals(copies(to), [[1, [2]]]);
  });

  test("[MQTT-3.8.3-3] all with it bring nothing", () => {
    const { to } = two();
    to.subscribe({ filter: "a", noLocal: true }, { filter: "#", noLocal: true });
    to.publish({ topic: "a", qos: 1 });
    assertEquals(copies(to), []);
  });

  test("[MQTT-3.8.3-3] the Client Identifier counts, not the connection: retained messages and wills", () => {
    const pair = new Pair();
    const session = { clientId: "c", cleanStart: false, properties: { sessionExpiryInterval: 60 } };
    const will = { topic: "w", payload: new Uint8Array(1), qos: 1, retain: false } as const;
    const first = pair.connect({ ...session, will });
    first.subscribe({ filter: "w", noLocal: true });
    first.publish({ topic: "r", retain: true, payload: "x" });
    first.lose();
    const again = pair.connect(session);
    again.subscribe({ filter: "r", noLocal: true });
    again.assertSilent();
    again.subscribe({ filter: "r" });
    assertEquals(again.takeTexts(), ["x"]);
  });

  test("a message below level 5 comes back to its publisher", () => {
    for (const level of [3, 4] as const) {
      const { to } = two(level);
      to.subscribe("a");
      to.publish({ topic: "a", payload: "own" });
      assertEquals(to.takeTexts(), ["own"]);
    }
  });
});
