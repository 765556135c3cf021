/**
 * The whole way once, small: our own broker on the runtime that this runs on.
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, test } from "node:test";
import { OWN_RUNTIME } from "../../lib/broker_process.ts";
import { plumbOn } from "./brokers.ts";
import { comparePeers, type Comparison } from "./compare.ts";
import type { PeerScenario } from "./scenarios.ts";
import { patient } from "../../../src/testing/patience.ts";

const alone = { broker: [], load: [], threads: 1, areApart: false };
const PAIRS: PeerScenario = {
  name: "pairs",
  title: "pairs",
  kind: "messages",
  flags: ["--scenario", "pairs", "--publishers", "2"],
};
const MEMORY: PeerScenario = {
  name: "memory",
  title: "memory",
  kind: "memory",
  flags: ["--scenario", "connect", "--connections", "20", "--seconds", "0.1"],
  fresh: true,
};

function small(init: Partial<Comparison>): Comparison {
  const brokers = [plumbOn(OWN_RUNTIME)];
  const scenarios = [PAIRS];
  return {
    brokers,
    scenarios,
    rounds: 1,
    seconds: 0.2,
    warmup: 0,
    cores: alone,
    runtime: OWN_RUNTIME,
    ...init,
  };
}

describe("comparePeers()", () => {
  test("measures a broker at messages and memory, each run told before", patient, async () => {
    const told: string[] = [];
    const rows = await comparePeers(small({
      scenarios: [PAIRS, MEMORY],
      progress: ({ done, all, scenario }) => told.push(`${done}/${all} ${scenario.name}`),
    }));
    assertEquals(told, ["0/2 pairs", "1/2 memory"]);
    const [pairs, memory] = rows.map(({ summaries }) => summaries[0]!);
    assertEquals([pairs!.failures, memory!.failures], [[], []]);
    assert(pairs!.perSecond!.median > 0);
    assertEquals(pairs!.ratio?.median, 1);
    assertEquals(pairs!.cpuUs === undefined, process.platform !== "linux");
  });

  test("tells of a broker that cannot be started, and goes on", patient, async () => {
    const dead = {
      ...plumbOn(OWN_RUNTIME),
      start: () => Promise.reject(new Error("no such broker\n at all")),
    };
    const [row] = await comparePeers(small({ brokers: [dead, plumbOn(OWN_RUNTIME)] }));
    const [first, second] = row!.summaries;
    assertEquals(first!.failures, ["no such broker"]);
    assertEquals([second!.failures, second!.ratio], [[], undefined]);
  });

  test("tells what the load says of a wrong call", patient, async () => {
    const wrong = { ...PAIRS, flags: ["--scenario", "pears"] };
    const [row] = await comparePeers(small({ scenarios: [wrong] }));
    assertMatch(row!.summaries[0]!.failures[0]!, /there is no scenario "pears"/);
  });
});
