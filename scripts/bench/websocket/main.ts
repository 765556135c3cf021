/**
 * `deno task bench:websocket`: what WebSocket adds to TCP, on the broker: its CPU time for a delivery, a burst of connections, an idle one.
 * Knows the three and their budgets; refuses to know how bytes travel.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import process from "node:process";
import { encodePacket, type Packet, PacketType } from "../../../src/codec/mod.ts";
import { BrokerProcess, type Runtime } from "../../lib/broker_process.ts";
import { connectOf } from "../../lib/raw_client.ts";
import { within } from "../../lib/within.ts";
import { median } from "../statistics.ts";
import { short, tableOf } from "../table.ts";
import { carried, type Carrier, Wire } from "./wire.ts";

const USAGE = `Usage: bench:websocket [--runtime deno|bun|both] [--rounds N] [--messages N] [--connections N]
  --runtime NAME   on which (default both)
  --rounds N       of each carrier, in turn (default 15)
  --messages N     delivered in each (default 40000)
  --connections N  of a burst, in which each gets its CONNACK; 5 bursts each (default 5000)`;

const EACH: Carrier = "ws, a frame each";
const ONE: Carrier = "ws, one frame";
const CARRIERS: readonly Carrier[] = ["tcp", EACH, ONE];

/** CPU time for a delivery, as a multiple of TCP's. */
const CPU_MAX: Partial<Record<Carrier, number>> = { [EACH]: 2, [ONE]: 1.6 };
/** The rate of a burst, as a part of TCP's. */
const RATE_LEAST = 0.75;
/** More than TCP, KiB for each idle connection. */
const IDLE_KIB_MAX = 3;

const PAIRS = 8;
const BATCH = 200;
const BURSTS = 5;
/** Connections of a burst that are under way. */
const UNDERWAY = 500;
const CONNACK_BYTES = 4;
const SUBACK_BYTES = 5;

const args = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["runtime", "rounds", "messages", "connections"],
  boolean: ["help"],
  default: { runtime: "both", rounds: "15", messages: "40000", connections: "5000" },
  unknown: (arg) => {
    console.error(`Unknown: ${arg}\n${USAGE}`);
    process.exit(2);
  },
});
const [rounds, messages, connections] = [args.rounds, args.messages, args.connections].map(Number) as [
  number,
  number,
  number,
];

function start(runtime: Runtime, carrier: Carrier): Promise<BrokerProcess> {
  const scheme = carrier === "tcp" ? "mqtt" : "ws";
  return BrokerProcess.start(runtime, { url: `${scheme}://127.0.0.1:0` });
}

async function client(port: number, carrier: Carrier, id: string): Promise<Wire> {
  const wire = await Wire.dial(port, carrier);
  wire.send(carried([encodePacket(connectOf(4, id), 4)], carrier));
  await wire.take(CONNACK_BYTES);
  return wire;
}

/** Pairs of Clients, and batches of messages of QoS 0 from one to the other. */
class Pairs {
  readonly broker: BrokerProcess;
  readonly ns: number[] = [];
  readonly #carrier: Carrier;
  readonly #wires: Wire[] = [];
  readonly #lanes: (() => Promise<void>)[] = [];

  constructor(broker: BrokerProcess, carrier: Carrier) {
    this.broker = broker;
    this.#carrier = carrier;
  }

  async connect(): Promise<this> {
    const options = { qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
    for (let i = 0; i < PAIRS; i++) {
      const topic = `pair/${i}0`;
      const [subscriber, publisher] = [await this.#client(`s${i}`), await this.#client(`p${i}`)];
      const subscribe: Packet = {
        type: PacketType.SUBSCRIBE,
        packetId: 1,
        subscriptions: [{ filter: topic, ...options }],
      };
      subscriber.send(carried([encodePacket(subscribe, 4)], this.#carrier));
      await subscriber.take(SUBACK_BYTES);
      const payload = new Uint8Array(64).fill(0x2a);
      const packet = encodePacket({
        type: PacketType.PUBLISH,
        dup: false,
        retain: false,
        qos: 0,
        topic,
        payload,
      }, 4);
      const batch = carried(Array<Uint8Array>(BATCH).fill(packet), this.#carrier);
      this.#lanes.push(() => {
        publisher.send(batch);
        return subscriber.take(BATCH * packet.length);
      });
    }
    return this;
  }

  /** Delivers that many, and notes the broker's CPU time for each. */
  async run(messages: number): Promise<void> {
    const batches = Math.ceil(messages / BATCH / PAIRS);
    const before = (await this.broker.report()).cpuMs;
    const all = this.#lanes.map(async (lane) => {
      for (let i = 0; i < batches; i++) await lane();
    });
    await within(Promise.all(all), "every message of a round");
    this.ns.push(((await this.broker.report()).cpuMs - before) * 1e6 / (batches * BATCH * PAIRS));
  }

  async #client(id: string): Promise<Wire> {
    const wire = await client(this.broker.port, this.#carrier, id);
    this.#wires.push(wire);
    return wire;
  }

  async close(): Promise<void> {
    for (const wire of this.#wires) wire.close();
    await this.broker.close();
  }
}

async function cpuOf(runtime: Runtime): Promise<readonly Pairs[]> {
  const all: Pairs[] = [];
  try {
    for (const carrier of CARRIERS) {
      all.push(await new Pairs(await start(runtime, carrier), carrier).connect());
    }
    for (const pairs of all) await pairs.run(4 * messages);
    for (const pairs of all) pairs.ns.length = 0;
    for (let round = 0; round < rounds; round++) {
      for (const pairs of round % 2 === 0 ? all : all.toReversed()) await pairs.run(messages);
    }
    return all;
  } finally {
    for (const pairs of all) await pairs.close();
  }
}

/** Connections a second, the broker's CPU time for one, µs, and its memory when all of them are idle, KiB. */
interface Burst {
  readonly rate: number;
  readonly cpuUs: number;
  readonly idleKib: number;
}

async function burstOf(runtime: Runtime, carrier: Carrier): Promise<Burst> {
  const broker = await start(runtime, carrier);
  const wires: Wire[] = [];
  try {
    for (let i = 0; i < 100; i++) wires.push(await client(broker.port, carrier, `first-${i}`)); // what is rare is loaded
    const before = await broker.report(true);
    const begin = performance.now();
    let next = 0;
    const lane = async () => {
      while (next < connections) wires.push(await client(broker.port, carrier, `c${next++}`));
    };
    await within(Promise.all(Array.from({ length: UNDERWAY }, lane)), "all connections of a burst");
    const seconds = (performance.now() - begin) / 1000;
    const { cpuMs } = await broker.report();
    const after = await broker.report(true);
    return {
      rate: connections / seconds,
      cpuUs: (cpuMs - before.cpuMs) * 1000 / connections,
      idleKib: (after.rssBytes - before.rssBytes) / 1024 / connections,
    };
  } finally {
    for (const wire of wires) wire.close();
    await broker.close();
  }
}

async function measured(runtime: Runtime): Promise<{ rows: string[][]; failed: number }> {
  const [tcp, ...webSockets] = await cpuOf(runtime) as [Pairs, ...Pairs[]];
  const rows: string[][] = [];
  let failed = 0;
  const add = (what: string, plain: number, ours: number, ratio: number, holds: boolean, budget: string) => {
    if (!holds) failed++;
    rows.push([
      `${runtime}: ${what}`,
      short(plain),
      short(ours),
      short(ratio),
      budget,
      holds ? "ok" : "worse",
    ]);
  };
  webSockets.forEach(({ ns }, i) => {
    const carrier = CARRIERS[i + 1]!;
    const ratio = median(ns.map((one, round) => one / tcp.ns[round]!));
    const most = CPU_MAX[carrier]!;
    add(`ns a delivery, ${carrier}`, median(tcp.ns), median(ns), ratio, ratio <= most, `<= ${most}`);
  });
  const [plain, ours]: [Burst[], Burst[]] = [[], []];
  for (let i = 0; i < BURSTS; i++) {
    plain.push(await burstOf(runtime, "tcp"));
    ours.push(await burstOf(runtime, ONE));
  }
  const of = (bursts: readonly Burst[], key: keyof Burst) => median(bursts.map((burst) => burst[key]));
  const rate = median(ours.map((burst, i) => burst.rate / plain[i]!.rate));
  add(
    "connections a second",
    of(plain, "rate"),
    of(ours, "rate"),
    rate,
    rate >= RATE_LEAST,
    `>= ${RATE_LEAST}`,
  );
  const cpu = median(ours.map((burst, i) => burst.cpuUs / plain[i]!.cpuUs));
  add("CPU µs a connection", of(plain, "cpuUs"), of(ours, "cpuUs"), cpu, true, "");
  const more = median(ours.map((burst, i) => burst.idleKib - plain[i]!.idleKib));
  add(
    "KiB idle, and more",
    of(plain, "idleKib"),
    of(ours, "idleKib"),
    more,
    more <= IDLE_KIB_MAX,
    `<= ${IDLE_KIB_MAX}`,
  );
  return { rows, failed };
}

const runtimes = (["bun", "deno"] as const).filter((name) =>
  args.runtime === "both" || args.runtime === name
);
if (args.help) console.log(USAGE);
else if (runtimes.length === 0 || ![rounds, messages, connections].every((one) => one >= 1)) {
  console.error(USAGE);
  process.exit(2);
} else {
  const rows: string[][] = [];
  let failed = 0;
  for (const runtime of runtimes) {
    const one = await measured(runtime);
    rows.push(...one.rows);
    failed += one.failed;
  }
  console.log(tableOf(["", "TCP", "WebSocket", "ratio", "budget", "verdict"], rows));
  console.log(`${rows.length - failed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}
