/**
 * Runs the tests of a simulation with many seeds on both runtimes, or with faults that are planted one after the other.
 * Knows how tests are told their seeds; refuses to know what they do.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { readFileSync } from "node:fs";
import process from "node:process";
import { bun, deno, run } from "../lib/run.ts";
import { pathOf } from "../lib/tree.ts";
import type { Fault } from "./client_simulation/faults.ts";
import { Workshop } from "./mutate/workshop.ts";

/** One simulation. */
export interface Simulated {
  /** Its name in `deno.json`. */
  readonly task: string;
  readonly tests: readonly string[];
  /** By default. */
  readonly seeds: string;
  /** Seeds of one process. */
  readonly portion: number;
  /** Of the environment: the first seed; with an S behind it how many there are. */
  readonly variable: string;
  readonly faults: readonly Fault[];
  /** With so many each fault is looked for; undefined for those that the tests have by themselves. */
  readonly faultSeeds: number | undefined;
}

const LIMIT_MS = 60 * 60_000;

/** Does what the arguments of this process say, and ends it. */
export async function simulations(simulated: Simulated): Promise<never> {
  const usage = `Usage: ${simulated.task} [--runtime deno|bun] [--seeds N] [--from N] [--faults]`;
  const flags = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
    string: ["seeds", "from", "runtime"],
    boolean: ["faults"],
    default: { seeds: simulated.seeds, from: "1" },
    unknown: (arg) => wrong(`Unknown: ${arg}`, usage),
  });
  const [seeds = 0, from = 0] = [flags.seeds, flags.from].map(Number);
  const runtimes = (["deno", "bun"] as const).filter((name) => (flags.runtime ?? name) === name);
  if (runtimes.length === 0) wrong(`Unknown runtime: ${flags.runtime}`, usage);
  if (![seeds, from].every((number) => Number.isInteger(number) && number >= 1)) {
    wrong("Seeds are whole numbers from 1 on", usage);
  }
  const results: boolean[] = [];
  if (flags.faults) results.push(...await findFaults(simulated));
  else for (const runtime of runtimes) results.push(...await simulate(simulated, runtime, from, seeds));
  const passed = results.filter((one) => one).length;
  console.log(`${passed} passed, ${results.length - passed} failed`);
  process.exit(passed === results.length ? 0 : 1);
}

async function simulate(
  { tests, portion, variable }: Simulated,
  runtime: "deno" | "bun",
  from: number,
  seeds: number,
): Promise<boolean[]> {
  const command = runtime === "bun"
    ? [...bun(), "test", "--timeout", `${LIMIT_MS}`, ...tests.map((test) => `./${test}`)]
    : [...deno(), "test", "-A", "--no-check", ...tests];
  const results: boolean[] = [];
  for (let first = from; first < from + seeds; first += portion) {
    const count = Math.min(portion, from + seeds - first);
    const env = { [variable]: `${first}`, [`${variable}S`]: `${count}` };
    const { code, text, seconds } = await run(command, { env, quiet: true, limitMs: LIMIT_MS });
    results.push(code === 0);
    const how = code === 0 ? "ok     " : "FAILED ";
    console.log(
      `${how} ${runtime.padEnd(4)} seeds ${first} to ${first + count - 1}, ${seconds.toFixed(0)} s`,
    );
    if (code !== 0) console.log(text);
  }
  return results;
}

async function findFaults({ tests, faults, faultSeeds, variable }: Simulated): Promise<boolean[]> {
  const workshop = new Workshop();
  if (faultSeeds !== undefined) process.env[`${variable}S`] = `${faultSeeds}`;
  const results: boolean[] = [];
  try {
    for (const { about, file, from, to } of faults) {
      const text = readFileSync(pathOf(file), "utf8");
      const isThere = text.split(from).length === 2;
      if (isThere) workshop.write(file, text.replace(from, () => to));
      const found = isThere && !(await workshop.run(tests)).passed;
      workshop.write(file, text);
      results.push(found);
      console.log(`${found ? "found  " : isThere ? "LIVED  " : "NOT THERE"} ${file}: ${about}`);
    }
  } finally {
    workshop.remove();
  }
  return results;
}

function wrong(message: string, usage: string): never {
  console.error(`${message}\n${usage}`);
  process.exit(2);
}
