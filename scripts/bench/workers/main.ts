/**
 * `deno task bench:workers`: the CPU time of all processes of a broker for each message that is delivered, and how many are delivered, with
 * 1 to 4 workers beside one process. Brokers and load share all cores of the machine.
 * Knows the rounds, and prints ratios of medians; refuses to know the load.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import process from "node:process";
import { usageOf } from "../../../src/bench/usage.ts";
import { OWN_RUNTIME } from "../../lib/broker_process.ts";
import { WorkersProcess } from "../../lib/workers_process.ts";
import { median } from "../statistics.ts";
import { tableOf } from "../table.ts";
import { Load } from "./load.ts";

const USAGE =
  `Usage: bench:workers [--runtime deno|bun|node] [--workers LIST] [--rounds N] [--seconds S] [--json]
  --runtime NAME   the brokers' (default: the one that runs this)
  --workers LIST   beside one process (default 1,2,3,4); 1 shows what the measurement is good for
  --rounds N       (default 9)
  --seconds S      of each measurement (default 2)
  --json           all rounds, as JSON`;

const args = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["runtime", "workers", "rounds", "seconds"],
  boolean: ["help", "json"],
  default: { runtime: OWN_RUNTIME, workers: "1,2,3,4", rounds: "9", seconds: "2" },
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
const counts = args.workers.split(",").map(Number);
const [rounds, ms] = [Number(args.rounds), Number(args.seconds) * 1_000];
const isGood = counts.every((count) => Number.isInteger(count) && count >= 1) && rounds >= 1 && ms > 0;
if (runtime === undefined || !isGood) {
  console.error(USAGE);
  process.exit(2);
}
if (usageOf(process.pid) === undefined) {
  console.error("bench:workers: needs Linux, where /proc tells the CPU time of a process");
  process.exit(2);
}

/** Not measured, at the beginning of each measurement: ms. */
const WARM_MS = 300;

/** What one measurement has found. */
interface Found {
  readonly cpuUs: number;
  readonly perSecond: number;
}

/** One broker, and what was measured of it by QoS. */
interface Measured {
  readonly name: string;
  readonly broker: WorkersProcess;
  readonly load: Load;
  readonly found: readonly [Found[], Found[]];
}

function cpuUs({ pid, workers }: WorkersProcess): number {
  const pids = new Set([pid, ...workers.values()]);
  return [...pids].reduce((sum, one) => sum + usageOf(one)!.cpuUs, 0);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function measure({ broker, load, found }: Measured, qos: 0 | 1): Promise<void> {
  load.begin(qos);
  await pause(WARM_MS);
  const [cpu, count, begun] = [cpuUs(broker), load.delivered, performance.now()];
  await pause(ms);
  const delivered = load.delivered - count;
  const seconds = (performance.now() - begun) / 1_000;
  found[qos].push({ cpuUs: (cpuUs(broker) - cpu) / delivered, perSecond: delivered / seconds });
  await load.end();
}

const all: Measured[] = [];
try {
  for (const count of [0, ...counts]) {
    const flags = ["--memory", "--listen", "mqtt://127.0.0.1:0", ...count === 1 ? ["--workers", "1"] : []];
    const broker = await WorkersProcess.start(runtime, Math.max(1, count), flags);
    const load = await Load.open(broker);
    const name = count === 0 ? "one process" : `${count} worker${count === 1 ? "" : "s"}`;
    all.push({ name, broker, load, found: [[], []] });
  }
  for (let round = 0; round < rounds; round++) {
    const turn = round % all.length;
    for (const one of [...all.slice(turn), ...all.slice(0, turn)]) {
      for (const qos of [0, 1] as const) await measure(one, qos);
    }
    if (!args.json) console.error(`round ${round + 1} of ${rounds}`);
  }
} finally {
  for (const { load, broker } of all) {
    load.close();
    await broker.killAll();
  }
}

if (args.json) console.log(JSON.stringify(all.map(({ name, found }) => ({ name, found }))));
else {
  const of = ({ found }: Measured, qos: 0 | 1, what: keyof Found) =>
    median(found[qos].map((one) => one[what]));
  const rows = ([0, 1] as const).flatMap((qos) =>
    all.slice(1).map((one) => {
      const ratio = (what: keyof Found) => (of(one, qos, what) / of(all[0]!, qos, what)).toFixed(2);
      return [`QoS ${qos}, ${one.name}`, ratio("cpuUs"), ratio("perSecond")];
    })
  );
  console.log(`${runtime}, ${rounds} rounds, 24 pairs of which half cross; beside one process:`);
  console.log(tableOf(["", "CPU a delivery", "deliveries a second"], rows));
}
process.exit(0);
