/**
 * `deno task bench:peers`: other brokers and ours, measured in turn on this machine; the tables and the picture of them.
 * Knows its flags and files; refuses to know how it is measured.
 * @module
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { basename, dirname } from "node:path";
import process from "node:process";
import { progressLine } from "../../../src/bench/table.ts";
import { CallError } from "../../../src/cli/error.ts";
import { flagsHelp, type OptionGroup, readFlags } from "../../../src/cli/flags.ts";
import { formatMarkdown } from "../../lib/deno_fmt.ts";
import type { Runtime } from "../../lib/broker_process.ts";
import { pathOf } from "../../lib/tree.ts";
import { BROKERS, plumbOn } from "./brokers.ts";
import { chartOf } from "./chart.ts";
import { comparePeers, type Comparison, flagsOf, type PeersProgress, type Row } from "./compare.ts";
import { coresHere } from "./cores.ts";
import { type PeerScenario, scenariosOf } from "./scenarios.ts";
import { type About, briefOf, failuresOf, partOf, withPart } from "./table.ts";

/** The short table. */
const README = "README.md";
/** The whole one. */
const BENCHES = "scripts/bench/README.md";
const CHART = "scripts/bench/peers.svg";
const WARMUP = 1;
/** What a run takes beside the seconds in which it measures: the load starts and ends. */
const AROUND_SECONDS = 0.7;
/** What else goes on, in cores that it has: with more, brokers and load wait for each other's cores. */
const QUIET_LOAD = 0.5;

const OPTIONS: readonly OptionGroup[] = [
  {
    title: "Flags",
    rows: [
      {
        name: "rounds",
        kind: "integer",
        value: "N",
        least: 1,
        most: 1000,
        default: "5",
        about: "of each scenario",
      },
      {
        name: "seconds",
        kind: "text",
        value: "N",
        default: "1.5",
        about: "that count, of each run; 0.1 to 600",
      },
      {
        name: "only",
        kind: "list",
        value: "SCENARIO",
        about: `leaves out the others; may be given more than once: ${
          scenariosOf().map(({ name }) => name).join(", ")
        }`,
      },
      { name: "write", kind: "flag", about: `writes the tables in ${BENCHES} and ${README}, and ${CHART}` },
      { name: "json", kind: "text", value: "FILE", about: "writes every figure of every round" },
      { name: "help", short: "h", kind: "flag", about: "print this help" },
    ],
  },
];

interface Call {
  readonly scenarios: readonly PeerScenario[];
  readonly rounds: number;
  readonly seconds: number;
  readonly write: boolean;
  readonly json?: string;
}

/** What is asked for; undefined when help is. */
function callOf(args: readonly string[]): Call | undefined {
  const { given } = readFlags(args, () => undefined, {
    rows: OPTIONS.flatMap(({ rows }) => rows),
    help: "deno task bench:peers --help",
  });
  if (given.has("help")) return undefined;
  const one = (name: string) => given.get(name)?.at(-1);
  const only = (given.get("only") ?? []).flatMap((names) => names.split(","));
  const all = scenariosOf();
  const unknown = only.find((name) => !all.some((scenario) => scenario.name === name));
  if (unknown !== undefined) {
    const names = all.map(({ name }) => name).join(", ");
    throw new CallError(`there is no scenario ${JSON.stringify(unknown)}; there are ${names}`);
  }
  const text = one("seconds") ?? "1.5";
  const seconds = Number(text);
  if (!/^\d*\.?\d+$/.test(text) || seconds < 0.1 || seconds > 600) {
    throw new CallError(`--seconds takes a number from 0.1 to 600, not ${JSON.stringify(text)}`);
  }
  const write = given.has("write");
  if (write && only.length > 0) throw new CallError("--write writes the whole table: leave out --only");
  const json = one("json");
  if (json !== undefined && !existsSync(dirname(json))) {
    throw new CallError(`--json ${json}: there is no folder ${dirname(json)}`);
  }
  return {
    scenarios: all.filter(({ name }) => only.length === 0 || only.includes(name)),
    rounds: Number(one("rounds") ?? 5),
    seconds,
    write,
    ...json !== undefined && { json },
  };
}

/** The line on standard error; without a terminal one for each scenario. */
function watch(): (progress: PeersProgress) => void {
  let last = "";
  return ({ done, all, scenario, broker }) => {
    const what = `${scenario.title}: ${broker}`;
    if (process.stderr.isTTY) {
      const columns = process.stderr.columns ?? 80;
      process.stderr.write(`\r\x1b[K${progressLine({ share: done / all, done, all, what, columns })}`);
    } else if (last !== scenario.title) process.stderr.write(`${done}/${all}  ${scenario.title}\n`);
    last = scenario.title;
  };
}

function machineText(): string {
  const model = cpus()[0]?.model.trim().replace(/\s+/g, " ") || "a processor without a name";
  const system = { linux: "Linux", darwin: "macOS", win32: "Windows" }[process.platform as string];
  return `${model}, ${cpus().length} cores, ${system ?? process.platform}`;
}

/** Every figure of every round. */
function jsonOf(rows: readonly Row[], about: About, comparison: Comparison): string {
  const scenarios = rows.map(({ scenario: { name, title, kind, ...scenario }, summaries }) => ({
    name,
    title,
    kind,
    flags: comparison.brokers.map((broker) =>
      flagsOf({ name, title, kind, ...scenario }, broker, comparison)
    ),
    brokers: summaries,
  }));
  const report = { format: "plumb-peers", formatVersion: 1, ...about, scenarios };
  return `${JSON.stringify(report, undefined, 1)}\n`;
}

async function main(): Promise<number> {
  const call = callOf(process.argv.slice(2).filter((arg) => arg !== "--"));
  if (call === undefined) {
    console.log(["Usage: deno task bench:peers [FLAGS]", ...flagsHelp(OPTIONS, true)].join("\n\n"));
    return 0;
  }
  const { scenarios, rounds, seconds } = call;
  const versions = BROKERS.map((broker) => ({ broker, version: broker.version() }));
  const missing = versions.filter(({ version }) => version === undefined).map(({ broker }) => broker);
  for (const { name, install } of missing) console.log(`${name} is left out: it needs ${install}`);
  const runtime: Runtime = plumbOn("bun").version() === undefined ? "deno" : "bun";
  const cores = coresHere();
  if (!cores.areApart) {
    console.log("Brokers and load share all cores: there is no second one, or no taskset.");
  }
  const comparison: Comparison = {
    brokers: BROKERS.filter((broker) => !missing.includes(broker)),
    scenarios,
    rounds,
    seconds,
    warmup: WARMUP,
    cores,
    runtime,
    progress: watch(),
  };
  const busy = loadavg()[0]!;
  const isBusy = busy > QUIET_LOAD;
  if (isBusy) {
    console.log(
      `The machine is busy (load average ${busy.toFixed(1)}): figures will be too low and ratios uncertain.`,
    );
  }
  const runs = scenarios.length * rounds * comparison.brokers.length;
  const minutes = runs * (seconds + WARMUP + AROUND_SECONDS) / 60;
  console.log(`${runs} runs, about ${Math.max(1, Math.round(minutes))} minutes`);
  const about: About = {
    date: new Date().toISOString(),
    rounds,
    seconds,
    machine: machineText(),
    load: plumbOn(runtime).version()!.replace(/^.*, /, ""),
    areApart: cores.areApart,
    ...isBusy && { busy },
    brokers: versions.filter(({ version }) => version !== undefined).map(({ broker, version }) => ({
      name: broker.name,
      version: version!,
      level: broker.level,
    })),
    missing: missing.map(({ name }) => name),
  };
  const rows = await comparePeers(comparison);
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  console.log(`\n${formatMarkdown(partOf(rows, about))}`);
  if (call.json !== undefined) writeFileSync(call.json, jsonOf(rows, about, comparison));
  if (call.write) {
    writeFileSync(pathOf(CHART), chartOf(rows, about.date));
    for (
      const [file, part] of [[BENCHES, partOf(rows, about, basename(CHART))], [README, briefOf(rows, about)]]
    ) {
      const text = withPart(readFileSync(pathOf(file!), "utf8"), part!);
      writeFileSync(pathOf(file!), formatMarkdown(text));
    }
  }
  const failures = failuresOf(rows);
  for (const failure of failures) console.error(`failed: ${failure}`);
  return failures.length === 0 ? 0 : 1;
}

try {
  process.exit(await main());
} catch (error) {
  if (!(error instanceof CallError)) throw error;
  console.error(`bench:peers: ${error.message}`);
  process.exit(2);
}
