/**
 * `deno task browsers`: the broker of a browser and its store in all three engines: --only store|broker --engine chromium|firefox|webkit
 * --kills 50 --seed N
 *
 * Writes dist/engines/ENGINE-store.json, which `deno task matrix` adds up. Knows the trials and their order; refuses to know what they do.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { mkdirSync, writeFileSync } from "node:fs";
import process from "node:process";
import { pathOf } from "../../lib/tree.ts";
import {
  assertNothingLost,
  contractInPage,
  killsInPage,
  tabsInPage,
} from "../../../src/testing/broker_pages.ts";
import { type Engine, ENGINES, launch, missingEngine } from "../../../src/testing/browsers.ts";
import { closePages } from "../../../src/testing/pages.ts";

const USAGE =
  "Usage: browsers [--only store|broker] [--engine chromium|firefox|webkit] [--kills N] [--seed N]";
const flags = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["only", "engine", "kills", "seed"],
  default: { kills: "50", seed: "1" },
  unknown: (arg) => wrong(`Unknown: ${arg}`),
});
const [kills, seed] = [Number(flags.kills), Number(flags.seed)];
const engines = ENGINES.filter((engine) => flags.engine === undefined || flags.engine === engine);
const only = ["store", "broker"].filter((name) => flags.only === undefined || flags.only === name);
if (engines.length === 0 || only.length === 0 || !(kills >= 1) || !(seed >= 1)) wrong("No such trial");

function wrong(what: string): never {
  console.error(`${what}\n${USAGE}`);
  process.exit(2);
}

let [passed, failed, skipped] = [0, 0, 0];
async function trial(engine: Engine, name: string, body: () => Promise<string>): Promise<void> {
  const begin = performance.now();
  try {
    const said = await body();
    const seconds = ((performance.now() - begin) / 1_000).toFixed(1);
    console.log(`ok      ${engine.padEnd(8)} ${name}: ${said} (${seconds} s)`);
    passed++;
  } catch (error) {
    console.log(`FAILED  ${engine.padEnd(8)} ${name}: ${(error as Error).message}`);
    failed++;
  }
}

const NAMES = {
  chromium: { name: "Chromium", script: "V8" },
  firefox: { name: "Firefox", script: "SpiderMonkey" },
  webkit: { name: "WebKit", script: "JavaScriptCore" },
} as const;

function report(engine: Engine, version: string, passed: number, failed: number): void {
  mkdirSync(pathOf("dist/engines"), { recursive: true });
  const said = {
    format: "plumb-engine-report/1",
    engine: { ...NAMES[engine], version: /[\d.]+/.exec(version)?.[0] ?? version },
    date: new Date().toISOString(),
    cells: { "store contract": { passed, failed, note: "a broker's store in IndexedDB" } },
  };
  writeFileSync(pathOf(`dist/engines/${engine}-store.json`), `${JSON.stringify(said, null, 2)}\n`);
}

for (const engine of engines) {
  const missing = missingEngine(engine);
  if (missing !== undefined) {
    console.log(`skipped ${engine.padEnd(8)} ${missing}`);
    skipped++;
    continue;
  }
  const browser = await launch(engine);
  const { version } = browser;
  console.log(version);
  await browser.close();
  if (only.includes("store")) {
    await trial(engine, "the contract of a store", async () => {
      const results = await contractInPage(engine);
      const bad = results.filter(({ fault }) => fault !== null);
      report(engine, version, results.length - bad.length, bad.length);
      if (bad.length > 0) throw new Error(bad.map(({ name, fault }) => `${name}: ${fault}`).join("\n"));
      return `${results.length} tests`;
    });
    await trial(engine, `${kills} kills of the worker`, async () => {
      const outcome = await killsInPage(engine, kills, seed);
      assertNothingLost(outcome);
      const { midst, acknowledged, delivered } = outcome;
      return `${midst} in the midst of commits, ${acknowledged} messages acknowledged, ${delivered} delivered, 0 lost`;
    });
  }
  if (only.includes("broker")) {
    await trial(engine, "tabs that share a worker", async () => {
      await tabsInPage(engine);
      return "one hears of the other's end";
    });
  }
}
await closePages();
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(failed === 0 ? 0 : 1);
