/**
 * What the guard's processes tell, and what a ratio must be.
 * Knows the judgement; refuses to know processes and sockets.
 * @module
 */
import { least, median, most } from "../statistics.ts";

/** The loads, by name. */
export const SCENARIOS = ["pairs QoS 0", "fan-out QoS 0", "pairs QoS 1", "pairs QoS 2"] as const;
/** One of them. */
export type Scenario = typeof SCENARIOS[number];

/** CPU time for each message in two runs, one after the other. */
export interface Pair {
  readonly nowNs: number;
  readonly beforeNs: number;
}

/** What the pairs of one scenario say. */
export interface Measured {
  readonly scenario: Scenario;
  readonly nowNs: number;
  readonly beforeNs: number;
  /** The median of the pairs' ratios. */
  readonly ratio: number;
  /** The least and the most of them. */
  readonly from: number;
  readonly to: number;
}

/** The broker may take so much of the CPU time that it took before. */
export const WORSE_MAX = 1.25;

/** Puts pairs together. */
export function measuredOf(scenario: Scenario, pairs: readonly Pair[]): Measured {
  const ratios = pairs.map(({ nowNs, beforeNs }) => nowNs / beforeNs);
  return {
    scenario,
    nowNs: median(pairs.map(({ nowNs }) => nowNs)),
    beforeNs: median(pairs.map(({ beforeNs }) => beforeNs)),
    ratio: median(ratios),
    from: least(ratios),
    to: most(ratios),
  };
}

/** How a ratio stands to what is allowed. */
export type Verdict = "ok" | "worse" | "unknown";

/** Judges one ratio; `unknown` if it is none. */
export function judge(ratio: number): Verdict {
  if (!(ratio > 0)) return "unknown";
  return ratio > WORSE_MAX ? "worse" : "ok";
}

/** What a child writes, one JSON a line: where it listens, then its CPU time so far whenever it is asked. */
export type GuardLine = { readonly port: number } | { readonly cpuUs: number };
