/**
 * What the auditor covers, counted: how many statements of each version have a case, a test of the codec, or a reason why not.
 * Knows coverage; refuses to know any target.
 * @module
 */
import { STATEMENTS } from "../spec/statements.ts";
import { WAIVERS } from "../spec/waivers.ts";
import type { Level } from "./wire/bytes.ts";
import type { Case } from "./case.ts";
import { type Coverage, coverageAt, VERSION_OF } from "./coverage.ts";

/** The coverage of one version. A statement may be counted in more than one of the first three. */
export interface CoverageCount {
  readonly version: "3.1.1" | "5.0";
  readonly statements: number;
  /** A case for Servers shows it. */
  readonly serverCase: number;
  /** A case for Clients shows it. */
  readonly clientCase: number;
  /** A test of our codec shows it. */
  readonly codec: number;
  /** One of the three does. */
  readonly covered: number;
  /** None does, for a reason. */
  readonly waived: readonly { readonly id: string; readonly reason: string }[];
  /** None does. */
  readonly open: readonly { readonly id: string; readonly binds: string }[];
  readonly serverCases: number;
  readonly clientCases: number;
}

/** Counts one version. */
export function countCoverage(level: Level, cases: readonly Case[]): CoverageCount {
  const all = coverageAt(level, cases);
  const count = (test: (one: Coverage) => boolean) => all.filter(test).length;
  const isCovered = ({ serverCases, clientCases, codec }: Coverage) =>
    codec || serverCases.length + clientCases.length > 0;
  const rest = all.filter((one) => !isCovered(one));
  const ofRole = (role: Case["role"]) =>
    cases.filter((one) => one.role === role && one.levels.includes(level)).length;
  return {
    version: VERSION_OF[level],
    statements: all.length,
    serverCase: count(({ serverCases }) => serverCases.length > 0),
    clientCase: count(({ clientCases }) => clientCases.length > 0),
    codec: count(({ codec }) => codec),
    covered: count(isCovered),
    waived: rest.filter(({ waiver }) => waiver !== undefined).map(({ id, waiver }) => ({
      id,
      reason: WAIVERS[id] ?? waiver!,
    })),
    open: rest.filter(({ waiver }) => waiver === undefined).map(({ id }) => ({
      id,
      binds: STATEMENTS[id].binds,
    })),
    serverCases: ofRole("server"),
    clientCases: ofRole("client"),
  };
}

/** The same in words; ends with a line break. */
export function coverageText(count: CoverageCount): string {
  const { version, statements, serverCase, clientCase, codec, covered, waived, open } = count;
  const row = (number: number, what: string) => `${String(number).padStart(5)}  ${what}`;
  const lines = [
    `MQTT ${version}`,
    row(statements, "statements"),
    row(serverCase, `with a case for Servers (${count.serverCases} cases)`),
    row(clientCase, `with a case for Clients (${count.clientCases} cases)`),
    row(codec, "with a test of the codec"),
    row(covered, "with at least one of these"),
    row(waived.length, "waived"),
    ...waived.map(({ id, reason }) => `         ${id}: ${reason}`),
    row(open.length, "open"),
    ...open.map(({ id, binds }) => `         ${id} (binds ${binds})`),
  ];
  return `${lines.join("\n")}\n`;
}
