/**
 * `plumb bench`: how it is called, and where its results go.
 * Knows its flags, the terminal and files; refuses to know how a load is made.
 * @module
 */
import { existsSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname } from "node:path";
import process from "node:process";
import { clearInterval, setInterval } from "node:timers";
import { bench, type Progress } from "../bench/bench.ts";
import { ClientError } from "../bench/client.ts";
import type { Side } from "../bench/threads.ts";
import { connectionsOf, type Plan, plansOf, type Wishes } from "../bench/plan.ts";
import { probe } from "../bench/probe.ts";
import { type BenchReport, isWell } from "../bench/report.ts";
import { SCENARIOS } from "../bench/scenario.ts";
import { svgReport } from "../bench/svg.ts";
import { plotText, progressLine, SIDES, tableText } from "../bench/table.ts";
import { BenchCallError, DEFAULT_TARGET, parseTarget } from "../bench/target.ts";
import { usageOf } from "../bench/usage.ts";
import type { TlsClientOptions } from "../runtime/dial.ts";
import type { Environment } from "./environment.ts";
import { CallError, STATUS, STATUS_HELP } from "./error.ts";
import {
  type Flags,
  flagsHelp,
  HELP_ROWS,
  helpAsked,
  type OptionGroup,
  type OptionRow,
  readFlags,
} from "./flags.ts";
import { connectionsRoom } from "./open_files.ts";
import { runtime, say } from "./terminal.ts";
import { TRUST_OPTIONS, trustOf } from "./trust.ts";
import { withScheme } from "./url.ts";
import { VERSION } from "./version.ts";

const PREFIX = "PLUMB_BENCH_";
const ROUNDS_AGAINST = 5;
const SECONDS_MAX = 3600;

function count(name: string, about: string, most: number, least = 1): OptionRow {
  return { name, kind: "integer", value: "N", least, most, about };
}

function rare(row: OptionRow): OptionRow {
  return { ...row, rare: true };
}

/** All flags of `plumb bench`. */
export const BENCH_OPTIONS: readonly OptionGroup[] = [
  {
    title: "What to measure",
    rows: [
      {
        name: "scenario",
        kind: "list",
        value: "NAME",
        about:
          "one of the scenarios below; may be given more than once; default pairs, fanout and fanin at QoS 0, " +
          "pairs at QoS 1 and 2",
      },
      {
        name: "vs",
        kind: "text",
        value: "URL",
        about: "another broker, to compare with: both are measured in alternation, round by round",
      },
      count("rounds", `how often; default 1, with --vs ${ROUNDS_AGAINST}`, 1000),
      count("pid", "the broker's process id on this machine: its CPU time and memory are reported", 2 ** 31),
      rare(count("vs-pid", "the process id of the other broker", 2 ** 31)),
    ],
  },
  {
    title: "How much; each scenario has its defaults",
    rows: [
      count("publishers", "Clients that publish", 100_000),
      count("subscribers", "Clients that subscribe; in pairs as many as publish", 100_000),
      rare(count("connections", "Clients of a burst, in connect", 100_000)),
      rare(count(
        "messages",
        "messages in all, in place of seconds; in retained, the retained messages",
        1_000_000_000,
      )),
      { name: "qos", kind: "choice", choices: ["0", "1", "2"], about: "of publishers and subscriptions" },
      count("size", "bytes of the payload; the first 16 identify the message", 16_777_216, 16),
      rare(count(
        "window",
        "messages of a publisher that are not yet delivered, at most; connections that are being made",
        60_000,
      )),
      count(
        "rate",
        "messages published per second, by all; 0 is as fast as they are delivered. Latency counts from when a " +
          "message was due",
        100_000_000,
        0,
      ),
      {
        name: "level",
        kind: "choice",
        choices: ["5", "4"],
        default: "5",
        rare: true,
        about: "the protocol level",
      },
    ],
  },
  {
    title: "How long",
    rows: [
      { name: "seconds", kind: "text", value: "N", about: "seconds that count, 0.1 or more; default 3" },
      { name: "warmup", kind: "text", value: "N", default: "1", rare: true, about: "seconds before them" },
    ],
  },
  TRUST_OPTIONS,
  {
    title: "Threads and output",
    rows: [
      rare(
        count("threads", "threads of the load; default one less than there are cores, and 1 at least", 256),
      ),
      {
        name: "plot",
        kind: "flag",
        rare: true,
        about: "show latencies as bars, also where stdout is no terminal",
      },
      { name: "json", kind: "flag", about: "results as JSON on stdout" },
      {
        name: "report",
        kind: "list",
        value: "FILE",
        about: "write FILE.json, or FILE.svg with the latencies; may be given more than once",
      },
    ],
  },
  { title: "Other", rows: HELP_ROWS },
];

const FLAGS: Flags = {
  rows: BENCH_OPTIONS.flatMap(({ rows }) => rows),
  positionals: 1,
  prefix: PREFIX,
  help: "plumb help bench",
};

const REPORTS: Readonly<Record<string, (report: BenchReport) => string>> = {
  json: (report) => `${JSON.stringify(report, undefined, 1)}\n`,
  svg: svgReport,
};

/** A call, read and checked. */
interface BenchCall {
  readonly plans: readonly Plan[];
  readonly sides: readonly Side[];
  readonly rounds: number;
  readonly threads: number;
}

/**
 * Does it; gives the exit status.
 * @throws {CallError} when the call is wrong or a broker cannot be reached.
 */
export async function benchMain(args: readonly string[], environment: Environment): Promise<number> {
  const said = readFlags(args, environment, FLAGS);
  const { given, positionals } = said;
  const is = (name: string) => given.get(name)?.at(-1) === "true";
  const asked = helpAsked(said);
  if (asked !== undefined) {
    await say(benchHelp(asked === "all"));
    return STATUS.good;
  }
  const urls = [positionals[0] ?? DEFAULT_TARGET, ...given.get("vs")?.slice(-1) ?? []].map(withScheme);
  const call = callOf(given, urls, await trustOf(said, urls));
  const files = given.get("report") ?? [];
  for (const file of files) checkReportFile(file);
  await reach(call);
  const watch = new Watch(
    process.stderr.isTTY === true ? process.stderr.columns ?? 80 : undefined,
    call.sides.length,
  );
  const report = await bench({
    ...call,
    version: VERSION,
    runtime: runtime(),
    progress: (progress) => watch.tell(progress),
  }).finally(() => watch.end());
  for (const file of files) writeReport(file, REPORTS[suffixOf(file)]!(report));
  const isTerminal = process.stdout.isTTY === true;
  const plot = is("plot") || isTerminal ? `${plotText(report)}\n` : "";
  const columns = isTerminal ? process.stdout.columns ?? 80 : undefined;
  await say(is("json") ? REPORTS.json!(report) : plot + tableText(report, columns));
  return isWell(report) ? STATUS.good : STATUS.found;
}

function callOf(
  given: ReadonlyMap<string, readonly string[]>,
  [url, vs]: readonly string[],
  tls: TlsClientOptions,
): BenchCall {
  const one = (name: string) => given.get(name)?.at(-1);
  const number = (name: string) => one(name) === undefined ? undefined : Number(one(name));
  if (vs === undefined && one("vs-pid") !== undefined) throw new CallError("--vs-pid goes with --vs");
  try {
    const plans = plansOf(given.get("scenario") ?? [], wishesOf(given));
    const sides = [sideOf(url!, tls, "pid", number("pid"))];
    if (vs !== undefined) sides.push(sideOf(vs, tls, "vs-pid", number("vs-pid")));
    checkRoom(plans);
    return {
      plans,
      sides,
      rounds: number("rounds") ?? (vs === undefined ? 1 : ROUNDS_AGAINST),
      threads: number("threads") ?? Math.max(1, availableParallelism() - 1),
    };
  } catch (error) {
    throw error instanceof BenchCallError ? new CallError(error.message) : error;
  }
}

function wishesOf(given: ReadonlyMap<string, readonly string[]>): Wishes {
  const names = [
    ...["publishers", "subscribers", "connections", "messages", "qos", "size", "window", "rate", "level"],
    ...["seconds", "warmup"],
  ];
  const said = names.filter((name) => given.has(name)).map((name) => {
    const text = given.get(name)!.at(-1)!;
    const least = name === "seconds" ? 0.1 : 0;
    const value = Number(text);
    if (!/^\d*\.?\d+$/.test(text) || value < least) {
      throw new CallError(`--${name} takes a number from ${least} on, not ${JSON.stringify(text)}`);
    }
    if (name === "seconds" && value > SECONDS_MAX) {
      throw new CallError(`--seconds takes at most ${SECONDS_MAX}`);
    }
    return [name, value];
  });
  return Object.fromEntries(said);
}

function sideOf(url: string, tls: TlsClientOptions, flag: string, pid: number | undefined): Side {
  const target = parseTarget(url, tls);
  if (pid === undefined) return { target };
  if (usageOf(pid) === undefined) {
    throw new CallError(`--${flag} ${pid}: there is no such process, or no /proc to look into`);
  }
  return { target, pid };
}

/** Each connection is an open file. */
function checkRoom(plans: readonly Plan[]): void {
  const room = connectionsRoom() ?? Infinity;
  for (const plan of plans) {
    const needed = connectionsOf(plan);
    if (needed <= room) continue;
    throw new CallError(
      `${plan.scenario} needs ${needed} connections, and this process may have ${room}; ulimit -n raises that`,
    );
  }
}

/** Before anything is measured, so that a broker that is not there is an error at once, not after minutes. */
async function reach({ sides, plans }: BenchCall): Promise<void> {
  try {
    for (const { target } of sides) await probe(target, plans[0]!.level);
  } catch (error) {
    throw error instanceof ClientError ? new CallError(error.message) : error;
  }
}

const REFRESH_MS = 250;

/** The line on stderr while it runs. */
class Watch {
  readonly #columns: number | undefined;
  readonly #sides: number;
  #progress: Progress | undefined;
  #sinceMs = 0;
  readonly #timer: ReturnType<typeof setInterval> | undefined;

  /** `columns`: undefined shows nothing. `sides`: how many targets there are. */
  constructor(columns: number | undefined, sides: number) {
    this.#columns = columns;
    this.#sides = sides;
    if (columns !== undefined) this.#timer = setInterval(() => this.#show(), REFRESH_MS);
  }

  tell(progress: Progress): void {
    this.#progress = progress;
    this.#sinceMs = performance.now();
    this.#show();
  }

  end(): void {
    if (this.#columns === undefined) return;
    clearInterval(this.#timer);
    process.stderr.write("\r\x1b[K");
  }

  #show(): void {
    if (this.#columns === undefined || this.#progress === undefined) return;
    const { done, all, plan, side, phase } = this.#progress;
    const wantedMs = (plan.warmup + plan.seconds) * 1000;
    const part = phase === "running" ? Math.min(1, (performance.now() - this.#sinceMs) / wantedMs) : 0;
    const name = this.#sides > 1 ? `  ${SIDES[side]}` : "";
    const what = `${plan.scenario} QoS ${plan.qos}${name}  ${phase}`;
    const line = progressLine({ share: (done + part) / all, done, all, what, columns: this.#columns });
    process.stderr.write(`\r${line}\x1b[K`);
  }
}

function suffixOf(file: string): string {
  return /\.([a-z]+)$/i.exec(file)?.[1]?.toLowerCase() ?? "";
}

/** Before the measurement, so that a report that cannot be written is an error at once. */
function checkReportFile(file: string): void {
  if (!Object.hasOwn(REPORTS, suffixOf(file))) {
    const endings = Object.keys(REPORTS).map((suffix) => `.${suffix}`).join(" or ");
    throw new CallError(`--report ${JSON.stringify(file)}: its name must end in ${endings}`);
  }
  if (!existsSync(dirname(file))) {
    throw new CallError(`--report ${file}: there is no folder ${dirname(file)}`);
  }
}

function writeReport(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw new CallError(`--report ${file} cannot be written: ${(error as Error).message.split("\n")[0]}`);
  }
}

/** The help of `plumb bench`. */
export function benchHelp(isAll = false): string {
  const scenarios = SCENARIOS.map(({ name, about }) => `  ${name.padEnd(14)}  ${about}`);
  return [
    "plumb bench [flags] [[mqtt[s]://][USER[:PASSWORD]@]HOST[:PORT]]   measures a broker; default " +
    DEFAULT_TARGET,
    ...flagsHelp(BENCH_OPTIONS, isAll),
    ...isAll ? [] : [
      `Scenarios: ${SCENARIOS.map(({ name }) => name).join(", ")}`,
      "plumb help bench names all flags, and says what scenarios and columns are.",
    ],
    ...isAll ? benchTopics(scenarios) : [],
    "Every flag has an environment variable: --vs-pid is PLUMB_BENCH_VS_PID. The command line wins.",
    STATUS_HELP,
  ].join("\n\n") + "\n";
}

function benchTopics(scenarios: readonly string[]): string[] {
  return [
    ["Scenarios:", ...scenarios].join("\n"),
    "A figure is throughput without loss: a publisher has at most --window messages that are not yet delivered.\n" +
    "Columns: CPU µs is the broker's CPU time for each message or connection (its end included), load the share of\n" +
    "its time that the busiest thread of the load worked. Every message carries its number: one that is lost, late or comes twice is told.",
  ];
}
