/**
 * `deno task soak -- --minutes 10`, or `bun scripts/trials/soak/main.ts`: a broker under chaos for long, on the runtime that runs this.
 * Knows the command line; refuses to know what happens. Exits with 1 when something was wrong, 2 when it was called wrong.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import process from "node:process";
import { OWN_RUNTIME } from "../../lib/broker_process.ts";
import { soak } from "./soak.ts";

const USAGE = `Usage: soak [--minutes N] [--seed N] [--width N] [--slow-ms N]
  --minutes N    how long (default 1)
  --seed N       the choices of an earlier run again; the network's are its own
  --width N      acts of chaos at a time (default 40)
  --slow-ms N    give the broker a store and an authenticator that take so long, and an authorizer`;

const args = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["minutes", "seed", "width", "slow-ms"],
  boolean: ["help"],
  unknown: (arg) => {
    console.error(`Unknown: ${arg}\n${USAGE}`);
    process.exit(2);
  },
});
if (args.help) {
  console.log(USAGE);
  process.exit(0);
}

function number(name: "minutes" | "seed" | "width" | "slow-ms", otherwise: number): number {
  const value = args[name] === undefined ? otherwise : Number(args[name]);
  if (args[name] === "" || !(value >= 0)) {
    console.error(`--${name} takes a number\n${USAGE}`);
    process.exit(2);
  }
  return value;
}

const seed = number("seed", Date.now() % 2 ** 31);
const minutes = number("minutes", 1);
const slowMs = args["slow-ms"] === undefined ? {} : { slowMs: number("slow-ms", 0) };
console.log(`Soak on ${OWN_RUNTIME} for ${minutes} minutes, seed ${seed}`);
process.on("unhandledRejection", (error) => {
  console.error("In the soak itself:", error);
  process.exit(1);
});
const { problems, summary } = await soak({
  runtime: OWN_RUNTIME,
  seconds: minutes * 60,
  seed,
  width: number("width", 40),
  limitMs: 5_000,
  sessionExpirySeconds: 4,
  progress: console.log,
  ...slowMs,
});
for (const line of summary) console.log(line);
for (const problem of problems) console.log(`WRONG ${problem}`);
console.log(problems.length === 0 ? `All well, seed ${seed}` : `${problems.length} problems, seed ${seed}`);
process.exit(problems.length === 0 ? 0 : 1);
