/**
 * What a feature costs: the broker's CPU time for a message with it and without it, in two processes that `plumb bench` measures in
 * alternation.
 * Knows how the two are compared, and what is said of it; refuses to know the feature.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import process from "node:process";
import { type BenchReport, type SideReport, troublesOf } from "../../src/bench/report.ts";
import { runFlags, type Runtime } from "../lib/broker_process.ts";
import { ROOT } from "../lib/tree.ts";
import { programOf } from "./peers/brokers.ts";
import { coresHere } from "./peers/cores.ts";
import { short, tableOf } from "./table.ts";

/** A broker that runs. */
export interface CostSide {
  /** For the load, with user and password if they are needed. */
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** What a side is started with. */
export interface CostCall {
  readonly runtime: Runtime;
  /** Of `--with`. */
  readonly kind: string;
  /** Words before a command that keep a broker on its core. */
  readonly brokerCores: readonly string[];
  /** The command of a program beside the load, on its core. */
  readonly beside: readonly string[];
}

/** One comparison. */
export interface Cost {
  /** Of the task. */
  readonly name: string;
  readonly usage: string;
  /** Flags of `plumb bench`. */
  readonly scenarios: readonly { readonly name: string; readonly flags: readonly string[] }[];
  /** Of `--seconds`, `--with` and `--most`. */
  readonly defaults: { readonly seconds: string; readonly with: string; readonly most: string };
  /** What the table calls the sides. */
  readonly sides: readonly [without: string, withIt: string];
  /** Starts a side. */
  begin(call: CostCall, isWith: boolean): Promise<CostSide>;
}

/** The command of a runtime, with the flags it needs for a program of this repository. */
export function commandOf(runtime: Runtime): string[] {
  return [programOf(runtime), ...runFlags(runtime)];
}

const RUNTIMES: readonly Runtime[] = ["deno", "bun"];

/** Does the task: prints a table, and ends the process. */
export async function costMain(cost: Cost): Promise<never> {
  const { name, usage, sides: [without, withIt] } = cost;
  const args = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
    string: ["runtime", "only", "rounds", "seconds", "with", "most"],
    boolean: ["help"],
    default: { runtime: "both", only: "", rounds: "9", ...cost.defaults },
    unknown: (arg) => {
      console.error(`Unknown: ${arg}\n${usage}`);
      process.exit(2);
    },
  });
  if (args.help) {
    console.log(usage);
    process.exit(0);
  }
  const runtimes = RUNTIMES.filter((one) => args.runtime === "both" || args.runtime === one);
  const scenarios = cost.scenarios.filter((one) => one.name.includes(args.only));
  const most = Number(args.most);
  if (runtimes.length === 0 || scenarios.length === 0 || !(Number(args.rounds) >= 1) || !(most > 0)) {
    console.error(usage);
    process.exit(2);
  }
  if (!existsSync("/proc/self/stat")) {
    console.error(`${name}: needs Linux, where /proc tells the CPU time of a process`);
    process.exit(2);
  }
  const cores = coresHere();
  const beside = [...cores.load, ...commandOf(runtimes.includes("bun") ? "bun" : "deno")];
  const how = ["--rounds", args.rounds, "--seconds", args.seconds, "--threads", `${cores.threads}`, "--json"];
  const rows: string[][] = [];
  let failed = 0;
  for (const runtime of runtimes) {
    const call: CostCall = { runtime, kind: args.with, brokerCores: cores.broker, beside };
    for (const scenario of scenarios) {
      const found = await measured(cost, call, [...scenario.flags, ...how]);
      const { row, holds } = judged(found, most);
      rows.push([`${runtime} ${scenario.name}`, ...row]);
      if (!holds) failed++;
    }
  }
  console.log(tableOf(["CPU ns a message", without, withIt, "ratio", "from", "to", "verdict"], rows));
  console.log(`${rows.length - failed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}

type Found = BenchReport["scenarios"][number];

/** What `plumb bench` finds of the two. Its status says that something was lost, and so does its report. */
async function measured(cost: Cost, call: CostCall, flags: readonly string[]): Promise<Found> {
  const plain = await cost.begin(call, false);
  try {
    const other = await cost.begin(call, true);
    try {
      const [command = "", ...rest] = [...call.beside, "mod.ts", "bench"];
      const which = [other.url, "--vs", plain.url, "--pid", `${other.pid}`, "--vs-pid", `${plain.pid}`];
      const text = await new Promise<string>((resolve, reject) => {
        execFile(command, [...rest, ...which, ...flags], { cwd: ROOT }, (error, stdout, stderr) => {
          if (stdout === "") reject(error ?? new Error(stderr));
          else resolve(stdout);
        });
      });
      return (JSON.parse(text) as BenchReport).scenarios[0]!;
    } finally {
      await other.stop();
    }
  } finally {
    await plain.stop();
  }
}

function judged({ sides: [withIt, without], cpuRatio }: Found, most: number): {
  readonly row: readonly string[];
  readonly holds: boolean;
} {
  const troubles = [withIt, without].flatMap((side) => side === undefined ? [] : troublesOf(side));
  if (troubles.length > 0 || cpuRatio === undefined) {
    return { row: [troubles.join("; ") || "not measured"], holds: false };
  }
  const ns = (side: SideReport | undefined) => short((side?.cpuUsPerDone?.median ?? NaN) * 1_000);
  const holds = cpuRatio.median <= most;
  const ratios = [cpuRatio.median, cpuRatio.least, cpuRatio.most].map((ratio) => ratio.toFixed(3));
  return { row: [ns(without), ns(withIt), ...ratios, holds ? "ok" : "more"], holds };
}
