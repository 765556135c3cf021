/**
 * Scenarios with what is wished, and who gets which Clients.
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { filterOf, plansOf, shareOf, topicOf } from "./plan.ts";
import { SCENARIOS } from "./scenario.ts";
import { BenchCallError, parseTarget } from "./target.ts";

describe("plansOf()", () => {
  test("gives the usual runs when no scenario is said", () => {
    const said = plansOf([], {}).map(({ scenario, qos }) => [scenario, qos]);
    assertEquals(said, [["pairs", 0], ["fanout", 0], ["fanin", 0], ["pairs", 1], ["pairs", 2]]);
    assertEquals(plansOf([], { qos: 1 }).map(({ qos }) => qos), [1, 1, 1]);
  });

  test("has a plan for every scenario", () => {
    for (const { name } of SCENARIOS) assertEquals(plansOf([name], {})[0]!.scenario, name);
  });

  test("takes wishes before the scenario's defaults and those before the usual ones", () => {
    const [sink] = plansOf(["wildcard-sink"], { publishers: 3 });
    assertEquals([sink!.publishers, sink!.window, sink!.size], [3, 8, 64]);
    assertEquals(plansOf(["pairs"], {})[0]!.window, 100);
    assertEquals(plansOf(["pairs"], { qos: 2 })[0]!.window, 20);
  });

  test("scales the rate with the publishers", () => {
    assertEquals(plansOf(["suite-p2p"], { publishers: 10 })[0]!.rate, 10);
    assertEquals(plansOf(["suite-p2p"], { publishers: 10, rate: 500 })[0]!.rate, 500);
  });

  test("warms nothing up where messages are counted", () => {
    assertEquals(plansOf(["pairs"], {})[0]!.warmup, 1);
    assertEquals(plansOf(["pairs"], { messages: 10 })[0]!.warmup, 0);
  });

  test("refuses what does not fit together", () => {
    const wrong = [
      () => plansOf(["pears"], {}),
      () => plansOf(["pairs"], { publishers: 2, subscribers: 3 }),
      () => plansOf(["suite-shared"], { level: 4 }),
      () => plansOf(["retained"], { messages: 0 }),
      () => plansOf(["latency"], { rate: 0 }),
      () => plansOf(["pairs"], { size: 15 }),
    ];
    for (const each of wrong) assertThrows(each, BenchCallError);
  });
});

test("shareOf() gives every thread its own", () => {
  for (const from of [0, 1, 7]) {
    const all = [0, 1, 2].flatMap((thread) => shareOf(10, thread, 3, from));
    assertEquals(all.sort((a, b) => a - b), Array.from({ length: 10 }, (_, i) => i));
  }
  assertEquals(shareOf(1, 0, 3, 1), []);
  assertEquals(shareOf(1, 1, 3, 1), [0]);
});

test("topics and filters go together", () => {
  const [pairs, fanout, fanin, shared] = plansOf(["pairs", "fanout", "fanin", "suite-shared"], {});
  assertEquals([topicOf(pairs!, 7, 3), filterOf(pairs!, 7, 3)], ["bench/7/3", "bench/7/3"]);
  assertEquals([topicOf(fanout!, 7, 0), filterOf(fanout!, 7, 9)], ["bench/7/room", "bench/7/room"]);
  assertEquals([topicOf(fanin!, 7, 3), filterOf(fanin!, 7, 0)], ["bench/7/3", "bench/7/+"]);
  assertEquals(filterOf(shared!, 7, 0), "$share/bench/bench/7/+");
});

describe("parseTarget()", () => {
  test("reads user, password, IPv6 and the default port", () => {
    assertEquals(parseTarget("mqtt://u:p%40ss@[::1]:99"), {
      host: "::1",
      port: 99,
      username: "u",
      password: "p@ss",
      url: "mqtt://u@[::1]:99",
    });
    assertEquals(parseTarget("mqtt://localhost").port, 1883);
    assertEquals(parseTarget("mqtt://localhost:443").port, 443);
  });

  test("reads what is to be called by TLS, and whom to trust there", () => {
    const url = "mqtts://localhost:8883";
    assertEquals(parseTarget("mqtts://localhost"), { host: "localhost", port: 8883, tls: {}, url });
    assertEquals(parseTarget(url, { insecure: true }).tls, { insecure: true });
    assertEquals(parseTarget("mqtt://localhost", { insecure: true }).tls, undefined);
  });

  test("refuses what is no target", () => {
    for (const text of ["localhost", "http://h", "mqtt://", "mqtt://h/x", "mqtt://h:x", "mqtt://%zz@h"]) {
      assertThrows(() => parseTarget(text), BenchCallError);
    }
  });
});
