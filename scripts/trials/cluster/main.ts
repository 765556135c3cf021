/**
 * `deno task trial:cluster -- --minutes 30`: kills, stops and cuts off members, shards and NATS servers, among Clients that count.
 * Knows the command line; refuses to know how. Exits with 1 when something was wrong, 2 when it was called wrong.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { writeFileSync } from "node:fs";
import process from "node:process";
import { OWN_RUNTIME } from "../../lib/broker_process.ts";
import { clusterTrial, FAULTS } from "./trial.ts";

const USAGE =
  `Usage: trial:cluster [--runtime deno|bun|node] [--minutes M | --count N] [--seed S] [--only FAULT]
  --runtime NAME     the broker's (default: the one that runs this)
  --count N          faults (default 20); --minutes M ends it even if there were fewer
  --only FAULT       ${FAULTS.join(", ")}; may be given more than once (default all)
  --members N        2 to 5 (default 3)
  --shards N         (default 6)
  --servers 1|3      NATS servers (default 3)
  --durability NAME  log (default) or replicated
  --away MS          what is stopped, cut off or killed stays so for so long at most (default 10000)
  --seed S           the choices of an earlier run again; the network's and the clock's are their own
  --width N          Clients of each kind (default 3)
  --log FILE         takes the logs of the members`;

const args = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: [
    "runtime",
    "minutes",
    "count",
    "seed",
    "only",
    "members",
    "shards",
    "servers",
    "durability",
    "away",
  ]
    .concat(["width", "log"]),
  boolean: ["help"],
  collect: ["only"],
  default: {
    runtime: OWN_RUNTIME,
    members: "3",
    shards: "6",
    servers: "3",
    durability: "log",
    away: "10000",
    width: "3",
  },
  unknown: (arg) => {
    console.error(`Unknown: ${arg}\n${USAGE}`);
    process.exit(2);
  },
});
if (args["help"]) {
  console.log(USAGE);
  process.exit(0);
}
const runtime = (["deno", "bun", "node"] as const).find((name) => name === args["runtime"]);
const durability = (["log", "replicated"] as const).find((name) => name === args["durability"]);
const number = (name: string): number => Number(args[name]);
const limitMs = args["minutes"] === undefined ? Infinity : number("minutes") * 60_000;
const count = args["count"] === undefined ? (limitMs === Infinity ? 20 : Infinity) : number("count");
const seed = args["seed"] === undefined ? Date.now() % 1_000_000 : number("seed");
const only = args["only"] as unknown as readonly string[];
const faults = FAULTS.filter((fault) => only.length === 0 || only.includes(fault));
const servers = number("servers");
const isGood = number("members") >= 1 && number("members") <= 5 && number("shards") >= 1 && count >= 0 &&
  Number.isInteger(seed) && faults.length > 0 && limitMs >= 0;
if (runtime === undefined || durability === undefined || !isGood || (servers !== 1 && servers !== 3)) {
  console.error(USAGE);
  process.exit(2);
}
process.on("unhandledRejection", (error) => {
  console.error("In the trial itself:", error);
  process.exit(1);
});

console.log(
  `${args["members"]} members with ${args["shards"]} shards on ${runtime}, ${servers} servers, seed ${seed}`,
);
const outcome = await clusterTrial({
  runtime,
  members: number("members"),
  shards: number("shards"),
  servers,
  faults,
  count,
  limitMs,
  seed,
  width: number("width"),
  awayMs: number("away"),
  durability,
  progress: console.log,
});
const { problems, tally, away, duels } = outcome;
if (args["log"] !== undefined) writeFileSync(args["log"], outcome.log);
for (const fault of FAULTS) {
  const done = outcome.done[fault];
  if (done === undefined) continue;
  const times = away[fault];
  const how = times === undefined
    ? "nobody"
    : `${times.count} Clients away for ${times.median.toFixed(0)} ms, at worst ${times.worst.toFixed(0)} ms`;
  console.log(`${fault}: ${done}; ${how}`);
}
console.log(
  `${tally.acknowledged} messages acknowledged, ${tally.delivered} delivered, ${tally.deliveredQos2} of them at QoS 2, ` +
    `${tally.repeated} repeated at QoS 0 and 1; lost ${tally.lost}; doubled at QoS 2: ${tally.doubledByPublishersNode} whose ` +
    `publisher's shard was met, ${tally.doubledByReadersNode} whose reader's was, ${tally.doubledOtherwise} others`,
);
console.log(
  `${duels.accepted} connections fought for 4 Client Identifiers, two lived for ${
    duels.overlapMs.toFixed(0)
  } ms at most`,
);
console.log(`${outcome.retained} retained messages`);
for (const problem of problems) console.log(`WRONG ${problem}`);
console.log(problems.length === 0 ? `All well, seed ${seed}` : `${problems.length} problems, seed ${seed}`);
process.exit(problems.length === 0 ? 0 : 1);
