/**
 * What the guard's processes tell, and what a ratio must be.
 * Knows the judgement; refuses to know processes and sockets.
 * @module
 */
import { median, most } from "../statistics.ts";
import { least } from "../statistics.ts";

/** The loads, by name. */
export const SCENARIOS = ["pairs QoS 0", "fan-out QoS 0", "pairs QoS 1", "pairs QoS 2"] as const;
/** One of them. */
export type Scenario = typeof SCENARIOS[number];

/** `ratios.json`: by runtime and scenario, the broker's CPU time as a multiple of the baseline's. */
export type Ratios = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** CPU time for each message in two runs, one after the other. */
export interface Pair {
  readonly brokerNs: number;
  readonly baselineNs: number;
}

/** What the pairs of one scenario say. */
export interface Measured {
  readonly scenario: Scenario;
  readonly brokerNs: number;
  readonly baselineNs: number;
  /** The median of the pairs' ratios. */
  readonly ratio: number;
  /** The least and the most of them. */
  readonly from: number;
  readonly to: number;
}

/** A ratio may be this much of what it was. */
export const WORSE_MAX = 1.25;
/** Below this it is so much better that it should be written down anew, or a later loss is not seen. */
export const BETTER = 0.8;

/** Puts pairs together. */
export function measuredOf(scenario: Scenario, pairs: readonly Pair[]): Measured {
  const ratios = pairs.map(({ brokerNs, baselineNs }) => brokerNs / baselineNs);
  return {
    scenario,
    brokerNs: median(pairs.map(({ brokerNs }) => brokerNs)),
    baselineNs: median(pairs.map(({ baselineNs }) => baselineNs)),
    ratio: median(ratios),
    from: least(ratios),
    to: most(ratios),
  };
}

/** How a ratio stands to the one that is written down. */
export type Verdict = "ok" | "better" | "worse" | "unknown";

/** Judges one ratio; `unknown` if none is written down. */
export function judge(ratio: number, written: number | undefined): Verdict {
  if (written === undefined || !(ratio > 0)) return "unknown";
  const change = ratio / written;
  return change > WORSE_MAX ? "worse" : change < BETTER ? "better" : "ok";
}

/** What a child writes, one JSON a line: where it listens, then its CPU time so far whenever it is asked. */
export type GuardLine = { readonly port: number } | { readonly cpuUs: number };
