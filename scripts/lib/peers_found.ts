/**
 * What the auditor has found of several brokers, as `deno task audit:peers` keeps it.
 * Knows the file; refuses to know how it is found, and what follows from it.
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import type { AuditReport, StatementVerdict } from "../../conformance/mod.ts";
import { WORST_FIRST } from "../../conformance/verdict.ts";
import { pathOf } from "./tree.ts";

/** Where it is kept, seen from the root of the project. */
export const PEERS_FOUND = "scripts/trials/peers/found.json";

/** A case against the standard. */
export interface FoundFail {
  readonly id: string;
  readonly statements: readonly string[];
  readonly reason: string;
}

/** One broker at one level. */
export interface FoundLevel {
  readonly version: "5.0" | "3.1.1";
  /** Why nothing could be run. */
  readonly unreachable?: string;
  /** By statement or duty. */
  readonly verdicts: Readonly<Record<string, StatementVerdict>>;
  readonly fails: readonly FoundFail[];
  /** Ids of cases that found a SHOULD or a code other than the standard names. */
  readonly lenient: readonly string[];
}

/** One broker. */
export interface FoundBroker {
  /** With its version. */
  readonly product: string;
  /** The day of the audit. */
  readonly date: string;
  readonly levels: readonly FoundLevel[];
}

/** What was found last. */
export function peersFound(): readonly FoundBroker[] {
  return existsSync(pathOf(PEERS_FOUND)) ? JSON.parse(readFileSync(pathOf(PEERS_FOUND), "utf8")) : [];
}

/** What is kept of a report; of cases that were run once more, what was found then. */
export function foundIn({ product, date, levels }: AuditReport, again?: AuditReport): FoundBroker {
  return {
    product,
    date: date.slice(0, 10),
    levels: levels.map(({ version, unreachable, statements, cases }) => {
      if (unreachable !== undefined) {
        return { version, unreachable: unreachable.reason, verdicts: {}, fails: [], lenient: [] };
      }
      const later = again?.levels.find((one) => one.version === version)?.cases ?? [];
      const all = cases.map((one) => later.find(({ id }) => id === one.id) ?? one);
      const verdicts: Record<string, StatementVerdict> = {};
      for (const { id, verdict } of statements) {
        const own = all.filter((one) => one.statements.includes(id)).map((one) => one.verdict);
        verdicts[id] = later.some((one) => one.statements.includes(id))
          ? WORST_FIRST.find((one) => own.includes(one)) ?? verdict
          : verdict;
      }
      return {
        version,
        verdicts,
        fails: all.filter(({ verdict }) => verdict === "fail").map(({ id, statements, reason }) => ({
          id,
          statements,
          reason: withoutNames(reason),
        })),
        lenient: all.filter(({ verdict }) => verdict === "lenient").map(({ id }) => id),
      };
    }),
  };
}

/** Text in which no name of one run stands, nor the bytes of a payload. */
export function withoutNames(text: string): string {
  return text.replace(/plumb-audit\/[a-z0-9]+/g, "plumb-audit/RUN").replace(/\bpa[a-z0-9]{8,}/g, "CLIENT")
    .replace(/\p{Cc}+/gu, (found) => found.length > 1 ? "…" : " ").replace(/\s+/g, " ");
}

/** The file, a line for each broker. */
export function foundText(brokers: readonly FoundBroker[]): string {
  return `[\n${brokers.map((one) => JSON.stringify(one)).join(",\n")}\n]\n`;
}
