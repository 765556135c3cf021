/**
 * The report for a terminal: a table by section, what is not as it should be, and a bar while the audit runs.
 * Knows columns and colours; refuses to know whether there is a terminal.
 * @module
 */
import {
  type AuditReport,
  countVerdicts,
  type ReportCase,
  type ReportLevel,
  type StatementVerdict,
  type Totals,
  VERDICTS,
  worstOf,
} from "./json.ts";

/** What the terminal can do. */
export interface TerminalStyle {
  /** ANSI colours. */
  readonly colour: boolean;
}

const COLOURS: Readonly<Record<StatementVerdict, string>> = {
  pass: "32",
  lenient: "33",
  fail: "31;1",
  inconclusive: "35",
  unsupported: "36",
  untested: "90",
};

function painter(colour: boolean): Paint {
  return (text, verdict) => colour ? `\x1b[${COLOURS[verdict]}m${text}\x1b[0m` : text;
}

/** The report: for each level a table, then every case that did not pass; ends with a line break. */
export function terminalReport(report: AuditReport, { colour }: TerminalStyle): string {
  const paint = painter(colour);
  const { target, product, levels } = report;
  const head = printable(product === "" ? target : `${product} at ${target}`);
  return levels.map((level) => `${head}, MQTT ${level.version}\n\n${levelText(level, paint)}\n`).join("\n");
}

/** The last line: the cases of all levels by verdict, and where the reports are; ends with a line break. */
export function sumLine(
  { levels }: AuditReport,
  files: readonly string[],
  { colour }: TerminalStyle,
): string {
  const paint = painter(colour);
  const parts = levels.map(({ version, totals: { cases }, unreachable }) => {
    const counts = VERDICTS.filter((one) => cases[one] > 0).map((one) => paint(`${cases[one]} ${one}`, one));
    return `MQTT ${version}: ${unreachable === undefined ? counts.join(", ") : "not audited"}`;
  });
  const where = files.length > 0
    ? `; written to ${files.join(", ")}`
    : "; --report FILE.html keeps the bytes";
  return `${parts.join("; ")}${where}\n`;
}

type Paint = (text: string, verdict: StatementVerdict) => string;

function levelText(level: ReportLevel, paint: Paint): string {
  const said = level.unreachable?.reason ?? level.stopped;
  const trouble = said && printable(said);
  const lines = [...level.unreachable === undefined ? table(level, paint) : []];
  const of = (wanted: StatementVerdict) => level.cases.filter(({ verdict }) => verdict === wanted);
  const found = [...of("fail"), ...of("lenient")];
  const unclear = level.stopped === undefined && level.unreachable === undefined ? of("inconclusive") : [];
  for (const one of [...found, ...unclear]) lines.push("", ...caseLines(one, paint));
  if (trouble !== undefined) {
    lines.push(...lines.length === 0 ? [] : [""], paint(trouble, "inconclusive"));
  }
  return lines.join("\n");
}

/** Widths: section and title, then one column for each verdict. */
const TITLE_COLUMNS = 32;

function table({ sections, totals }: ReportLevel, paint: Paint): string[] {
  const head = ["Section".padEnd(TITLE_COLUMNS), ...VERDICTS].join("  ");
  const row = (name: string, counts: Totals) => {
    const cells = VERDICTS.map((verdict) => {
      const text = String(counts[verdict] || "").padStart(verdict.length);
      return counts[verdict] > 0 ? paint(text, verdict) : text;
    });
    const worst = worstOf(counts);
    const shown = name.slice(0, TITLE_COLUMNS).padEnd(TITLE_COLUMNS);
    return [worst === "fail" ? paint(shown, worst) : shown, ...cells].join("  ").trimEnd();
  };
  const sum = (a: Totals, b: Totals) =>
    Object.fromEntries(VERDICTS.map((one) => [one, a[one] + b[one]])) as Totals;
  const width = head.length;
  return [
    head,
    ...sections.map(({ section, title, totals: counts }) => row(`${section.padEnd(5)} ${title}`, counts)),
    "-".repeat(width),
    row("Statements", totals.statements),
    ...totals.duties.untested < sumOf(totals.duties) ? [row("Duties without a number", totals.duties)] : [],
    row("All", sum(totals.statements, totals.duties)),
    row("Cases", totals.cases),
  ];
}

function sumOf(totals: Totals): number {
  return VERDICTS.reduce((all, verdict) => all + totals[verdict], 0);
}

function caseLines(
  { id, verdict, statements, requires, reason, endings, reproducer }: ReportCase,
  paint: Paint,
) {
  const ended = endings.length === 0 ? "" : ` (${[...new Set(endings)].join(", ")})`;
  return [
    `${paint(verdict, verdict)} ${id}  ${statements.join(" ")}`,
    `  required: ${requires}`,
    `  found:    ${printable(reason)}${ended}`,
    `  again:    ${reproducer.command}`,
  ];
}

/** What targets say must not move the cursor. */
function printable(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, "\ufffd");
}

/** One line while the audit runs: a bar, how far it is, and what was found so far; no wider than `columns`. */
export function progressLine(
  { done, all, level, verdicts, caseId, columns }: {
    readonly done: number;
    readonly all: number;
    readonly level: number;
    readonly verdicts: readonly StatementVerdict[];
    readonly caseId: string;
    readonly columns: number;
  },
): string {
  const totals = countVerdicts(verdicts);
  const found = VERDICTS.filter((one) => one !== "pass" && totals[one] > 0).map((one) =>
    `${totals[one]} ${one}`
  );
  const width = 24;
  const full = all === 0 ? width : Math.round(done / all * width);
  const bar = `[${"#".repeat(full)}${".".repeat(width - full)}]`;
  const text = [`level ${level} ${bar} ${done}/${all}`, ...found, caseId].join("  ");
  return text.slice(0, Math.max(0, columns - 1));
}
