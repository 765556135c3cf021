/**
 * `deno task audit:transports`: all audit cases against our broker over TCP, TLS and WebSocket, in every form, on Deno, Bun and Node.
 * `--scheme mqtt|mqtts|ws|wss` and `--runtime deno|bun|node` narrow it; `--timing` runs the cases that wait too.
 * Knows the rounds; refuses to judge.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import process from "node:process";
import { AUDITED_BROKERS } from "../../lib/audited_brokers.ts";
import { auditOwn, mayBeLeft, type Scheme, SCHEMES } from "../../lib/own_audit.ts";
import { runFlags, runtimeCommand } from "../../lib/broker_process.ts";
import { run } from "../../lib/run.ts";

const args = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["scheme", "runtime"],
  boolean: ["timing", "here"],
  unknown: (arg: string) => {
    console.log(`Unknown: ${arg}`);
    process.exit(2);
  },
});
const FILE = "scripts/trials/transports/main.ts";
const schemes = SCHEMES.filter((one) => args.scheme === undefined || one === args.scheme);
const runtimes = (["deno", "bun", "node"] as const).filter((name) =>
  args.runtime === undefined || args.runtime === name
);
if (schemes.length === 0 || runtimes.length === 0) {
  console.log(`--scheme is one of ${SCHEMES.join(", ")}; --runtime is deno, bun or node`);
  process.exit(2);
}

if (args.here) process.exit(await audited() ? 0 : 1);
const more = ["--here", ...args.scheme ? ["--scheme", args.scheme] : [], ...args.timing ? ["--timing"] : []];
let isGood = true;
for (const name of runtimes) {
  console.log(name);
  const command = [...runtimeCommand(name), ...runFlags(name), FILE, ...more];
  isGood = (await run(command)).code === 0 && isGood;
}
process.exit(isGood ? 0 : 1);

/** Audits on this runtime; false if a case did not pass, or was left out in every form. */
async function audited(): Promise<boolean> {
  let isGood = true;
  for (const scheme of schemes) {
    for (const level of [5, 4] as const) isGood = await atLevel(scheme, level) && isGood;
  }
  return isGood;
}

async function atLevel(scheme: Scheme, level: 4 | 5): Promise<boolean> {
  const began = performance.now();
  const bad: string[] = [];
  let passed = 0;
  let left: string[] = [];
  for (const broker of AUDITED_BROKERS) {
    const { cases } = await auditOwn(broker, scheme, level, { only: left, timing: args.timing });
    passed += cases.filter(({ verdict }) => verdict === "pass").length;
    left = cases.filter(({ id, verdict }) => verdict === "unsupported" && !mayBeLeft(id, scheme))
      .map(({ id }) => id);
    for (const { id, verdict, reason } of cases) {
      if (verdict !== "pass" && verdict !== "unsupported") {
        bad.push(`${broker.name}: ${verdict} ${id}: ${reason}`);
      }
    }
    if (left.length === 0) break;
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(
    `  ${scheme}:// level ${level}: ${passed} pass, ${bad.length} do not, ${left.length} left out, ${seconds} s`,
  );
  for (const line of [...bad, ...left.map((id) => `left out: ${id}`)]) console.log(`    ${line}`);
  return bad.length + left.length === 0;
}
