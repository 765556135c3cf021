/**
 * Runs cases side by side and turns what they find into a verdict for each statement.
 * Knows how to run and to count; refuses to know what a case does and how a report looks.
 * @module
 */
import { type StatementId, STATEMENTS } from "../spec/statements.ts";
import type { Level } from "./bytes.ts";
import { type Case, type RuleId, type ServerCase, statementsAt } from "./case.ts";
import type { Transcript } from "./peer.ts";
import type { Declared, Profile } from "./profile.ts";
import { probe, Unreachable } from "./profile.ts";
import { type Dial, Trial } from "./trial.ts";
import { type Ending, Finding, type Verdict, WORST_FIRST } from "./verdict.ts";

/** What one case found at one level. */
export interface CaseResult {
  readonly case: Case;
  readonly level: Level;
  readonly verdict: Verdict;
  /** Why it is not `pass`; empty if it is. */
  readonly reason: string;
  /** How the target ended the connections that it had to end. */
  readonly endings: readonly Ending[];
  readonly transcript: Transcript;
  readonly ms: number;
}

/** What all cases of a statement found together. */
export interface StatementResult {
  readonly id: RuleId;
  readonly verdict: Verdict;
  readonly results: readonly CaseResult[];
}

/** One audit of one target at one level. */
export interface LevelReport {
  readonly level: Level;
  /** Why nothing could be run at this level; undefined if it could. */
  readonly unreachable: string | undefined;
  readonly profile: Profile | undefined;
  readonly results: readonly CaseResult[];
  readonly statements: readonly StatementResult[];
}

/** How to run. */
export interface AuditOptions {
  readonly dial: Dial;
  readonly levels: readonly Level[];
  readonly cases: readonly ServerCase[];
  readonly timing: boolean;
  readonly declared: Declared;
  /** How long an answer may take in ms. */
  readonly patienceMs: number;
  /** Cases that run at the same time. */
  readonly atOnce: number;
  readonly now: () => number;
  /** Distinguishes this audit's names from others' on the same target; letters and digits. */
  readonly run: string;
  readonly progress?: (done: number, all: number, last: CaseResult) => void;
}

/** A case may take this much longer than its patience before it is given up. */
const CASE_SLACK_MS = 30_000;

/** Runs the cases at each level. */
export async function audit(options: AuditOptions): Promise<LevelReport[]> {
  const reports: LevelReport[] = [];
  for (const level of options.levels) reports.push(await auditLevel(options, level));
  return reports;
}

async function auditLevel(options: AuditOptions, level: Level): Promise<LevelReport> {
  const all = options.cases.filter((one) =>
    one.levels.includes(level) && (options.timing || one.timing !== true)
  );
  let profile: Profile;
  try {
    profile = await probe(options.dial, level, options.declared, options.patienceMs);
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    return { level, unreachable: error.message, profile: undefined, results: [], statements: [] };
  }
  // Those that wait begin first, so that the others run while they wait.
  const queue = [...all].sort((a, b) => Number(b.timing ?? false) - Number(a.timing ?? false));
  const results: CaseResult[] = [];
  let next = 0;
  const worker = async () => {
    while (next < queue.length) {
      const index = next++;
      const result = await runCase(options, queue[index]!, level, profile, index);
      results.push(result);
      options.progress?.(results.length, queue.length, result);
    }
  };
  const waiting = queue.filter((one) => one.timing === true).length;
  await Promise.all(Array.from({ length: Math.min(queue.length, options.atOnce + waiting) }, worker));
  const order = new Map<Case, number>(all.map((one, index) => [one, index]));
  results.sort((a, b) => order.get(a.case)! - order.get(b.case)!);
  return { level, unreachable: undefined, profile, results, statements: statementResults(results, level) };
}

async function runCase(
  options: AuditOptions,
  one: ServerCase,
  level: Level,
  profile: Profile,
  index: number,
): Promise<CaseResult> {
  const { dial, patienceMs, now } = options;
  const missing = one.needs?.find((capability) => profile.missing.has(capability));
  if (missing !== undefined) {
    const reason = `The target does not offer: ${missing}`;
    return { case: one, level, verdict: "unsupported", reason, endings: [], transcript: [], ms: 0 };
  }
  const unique = `${options.run}${level}${index.toString(36)}`;
  const trial = new Trial({ level, dial, profile, unique, patienceMs, now });
  let verdict: Verdict = "pass";
  let reason = "";
  try {
    await withinTime(one.run(trial), patienceMs + CASE_SLACK_MS + (one.timing === true ? 120_000 : 0));
  } catch (error) {
    if (!(error instanceof Finding)) {
      throw new Error(`Case ${one.id} is broken: ${error instanceof Error ? error.stack : error}`, {
        cause: error,
      });
    }
    verdict = error.verdict;
    reason = error.message;
  }
  const ms = Math.round(trial.elapsedMs);
  await trial.cleanUp();
  return { case: one, level, verdict, reason, endings: trial.endings, transcript: trial.transcript, ms };
}

async function withinTime(run: Promise<void>, ms: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Finding("inconclusive", `The case was given up after ${ms} ms`)), ms);
  });
  try {
    await Promise.race([run, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The verdict of each statement that a case has looked at: the worst of its cases. */
export function statementResults(results: readonly CaseResult[], level: Level): StatementResult[] {
  const byRule = new Map<RuleId, CaseResult[]>();
  for (const result of results) {
    for (const id of statementsAt(result.case, level)) byRule.set(id, [...byRule.get(id) ?? [], result]);
  }
  return [...byRule].map(([id, of]) => ({ id, verdict: worst(of), results: of }))
    .sort((a, b) => compareIds(a.id, b.id));
}

function worst(results: readonly CaseResult[]): Verdict {
  return WORST_FIRST.find((verdict) => results.some((result) => result.verdict === verdict)) ??
    "inconclusive";
}

/** Statements in the order of the standard, unnumbered duties behind them. */
export function compareIds(a: RuleId, b: RuleId): number {
  const order = Object.keys(STATEMENTS);
  const place = (id: RuleId) => id in STATEMENTS ? order.indexOf(id as StatementId) : order.length;
  return place(a) - place(b) || a.localeCompare(b, "en", { numeric: true });
}
