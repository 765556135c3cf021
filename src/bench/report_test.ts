/**
 * Medians and ratios, and how they are shown.
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, test } from "node:test";
import type { Result } from "./threads.ts";
import { Histogram } from "./histogram.ts";
import { plansOf } from "./plan.ts";
import { type BenchReport, isWell, type Round, scenarioReport, spreadOf } from "./report.ts";
import { svgReport } from "./svg.ts";
import { binned, plotText, progressLine, tableText, timeText, whole } from "./table.ts";

const [plan] = plansOf(["pairs"], {});

function result(perSecond: number, change: Partial<Result> = {}): Result {
  const latency = new Histogram();
  for (const us of [100, 1000, 1000, 50_000]) latency.add(us);
  return {
    sent: 10,
    done: 10,
    perSecond,
    bytesPerSecond: perSecond * 64,
    seconds: 1,
    disorder: 0,
    gap: 0,
    overdue: 0,
    refused: 0,
    unacknowledged: 0,
    latency,
    busy: [0.5, 0.25],
    starved: [0.1, 0],
    ...change,
  };
}

function reportOf(...sides: (readonly Round[])[]): BenchReport {
  return {
    format: "plumb-bench",
    formatVersion: 1,
    date: "2026-01-02T03:04:05.678Z",
    generator: { name: "plumb", version: "1", runtime: "", threads: 2 },
    targets: ["mqtt://a:1883", "mqtt://b:1883"].slice(0, sides.length),
    rounds: sides[0]!.length,
    scenarios: [scenarioReport(plan!, sides)],
  };
}

describe("scenarioReport()", () => {
  test("tells the median ratio of rounds, and what it lies between", () => {
    const { ratio, sides } = scenarioReport(plan!, [
      [result(200), result(900), result(300)],
      [result(100), result(300), result(100)],
    ]);
    assertEquals(ratio, { median: 3, least: 2, most: 3 });
    assertEquals(sides[0]!.perSecond, { median: 300, least: 200, most: 900 });
    assertEquals([sides[0]!.latency.count, sides[0]!.busy], [12, 0.5]);
  });

  test("compares CPU time where both are known", () => {
    const server = (cpuUsPerDone: number) => ({ server: { cpuUsPerDone, rssBytes: 2 ** 20 } });
    const { cpuRatio, sides } = scenarioReport(plan!, [[result(1, server(2))], [result(1, server(8))]]);
    assertEquals(cpuRatio?.median, 0.25);
    assertEquals(sides[0]!.rssMib, 1);
    assertEquals(scenarioReport(plan!, [[result(1, server(2))], [result(1)]]).cpuRatio, undefined);
  });

  test("leaves rounds that failed out of figures, not out of the verdict", () => {
    const report = reportOf([result(5), new Error("gone")], [result(5), result(5)]);
    assertEquals(report.scenarios[0]!.ratio?.median, 1);
    assert(!isWell(report));
    assertMatch(tableText(report), /pairs QoS 0 A: gone/);
  });

  test("is not well with anything lost, out of order, refused, or nothing at all", () => {
    assert(isWell(reportOf([result(1)])));
    for (const what of ["gap", "disorder", "refused", "unacknowledged"]) {
      assert(!isWell(reportOf([result(1, { [what]: 1 })])), what);
    }
    assert(!isWell(reportOf([result(0)])));
  });
});

test("spreadOf() takes the middle", () => {
  assertEquals(spreadOf([3, 1, 2])?.median, 2);
  assertEquals(spreadOf([4, 1, 2, 3])?.median, 2.5);
  assertEquals(spreadOf([]), undefined);
});

describe("tableText()", () => {
  test("is a table with one line for each scenario of one target", () => {
    const lines = tableText(reportOf([result(1234567)])).split("\n");
    assertMatch(lines[2]!, /^scenario +QoS +clients +per second +p50/);
    assertMatch(lines[3]!, /^pairs +0 +50 > 50 +1,234,567 .* 50%$/);
    assert(!lines[2]!.includes("RSS"));
    assertEquals(lines.slice(4), ["", "Nothing lost, nothing out of order.", ""]);
  });

  test("has both targets and their ratio", () => {
    const text = tableText(reportOf([result(300)], [result(200)]));
    assertMatch(text, /^A mqtt:\/\/a:1883 {2}against {2}B mqtt:\/\/b:1883 {2}\(1 round, 2 threads\)/);
    assertMatch(text, /A\/B +1\.50 \(1\.50-1\.50\)/);
  });

  test("warns when the load was the limit, and says what was lost", () => {
    const text = tableText(
      reportOf([result(1, { busy: [0.2, 0.7], starved: [0.1, 0.25], gap: 2, disorder: 1 })]),
    );
    assertMatch(
      text,
      /the load was the limit: it worked 70% of its time and waited 25% for a core; more --threads/,
    );
    assertMatch(text, /2 messages lost; 1 message out of order or twice/);
    assert(!text.includes("Nothing lost"));
  });
});

describe("a run at a rate, of two targets", () => {
  const [atRate] = plansOf(["latency"], {});
  const took = (us: number) => {
    const latency = new Histogram();
    for (let i = 0; i < 10; i++) latency.add(us);
    return result(100, { latency });
  };
  const scenario = scenarioReport(atRate!, [[took(20), took(30), took(10)], [
    took(10),
    took(10),
    took(10),
  ]]);

  test("has its percentiles compared, round by round", () => {
    assertEquals(scenario.latencyRatio?.p50, { median: 2, least: 1, most: 3 });
    assertEquals(scenario.latencyRatio?.p999.median, 2);
    assertEquals(scenarioReport(plan!, [[took(200)], [took(100)]]).latencyRatio, undefined);
  });

  test("shows them in the table in place of the rates", () => {
    const text = tableText({ ...reportOf([result(1)], [result(1)]), scenarios: [scenario] });
    assertMatch(text, /^ +A\/B +2\.00 +2\.00 +2\.00 +2\.00 +2\.00$/m);
    assertMatch(
      text,
      /^latency QoS 1: latency of A by that of B: p50 2\.00 \(1\.00-3\.00\), p99 2\.00 \(1\.00-3\.00\)$/m,
    );
  });
});

test("tableText() cuts no word and no column where the terminal is narrow", () => {
  const server = { server: { cpuUsPerDone: 1.5, rssBytes: 2 ** 20 } };
  const report = reportOf([result(1234567, { ...server, busy: [0.95] })], [result(1234567, server)]);
  const full = tableText(report).split("\n");
  for (const columns of [120, 90, 80]) {
    const text = tableText(report, columns);
    for (const line of text.split("\n")) assert(line.length <= columns, line);
    const words = new Set(full.flatMap((line) => line.split(/ +/)));
    for (const word of text.split(/\s+/)) assert(words.has(word), word);
    assertMatch(text, /p50 .*p99/);
  }
});

test("plotText() and svgReport() show every message once", () => {
  const report = reportOf([result(1)], [result(2)]);
  const { latency } = report.scenarios[0]!.sides[0]!;
  const counts = binned([latency]).map((bin) => bin.counts[0]!);
  assertEquals(counts.reduce((a, b) => a + b), 4);
  assert(binned([latency], 5).length <= 5);
  assertMatch(plotText(report), /latency of pairs QoS 0\n<= .*#+ +25\.0%/);
  const svg = svgReport(report);
  assertMatch(svg, /^<svg [^]*<polyline [^]*<\/svg>\n$/);
  assertEquals(svg.match(/<polyline/g)?.length, 2);
});

test("figures are told as people say them", () => {
  assertEquals([850, 3456, 1_200_000].map(timeText), ["850 µs", "3.46 ms", "1.20 s"]);
  assertEquals([0, 999, 1000, 1234567.8].map(whole), ["0", "999", "1,000", "1,234,568"]);
  const line = progressLine({ share: 0.5, done: 1, all: 2, what: "x".repeat(99), columns: 40 });
  assertEquals(line.length, 39);
  assertMatch(line, /^\[#{12}\.{12}\] 1\/2/);
});
