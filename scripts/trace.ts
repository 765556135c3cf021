/**
 * Holds code, tests and audit cases against the statements of the standards and writes `spec/traceability.md`;
 * with `--check` only says whether that file is current and nothing is missing.
 * Knows which statements must be shown; refuses to judge whether a test shows what it says.
 * @module
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { EQUIVALENTS, type Statement311 } from "../spec/equivalents.ts";
import { SECTIONS } from "../spec/sections.ts";
import { type StatementId, STATEMENTS } from "../spec/statements.ts";
import { UNNUMBERED, type UnnumberedId } from "../spec/unnumbered.ts";
import { WAIVERS } from "../spec/waivers.ts";
import { citationsIn, mentionsIn } from "./lib/citations.ts";
import { filesUnder, pathOf } from "./lib/tree.ts";

const OUTPUT = "spec/traceability.md";

type AnyId = StatementId | UnnumberedId;
type Kind = "code" | "tests" | "cases";
/** For each id the files that cite it. */
type Citations = Record<Kind, Map<string, string[]>>;

/** Where a file counts; nothing if its citations show nothing. */
export function kindOf(path: string): Kind | undefined {
  if (path.startsWith("conformance/cases/")) return "cases";
  if (path.endsWith("_test.ts")) return path.startsWith("scripts/lib/") ? undefined : "tests";
  if (path.startsWith("src/testing/")) return "tests";
  return path.startsWith("src/") ? "code" : undefined;
}

function isKnown(id: string): id is AnyId {
  return id in STATEMENTS || id in UNNUMBERED;
}

function collect(faults: string[]): Citations {
  const citations: Citations = { code: new Map(), tests: new Map(), cases: new Map() };
  for (
    const path of ["src", "spec", "scripts", "conformance"].flatMap((folder) => filesUnder(folder, ".ts"))
  ) {
    const text = readFileSync(pathOf(path), "utf8");
    const kind = kindOf(path);
    if (kind === undefined) continue;
    for (const id of mentionsIn(text)) if (!isKnown(id)) faults.push(`${path}: there is no statement ${id}`);
    for (const id of citationsIn(text)) {
      if (isKnown(id)) citations[kind].set(id, [...citations[kind].get(id) ?? [], path]);
      // The names of audit cases look like unnumbered duties; there the compiler knows them apart.
      else if (kind !== "cases" && !id.startsWith("MQTT")) faults.push(`${path}: there is no duty ${id}`);
    }
  }
  return citations;
}

/** The ids that show the duty: the id itself, or all of its equivalents. */
function shownBy(id: AnyId): readonly (readonly AnyId[])[] {
  const equivalents = EQUIVALENTS[id as Statement311];
  return equivalents === undefined ? [[id]] : [[id], equivalents];
}

/** Those of a Server and of the codec; what only a Client shows is not asked for. */
function isAskedFor(id: StatementId): boolean {
  const { binds, observable } = STATEMENTS[id];
  return binds === "server" || binds === "both" || /codec|wire-server/.test(observable);
}

type State = "tested" | "waived" | "client" | "open";

function stateOf(id: StatementId, citations: Citations): State {
  const isTested = (one: AnyId) => citations.tests.has(one) || citations.cases.has(one);
  if (shownBy(id).some((ids) => ids.every(isTested))) return "tested";
  if (WAIVERS[id] !== undefined) return "waived";
  const waivedElsewhere = EQUIVALENTS[id as Statement311]?.every((one) =>
    WAIVERS[one as StatementId] !== undefined
  );
  if (waivedElsewhere) return "waived";
  return isAskedFor(id) ? "open" : "client";
}

function table(ids: readonly StatementId[], citations: Citations): string {
  const files = (id: StatementId, kind: Kind): string => {
    const all = [id, ...EQUIVALENTS[id as Statement311] ?? []].flatMap((one) =>
      citations[kind].get(one) ?? []
    );
    return [...new Set(all)].map((path) => `[${path}](../${path})`).join("<br>");
  };
  const lines = ["| statement | section | level | binds | code | tests | audit cases | state |"];
  lines.push("| --- | --- | --- | --- | --- | --- | --- | --- |");
  for (const id of ids) {
    const { section, title, level, binds } = STATEMENTS[id];
    const state = stateOf(id, citations);
    const shown = state === "waived" ? `waived: ${WAIVERS[id] ?? "as in MQTT 5.0"}` : state;
    const cells = [
      id,
      `${section} ${title}`,
      level,
      binds,
      files(id, "code"),
      files(id, "tests"),
      files(id, "cases"),
      shown,
    ];
    lines.push(`| ${cells.join(" | ")} |`);
  }
  return lines.join("\n");
}

function duties(citations: Citations): string {
  const lines = ["| duty | in our words | code | tests |", "| --- | --- | --- | --- |"];
  for (const [id, { text }] of Object.entries(UNNUMBERED)) {
    const files = (kind: Kind) =>
      (citations[kind].get(id) ?? []).map((path) => `[${path}](../${path})`).join("<br>");
    lines.push(`| ${id} | ${text} | ${files("code")} | ${files("tests")} |`);
  }
  return lines.join("\n");
}

function countsOf(ids: readonly StatementId[], citations: Citations): string {
  const counts: Record<State, number> = { tested: 0, waived: 0, open: 0, client: 0 };
  for (const id of ids) counts[stateOf(id, citations)]++;
  const { tested, waived, open, client } = counts;
  return `${tested} tested, ${waived} waived, ${open} open, ${client} of a Client only (${ids.length} in all)`;
}

if (import.meta.main) {
  const faults: string[] = [];
  const citations = collect(faults);
  const all = Object.keys(STATEMENTS) as StatementId[];
  const ofVersion = (version: string) => all.filter((id) => STATEMENTS[id].version === version);
  const [in5, in311] = [ofVersion("5.0"), ofVersion("3.1.1")];

  for (const id of all) {
    if (stateOf(id, citations) === "open") faults.push(`${id}: neither test nor waiver`);
    if (WAIVERS[id] !== undefined && stateOf(id, citations) === "tested") {
      faults.push(`${id}: its waiver is needless`);
    }
    if (WAIVERS[id] !== undefined && !isAskedFor(id)) {
      faults.push(`${id}: its waiver is needless, no one asks for it`);
    }
  }
  for (const [section, { files }] of Object.entries(SECTIONS)) {
    for (const file of files) {
      if (!existsSync(pathOf(file))) {
        faults.push(`spec/sections.ts: §${section} names ${file}, which is not there`);
      }
    }
  }

  const text = `# Traceability

Written by \`deno task trace\` from the ids that code, tests and audit cases cite; do not edit.

- MQTT 5.0: ${countsOf(in5, citations)}
- MQTT 3.1.1: ${countsOf(in311, citations)}

A statement of 3.1.1 is also shown by the tests of the 5.0 statements with the same duty (\`spec/equivalents.ts\`).

## MQTT 5.0

${table(in5, citations)}

## MQTT 3.1.1

${table(in311, citations)}

## Duties without a number, limits and policies

${duties(citations)}
`;
  const path = pathOf(OUTPUT);
  if (!process.argv.includes("--check")) writeFileSync(path, text);
  else if (!existsSync(path) || readFileSync(path, "utf8") !== text) {
    faults.push(`${OUTPUT} is not current: run \`deno task trace\``);
  }
  for (const fault of faults) console.log(fault);
  console.log(`MQTT 5.0: ${countsOf(in5, citations)}`);
  console.log(`MQTT 3.1.1: ${countsOf(in311, citations)}`);
  console.log(`Trace: ${faults.length} faults`);
  process.exit(faults.length === 0 ? 0 : 1);
}
