/**
 * Breaks the core in small ways, at random, and sees that its unit tests notice each; the last line is
 * `N passed, N failed`, where a mutant that lived has failed.
 * Knows which files are the core and which are its tests; refuses to know how a file is broken.
 *
 * `deno task mutate -- [--sample N] [--seed S] [--only PATH[:LINE]] [--jobs 1|2] [--list]`: `--only` may be given more
 * than once; `--list` shows the choice and tries nothing.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { existsSync, readFileSync } from "node:fs";
import process from "node:process";
import { bun, run } from "../../lib/run.ts";
import { filesUnder, pathOf } from "../../lib/tree.ts";
import { chosen, diffOf, isUnder, type Mutant, mutated, placeOf } from "./choice.ts";
import { equivalentOf, faultsOf } from "./equivalence.ts";
import { EQUIVALENTS } from "./equivalents.ts";
import { mutationsOf } from "./mutators.ts";
import { graphOf, testsFor } from "./reach.ts";
import { type Trial, Workshop } from "./workshop.ts";

const FOLDERS = ["src/codec", "src/topic", "src/delivery", "src/engine", "src/client", "src/broker"];
/** Not the core: their tests open sockets, so that they are tried only where `--only` names them. */
const BY_NAME = ["src/client_api"];
/** Needs the auditor, which a workshop does not have. */
const AUDIT = "src/client_api/audit_test.ts";
const TRANSPORT = "src/transport/memory";
/** A table of choices, each of which a test could only repeat. */
const CHOICES = "src/broker/limits.ts";
/** Of a module that no test imports. */
const UNNOTICED: Trial = { passed: true, output: "", failedIn: undefined };
/** Where there is no terminal, a line says after so many how far it is. */
const PROGRESS = 20;

const args = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["sample", "seed", "only", "jobs"],
  boolean: ["list"],
  collect: ["only"],
  unknown: (arg: string) => wrong(`Unknown: ${arg}`),
});
const count = numberOf("sample", args.sample, 60, 1, Infinity);
const seed = numberOf("seed", args.seed, 1, 0, Infinity);
const jobs = numberOf("jobs", args.jobs, 2, 1, 2);

const folders = [
  ...FOLDERS,
  ...BY_NAME.filter((folder) => args.only.some((only) => only.startsWith(folder))),
];
const modules = [...folders.flatMap((folder) => filesUnder(folder, ".ts")), `${TRANSPORT}.ts`]
  .filter((file) => !file.endsWith("_test.ts") && file !== CHOICES);
const tests = folders.flatMap((folder) => filesUnder(folder, "_test.ts"))
  .concat(`${TRANSPORT}_test.ts`).filter((file) => file !== AUDIT);
const texts = new Map(
  [...filesUnder("src", ".ts"), ...filesUnder("spec", ".ts")].map((
    file,
  ) => [file, readFileSync(pathOf(file), "utf8")]),
);

const faults = [...new Set(EQUIVALENTS.map(({ file }) => file))]
  .flatMap((file) => faultsOf(EQUIVALENTS, file, existsSync(pathOf(file)) ? texts.get(file) : undefined));
for (const fault of faults) console.log(fault);

const all = modules.flatMap((file): Mutant[] => {
  const text = texts.get(file)!;
  return mutationsOf(text).map((mutation) => ({ ...mutation, file, text }));
});
const wanted = all.filter((mutant) =>
  args.only.length === 0 || args.only.some((only) => isUnder(mutant, only))
);
if (wanted.length === 0) wrong(`--only ${args.only.join(" ")}: nothing of the core is there`);
const sample = chosen(wanted, count, seed);
const open = sample.filter((mutant) => equivalentOf(mutant, EQUIVALENTS) === undefined);
console.log(
  `${all.length} mutants, ${sample.length} chosen (seed ${seed}), ${
    sample.length - open.length
  } known as equivalent`,
);

if (args.list) {
  for (const mutant of sample) console.log(`\n${shown(mutant)}`);
} else {
  const lived = await tryAll(open);
  const failed = lived + faults.length;
  console.log(`${open.length - lived} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

function shown(mutant: Mutant): string {
  return `${placeOf(mutant)}: ${mutant.kind}\n${diffOf(mutant)}`;
}

/** How many mutants no test noticed; they are shown as they are found. */
async function tryAll(mutants: readonly Mutant[]): Promise<number> {
  const graph = graphOf(texts);
  const began = performance.now();
  if (mutants.length === 0) return 0;
  const installed = await run([...bun(), "install", "--frozen-lockfile"], { quiet: true });
  if (installed.code !== 0) wrong(installed.text);
  const workshops = Array.from({ length: Math.min(jobs, mutants.length) }, () => new Workshop());
  try {
    const reaching = new Set(mutants.flatMap(({ file }) => testsFor(graph, file, tests)));
    await checkTests(workshops[0]!, [...reaching]);
    const queue = [...mutants];
    const noticed = new Map<string, number>();
    let done = 0;
    let lived = 0;
    await Promise.all(workshops.map(async (workshop) => {
      for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
        workshop.write(mutant.file, mutated(mutant));
        const reaching = testsFor(graph, mutant.file, tests, noticed);
        const { passed, failedIn } = reaching.length === 0 ? UNNOTICED : await workshop.run(reaching);
        if (passed) {
          lived++;
          console.log(`lived: ${shown(mutant)}\n`);
        } else if (failedIn !== undefined) noticed.set(failedIn, (noticed.get(failedIn) ?? 0) + 1);
        workshop.write(mutant.file, mutant.text);
        done++;
        const line = `${done}/${mutants.length}, ${lived} lived`;
        if (process.stderr.isTTY) process.stderr.write(`\r${line}`);
        else if (done % PROGRESS === 0) console.log(`${line}\n`);
      }
    }));
    if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
    console.log(`${((performance.now() - began) / 1000).toFixed(0)} s`);
    return lived;
  } finally {
    for (const workshop of workshops) workshop.remove();
  }
}

/** Ends unless the tests pass on the core as it is. */
async function checkTests(workshop: Workshop, tests: readonly string[]): Promise<void> {
  const { passed, output } = await workshop.run(tests);
  if (passed) return;
  console.log(`${output}\nThe tests fail on the core as it is.\n0 passed, 1 failed`);
  process.exit(1);
}

function numberOf(
  name: string,
  text: string | undefined,
  otherwise: number,
  least: number,
  most: number,
): number {
  const value = text === undefined ? otherwise : Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  const bounds = most === Infinity ? `${least} or more` : `${least} to ${most}`;
  return wrong(`--${name} ${text}: a whole number, ${bounds}, is needed`);
}

function wrong(message: string): never {
  console.log(message);
  process.exit(2);
}
