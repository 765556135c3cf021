/**
 * The report of an audit as data: what all other forms of it are made from, and what is kept and compared.
 * Knows what was found; refuses to know how it is shown.
 *
 * `formatVersion` changes when a field changes its meaning or goes; fields that are added do not change it.
 * @module
 */
import { STATEMENT_TEXTS } from "../../spec/statement_texts.ts";
import { type StatementId, STATEMENTS } from "../../spec/statements.ts";
import { UNNUMBERED, type UnnumberedId } from "../../spec/unnumbered.ts";
import { type CaseResult, compareIds, type LevelReport } from "../result.ts";
import type { Level } from "../wire/bytes.ts";
import { CAPABILITIES, type Capability } from "../capability.ts";
import { type Case, type RuleId, statementsAt, textAt } from "../case.ts";
import { type Coverage, coverageAt, VERSION_OF } from "../coverage.ts";
import type { TranscriptLine } from "../wire/peer.ts";
import type { Ending, UnreachableKind, Verdict } from "../verdict.ts";
import { commandFor, maskSecrets, type Reproducer, sentOf, shorten } from "./evidence.ts";
import { compareSections, DUTIES, titleOf, topSection } from "./sections.ts";

/** The version of the format that this module writes. */
export const FORMAT_VERSION = 1;

/** What is said of a statement: the worst verdict of its cases, or that none was run. */
export type StatementVerdict = Verdict | "untested";

/** All verdicts, the best first; the order of columns. */
export const VERDICTS: readonly StatementVerdict[] = [
  "pass",
  "lenient",
  "fail",
  "inconclusive",
  "unsupported",
  "untested",
];

/** How many there are of each verdict. */
export type Totals = Readonly<Record<StatementVerdict, number>>;

/** The audit of one target. */
export interface AuditReport {
  /** What this is. */
  readonly format: "plumb-audit";
  /** The version of the format; 1 so far. */
  readonly formatVersion: number;
  /** What was audited. */
  readonly role: "server" | "client";
  /** A URL without its password; of a Client how it was started. */
  readonly target: string;
  /** When, as ISO 8601. */
  readonly date: string;
  /** What the owner says of the target, or else the target itself, as `mosquitto version 2.0.11`; empty if neither says anything. */
  readonly product: string;
  /** What has audited it. */
  readonly auditor: {
    /** Always the same. */
    readonly name: "plumb";
    /** Of the auditor. */
    readonly version: string;
    /** As `Deno 2.9.6`; empty if it was not told. */
    readonly runtime: string;
  };
  /** How it was audited. */
  readonly settings: {
    /** Whether the cases that wait on purpose were run. */
    readonly timing: boolean;
    /** What the audit was narrowed to; empty for all. */
    readonly only: readonly string[];
    /** How long an answer could take. */
    readonly patienceMs: number;
    /** Deviations that are lenient since the target's owner has switched them on; absent if there are none. */
    readonly tolerates?: readonly string[];
  };
  /** What was found, level by level. */
  readonly levels: readonly ReportLevel[];
}

/** The audit at one protocol level. */
export interface ReportLevel {
  /** The protocol level in CONNECT. */
  readonly level: Level;
  /** The version of the standard that has this level. */
  readonly version: "3.1.1" | "5.0";
  /** Why nothing could be run; absent if something was. */
  readonly unreachable?: {
    /** What kind of trouble it is. */
    readonly kind: UnreachableKind;
    /** In words. */
    readonly reason: string;
  };
  /** Why the audit was not brought to its end; absent if it was. */
  readonly stopped?: string;
  /** What the target offers; absent if it was not reached. */
  readonly capabilities?: ReportCapabilities;
  /** How many of each verdict there are. */
  readonly totals: {
    /** Numbered statements. */
    readonly statements: Totals;
    /** Duties that the standard states without a number. */
    readonly duties: Totals;
    /** Cases that were run. */
    readonly cases: Totals;
  };
  /** Statements and duties by section. */
  readonly sections: readonly ReportSection[];
  /** Every numbered statement of this version, in its order, then the duties that a case was run for. */
  readonly statements: readonly ReportStatement[];
  /** Every case that was run, in the order of the sections. */
  readonly cases: readonly ReportCase[];
}

/** What the target offers at one level; §3.2.2.3. */
export interface ReportCapabilities {
  /** What the standard lets it leave out. */
  readonly offered: Readonly<Record<Capability, boolean>>;
  /** 65535 if CONNACK does not say. */
  readonly receiveMaximum: number;
  /** null if the target has none. */
  readonly maximumPacketSize: number | null;
  /** 0 if CONNACK does not say. */
  readonly topicAliasMaximum: number;
  /** 2 if CONNACK does not say. */
  readonly maximumQos: number;
  /** null if the target leaves it to the Client. */
  readonly serverKeepAlive: number | null;
}

/** One section of the standard. */
export interface ReportSection {
  /** Two numbers, as `3.3`; `duties` at level 4, since duties are named by the sections of 5.0. */
  readonly section: string;
  /** In few words. */
  readonly title: string;
  /** Its statements and duties. */
  readonly totals: Totals;
}

/** One statement or duty. */
export interface ReportStatement {
  /** `MQTT-3.3.1-4` of 5.0, `MQTT311-3.3.1-4` of 3.1.1, `2.2.1/zero` of a duty. */
  readonly id: RuleId;
  /** A duty is what the standard states without a number. */
  readonly kind: "statement" | "duty";
  /** Where it stands in the standard; a duty in that of 5.0. */
  readonly section: string;
  /** The `section` among the report's sections that it is counted under. */
  readonly group: string;
  /** That of its section. */
  readonly title: string;
  /** `MUST`, `SHOULD`, ... */
  readonly level: string;
  /** `server`, `client`, `both` or `intermediary`. */
  readonly binds: string;
  /** In our words. */
  readonly text: string;
  /** What the audit says of it. */
  readonly verdict: StatementVerdict;
  /** Why it is untested; empty if it is not. */
  readonly why: string;
  /** The ids of the cases that were run for it, or would have been. */
  readonly cases: readonly string[];
}

/** What one case found. */
export interface ReportCase {
  /** Section and a name that never changes: `3.3.1/qos-3`, `client/3.3.1/dup`. */
  readonly id: string;
  /** That of its id. */
  readonly section: string;
  /** What it shows at this level. */
  readonly statements: readonly RuleId[];
  /** What the auditor did. */
  readonly does: string;
  /** What had to come of it. */
  readonly requires: string;
  /** It waits on purpose. */
  readonly timing: boolean;
  /** What it found. */
  readonly verdict: Verdict;
  /** Why it is not `pass`; empty if it is. */
  readonly reason: string;
  /** How the target ended the connections that it had to end. */
  readonly endings: readonly Ending[];
  /** How long it took. */
  readonly ms: number;
  /** All connections, both directions. Long ones are shortened in the middle, as a line says then. */
  readonly transcript: readonly TranscriptLine[];
  /** How to do it again. */
  readonly reproducer: Reproducer;
}

/** What the caller says of an audit. */
export interface About {
  /** Default: `server`. */
  readonly role?: "server" | "client";
  /** A URL, with or without user information; its password is left out. Of a Client how it is started. */
  readonly target: string;
  /** ISO 8601. */
  readonly date: string;
  readonly product?: string;
  readonly version: string;
  readonly runtime?: string;
  readonly timing: boolean;
  readonly only: readonly string[];
  readonly patienceMs: number;
  readonly tolerates?: readonly string[];
  /** Texts that must not stand in the report: passwords. */
  readonly secrets?: readonly string[];
  /** All cases there are, run or not. */
  readonly allCases: readonly Case[];
  /** How to run one case again; default `plumb audit --level LEVEL --only ID TARGET`. */
  readonly command?: (id: string, level: Level) => string;
}

/** Puts down what was found. */
export function reportOf(levels: readonly LevelReport[], about: About): AuditReport {
  const { role = "server", date, product = "", version, runtime = "", timing, only, patienceMs } = about;
  return {
    format: "plumb-audit",
    formatVersion: FORMAT_VERSION,
    role,
    target: withoutPassword(about.target),
    date,
    product,
    auditor: { name: "plumb", version, runtime },
    settings: { timing, only, patienceMs, ...about.tolerates && { tolerates: about.tolerates } },
    levels: levels.map((level) => levelOf(level, about)),
  };
}

/**
 * Reads a report that was kept.
 * @throws {Error} with one line, if it is none or of a version that is not known.
 */
export function parseReport(text: string): AuditReport {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`it is not JSON (${(error as Error).message})`);
  }
  const { format, formatVersion, levels } = (value ?? {}) as Partial<AuditReport>;
  if (format !== "plumb-audit" || !Array.isArray(levels)) throw new Error("it is not a report of an audit");
  if (formatVersion !== FORMAT_VERSION) {
    throw new Error(`it has version ${formatVersion} of the format; version ${FORMAT_VERSION} is known`);
  }
  return value as AuditReport;
}

/** No verdicts yet. */
export function countVerdicts(verdicts: Iterable<StatementVerdict>): Totals {
  const totals = Object.fromEntries(VERDICTS.map((verdict) => [verdict, 0])) as Record<
    StatementVerdict,
    number
  >;
  for (const verdict of verdicts) totals[verdict]++;
  return totals;
}

/** The worst of what was found, and `untested` only if nothing was. */
export function worstOf(totals: Totals): StatementVerdict {
  const order: readonly StatementVerdict[] = ["fail", "lenient", "inconclusive", "pass", "unsupported"];
  return order.find((verdict) => totals[verdict] > 0) ?? "untested";
}

function levelOf(found: LevelReport, about: About): ReportLevel {
  const { level, unreachable, unreachableKind, stopped, results } = found;
  const statements = [...numbered(found, about), ...duties(found)];
  const of = (kind: ReportStatement["kind"]) =>
    countVerdicts(statements.filter((one) => one.kind === kind).map(({ verdict }) => verdict));
  const capabilities = capabilitiesOf(found);
  return {
    level,
    version: VERSION_OF[level],
    ...unreachable !== undefined &&
      { unreachable: { kind: unreachableKind ?? "silent", reason: unreachable } },
    ...stopped !== undefined && { stopped },
    ...capabilities && { capabilities },
    totals: {
      statements: of("statement"),
      duties: of("duty"),
      cases: countVerdicts(results.map(({ verdict }) => verdict)),
    },
    sections: sectionsOf(statements, level),
    statements,
    cases: results.map((result) => caseOf(result, about)),
  };
}

function capabilitiesOf({ profile }: LevelReport): ReportCapabilities | undefined {
  if (profile === undefined) return undefined;
  const { receiveMaximum, maximumPacketSize, topicAliasMaximum, maximumQos, serverKeepAlive } = profile;
  const offered = CAPABILITIES.map((one) => [one, !profile.missing.has(one)] as const);
  return {
    offered: Object.fromEntries(offered) as Record<Capability, boolean>,
    receiveMaximum,
    maximumPacketSize: maximumPacketSize ?? null,
    topicAliasMaximum,
    maximumQos,
    serverKeepAlive: serverKeepAlive ?? null,
  };
}

/** All statements of the version; of a narrowed audit only the ones that a case was run for. */
function numbered(found: LevelReport, about: About): ReportStatement[] {
  const { allCases, only, role = "server" } = about;
  const ran = new Set(found.results.map((result) => result.case.id));
  const verdicts = new Map(found.statements.map(({ id, verdict }) => [id, verdict]));
  const all = coverageAt(found.level, allCases);
  return all.filter(({ id }) => only.length === 0 || verdicts.has(id)).map((coverage) => {
    const { id } = coverage;
    const { section, title, level, binds } = STATEMENTS[id];
    const verdict = verdicts.get(id);
    const why = verdict === undefined ? whyUntested(coverage, about) : "";
    const text = STATEMENT_TEXTS[id];
    const cases = coverage[role === "server" ? "serverCases" : "clientCases"].filter((one) => ran.has(one));
    return {
      id,
      kind: "statement",
      section,
      group: topSection(section),
      title,
      level,
      binds,
      text,
      verdict: verdict ?? "untested",
      why,
      cases,
    };
  });
}

function whyUntested(coverage: Coverage, { role = "server", timing }: About): string {
  const { id, serverCases, clientCases, codec, waiver } = coverage;
  const [own, other] = role === "server" ? [serverCases, clientCases] : [clientCases, serverCases];
  const others = role === "server" ? "client" : "server";
  if (own.length > 0 && !timing) return "Its cases wait on purpose: --timing runs them";
  if (other.length > 0) return `An audit of a ${others} shows it`;
  if (waiver !== undefined) return waiver;
  if (codec) return "Only the codec's own tests show it";
  return STATEMENTS[id].binds === others ? `It binds the ${others}` : "There is no case for it yet";
}

function duties(found: LevelReport): ReportStatement[] {
  return found.statements.filter(({ id }) => !(id in STATEMENTS)).map(({ id, verdict, results }) => {
    const { section, text } = UNNUMBERED[id as UnnumberedId];
    return {
      id,
      kind: "duty",
      section,
      group: found.level === 5 ? topSection(section) : DUTIES,
      title: titleOf(topSection(section), 5),
      level: "MUST",
      binds: "both",
      text,
      verdict,
      why: "",
      cases: results.map((result) => result.case.id),
    };
  });
}

function sectionsOf(statements: readonly ReportStatement[], level: Level): ReportSection[] {
  const bySection = new Map<string, StatementVerdict[]>();
  for (const { group, verdict } of statements) {
    bySection.set(group, [...bySection.get(group) ?? [], verdict]);
  }
  return [...bySection].sort(([a], [b]) => compareSections(a, b))
    .map(([section, verdicts]) => ({
      section,
      title: titleOf(section, level),
      totals: countVerdicts(verdicts),
    }));
}

function caseOf(result: CaseResult, { target, secrets = [], command }: About): ReportCase {
  const { case: one, level, verdict, reason, endings, ms } = result;
  const transcript = maskSecrets(shorten(result.transcript), secrets);
  return {
    id: one.id,
    section: one.id.replace(/^client\//, "").split("/")[0]!,
    statements: statementsAt(one, level).sort(compareIds),
    does: textAt(one.does, level),
    requires: textAt(one.requires, level),
    timing: one.timing === true,
    verdict,
    reason,
    endings,
    ms,
    transcript,
    reproducer: {
      command: command?.(one.id, level) ?? commandFor(one.id, level, withoutPassword(target)),
      sent: sentOf(transcript),
    },
  };
}

/** The URL without its password. */
export function withoutPassword(target: string): string {
  return target.replace(/^([a-z][a-z0-9+.-]*:\/\/[^/@:]*):[^/]*@/i, "$1@");
}

/** The ids of statements, for readers of reports. */
export type { Ending, RuleId, StatementId, TranscriptLine, Verdict };
