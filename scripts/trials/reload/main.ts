/**
 * `deno task reload`: certificate, password file, permissions and limits of a broker change again and again under load, on both runtimes.
 * Knows the command line and how much memory may grow; refuses to know what is changed. Exits with 1 when something was wrong, 2 when it was
 * called wrong.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import process from "node:process";
import { WAIT_MS } from "../../../src/testing/patience.ts";
import { mib, reloadTrial, RSS_GROWTH_MAX, rssAfter, SETTLED_RELOADS } from "./reload.ts";

const USAGE = `Usage: reload [--runtime deno|bun] [--reloads N]
  --runtime NAME  the broker's (default: one after the other)
  --reloads N     how many (default 100)`;

const args = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["runtime", "reloads"],
  boolean: ["help"],
  default: { reloads: "100" },
  unknown: (arg) => {
    console.error(`Unknown: ${arg}\n${USAGE}`);
    process.exit(2);
  },
});
const reloads = Number(args.reloads);
const runtimes = (["deno", "bun"] as const).filter((name) =>
  args.runtime === undefined || args.runtime === name
);
if (args.help) {
  console.log(USAGE);
  process.exit(0);
}
if (runtimes.length === 0 || !Number.isInteger(reloads) || reloads < 1) {
  console.error(USAGE);
  process.exit(2);
}

let isGood = true;
for (const runtime of runtimes) {
  const progress = (line: string) => console.log(`${runtime}: ${line}`);
  const { problems, messages, worstMs, rssBytes } = await reloadTrial({
    runtime,
    reloads,
    limitMs: WAIT_MS,
    progress,
  });
  const all = [...problems];
  progress(`${messages} messages in order, each once, the slowest ${Math.round(worstMs)} ms`);
  const settled = rssAfter(rssBytes, SETTLED_RELOADS);
  const last = rssAfter(rssBytes, reloads);
  if (settled !== undefined && last !== undefined) {
    const growth = last - settled;
    progress(
      `rss ${mib(settled)} after ${SETTLED_RELOADS} reloads, ${mib(last)} after ${reloads}: ${
        mib(growth)
      } more`,
    );
    if (growth > RSS_GROWTH_MAX) all.push(`The resident set has grown by more than ${mib(RSS_GROWTH_MAX)}`);
  }
  for (const problem of all) console.log(`WRONG ${problem}`);
  isGood &&= all.length === 0;
}
process.exit(isGood ? 0 : 1);
