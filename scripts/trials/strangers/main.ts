/**
 * `deno task strangers`: attacks a broker that is closed to strangers, on both runtimes, in numbers that CI has no time for.
 * Knows its flags and the table; refuses to know the attacks. Fails if one of them comes in, sees what is not theirs, makes memory
 * grow without bound, or keeps a healthy Client waiting for 2 s.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import process from "node:process";
import type { Runtime } from "../../lib/broker_process.ts";
import { attack, CASES, STRANGERS_MAX } from "./attack.ts";
import { Scene } from "./scene.ts";

const USAGE = `Usage: strangers [--runtime deno|bun] [--only ${CASES.map(({ id }) => id).join(",")}] [--ci]`;
/** What a Client may wait at most, ms. */
const ROUND_TRIP_MS = 2_000;
const GROWTH_MIB = 600;

async function attackAll(runtime: Runtime, only: readonly string[], isShort: boolean): Promise<boolean> {
  const scene = await Scene.start(runtime, isShort ? STRANGERS_MAX.ci : STRANGERS_MAX.whole);
  let isGood = true;
  try {
    for (const one of CASES.filter(({ id }) => only.length === 0 || only.includes(id))) {
      const count = one.counts[isShort ? 0 : 1];
      try {
        const { roundTrips, worstMs, lateMs, rssMib, seconds, text } = await attack(
          scene,
          one,
          count,
          GROWTH_MIB,
        );
        const isLate = worstMs > ROUND_TRIP_MS;
        isGood &&= !isLate;
        const ms = worstMs.toFixed(0);
        const memory = rssMib === undefined ? "–" : `${rssMib.before} / ${rssMib.peak} / ${rssMib.after}`;
        const cells = [
          `**${one.id}**`,
          runtime,
          `${count}`,
          `${roundTrips}`,
          isLate ? `**${ms}**` : ms,
          lateMs.toFixed(0),
          memory,
          seconds.toFixed(1),
          text,
        ];
        console.log(`| ${cells.join(" | ")} |`);
      } catch (error) {
        isGood = false;
        console.log(
          `| **${one.id}** | ${runtime} | ${count} | FAILED: ${
            error instanceof Error ? error.stack : error
          } |`,
        );
      }
    }
  } finally {
    await scene.close();
  }
  return isGood;
}

const { runtime, only = "", ci, help, _: rest } = parseArgs(process.argv.slice(2), {
  string: ["runtime", "only"],
  boolean: ["ci", "help"],
});
const ids = only.split(",").filter((id) => id !== "");
const isKnown = (runtime === undefined || runtime === "deno" || runtime === "bun") &&
  ids.every((id) => CASES.some((one) => one.id === id)) && rest.length === 0;
if (help || !isKnown) {
  console.log(USAGE);
  process.exit(help ? 0 : 2);
}
console.log(
  "| attack | runtime | number | round trips | worst ms | late ms | RSS MiB before / peak / after | s | seen |",
);
console.log("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
let isGood = true;
for (const each of runtime === undefined ? ["deno", "bun"] as const : [runtime as Runtime]) {
  isGood = await attackAll(each, ids, ci) && isGood;
}
process.exit(isGood ? 0 : 1);
