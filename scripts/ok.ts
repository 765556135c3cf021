/**
 * Everything that must hold before a commit, one step after the other; all of them run, also behind a failing one.
 * Knows the steps; refuses to know how each is done. `--no-tests` leaves the tests out, for whoever has just run them.
 * @module
 */
import { readFileSync } from "node:fs";
import { bun, deno, run } from "./lib/run.ts";
import { pathOf } from "./lib/tree.ts";

const [command = "deno"] = deno();
const script = (
  name: string,
  ...args: string[]
): string[] => [command, "run", "-A", `scripts/${name}.ts`, ...args];
const doors = Object.values(JSON.parse(readFileSync(pathOf("deno.json"), "utf8")).exports) as string[];

const STEPS: readonly { readonly name: string; readonly command: readonly string[] }[] = [
  { name: "packages", command: [...bun(), "install", "--frozen-lockfile"] },
  { name: "format", command: [command, "fmt", "--check"] },
  { name: "lint", command: [command, "lint"] },
  { name: "types", command: [command, "check", "."] },
  { name: "statements", command: script("statements", "--check") },
  { name: "agree", command: script("agree") },
  { name: "layers", command: script("layers") },
  { name: "mutants", command: script("mutants/texts") },
  { name: "docs", command: [command, "doc", "--lint", ...doors] },
  { name: "trace", command: script("trace", "--check") },
  { name: "reference", command: script("reference", "--check") },
  { name: "site", command: script("site", "--check") },
  { name: "size", command: script("size") },
  { name: "publish", command: [command, "publish", "--dry-run", "--allow-dirty"] },
  ...(process.argv.includes("--no-tests") ? [] : [{ name: "tests", command: script("test") }]),
];

/** For the longest step, the tests, which bound themselves. */
const STEP_MS = 70 * 60_000;

let failed = 0;
for (const { name, command } of STEPS) {
  const { code, text, seconds } = await run(command, { quiet: true, limitMs: STEP_MS });
  if (code !== 0) failed++;
  if (code !== 0) console.log(text.trimEnd());
  console.log(`${code === 0 ? "ok" : "FAILED"} ${name} (${seconds.toFixed(1)} s)`);
}
console.log(`${STEPS.length - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
