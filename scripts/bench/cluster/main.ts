/**
 * `deno task bench:cluster`: QoS 1 to durable sessions at level 4 through a cluster of three members, and through the MQTT of nats-server itself,
 * each on three nats-servers that keep every message three times. Brokers, servers and load share all cores of the machine.
 * Knows the rounds, and prints ratios of medians; refuses to know the load.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { usageOf } from "../../../src/bench/usage.ts";
import { freePort } from "../../../src/testing/free_port.ts";
import { type NatsServer, noNats, startNatsCluster } from "../../../src/testing/nats_server.ts";
import { until } from "../../../src/testing/patience.ts";
import { OWN_RUNTIME } from "../../lib/broker_process.ts";
import { ClusterMember } from "../../lib/cluster_member.ts";
import { connectOf } from "../../lib/raw_client.ts";
import { median } from "../statistics.ts";
import { tableOf } from "../table.ts";
import { Load, Pair, Side, type SideMaker } from "../workers/load.ts";

const USAGE = `Usage: bench:cluster [--runtime deno|bun|node] [--pairs N] [--rounds N] [--seconds S] [--json]
  --runtime NAME   of the members (default: the one that runs this)
  --pairs N        a publisher at one member, a subscriber at the next (default 24)
  --rounds N       (default 5)
  --seconds S      of each measurement (default 4)
  --json           all rounds, as JSON`;
const MEMBERS = 3;
/** Not measured, at the beginning of each measurement: ms. */
const WARM_MS = 1_000;
/** Of a Client that is refused while shards start: ms. */
const AGAIN_MS = 200;

const args = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["runtime", "pairs", "rounds", "seconds"],
  boolean: ["help", "json"],
  default: { runtime: OWN_RUNTIME, pairs: "24", rounds: "5", seconds: "4" },
  unknown: (arg) => wrong(`Unknown: ${arg}`),
});
if (args.help) {
  console.log(USAGE);
  process.exit(0);
}
const runtime = (["deno", "bun", "node"] as const).find((name) => name === args.runtime);
const [count, rounds, ms] = [Number(args.pairs), Number(args.rounds), Number(args.seconds) * 1_000];
if (runtime === undefined || !(count >= 1) || !(rounds >= 1) || !(ms > 0)) wrong("No such measurement");
if (noNats !== false) wrong(noNats);
if (usageOf(process.pid) === undefined) wrong("Needs Linux, where /proc tells the CPU time of a process");

function wrong(what: string): never {
  console.error(`bench:cluster: ${what}\n${USAGE}`);
  process.exit(2);
}

interface Found {
  readonly cpuUs: number;
  readonly perSecond: number;
}

/** One of the two, and what was measured of it. */
interface Measured {
  readonly name: string;
  readonly pids: () => readonly number[];
  readonly load: Load;
  readonly found: Found[];
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A Client of level 4 with a session that outlives its connection. */
function maker(port: number, clientId: string): SideMaker {
  return async (moved) => {
    for (;;) {
      const side = new Side(port, moved, connectOf(4, clientId, { cleanStart: false }));
      let isOver = false;
      side.socket.on("close", () => isOver = true);
      await until(() => side.answers === 1 || isOver, "CONNACK");
      await pause(AGAIN_MS); // a CONNACK that refuses is followed by the end
      if (!isOver) return side;
    }
  };
}

/** Each pair crosses from one member to the next. */
async function loadOf(ports: readonly number[]): Promise<Load> {
  const pairs: Pair[] = [];
  for (let i = 0; i < count; i++) {
    const [from, to] = [ports[i % MEMBERS]!, ports[(i + 1) % MEMBERS]!];
    pairs.push(await Pair.open(`pairs/${i}`, maker(from, `from${i}`), maker(to, `to${i}`)));
  }
  return new Load(pairs);
}

async function measure({ pids, load, found }: Measured): Promise<void> {
  const cpuUs = () => pids().reduce((sum, pid) => sum + usageOf(pid)!.cpuUs, 0);
  load.begin(1);
  await pause(WARM_MS);
  const [cpu, before, begun] = [cpuUs(), load.delivered, performance.now()];
  await pause(ms);
  const delivered = load.delivered - before;
  const seconds = (performance.now() - begun) / 1_000;
  found.push({ cpuUs: (cpuUs() - cpu) / delivered, perSecond: delivered / seconds });
  await load.end();
}

const data = mkdtempSync(join(tmpdir(), "plumb-bench-cluster-"));
const servers: NatsServer[] = [];
const members: ClusterMember[] = [];
try {
  const natsPorts = await Promise.all(Array.from({ length: MEMBERS }, freePort));
  const others = await startNatsCluster(3, (i) => `mqtt { listen: "127.0.0.1:${natsPorts[i]}" }\n`);
  servers.push(...others);
  const own = await startNatsCluster(3);
  servers.push(...own);
  const ports = await Promise.all(Array.from({ length: MEMBERS }, freePort));
  for (const [i, port] of ports.entries()) {
    const member = new ClusterMember({
      runtime,
      name: `m${i + 1}`,
      servers: own.map(({ url }) => url),
      shards: MEMBERS,
      replicas: 3,
      data: join(data, `m${i + 1}`),
      port,
    });
    members.push(member);
  }
  await Promise.all(members.map((member) => member.start()));
  await until(
    () => members.reduce((sum, { shards }) => sum + shards.size, 0) === MEMBERS,
    () => `all shards run\n${members.map(({ log }) => log).join("\n")}`,
  );
  const natsPids = (all: readonly NatsServer[]): number[] => all.flatMap(({ pid }) => pid ?? []);
  const all: Measured[] = [
    { name: "nats-server's MQTT", pids: () => natsPids(others), load: await loadOf(natsPorts), found: [] },
    {
      name: `Plumb on ${runtime}`,
      pids: () => [...natsPids(own), ...members.flatMap((member) => [...member.pids])],
      load: await loadOf(ports),
      found: [],
    },
  ];
  for (let round = 0; round < rounds; round++) {
    for (const one of round % 2 === 0 ? all : [...all].reverse()) await measure(one);
    if (!args.json) console.error(`round ${round + 1} of ${rounds}`);
  }
  if (args.json) console.log(JSON.stringify(all.map(({ name, found }) => ({ name, found }))));
  else {
    const [nats, plumb] = all.map(({ found }) => ({
      cpuUs: median(found.map((one) => one.cpuUs)),
      perSecond: median(found.map((one) => one.perSecond)),
    }));
    const ratio = (what: keyof Found) => (plumb![what] / nats![what]).toFixed(2);
    console.log(
      `${count} pairs that cross, QoS 1 to durable sessions, level 4, three replicas, ${rounds} rounds:`,
    );
    console.log(tableOf(
      ["", "deliveries a second", "CPU a delivery, all processes"],
      [[`${all[1]!.name} beside ${all[0]!.name}`, ratio("perSecond"), ratio("cpuUs")]],
    ));
  }
  for (const { load } of all) load.close();
} finally {
  await Promise.all(members.map((member) => member.kill()));
  await Promise.all(servers.map((server) => server.end()));
  rmSync(data, { recursive: true, force: true });
}
process.exit(0);
