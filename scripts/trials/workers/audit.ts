/**
 * `deno task audit:workers`: all audit cases against `plumb serve --workers N` over TCP, at levels 5 and 4.
 * Knows the command line; refuses to judge. Exits with 1 when a case did not pass, 2 when it was called wrong.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import process from "node:process";
import { OWN_RUNTIME } from "../../lib/broker_process.ts";
import { auditWorkers } from "../../lib/own_audit.ts";

const USAGE = `Usage: audit:workers [--runtime deno|bun|node] [--workers N] [--timing]
  --runtime NAME  the broker's (default: the one that runs this)
  --workers N     2 or more (default 2)
  --timing        the cases that wait, too`;

const args = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["runtime", "workers"],
  boolean: ["timing", "help"],
  default: { runtime: OWN_RUNTIME, workers: "2" },
  unknown: (arg) => {
    console.error(`Unknown: ${arg}\n${USAGE}`);
    process.exit(2);
  },
});
if (args.help) {
  console.log(USAGE);
  process.exit(0);
}
const runtime = (["deno", "bun", "node"] as const).find((name) => name === args.runtime);
const workers = Number(args.workers);
if (runtime === undefined || !Number.isInteger(workers) || workers < 2) {
  console.error(USAGE);
  process.exit(2);
}
let isGood = true;
for (const level of [5, 4] as const) {
  const { cases } = await auditWorkers(runtime, workers, level, { timing: args.timing });
  const count = (wanted: string) => cases.filter(({ verdict }) => verdict === wanted).length;
  const bad = cases.filter(({ verdict }) => verdict !== "pass" && verdict !== "unsupported");
  console.log(
    `${workers} workers on ${runtime}, level ${level}: ${count("pass")} pass, ${bad.length} do not, ` +
      `${count("unsupported")} have no occasion`,
  );
  for (const { verdict, id, reason } of bad) console.log(`  ${verdict} ${id}: ${reason}`);
  isGood &&= bad.length === 0 && count("pass") > 0;
}
process.exit(isGood ? 0 : 1);
