/**
 * Makes `dist/release`: executables for Linux, macOS and Windows, packages for Debian, and their checksums.
 * Knows the order of the steps; refuses to know how each is done. `--only NAME,NAME` names targets, `--no-deb` makes no packages.
 * @module
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "@std/cli/parse-args";
import { VERSION } from "../src/cli/version.ts";
import { bun } from "./lib/run.ts";
import { pathOf } from "./lib/tree.ts";
import { compileFor, must, TARGETS } from "./release/binaries.ts";
import { makeDeb } from "./release/deb.ts";
import { builtEntries } from "./release/entries.ts";

const args = parseArgs(process.argv.slice(2), { string: ["only"], boolean: ["no-deb"] });
const names = args.only === undefined ? TARGETS.map(({ name }) => name) : String(args.only).split(",");
const targets = TARGETS.filter(({ name }) => names.includes(name));
if (targets.length < names.length) {
  console.log(`--only takes some of ${TARGETS.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}
const folder = pathOf("dist/release");
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
await must([...bun(), "install", "--frozen-lockfile"], "packages");
const entries = await builtEntries();
const runtime = (await must([...bun(), "--version"], "bun")).trim().split("\n").at(-1)!;
for (const target of targets) {
  const file = await compileFor(target, entries, folder, runtime);
  if (args["no-deb"] !== true && target.debian !== undefined) await makeDeb(file, target.debian, folder);
}
const sums = readdirSync(folder).sort().map((name) => {
  const bytes = readFileSync(`${folder}/${name}`);
  console.log(`dist/release/${name}: ${Math.round(statSync(`${folder}/${name}`).size / 2 ** 20)} MiB`);
  return `${createHash("sha256").update(bytes).digest("hex")}  ${name}\n`;
});
writeFileSync(`${folder}/SHA256SUMS`, sums.join(""));
console.log(`dist/release/SHA256SUMS: ${sums.length} files, Plumb ${VERSION} on Bun ${runtime}`);
