/**
 * Writes `conformance/engines.md`: what each engine has shown, from the reports in `dist/engines`. `--run deno,bun,node` makes those of the
 * runtimes first; `--check` writes nothing. Fails when a cell is empty or something has failed.
 * Knows the form of reports and of the table; refuses to know what was tested.
 * @module
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { buildEngineReport } from "./browser_tests/bundle.ts";
import { type Cell, COLUMNS, type EngineReport, type Row, ROWS } from "./browser_tests/report.ts";
import { bun, deno, run } from "./lib/run.ts";
import { pathOf } from "./lib/tree.ts";

const REPORTS = "dist/engines";
const PAGE = "conformance/engines.md";

const { values: asked } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== "--"),
  options: { run: { type: "string" }, check: { type: "boolean", default: false } },
});

/** The report of one runtime, by the program that all of them run alike. */
async function make(name: string, path: string): Promise<void> {
  const commands: Readonly<Record<string, readonly string[]>> = {
    deno: [...deno(), "run", "-A", "--no-config", path],
    bun: [...bun(), path],
    node: [process.env["PLUMB_NODE"] ?? "node", path],
  };
  const command = commands[name];
  if (command === undefined) throw new Error(`--run ${name}: there is ${Object.keys(commands).join(", ")}`);
  const { code, text } = await run(command, { quiet: true });
  const line = text.split("\n").find((one) => one.startsWith('{"format"'));
  if (code !== 0 || line === undefined) throw new Error(`${name} gives no report:\n${text.slice(-2_000)}`);
  writeFileSync(pathOf(`${REPORTS}/${name}.json`), `${JSON.stringify(JSON.parse(line), undefined, 2)}\n`);
  console.log(`${name}: done`);
}

/** Reports by column; later files add rows to the same engine. */
function reports(): ReadonlyMap<string, EngineReport> {
  const found = new Map<string, EngineReport>();
  const files = existsSync(pathOf(REPORTS)) ? readdirSync(pathOf(REPORTS)).sort() : [];
  for (const file of files.filter((name) => name.endsWith(".json"))) {
    const report = JSON.parse(readFileSync(pathOf(`${REPORTS}/${file}`), "utf8")) as EngineReport;
    if (report.format !== "plumb-engine-report/1") throw new Error(`${file} is no report of an engine`);
    const { name } = report.engine;
    if (!(COLUMNS as readonly string[]).includes(name)) {
      throw new Error(`${file}: there is no column ${JSON.stringify(name)}, but ${COLUMNS.join(", ")}`);
    }
    const before = found.get(name);
    const cells: Partial<Record<Row, Cell>> = { ...before?.cells };
    for (const row of ROWS) {
      if (report.cells[row] !== undefined) cells[row] = better(cells[row], report.cells[row]);
    }
    found.set(name, { ...report, cells });
  }
  return found;
}

/** Two reports of one cell: counts go before reasons, and add up. */
function better(one: Cell | undefined, other: Cell): Cell {
  if (one === undefined || "reason" in one) return other;
  if ("reason" in other) return one;
  const [note, failures] = [[one.note, other.note], [one.failures ?? [], other.failures ?? []].flat()];
  return {
    passed: one.passed + other.passed,
    failed: one.failed + other.failed,
    skipped: (one.skipped ?? 0) + (other.skipped ?? 0),
    note: note.filter((text) => text).join("; "),
    ...failures.length > 0 && { failures },
  };
}

function words(cell: Cell | undefined): string {
  if (cell === undefined) return "**empty**";
  if ("reason" in cell) return cell.reason;
  const { passed, failed, skipped = 0 } = cell;
  const bad = failed > 0 ? `, **${failed} failed**` : "";
  return `${passed}${bad}${skipped > 0 ? `, ${skipped} not offered` : ""}`;
}

function page(found: ReadonlyMap<string, EngineReport>): string {
  const columns = COLUMNS.map((name) => found.get(name));
  const head = COLUMNS.map((name, i) => {
    const { version = "", script = "" } = columns[i]?.engine ?? {};
    return `${name} ${version.split(".").slice(0, 2).join(".")}${script && ` (${script})`}`.trim();
  });
  const lines = ROWS.map((row) =>
    `| ${row} | ${columns.map((report) => words(report?.cells[row])).join(" | ")} |`
  );
  const notes = COLUMNS.flatMap((name, i) => {
    const own = ROWS.flatMap((row) => {
      const cell = columns[i]?.cells[row];
      return cell !== undefined && "note" in cell && cell.note ? [`${row}: ${cell.note}`] : [];
    });
    return own.length === 0 ? [] : [`- **${name}**: ${own.join("; ")}.`];
  });
  return `# In every engine

By \`deno task matrix\`, from what \`deno task browser -- --drive all\` and \`deno task matrix -- --run deno,bun,node\` have
found: how many tests, or cases of an audit, have passed. "Not offered": the case is about something that the
target may leave out, and leaves out there, or for which it gives no occasion.

| | ${head.join(" | ")} |
| --- |${" --- |".repeat(COLUMNS.length)}
${lines.join("\n")}

What was run:

${notes.join("\n")}
`;
}

mkdirSync(pathOf(REPORTS), { recursive: true });
if (asked.run !== undefined) {
  const path = await buildEngineReport();
  for (const name of asked.run.split(",")) await make(name, path);
}
const found = reports();
const faults: string[] = [];
for (const name of COLUMNS) {
  if (!found.has(name)) {
    faults.push(`${name}: there is no report`);
    continue;
  }
  for (const row of ROWS) {
    const cell = found.get(name)?.cells[row];
    if (cell === undefined) faults.push(`${name}: nothing says how ${row} came out, or why there is nothing`);
    else if ("failed" in cell && cell.failed > 0) {
      faults.push(`${name}: ${row}: ${cell.failed} failed: ${(cell.failures ?? []).join("; ")}`);
    }
  }
}
for (const fault of faults) console.log(fault);
if (!asked.check) {
  writeFileSync(pathOf(PAGE), page(found));
  await run([...deno(), "fmt", PAGE], { quiet: true });
}
console.log(`${PAGE}: ${found.size} of ${COLUMNS.length} engines, ${faults.length} faults`);
process.exit(faults.length === 0 ? 0 : 1);
