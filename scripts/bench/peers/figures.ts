/**
 * What the runs of one scenario say of each broker: medians, and ratios to the first broker round by round.
 * Knows the reports of `plumb bench`; refuses to know processes and tables.
 * @module
 */
import {
  type BenchReport,
  BUSY_MAX,
  type SideReport,
  type Spread,
  spreadOf,
  troublesOf,
} from "../../../src/bench/report.ts";
import type { Kind } from "./scenarios.ts";

/** One broker in one round. */
export interface Run {
  /** Messages delivered, or connections made, each second. */
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Messages that were due at the rate and never published. */
  readonly overdue: number;
  /** CPU time of the broker for each message or connection; absent where the system does not tell. */
  readonly cpuUs?: number;
  /** KiB that the broker has become larger by, for each connection. */
  readonly kib?: number;
  /** What the busiest thread of the load wanted of its core, and the broker had of its own: 0 to 1. */
  readonly loadBusy: number;
  readonly brokerBusy?: number;
}

/** A run that says nothing, and why. One line. */
export interface Failed {
  readonly failed: string;
}

/** All rounds of one broker. */
export interface Summary {
  readonly broker: string;
  /** Absent if no run came to its end. */
  readonly perSecond?: Spread;
  /** To the first broker, whatever the row is about: of 2 it does twice as much, or has twice the latency or memory. */
  readonly ratio?: Spread;
  readonly cpuUs?: Spread;
  readonly p50Us?: Spread;
  readonly p99Us?: Spread;
  readonly kib?: Spread;
  readonly overdue: number;
  /** Of its core, what it had; absent where the system does not tell. */
  readonly brokerBusy?: Spread;
  /** What the load wanted of its core. */
  readonly loadBusy?: Spread;
  /** The broker had time to spare, since it waited for the load or for its core: it can do more than `perSecond`. */
  readonly isAtLeast: boolean;
  readonly failures: readonly string[];
  readonly runs: readonly (Run | Failed)[];
}

/** Reads what `plumb bench --json` has written about one run; what is lost or out of order makes it a failure. */
export function runOf(text: string): Run | Failed {
  let side: SideReport | undefined;
  try {
    side = (JSON.parse(text) as BenchReport).scenarios[0]?.sides[0];
  } catch { /* told below */ }
  if (side === undefined) return { failed: "the load has told nothing" };
  const troubles = troublesOf(side);
  if (troubles.length > 0) return { failed: troubles.join("; ") };
  const { perSecond, latency, overdue, cpuUsPerDone, rssKibPerConnection, busy, starved } = side;
  const perSecondMedian = perSecond?.median ?? 0;
  return {
    perSecond: perSecondMedian,
    p50Us: latency.p50,
    p99Us: latency.p99,
    overdue,
    loadBusy: busy + starved,
    ...cpuUsPerDone && {
      cpuUs: cpuUsPerDone.median,
      brokerBusy: cpuUsPerDone.median * perSecondMedian / 1e6,
    },
    ...rssKibPerConnection && { kib: rssKibPerConnection.median },
  };
}

/** Puts the rounds of one broker together; `first`: those of the broker that it is compared with. */
export function summaryOf(
  broker: string,
  kind: Kind,
  runs: readonly (Run | Failed)[],
  first: readonly (Run | Failed)[] | undefined,
): Summary {
  const done = runs.filter(isRun);
  const spread = (of: (run: Run) => number | undefined) =>
    spreadOf(done.map(of).filter((value) => value !== undefined));
  const figure = (run: Run | Failed | undefined): number =>
    run === undefined || !isRun(run) ? NaN : FIGURES[kind](run) ?? NaN;
  const ratio = spreadOf(runs.map((run, i) => figure(run) / figure(first?.[i])).filter(Number.isFinite));
  const brokerBusy = spread((run) => run.brokerBusy);
  const loadBusy = spread((run) => run.loadBusy);
  const all = {
    brokerBusy,
    loadBusy,
    perSecond: spread((run) => run.perSecond),
    ratio,
    cpuUs: spread((run) => run.cpuUs),
    p50Us: spread((run) => run.p50Us),
    p99Us: spread((run) => run.p99Us),
    kib: spread((run) => run.kib),
  };
  return {
    broker,
    ...Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)),
    overdue: done.reduce((sum, run) => sum + run.overdue, 0),
    isAtLeast: brokerBusy === undefined ? (loadBusy?.median ?? 0) > BUSY_MAX : brokerBusy.median <= BUSY_MAX,
    failures: [...new Set(runs.filter((run) => !isRun(run)).map((run) => (run as Failed).failed))],
    runs,
  };
}

const FIGURES: Readonly<Record<Kind, (run: Run) => number | undefined>> = {
  messages: (run) => run.perSecond,
  connections: (run) => run.perSecond,
  latency: (run) => run.p50Us,
  memory: (run) => run.kib,
};

function isRun(run: Run | Failed): run is Run {
  return !("failed" in run);
}
