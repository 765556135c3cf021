/**
 * Runs cases side by side and turns what they find into a verdict for each statement.
 * Knows how to run and to count; refuses to know what a case does and how a report looks.
 * @module
 */
import { type StatementId, STATEMENTS } from "../spec/statements.ts";
import type { Level } from "./bytes.ts";
import { type Case, type RuleId, type ServerCase, statementsAt } from "./case.ts";
import type { Transcript } from "./peer.ts";
import { type Declared, isAlive, probe, type Profile, Unreachable, type UnreachableKind } from "./profile.ts";
import { type Dial, Trial } from "./trial.ts";
import { type Ending, Finding, type Verdict, WORST_FIRST } from "./verdict.ts";

/** What one case found at one level. */
export interface CaseResult {
  readonly case: Case;
  readonly level: Level;
  readonly verdict: Verdict;
  /** Why it is not `pass`; empty if it is. */
  readonly reason: string;
  /** How the target ended the connections that it had to end. */
  readonly endings: readonly Ending[];
  readonly transcript: Transcript;
  readonly ms: number;
}

/** What all cases of a statement found together. */
export interface StatementResult {
  readonly id: RuleId;
  readonly verdict: Verdict;
  readonly results: readonly CaseResult[];
}

/** One audit of one target at one level. */
export interface LevelReport {
  readonly level: Level;
  /** Why nothing could be run at this level; undefined if it could. */
  readonly unreachable: string | undefined;
  readonly unreachableKind: UnreachableKind | undefined;
  /** Why the rest was not run; undefined if all was. */
  readonly stopped: string | undefined;
  readonly profile: Profile | undefined;
  readonly results: readonly CaseResult[];
  readonly statements: readonly StatementResult[];
}

/** How to run. */
export interface AuditOptions {
  readonly dial: Dial;
  readonly levels: readonly Level[];
  readonly cases: readonly ServerCase[];
  readonly timing: boolean;
  readonly declared: Declared;
  /** How long an answer may take in ms. */
  readonly patienceMs: number;
  /** Cases that run at the same time. */
  readonly atOnce: number;
  readonly now: () => number;
  /** Distinguishes this audit's names from others' on the same target; letters and digits. */
  readonly run: string;
  readonly progress?: (done: number, all: number, last: CaseResult) => void;
}

/** A case may take this much longer than its patience before it is given up, and this much if it waits on purpose. */
const CASE_SLACK_MS = 30_000;
const TIMING_SLACK_MS = 150_000;
/** So many cases in a row without an answer, and it is asked whether the target still lives. */
const SILENT_CASES = 8;
/** So often it may live and yet not answer before it is left alone. */
const SILENT_ROUNDS = 3;

/** Runs the cases at each level. */
export async function audit(options: AuditOptions): Promise<LevelReport[]> {
  const reports: LevelReport[] = [];
  for (const level of options.levels) reports.push(await auditLevel(options, level));
  return reports;
}

async function auditLevel(options: AuditOptions, level: Level): Promise<LevelReport> {
  const all = options.cases.filter((one) =>
    one.levels.includes(level) && (options.timing || one.timing !== true)
  );
  const dial = patientDial(options.dial, options.patienceMs);
  let profile: Profile;
  try {
    profile = await probe(dial, level, options.declared, options.patienceMs);
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    const { message, kind } = error;
    const verdict = kind === "level" ? "unsupported" : "inconclusive";
    const results = all.map((one) => notRun(one, level, verdict, message));
    const statements = statementResults(results, level);
    return {
      level,
      unreachable: message,
      unreachableKind: kind,
      stopped: undefined,
      profile: undefined,
      results,
      statements,
    };
  }
  const { results, stopped } = await new Run({ ...options, dial }, level, profile, all).toTheEnd();
  const statements = statementResults(results, level);
  return { level, unreachable: undefined, unreachableKind: undefined, stopped, profile, results, statements };
}

/** A host that takes no notice of a connection is given up as one that does not answer. */
function patientDial(dial: Dial, patienceMs: number): Dial {
  return async () => {
    let late = false;
    const dialled = dial();
    dialled.then((transport) => late && transport.abort(), () => {});
    try {
      return await withinTime(dialled, patienceMs, () => new Error(`no connection within ${patienceMs} ms`));
    } catch (error) {
      late = true;
      throw error;
    }
  };
}

/** All cases at one level, several at a time. */
class Run {
  readonly #options: AuditOptions;
  readonly #level: Level;
  readonly #profile: Profile;
  readonly #all: readonly ServerCase[];
  readonly #results: CaseResult[] = [];
  /** Cases in a row that heard nothing, and how often that has made us ask whether the target lives. */
  #silent = 0;
  #rounds = 0;
  #asking: Promise<void> | undefined;
  #stopped: string | undefined;

  constructor(options: AuditOptions, level: Level, profile: Profile, all: readonly ServerCase[]) {
    this.#options = options;
    this.#level = level;
    this.#profile = profile;
    this.#all = all;
  }

  async toTheEnd(): Promise<{ readonly results: CaseResult[]; readonly stopped: string | undefined }> {
    // Cases that wait begin first, so that the others run while they wait.
    const queue = [...this.#all].sort((a, b) => Number(b.timing ?? false) - Number(a.timing ?? false));
    const waiting = queue.filter((one) => one.timing === true).length;
    let next = 0;
    const worker = async () => {
      while (next < queue.length) {
        const index = next++;
        this.#add(await this.#result(queue[index]!, index), queue.length);
        await this.#asking;
      }
    };
    const workers = Math.min(queue.length, this.#options.atOnce + waiting);
    await Promise.all(Array.from({ length: workers }, worker));
    const order = new Map<Case, number>(this.#all.map((one, index) => [one, index]));
    const results = this.#results.sort((a, b) => order.get(a.case)! - order.get(b.case)!);
    return { results, stopped: this.#stopped };
  }

  #add(result: CaseResult, all: number): void {
    this.#results.push(result);
    this.#options.progress?.(this.#results.length, all, result);
  }

  async #result(one: ServerCase, index: number): Promise<CaseResult> {
    const level = this.#level;
    if (this.#stopped !== undefined) return notRun(one, level, "inconclusive", this.#stopped);
    const missing = one.needs?.find((capability) => this.#profile.missing.has(capability));
    if (missing !== undefined) {
      return notRun(one, level, "unsupported", `The target does not offer: ${missing}`);
    }
    const { result, heard } = await runCase(this.#options, one, level, this.#profile, index);
    if (heard) this.#silent = this.#rounds = 0;
    else if (++this.#silent >= SILENT_CASES) this.#asking ??= this.#ask();
    return result;
  }

  async #ask(): Promise<void> {
    const { dial, declared, patienceMs } = this.#options;
    const alive = await isAlive(dial, this.#level, declared, patienceMs);
    if (!alive) this.#stopped = "The target no longer answers; the rest was not run";
    else if (++this.#rounds >= SILENT_ROUNDS) {
      this.#stopped = `The target left ${SILENT_ROUNDS * SILENT_CASES} cases in a row without an answer; ` +
        "the rest was not run";
    }
    this.#silent = 0;
    this.#asking = undefined;
  }
}

function notRun(one: ServerCase, level: Level, verdict: Verdict, reason: string): CaseResult {
  return { case: one, level, verdict, reason, endings: [], transcript: [], ms: 0 };
}

/** `heard` is false when the case came to no good end because nothing came. */
async function runCase(
  options: AuditOptions,
  one: ServerCase,
  level: Level,
  profile: Profile,
  index: number,
): Promise<{ readonly result: CaseResult; readonly heard: boolean }> {
  const { dial, patienceMs, now } = options;
  const unique = `${options.run}${level}${index.toString(36)}`;
  const trial = new Trial({ level, dial, profile, unique, patienceMs, now });
  let verdict: Verdict = "pass";
  let reason = "";
  let givenUp = false;
  try {
    const limitMs = patienceMs + (one.timing === true ? TIMING_SLACK_MS : CASE_SLACK_MS);
    await withinTime(one.run(trial), limitMs, () => {
      givenUp = true;
      return new Finding("inconclusive", `The case was given up after ${limitMs} ms`);
    });
  } catch (error) {
    verdict = error instanceof Finding ? error.verdict : "inconclusive";
    reason = error instanceof Finding
      ? error.message
      : `The case itself is broken: ${error instanceof Error ? error.stack : error}`;
  }
  const ms = Math.round(trial.elapsedMs);
  const received = trial.transcript.some(({ direction }) => direction === "received");
  const heard = verdict === "pass" || (received && trial.silences === 0 && !givenUp);
  const { endings } = trial;
  const transcript = [...trial.transcript]; // cleaning up is not part of the case
  await trial.cleanUp();
  return { result: { case: one, level, verdict, reason, endings, transcript, ms }, heard };
}

/** Resolves as `run` does, or rejects with what `late` gives after `ms`. */
export async function withinTime<T>(run: Promise<T>, ms: number, late: () => Error): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), ms);
  });
  try {
    return await Promise.race([run, over]);
  } finally {
    clearTimeout(timer);
  }
}

/** The verdict of each statement that a case has looked at: the worst of its cases. */
export function statementResults(results: readonly CaseResult[], level: Level): StatementResult[] {
  const byRule = new Map<RuleId, CaseResult[]>();
  for (const result of results) {
    for (const id of statementsAt(result.case, level)) byRule.set(id, [...byRule.get(id) ?? [], result]);
  }
  return [...byRule].map(([id, of]) => ({ id, verdict: worst(of), results: of }))
    .sort((a, b) => compareIds(a.id, b.id));
}

function worst(results: readonly CaseResult[]): Verdict {
  return WORST_FIRST.find((verdict) => results.some((result) => result.verdict === verdict)) ??
    "inconclusive";
}

/** Statements in the order of the standard, unnumbered duties behind them. */
export function compareIds(a: RuleId, b: RuleId): number {
  const order = Object.keys(STATEMENTS);
  const place = (id: RuleId) => id in STATEMENTS ? order.indexOf(id as StatementId) : order.length;
  return place(a) - place(b) || a.localeCompare(b, "en", { numeric: true });
}
