/**
 * What has changed between two audits: verdicts of statements, statements that are new, statements that are gone.
 * Knows two reports; refuses to know which of them is right.
 * @module
 */
import type { Level } from "../wire/bytes.ts";
import type { AuditReport, ReportLevel, ReportStatement, RuleId, StatementVerdict } from "./json.ts";

/** A statement whose verdict is another now. */
export interface StatementChange {
  /** The statement or duty. */
  readonly id: RuleId;
  /** What the first report says. */
  readonly before: StatementVerdict;
  /** What the second report says. */
  readonly now: StatementVerdict;
  /** Why each of its cases does not pass now. */
  readonly reasons: readonly { readonly case: string; readonly verdict: string; readonly reason: string }[];
}

/** What has changed at one level. */
export interface LevelDiff {
  /** The protocol level. */
  readonly level: Level;
  /** Of the standard. */
  readonly version: string;
  /** Judged in both, and otherwise. */
  readonly changed: readonly StatementChange[];
  /** Judged now and not before. */
  readonly added: readonly { readonly id: RuleId; readonly now: StatementVerdict }[];
  /** Judged before and not now. */
  readonly gone: readonly { readonly id: RuleId; readonly before: StatementVerdict }[];
}

/** What has changed between two audits. */
export interface AuditDiff {
  /** What the first report is about. */
  readonly before: { readonly target: string; readonly product: string; readonly date: string };
  /** What the second report is about. */
  readonly now: { readonly target: string; readonly product: string; readonly date: string };
  /** The levels of either report. */
  readonly levels: readonly LevelDiff[];
  /** Statements that fail now and did not fail before. */
  readonly newFails: number;
}

/** Compares two reports. */
export function diffReports(before: AuditReport, now: AuditReport): AuditDiff {
  const levels = ([5, 4] as const).map((level) =>
    diffLevel(
      level,
      before.levels.find((one) => one.level === level),
      now.levels.find((one) => one.level === level),
    )
  ).filter((one) => one !== undefined);
  let newFails = 0;
  for (const { changed, added } of levels) {
    newFails += [...changed, ...added].filter((one) => one.now === "fail").length;
  }
  return { before: headOf(before), now: headOf(now), levels, newFails };
}

function headOf({ target, product, date }: AuditReport): AuditDiff["now"] {
  return { target, product, date };
}

function diffLevel(level: Level, before?: ReportLevel, now?: ReportLevel): LevelDiff | undefined {
  if (before === undefined && now === undefined) return undefined;
  const [old, young] = [judged(before), judged(now)];
  const changed: StatementChange[] = [];
  const added: LevelDiff["added"][number][] = [];
  for (const [id, statement] of young) {
    const was = old.get(id);
    if (was === undefined) added.push({ id, now: statement.verdict });
    else if (was.verdict !== statement.verdict) {
      changed.push({ id, before: was.verdict, now: statement.verdict, reasons: reasonsOf(statement, now!) });
    }
  }
  const gone = [...old].filter(([id]) => !young.has(id)).map(([id, { verdict }]) => ({
    id,
    before: verdict,
  }));
  return { level, version: (now ?? before)!.version, changed, added, gone };
}

function judged(level: ReportLevel | undefined): Map<RuleId, ReportStatement> {
  const statements = level?.statements.filter(({ verdict }) => verdict !== "untested") ?? [];
  return new Map(statements.map((statement) => [statement.id, statement]));
}

function reasonsOf({ cases }: ReportStatement, level: ReportLevel): StatementChange["reasons"] {
  return level.cases.filter(({ id, verdict }) => cases.includes(id) && verdict !== "pass")
    .map(({ id, verdict, reason }) => ({ case: id, verdict, reason }));
}

/** The same in words; ends with a line break. */
export function diffText({ before, now, levels, newFails }: AuditDiff): string {
  const named = ({ target, product, date }: AuditDiff["now"]) =>
    `${product === "" ? target : `${product} at ${target}`}, ${date}`;
  const lines = [`before: ${named(before)}`, `now:    ${named(now)}`];
  for (const { version, changed, added, gone } of levels) {
    lines.push("", `MQTT ${version}: ${changed.length} changed, ${added.length} new, ${gone.length} gone`);
    for (const { id, before: was, now: is, reasons } of changed) {
      lines.push(`  ${id}: ${was} -> ${is}`);
      for (const { case: one, verdict, reason } of reasons) lines.push(`      ${verdict} ${one}: ${reason}`);
    }
    for (const { id, now: is } of added) lines.push(`  ${id}: new, ${is}`);
    for (const { id, before: was } of gone) lines.push(`  ${id}: gone, was ${was}`);
  }
  lines.push(
    "",
    newFails === 0 ? "No statement fails that did not." : `${newFails} statements fail that did not.`,
  );
  return `${lines.join("\n")}\n`;
}
