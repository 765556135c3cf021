/**
 * What an audit has found: of each case, of each statement, at each level.
 * Knows how the verdicts of cases make one for a statement; refuses to know how they are come by and how a report looks.
 * @module
 */
import { type StatementId, STATEMENTS } from "../spec/statements.ts";
import { type Case, type RuleId, statementsAt } from "./case.ts";
import type { Profile } from "./server/profile.ts";
import { type Ending, type UnreachableKind, type Verdict, WORST_FIRST } from "./verdict.ts";
import type { Level } from "./wire/bytes.ts";
import type { Transcript } from "./wire/peer.ts";

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
  readonly unreachableKind: UnreachableKind | undefined;
  /** Why the rest was not run; undefined if all was. */
  readonly stopped: string | undefined;
  readonly profile: Profile | undefined;
  readonly results: readonly CaseResult[];
  readonly statements: readonly StatementResult[];
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
