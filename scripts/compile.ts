/**
 * Makes `dist/plumb`, the broker as one executable file for this machine.
 * Knows how Bun compiles; refuses to know what the program does.
 * @module
 */
import { mkdirSync, statSync } from "node:fs";
import { VERSION } from "../src/cli/version.ts";
import { buildPage, PAGE_FILE } from "./browser_tests/bundle.ts";
import { bun, run } from "./lib/run.ts";
import { pathOf } from "./lib/tree.ts";
import { buildSite, SITE_FILE } from "./site/build.ts";
import { BROKER_PAGE_FILE, buildBrokerPage, tellSizes } from "./page/bundle.ts";
import { compileCommand } from "./release/binaries.ts";

mkdirSync(pathOf("dist"), { recursive: true });
const installed = await run([...bun(), "install", "--frozen-lockfile"], { quiet: true }); // a new clone has no packages
if (installed.code !== 0) {
  console.log(installed.text);
  process.exit(installed.code);
}
await buildPage(VERSION);
buildSite();
console.log(tellSizes((await buildBrokerPage()).sizes).text);
const entries = ["src/cli/main.ts", PAGE_FILE, SITE_FILE, BROKER_PAGE_FILE];
const { code } = await run(compileCommand(entries, "dist/plumb"));
if (code === 0) console.log(`dist/plumb: ${Math.round(statSync(pathOf("dist/plumb")).size / 2 ** 20)} MiB`);
process.exit(code);
