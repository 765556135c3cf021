/**
 * The report as JUnit XML: a suite for each level, a test case for each case, for build servers.
 * Knows a report and the format; refuses to know what reads it.
 * @module
 */
import { escapeMarkup } from "./escape.ts";
import type { AuditReport, ReportCase, ReportLevel } from "./json.ts";

/** The XML. `fail` is a failure, `inconclusive` an error, `unsupported` skipped; `lenient` passes with a word in its output. */
export function junitReport(report: AuditReport): string {
  const { levels, target, date } = report;
  const all = levels.flatMap(({ cases }) => cases);
  const lines = [
    `<?xml version="1.0" encoding="UTF-8"?>`,
    `<testsuites name="${escapeMarkup(`MQTT audit of ${target}`)}" ${counts(all)}>`,
    ...levels.flatMap((level) => suite(level, date)),
    `</testsuites>`,
    "",
  ];
  return lines.join("\n");
}

function suite({ version, cases, unreachable, stopped }: ReportLevel, date: string): string[] {
  const trouble = unreachable?.reason ?? stopped;
  return [
    `  <testsuite name="MQTT ${version}" timestamp="${escapeMarkup(date)}" ${counts(cases)}>`,
    ...cases.map((one) => testCase(one, version)),
    ...trouble === undefined ? [] : [`    <system-err>${escapeMarkup(trouble)}</system-err>`],
    `  </testsuite>`,
  ];
}

function testCase(one: ReportCase, version: string): string {
  const { id, section, ms } = one;
  // A point divides a class from its packages, so that sections are written without.
  const className = `mqtt-${version.replaceAll(".", "_")}.section-${section.replaceAll(".", "_")}`;
  const open = `    <testcase classname="${escapeMarkup(className)}" name="${escapeMarkup(id)}" time="${
    (ms / 1000).toFixed(3)
  }"`;
  const inside = outcome(one);
  return inside === "" ? `${open}/>` : `${open}>${inside}</testcase>`;
}

function outcome({ verdict, reason, requires, statements, transcript, reproducer }: ReportCase): string {
  const message = `message="${escapeMarkup(reason)}"`;
  const evidence = escapeMarkup([
    `Shows: ${statements.join(", ")}`,
    `Required: ${requires}`,
    `Found: ${reason}`,
    `Again: ${reproducer.command}`,
    "",
    ...transcript.map(({ at, peer, direction, text, hex }) =>
      `${at} ms ${peer} ${direction} ${text}${hex === "" ? "" : ` | ${hex}`}`
    ),
  ].join("\n"));
  switch (verdict) {
    case "pass":
      return "";
    case "fail":
      return `<failure ${message} type="fail">${evidence}</failure>`;
    case "inconclusive":
      return `<error ${message} type="inconclusive">${evidence}</error>`;
    case "unsupported":
      return `<skipped ${message}/>`;
    case "lenient":
      return `<system-out>lenient: ${evidence}</system-out>`;
  }
}

function counts(cases: readonly ReportCase[]): string {
  const of = (verdict: ReportCase["verdict"]) => cases.filter((one) => one.verdict === verdict).length;
  const seconds = cases.reduce((sum, { ms }) => sum + ms, 0) / 1000;
  return `tests="${cases.length}" failures="${of("fail")}" errors="${of("inconclusive")}" skipped="${
    of("unsupported")
  }" time="${seconds.toFixed(3)}"`;
}
