/**
 * `deno task bench:tls`: what TLS adds to the broker's CPU time for a message, against what it adds to a relay over the runtime's
 * own sockets. Fails when the broker pays more than that and a little.
 * Knows four programs and their differences; refuses to know how a load is made.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import process from "node:process";
import type { Runtime } from "../../lib/broker_process.ts";
import { Load } from "../guard/load.ts";
import { Program } from "../guard/program.ts";
import { pathOf } from "../../lib/tree.ts";
import { median } from "../statistics.ts";
import { short, tableOf } from "../table.ts";

const USAGE = `Usage: bench:tls [--runtime deno|bun|both] [--rounds N] [--messages N]
  --runtime NAME  on which (default both)
  --rounds N      of each of the four programs, in turn (default 20)
  --messages N    delivered in each run (default 40000)`;

/** The broker may pay this much of what the relay pays, and as many ns: its own work is disturbed by that of TLS. */
const SHARE_MAX = 1.3;
const MORE_NS_MAX = 30;

const RUNTIMES: readonly Runtime[] = ["deno", "bun"];
const args = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["runtime", "rounds", "messages"],
  boolean: ["help"],
  default: { runtime: "both", rounds: "20", messages: "40000" },
  unknown: (arg) => {
    console.error(`Unknown: ${arg}\n${USAGE}`);
    process.exit(2);
  },
});
const rounds = Number(args.rounds);
const messages = Number(args.messages);
const runtimes = RUNTIMES.filter((name) => args.runtime === "both" || args.runtime === name);

/** One program under its load. */
interface Subject {
  readonly name: string;
  readonly program: Program;
  readonly load: Load;
  /** ns for each message, round by round. */
  readonly ns: number[];
}

async function subjectOf(runtime: Runtime, what: "broker" | "relay", isSecure: boolean): Promise<Subject> {
  const carrier = isSecure ? "tls" : "tcp";
  const program = what === "broker"
    ? await Program.start(runtime, pathOf("scripts/bench/guard/broker_child.ts"), ["0", carrier])
    : await Program.start(runtime, pathOf("scripts/bench/tls/relay_child.ts"), [carrier]);
  const load = what === "broker"
    ? await Load.onBroker("pairs QoS 0", program.port, isSecure)
    : await Load.onRelay(program.port, isSecure);
  return { name: `${what} ${carrier}`, program, load, ns: [] };
}

async function measure({ program, load, ns }: Subject): Promise<void> {
  const before = await program.cpuUs();
  const delivered = await load.run(messages);
  ns.push((await program.cpuUs() - before) * 1_000 / delivered);
}

/** Measures on one runtime; gives the row of the table and whether it holds. */
async function compare(runtime: Runtime): Promise<{ row: string[]; holds: boolean }> {
  const subjects: Subject[] = [];
  try {
    for (const what of ["broker", "relay"] as const) {
      for (const isSecure of [false, true]) subjects.push(await subjectOf(runtime, what, isSecure));
    }
    for (const { load } of subjects) await load.run(4 * messages);
    for (let round = 0; round < rounds; round++) {
      for (const subject of round % 2 === 0 ? subjects : subjects.toReversed()) await measure(subject);
    }
  } finally {
    for (const { program, load } of subjects) {
      load.close();
      await program.close();
    }
  }
  const [plain, secure, relayPlain, relaySecure] = subjects.map(({ ns }) => ns) as [
    number[],
    number[],
    number[],
    number[],
  ];
  const ours = median(secure.map((ns, i) => ns - plain[i]!));
  const runtimes = median(relaySecure.map((ns, i) => ns - relayPlain[i]!));
  const holds = ours <= runtimes * SHARE_MAX + MORE_NS_MAX;
  const figures = [median(plain), median(secure), ours, median(relayPlain), median(relaySecure), runtimes];
  return { row: [runtime, ...figures.map(short), holds ? "ok" : "worse"], holds };
}

if (args.help) console.log(USAGE);
else if (runtimes.length === 0 || !(rounds >= 1) || !(messages >= 1)) {
  console.error(USAGE);
  process.exit(2);
} else {
  const head = ["ns a message", "TCP", "TLS", "more", "relay TCP", "relay TLS", "more", "verdict"];
  const rows: string[][] = [];
  let failed = 0;
  for (const runtime of runtimes) {
    const { row, holds } = await compare(runtime);
    rows.push(row);
    if (!holds) failed++;
  }
  console.log(tableOf(head, rows));
  console.log(`${rows.length - failed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}
