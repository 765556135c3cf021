/**
 * Holds code, tests, audit cases and mutants against the statements of the standards and writes `spec/traceability.md`,
 * and `spec/codec_tested.ts` for the auditor; with `--check` only says whether they are current and nothing is missing.
 * Knows which statements must be shown; refuses to judge whether a test shows what it says.
 * @module
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { Case } from "../conformance/case.ts";
import { CLIENT_CASES } from "../conformance/client/cases/mod.ts";
import { SERVER_CASES } from "../conformance/server/cases/mod.ts";
import { EQUIVALENTS, type Statement311 } from "../spec/equivalents.ts";
import { SECTIONS } from "../spec/sections.ts";
import { type StatementId, STATEMENTS } from "../spec/statements.ts";
import { UNNUMBERED, type UnnumberedId } from "../spec/unnumbered.ts";
import { WAIVERS } from "../spec/waivers.ts";
import { citationsIn, mentionsIn } from "./lib/citations.ts";
import { formatTypeScript } from "./lib/deno_fmt.ts";
import { allMutants } from "./lib/mutants.ts";
import { filesUnder, pathOf } from "./lib/tree.ts";

const OUTPUT = "spec/traceability.md";
const CODEC_OUTPUT = "spec/codec_tested.ts";

type AnyId = StatementId | UnnumberedId;
type Kind = "code" | "tests" | "cases";
/** For each id the files that cite it, and the cases that show it. */
interface Citations extends Record<Exclude<Kind, "cases">, Map<string, string[]>> {
  readonly cases: Map<string, string[]>;
  /** For each case how many mutants it must kill. */
  readonly mutants: Map<string, number>;
}

/** Where a file counts; nothing if its citations show nothing. */
export function kindOf(path: string): Kind | undefined {
  // Tests of the auditor and of the command line name statements; they do not show them.
  if (/^(conformance|src\/cli)\/.*_test\.ts$/.test(path)) return undefined;
  if (/^conformance\/(server|client)\/cases\//.test(path)) return "cases";
  if (path.endsWith("_test.ts")) return path.startsWith("scripts/lib/") ? undefined : "tests";
  if (path.startsWith("src/testing/")) return "tests";
  return path.startsWith("src/") ? "code" : undefined;
}

function isKnown(id: string): id is AnyId {
  return id in STATEMENTS || id in UNNUMBERED;
}

async function collect(faults: string[]): Promise<Citations> {
  const citations: Citations = { code: new Map(), tests: new Map(), cases: new Map(), mutants: new Map() };
  for (const { id, statements } of [...SERVER_CASES, ...CLIENT_CASES] as readonly Case[]) {
    for (const statement of statements) {
      citations.cases.set(statement, [...citations.cases.get(statement) ?? [], id]);
    }
  }
  for (const { mutant: { kills } } of await allMutants()) {
    citations.mutants.set(kills, (citations.mutants.get(kills) ?? 0) + 1);
  }
  for (
    const path of ["src", "spec", "scripts", "conformance"].flatMap((folder) => filesUnder(folder, ".ts"))
  ) {
    const text = readFileSync(pathOf(path), "utf8");
    const kind = kindOf(path);
    if (kind === undefined) continue;
    for (const id of mentionsIn(text)) if (!isKnown(id)) faults.push(`${path}: there is no statement ${id}`);
    if (kind === "cases") continue; // They say by themselves what they show.
    for (const id of citationsIn(text)) {
      if (isKnown(id)) citations[kind].set(id, [...citations[kind].get(id) ?? [], path]);
      else if (!id.startsWith("MQTT")) faults.push(`${path}: there is no duty ${id}`);
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
  const lines = ["| statement | section | level | binds | code | tests | audit cases | mutants | state |"];
  lines.push("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
  for (const id of ids) {
    const { section, title, level, binds } = STATEMENTS[id];
    const state = stateOf(id, citations);
    const shown = state === "waived" ? `waived: ${WAIVERS[id] ?? "as in MQTT 5.0"}` : state;
    const ids = [id, ...EQUIVALENTS[id as Statement311] ?? []];
    const cells = [
      id,
      `${section} ${title}`,
      level,
      binds,
      files(ids, "code", citations),
      files(ids, "tests", citations),
      ...casesAndMutants(id, citations),
      shown,
    ];
    lines.push(`| ${cells.join(" | ")} |`);
  }
  return lines.join("\n");
}

function duties(citations: Citations): string {
  const lines = ["| duty | in our words | code | tests | audit cases | mutants |"];
  lines.push("| --- | --- | --- | --- | --- | --- |");
  for (const [id, { text }] of Object.entries(UNNUMBERED)) {
    const cells = [
      id,
      text,
      files([id], "code", citations),
      files([id], "tests", citations),
      ...casesAndMutants(id, citations),
    ];
    lines.push(`| ${cells.join(" | ")} |`);
  }
  return lines.join("\n");
}

function files(ids: readonly string[], kind: "code" | "tests", citations: Citations): string {
  const all = ids.flatMap((id) => citations[kind].get(id) ?? []);
  return [...new Set(all)].map((path) => `[${path}](../${path})`).join("<br>");
}

/** The cases that show it, and how many breaks of our broker they must find. */
function casesAndMutants(id: string, { cases, mutants }: Citations): [cases: string, mutants: string] {
  const ids = cases.get(id) ?? [];
  const count = ids.reduce((sum, one) => sum + (mutants.get(one) ?? 0), 0);
  return [ids.join("<br>"), ids.length === 0 ? "" : String(count)];
}

/** The text of `spec/codec_tested.ts`, before formatting: the auditor says of these that a test of the codec shows them. */
function codecTested(citations: Citations): string {
  const ids = [...citations.tests].filter(([, paths]) => paths.some((path) => path.startsWith("src/codec/")))
    .map(([id]) => id);
  const known = [...Object.keys(STATEMENTS), ...Object.keys(UNNUMBERED)].filter((id) => ids.includes(id));
  return `/**
 * The statements and duties that a test in \`src/codec/\` cites.
 * Generated by \`deno task trace\`; refuses to be edited.
 * @module
 */
import type { StatementId } from "./statements.ts";
import type { UnnumberedId } from "./unnumbered.ts";

/** In the order of the standards. */
export const CODEC_TESTED: ReadonlySet<StatementId | UnnumberedId> = /* @__PURE__ */ new Set<StatementId | UnnumberedId>(${
    JSON.stringify(known)
  });
`;
}

function countsOf(ids: readonly StatementId[], citations: Citations): string {
  const counts: Record<State, number> = { tested: 0, waived: 0, open: 0, client: 0 };
  for (const id of ids) counts[stateOf(id, citations)]++;
  const { tested, waived, open, client } = counts;
  return `${tested} tested, ${waived} waived, ${open} open, ${client} of a Client only (${ids.length} in all)`;
}

if (import.meta.main) {
  const faults: string[] = [];
  const citations = await collect(faults);
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
  for (
    const [output, made] of [[OUTPUT, text], [
      CODEC_OUTPUT,
      formatTypeScript(codecTested(citations)),
    ]] as const
  ) {
    const path = pathOf(output);
    if (!process.argv.includes("--check")) writeFileSync(path, made);
    else if (!existsSync(path) || readFileSync(path, "utf8") !== made) {
      faults.push(`${output} is not current: run \`deno task trace\``);
    }
  }
  for (const fault of faults) console.log(fault);
  console.log(`MQTT 5.0: ${countsOf(in5, citations)}`);
  console.log(`MQTT 3.1.1: ${countsOf(in311, citations)}`);
  console.log(`Trace: ${faults.length} faults`);
  process.exit(faults.length === 0 ? 0 : 1);
}
