/**
 * `deno task trial:workers -- --kills 60`: kills and stops the workers of a broker, then its supervisor, then all, among Clients that count.
 * Knows the command line; refuses to know how. Exits with 1 when something was wrong, 2 when it was called wrong.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { writeFileSync } from "node:fs";
import process from "node:process";
import { OWN_RUNTIME } from "../../lib/broker_process.ts";
import { type Times, workersTrial } from "./trial.ts";

const USAGE =
  `Usage: trial:workers [--runtime deno|bun|node] [--workers N] [--minutes M | --kills K] [--seed S]
  --runtime NAME  the broker's (default: the one that runs this)
  --workers N     2 to 4 (default 3)
  --kills K       workers that are killed (default 60)
  --minutes M     the end, even if fewer were killed
  --seed S        the choices of an earlier run again; the network's and the clock's are their own
  --width N       Clients of each kind (default 3)
  --log FILE      takes the log of the broker`;

const args = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["runtime", "workers", "minutes", "kills", "seed", "width", "log"],
  boolean: ["help"],
  default: { runtime: OWN_RUNTIME, workers: "3", width: "3" },
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
const width = Number(args.width);
const limitMs = args.minutes === undefined ? Infinity : Number(args.minutes) * 60_000;
const kills = args.kills === undefined ? (limitMs === Infinity ? 60 : Infinity) : Number(args.kills);
const seed = args.seed === undefined ? Date.now() % 1_000_000 : Number(args.seed);
const isGood = Number.isInteger(workers) && workers >= 2 && workers <= 4 && kills >= 0 && limitMs >= 0 &&
  Number.isInteger(seed) && width >= 1;
if (runtime === undefined || !isGood) {
  console.error(USAGE);
  process.exit(2);
}
process.on("unhandledRejection", (error) => {
  console.error("In the trial itself:", error);
  process.exit(1);
});

function timesIn({ count, median, worst }: Times): string {
  return count === 0 ? "nobody" : `${median.toFixed(0)} ms, at worst ${worst.toFixed(0)} ms (${count})`;
}

console.log(`${workers} workers on ${runtime}, seed ${seed}`);
const outcome = await workersTrial({
  runtime,
  workers,
  kills,
  limitMs,
  seed,
  width,
  stopMs: 3_000,
  progress: console.log,
});
const { problems, tally, back, backHome, duels } = outcome;
if (args.log !== undefined) writeFileSync(args.log, outcome.log);
console.log(
  `${outcome.kills} kills of workers, ${outcome.stops} stops, 1 of the supervisor, 1 of all; ${tally.acknowledged} messages ` +
    `acknowledged, ${tally.delivered} delivered, ${tally.deliveredQos2} of them at QoS 2, ${tally.repeated} repeated at QoS 0 and 1; ` +
    `lost ${tally.lost}; doubled at QoS 2: ${tally.doubledByPublishersNode} whose publisher's node was killed meanwhile, ` +
    `${tally.doubledByReadersNode} whose reader's was, ${tally.doubledOtherwise} others`,
);
console.log(`back, with the session at another worker: ${timesIn(back)}`);
console.log(`back, with the session at the worker that was killed: ${timesIn(backHome)}`);
console.log(
  `${duels.accepted} connections fought for 4 Client Identifiers, two lived for ${
    duels.overlapMs.toFixed(0)
  } ms at most`,
);
console.log(`${outcome.retained} retained messages, the same at each worker`);
for (const problem of problems) console.log(`WRONG ${problem}`);
console.log(problems.length === 0 ? `All well, seed ${seed}` : `${problems.length} problems, seed ${seed}`);
process.exit(problems.length === 0 ? 0 : 1);
