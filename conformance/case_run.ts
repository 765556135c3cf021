/**
 * Runs cases side by side, each to a verdict within its time.
 * Knows how to run and to count; refuses to know what a case does, and to what.
 * @module
 */
import type { Case } from "./case.ts";
import type { CaseResult } from "./result.ts";
import { type Ending, Finding, type Verdict } from "./verdict.ts";
import type { Level } from "./wire/bytes.ts";
import type { Transcript } from "./wire/peer.ts";

/** How to run the cases at one level. */
export interface RunOptions<C extends Case> {
  readonly level: Level;
  readonly cases: readonly C[];
  /** Runs the cases that wait on purpose too. */
  readonly timing: boolean;
  /** How long an answer may take in ms. */
  readonly patienceMs: number;
  /** Cases that run at the same time. */
  readonly atOnce: number;
  /** ms, any origin. */
  readonly now: () => number;
  /** Distinguishes this audit's names from others' on the same target; letters and digits. */
  readonly run: string;
  readonly progress?: (done: number, all: number, last: CaseResult) => void;
}

/** The cases that are to be run. */
export function casesToRun<C extends Case>({ cases, level, timing }: RunOptions<C>): C[] {
  return cases.filter((one) => one.levels.includes(level) && (timing || one.timing !== true));
}

/**
 * Gives the result of each case by `resultOf`, `workers` at a time, and tells it to `add`, which the next case waits for.
 * The results are in the order of `all`.
 */
export async function runSideBySide<C extends Case>(
  all: readonly C[],
  workers: number,
  resultOf: (one: C, index: number) => Promise<CaseResult>,
  add: (result: CaseResult) => void | Promise<void>,
): Promise<CaseResult[]> {
  // The cases that wait on purpose begin first, so that the others run meanwhile.
  const queue = [...all].sort((a, b) => Number(b.timing ?? false) - Number(a.timing ?? false));
  const results: CaseResult[] = [];
  let next = 0;
  const work = async () => {
    while (next < queue.length) {
      const index = next++;
      const result = await resultOf(queue[index]!, index);
      results.push(result);
      await add(result);
    }
  };
  await Promise.all(Array.from({ length: Math.min(queue.length, workers) }, work));
  const order = new Map<Case, number>(all.map((one, index) => [one, index]));
  return results.sort((a, b) => order.get(a.case)! - order.get(b.case)!);
}

/** How many cases run at the same time: a case that waits on purpose takes the place of no other. */
export function workersFor(all: readonly Case[], atOnce: number): number {
  return atOnce + all.filter((one) => one.timing === true).length;
}

/** What a trial of either role tells of itself. */
interface Evidence {
  readonly elapsedMs: number;
  readonly endings: readonly Ending[];
  readonly transcript: Transcript;
}

/** Runs one case by `run` within `limitMs`; cleaning up behind it is not part of the case. */
export async function runCase(
  one: Case,
  level: Level,
  trial: Evidence,
  limitMs: number,
  run: () => Promise<void>,
): Promise<{ readonly result: CaseResult; readonly givenUp: boolean }> {
  let verdict: Verdict = "pass";
  let reason = "";
  let givenUp = false;
  try {
    await withinTime(run(), limitMs, () => {
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
  const { endings } = trial;
  const transcript = [...trial.transcript];
  return { result: { case: one, level, verdict, reason, endings, transcript, ms }, givenUp };
}

/** The result of a case that was not run. */
export function notRun(one: Case, level: Level, verdict: Verdict, reason: string): CaseResult {
  return { case: one, level, verdict, reason, endings: [], transcript: [], ms: 0 };
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
