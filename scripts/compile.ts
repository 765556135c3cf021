/**
 * Makes `dist/plumb`, the broker as one executable file for this machine.
 * Knows how Bun compiles; refuses to know what the program does.
 * @module
 */
import { mkdirSync, statSync } from "node:fs";
import { bun, run } from "./lib/run.ts";
import { pathOf } from "./lib/tree.ts";
import { compileCommand } from "./release/binaries.ts";
import { builtEntries } from "./release/entries.ts";

mkdirSync(pathOf("dist"), { recursive: true });
const installed = await run([...bun(), "install", "--frozen-lockfile"], { quiet: true }); // a new clone has no packages
if (installed.code !== 0) {
  console.log(installed.text);
  process.exit(installed.code);
}
const { code } = await run(compileCommand(await builtEntries(), "dist/plumb"));
if (code === 0) console.log(`dist/plumb: ${Math.round(statSync(pathOf("dist/plumb")).size / 2 ** 20)} MiB`);
process.exit(code);
