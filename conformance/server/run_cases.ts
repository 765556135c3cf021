/**
 * Runs the cases for Servers at one level, several connections at a time, and stops when the target no longer answers.
 * Knows how to find out whether a target lives; refuses to know what a case does and how a report looks.
 * @module
 */
import type { ServerCase } from "../case.ts";
import {
  casesToRun,
  notRun,
  runCase,
  type RunOptions,
  runSideBySide,
  withinTime,
  workersFor,
} from "../case_run.ts";
import { type CaseResult, type LevelReport, statementResults } from "../result.ts";
import { whyUnsupported } from "../capability.ts";
import { type Declared, type Dial, isAlive, probe, type Profile, Unreachable } from "./profile.ts";
import type { OverWebSocket } from "./over_websocket.ts";
import { lenientByOption } from "./tolerated.ts";
import { Trial } from "./trial.ts";

/** How to run. */
export interface ServerRunOptions extends RunOptions<ServerCase> {
  readonly dial: Dial;
  /** Given if `dial` goes over WebSocket. */
  readonly webSocket?: OverWebSocket | undefined;
  readonly declared: Declared;
}

/** A case may take this much longer than its patience before it is given up, and this much if it waits on purpose. */
const CASE_SLACK_MS = 30_000;
const TIMING_SLACK_MS = 150_000;
/** So many cases in a row without an answer, and it is asked whether the target still lives. */
const SILENT_CASES = 8;
/** So often it may live and yet not answer before it is left alone. */
const SILENT_ROUNDS = 3;

/** Runs the cases; none if the target cannot be audited at this level, and the report says why. */
export async function runServerCases(options: ServerRunOptions): Promise<LevelReport> {
  const { level, declared, patienceMs } = options;
  const all = casesToRun(options);
  const dial = patientDial(options.dial, patienceMs);
  let profile: Profile;
  try {
    profile = await probe(dial, level, declared, patienceMs, options.webSocket !== undefined);
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
  const { results, stopped } = await new Run({ ...options, dial }, profile, all).toTheEnd();
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
  readonly #options: ServerRunOptions;
  readonly #profile: Profile;
  readonly #all: readonly ServerCase[];
  #done = 0;
  /** Cases in a row that heard nothing, and how often that has made us ask whether the target lives. */
  #silent = 0;
  #rounds = 0;
  #asking: Promise<void> | undefined;
  #stopped: string | undefined;

  constructor(options: ServerRunOptions, profile: Profile, all: readonly ServerCase[]) {
    this.#options = options;
    this.#profile = profile;
    this.#all = all;
  }

  async toTheEnd(): Promise<{ readonly results: CaseResult[]; readonly stopped: string | undefined }> {
    const results = await runSideBySide(
      this.#all,
      workersFor(this.#all, this.#options.atOnce),
      (one, index) => this.#result(one, index),
      (result) => this.#add(result),
    );
    return { results, stopped: this.#stopped };
  }

  #add(result: CaseResult): Promise<void> | undefined {
    this.#options.progress?.(++this.#done, this.#all.length, result);
    return this.#asking;
  }

  async #result(one: ServerCase, index: number): Promise<CaseResult> {
    const { level } = this.#options;
    if (this.#stopped !== undefined) return notRun(one, level, "inconclusive", this.#stopped);
    const missing = one.needs?.find((capability) => this.#profile.missing.has(capability));
    if (missing !== undefined) {
      return notRun(one, level, "unsupported", whyUnsupported(missing));
    }
    const { result, heard } = await tryCase(this.#options, one, this.#profile, index);
    if (heard) this.#silent = this.#rounds = 0;
    else if (++this.#silent >= SILENT_CASES) this.#asking ??= this.#ask();
    return result;
  }

  async #ask(): Promise<void> {
    const { dial, level, declared, patienceMs } = this.#options;
    const alive = await isAlive(dial, level, declared, patienceMs);
    if (!alive) this.#stopped = "The target no longer answers; the rest was not run";
    else if (++this.#rounds >= SILENT_ROUNDS) {
      this.#stopped = `The target left ${SILENT_ROUNDS * SILENT_CASES} cases in a row without an answer; ` +
        "the rest was not run";
    }
    this.#silent = 0;
    this.#asking = undefined;
  }
}

/** `heard` is false when the case came to no good end because nothing came. */
async function tryCase(
  { dial, webSocket, level, declared, patienceMs, now, run }: ServerRunOptions,
  one: ServerCase,
  profile: Profile,
  index: number,
): Promise<{ readonly result: CaseResult; readonly heard: boolean }> {
  const unique = `${run}${level}${index.toString(36)}`;
  const trial = new Trial({ level, dial, webSocket, profile, unique, patienceMs, now });
  const limitMs = patienceMs + (one.timing === true ? TIMING_SLACK_MS : CASE_SLACK_MS);
  const { result: found, givenUp } = await runCase(one, level, trial, limitMs, () => one.run(trial));
  const result = lenientByOption(found, declared.tolerates ?? []);
  const received = result.transcript.some(({ direction }) => direction === "received");
  const heard = result.verdict === "pass" || (received && trial.silences === 0 && !givenUp);
  await trial.cleanUp();
  return { result, heard };
}
