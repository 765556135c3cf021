/**
 * How each statement and duty is looked after: by cases for Servers or Clients, by the codec's tests, or why by none.
 * Knows what there is; refuses to know what an audit has found.
 * @module
 */
import { CODEC_TESTED } from "../spec/codec_tested.ts";
import { EQUIVALENTS, type Statement311 } from "../spec/equivalents.ts";
import { type StatementId, STATEMENTS } from "../spec/statements.ts";
import { WAIVERS } from "../spec/waivers.ts";
import type { Level } from "./wire/bytes.ts";
import { type Case, type RuleId, statementsAt } from "./case.ts";

/** What looks after one statement. */
export interface Coverage {
  readonly id: StatementId;
  readonly serverCases: readonly string[];
  readonly clientCases: readonly string[];
  /** A test of the codec shows it, or one of the 5.0 statements with the same duty. */
  readonly codec: boolean;
  /** Why none does. */
  readonly waiver: string | undefined;
}

/** The versions of the standard by level. */
export const VERSION_OF: Readonly<Record<Level, "3.1.1" | "5.0">> = { 4: "3.1.1", 5: "5.0" };

/** The statements of one version, in its order. */
export function statementsOf(level: Level): StatementId[] {
  return (Object.keys(STATEMENTS) as StatementId[]).filter((id) =>
    STATEMENTS[id].version === VERSION_OF[level]
  );
}

/** What looks after each statement of that version. */
export function coverageAt(level: Level, cases: readonly Case[]): Coverage[] {
  const byRule = new Map<RuleId, Case[]>();
  for (const one of cases) {
    if (!one.levels.includes(level)) continue;
    for (const id of statementsAt(one, level)) byRule.set(id, [...byRule.get(id) ?? [], one]);
  }
  return statementsOf(level).map((id) => {
    const ids = (role: Case["role"]) =>
      (byRule.get(id) ?? []).filter((one) => one.role === role).map((one) => one.id);
    return {
      id,
      serverCases: ids("server"),
      clientCases: ids("client"),
      codec: inCodec(id),
      waiver: waiverOf(id),
    };
  });
}

function inCodec(id: StatementId): boolean {
  const equivalents = EQUIVALENTS[id as Statement311];
  return CODEC_TESTED.has(id) || (equivalents?.every((one) => CODEC_TESTED.has(one)) ?? false);
}

function waiverOf(id: StatementId): string | undefined {
  const own = WAIVERS[id];
  if (own !== undefined) return own;
  const others = EQUIVALENTS[id as Statement311]?.map((one) => WAIVERS[one as StatementId]);
  return others?.every((one) => one !== undefined) ? others[0] : undefined;
}
