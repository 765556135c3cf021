import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { type Run, runOf, summaryOf } from "./figures.ts";

const RUN: Run = { perSecond: 100, p50Us: 10, p99Us: 20, overdue: 0, loadBusy: 0.5 };
const FAILED = { failed: "2 messages lost" };

/** A report of one run, as far as it is read. */
function report(side: object): string {
  const well = { disorder: 0, gap: 0, refused: 0, unacknowledged: 0, failures: [], overdue: 0 };
  const latency = { p50: 10, p99: 20 };
  return JSON.stringify({
    scenarios: [{ sides: [{ ...well, latency, busy: 0.5, starved: 0.25, ...side }] }],
  });
}

const spread = (median: number) => ({ median, least: median, most: median });

describe("runOf()", () => {
  test("reads figures, and what they took of the cores", () => {
    const run = runOf(report({ perSecond: spread(200_000), cpuUsPerDone: spread(2) }));
    assertEquals(run, { ...RUN, perSecond: 200_000, loadBusy: 0.75, cpuUs: 2, brokerBusy: 0.4 });
  });
  test("has no figures of a run in which something was lost", () => {
    assertEquals(runOf(report({ perSecond: spread(1), gap: 2 })), FAILED);
    assertEquals(runOf(report({ failures: ["gone"] })), { failed: "gone" });
  });
  test("takes nothing for a failure", () => {
    for (const text of ["", "{}", '{"scenarios":[]}'.slice(0, 5)]) {
      assertEquals(runOf(text === "{}" ? '{"scenarios":[]}' : text), { failed: "the load has told nothing" });
    }
  });
});

describe("summaryOf()", () => {
  const runs = (...perSecond: number[]) => perSecond.map((each) => ({ ...RUN, perSecond: each }));

  test("compares round by round, and only rounds that both have", () => {
    const { ratio, perSecond, failures } = summaryOf(
      "b",
      "messages",
      [...runs(30, 80), FAILED],
      runs(10, 20, 5),
    );
    assertEquals(ratio, { median: 3.5, least: 3, most: 4 });
    assertEquals(perSecond, { median: 55, least: 30, most: 80 });
    assertEquals(failures, ["2 messages lost"]);
  });
  test("has no ratio without anything to compare with", () => {
    assertEquals(summaryOf("b", "messages", runs(1), undefined).ratio, undefined);
    assertEquals(summaryOf("b", "messages", runs(1), [FAILED]).ratio, undefined);
  });
  test("tells a failure once, and no figures if there are none", () => {
    const { perSecond, failures } = summaryOf("b", "messages", [FAILED, FAILED], runs(1, 1));
    assertEquals([perSecond, failures], [undefined, ["2 messages lost"]]);
  });
  test("takes the figure for a lower limit when the broker had time to spare", () => {
    const isAtLeast = (run: object) => summaryOf("b", "messages", [{ ...RUN, ...run }], undefined).isAtLeast;
    assertEquals(isAtLeast({ brokerBusy: 0.5 }), true);
    assertEquals(isAtLeast({ brokerBusy: 0.95, loadBusy: 1 }), false);
    assertEquals([0.5, 0.95].map((loadBusy) => isAtLeast({ loadBusy })), [false, true]); // nothing known of the broker
  });
});
