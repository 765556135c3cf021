/**
 * `deno task bench:micro`: what single operations cost, on both runtimes in turn.
 * Knows which runtimes and how often; refuses to know what is measured.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { bun, deno } from "../../lib/run.ts";
import { pathOf, ROOT } from "../../lib/tree.ts";
import type { MicroLine } from "./child.ts";
import type { Figures } from "./measure.ts";
import { merged, microTable, type Result } from "./report.ts";

const USAGE = `Usage: bench:micro [--runtime deno|bun|both] [--only NAME] [--rounds N] [--json]
  --runtime NAME  whose figures (default both, in turn)
  --only NAME     cases whose name has NAME in it: encode/, fan-out/, "QoS 2"
  --rounds N      processes for each runtime (default 2)
  --json          JSON instead of a table

Minimum and median of many repetitions of one or two ms; bytes are those that one operation allocates, on the heap
and as buffers beside it; – where the runtime does not tell.`;

const RUNTIMES = ["deno", "bun"] as const;
type Runtime = typeof RUNTIMES[number];

const args = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["runtime", "only", "rounds"],
  boolean: ["help", "json"],
  default: { runtime: "both", only: "", rounds: "2" },
  unknown: (arg) => {
    console.error(`Unknown: ${arg}\n${USAGE}`);
    process.exit(2);
  },
});
const runtimes = RUNTIMES.filter((name) => args.runtime === "both" || args.runtime === name);
const rounds = Number(args.rounds);

/** One process; tells each figure as it comes. Rejects if it ends badly. */
function measureOn(runtime: Runtime, tell: (line: MicroLine) => void): Promise<void> {
  const file = pathOf("scripts/bench/micro/child.ts");
  const [command = "", ...rest] = runtime === "bun"
    ? [...bun(), file]
    : [...deno(), "run", "-A", "--no-check", "--v8-flags=--expose-gc", file];
  const child = spawn(command, [...rest, args.only], { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
  createInterface(child.stdout).on("line", (line) => tell(JSON.parse(line)));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => code === 0 ? resolve() : reject(new Error(`${runtime} ended with ${code}`)));
  });
}

async function main(): Promise<number> {
  const names: string[] = [];
  const figures = new Map<string, Figures[]>();
  const wrong: string[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const runtime of runtimes) {
      await measureOn(runtime, (line) => {
        if (!names.includes(line.name)) names.push(line.name);
        if (process.stderr.isTTY) {
          process.stderr.write(`\r\x1b[K${runtime} ${round + 1}/${rounds} ${line.name}`);
        }
        const key = `${runtime} ${line.name}`;
        if ("wrong" in line) wrong.push(`${key}: ${line.wrong}`);
        else figures.set(key, [...figures.get(key) ?? [], line]);
      });
    }
  }
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  const find = (name: string, runtime: string): Result | undefined => {
    const all = figures.get(`${runtime} ${name}`);
    return all === undefined ? undefined : merged(all);
  };
  if (args.json) {
    const cases = names.map((name) => ({
      name,
      ...Object.fromEntries(runtimes.map((runtime) => [runtime, find(name, runtime)])),
    }));
    console.log(JSON.stringify({ rounds, cases }, undefined, 2));
  } else console.log(microTable(names, runtimes, find));
  for (const text of wrong) console.error(`WRONG ${text}`);
  if (names.length === 0) console.error(`No case has ${JSON.stringify(args.only)} in its name`);
  return wrong.length > 0 || names.length === 0 ? 1 : 0;
}

if (args.help) console.log(USAGE);
else if (runtimes.length === 0 || !(rounds >= 1)) {
  console.error(USAGE);
  process.exit(2);
} else process.exit(await main());
