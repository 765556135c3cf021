/**
 * The report as Markdown: totals by section and what is not as it should be, for a bug report or a wiki.
 * Knows a report; refuses to know where it is read.
 * @module
 */
import { type AuditReport, type ReportCase, type ReportLevel, type Totals, VERDICTS } from "./json.ts";

/** The Markdown; ends with a line break. */
export function markdownReport(report: AuditReport): string {
  const { target, product, date, auditor, levels, settings } = report;
  const runtime = auditor.runtime === "" ? "" : ` on ${auditor.runtime}`;
  const parts = [
    `# MQTT audit of ${inline(product === "" ? target : product)}`,
    [
      `- Target: ${code(target)}`,
      `- Date: ${inline(date)}`,
      `- Auditor: plumb ${inline(auditor.version)}${inline(runtime)}`,
      `- Cases that wait: ${settings.timing ? "run" : "not run"}`,
      ...settings.tolerates === undefined
        ? []
        : [`- Lenient by option: ${settings.tolerates.map(code).join(", ")}`],
      ...settings.only.length === 0 ? [] : [`- Only: ${settings.only.map(code).join(", ")}`],
    ].join("\n"),
    ...levels.flatMap(levelParts),
  ];
  return `${parts.join("\n\n")}\n`;
}

function levelParts(level: ReportLevel): string[] {
  const { version, unreachable, stopped, cases } = level;
  const parts = [`## MQTT ${version}`];
  if (unreachable !== undefined) {
    return [...parts, `Nothing could be audited: ${inline(unreachable.reason)}.`];
  }
  parts.push(table(level));
  if (stopped !== undefined) parts.push(`${inline(stopped)}.`);
  for (const verdict of ["fail", "lenient", "inconclusive"] as const) {
    const found = cases.filter((one) => one.verdict === verdict);
    if (found.length > 0) parts.push(`### ${HEADINGS[verdict]}`, ...found.map(casePart));
  }
  return parts;
}

const HEADINGS = {
  fail: "Against the standard",
  lenient: "Lenient",
  inconclusive: "Could not be carried out",
} as const;

function table({ sections, totals }: ReportLevel): string {
  const row = (name: string, counts: Totals) =>
    `| ${name} | ${VERDICTS.map((verdict) => counts[verdict] || "").join(" | ")} |`;
  return [
    `| section | ${VERDICTS.join(" | ")} |`,
    `| --- |${VERDICTS.map(() => " --: |").join("")}`,
    ...sections.map(({ section, title, totals: counts }) => row(`${section} ${inline(title)}`, counts)),
    row("**statements**", totals.statements),
    row("**duties without a number**", totals.duties),
    row("**cases**", totals.cases),
  ].join("\n");
}

function casePart(one: ReportCase): string {
  const { id, statements, does, requires, reason, endings, transcript, reproducer } = one;
  const lines = transcript.map(({ at, peer, direction, text, hex }) =>
    `${String(at).padStart(6)} ms  ${peer}  ${ARROWS[direction]} ${text}${
      hex === "" ? "" : `\n           ${hex}`
    }`
  );
  return [
    `#### ${code(id)}`,
    [
      `- Shows: ${statements.join(", ")}`,
      `- Does: ${inline(does)}`,
      `- Required: ${inline(requires)}`,
      `- Found: ${inline(reason)}`,
      ...endings.length === 0 ? [] : [`- How it ended: ${[...new Set(endings)].join(", ")}`],
      `- Again: ${code(reproducer.command)}`,
    ].join("\n"),
    `<details><summary>Transcript</summary>\n\n${fenced(lines.join("\n"))}\n\n</details>`,
  ].join("\n\n");
}

const ARROWS = { sent: "->", received: "<-", event: "--" } as const;

/** Text in a line of Markdown: nothing in it is markup. */
function inline(text: string): string {
  return text.replace(/\s+/g, " ").replace(/[\\`*_{}[\]<>#|~]/g, (found) => `\\${found}`);
}

/** A word as code; longer fences where it has backquotes itself. */
function code(text: string): string {
  const flat = text.replace(/\s+/g, " ");
  const fence = "`".repeat(longestRun(flat) + 1);
  const space = flat.startsWith("`") || flat.endsWith("`") ? " " : "";
  return fence + space + flat + space + fence;
}

function fenced(text: string): string {
  const fence = "`".repeat(Math.max(3, longestRun(text) + 1));
  return `${fence}text\n${text}\n${fence}`;
}

function longestRun(text: string): number {
  return Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
}
