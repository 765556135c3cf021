/**
 * `deno task bench:guard`: fails when the broker takes a quarter more CPU time for a message than the broker of before (`before.js`), in two
 * attempts one after the other. Both run in turn in one run: so no machine is compared with another one.
 * Knows how much worse is too much, and says so; refuses to know how it is measured.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import process from "node:process";
import type { Runtime } from "../../lib/broker_process.ts";
import { short, tableOf } from "../table.ts";
import { writeBefore } from "./bundle.ts";
import { compare, type Effort } from "./compare.ts";
import { judge, type Measured, type Scenario, SCENARIOS } from "./figures.ts";

const USAGE =
  `Usage: bench:guard [--runtime deno|bun|both] [--pairs N] [--messages N] [--write REVISION] [--slow-us N]
  --runtime NAME    on which (default both)
  --pairs N         of runs, the broker as it is and as it was (default 30)
  --messages N      delivered in each run (default 40000)
  --write REVISION  write before.js: from now on the broker of that revision is what this one is compared with
  --slow-us N       slow the broker by so much at each chunk: the guard must turn red`;

const RUNTIMES: readonly Runtime[] = ["deno", "bun"];

const args = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["runtime", "pairs", "messages", "slow-us", "write"],
  boolean: ["help"],
  default: { runtime: "both", pairs: "30", messages: "40000", "slow-us": "0" },
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

const HEAD = ["", "ns", "before", "ratio", "pairs from", "to", "verdict"];

function rowOf(
  runtime: Runtime,
  { scenario, nowNs, beforeNs, ratio, from, to }: Measured,
): readonly string[] {
  return [
    `${runtime} ${scenario}`,
    short(nowNs),
    short(beforeNs),
    ...[ratio, from, to].map((value) => value.toFixed(2)),
    judge(ratio),
  ];
}

/** Measures, and again what is worse. Returns how many scenarios hold and how many do not. */
async function guard(): Promise<{ passed: number; failed: number }> {
  const rows: (readonly string[])[] = [];
  let passed = 0;
  let failed = 0;
  for (const runtime of runtimes) {
    let left: readonly Scenario[] = SCENARIOS;
    for (let attempt = 1; attempt <= 2 && left.length > 0; attempt++) {
      const all = await compare(runtime, left, effort);
      rows.push(...all.map((measured) => rowOf(runtime, measured)));
      const bad = all.filter(({ ratio }) => judge(ratio) !== "ok");
      passed += all.length - bad.length;
      left = bad.map(({ scenario }) => scenario);
    }
    failed += left.length;
  }
  console.log(tableOf(HEAD, rows));
  return { passed, failed };
}

if (args.help) console.log(USAGE);
else if (runtimes.length === 0 || !(effort.pairs >= 1) || !(effort.messages >= 1) || !(effort.slowUs >= 0)) {
  console.error(USAGE);
  process.exit(2);
} else if (args.write !== undefined) {
  await writeBefore(args.write);
  process.exit(0);
} else {
  const { passed, failed } = await guard();
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}
