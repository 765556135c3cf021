/**
 * What code, tests, audit cases and mutants say of the statements of the standards.
 * Knows how each cites; refuses to know which statements must be cited.
 * @module
 */
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import type { Case } from "../../conformance/case.ts";
import { EQUIVALENTS, type Statement311 } from "../../spec/equivalents.ts";
import { type StatementId, STATEMENTS } from "../../spec/statements.ts";
import { UNCITED } from "../../spec/uncited.ts";
import { UNNUMBERED, type UnnumberedId } from "../../spec/unnumbered.ts";
import { WAIVERS } from "../../spec/waivers.ts";
import { citationsIn, mentionsIn } from "./citations.ts";
import { allMutants } from "./mutants.ts";
import { filesUnder, pathOf } from "./tree.ts";

/** A statement or a duty without a number. */
export type AnyId = StatementId | UnnumberedId;

/** One line that cites an id. */
export interface Place {
  /** From the root of the project. */
  readonly path: string;
  /** From 1. */
  readonly line: number;
}

/** A place at which an audit case is declared, and its id. */
export interface CasePlace extends Place {
  readonly id: string;
}

/** Everything that cites, by id, in the order of the paths. */
export interface Trace {
  readonly code: ReadonlyMap<string, readonly Place[]>;
  readonly tests: ReadonlyMap<string, readonly Place[]>;
  readonly cases: ReadonlyMap<string, readonly CasePlace[]>;
  /** For each case how many mutants it must kill. */
  readonly mutants: ReadonlyMap<string, number>;
  /** Citations of ids that there are not. */
  readonly faults: readonly string[];
}

/** Where a file counts; nothing if its citations show nothing. */
function kindOf(path: string): "code" | "tests" | undefined {
  if (path.startsWith("src/page/")) return undefined; // it shows, and does nothing that a statement asks for
  if (path.endsWith("_test.ts")) {
    // Tests of the auditor, of the command line and of scripts name statements; they do not show them.
    return /^(conformance|src\/cli|scripts\/lib)\//.test(path) ? undefined : "tests";
  }
  if (path.startsWith("src/testing/")) return "tests";
  return path.startsWith("src/") ? "code" : undefined;
}

/** Reads the working copy. */
export async function traceAll(): Promise<Trace> {
  const code = new Map<string, Place[]>();
  const tests = new Map<string, Place[]>();
  const cases = new Map<string, CasePlace[]>();
  const faults: string[] = [];
  for (
    const path of ["src", "spec", "scripts", "conformance"].flatMap((folder) => filesUnder(folder, ".ts"))
  ) {
    const text = readFileSync(pathOf(path), "utf8");
    const isOfCases = path.startsWith("conformance/") && /^export const CASES\b/m.test(text);
    const kind = kindOf(path);
    if (!isOfCases && kind === undefined) continue;
    for (const id of mentionsIn(text)) if (!isKnown(id)) faults.push(`${path}: there is no statement ${id}`);
    if (isOfCases) {
      for (const { statements, place } of await casesOf(path, text)) {
        for (const statement of statements) push(cases, statement, place);
      }
    } else {
      for (const { id, line } of citationsIn(text)) {
        if (isKnown(id)) push(kind === "code" ? code : tests, id, { path, line });
        else if (!id.startsWith("MQTT")) faults.push(`${path}:${line}: there is no duty ${id}`);
      }
    }
  }
  const mutants = new Map<string, number>();
  for (const { mutant: { kills } } of await allMutants()) mutants.set(kills, (mutants.get(kills) ?? 0) + 1);
  return { code, tests, cases, mutants, faults };
}

function isKnown(id: string): id is AnyId {
  return id in STATEMENTS || id in UNNUMBERED;
}

function push<T>(map: Map<string, T[]>, id: string, item: T): void {
  const list = map.get(id);
  if (list === undefined) map.set(id, [item]);
  else list.push(item);
}

/** The cases that a module declares, each with its place. */
async function casesOf(
  path: string,
  text: string,
): Promise<{ statements: readonly AnyId[]; place: CasePlace }[]> {
  const { CASES }: { CASES: readonly Case[] } = await import(pathToFileURL(pathOf(path)).href);
  return CASES.map(({ id, statements }) => ({ statements, place: { id, path, line: lineOf(id, text) } }));
}

/**
 * The line on which a case is declared. Of a case whose name is put together, the line with the longest beginning of that
 * name; that of `CASES` if there is none.
 */
export function lineOf(id: string, text: string): number {
  const name = id.slice(id.lastIndexOf("/") + 1);
  const lines = text.split("\n");
  for (let length = name.length; length > 0; length = name.lastIndexOf("-", length - 1)) {
    const part = name.slice(0, length).replaceAll("-", "\\-");
    const declared = new RegExp(`(["'\`])${part}(?:\\1|-?\\$\\{)|^\\s*${part}:`);
    const at = lines.findIndex((line) => declared.test(line));
    if (at >= 0) return at + 1;
  }
  return lines.findIndex((line) => line.startsWith("export const CASES")) + 1;
}

/** The ids whose citations count for a statement: itself, and of one of MQTT 3.1.1 those of MQTT 5.0 with the same duty. */
export function idsFor(id: AnyId): readonly AnyId[] {
  return [id, ...EQUIVALENTS[id as Statement311] ?? []];
}

/** Whether a test or waiver is asked for: of all but what only a Client shows. */
export function isAskedFor(id: StatementId): boolean {
  const { binds, observable } = STATEMENTS[id];
  return binds !== "client" || /codec|wire-server/.test(observable);
}

/** How well a statement is shown. */
export type State = "tested" | "waived" | "open" | "client";

/** How well a statement is shown: by itself, or by all of its equivalents. */
export function stateOf(id: StatementId, { tests, cases }: Trace): State {
  const isTested = (one: AnyId) => tests.has(one) || cases.has(one);
  const equivalents = EQUIVALENTS[id as Statement311];
  if (isTested(id) || equivalents?.every(isTested)) return "tested";
  if (WAIVERS[id] !== undefined) return "waived";
  if (equivalents?.every((one) => WAIVERS[one as StatementId] !== undefined)) return "waived";
  return isAskedFor(id) ? "open" : "client";
}

/** Whether a statement binds a Server and no line of code cites it. */
export function isUncited(id: StatementId, trace: Trace): boolean {
  const { binds } = STATEMENTS[id];
  if (binds !== "server" && binds !== "both") return false;
  return stateOf(id, trace) !== "waived" && !idsFor(id).some((one) => trace.code.has(one));
}

/** Why no code has to cite a statement; of one of MQTT 3.1.1 a reason of MQTT 5.0 counts. */
export function reasonUncited(id: StatementId): string | undefined {
  for (const one of idsFor(id)) {
    const reason = UNCITED[one as StatementId];
    if (reason !== undefined) return reason;
  }
  return undefined;
}

/** What is missing, and what is too much. */
export function faultsOf(trace: Trace): string[] {
  const faults = [...trace.faults];
  for (const id of Object.keys(STATEMENTS) as StatementId[]) {
    const state = stateOf(id, trace);
    if (state === "open") faults.push(`${id}: neither test nor waiver`);
    if (WAIVERS[id] !== undefined) {
      if (state === "tested") faults.push(`${id}: its waiver in spec/waivers.ts is needless`);
      if (!isAskedFor(id)) {
        faults.push(`${id}: its waiver in spec/waivers.ts is needless: no test is asked for`);
      }
    }
    if (isUncited(id, trace)) {
      if (reasonUncited(id) === undefined) {
        faults.push(`${id}: binds a Server and no code cites it: put [${id}] at the line that does it`);
      }
    } else if (UNCITED[id] !== undefined) faults.push(`${id}: its entry in spec/uncited.ts is needless`);
  }
  return faults;
}
