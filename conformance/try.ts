/**
 * Runs cases against a target and prints what they find: for those who write cases.
 * Usage: deno run -A conformance/try.ts mqtt://127.0.0.1:1883 [4|5] [part of a case id] [--timing] [-v]
 * @module
 */
import process from "node:process";
import { dialTcp } from "../src/runtime/dial.ts";
import { audit } from "./audit.ts";
import type { Level } from "./bytes.ts";
import { SERVER_CASES } from "./cases/mod.ts";

const args = process.argv.slice(2);
const url = new URL(args.find((arg) => arg.startsWith("mqtt://")) ?? "mqtt://127.0.0.1:1883");
const levels = args.filter((arg) => arg === "4" || arg === "5").map(Number) as Level[];
const part = args.find((arg) => /^[a-z0-9.]*\/?[a-z0-9-]*$/.test(arg) && arg !== "4" && arg !== "5") ?? "";
const reports = await audit({
  dial: () => dialTcp({ host: url.hostname, port: Number(url.port || 1883) }),
  levels: levels.length === 0 ? [4, 5] : levels,
  cases: SERVER_CASES.filter(({ id }) => id.includes(part)),
  timing: args.includes("--timing"),
  declared: {},
  patienceMs: 2000,
  atOnce: 16,
  now: () => performance.now(),
  run: Math.random().toString(36).slice(2, 8),
});
for (const { level, unreachable, results } of reports) {
  console.log(`level ${level}: ${unreachable ?? `${results.length} cases`}`);
  for (const { case: { id }, verdict, reason, endings, transcript, ms } of results) {
    console.log(`${verdict.padEnd(12)} ${id} ${endings.join(", ")} ${ms} ms ${reason}`);
    if (verdict === "pass" && !args.includes("-v")) continue;
    for (const line of transcript) {
      console.log(`    ${line.at} ${line.peer} ${line.direction} ${line.text} ${line.hex}`);
    }
  }
}
process.exit(0);
