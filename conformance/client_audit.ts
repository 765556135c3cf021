/**
 * Runs the cases for Clients, one Client for each, and gives a verdict for each statement.
 * Knows how to run and to count; refuses to know what a case does and how a Client is started.
 * @module
 */
import { type CaseResult, type LevelReport, statementResults, withinTime } from "./audit.ts";
import { type Level, TYPE } from "./bytes.ts";
import type { Case, ClientCase } from "./case.ts";
import { ClientTrial } from "./client_trial.ts";
import type { Driver } from "./drivers/driver.ts";
import type { UnreachableKind } from "./profile.ts";
import { Finding, type Verdict } from "./verdict.ts";

/** How to run. */
export interface ClientRunOptions {
  readonly driver: Driver;
  readonly levels: readonly Level[];
  readonly cases: readonly ClientCase[];
  readonly timing: boolean;
  /** How long an answer may take in ms. */
  readonly patienceMs: number;
  /** Clients that run at the same time. */
  readonly atOnce: number;
  readonly now: () => number;
  /** Distinguishes this audit's names; letters and digits. */
  readonly run: string;
  readonly progress?: (done: number, all: number, last: CaseResult) => void;
}

/** What a case may take beside the time that its Client has to connect. */
const CASE_SLACK_MS = 30_000;

/** Runs the cases at each level. */
export async function runClientCases(options: ClientRunOptions): Promise<LevelReport[]> {
  const reports: LevelReport[] = [];
  for (const level of options.levels) reports.push(await runLevel(options, level));
  return reports;
}

async function runLevel(options: ClientRunOptions, level: Level): Promise<LevelReport> {
  const { cases, timing, driver, atOnce, progress } = options;
  const all = cases.filter((one) => one.levels.includes(level) && (timing || one.timing !== true));
  // A person that starts Clients by hand is not asked for one more than the cases need.
  const found = driver.port === 0 ? await probe(options, level) : undefined;
  const results: CaseResult[] = [];
  const add = (result: CaseResult) => {
    results.push(result);
    progress?.(results.length, all.length, result);
  };
  if (found !== undefined) {
    const verdict = found.kind === "level" ? "unsupported" : "inconclusive";
    for (const one of all) add(notRun(one, level, verdict, found.reason));
  } else {
    const queue = [...all].sort((a, b) => Number(b.timing ?? false) - Number(a.timing ?? false));
    const waiting = queue.filter((one) => one.timing === true).length;
    let next = 0;
    const worker = async () => {
      while (next < queue.length) {
        const index = next++;
        add(await runCase(options, queue[index]!, level, index));
      }
    };
    const workers = driver.port === 0 ? Math.min(queue.length, atOnce + waiting) : 1;
    await Promise.all(Array.from({ length: workers }, worker));
    const order = new Map<Case, number>(all.map((one, index) => [one, index]));
    results.sort((a, b) => order.get(a.case)! - order.get(b.case)!);
  }
  return {
    level,
    unreachable: found?.reason,
    unreachableKind: found?.kind,
    stopped: undefined,
    profile: undefined,
    results,
    statements: statementResults(results, level),
  };
}

interface Absence {
  readonly kind: UnreachableKind;
  readonly reason: string;
}

/** Starts the Client once; says why it cannot be audited at this level, or undefined. */
async function probe(options: ClientRunOptions, level: Level): Promise<Absence | undefined> {
  const { driver, patienceMs, now } = options;
  const trial = new ClientTrial({ level, driver, unique: `${options.run}${level}p`, patienceMs, now });
  try {
    // What a command does it does; no order of ours is needed for that.
    await trial.start();
    const peer = await trial.accept();
    const words = trial.words === "" ? "" : `: ${trial.words}`;
    if (peer === undefined) return { kind: "host", reason: `The Client does not connect${words}` };
    const first = await peer.next();
    if (first === undefined) {
      return { kind: "silent", reason: `The Client sends nothing within ${patienceMs} ms` };
    }
    if (first.type === "end") return { kind: "silent", reason: `The Client ends the connection${words}` };
    if (first.type !== TYPE.CONNECT) return undefined; // For the cases to say.
    const { version } = first.connect!;
    return version === level
      ? undefined
      : { kind: "level", reason: `The Client speaks level ${version}, not level ${level}` };
  } catch (error) {
    if (!(error instanceof Finding)) throw error;
    return { kind: error.verdict === "unsupported" ? "level" : "silent", reason: error.message };
  } finally {
    await trial.cleanUp();
  }
}

function notRun(one: ClientCase, level: Level, verdict: Verdict, reason: string): CaseResult {
  return { case: one, level, verdict, reason, endings: [], transcript: [], ms: 0 };
}

async function runCase(
  options: ClientRunOptions,
  one: ClientCase,
  level: Level,
  index: number,
): Promise<CaseResult> {
  const { driver, patienceMs, now } = options;
  const unique = `${options.run}${level}${index.toString(36)}`;
  const trial = new ClientTrial({ level, driver, unique, patienceMs, now });
  let verdict: Verdict = "pass";
  let reason = "";
  try {
    const limitMs = driver.connectMs + patienceMs + CASE_SLACK_MS;
    const late = () => new Finding("inconclusive", `The case was given up after ${limitMs} ms`);
    await withinTime(one.run(trial), limitMs, late);
    const { broken } = trial;
    if (broken !== undefined) {
      throw new Finding("lenient", `The Client does what it must only by breaking down: ${broken}`);
    }
  } catch (error) {
    verdict = error instanceof Finding ? error.verdict : "inconclusive";
    reason = error instanceof Finding
      ? error.message
      : `The case itself is broken: ${error instanceof Error ? error.stack : error}`;
  }
  const ms = Math.round(trial.elapsedMs);
  const { endings } = trial;
  const transcript = [...trial.transcript]; // cleaning up is not part of the case
  await trial.cleanUp();
  return { case: one, level, verdict, reason, endings, transcript, ms };
}
