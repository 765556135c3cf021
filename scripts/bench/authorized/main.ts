/**
 * `deno task bench:authorized`: what an authorizer that allows everything and the hooks `connected` and `dropped` add to the broker's
 * CPU time for a message; `deno task bench:permissions`: what a password login and 1,000 rules do. Two processes, with and without, are
 * measured in alternation by `plumb bench`.
 * Knows what is compared and how much more is too much; refuses to know how a load is made.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import process from "node:process";
import { type BenchReport, type SideReport, troublesOf } from "../../../src/bench/report.ts";
import { runFlags, type Runtime } from "../../lib/broker_process.ts";
import { pathOf, ROOT } from "../../lib/tree.ts";
import { type RunningPeer, startScript } from "../../trials/peers/start.ts";
import { programOf } from "../peers/brokers.ts";
import { coresHere } from "../peers/cores.ts";
import { short, tableOf } from "../table.ts";
import { CREDENTIALS, startOpen, startPermitted } from "./permitted.ts";

const USAGE =
  `Usage: bench:authorized [--runtime deno|bun|both] [--only NAME] [--with KIND] [--rounds N] [--seconds N] [--most N]
  --runtime NAME  on which (default both)
  --only NAME     scenarios whose name has NAME in it: fan-out, "QoS 1"
  --with KIND     what is measured against nothing: authorized (default), rules (1,000 of them), checked (each delivery too),
                  permissions (the executable with a password login and a file of 1,000 rules)
  --rounds N      pairs of runs, without and with (default 9)
  --seconds N     of each run (default 1)
  --most N        the ratio that is still all right (default 1.05)`;

/** Flags of `plumb bench`. */
const SCENARIOS: readonly { readonly name: string; readonly flags: readonly string[] }[] = [
  { name: "pairs QoS 0", flags: ["--scenario", "pairs"] },
  { name: "pairs QoS 1", flags: ["--scenario", "pairs", "--qos", "1"] },
  { name: "pairs QoS 2", flags: ["--scenario", "pairs", "--qos", "2"] },
  { name: "fan-out QoS 0", flags: ["--scenario", "fanout", "--publishers", "1", "--subscribers", "100"] },
];

const RUNTIMES: readonly Runtime[] = ["deno", "bun"];
const args = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["runtime", "only", "with", "rounds", "seconds", "most"],
  boolean: ["help"],
  default: { runtime: "both", only: "", with: "authorized", rounds: "9", seconds: "1", most: "1.05" },
  unknown: (arg) => {
    console.error(`Unknown: ${arg}\n${USAGE}`);
    process.exit(2);
  },
});
const runtimes = RUNTIMES.filter((name) => args.runtime === "both" || args.runtime === name);
const scenarios = SCENARIOS.filter(({ name }) => name.includes(args.only));
const most = Number(args.most);
const cores = coresHere();

function commandOf(runtime: Runtime): string[] {
  return [programOf(runtime), ...runFlags(runtime)];
}

function start(runtime: Runtime, ...kind: string[]): Promise<RunningPeer> {
  if (args.with === "permissions") {
    return (kind.length > 0 ? startPermitted : startOpen)(runtime, cores.broker);
  }
  const file = pathOf("scripts/bench/authorized/broker_child.ts");
  return startScript([...cores.broker, ...commandOf(runtime), file, ...kind]);
}

/** One scenario on one runtime; gives the row of the table and whether it holds. */
async function compare(
  runtime: Runtime,
  { name, flags }: typeof SCENARIOS[number],
): Promise<{ row: string[]; holds: boolean }> {
  const row = [`${runtime} ${name}`];
  const plain = await start(runtime);
  try {
    const authorized = await start(runtime, args.with);
    try {
      const { sides: [withIt, without], cpuRatio } = measured(authorized, plain, flags);
      const troubles = [withIt, without].flatMap((side) => side === undefined ? [] : troublesOf(side));
      if (troubles.length > 0 || cpuRatio === undefined) {
        return { row: [...row, troubles.join("; ") || "not measured"], holds: false };
      }
      const us = (side: SideReport | undefined) => short((side?.cpuUsPerDone?.median ?? NaN) * 1_000);
      const { median, least, most: worst } = cpuRatio;
      const holds = median <= most;
      const ratios = [median, least, worst].map((ratio) => ratio.toFixed(2));
      return { row: [...row, us(without), us(withIt), ...ratios, holds ? "ok" : "more"], holds };
    } finally {
      await authorized.stop();
    }
  } finally {
    await plain.stop();
  }
}

/** What `plumb bench` finds of the two. Its status says that something was lost, and so does its report. */
function measured(one: RunningPeer, other: RunningPeer, flags: readonly string[]) {
  const load: Runtime = runtimes.includes("bun") ? "bun" : "deno";
  const [command = "", ...rest] = [...cores.load, ...commandOf(load), "mod.ts", "bench"];
  const as = args.with === "permissions" ? CREDENTIALS : "";
  const urls = [`mqtt://${as}127.0.0.1:${one.port}`, "--vs", `mqtt://127.0.0.1:${other.port}`];
  const pids = ["--pid", `${one.pid}`, "--vs-pid", `${other.pid}`];
  const how = ["--rounds", args.rounds, "--seconds", args.seconds, "--threads", `${cores.threads}`, "--json"];
  let text: string;
  try {
    text = execFileSync(command, [...rest, ...urls, ...pids, ...flags, ...how], {
      cwd: ROOT,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    });
  } catch (error) {
    text = String((error as { readonly stdout?: unknown }).stdout ?? "");
    if (text === "") throw error;
  }
  return (JSON.parse(text) as BenchReport).scenarios[0]!;
}

if (args.help) {
  console.log(USAGE);
  process.exit(0);
}
if (runtimes.length === 0 || scenarios.length === 0 || !(Number(args.rounds) >= 1) || !(most > 0)) {
  console.error(USAGE);
  process.exit(2);
}
if (!existsSync("/proc/self/stat")) {
  console.error("bench:authorized: needs Linux, where /proc tells the CPU time of a process");
  process.exit(2);
}
const rows: string[][] = [];
let failed = 0;
for (const runtime of runtimes) {
  for (const scenario of scenarios) {
    const { row, holds } = await compare(runtime, scenario);
    rows.push(row);
    if (!holds) failed++;
  }
}
console.log(tableOf(["CPU ns a message", "without", "with", "ratio", "from", "to", "verdict"], rows));
console.log(`${rows.length - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
