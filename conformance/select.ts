/**
 * Which cases `--only` means: a case, a statement or a section.
 * Knows ids; refuses to know what the cases do.
 * @module
 */
import { STATEMENTS } from "../spec/statements.ts";
import { UNNUMBERED } from "../spec/unnumbered.ts";
import type { Level } from "./wire/bytes.ts";
import { type Case, type RuleId, statementsAt } from "./case.ts";
import { coverageAt } from "./coverage.ts";
import { AuditCallError } from "./call_error.ts";

/**
 * The cases that one of `only` names, at these levels; all if nothing is named.
 * @throws {AuditCallError} for what names nothing, or nothing that has a case.
 */
export function selectCases<T extends Case>(
  all: readonly T[],
  only: readonly string[],
  levels: readonly Level[],
): T[] {
  const atLevels = all.filter((one) => one.levels.some((level) => levels.includes(level)));
  if (only.length === 0) return atLevels;
  const chosen = new Set<T>();
  for (const name of only) {
    const named = atLevels.filter((one) => names(name, one, levels));
    if (named.length === 0) throw new AuditCallError(whyNothing(name, all, levels));
    for (const one of named) chosen.add(one);
  }
  return atLevels.filter((one) => chosen.has(one));
}

function names(name: string, one: Case, levels: readonly Level[]): boolean {
  if (one.id === name) return true;
  if (/^\d+(\.\d+)*$/.test(name)) return within(one.id.replace(/^client\//, "").split("/")[0]!, name);
  return levels.some((level) =>
    one.levels.includes(level) && statementsAt(one, level).includes(name as RuleId)
  );
}

/** Whether `3.3.2.1` is in `3.3`. */
function within(section: string, outer: string): boolean {
  return section === outer || section.startsWith(`${outer}.`);
}

function whyNothing(name: string, all: readonly Case[], levels: readonly Level[]): string {
  const at = levels.map((level) => `level ${level}`).join(" and ");
  if (all.some((one) => names(name, one, [4, 5]))) return `--only ${name}: nothing of it runs at ${at}`;
  if (name in STATEMENTS) {
    const level = STATEMENTS[name as keyof typeof STATEMENTS].version === "5.0" ? 5 : 4;
    const { codec, waiver } = coverageAt(level, all).find(({ id }) => id === name)!;
    return `--only ${name}: ${waiver ?? (codec ? "only the codec's own tests show it" : "no case shows it")}`;
  }
  if (name in UNNUMBERED) return `--only ${name}: no case shows it`;
  if (/^\d+(\.\d+)*$/.test(name)) return `--only ${name}: no case belongs to section ${name}`;
  const known = [...all.map(({ id }) => id), ...Object.keys(STATEMENTS)];
  const meant = nearest(name, known);
  const advice = meant === undefined ? "--list names what there is" : `did you mean ${meant}?`;
  return `--only ${JSON.stringify(name)} is no case, no statement and no section; ${advice}`;
}

/** The id that begins like it, if more than half of it is right. */
function nearest(name: string, ids: readonly string[]): string | undefined {
  let best: string | undefined;
  let most = name.length / 2;
  for (const id of ids) {
    let common = 0;
    while (common < id.length && id[common]?.toLowerCase() === name[common]?.toLowerCase()) common++;
    const score = common - Math.abs(id.length - name.length) / 100;
    if (score > most) [best, most] = [id, score];
  }
  return best;
}
