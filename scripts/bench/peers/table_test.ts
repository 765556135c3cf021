import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { pathOf } from "../../lib/tree.ts";
import { chartOf } from "./chart.ts";
import type { Row } from "./compare.ts";
import { type Failed, type Run, summaryOf } from "./figures.ts";
import { type Kind, scenariosOf } from "./scenarios.ts";
import { type About, briefOf, failuresOf, partOf, ratioText, rounded, withPart } from "./table.ts";

const ABOUT: About = {
  date: "2026-01-02T03:04:05.000Z",
  rounds: 2,
  seconds: 3,
  machine: "a machine",
  load: "Bun 1",
  areApart: true,
  brokers: [{ name: "first", version: "1", level: 5 }, { name: "second", version: "2", level: 4 }],
  missing: ["third"],
};
const RUN: Run = {
  perSecond: 1000,
  p50Us: 10,
  p99Us: 2000,
  overdue: 0,
  loadBusy: 0.5,
  cpuUs: 950,
  brokerBusy: 0.95,
};

function row(kind: Kind, runs: readonly (Run | Failed)[]): Row {
  const scenario = scenariosOf().find((one) => one.kind === kind)!;
  const first = runs.map(() => RUN);
  return {
    scenario,
    summaries: [summaryOf("first", kind, first, first), summaryOf("second", kind, runs, first)],
  };
}

/** The second broker's cell. */
function cell(kind: Kind, run: Partial<Run> | Failed): string {
  const runs = [{ ...RUN, ...run }] as (Run | Failed)[];
  const line = partOf([row(kind, "failed" in run ? [run as Failed] : runs)], ABOUT).split("\n")[2]!;
  return line.split(" | ")[2]!.replace(/ \|$/, "");
}

describe("a cell", () => {
  test("tells messages per second, the ratio and CPU time", () => {
    assertEquals(
      cell("messages", { perSecond: 9876, cpuUs: 0.1234 }),
      "**9,880/s**, 9.9× (9.9–9.9), CPU 0.12 µs",
    );
  });
  test("says when the broker could do more", () => {
    assertStringIncludes(cell("messages", { brokerBusy: 0.45 }), "**≥ 1,000/s**");
    assertStringIncludes(cell("messages", { brokerBusy: 0.45 }), "CPU 950 µs (core 45 %, load's 50 %)");
  });
  test("tells the best of all bursts", () => {
    assertStringIncludes(cell("connections", {}), "**1,000/s** (best 1,000)");
  });
  test("tells latencies, or that the rate was too high", () => {
    assertEquals(cell("latency", {}), "10 µs, 2.00 ms, CPU 950 µs");
    assertEquals(cell("latency", { overdue: 1 }), "not kept: 1,000/s");
  });
  test("tells memory, without CPU time", () => {
    assertEquals(cell("memory", { kib: 3.14 }), "3.1 KiB");
  });
  test("is a dash where nothing is known", () => {
    for (const kind of ["messages", "latency", "connections", "memory"] as const) {
      assertEquals(cell(kind, { failed: "gone" }), "–");
    }
    assertEquals(cell("memory", {}), "–");
  });
});

test("what went wrong is told below the table, without markup of its own", () => {
  const rows = [row("messages", [{ failed: "<b>|gone|" }, RUN])];
  assertEquals(failuresOf(rows).length, 1);
  const part = partOf(rows, ABOUT);
  assertStringIncludes(part, "\\<b\\>\\|gone\\|");
  assert(!partOf([row("messages", [RUN])], ABOUT).includes("Not all was well"));
});

test("levels, brokers that are not there and a busy machine are named", () => {
  const part = partOf([row("messages", [RUN])], ABOUT);
  assertStringIncludes(part, "second has no MQTT 5.0");
  assertStringIncludes(part, "third is not installed here");
  assert(!part.includes("load average"));
  assertStringIncludes(partOf([], { ...ABOUT, busy: 7.25 }), "load average 7.3");
});

test("the short table has ratios of a few rows, and says where a broker could do more", () => {
  const connect = row("connections", [{ ...RUN, perSecond: 9876, brokerBusy: 0.45 }]);
  const lines = briefOf([connect, row("latency", [RUN])], ABOUT).split("\n");
  assertEquals(lines.slice(0, 3), [
    "| messages or connections each second, first = 1 | second |",
    "| --- | ---: |",
    `| ${connect.scenario.title} | ≥ 9.9 |`,
  ]);
  assertStringIncludes(lines.at(-1)!, "2026-01-02, a machine");
  const failed = row("connections", [{ failed: "gone" }]);
  assertStringIncludes(briefOf([failed], ABOUT), `| ${failed.scenario.title} | – |`);
  const names = scenariosOf().map(({ name }) => name);
  const all = names.map((name) => ({
    ...connect,
    scenario: scenariosOf().find((one) => one.name === name)!,
  }));
  assertEquals(briefOf(all, ABOUT).split("\n").filter((line) => line.includes("≥")).length, 4);
});

describe("withPart()", () => {
  for (const file of ["README.md", "scripts/bench/README.md"]) {
    test(`replaces what stands between the marks of ${file}, and nothing else`, () => {
      const text = readFileSync(pathOf(file), "utf8");
      const once = withPart(text, "NEW");
      assertStringIncludes(once, "-->\n\nNEW\n\n<!--");
      assertEquals(withPart(once, "NEW"), once);
      assertEquals(once.split("\n").at(-2), text.split("\n").at(-2));
    });
  }
  test("refuses a text without marks", () => {
    assertThrows(() => withPart("nothing", "NEW"), Error, "no marks");
  });
});

test("numbers have as many digits as they deserve", () => {
  assertEquals([1_234_567, 999, 0.5].map(rounded), ["1,230,000", "999", "1"]);
  assertEquals(ratioText({ median: 12.34, least: 9.96, most: 100.4 }), "12× (10–100)");
});

describe("the picture", () => {
  const rows = [row("messages", [RUN, { ...RUN, perSecond: 4000 }]), row("memory", [RUN])];

  test("has a mark for each broker in each panel, and rows that count something per second", () => {
    const svg = chartOf(rows, ABOUT.date);
    assertEquals(svg.match(/class="mark/g)?.length, 2 + 2 * 2); // legend, two panels
    assert(!svg.includes("memory"));
    assert(!/NaN|undefined|Infinity/.test(svg), svg);
  });
  test("has colours for dark pages", () => {
    assertStringIncludes(chartOf(rows, ABOUT.date), "prefers-color-scheme:dark");
  });
  test("is hollow where the broker could do more", () => {
    assert(!chartOf(rows, ABOUT.date).includes('hollow"'));
    assertStringIncludes(chartOf([row("messages", [{ ...RUN, brokerBusy: 0.1 }])], ABOUT.date), 'hollow"');
  });
  test("stands where a run took no CPU time that could be told, which no logarithm has", () => {
    const count = (cpuUs: readonly number[]) => {
      const svg = chartOf([row("messages", cpuUs.map((each) => ({ ...RUN, cpuUs: each })))], ABOUT.date);
      assert(!/NaN|undefined|Infinity/.test(svg), svg);
      return svg.match(/class="mark/g)?.length;
    };
    assertEquals([count([0, 5, 7]), count([0])], [6, 5]); // without the one that is 0 in all runs
  });
  test("stands without CPU times, and without anything", () => {
    const { cpuUs: _, brokerBusy: __, ...bare } = RUN;
    const { summaries: [, second], scenario } = row("messages", [bare]);
    const svg = chartOf([{ scenario, summaries: [second!] }], ABOUT.date);
    assertEquals(svg.match(/class="mark/g)?.length, 2);
    assertStringIncludes(chartOf([], ABOUT.date), "</svg>");
  });
});
