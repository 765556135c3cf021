/**
 * Audits an MQTT Server or Client from outside: a verdict for each normative statement of MQTT 5.0 and 3.1.1, with evidence.
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
export { badge } from "./report/badge.ts";
export {
  type AuditDiff,
  diffReports,
  diffText,
  type LevelDiff,
  type StatementChange,
} from "./report/diff.ts";
export type { Reproducer } from "./report/evidence.ts";
export { htmlReport } from "./report/html.ts";
export {
  type AuditReport,
  parseReport,
  type ReportCapabilities,
  type ReportCase,
  type ReportLevel,
  type ReportSection,
  type ReportStatement,
  type StatementVerdict,
  type Totals,
} from "./report/json.ts";
export type { Ending, RuleId, StatementId, TranscriptLine, Verdict } from "./report/json.ts";
export { junitReport } from "./report/junit.ts";
export { markdownReport } from "./report/markdown.ts";
export { terminalReport, type TerminalStyle } from "./report/terminal.ts";
export { audit } from "./server/audit.ts";
export { auditClient } from "./client/audit.ts";
export {
  type AuditOptions,
  type AuditProgress,
  type ClientAuditOptions,
  DEFAULT_AT_ONCE,
  DEFAULT_PATIENCE_MS,
} from "./options.ts";
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
} from "./client/drivers/driver.ts";
export { execDriver } from "./client/drivers/exec.ts";
export { manualDriver } from "./client/drivers/manual.ts";
export { mqttjsDriver } from "./client/drivers/mqttjs.ts";
export { AuditCallError } from "./call_error.ts";
export { CAPABILITIES, type Capability } from "./capability.ts";
export { STATEMENTS } from "../spec/statements.ts";
export { UNNUMBERED, type UnnumberedId } from "../spec/unnumbered.ts";
export type { Declared } from "./server/profile.ts";
export type { UnreachableKind } from "./verdict.ts";
export type { Level } from "./wire/bytes.ts";
export type { TlsClientOptions } from "../src/runtime/dial.ts";
export type { CertificateAndKey } from "../src/runtime/tls/tls.ts";
