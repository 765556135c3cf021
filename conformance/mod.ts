/**
 * Audits an MQTT Server from outside: a verdict for each normative statement of MQTT 5.0 and 3.1.1, with evidence.
 * Knows how an audit is asked for and what comes of it; refuses to know files and terminals.
 *
 * @example
 * ```ts
 * import { audit, htmlReport } from "@plumb/mqtt/conformance";
 *
 * const report = await audit("mqtt://localhost:1883", { levels: [5], only: ["3.3"] });
 * for (const { id, verdict } of report.levels[0]!.statements) console.log(id, verdict);
 * const page = htmlReport(report);
 * ```
 * @module
 */
import { dial, type TlsClientOptions } from "../src/runtime/dial.ts";
import { audit as auditLevels } from "./audit.ts";
import type { Level } from "./bytes.ts";
import { ALL_CASES } from "./all_cases.ts";
import { SERVER_CASES } from "./cases/mod.ts";
import type { Declared, UnreachableKind } from "./profile.ts";
import { type AuditReport, reportOf } from "./report/json.ts";
import { selectCases } from "./select.ts";
import { AuditCallError, parseTarget } from "./target.ts";
import type { Verdict } from "./verdict.ts";
import { AUDITOR_VERSION } from "./version.ts";

export { badge } from "./report/badge.ts";
export {
  type AuditDiff,
  diffReports,
  diffText,
  type LevelDiff,
  type StatementChange,
} from "./report/diff.ts";
export { htmlReport } from "./report/html.ts";
export {
  type AuditReport,
  parseReport,
  type ReportCapabilities,
  type ReportCase,
  type ReportLevel,
  type ReportSection,
  type ReportStatement,
  type Reproducer,
  type StatementVerdict,
  type Totals,
} from "./report/json.ts";
export type { Ending, RuleId, StatementId, TranscriptLine, Verdict } from "./report/json.ts";
export { junitReport } from "./report/junit.ts";
export { markdownReport } from "./report/markdown.ts";
export { terminalReport, type TerminalStyle } from "./report/terminal.ts";
export { auditClient, type ClientAuditOptions } from "./client_main.ts";
export {
  type ClientOrder,
  type Driver,
  type Heard,
  type OrderedMessage,
  type OrderedSubscription,
  type OrderedWill,
  type RunningClient,
  type Skill,
  SKILLS,
  type Where,
} from "./drivers/driver.ts";
export { execDriver } from "./drivers/exec.ts";
export { manualDriver } from "./drivers/manual.ts";
export { mqttjsDriver } from "./drivers/mqttjs.ts";
export { AuditCallError };
export { CAPABILITIES, type Capability } from "./case.ts";
export { STATEMENTS } from "../spec/statements.ts";
export { UNNUMBERED, type UnnumberedId } from "../spec/unnumbered.ts";
export type { Declared, UnreachableKind };
export type { Level };
export type { TlsClientOptions };

/** How far an audit is. */
export interface Progress {
  /** The level that is audited now. */
  readonly level: Level;
  /** Cases that were run at it. */
  readonly done: number;
  /** Cases that are to be run at it. */
  readonly all: number;
  /** The case that has just been run. */
  readonly caseId: string;
  /** What it found. */
  readonly verdict: Verdict;
}

/** What may be said of an audit. */
export interface AuditOptions {
  /** Default: both. */
  readonly levels?: readonly Level[];
  /** Ids of cases (`3.3.1/qos-3`), of statements (`MQTT-3.3.1-4`), or sections (`3.3`); default all. */
  readonly only?: readonly string[];
  /** Runs the cases that wait on purpose too; default false. */
  readonly timing?: boolean;
  /** What cannot be probed; user name and password take the place of those of the URL. */
  readonly declared?: Declared;
  /** How long an answer may take in ms; default 2000. */
  readonly patienceMs?: number;
  /** Cases that run at the same time; default 16. */
  readonly atOnce?: number;
  /** The certificates to trust at `mqtts:`; by default the certificates of the system. */
  readonly tls?: TlsClientOptions;
  /** What the target is, as `mosquitto 2.0.11`; stands in the report. */
  readonly product?: string;
  /** ISO 8601, for the report; default now. */
  readonly date?: string;
  /** What runs the auditor, for the report. */
  readonly runtime?: string;
  /** Called after each case. */
  readonly progress?: (progress: Progress) => void;
}

/** How long an answer may take when nothing is said. */
export const DEFAULT_PATIENCE_MS = 2000;
/** Cases at the same time when nothing is said. */
export const DEFAULT_AT_ONCE = 16;

/**
 * Audits the Server at `target`, a URL as `mqtt://user:password@host:1883` or `mqtts:`. What cannot be reached or falls silent gives
 * a report that says so, not an exception.
 * @throws {AuditCallError} when the call is wrong: a URL of another kind, an unknown statement.
 */
export async function audit(target: string, options: AuditOptions = {}): Promise<AuditReport> {
  const { levels = [4, 5], only = [], timing = false, product, runtime, progress } = options;
  const { patienceMs = DEFAULT_PATIENCE_MS, atOnce = DEFAULT_AT_ONCE } = options;
  const { host, port, isSecure, ...inUrl } = parseTarget(target);
  const tls = isSecure ? options.tls ?? {} : undefined;
  const declared: Declared = { ...inUrl, ...options.declared };
  const cases = selectCases(SERVER_CASES, only, levels);
  // What is asked for by its name is not to be left out for it waits.
  const waits = timing || (only.length > 0 && cases.every((one) => one.timing === true));
  let level = levels[0]!;
  const found = [];
  for (level of levels) {
    found.push(
      ...await auditLevels({
        dial: () => dial({ host, port }, tls),
        levels: [level],
        cases,
        timing: waits,
        declared,
        patienceMs,
        atOnce,
        now: () => performance.now(),
        run: Math.random().toString(36).slice(2, 8),
        progress: (done, all, last) =>
          progress?.({ level, done, all, caseId: last.case.id, verdict: last.verdict }),
      }),
    );
  }
  return reportOf(found, {
    target,
    date: options.date ?? new Date().toISOString().replace(/\.\d+Z$/, "Z"),
    ...product !== undefined && { product },
    version: AUDITOR_VERSION,
    ...runtime !== undefined && { runtime },
    timing: waits,
    only,
    patienceMs,
    secrets: [declared.password ?? "", ...declared.authenticationData ?? []],
    allCases: ALL_CASES,
  });
}
