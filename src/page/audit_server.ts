/**
 * The audit of a Server by a page: the auditor over the browser's WebSocket, or whatever else dials.
 * Knows which cases a page can carry out; refuses to know what a case does, and how results are shown.
 * @module
 */
import { textAt } from "../../conformance/case.ts";
import { settle } from "../../conformance/options.ts";
import type { CaseResult, LevelReport } from "../../conformance/result.ts";
import { SERVER_CASES } from "../../conformance/server/cases/mod.ts";
import type { Declared, Dial } from "../../conformance/server/profile.ts";
import { runServerCases } from "../../conformance/server/run_cases.ts";
import type { Level } from "../../conformance/wire/bytes.ts";
import { dialWebSocket } from "../client_api/web_socket.ts";

/** What is told on the way. */
export interface ServerAuditEvents {
  /** So many cases are to be run, at all levels. */
  planned(cases: number): void;
  told(result: CaseResult): void;
}

/** Why a page does not run a case for Servers; undefined if it does. */
export function whyNotInPage({ needs = [] }: { readonly needs?: readonly string[] }): string | undefined {
  return needs.includes("websocket")
    ? "A page cannot form WebSocket frames itself: plumb audit ws://HOST does, from a terminal"
    : undefined;
}

/** What a result is called. */
export function nameOf(id: string, level: Level): string {
  return `${id}, level ${level}`;
}

/** What the auditor did, and what had to come of it. */
export function wordsOf({ case: { does, requires }, level }: CaseResult): string {
  return `${textAt(does, level)} ${textAt(requires, level)}`;
}

/** Chromium puts connections off by up to 5 s, twice as long for each one that is not open yet, and by seconds where there are a dozen. */
const AT_ONCE = 6;

/** How a Server is audited. */
export interface ServerAudit {
  readonly dial: Dial;
  readonly levels?: readonly Level[];
  readonly declared?: Declared;
  readonly patienceMs?: number;
  readonly atOnce?: number;
  /** Only these, by the names of their results; default: all that a page can run. */
  readonly only?: ReadonlySet<string>;
}

/** Audits a Server; gives what was found, level by level. */
export async function auditServer(
  { dial, levels = [5, 4], declared = {}, patienceMs = 15_000, atOnce = AT_ONCE, only }: ServerAudit,
  { planned, told }: ServerAuditEvents,
): Promise<LevelReport[]> {
  const cases = SERVER_CASES.filter((one) => whyNotInPage(one) === undefined && one.timing !== true);
  const of = (level: Level) =>
    cases.filter(({ id, levels }) => levels.includes(level) && (only?.has(nameOf(id, level)) ?? true));
  planned(levels.reduce((sum, level) => sum + of(level).length, 0));
  const found: LevelReport[] = [];
  for (const level of levels) {
    const { run } = settle(of(level), { levels: [level], patienceMs, atOnce });
    const options = {
      ...run(level),
      progress: (_: number, __: number, last: CaseResult) => told(last),
    };
    const report = await runServerCases({ ...options, dial, declared });
    const { unreachable, stopped } = report;
    if (unreachable !== undefined) throw new Error(`At level ${level}: ${unreachable}`);
    if (stopped !== undefined) throw new Error(`At level ${level}: ${stopped}`);
    found.push(report);
  }
  return found;
}

/** Dials a broker by WebSocket, until `signal` ends the audit. */
export function webSocketDial(url: string, signal: AbortSignal): Dial {
  return () => {
    signal.throwIfAborted();
    return dialWebSocket(new URL(url), { tls: {}, signal });
  };
}
