/**
 * What the brokers do, as Markdown: a table, how it was measured, and what went wrong.
 * Knows the words; refuses to know how it was found.
 * @module
 */
import type { Spread } from "../../../src/bench/report.ts";
import { timeText, whole } from "../../../src/bench/table.ts";
import type { Row } from "./compare.ts";
import type { Summary } from "./figures.ts";

const BEGIN = "<!-- peers: written by `deno task bench:peers --write` -->";
const END = "<!-- /peers -->";
const NONE = "–";

/** What the table says beside its figures. */
export interface About {
  /** As ISO 8601. */
  readonly date: string;
  readonly rounds: number;
  readonly seconds: number;
  /** As `Xeon, 4 cores, Linux`. */
  readonly machine: string;
  /** As `Bun 1.4.5`. */
  readonly load: string;
  /** Whether the broker had a core that the load did not use. */
  readonly areApart: boolean;
  /** Those that were measured, with their versions; the others are compared with the first. */
  readonly brokers: readonly { readonly name: string; readonly version: string; readonly level: 4 | 5 }[];
  /** The load average before it began, if that was too high. */
  readonly busy?: number;
  /** Those that are not there. */
  readonly missing: readonly string[];
}

/** The rows of the short table. */
const BRIEF: readonly string[] = ["pairs", "fanout", "pairs-qos1", "connect"];

/** The text with the part between the marks replaced. */
export function withPart(text: string, part: string): string {
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error("there are no marks for the table of bench:peers");
  return `${text.slice(0, from + BEGIN.length)}\n\n${part}\n\n${text.slice(to)}`;
}

/** Everything that stands between the marks; `chart`: the picture's path from there, if there is one. */
export function partOf(rows: readonly Row[], about: About, chart?: string): string {
  const picture = chart === undefined ? [] : [`![The same as a picture](${chart})`, ""];
  return [...table(rows, about), "", ...picture, howText(about), ...troubles(rows)].join("\n");
}

/** A few rows, and of them only the ratios to the first broker. */
export function briefOf(rows: readonly Row[], { brokers, date, rounds, machine }: About): string {
  const [first, ...others] = brokers;
  return [
    line([`messages or connections each second, ${first?.name} = 1`, ...others.map(({ name }) => name)]),
    line(["---", ...others.map(() => "---:")]),
    ...rows.filter(({ scenario }) => BRIEF.includes(scenario.name)).map(({ scenario, summaries }) =>
      line([
        scenario.title,
        ...summaries.slice(1).map(({ ratio, isAtLeast }) =>
          ratio === undefined ? NONE : `${isAtLeast ? "≥ " : ""}${twoDigits(ratio.median)}`
        ),
      ])
    ),
    "",
    `Medians of ${rounds} rounds, ${date.slice(0, 10)}, ${machine}; one core for each broker.`,
  ].join("\n");
}

/** What went wrong, a line each. */
export function failuresOf(rows: readonly Row[]): string[] {
  return rows.flatMap(({ scenario, summaries }) =>
    summaries.flatMap(({ broker, failures }) =>
      failures.map((failure) => `${broker}, ${scenario.title}: ${failure}`)
    )
  );
}

function table(rows: readonly Row[], { brokers }: About): string[] {
  const head = brokers.map(({ name, version }) => `${name} (${version})`);
  return [
    line(["", ...head]),
    line(["---", ...head.map(() => "---")]),
    ...rows.map(({ scenario, summaries }) =>
      line([scenario.title, ...summaries.map((summary, i) => CELLS[scenario.kind](summary, i === 0))])
    ),
  ];
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

const CELLS: Readonly<Record<Row["scenario"]["kind"], (summary: Summary, isFirst: boolean) => string>> = {
  messages: (summary, isFirst) => perSecondCell(summary, isFirst, ""),
  connections: (summary, isFirst) =>
    perSecondCell(summary, isFirst, summary.perSecond ? ` (best ${rounded(summary.perSecond.most)})` : ""),
  latency({ p50Us, p99Us, cpuUs, overdue, perSecond }) {
    if (p50Us === undefined || p99Us === undefined || perSecond === undefined) return NONE;
    if (overdue > 0) return `not kept: ${rounded(perSecond.median)}/s`;
    return listed([
      ...[p50Us, p99Us].map(({ median }) => timeText(Math.round(median))),
      cpuText(cpuUs),
    ]);
  },
  memory: ({ kib }) => kib === undefined ? NONE : `${kib.median.toFixed(1)} KiB`,
};

function perSecondCell(
  { perSecond, ratio, cpuUs, brokerBusy, loadBusy, isAtLeast }: Summary,
  isFirst: boolean,
  more: string,
): string {
  if (perSecond === undefined) return NONE;
  const share = isAtLeast && brokerBusy && loadBusy
    ? ` (core ${percent(brokerBusy)}, load's ${percent(loadBusy)})`
    : "";
  return listed([
    `**${isAtLeast ? "≥ " : ""}${rounded(perSecond.median)}/s**${more}`,
    isFirst || ratio === undefined ? "" : ratioText(ratio),
    cpuText(cpuUs) + share,
  ]);
}

function listed(parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join(", ");
}

function cpuText(cpuUs: Spread | undefined): string {
  return cpuUs === undefined ? "" : `CPU ${twoDigits(cpuUs.median)} µs`;
}

function percent({ median }: Spread): string {
  return `${Math.round(Math.min(1, median) * 100)} %`;
}

/** `4.8× (4.2–5.1)`. */
export function ratioText({ median, least, most }: Spread): string {
  return `${twoDigits(median)}× (${twoDigits(least)}–${twoDigits(most)})`;
}

function twoDigits(value: number): string {
  return value >= 9.95 ? value.toFixed(0) : value.toPrecision(2);
}

/** Three digits that count: `1,240,000`. */
export function rounded(value: number): string {
  return whole(Number(value.toPrecision(3)));
}

function howText({ date, rounds, seconds, machine, load, areApart, busy, brokers, missing }: About): string {
  const [first] = brokers;
  const others = brokers.filter(({ level }) => level < 5).map(({ name }) => name);
  const sentences = [
    `${
      rounds === 1 ? "One round" : `Medians of ${rounds} rounds`
    } in which the brokers take turns, ${seconds} s each, ` +
    `on ${date.slice(0, 10)}; ${machine}; default options, everything in memory, payloads of 64 bytes`,
    areApart
      ? `Each broker has one core, the load (\`plumb bench\` on ${load}) the others`
      : `Brokers and load (\`plumb bench\` on ${load}) share all cores`,
    ...brokers.length > 1 && first
      ? [`× is the ratio to ${first.name} in the same round: the median, and in brackets all rounds`]
      : [],
    "CPU is the broker's CPU time for each message delivered or connection made",
    "≥: the broker's core had time to spare (in brackets what was used of it and of the load's core), so the broker can " +
    "do more and its CPU time is the truer figure",
    ...others.map((name) => `${name} has no MQTT 5.0: it is measured with 3.1.1`),
    ...busy === undefined ? [] : [
      `The machine had other things to do (load average ${
        busy.toFixed(1)
      }), so figures are too low and ratios uncertain`,
    ],
    ...missing.map((name) => `${name} is not installed here`),
  ];
  return sentences.map((sentence) => `${sentence}.`).join(" ");
}

function troubles(rows: readonly Row[]): string[] {
  const failures = failuresOf(rows);
  if (failures.length === 0) return [];
  return ["", "Not all was well:", "", ...failures.map((failure) => `- ${plain(failure)}`)];
}

/** Text in which nothing is markup. */
function plain(text: string): string {
  return text.replace(/\s+/g, " ").replace(/[\\`*_{}[\]<>#|~]/g, (found) => `\\${found}`);
}
