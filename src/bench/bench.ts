/**
 * A measurement: scenarios one after the other, rounds, and in each round every target in turn.
 * Knows the order; refuses to know command lines and how figures are shown.
 * @module
 */
import { Crew, type Phase, RunError, type Side } from "./threads.ts";
import type { Plan } from "./plan.ts";
import { type BenchReport, FORMAT_VERSION, type Round, scenarioReport } from "./report.ts";

/** Options of a measurement. */
export interface BenchOptions {
  readonly plans: readonly Plan[];
  /** One Server, or two that are compared. */
  readonly sides: readonly Side[];
  readonly rounds: number;
  readonly threads: number;
  readonly version: string;
  /** As `Deno 2.9.6`. */
  readonly runtime: string;
  readonly progress?: (progress: Progress) => void;
}

/** The progress of a measurement. */
export interface Progress {
  /** Runs that are over, and all there are. */
  readonly done: number;
  readonly all: number;
  readonly plan: Plan;
  readonly side: number;
  readonly phase: Phase;
}

/** Does it. A run that fails is told of in the report, and the others go on. */
export async function bench(options: BenchOptions): Promise<BenchReport> {
  const { plans, sides, rounds, threads, version, runtime, progress } = options;
  const date = new Date().toISOString();
  const crew = new Crew(threads);
  const all = plans.length * rounds * sides.length;
  let done = 0;
  const scenarios: BenchReport["scenarios"][number][] = [];
  try {
    for (const plan of plans) {
      const found: Round[][] = sides.map(() => []);
      for (let round = 0; round < rounds; round++) {
        for (const [i, side] of sides.entries()) {
          const entered = (phase: Phase) => progress?.({ done, all, plan, side: i, phase });
          found[i]!.push(await attempt(crew, plan, side, entered));
          done++;
        }
      }
      scenarios.push(scenarioReport(plan, found));
    }
  } finally {
    await crew.close();
  }
  return {
    format: "plumb-bench",
    formatVersion: FORMAT_VERSION,
    date,
    generator: { name: "plumb", version, runtime, threads },
    targets: sides.map(({ target }) => target.url),
    rounds,
    scenarios,
  };
}

async function attempt(crew: Crew, plan: Plan, side: Side, entered: (phase: Phase) => void): Promise<Round> {
  try {
    return await crew.run(plan, side, entered);
  } catch (error) {
    if (!(error instanceof RunError)) throw error;
    return error;
  }
}
