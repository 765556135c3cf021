/**
 * The lines of `spec/refusals.md`, by the rule that each names.
 * Knows the columns; refuses to know what they mean.
 * @module
 */
import { readFileSync } from "node:fs";
import { pathOf } from "./tree.ts";

/** One refusal. */
export interface RefusalRow {
  /** The heading: a packet, or what else happens. */
  readonly on: string;
  readonly when: string;
  /** What Clients of 5.0, 3.1.1 and 3.1 see. */
  readonly answers: readonly string[];
}

/** All of them. */
export function refusalRows(
  text: string = readFileSync(pathOf("spec/refusals.md"), "utf8"),
): ReadonlyMap<string, readonly RefusalRow[]> {
  const rows = new Map<string, RefusalRow[]>();
  let on = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("## ")) on = line.slice("## ".length);
    const cells = line.split("|").slice(1, -1).map((cell) => cell.trim());
    if (cells.length !== 5) continue;
    const [when = "", rules = "", ...answers] = cells;
    for (const [, rule = ""] of rules.matchAll(/`([^`]+)`/g)) {
      rows.set(rule, [...rows.get(rule) ?? [], { on, when, answers }]);
    }
  }
  return rows;
}
