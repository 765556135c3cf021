/**
 * All rows of the matrix in one program for an engine with timers and `MessageChannel`: prints the report as JSON.
 * Run by scripts/matrix.ts, bundled: `deno run engines.mjs`, `bun engines.mjs`, `node engines.mjs`; a row's name as argument runs that alone.
 * Knows how the rows are run; refuses to know files and processes.
 * @module
 */
import { auditOwnBroker, auditOwnClient } from "./audits.ts";
import { runTests, wordsOf } from "./runner.ts";
import { type Cell, type EngineReport, type Row, ROWS, Tally } from "./report.ts";
import { type Chance, loadSuite, noteOf, SUITES } from "./suites.ts";

const world = globalThis as unknown as {
  readonly Bun?: { readonly version: string; readonly argv: readonly string[] };
  readonly Deno?: { readonly version: { readonly deno: string }; readonly args: readonly string[] };
  readonly process?: {
    readonly version: string;
    readonly argv: readonly string[];
    exit(status: number): never;
  };
  readonly console: { log(text: string): void; error(text: string): void };
};

function engine(): EngineReport["engine"] {
  if (world.Deno !== undefined) return { name: "Deno", version: world.Deno.version.deno, script: "V8" };
  if (world.Bun !== undefined) return { name: "Bun", version: world.Bun.version, script: "JavaScriptCore" };
  return { name: "Node", version: (world.process?.version ?? "").replace(/^v/, ""), script: "V8" };
}

async function cellOf(row: Row, chance: Chance): Promise<Cell> {
  const tally = new Tally();
  const events = { planned: () => {}, told: tally.add.bind(tally) };
  const suite = SUITES.find((one) => one === row);
  try {
    if (suite !== undefined) {
      await runTests(await loadSuite(suite, chance), (result) => tally.add(result));
      return tally.count({ seed: chance.seed, note: noteOf(suite, chance) });
    }
    if (row === "audit of broker") {
      await auditOwnBroker(events);
      return tally.count({ note: "in memory, levels 5 and 4, without §6 and cases that wait" });
    }
    await auditOwnClient(events);
    return tally.count({ note: "in memory, levels 5 and 4, without §6 and cases that wait" });
  } catch (error) {
    tally.add({ name: row, verdict: "failed", message: wordsOf(error) });
    return tally.count();
  }
}

const asked = world.Deno?.args ?? world.process?.argv.slice(2) ?? [];
const rows = ROWS.filter((row) => asked.length === 0 || asked.includes(row));
const cells: Partial<Record<Row, Cell>> = {};
for (const row of rows) {
  const cell = cells[row] = await cellOf(row, { seed: 1, seeds: 60 });
  world.console.error(`${row}: ${JSON.stringify(cell)}`);
}
const report: EngineReport = {
  format: "plumb-engine-report/1",
  engine: engine(),
  date: new Date().toISOString(),
  cells,
};
world.console.log(JSON.stringify(report));
world.process?.exit(0);
