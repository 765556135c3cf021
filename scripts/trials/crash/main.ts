/**
 * `deno task crash -- --rounds 200`: proves that a broker that dies again and again loses nothing that it acknowledged.
 * Knows the command line; refuses to know how brokers die. Exits with 1 when something was wrong, 2 when it was called wrong.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import process from "node:process";
import { OWN_RUNTIME } from "../../lib/broker_process.ts";
import { killAll } from "./host.ts";
import { runMatrix, type Tally } from "./matrix.ts";
import type { PlanKind } from "./plan.ts";

const USAGE = `Usage: crash [--rounds N] [--runtime deno|bun|node|both] [--seed N] [--minutes N] [--verbose]
  --rounds N      deaths of the broker, on each runtime (default 100)
  --runtime NAME  the broker's (default: the one that runs this)
  --seed N        the choices of an earlier run again; the network's and the clock's are their own
  --minutes N     the end, on each runtime, even if fewer rounds have passed
  --kinds LIST    only these ends: time, operation, start, term, cut
  --without LIST  leave these Clients out
  --forget SQL    the store forgets to run statements that begin so, which must show
  --memory        without a store, which must show
  --verbose       tell of every round`;

const args = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["rounds", "runtime", "seed", "minutes", "kinds", "without", "forget"],
  boolean: ["help", "memory", "verbose"],
  default: { rounds: "100", runtime: OWN_RUNTIME },
  unknown: (arg) => {
    console.error(`Unknown: ${arg}\n${USAGE}`);
    process.exit(2);
  },
});
const rounds = Number(args.rounds);
const minutes = args.minutes === undefined ? Infinity : Number(args.minutes);
const seed = args.seed === undefined ? Date.now() % 1_000_000 : Number(args.seed);
const runtimes = (["deno", "bun", "node"] as const).filter((name) =>
  args.runtime === name || (args.runtime === "both" && name !== "node")
);
const kinds = args.kinds?.split(",") as PlanKind[] | undefined;
if (args.help) {
  console.log(USAGE);
  process.exit(0);
}
if (!(rounds >= 1) || !(minutes > 0) || !Number.isInteger(seed) || runtimes.length === 0) {
  console.error(USAGE);
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

/** What a run must at least have seen for each round, or it has shown nothing. */
const LEAST = { acknowledged: 5, delivered: 20, deliveredQos2: 5 };

function tooLittle(tally: Tally): string[] {
  const wrong: string[] = [];
  for (const [name, each] of Object.entries(LEAST) as [keyof typeof LEAST, number][]) {
    const least = Math.floor(each * tally.rounds);
    if (tally[name] < least) {
      wrong.push(`Too little happened to mean anything: ${name} ${tally[name]}, not ${least}`);
    }
  }
  return wrong;
}

let failed = false;
for (const runtime of runtimes) {
  console.log(`Crash matrix on ${runtime}: ${rounds} rounds, seed ${seed}`);
  const tally = await runMatrix({
    runtime,
    rounds,
    seed,
    memory: args.memory,
    limitMs: minutes * 60_000,
    ...(kinds && { kinds }),
    ...(args.forget && { forget: args.forget }),
    ...(args.without && { without: args.without.split(",") }),
    wrong: (text) => console.log(`WRONG ${text}`),
    progress: (text) => console.log(text),
    ...(args.verbose && { log: console.log }),
  });
  const wrong = tooLittle(tally);
  for (const text of wrong) console.log(`WRONG ${text}`);
  if (args.verbose) {
    for (const [point, count] of [...tally.points].sort()) console.log(`${count} times ${point}`);
  }
  console.log(
    `${runtime}: ${tally.kills} kills in ${
      tally.seconds.toFixed(0)
    } s on ${tally.directories} directories at ` +
      `${tally.points.size} kinds of operations; ${tally.acknowledged} messages acknowledged, ${tally.doubtful} in doubt, ` +
      `${tally.delivered} delivered, ${tally.deliveredQos2} of them at QoS 2, ${tally.repeated} repeated at QoS 0 and 1; ` +
      `lost ${tally.lost}, doubled ${tally.doubled}, ${tally.problems + wrong.length} problems`,
  );
  if (tally.problems + wrong.length > 0) failed = true;
}
process.exit(failed ? 1 : 0);
