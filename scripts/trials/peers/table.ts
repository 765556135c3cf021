/**
 * What the audits of several brokers found, as a part of docs/peers.md.
 * Knows what was found and how we read it; refuses to know how the audits are run.
 * @module
 */
import type { StatementVerdict } from "../../../conformance/mod.ts";
import type { FoundBroker, FoundLevel } from "../../lib/peers_found.ts";
import { ALL_IDS, placeOf } from "../../lib/statement_places.ts";
import { readingOf } from "./readings.ts";

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
export function withTable(text: string, brokers: readonly FoundBroker[]): string {
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error("docs/peers.md has no marks for the table");
  return `${text.slice(0, from + BEGIN.length)}\n\n${peersPart(brokers)}\n\n${text.slice(to)}`;
}

/** Numbers of statements, then the statements on which brokers differ, then each fail and how we read it. */
export function peersPart(brokers: readonly FoundBroker[]): string {
  const lines = [
    "## Numbers",
    "",
    "Numbered statements by their verdict, with the cases that wait; Plumb over WebSocket, by which all can be run.",
    "",
    `| broker | standard | ${COLUMNS.join(" | ")} | audited |`,
    `| --- | --- |${" --: |".repeat(COLUMNS.length)} --- |`,
  ];
  for (const { product, date, levels } of brokers) {
    for (const { version, unreachable, verdicts } of levels) {
      const numbered = Object.entries(verdicts).filter(([id]) => id.startsWith("MQTT"));
      const cells = unreachable === undefined
        ? COLUMNS.map((verdict) => String(numbered.filter(([, one]) => one === verdict).length || ""))
        : COLUMNS.map((verdict) => verdict === "unsupported" ? "all" : "");
      lines.push(`| ${product} | ${version} | ${cells.join(" | ")} | ${date} |`);
    }
  }
  for (const version of ["5.0", "3.1.1"] as const) lines.push("", ...differences(version, brokers));
  lines.push("", "## Each fail", "");
  for (const { product, levels } of brokers) {
    for (const level of levels) lines.push(...fails(product, level), "");
  }
  return lines.join("\n").trimEnd();
}

/** A row for each statement or duty that at least one broker breaks. */
function differences(version: FoundLevel["version"], brokers: readonly FoundBroker[]): string[] {
  const columns = brokers.flatMap(({ product, levels }) => {
    const level = levels.find((one) => one.version === version);
    return level === undefined || level.unreachable !== undefined ? [] : [{ product, level }];
  });
  const ids = ALL_IDS.filter((id) => columns.some(({ level }) => level.verdicts[id] === "fail"));
  return [
    `## Statement by statement, MQTT ${version}`,
    "",
    "The statements and duties that at least one of them breaks.",
    "",
    `| statement | ${columns.map(({ product }) => product).join(" | ")} |`,
    `| --- |${" --- |".repeat(columns.length)}`,
    ...ids.map((id) => {
      const cells = columns.map(({ level }) => {
        const verdict = level.verdicts[id] ?? "";
        return verdict === "fail" ? "**fail**" : verdict === "untested" ? "" : verdict;
      });
      return `| [${id}](statements/${placeOf(id)}) | ${cells.join(" | ")} |`;
    }),
  ];
}

function fails(product: string, { version, unreachable, fails, lenient }: FoundLevel): string[] {
  const lines = [`### ${product}, MQTT ${version}`, ""];
  if (unreachable !== undefined) return [...lines, `${plain(unreachable)}.`];
  if (fails.length === 0) lines.push("Nothing against the standard.");
  for (const { id, statements, reason } of fails) {
    const reading = readingOf(product, id, reason);
    lines.push(
      `- \`${id}\` (${statements.join(", ")}): ${plain(reason)}${
        reading === undefined ? "" : `. ${reading}`
      }`,
    );
  }
  if (lenient.length > 0) lines.push("", `Lenient: ${lenient.map((id) => `\`${id}\``).join(", ")}.`);
  return lines;
}

/** Text in which nothing is markup. */
function plain(text: string): string {
  return text.replace(/[\\`*_{}[\]<>#|~]/g, (found) => `\\${found}`);
}
