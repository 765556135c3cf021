/**
 * What the audits of several brokers found, as a part of conformance/README.md.
 * Knows reports; refuses to know how the audits are run.
 * @module
 */
import type { AuditReport, ReportLevel, StatementVerdict, Totals } from "../../../conformance/mod.ts";

const BEGIN = "<!-- peers: written by `deno task audit:peers` -->";
const END = "<!-- /peers -->";

const COLUMNS: readonly StatementVerdict[] = [
  "pass",
  "lenient",
  "fail",
  "inconclusive",
  "unsupported",
  "untested",
];

/** The text with the part between the marks replaced. */
export function withTable(text: string, reports: readonly AuditReport[]): string {
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error("conformance/README.md has no marks for the table");
  return `${text.slice(0, from + BEGIN.length)}\n\n${peersPart(reports)}\n\n${text.slice(to)}`;
}

/** Numbers of statements, then everything against the standard by name. */
export function peersPart(reports: readonly AuditReport[]): string {
  const date = reports[0]?.date.slice(0, 10) ?? "";
  const lines = [
    `Numbered statements, on ${date}, with the cases that wait, Plumb's over WebSocket:`,
    "",
    `| broker | standard | ${COLUMNS.join(" | ")} | cases |`,
    `| --- | --- |${" --: |".repeat(COLUMNS.length + 1)}`,
  ];
  for (const { product, levels } of reports) {
    for (const level of levels) {
      const cells = level.unreachable === undefined
        ? COLUMNS.map((verdict) => String(level.totals.statements[verdict] || ""))
        : COLUMNS.map((verdict) => verdict === "unsupported" ? "all" : "");
      lines.push(`| ${product} | ${level.version} | ${cells.join(" | ")} | ${sumOf(level.totals.cases)} |`);
    }
  }
  for (const { product, levels } of reports) {
    for (const level of levels) lines.push("", ...findings(product, level));
  }
  return lines.join("\n");
}

function sumOf(totals: Totals): number {
  return Object.values(totals).reduce((sum, count) => sum + count, 0);
}

function findings(product: string, { version, cases, unreachable, stopped }: ReportLevel): string[] {
  const lines = [`### ${product}, MQTT ${version}`, ""];
  if (unreachable !== undefined) return [...lines, `${unreachable.reason}.`];
  const of = (verdict: string) => cases.filter((one) => one.verdict === verdict);
  if (stopped !== undefined) lines.push(`${stopped}.`, "");
  const failed = of("fail");
  if (failed.length === 0) lines.push("Nothing against the standard.");
  else {
    lines.push("Against the standard:", "");
    for (const { id, statements, reason } of failed) {
      lines.push(`- \`${id}\` (${statements.join(", ")}): ${plain(reason)}`);
    }
  }
  const lenient = of("lenient").map(({ id }) => `\`${id}\``);
  if (lenient.length > 0) lines.push("", `Lenient: ${lenient.join(", ")}.`);
  const unclear = of("inconclusive").map(({ id, reason }) => `\`${id}\` (${plain(reason)})`);
  if (unclear.length > 0) lines.push("", `Could not be carried out: ${unclear.join(", ")}.`);
  return lines;
}

/** Text in which nothing is markup, and in which no name of one run stands. */
function plain(text: string): string {
  return text.replace(/plumb-audit\/[a-z0-9]+/g, "plumb-audit/RUN").replace(/\bpa[a-z0-9]{8,}/g, "CLIENT")
    .replace(/\s+/g, " ").replace(/[\\`*_{}[\]<>#|~]/g, (found) => `\\${found}`);
}
