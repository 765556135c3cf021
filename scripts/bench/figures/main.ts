/**
 * `deno task bench:figures`: what a broker pays for being looked at: `/metrics` scraped each second, names of the busiest too, and a
 * subscription to `$SYS/#`, against the same broker that nothing looks at. Two processes, measured in alternation by `plumb bench`.
 * Knows what is compared and how much more is too much; refuses to know how a load is made.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import process from "node:process";
import { type BenchReport, type SideReport, troublesOf } from "../../../src/bench/report.ts";
import { runFlags, type Runtime } from "../../lib/broker_process.ts";
import { killed, spawnKept } from "../../lib/kept_child.ts";
import { PlumbChild } from "../../lib/plumb_child.ts";
import { pathOf, ROOT } from "../../lib/tree.ts";
import { programOf } from "../peers/brokers.ts";
import { coresHere } from "../peers/cores.ts";
import { short, tableOf } from "../table.ts";

const USAGE =
  `Usage: bench:figures [--runtime deno|bun|both] [--only NAME] [--rounds N] [--seconds N] [--with KIND] [--most N]
  --runtime NAME  on which (default both)
  --only NAME     scenarios whose name has NAME in it: fan-out, "QoS 1"
  --rounds N      pairs of runs, with and without (default 9)
  --seconds N     of each run (default 2)
  --with KIND     what looks: all (default), metrics, sys, or nothing, which shows how far two alike lie apart
  --most N        the ratio that is still all right (default 1.03)`;

/** Flags of `plumb bench`: 50 pairs, and one publisher for 100 subscribers. */
const SCENARIOS: readonly { readonly name: string; readonly flags: readonly string[] }[] = [
  { name: "pairs QoS 0", flags: ["--scenario", "pairs"] },
  { name: "fan-out QoS 0", flags: ["--scenario", "fanout", "--publishers", "1", "--subscribers", "100"] },
];

const RUNTIMES: readonly Runtime[] = ["deno", "bun"];
const args = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["runtime", "only", "rounds", "seconds", "with", "most"],
  boolean: ["help"],
  default: { runtime: "both", only: "", rounds: "9", seconds: "2", with: "all", most: "1.03" },
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

/** Both have the same flags: what differs is that one is looked at. */
function start(runtime: Runtime): Promise<PlumbChild> {
  const listen = ["--listen", "mqtt://127.0.0.1:0", "--listen", "ws://127.0.0.1:0"];
  const flags = ["--memory", ...listen, "--websocket-metrics-names"];
  return PlumbChild.start(runtime, flags, ["mqtt"], cores.broker);
}

/** Begins to look at a broker; returns how to end it. */
async function watch(broker: PlumbChild): Promise<() => Promise<void>> {
  const webPort = (): string | undefined => /url=ws:\/\/127\.0\.0\.1:(\d+)/.exec(broker.log)?.[1];
  await broker.until(() => webPort() !== undefined, "the broker listens for WebSocket");
  const urls = [`http://127.0.0.1:${webPort()}`, `mqtt://127.0.0.1:${broker.port()}`];
  const runtime: Runtime = runtimes.includes("bun") ? "bun" : "deno";
  const file = pathOf("scripts/bench/figures/watcher_child.ts");
  const child = spawnKept([...cores.load, ...commandOf(runtime), file, ...urls, args.with], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const over = once(child, "close").then(([code]) => {
    throw new Error(`The watcher ended with ${code}`);
  });
  over.catch(() => {});
  await Promise.race([once(child.stdout!, "data"), over]);
  return () => killed(child);
}

/** One scenario on one runtime; gives the row of the table and whether it holds. */
async function compare(
  runtime: Runtime,
  { name, flags }: typeof SCENARIOS[number],
): Promise<{ row: string[]; holds: boolean }> {
  const row = [`${runtime} ${name}`];
  const [plain, watched] = [await start(runtime), await start(runtime)];
  const end = await watch(watched);
  try {
    const { sides: [withIt, without], cpuRatio } = await measured(watched, plain, flags);
    const troubles = [withIt, without].flatMap((side) => side === undefined ? [] : troublesOf(side));
    if (troubles.length > 0 || cpuRatio === undefined) {
      return { row: [...row, troubles.join("; ") || "not measured"], holds: false };
    }
    const ns = (side: SideReport | undefined) => short((side?.cpuUsPerDone?.median ?? NaN) * 1_000);
    const { median, least, most: worst } = cpuRatio;
    const holds = median <= most;
    const ratios = [median, least, worst].map((ratio) => ratio.toFixed(3));
    return { row: [...row, ns(without), ns(withIt), ...ratios, holds ? "ok" : "more"], holds };
  } finally {
    await end();
    await plain.stop();
    await watched.stop();
  }
}

/** What `plumb bench` finds of the two. Its status says that something was lost, and so does its report. */
async function measured(
  one: PlumbChild,
  other: PlumbChild,
  flags: readonly string[],
): Promise<BenchReport["scenarios"][number]> {
  const load: Runtime = runtimes.includes("bun") ? "bun" : "deno";
  const [command = "", ...rest] = [...cores.load, ...commandOf(load), "mod.ts", "bench"];
  const urls = [`mqtt://127.0.0.1:${one.port()}`, "--vs", `mqtt://127.0.0.1:${other.port()}`];
  const pids = ["--pid", `${one.pid}`, "--vs-pid", `${other.pid}`];
  const how = ["--rounds", args.rounds, "--seconds", args.seconds, "--threads", `${cores.threads}`, "--json"];
  const text = await new Promise<string>((resolve, reject) => {
    execFile(
      command,
      [...rest, ...urls, ...pids, ...flags, ...how],
      { cwd: ROOT },
      (error, stdout, stderr) => {
        if (stdout === "") reject(error ?? new Error(stderr));
        else resolve(stdout);
      },
    );
  });
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
  console.error("bench:figures: needs Linux, where /proc tells the CPU time of a process");
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
console.log(tableOf(["CPU ns a message", "alone", "looked at", "ratio", "from", "to", "verdict"], rows));
console.log(`${rows.length - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
