/**
 * The findings of a measurement as data: the source of tables and pictures, and the form that is kept.
 * Knows medians and ratios; refuses to know how they are shown.
 *
 * `formatVersion` changes when a field changes its meaning or goes; fields that are added do not change it.
 * @module
 */
import type { Result } from "./threads.ts";
import { Histogram } from "./histogram.ts";
import type { Plan } from "./plan.ts";

/** The version of the format that this module writes. */
export const FORMAT_VERSION = 1;

/** A thread of the load that has to work for more than this share of its time is what limits the figures. */
export const BUSY_MAX = 0.9;

/** A measurement of one Server, or of two in alternation. */
export interface BenchReport {
  readonly format: "plumb-bench";
  readonly formatVersion: number;
  /** When it began, as ISO 8601. */
  readonly date: string;
  readonly generator: {
    readonly name: "plumb";
    readonly version: string;
    /** As `Deno 2.9.6`. */
    readonly runtime: string;
    readonly threads: number;
  };
  /** URLs without passwords: the one that is measured, and the one that it is compared with. */
  readonly targets: readonly string[];
  readonly rounds: number;
  readonly scenarios: readonly ScenarioReport[];
}

/** One scenario. */
export interface ScenarioReport {
  /** The plan of its runs. */
  readonly plan: Plan;
  /** One for each target, in their order. */
  readonly sides: readonly SideReport[];
  /** The first target's figure by the second's, round by round; absent without a second. */
  readonly ratio?: Spread;
  /** The same of the Servers' CPU time for each message. */
  readonly cpuRatio?: Spread;
  /** The same of the percentiles of latency, in a run at a rate: without one, latency is that of a Server at its limit. */
  readonly latencyRatio?: Readonly<Record<Percentile, Spread>>;
}

/** The percentiles that are told. */
export const PERCENTILES = ["p50", "p90", "p99", "p999", "max"] as const;
/** One of them. */
export type Percentile = typeof PERCENTILES[number];

/** A median, with the least and the most. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** One target in one scenario. */
export interface SideReport {
  /** Messages delivered each second, or connections made; absent if no round came to its end. */
  readonly perSecond?: Spread;
  /** MiB of payloads each second, the median. */
  readonly mibPerSecond: number;
  /** Of all rounds together. */
  readonly latency: LatencyReport;
  readonly disorder: number;
  readonly gap: number;
  /** Messages that were due at the rate and never published, since too many were on their way. */
  readonly overdue: number;
  readonly refused: number;
  readonly unacknowledged: number;
  /** Of the busiest thread of the load, the median of all rounds: the CPU time that it worked, by the time that passed. */
  readonly busy: number;
  /** Of the same thread and the same rounds: the time when it had to work and others had the cores. */
  readonly starved: number;
  /** CPU µs of the Server for each message or connection; absent if its process is not known. */
  readonly cpuUsPerDone?: Spread;
  /** MiB, the most. */
  readonly rssMib?: number;
  readonly rssKibPerConnection?: Spread;
  /** Why a round did not come to its end. */
  readonly failures: readonly string[];
}

/** µs. */
export interface LatencyReport {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  /** The largest µs of each bucket that has something, and how many. */
  readonly buckets: readonly (readonly [us: number, count: number])[];
}

/** One round: its findings, or why there are none. */
export type Round = Result | Error;

/** Puts together the rounds of one scenario: for each target its rounds, in their order. */
export function scenarioReport(plan: Plan, sides: readonly (readonly Round[])[]): ScenarioReport {
  const [first = [], second] = sides;
  const ratioOf = (of: (result: Result) => number | undefined): Spread | undefined => {
    const ratios = first.map((a, i) => {
      const b = second?.[i];
      return isResult(a) && b !== undefined && isResult(b) ? (of(a) ?? NaN) / (of(b) ?? NaN) : NaN;
    });
    return spreadOf(ratios.filter(Number.isFinite));
  };
  const ratio = ratioOf(({ perSecond }) => perSecond);
  const cpuRatio = ratioOf(({ server }) => server?.cpuUsPerDone);
  const latencies = plan.rate > 0 && ratio !== undefined && {
    latencyRatio: Object.fromEntries(PERCENTILES.map((percentile) => // A bucket of 0 µs is none to divide by.
    [percentile, ratioOf(({ latency }) => Math.max(1, latencyReport(latency)[percentile]))!])) as Record<
      Percentile,
      Spread
    >,
  };
  return {
    plan,
    sides: sides.map(sideReport),
    ...ratio && { ratio },
    ...cpuRatio && { cpuRatio },
    ...latencies,
  };
}

function sideReport(rounds: readonly Round[]): SideReport {
  const results = rounds.filter(isResult);
  const sum = (of: (result: Result) => number) => results.reduce((all, each) => all + of(each), 0);
  const spread = (of: (result: Result) => number | undefined) =>
    spreadOf(results.map(of).filter((value) => value !== undefined));
  const latency = new Histogram();
  for (const result of results) latency.addAll(result.latency);
  const perSecond = spread((result) => result.perSecond);
  const cpuUsPerDone = spread(({ server }) => server?.cpuUsPerDone);
  const rss = results.map(({ server }) => server?.rssBytes ?? 0);
  const perConnection = spread(({ server }) =>
    server?.rssBytesPerConnection && server.rssBytesPerConnection / 1024
  );
  return {
    ...perSecond && { perSecond },
    mibPerSecond: (spread((result) => result.bytesPerSecond)?.median ?? 0) / 2 ** 20,
    latency: latencyReport(latency),
    disorder: sum((result) => result.disorder),
    gap: sum((result) => result.gap),
    overdue: sum((result) => result.overdue),
    refused: sum((result) => result.refused),
    unacknowledged: sum((result) => result.unacknowledged),
    ...busiest(results),
    ...cpuUsPerDone && { cpuUsPerDone },
    ...cpuUsPerDone && { rssMib: Math.max(...rss) / 2 ** 20 },
    ...perConnection && { rssKibPerConnection: perConnection },
    failures: rounds.filter((round) => round instanceof Error).map(({ message }) => message),
  };
}

/** Of the thread of each round that had least time to spare. */
function busiest(results: readonly Result[]): Pick<SideReport, "busy" | "starved"> {
  const threads = results.map(({ busy, starved }) => {
    const wanted = busy.map((share, i) => share + starved[i]!);
    const thread = wanted.indexOf(Math.max(...wanted));
    return { busy: busy[thread] ?? 0, starved: starved[thread] ?? 0 };
  });
  const median = (of: "busy" | "starved") => spreadOf(threads.map((thread) => thread[of]))?.median ?? 0;
  return { busy: median("busy"), starved: median("starved") };
}

function latencyReport(latency: Histogram): LatencyReport {
  return {
    count: latency.count,
    p50: latency.percentile(0.5),
    p90: latency.percentile(0.9),
    p99: latency.percentile(0.99),
    p999: latency.percentile(0.999),
    max: latency.largest,
    buckets: latency.buckets(),
  };
}

/** The median of values, with the least and the most; undefined of none. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, least: sorted[0]!, most: sorted.at(-1)! };
}

/** Whether nothing was lost, out of order, refused or broken off. */
export function isWell({ scenarios }: BenchReport): boolean {
  return scenarios.every(({ sides }) => sides.every((side) => troublesOf(side).length === 0));
}

/** Faults, in words. */
export function troublesOf(
  { disorder, gap, refused, unacknowledged, failures, perSecond }: SideReport,
): string[] {
  const many = (count: number, one: string, more: string) =>
    count === 0 ? [] : [`${count} ${count === 1 ? one : more}`];
  return [
    ...many(gap, "message lost", "messages lost"),
    ...many(disorder, "message out of order or twice", "messages out of order or twice"),
    ...many(refused, "message refused", "messages refused"),
    ...many(unacknowledged, "message not acknowledged", "messages not acknowledged"),
    ...new Set(failures),
    ...failures.length === 0 && perSecond?.median === 0 ? ["nothing was delivered"] : [],
  ];
}

function isResult(round: Round): round is Result {
  return !(round instanceof Error);
}
