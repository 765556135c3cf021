/**
 * `deno task powercut -- --cuts 300`: proves that a power cut takes nothing that a broker at `fsync` acknowledged.
 * Knows the command line; refuses to know what is cut. Exits with 1 when something was wrong, 2 when it was called wrong.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import process from "node:process";
import { OWN_RUNTIME } from "../../lib/broker_process.ts";
import { killAll } from "../crash/host.ts";
import { whatIsMissing } from "./strace.ts";
import { runTrial } from "./trial.ts";

const USAGE =
  `Usage: powercut [--cuts N] [--runtime deno|bun|node|both] [--seed N] [--durability fsync|os] [--verbose]
  --cuts N           power cuts, on each runtime (default 100)
  --runtime NAME     the broker's (default: the one that runs this)
  --seed N           the choices of an earlier run again; the order of calls and packets is the machine's
  --durability NAME  the broker's (default fsync); at os losses must show
  --minutes N        the end, on each runtime, even if there were fewer cuts
  --jobs N           cuts that are checked at once (default 2)
  --verbose          tell of every cut`;

const args = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["cuts", "runtime", "seed", "durability", "jobs", "minutes"],
  boolean: ["help", "verbose"],
  default: { cuts: "100", runtime: OWN_RUNTIME, durability: "fsync", jobs: "2" },
  unknown: (arg) => {
    console.error(`Unknown: ${arg}\n${USAGE}`);
    process.exit(2);
  },
});
const cuts = Number(args.cuts);
const jobs = Number(args.jobs);
const minutes = args.minutes === undefined ? Infinity : Number(args.minutes);
const seed = args.seed === undefined ? Date.now() % 1_000_000 : Number(args.seed);
const { durability } = args;
const runtimes = (["deno", "bun", "node"] as const).filter((name) =>
  args.runtime === name || (args.runtime === "both" && name !== "node")
);
if (args.help) {
  console.log(USAGE);
  process.exit(0);
}
if (
  !(cuts >= 1) || !(jobs >= 1) || !(minutes > 0) || !Number.isInteger(seed) || runtimes.length === 0 ||
  (durability !== "fsync" && durability !== "os")
) {
  console.error(USAGE);
  process.exit(2);
}
const missing = whatIsMissing();
if (missing !== undefined) {
  console.error(`Nothing can be recorded: ${missing}`);
  process.exit(2);
}
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    killAll();
    process.exit(1);
  });
}
process.on("unhandledRejection", (error) => {
  killAll();
  console.error("In the harness itself:", error);
  process.exit(1);
});

/** Messages acknowledged before a cut, on an average: with fewer it has shown nothing. */
const ACKNOWLEDGED_LEAST = 20;

let failed = false;
for (const runtime of runtimes) {
  console.log(`Power cuts on ${runtime} at ${durability}: ${cuts} cuts, seed ${seed}`);
  const end = performance.now() + minutes * 60_000;
  const tally = await runTrial({
    runtime,
    cuts,
    seed,
    durability,
    jobs,
    enough: () => performance.now() > end,
    wrong: (text) => console.log(`WRONG ${text}`),
    progress: (text) => console.log(text),
    ...(args.verbose && { log: console.log }),
  });
  const wrong = (text: string): void => {
    console.log(`WRONG ${text}`);
    tally.problems++;
  };
  if (tally.acknowledged < ACKNOWLEDGED_LEAST * tally.cuts) {
    wrong(
      `Too little happened to mean anything: ${tally.acknowledged} messages acknowledged before the cuts`,
    );
  }
  if (durability === "os") {
    if (tally.lossyCuts === 0) wrong("No cut shows a loss: the trial is blind");
    else {console.log(
        `${tally.lossyCuts} of ${tally.cuts} cuts lose what was acknowledged, as is to be expected at os`,
      );}
  }
  console.log(
    `${runtime}: ${tally.recordings} recordings in ${tally.seconds.toFixed(0)} s; before the cuts ` +
      `${tally.acknowledged} messages acknowledged, ${tally.unsafe} changes of the disk not safe; ${tally.delivered} delivered`,
  );
  console.log(
    `${tally.cuts} cuts, ${tally.lost} lost, ${tally.doubled} doubled, ${tally.problems} problems`,
  );
  if (tally.problems > 0) failed = true;
}
process.exit(failed ? 1 : 0);
