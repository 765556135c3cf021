/** Figures of several workers as those of one broker. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { countsOf, highestOf, sumOf } from "./sum.ts";
import { LastCounts } from "./last_counts.ts";

const ONE = {
  received: 5,
  connected: 2,
  retainedMessages: 7,
  sharedSubscriptions: 1,
  refusals: { "MQTT-4.7.3-1": 1, "limit/queue": 2 },
  traffic: { bytesSent: 10, connectedMost: 4 },
  isFailing: false,
  isUnsafe: true,
  process: { version: "1", since: 20, residentBytes: 100, cpuSeconds: 1.5 },
  listeners: [{ url: "mqtt://a", connections: 1, accepted: 3 }, {
    url: "unix:b",
    connections: 0,
    accepted: 1,
  }],
  latencies: { bounds: [1, 2], commit: { counts: [1, 0, 2], sum: 3 } },
  bridges: [{ name: "up", isConnected: true, sent: 4 }],
  hooks: { isRunning: true, called: 1 },
  now: 1000,
};
const TWO = {
  ...ONE,
  received: 1,
  connected: 3,
  retainedMessages: 6,
  refusals: { "MQTT-4.7.3-1": 4 },
  isFailing: true,
  process: { version: "1", since: 10, residentBytes: 50, cpuSeconds: 0.5 },
  listeners: [{ url: "mqtt://a", connections: 4, accepted: 6 }],
  bridges: [] as typeof ONE.bridges,
  hooks: { isRunning: false, called: 2 },
  now: 1001,
};

describe("figures of workers", () => {
  test("are sums, but for those that a rule names", () => {
    assertEquals<unknown>(sumOf<object>([ONE, TWO]), {
      received: 6,
      connected: 5,
      retainedMessages: 7,
      sharedSubscriptions: 1,
      refusals: { "MQTT-4.7.3-1": 5, "limit/queue": 2 },
      traffic: { bytesSent: 20, connectedMost: 8 },
      isFailing: true,
      isUnsafe: true,
      process: { version: "1", since: 10, residentBytes: 150, cpuSeconds: 2 },
      listeners: [
        { url: "mqtt://a", connections: 5, accepted: 9 },
        { url: "unix:b", connections: 0, accepted: 1 },
      ],
      latencies: { bounds: [1, 2], commit: { counts: [2, 0, 4], sum: 6 } },
      bridges: [{ name: "up", isConnected: true, sent: 4 }],
      hooks: { isRunning: false, called: 3 },
      now: 1000,
    });
  });

  test("of one are as they are", () => {
    assertEquals(sumOf([ONE]), ONE);
  });

  test("keep the counts of those that ended, and nothing else of them", () => {
    const ended = countsOf(ONE);
    assertEquals<unknown>(ended, {
      received: 5,
      refusals: { "MQTT-4.7.3-1": 1, "limit/queue": 2 },
      traffic: { bytesSent: 10 },
      process: { cpuSeconds: 1.5 },
      listeners: [{ url: "mqtt://a", accepted: 3 }, { url: "unix:b", accepted: 1 }],
      latencies: { commit: { counts: [1, 0, 2], sum: 3 } },
      bridges: [{ name: "up", sent: 4 }],
      hooks: { called: 1 },
    });
    const { received, connected, refusals, listeners, bridges, traffic } = sumOf([TWO], [ended]);
    assertEquals([received, connected, traffic], [6, 3, { bytesSent: 20, connectedMost: 4 }]);
    assertEquals<unknown>(refusals, { "MQTT-4.7.3-1": 5, "limit/queue": 2 });
    assertEquals(listeners, [{ url: "mqtt://a", connections: 4, accepted: 9 }]);
    assertEquals(bridges, [], "one that only the ended one had is not shown by half");
  });

  test("of one process at different times are the highest", () => {
    const later = { ...countsOf(ONE), received: 9, refusals: { "limit/queue": 1 } };
    const all = highestOf([countsOf(ONE), later]) as typeof ONE;
    assertEquals(all.received, 9);
    assertEquals(all.refusals, { "MQTT-4.7.3-1": 1, "limit/queue": 2 });
    assertEquals(all.latencies.commit.counts, [1, 0, 2]);
  });
});

describe("counts of processes that ended", () => {
  const received = (counts: LastCounts, missing: number[] = []) =>
    counts.besides(missing).map((one) => (one as { received: number }).received);

  test("are known when a worker is started again, and while it is away", () => {
    const counts = new LastCounts(9, 15);
    counts.took(1, 10, { received: 5 });
    assertEquals(received(counts), []);
    assertEquals(received(counts, [1]), [5]);
    counts.took(1, 20, { received: 1 });
    assertEquals(received(counts), [5]);
    assertEquals(received(counts, [1]), [5, 1]);
    assertEquals(counts.since, 10);
  });

  test("are told to others, with the own counts, who know of each process the highest", () => {
    const [one, other] = [new LastCounts(1, 10), new LastCounts(3, 12)];
    one.took(1, 10, { received: 3 });
    one.took(2, 10, { received: 5 });
    assertEquals(one.told, [[1, 10, { received: 3 }]], "worker 2 is there to be asked");
    one.took(2, 20, { received: 7 });
    assertEquals(one.told, [[1, 10, { received: 3 }], [2, 10, { received: 5 }]]);
    other.took(2, 20, { received: 8 });
    other.learn(one.told);
    assertEquals(received(other, [1]).sort(), [3, 5]);
    other.learn([[2, 10, { received: 4 }]]);
    assertEquals(received(other, [1]).sort(), [3, 5]);
  });

  test("of the own worker before it was started again come from the others", () => {
    const again = new LastCounts(2, 30);
    again.learn([[2, 10, { received: 5 }], [2, 30, { received: 1 }]]);
    assertEquals(received(again), [5]);
  });

  test("are those of the last sixteen processes of a worker", () => {
    const counts = new LastCounts(9, 15);
    for (let since = 1; since <= 30; since++) counts.took(1, since, { received: since });
    assertEquals(received(counts).sort((a, b) => a - b), Array.from({ length: 15 }, (_, i) => i + 15));
  });
});
