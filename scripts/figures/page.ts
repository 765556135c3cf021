/**
 * The table of all metrics in `docs/figures.md`.
 * Knows where it stands; refuses to know what is around it.
 * @module
 */
import { METRICS, sampleName } from "../../src/server/open_metrics.ts";
import { formatMarkdown } from "../lib/deno_fmt.ts";

const BEGIN = "<!-- metrics: written by `deno task figures` -->";
const END = "<!-- /metrics -->";

/** A row for each family. */
function table(): string {
  const rows = METRICS.map((family) => {
    const { kind, labels = [], help } = family;
    const name = `\`${sampleName(family)}\``;
    return `| ${name} | ${kind} | ${labels.map((label) => `\`${label}\``).join(", ")} | ${help} |`;
  });
  return ["| name | kind | label | meaning |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

/** The page with the present table in it. */
export function pageWithTable(page: string): string {
  const [before, rest] = page.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`The page has no ${BEGIN} … ${END}`);
  return formatMarkdown(`${before}${BEGIN}\n\n${table()}\n\n${END}${after}`);
}
