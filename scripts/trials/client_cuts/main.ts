/**
 * `deno task client:cuts`: our Client through a proxy that cuts, and killed with its store, on both runtimes:
 * --messages 10000 --cuts 100 --kills 20 --seed N --runtime deno|bun --log FILE (what went over the proxy of a trial that failed)
 *
 * Knows the trials and the brokers; refuses to know what they do.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { writeFileSync } from "node:fs";
import process from "node:process";
import { serve } from "../../../src/server/serve.ts";
import { bun, deno, run } from "../../lib/run.ts";
import { mosquittoVersion, startMosquitto } from "../peers/start.ts";
import { cutTrial } from "./cuts.ts";
import { killTrial } from "./kills.ts";

const USAGE =
  "Usage: client:cuts [--runtime deno|bun] [--messages N] [--cuts N] [--kills N] [--seed N] [--log FILE]";
const flags = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["messages", "cuts", "kills", "seed", "runtime", "here", "log"],
  default: { messages: "10000", cuts: "100", kills: "20", seed: "1" },
  unknown: (arg) => {
    console.error(`Unknown: ${arg}\n${USAGE}`);
    process.exit(2);
  },
});
const numbers = [flags.messages, flags.cuts, flags.kills, flags.seed].map(Number);
const [messages = 0, cuts = 0, kills = 0, seed = 0] = numbers;
const runtimes = ["deno", "bun"].filter((name) => flags.runtime === undefined || flags.runtime === name);
if (runtimes.length === 0 || !numbers.every((number) => number >= 1)) {
  console.error(USAGE);
  process.exit(2);
}

/** Both runtimes, one after the other, unless one is named; each in a process of its own. */
if (flags.here === undefined) {
  let failed = 0;
  for (const runtime of runtimes) {
    const start = runtime === "bun" ? bun() : [...deno(), "run", "-A", "--no-check"];
    const { code } = await run([
      ...start,
      "scripts/trials/client_cuts/main.ts",
      "--here",
      runtime,
      ...process.argv.slice(2),
    ]);
    if (code !== 0) failed++;
  }
  process.exit(failed === 0 ? 0 : 1);
}

let [passed, failed] = [0, 0];
async function trial(name: string, body: () => Promise<string>): Promise<void> {
  try {
    console.log(`ok      ${flags.here!.padEnd(4)} ${name}: ${await body()}`);
    passed++;
  } catch (error) {
    console.log(`FAILED  ${flags.here!.padEnd(4)} ${name}: ${(error as Error).message}`);
    failed++;
  }
}

const command = flags.here === "bun" ? bun() : [...deno(), "run", "-A", "--no-check"];
const plumb = await serve({ listen: ["mqtt://127.0.0.1:0"] });
const isThere = mosquittoVersion() !== undefined;
if (!isThere) console.log("missing mosquitto");
const mosquitto = isThere
  ? await startMosquitto([], "max_queued_messages 0\nmax_inflight_messages 1000\n")
  : undefined;
for (
  const [name, port] of [
    ["Plumb", Number(new URL(plumb.addresses[0]!).port)],
    ...(mosquitto === undefined ? [] : [["mosquitto", mosquitto.port] as const]),
  ] as const
) {
  for (const qos of [1, 2] as const) {
    for (const level of [5, 4] as const) {
      await trial(`${name}, level ${level}, QoS ${qos}, ${messages} messages, ${cuts} cuts`, async () => {
        const begin = performance.now();
        let lines: readonly string[] = [];
        const log = flags.log === undefined ? {} : { log: (all: readonly string[]) => lines = all };
        const got = await cutTrial({ port, level, qos, messages, cuts, seed, ...log }).catch((error) => {
          if (flags.log !== undefined) writeFileSync(flags.log, lines.join("\n"));
          throw error;
        });
        const seconds = ((performance.now() - begin) / 1_000).toFixed(1);
        const again = `${got.again + got.sentAgain} came again`;
        const why = got.sentAgain > 0 ? ` (the broker sent ${got.sentAgain} again behind PUBREL)` : "";
        return `${got.cuts} cuts, ${again}${why}, ${got.acknowledged} acknowledged, ${seconds} s`;
      });
    }
    await trial(`${name}, QoS ${qos}, killed ${kills} times with its store`, async () => {
      const url = `mqtt://127.0.0.1:${port}`;
      const got = await killTrial({ url, qos, kills, seed, command });
      return `${got.messages} messages, ${got.again} came again`;
    });
  }
}
await plumb.close();
await mosquitto?.stop();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
