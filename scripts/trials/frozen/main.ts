/**
 * `deno task frozen`: what one subscriber that never reads costs twenty that do, as a verdict for each runtime and QoS.
 * Knows what is tolerable; refuses to know how it is measured. Fails if the median throughput with it is below 0.95 of that
 * without, or if the broker's memory grows by more than the limits of one session.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import process from "node:process";
import { LIMITS } from "../../../src/broker/mod.ts";
import { measureMemory, measureThroughput, type Subject } from "./measure.ts";

const USAGE = `Usage: frozen [--runtime deno|bun] [--qos 0|1] [--pairs N] [--seconds N]
  --runtime NAME  the broker's (default: one after the other)
  --qos N         one of the two (default: both)
  --pairs N       of runs without and with (default 15)
  --seconds N     of each run (default 1.5)`;

const LEAST_RATIO = 0.95;
const MIB = 1024 * 1024;
const BUDGET_BYTES = LIMITS.outboundBytesMax.default + LIMITS.queuedBytesMax.default;
/** What a heap that is collected now and then needs beside what it holds. */
const SLACK_BYTES = 64 * MIB;

function mib(bytes: number): string {
  return `${Math.round(bytes / MIB)} MiB`;
}

async function judge(subject: Subject, pairs: number, ms: number): Promise<string[]> {
  const name = `${subject.runtime} QoS ${subject.qos}`;
  const wrong: string[] = [];
  const { ratio, cpuRatio, busy, ...each } = await measureThroughput(subject, pairs, ms);
  const spread = [...each.pairs].sort((a, b) => a - b).map((one) => one.toFixed(2));
  console.log(
    `${name}: throughput ${ratio.toFixed(3)} (pairs ${spread[0]} to ${
      spread.at(-1)
    }), CPU for each message ` +
      `${cpuRatio.toFixed(3)}, the broker was at work for ${Math.round(busy * 100)} % of the time`,
  );
  if (ratio < LEAST_RATIO) wrong.push(`${name}: throughput ${ratio.toFixed(3)} is below ${LEAST_RATIO}`);
  const { withoutBytes, withBytes, limits } = await measureMemory(subject);
  const growth = withBytes - withoutBytes;
  console.log(
    `${name}: memory ${mib(withoutBytes)} without, ${mib(withBytes)} with; it grew by ${mib(growth)} of ` +
      `${mib(BUDGET_BYTES)}; limits that bit: ${limits.join(", ")}`,
  );
  if (limits.length === 0) wrong.push(`${name}: no limit bit, so the memory says nothing`);
  if (growth > BUDGET_BYTES + SLACK_BYTES) wrong.push(`${name}: memory grew by ${mib(growth)}`);
  return wrong;
}

const args = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["runtime", "qos", "pairs", "seconds"],
  boolean: ["help"],
  default: { pairs: "15", seconds: "1.5" },
  unknown: (arg) => {
    console.error(`Unknown: ${arg}\n${USAGE}`);
    process.exit(2);
  },
});
const [pairs, seconds] = [Number(args.pairs), Number(args.seconds)];
const runtimes = (["deno", "bun"] as const).filter((name) =>
  args.runtime === undefined || args.runtime === name
);
const levels = ([0, 1] as const).filter((qos) => args.qos === undefined || args.qos === `${qos}`);
if (args.help) console.log(USAGE);
else if (!(pairs >= 1) || !(seconds > 0) || runtimes.length === 0 || levels.length === 0) {
  console.error(USAGE);
  process.exit(2);
} else {
  const wrong: string[] = [];
  for (const runtime of runtimes) {
    for (const qos of levels) wrong.push(...await judge({ runtime, qos }, pairs, seconds * 1_000));
  }
  for (const text of wrong) console.log(`WRONG ${text}`);
  process.exit(wrong.length === 0 ? 0 : 1);
}
