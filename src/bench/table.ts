/**
 * A report for a terminal: a table, what went wrong, and the latencies as bars.
 * Knows columns; refuses to know whether there is a terminal.
 * @module
 */
import type { Plan } from "./plan.ts";
import {
  type BenchReport,
  BUSY_MAX,
  isWell,
  type LatencyReport,
  type SideReport,
  type Spread,
} from "./report.ts";
import { PERCENTILES, type ScenarioReport, troublesOf } from "./report.ts";
import { wrap } from "./wrap.ts";

/** The names of the two targets. */
export const SIDES = ["A", "B"] as const;

const HEAD = [
  "scenario",
  "QoS",
  "clients",
  "",
  "per second",
  "p50",
  "p90",
  "p99",
  "p99.9",
  "max",
  "CPU µs",
  "RSS MiB",
  "load",
] as const;
/** Columns of words; the others are figures and stand to the right. */
const LEFT: readonly number[] = [0, 2, 3];
/** Columns that go where there is no room for all, the first one first. */
const SPARED: readonly (typeof HEAD[number])[] = ["p99.9", "p90", "RSS MiB", "max", "load", "clients"];

/** The table, faults, and warnings; ends with a line break. `columns`: the width that lines are to fit in. */
export function tableText(report: BenchReport, columns: number = Infinity): string {
  const { targets, rounds, generator: { threads }, scenarios } = report;
  const named = targets.length === 1 ? targets : targets.map((url, i) => `${SIDES[i]} ${url}`);
  const many = (count: number, what: string) => `${count} ${what}${count === 1 ? "" : "s"}`;
  const title = `${named.join("  against  ")}  (${many(rounds, "round")}, ${many(threads, "thread")})`;
  const rows = scenarios.flatMap((scenario) => rowsOf(scenario));
  const lines = remarks(report).flatMap((line) => wrap(line, columns));
  return [...wrap(title, columns), "", ...aligned([HEAD, ...rows], columns), "", ...lines].join("\n")
    .trimEnd() +
    "\n";
}

function rowsOf({ plan, sides, ratio, cpuRatio, latencyRatio }: ScenarioReport): string[][] {
  const rows = sides.map((side, i) => {
    const first = i === 0 ? [plan.scenario, String(plan.qos), clientsOf(plan)] : ["", "", ""];
    return [...first, sides.length > 1 ? SIDES[i]! : "", ...figures(side)];
  });
  if (ratio === undefined) return rows;
  const cpu = cpuRatio === undefined ? [] : [spreadText(cpuRatio)];
  const compared = latencyRatio === undefined
    ? [spreadText(ratio), ...PERCENTILES.map(() => "")]
    : ["", ...PERCENTILES.map((percentile) => ratioText(latencyRatio[percentile].median))];
  return [...rows, ["", "", "", "A/B", ...compared, ...cpu]];
}

function figures(side: SideReport): string[] {
  const { perSecond, latency, cpuUsPerDone, rssMib, busy } = side;
  if (perSecond === undefined) return ["failed"];
  return [
    whole(perSecond.median),
    ...[latency.p50, latency.p90, latency.p99, latency.p999, latency.max].map(timeText),
    cpuUsPerDone === undefined ? "" : cpuUsPerDone.median.toPrecision(3),
    rssMib === undefined ? "" : rssMib.toFixed(1),
    `${Math.round(busy * 100)}%`,
  ];
}

function clientsOf({ kind, connections, publishers, subscribers, messages }: Plan): string {
  if (kind === "connect") return `${whole(connections)} at once`;
  return kind === "retained"
    ? `${whole(messages)} > ${whole(subscribers)}`
    : `${whole(publishers)} > ${whole(subscribers)}`;
}

/** `1.63 (1.50-1.71)`. */
export function spreadText({ median, least, most }: Spread): string {
  return `${ratioText(median)} (${ratioText(least)}-${ratioText(most)})`;
}

function ratioText(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** µs as people say it: `850 µs`, `3.46 ms`, `1.20 s`. */
export function timeText(us: number): string {
  if (us < 1000) return `${us} µs`;
  return us < 1e6 ? `${(us / 1000).toPrecision(3)} ms` : `${(us / 1e6).toPrecision(3)} s`;
}

/** `1,234,567`. */
export function whole(value: number): string {
  return Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

function aligned(rows: readonly (readonly string[])[], columns: number): string[] {
  const widths = HEAD.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  // A column that is empty in all rows is left out, its head too.
  const shown = HEAD.map((_, i) => rows.slice(1).some((row) => (row[i] ?? "") !== ""));
  const width = () => widths.reduce((sum, each, i) => shown[i] ? sum + each + 2 : sum, -2);
  for (const name of SPARED) if (width() > columns) shown[HEAD.indexOf(name)] = false;
  return rows.map((row) =>
    row.map((cell, i) => LEFT.includes(i) ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))
      .filter((_, i) => shown[i]).join("  ").trimEnd()
  );
}

function remarks(report: BenchReport): string[] {
  const lines: string[] = [];
  for (const { plan, sides, latencyRatio } of report.scenarios) {
    if (latencyRatio !== undefined) {
      const ratios = (["p50", "p99"] as const).map((one) => `${one} ${spreadText(latencyRatio[one])}`);
      lines.push(`${plan.scenario} QoS ${plan.qos}: latency of A by that of B: ${ratios.join(", ")}`);
    }
    sides.forEach((side, i) => {
      const where = `${plan.scenario} QoS ${plan.qos}${sides.length > 1 ? ` ${SIDES[i]}` : ""}`;
      const troubles = troublesOf(side);
      if (troubles.length > 0) lines.push(`${where}: ${troubles.map(printable).join("; ")}`);
      if (side.overdue > 0) {
        lines.push(
          `${where}: the rate could not be kept, ${whole(side.overdue)} messages were never published`,
        );
      }
      if (side.busy + side.starved > BUSY_MAX) lines.push(`${where}: ${limitText(side)}`);
      if ((side.rssKibPerConnection?.median ?? 0) > 0) {
        lines.push(`${where}: ${spreadText(side.rssKibPerConnection!)} KiB more memory for each connection`);
      }
    });
  }
  if (isWell(report)) lines.push("Nothing lost, nothing out of order.");
  return lines;
}

/** Why the figures measure the load and not the Server. */
function limitText({ busy, starved }: SideReport): string {
  const percent = (share: number) => `${Math.round(share * 100)}%`;
  return `the load was the limit: it worked ${percent(busy)} of its time and waited ${
    percent(starved)
  } for a core; ` +
    (starved > busy ? "the machine has too much else to do" : "more --threads may help");
}

/** What Servers say must not move the cursor. */
function printable(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, "\ufffd");
}

const BAR_COLUMNS = 28;
const ROWS_MAX = 14;

/** The latencies of each scenario as bars, one column for each target; ends with a line break. */
export function plotText({ scenarios }: BenchReport): string {
  const parts = scenarios.map(({ plan, sides }) =>
    [`latency of ${plan.scenario} QoS ${plan.qos}`, ...bars(sides.map(({ latency }) => latency))].join("\n")
  );
  return parts.join("\n\n") + "\n";
}

function bars(latencies: readonly LatencyReport[]): string[] {
  const bins = binned(latencies);
  const shares = latencies.map(({ count }, i) =>
    bins.map(({ counts }) => count === 0 ? 0 : counts[i]! / count)
  );
  const most = Math.max(...shares.flat(), Number.MIN_VALUE);
  return bins.map(({ upToUs }, row) => {
    const columns = shares.map((share) => {
      const bar = "#".repeat(Math.ceil(share[row]! / most * BAR_COLUMNS)).padEnd(BAR_COLUMNS);
      return `${bar} ${(share[row]! * 100).toFixed(share[row]! < 0.01 ? 3 : 1).padStart(6)}%`;
    });
    return [`<= ${timeText(Math.round(upToUs)).padStart(8)}`, ...columns].join("  ").trimEnd();
  });
}

/** The counts of several in the same bins, whose limits grow by a factor: √2, or a power of it when there are many. */
export function binned(
  latencies: readonly LatencyReport[],
  rowsMax: number = ROWS_MAX,
): { readonly upToUs: number; readonly counts: number[] }[] {
  const all = latencies.flatMap(({ buckets }) => buckets.map(([us]) => Math.max(1, us)));
  if (all.length === 0) return [];
  const [least, most] = [Math.min(...all), Math.max(...all)].map((us) => Math.log2(us)) as [number, number];
  let step = 0.5;
  while (Math.ceil(most / step) - Math.ceil(least / step) >= rowsMax) step *= 2;
  const from = Math.ceil(least / step);
  const bins = Array.from({ length: Math.ceil(most / step) - from + 1 }, (_, i) => ({
    upToUs: 2 ** ((from + i) * step),
    counts: latencies.map(() => 0),
  }));
  latencies.forEach(({ buckets }, i) => {
    for (const [us, count] of buckets) {
      bins[Math.ceil(Math.log2(Math.max(1, us)) / step) - from]!.counts[i]! += count;
    }
  });
  return bins;
}

/** One line while it runs: a bar and the present phase; no wider than `columns`. */
export function progressLine(
  { share, done, all, what, columns }: {
    /** How much is done, 0 to 1. */
    readonly share: number;
    readonly done: number;
    readonly all: number;
    readonly what: string;
    readonly columns: number;
  },
): string {
  const width = 24;
  const full = Math.min(width, Math.round(share * width));
  const bar = `[${"#".repeat(full)}${".".repeat(width - full)}]`;
  return `${bar} ${done}/${all}  ${what}`.slice(0, Math.max(0, columns - 1));
}
