/**
 * `deno task simulate:client`: the simulations of the Client with many seeds on both runtimes:
 * --seeds 10000 --from 1 --runtime deno|bun. With --faults N faults are planted one after the other, and each must be found.
 *
 * Knows how tests are told their seeds; refuses to know what they do.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { readFileSync } from "node:fs";
import process from "node:process";
import { bun, deno, run } from "../../lib/run.ts";
import { pathOf } from "../../lib/tree.ts";
import { Workshop } from "../mutate/workshop.ts";
import { FAULTS } from "./faults.ts";

const USAGE = "Usage: simulate:client [--runtime deno|bun] [--seeds N] [--from N] [--faults]";
const TESTS = ["src/client/simulation_test.ts", "src/client_api/promises_test.ts"];
/** Of one process. */
const PORTION = 500;
/** With which each fault is looked for. */
const FAULT_SEEDS = 300;
const LIMIT_MS = 60 * 60_000;

const flags = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["seeds", "from", "runtime"],
  boolean: ["faults"],
  default: { seeds: "10000", from: "1" },
  unknown: (arg) => wrong(`Unknown: ${arg}`),
});
const [seeds = 0, from = 0] = [flags.seeds, flags.from].map(Number);
const runtimes = (["deno", "bun"] as const).filter((name) => (flags.runtime ?? name) === name);
if (runtimes.length === 0) wrong(`Unknown runtime: ${flags.runtime}`);
if (![seeds, from].every((number) => Number.isInteger(number) && number >= 1)) {
  wrong("Seeds are whole numbers from 1 on");
}

let [passed, failed] = [0, 0];
if (flags.faults) await findFaults();
else for (const runtime of runtimes) await simulate(runtime);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

async function simulate(runtime: "deno" | "bun"): Promise<void> {
  const command = runtime === "bun"
    ? [...bun(), "test", "--timeout", `${LIMIT_MS}`, ...TESTS.map((test) => `./${test}`)]
    : [...deno(), "test", "-A", "--no-check", ...TESTS];
  for (let first = from; first < from + seeds; first += PORTION) {
    const count = Math.min(PORTION, from + seeds - first);
    const env = { PLUMB_CLIENT_SEED: `${first}`, PLUMB_CLIENT_SEEDS: `${count}` };
    const { code, text, seconds } = await run(command, { env, quiet: true, limitMs: LIMIT_MS });
    if (code === 0) passed++;
    else failed++;
    const how = code === 0 ? "ok     " : "FAILED ";
    console.log(
      `${how} ${runtime.padEnd(4)} seeds ${first} to ${first + count - 1}, ${seconds.toFixed(0)} s`,
    );
    if (code !== 0) console.log(text);
  }
}

async function findFaults(): Promise<void> {
  const workshop = new Workshop();
  process.env["PLUMB_CLIENT_SEEDS"] = `${FAULT_SEEDS}`;
  try {
    for (const { about, file, from, to } of FAULTS) {
      const text = readFileSync(pathOf(file), "utf8");
      const isThere = text.split(from).length === 2;
      if (isThere) workshop.write(file, text.replace(from, () => to));
      const found = isThere && !(await workshop.run(TESTS)).passed;
      workshop.write(file, text);
      if (found) passed++;
      else failed++;
      console.log(`${found ? "found  " : isThere ? "LIVED  " : "NOT THERE"} ${file}: ${about}`);
    }
  } finally {
    workshop.remove();
  }
}

function wrong(message: string): never {
  console.error(`${message}\n${USAGE}`);
  process.exit(2);
}
