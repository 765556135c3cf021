/**
 * `deno task bench:guard`: fails when the broker's CPU time for a message, as a multiple of the baseline's, has become
 * worse by more than a quarter since `ratios.json` was written, in two attempts one after the other.
 * Knows what was, and how much worse is too much; refuses to know how it is measured.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import type { Runtime } from "../../lib/broker_process.ts";
import { pathOf } from "../../lib/tree.ts";
import { median } from "../statistics.ts";
import { short, tableOf } from "../table.ts";
import { compare, type Effort } from "./compare.ts";
import { judge, type Measured, type Ratios, type Scenario, SCENARIOS } from "./figures.ts";

const USAGE = `Usage: bench:guard [--runtime deno|bun|both] [--pairs N] [--messages N] [--write] [--slow-us N]
  --runtime NAME  on which (default both)
  --pairs N       of runs, broker and baseline (default 60)
  --messages N    delivered in each run (default 40000)
  --write         write ratios.json, from the median of five attempts
  --slow-us N     slow the broker by so much at each chunk: the guard must turn red`;

const RATIOS = pathOf("scripts/bench/guard/ratios.json");
const RUNTIMES: readonly Runtime[] = ["deno", "bun"];
const WRITE_ATTEMPTS = 5;

const args = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["runtime", "pairs", "messages", "slow-us"],
  boolean: ["help", "write"],
  default: { runtime: "both", pairs: "60", messages: "40000", "slow-us": "0" },
  unknown: (arg) => {
    console.error(`Unknown: ${arg}\n${USAGE}`);
    process.exit(2);
  },
});
const effort: Effort = {
  pairs: Number(args.pairs),
  messages: Number(args.messages),
  warmUp: 4 * Number(args.messages),
  slowUs: Number(args["slow-us"]),
};
const runtimes = RUNTIMES.filter((name) => args.runtime === "both" || args.runtime === name);

function written(): Ratios {
  return JSON.parse(readFileSync(RATIOS, "utf8"));
}

type Row = readonly string[];
const HEAD: Row = [
  "",
  "broker ns",
  "baseline ns",
  "ratio",
  "pairs from",
  "to",
  "written",
  "change",
  "verdict",
];

function rowOf(runtime: Runtime, measured: Measured, was: number | undefined): Row {
  const { scenario, brokerNs, baselineNs, ratio, from, to } = measured;
  return [
    `${runtime} ${scenario}`,
    short(brokerNs),
    short(baselineNs),
    ...[ratio, from, to].map((value) => value.toFixed(2)),
    was === undefined ? "–" : was.toFixed(2),
    was === undefined ? "–" : `${((ratio / was - 1) * 100).toFixed(0)} %`,
    judge(ratio, was),
  ];
}

/** Measures, and again what is worse. Returns how many scenarios hold and how many do not. */
async function guard(): Promise<{ passed: number; failed: number }> {
  const ratios = written();
  const rows: Row[] = [];
  let passed = 0;
  let failed = 0;
  for (const runtime of runtimes) {
    let left: readonly Scenario[] = SCENARIOS;
    for (let attempt = 1; attempt <= 2 && left.length > 0; attempt++) {
      const all = await compare(runtime, left, effort);
      rows.push(...all.map((measured) => rowOf(runtime, measured, ratios[runtime]?.[measured.scenario])));
      const bad = all.filter(({ scenario, ratio }) => {
        const verdict = judge(ratio, ratios[runtime]?.[scenario]);
        return verdict === "worse" || verdict === "unknown";
      });
      passed += all.length - bad.length;
      left = bad.map(({ scenario }) => scenario);
    }
    failed += left.length;
  }
  console.log(tableOf(HEAD, rows));
  return { passed, failed };
}

async function write(): Promise<void> {
  const ratios: Record<string, Readonly<Record<string, number>>> = { ...written() };
  for (const runtime of runtimes) {
    const attempts: Measured[][] = [];
    for (let i = 0; i < WRITE_ATTEMPTS; i++) attempts.push(await compare(runtime, SCENARIOS, effort));
    ratios[runtime] = Object.fromEntries(SCENARIOS.map((scenario, i) => {
      const each = attempts.map((all) => all[i]!.ratio);
      console.log(`${runtime} ${scenario}: ${each.map((ratio) => ratio.toFixed(2)).join(" ")}`);
      return [scenario, Number(median(each).toFixed(2))];
    }));
  }
  writeFileSync(RATIOS, JSON.stringify(ratios, undefined, 2) + "\n");
  console.log(JSON.stringify(ratios, undefined, 2));
}

if (args.help) console.log(USAGE);
else if (runtimes.length === 0 || !(effort.pairs >= 1) || !(effort.messages >= 1) || !(effort.slowUs >= 0)) {
  console.error(USAGE);
  process.exit(2);
} else if (args.write) {
  await write();
  process.exit(0);
} else {
  const { passed, failed } = await guard();
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}
