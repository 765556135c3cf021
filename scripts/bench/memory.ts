/**
 * `deno task bench:memory`: the memory that subscriptions, retained messages and sessions take, on both runtimes in turn.
 * Knows what to make and how often; refuses to know why it takes so much. Each case has a process of its own.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import process from "node:process";
import { type BrokerOptions, MemoryStore } from "../../src/broker/mod.ts";
import { encodePacket, PacketType, type SubscriptionRequest } from "../../src/codec/mod.ts";
import { bun, deno, run } from "../lib/run.ts";
import { pathOf } from "../lib/tree.ts";
import { must } from "./micro/bench.ts";
import { collectGarbage } from "./micro/measure.ts";
import type { Runtime } from "../lib/broker_process.ts";
import { agrees, type AttackFigures, ATTACKS, measureAttack } from "./memory_attacks.ts";
import { publishBytes, Stage, type StageClient } from "./micro/offline_broker.ts";
import { short, tableOf } from "./table.ts";

const USAGE = `Usage: bench:memory [--only NAME] [--count N] [--runtime deno|bun|both] [--json]
  --only NAME     cases whose name has NAME in it
  --count N       how many of them are made (default 1000000)
  --runtime NAME  on which (default both)
  --json          JSON instead of a table

"each" is what the process has grown by, for each thing made; "live" what is still so after a collection of garbage.
RSS is of the whole process, as it is when all are made.

Cases \`attack/...\` start a broker, have strangers hold as much as they can, and compare the broker's ledger with what its process
has grown by, both behind a collection of garbage. The exit status is 1 if they are more than a quarter apart where either is
above 100 MiB.`;

interface MemoryCase {
  /** What is made, stable: figures are compared by it. */
  readonly name: string;
  /** Of the broker, limits left aside. */
  options?(): BrokerOptions;
  /** Makes `count` of them. */
  fill(stage: Stage, count: number): void;
}

/** §3.1.2.11.2 for sessions that stay. */
const NEVER = 0xffff_ffff;
/** Filters in one SUBSCRIBE. */
const FILTERS = 100;

function connect(stage: Stage, i: number, durable: boolean): StageClient {
  return stage.connect(5, `client-${i}`, durable ? { properties: { sessionExpiryInterval: NEVER } } : {});
}

/** Subscribes to `filterAt(0)`, `filterAt(1)`, …, in sessions of `each`. */
function subscribing(
  filterAt: (i: number) => string,
  each: number,
  durable = false,
): (stage: Stage, count: number) => void {
  return (stage, count) => {
    let client: StageClient | undefined;
    for (let i = 0; i < count; i += FILTERS) {
      if (client === undefined || i % each === 0) client = connect(stage, i, durable);
      const subscriptions: SubscriptionRequest[] = [];
      for (let j = i; j < Math.min(i + FILTERS, count); j++) {
        subscriptions.push({
          filter: filterAt(j),
          qos: 1,
          noLocal: false,
          retainAsPublished: false,
          retainHandling: 0,
        });
      }
      const packet = { type: PacketType.SUBSCRIBE, packetId: 1, subscriptions } as const;
      client.connection.received(encodePacket(packet, 5), stage.now);
      stage.turn();
    }
    must(stage.broker.stats.subscriptions === count, "every subscription is made");
  };
}

const durable = (): BrokerOptions => ({ store: new MemoryStore() });

const CASES: readonly MemoryCase[] = [
  { name: "nothing", fill: (stage) => void connect(stage, 0, false) },
  { name: "subscriptions/device/N/+/x", fill: subscribing((i) => `device/${i}/+/x`, 1_000) },
  { name: "subscriptions/device/N/#", fill: subscribing((i) => `device/${i}/#`, 1_000) },
  { name: "subscriptions/+/N/x", fill: subscribing((i) => `+/${i}/x`, 1_000) },
  { name: "subscriptions/a/N/b/c", fill: subscribing((i) => `a/${i}/b/c`, 1_000) },
  {
    name: "subscriptions/two for each device",
    fill: subscribing((i) => i % 2 === 0 ? `device/${i >> 1}/#` : `device/${i >> 1}/+/x`, 1_000),
  },
  {
    name: "subscriptions/device/N/+/x, large sessions",
    fill: subscribing((i) => `device/${i}/+/x`, 100_000),
  },
  {
    name: "subscriptions/device/N/+/x, durable",
    options: durable,
    fill: subscribing((i) => `device/${i}/+/x`, 1_000, true),
  },
  {
    name: "retained/device/N/state, 64 bytes",
    fill: (stage, count) => {
      const { connection } = connect(stage, 0, false);
      for (let i = 0; i < count; i++) {
        connection.received(publishBytes(5, `device/${i}/state`, 0, 64, { retain: true }), stage.now);
      }
      must(stage.broker.stats.retainedMessages === count, "every message is retained");
    },
  },
  {
    name: "sessions/durable, nobody connected",
    options: durable,
    fill: (stage, count) => {
      for (let i = 0; i < count; i++) {
        connect(stage, i, true).connection.closed(stage.now);
        stage.turn();
      }
      must(stage.broker.stats.sessions === count, "every session is kept");
    },
  },
];

/** None of the limits that count what is made. */
const ALL = {
  subscriptionsPerSessionMax: 0xffff_ffff,
  subscriptionBytesMax: Number.MAX_SAFE_INTEGER,
  sessionsMax: 0xffff_ffff,
  retainedMessagesMax: 0xffff_ffff,
  retainedBytesMax: Number.MAX_SAFE_INTEGER,
};

interface Figures {
  readonly rss: number;
  readonly each: number;
  readonly live: number;
  readonly seconds: number;
}

/** In this process. */
async function measure({ options, fill }: MemoryCase, count: number): Promise<Figures> {
  await settled();
  const before = process.memoryUsage();
  const stage = new Stage({ ...options?.(), limits: ALL });
  const began = performance.now();
  fill(stage, count);
  const seconds = (performance.now() - began) / 1000;
  const { rss } = process.memoryUsage();
  await settled();
  const after = process.memoryUsage();
  must(stage.broker.stats.sessions > 0, "the broker is still there");
  const heap = after.heapUsed - before.heapUsed;
  const buffers = after.arrayBuffers - before.arrayBuffers;
  return { rss, each: (rss - before.rss) / count, live: (heap + buffers) / count, seconds };
}

/** Frees what nobody holds: buffers need a turn of the event loop. */
async function settled(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** In a process of its own. */
async function measureOn(runtime: string, index: number, count: number): Promise<Figures> {
  const file = pathOf("scripts/bench/memory.ts");
  const start = runtime === "bun"
    ? [...bun(), file]
    : [...deno(), "run", "-A", "--no-check", "--v8-flags=--expose-gc", file];
  const { code, text } = await run([...start, `--child=${index}`, `--count=${count}`], { quiet: true });
  if (code !== 0) throw new Error(text);
  return JSON.parse(text);
}

async function main(): Promise<void> {
  const args = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
    string: ["only", "count", "runtime", "child"],
    boolean: ["help", "json"],
    default: { only: "", count: "1000000", runtime: "both" },
    unknown: (arg) => {
      console.error(`Unknown: ${arg}\n${USAGE}`);
      process.exit(2);
    },
  });
  if (args.help) return console.log(USAGE);
  const count = Number(args.count);
  if (args.child !== undefined) {
    return console.log(JSON.stringify(await measure(CASES[Number(args.child)]!, count)));
  }
  const results: ({ name: string; runtime: string } & Figures)[] = [];
  for (const [index, { name }] of CASES.entries()) {
    if (!name.includes(args.only)) continue;
    for (const runtime of ["deno", "bun"]) {
      if (args.runtime !== "both" && args.runtime !== runtime) continue;
      results.push({ name, runtime, ...await measureOn(runtime, index, count) });
    }
  }
  const attacks = await attacked(args.only, args.runtime, args.json);
  if (args.json) {
    console.log(JSON.stringify({ made: results, attacks }, undefined, 2));
    process.exit(attacks.every(agrees) ? 0 : 1);
  }
  const rows = results.map(({ name, runtime, rss, each, live, seconds }) => [
    `${name} (${runtime})`,
    short(rss / 2 ** 20),
    name === "nothing" ? "" : short(each),
    name === "nothing" ? "" : short(live),
    short(seconds),
  ]);
  if (rows.length > 0) console.log(tableOf([`${short(count)} of`, "RSS MiB", "each B", "live B", "s"], rows));
  if (attacks.length === 0) return;
  const compared = attacks.map((each) => [
    `${each.name} (${each.runtime})`,
    short(each.ledger / 2 ** 20),
    short(each.growth / 2 ** 20),
    short(each.ledger / each.growth),
    agrees(each) ? "" : "APART",
  ]);
  console.log(`\n${tableOf(["held by strangers", "ledger MiB", "RSS growth MiB", "ratio", ""], compared)}`);
  if (!attacks.every(agrees)) process.exit(1);
}

/** The attacks whose name has `only` in it, on one runtime or both. */
async function attacked(
  only: string,
  wanted: string,
  isQuiet: boolean,
): Promise<({ name: string; runtime: Runtime } & AttackFigures)[]> {
  const results: ({ name: string; runtime: Runtime } & AttackFigures)[] = [];
  for (const attack of ATTACKS) {
    if (!attack.name.includes(only)) continue;
    for (const runtime of ["deno", "bun"] as const) {
      if (wanted !== "both" && wanted !== runtime) continue;
      if (!isQuiet) process.stderr.write(`${attack.name} (${runtime})\n`);
      results.push({ name: attack.name, runtime, ...await measureAttack(runtime, attack) });
    }
  }
  return results;
}

await main();
