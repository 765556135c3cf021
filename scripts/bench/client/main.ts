/**
 * `deno task bench:client`: CPU time of a Client for each message of 64 bytes, with promises and loops, ours beside MQTT.js in turn;
 * the broker is Plumb on Bun. MQTT.js once as it comes, and once with Nagle's algorithm off, as ours has it.
 * Knows what is compared; refuses to know how a Client is called.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { build, stop } from "esbuild";
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import process from "node:process";
import { killed, spawnKept } from "../../lib/kept_child.ts";
import { bun, deno, run } from "../../lib/run.ts";
import { pathOf } from "../../lib/tree.ts";
import { freePort, listening } from "../../trials/peers/start.ts";
import { median } from "../statistics.ts";
import { tableOf } from "../table.ts";

const USAGE = `Usage: bench:client [slow] [--runtime deno|bun|node] [--rounds N] [--messages N] [--only WORK]
  --runtime NAME  on which (default all; on Node MQTT.js alone)
  --rounds N      of each, in turn (default 3)
  --messages N    in each run (default 150000), behind as many that are not measured
  --only WORK     publish-0, publish-1, publish-2, receive-0, echo-0, echo-1, echo-2, ask-0, ask-1
  slow            in place of all this: a reader that takes 10 ms for a message, under a flood (default 2500 messages)`;

const WORKS = [
  "publish-0",
  "publish-1",
  "publish-2",
  "receive-0",
  "echo-0",
  "echo-1",
  "echo-2",
  "ask-0",
  "ask-1",
];
const args = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["runtime", "rounds", "messages", "only"],
  boolean: ["help"],
  default: { rounds: "3" },
  unknown: (arg) => {
    if (arg === "slow") return true;
    console.error(`Unknown: ${arg}\n${USAGE}`);
    process.exit(2);
  },
});
const rounds = Number(args.rounds);
const isSlow = args._[0] === "slow";
const messages = Number(args.messages ?? (isSlow ? 2_500 : 150_000));
const works = WORKS.filter((work) => args.only === undefined || work.startsWith(args.only));

interface Found {
  readonly cpuUs: number;
  readonly rate: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

const hasNode = spawnSync("node", ["--version"], { stdio: "ignore" }).status === 0;
const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  deno: [...deno(), "run", "-A", "--no-check"],
  bun: bun(),
  ...hasNode && { node: ["node"] },
};
const runtimes = Object.keys(COMMANDS).filter((name) => args.runtime === undefined || args.runtime === name);
if (
  args.help || works.length === 0 || runtimes.length === 0 || !(rounds >= 1) || !(messages >= 1) ||
  args._.length > (isSlow ? 1 : 0)
) {
  console.log(USAGE);
  process.exit(args.help ? 0 : 2);
}
if (isSlow) {
  const { slow } = await import("./slow.ts");
  process.exit(
    await slow(runtimes.filter((name) => name !== "node").map((name) => [name, COMMANDS[name]!]), messages)
      ? 0
      : 1,
  );
}
const subjects = runtimes.flatMap((runtime) =>
  ["ours", "mqttjs", "mqttjs-nodelay"].filter((name) => runtime !== "node" || name !== "ours").map((
    name,
  ) => ({
    runtime,
    name,
  }))
);

const CHILD = pathOf("scripts/bench/client/child.ts");
/** For Node, without types, where it finds MQTT.js. */
const CHILD_FOR_NODE = pathOf("node_modules/.plumb_bench_client.mjs");
await build({ entryPoints: [CHILD], outfile: CHILD_FOR_NODE, format: "esm", platform: "node" });
await stop();

const port = await freePort();
const broker = spawnKept([...bun(), "mod.ts", "--listen", `mqtt://127.0.0.1:${port}`, "--memory"], {
  stdio: "ignore",
});
await listening(broker, port);
const url = `mqtt://127.0.0.1:${port}`;
const head = ["work", "Client", "CPU us", "rate/s", "p50 us", "p99 us"];
const rows: string[][] = [];
try {
  for (const work of works) {
    const found = new Map(subjects.map((subject) => [subject, [] as Found[]]));
    // MQTT.js without setNoDelay takes 44 ms for an answer at QoS 1.
    const count = work.startsWith("ask") ? Math.min(messages, 5_000) : messages;
    const feeder = work.startsWith("receive")
      ? spawnKept([...bun(), CHILD, "ours", url, work.replace("receive", "feed")], { stdio: "ignore" })
      : undefined;
    for (let round = 0; round < rounds; round++) {
      for (const subject of round % 2 === 0 ? subjects : subjects.toReversed()) {
        const { runtime, name } = subject;
        const few = name === "mqttjs" && work === "ask-1"
          ? 200
          : name === "mqttjs" && work.startsWith("echo")
          ? Math.ceil(count / 20) // at QoS 1 and 2 it does 5,000 a second
          : count;
        const { code, text } = await run([
          ...COMMANDS[runtime]!,
          runtime === "node" ? CHILD_FOR_NODE : CHILD,
          name,
          url,
          work,
          `${few}`,
          `${few}`,
        ], { quiet: true, limitMs: 120_000 });
        if (code !== 0) throw new Error(`${runtime} ${name} ${work}: ${text}`);
        found.get(subject)!.push(JSON.parse(text.trim().split("\n").at(-1)!));
      }
    }
    if (feeder !== undefined) await killed(feeder);
    const of = (all: readonly Found[], field: keyof Found) => median(all.map((one) => one[field]));
    for (const [{ runtime, name }, all] of found) {
      const isAsk = work.startsWith("ask");
      rows.push([
        work,
        `${name} ${runtime}`,
        of(all, "cpuUs").toFixed(2),
        of(all, "rate").toFixed(0),
        isAsk ? of(all, "p50Us").toFixed(0) : "",
        isAsk ? of(all, "p99Us").toFixed(0) : "",
      ]);
    }
    const theirs = [...found].filter(([{ name }]) => name !== "ours");
    if (theirs.length === 0) continue;
    const best = Math.min(...theirs.map(([, all]) => of(all, "cpuUs")));
    for (const [{ runtime, name }, all] of found) {
      if (name !== "ours") continue;
      rows.push([
        work,
        `best of MQTT.js / ours ${runtime}`,
        `${(best / of(all, "cpuUs")).toFixed(1)} x`,
        "",
        "",
        "",
      ]);
    }
  }
} finally {
  await killed(broker);
  rmSync(CHILD_FOR_NODE);
}
console.log(tableOf(head, rows));
