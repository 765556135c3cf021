/**
 * JavaScript engines that a script can be run on, and the digests of simulations on each.
 * Knows how each is started; refuses to know which digests are right.
 * @module
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bun, deno, run } from "../lib/run.ts";
import { bundle, SIMULATION_ENTRY } from "./bundle.ts";
import { QuickJs } from "./quickjs.ts";

/** One that is started as a program. */
export interface Engine {
  readonly name: string;
  readonly command: readonly string[];
  /** What it knows of the language, as esbuild says it. */
  readonly target: string;
}

/** Seeds of a simulation. */
export interface Seeds {
  readonly from: number;
  readonly count: number;
}

/** The name of QuickJS in WebAssembly, which is no program. */
export const QUICKJS = "QuickJS";

const TARGET = "es2022";
/** For one portion of seeds, on the slowest engine. */
const LIMIT_MS = 30 * 60_000;

/** Those that are here, ours first. */
export function engines(): Engine[] {
  const all: Engine[] = [
    { name: "Deno", command: [...deno(), "run", "-A"], target: TARGET },
    { name: "Bun", command: bun(), target: TARGET },
  ];
  if (spawnSync("node", ["--version"], { stdio: "ignore" }).status === 0) {
    all.push({ name: "Node", command: ["node"], target: TARGET });
  }
  return all;
}

const END = "that was all";

/** The digests of a simulation, one for each seed; a seed that fails gives what is wrong. `undefined`: QuickJS. */
export async function digests(
  engine: Engine | undefined,
  simulation: string,
  { from, count }: Seeds,
): Promise<string[]> {
  if (engine === undefined) return await digestsInQuickJs(simulation, { from, count });
  const lines = await output(
    engine,
    `
${SIMULATION_ENTRY}
${SAY}
for (let seed = ${from}; seed < ${from + count}; seed++) {
  try {
    say(engine.digest(${JSON.stringify(simulation)}, seed));
  } catch (error) {
    say(String(error.message));
  }
}
say(${JSON.stringify(END)});`,
  );
  const end = lines.lastIndexOf(END);
  if (end !== count) throw new Error(`${engine.name} ended early:\n${lines.slice(-5).join("\n")}`);
  return lines.slice(0, end);
}

/** One line for each, on any engine. */
const SAY = `
const write = globalThis.console === undefined ? globalThis.print : (text) => console.log(text);
const say = (text) => write(String(text).replaceAll("\\n", " | "));`;

/** Each effect of one seed, to see where two engines part. */
export async function traceOf(
  engine: Engine | undefined,
  simulation: string,
  seed: number,
): Promise<string[]> {
  const call = `engine.digest(${JSON.stringify(simulation)}, ${seed}, `;
  if (engine !== undefined) return await output(engine, `${SIMULATION_ENTRY}\n${SAY}\n${call} say);`);
  return await inQuickJs(SIMULATION_ENTRY, (js) => {
    const code =
      `(() => { const lines = []; ${call} (line) => lines.push(line)); return lines.join("\\n"); })()`;
    return js.evaluate(code).split("\n");
  });
}

/** What a script says, line by line. */
async function output({ command, target }: Engine, entry: string): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "plumb-engine-"));
  try {
    const file = join(folder, "script.js");
    writeFileSync(file, await bundle(entry, { target }));
    const { text } = await run([...command, file], { quiet: true, limitMs: LIMIT_MS });
    return text.trimEnd().split("\n");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function digestsInQuickJs(simulation: string, { from, count }: Seeds): Promise<string[]> {
  return await inQuickJs(SIMULATION_ENTRY, (js) => {
    const found: string[] = [];
    for (let seed = from; seed < from + count; seed++) {
      found.push(js.evaluate(`engine.digest(${JSON.stringify(simulation)}, ${seed})`));
    }
    return found;
  });
}

/** Calls `use` with a QuickJS in which `entry` has been loaded. */
export async function inQuickJs<T>(entry: string, use: (js: QuickJs) => T): Promise<T> {
  return use(await QuickJs.open(await bundle(entry)));
}
