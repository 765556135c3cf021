/**
 * `deno task engines`: the core on engines that have the language and nothing else. Its own tests in QuickJS, and the simulations of broker
 * and Client on each engine that is here: the same seed has to bring about the same effects everywhere.
 * Knows what is asked for and prints what came out; refuses to know how engines are started.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { pathOf } from "../lib/tree.ts";
import { SIMULATIONS } from "../../src/testing/simulations.ts";
import { digests, type Engine, engines, QUICKJS, traceOf } from "./engines.ts";
import { filesOf, REST, SUITES, testInQuickJs } from "./suites.ts";

const USAGE =
  `Usage: engines [--seeds N] [--from N] [--only tests|rest|simulations] [--command CMD [--target es2022]] [--report]
       engines --trace SIMULATION --from SEED [--command CMD [--target es2022]]
  --seeds N      of each simulation (default 1000)
  --from N       the first of them (default 1)
  --only WHAT    tests: of codec, topics, deliveries, transports and the store in memory, in QuickJS; rest: those of the
                 rest of the core, which take the better part of an hour; simulations: on all engines (default: the
                 first and the last)
  --command CMD  an engine besides: a program that runs a script and has print() or console.log()
  --target T     what that engine knows of the language: es2022 (default), es2020, es2015, es5
  --report       writes dist/engines/quickjs.json, for the matrix of engines
  --trace NAME   runs one seed here and there, and prints the first effect that differs`;

/** Of one run of an engine. */
const PORTION = 50;
/** Of each property: without a compiler it takes a hundred times as long. */
const NUM_RUNS = 50;

const flags = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["seeds", "from", "only", "command", "target", "trace"],
  boolean: ["report", "help"],
  default: { seeds: "1000", from: "1", target: "es2022" },
  unknown: (arg) => wrong(`Unknown: ${arg}`),
});
const [count, from] = [Number(flags.seeds), Number(flags.from)];
if (flags.help) {
  console.log(USAGE);
  process.exit(0);
}
if (![count, from].every((number) => Number.isInteger(number) && number >= 1)) {
  wrong("Seeds are whole numbers from 1 on");
}
if (!["tests", "rest", "simulations", undefined].includes(flags.only)) {
  wrong(`Nothing is called ${flags.only}`);
}
if (flags.trace !== undefined && SIMULATIONS[flags.trace] === undefined) {
  wrong(`A simulation is one of "${Object.keys(SIMULATIONS).join('", "')}", not "${flags.trace}"`);
}

const here = engines();
/** A program that was named, or else QuickJS. */
const besides: Engine | undefined = flags.command === undefined
  ? undefined
  : { name: flags.command, command: flags.command.split(" "), target: flags.target };
let failed = 0;
const cells: Record<string, unknown> = {};

if (flags.trace !== undefined) await trace(flags.trace);
else {
  const { only } = flags;
  if (only === undefined || only === "tests") await test(Object.keys(SUITES));
  if (only === "rest") await test(Object.keys(REST));
  if (only === undefined || only === "simulations") {
    for (const name of Object.keys(SIMULATIONS)) await simulate(name);
  }
  if (flags.report) report();
}
process.exit(failed === 0 ? 0 : 1);

async function test(suites: readonly string[]): Promise<void> {
  for (const suite of suites) {
    const files = filesOf(suite);
    const { passed, failures } = await testInQuickJs(files, NUM_RUNS);
    failed += failures.length;
    cells[suite] = { passed, failed: failures.length, note: `${files.length} files`, ...some(failures) };
    console.log(`${QUICKJS}: ${suite}: ${passed} passed, ${failures.length} failed`);
    for (const failure of failures) console.log(failure);
  }
}

async function simulate(simulation: string): Promise<void> {
  const others = [...here.slice(1), ...besides === undefined ? [] : [besides], undefined];
  const same = new Map<string, number>();
  const apart: string[] = [];
  for (let first = from; first < from + count; first += PORTION) {
    const seeds = { from: first, count: Math.min(PORTION, from + count - first) };
    const expected = await digests(here[0], simulation, seeds);
    for (const engine of others) {
      const name = engine?.name ?? QUICKJS;
      const found = await digests(engine, simulation, seeds);
      for (const [i, digest] of found.entries()) {
        if (digest === expected[i] && /^[0-9a-f]{16} [1-9]/.test(digest)) {
          same.set(name, (same.get(name) ?? 0) + 1);
        } else apart.push(`${name}, seed ${first + i}: ${digest}, on ${here[0]!.name} ${expected[i]}`);
      }
    }
  }
  failed += apart.length;
  for (const engine of others) {
    const name = engine?.name ?? QUICKJS;
    console.log(`${simulation}: ${same.get(name) ?? 0} of ${count} seeds on ${name} as on ${here[0]!.name}`);
  }
  for (const line of apart.slice(0, 20)) console.log(line);
  const mine = apart.filter((line) => line.startsWith(QUICKJS));
  const row = `${simulation.split(",")[0]} simulation`;
  const before = cells[row] as { passed: number; failed: number } | undefined;
  cells[row] = {
    passed: (before?.passed ?? 0) + (same.get(QUICKJS) ?? 0),
    failed: (before?.failed ?? 0) + mine.length,
    seed: from,
    note: "seeds, each with the same effects as on V8 and JavaScriptCore",
    ...some(mine),
  };
}

function some(failures: readonly string[]): { readonly failures?: readonly string[] } {
  return failures.length === 0 ? {} : { failures: failures.slice(0, 20) };
}

async function trace(simulation: string): Promise<void> {
  const [one, other] = [here[0], besides];
  const [ours, theirs] = [await traceOf(one, simulation, from), await traceOf(other, simulation, from)];
  const at = ours.findIndex((line, i) => line !== theirs[i]);
  if (at < 0 && ours.length === theirs.length) return console.log(`${ours.length} effects, all the same`);
  failed++;
  const first = at < 0 ? ours.length : at;
  console.log(
    `Effect ${first + 1} differs:\n${one!.name}: ${ours[first]}\n${other?.name ?? QUICKJS}: ${theirs[first]}`,
  );
}

function report(): void {
  const { version } = JSON.parse(
    readFileSync(pathOf("node_modules/quickjs-emscripten-core/package.json"), "utf8"),
  );
  const sockets = { reason: "it has no sockets and no timers: the auditor is a program of a runtime" };
  const text = JSON.stringify(
    {
      format: "plumb-engine-report/1",
      engine: { name: QUICKJS, version: `quickjs-emscripten ${version}`, script: "QuickJS" },
      cells: { ...cells, "audit of broker": sockets, "audit of client": sockets },
    },
    undefined,
    2,
  );
  mkdirSync(pathOf("dist/engines"), { recursive: true });
  writeFileSync(pathOf("dist/engines/quickjs.json"), `${text}\n`);
}

function wrong(message: string): never {
  console.error(`${message}\n${USAGE}`);
  process.exit(2);
}
