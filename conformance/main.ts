/**
 * What `plumb audit` does: runs, lists or compares, and writes reports where it is told to.
 * Knows files and exit status; refuses to know how flags are written.
 * @module
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { ALL_CASES } from "./all_cases.ts";
import type { TlsClientOptions } from "../src/runtime/dial.ts";
import type { Level } from "./wire/bytes.ts";
import { chooseDriver, type ClientChoice } from "./client/drivers/choose.ts";
import { type DeclaredFile, parseDeclared } from "./server/declared.ts";
import { countCoverage, coverageText } from "./list.ts";
import {
  audit,
  AuditCallError,
  auditClient,
  type AuditOptions,
  type AuditReport,
  badge,
  diffReports,
  diffText,
  htmlReport,
  junitReport,
  markdownReport,
  parseReport,
  type StatementVerdict,
  terminalReport,
} from "./mod.ts";
import { progressLine, sumLine } from "./report/terminal.ts";

/** What is asked for. */
export interface AuditCall {
  /** A URL; or with `diff` two files. */
  readonly positionals: readonly string[];
  readonly levels: readonly Level[];
  readonly timing: boolean;
  readonly only: readonly string[];
  /** Files; the suffix says which report. */
  readonly reports: readonly string[];
  /** JSON in place of prose. */
  readonly json: boolean;
  readonly list: boolean;
  readonly diff: boolean;
  /** A TOML file about the target. */
  readonly profile: string | undefined;
  /** Deviations that the target's owner has switched on, besides those of `profile`. */
  readonly tolerates: readonly string[];
  readonly product: string | undefined;
  /** The certificates to trust at `mqtts:`; of a Client's audit, `own` is what the Client is shown. */
  readonly tls: TlsClientOptions;
  readonly patienceMs: number;
  readonly atOnce: number;
  /** A Client is audited, the one that `chosen` means. */
  readonly client: boolean;
  /** It is waited for over WebSocket. */
  readonly webSocket: boolean;
  readonly chosen: ClientChoice;
}

/** Where the words go. */
export interface Terminal {
  /** Results. */
  out(text: string): Promise<void>;
  /** Progress and prose. */
  err(text: string): Promise<void>;
  /** Colours in the results. */
  readonly colour: boolean;
  /** The width of the terminal that progress is shown on; undefined for none. */
  readonly columns: number | undefined;
  /** What runs the auditor. */
  readonly runtime: string;
}

/** The reports by the suffix of their file. */
const REPORTS: Readonly<Record<string, (report: AuditReport) => string>> = {
  html: htmlReport,
  json: (report) => `${JSON.stringify(report, undefined, 1)}\n`,
  md: markdownReport,
  svg: badge,
  xml: junitReport,
};

/**
 * Does it; gives the exit status: 0 all well, 1 something is against the standard or could not be audited.
 * @throws {AuditCallError} when the call is wrong.
 */
export async function auditCommand(call: AuditCall, terminal: Terminal): Promise<number> {
  if (call.diff) return await compare(call, terminal);
  if (call.list) return await list(call, terminal);
  if (call.client) return await clientCommand(call, terminal);
  if (call.webSocket) {
    throw new AuditCallError("--websocket goes with --client; of a Server the URL says it: ws://HOST:PORT");
  }
  const [target, ...more] = call.positionals;
  if (target === undefined) throw new AuditCallError("say what to audit, as mqtt://HOST:PORT");
  if (more.length > 0) throw new AuditCallError(`unexpected argument ${JSON.stringify(more[0])}`);
  for (const file of call.reports) checkReportFile(file);
  const { product, ...declared }: DeclaredFile = call.profile === undefined
    ? {}
    : await readProfile(call.profile);
  const name = call.product ?? product;
  const report = await audit(target, {
    levels: call.levels,
    only: call.only,
    timing: call.timing,
    declared: { ...declared, tolerates: [...declared.tolerates ?? [], ...call.tolerates] },
    tls: call.tls,
    patienceMs: call.patienceMs,
    atOnce: call.atOnce,
    ...name !== undefined && { product: name },
    runtime: terminal.runtime,
    ...progressFor(terminal),
  });
  if (terminal.columns !== undefined) await terminal.err("\r\x1b[K");
  const nobody = report.levels.every(({ unreachable }) => unreachable?.kind === "host");
  if (nobody) throw new AuditCallError(`${report.target}: ${said(report)}`);
  const refused = report.levels.every(({ unreachable }) => unreachable?.kind === "refused");
  if (refused) {
    throw new AuditCallError(
      `${report.target}: ${said(report)}; the URL or --profile may give a user and a password`,
    );
  }
  return await finish(call, report, terminal);
}

/** Writes and prints a report; gives the exit status. */
async function finish(
  { reports, json }: AuditCall,
  report: AuditReport,
  terminal: Terminal,
): Promise<number> {
  for (const file of reports) writeReport(file, REPORTS[suffixOf(file)]!(report));
  const { colour } = terminal;
  await terminal.out(
    json
      ? REPORTS.json!(report)
      : `${terminalReport(report, { colour })}\n${sumLine(report, reports, { colour })}`,
  );
  return statusOf(report);
}

async function clientCommand(call: AuditCall, terminal: Terminal): Promise<number> {
  const { positionals: [extra], profile } = call;
  if (extra !== undefined) {
    throw new AuditCallError(`--client takes no target, ${JSON.stringify(extra)} is one`);
  }
  if (profile !== undefined) throw new AuditCallError("--client takes no --profile");
  const { own, ca, insecure } = call.tls;
  if (ca !== undefined || insecure === true) {
    throw new AuditCallError(
      "--client takes no --ca and no --insecure; --cert and --key say what it is shown",
    );
  }
  for (const file of call.reports) checkReportFile(file);
  const driver = await chooseDriver(call.chosen, (text) => void terminal.err(text));
  const report = await auditClient(driver, {
    webSocket: call.webSocket,
    ...own && { tls: own },
    levels: call.levels,
    only: call.only,
    timing: call.timing,
    patienceMs: call.patienceMs,
    atOnce: call.atOnce,
    ...call.product !== undefined && { product: call.product },
    runtime: terminal.runtime,
    ...driver.port === 0 ? progressFor(terminal) : {},
  });
  if (terminal.columns !== undefined) await terminal.err("\r\x1b[K");
  if (report.levels.every(({ unreachable }) => unreachable?.kind === "host")) {
    throw new AuditCallError(`${report.target}: ${said(report)}`);
  }
  return await finish(call, report, terminal);
}

/** What the target did at the first level that could not be audited. */
function said({ levels }: AuditReport): string {
  const { reason = "" } = levels.find(({ unreachable }) => unreachable !== undefined)?.unreachable ?? {};
  return reason.charAt(0).toLowerCase() + reason.slice(1);
}

/** A level that the target says it does not speak is none of its faults, if it speaks another. */
function statusOf({ levels }: AuditReport): number {
  const spoken = levels.filter(({ unreachable }) => unreachable?.kind !== "level");
  const bad = spoken.some(({ unreachable, stopped, totals }) =>
    unreachable !== undefined || stopped !== undefined || totals.cases.fail > 0
  );
  return bad || spoken.length === 0 ? 1 : 0;
}

function progressFor({ columns, err }: Terminal): Pick<AuditOptions, "progress"> {
  if (columns === undefined) return {};
  const verdicts: StatementVerdict[] = [];
  return {
    progress({ level, done, all, caseId, verdict }) {
      verdicts.push(verdict);
      void err(`\r${progressLine({ level, done, all, caseId, verdicts, columns })}\x1b[K`);
    },
  };
}

async function list({ positionals, levels, json }: AuditCall, { out }: Terminal): Promise<number> {
  if (positionals.length > 0) {
    throw new AuditCallError(`--list takes no target, ${JSON.stringify(positionals[0])} is one`);
  }
  const counts = [...levels].sort().reverse().map((level) => countCoverage(level, ALL_CASES));
  await out(json ? `${JSON.stringify(counts, undefined, 1)}\n` : counts.map(coverageText).join("\n"));
  return 0;
}

async function compare({ positionals, json }: AuditCall, { out }: Terminal): Promise<number> {
  const [before, now] = positionals;
  if (before === undefined || now === undefined) {
    throw new AuditCallError("--diff takes two reports: A.json B.json");
  }
  const diff = diffReports(readReport(before), readReport(now));
  await out(json ? `${JSON.stringify(diff, undefined, 1)}\n` : diffText(diff));
  return diff.newFails > 0 ? 1 : 0;
}

function readReport(file: string): AuditReport {
  const text = read(file);
  try {
    return parseReport(text);
  } catch (error) {
    throw new AuditCallError(`${file}: ${(error as Error).message}`);
  }
}

async function readProfile(file: string): Promise<DeclaredFile> {
  const text = read(file);
  try {
    return await parseDeclared(text);
  } catch (error) {
    if (!(error instanceof AuditCallError)) throw error;
    throw new AuditCallError(`${file}: ${error.message}`);
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new AuditCallError(`${file} cannot be read: ${systemWords(error)}`);
  }
}

function suffixOf(file: string): string {
  return /\.([a-z]+)$/i.exec(file)?.[1]?.toLowerCase() ?? "";
}

/** Before the audit, so that nobody waits for a report that then cannot be written. */
function checkReportFile(file: string): void {
  if (!Object.hasOwn(REPORTS, suffixOf(file))) {
    throw new AuditCallError(
      `--report ${JSON.stringify(file)}: its name must end in ${
        Object.keys(REPORTS).map((suffix) => `.${suffix}`).join(", ")
      }`,
    );
  }
  if (!existsSync(dirname(file))) {
    throw new AuditCallError(`--report ${file}: there is no folder ${dirname(file)}`);
  }
}

function writeReport(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw new AuditCallError(`--report ${file} cannot be written: ${systemWords(error)}`);
  }
}

function systemWords(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
}
