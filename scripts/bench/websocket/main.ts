/**
 * `deno task bench:websocket`: what WebSocket adds to TCP and to TLS, on the broker: its CPU time for a delivery, a burst of connections,
 * an idle one.
 * Knows these and their budgets; refuses to know how bytes travel.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import process from "node:process";
import { createInterface } from "node:readline";
import { encodePacket, type Packet, PacketType } from "../../../src/codec/mod.ts";
import { BrokerProcess, type Runtime } from "../../lib/broker_process.ts";
import { killed, spawnKept } from "../../lib/kept_child.ts";
import { bun } from "../../lib/run.ts";
import { pathOf } from "../../lib/tree.ts";
import { Inbox, within } from "../../lib/within.ts";
import { median } from "../statistics.ts";
import { short, tableOf } from "../table.ts";
import type { BurstLine } from "./burst_child.ts";
import { carried, type Carrier, client, type Wire, wordsOf } from "./wire.ts";

const USAGE =
  `Usage: bench:websocket [--runtime deno|bun|both] [--below tcp|tls|both] [--only cpu|burst] [--rounds N] [--messages N]
    [--connections N] [--bursts N]
  --runtime NAME   on which (default both)
  --below NAME     what WebSocket is beside (default both)
  --only NAME      one of the two: deliveries, or bursts and what is idle then (default both)
  --rounds N       of each carrier, in turn (default 15)
  --messages N     delivered in each (default 40000)
  --connections N  of a burst, in which each gets its CONNACK (default 5000)
  --bursts N       of each carrier, in turn (default 5)`;

/** A carrier, and the two of WebSocket over it. */
interface Below {
  readonly name: "TCP" | "TLS";
  readonly plain: Carrier;
  readonly each: Carrier;
  readonly one: Carrier;
}

const BELOW: readonly Below[] = ([["TCP", "mqtt", "ws"], ["TLS", "mqtts", "wss"]] as const).map((
  [name, plain, scheme],
) => ({
  name,
  plain: { name, scheme: plain },
  each: { name: `${scheme}, a frame each`, scheme, isSingle: true },
  one: { name: `${scheme}, one frame`, scheme },
}));

/** CPU time for a delivery, as a multiple of TCP's; over TLS what is added to TLS may be as much. */
const EACH_MAX = 2;
const ONE_MAX = 1.6;
/** The rate of a burst, as a part of that without WebSocket. */
const RATE_LEAST = 0.75;
/** More than without WebSocket, KiB for each idle connection. */
const IDLE_KIB_MAX = 3;

const PAIRS = 8;
const BATCH = 200;
const SUBACK_BYTES = 5;
const BURST_MS = 300_000;

const args = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["runtime", "below", "only", "rounds", "messages", "connections", "bursts"],
  boolean: ["help"],
  default: {
    runtime: "both",
    below: "both",
    rounds: "15",
    messages: "40000",
    connections: "5000",
    bursts: "5",
  },
  unknown: (arg) => {
    console.error(`Unknown: ${arg}\n${USAGE}`);
    process.exit(2);
  },
});
const [rounds, messages, connections, bursts] = [args.rounds, args.messages, args.connections, args.bursts]
  .map(Number) as [number, number, number, number];

function start(runtime: Runtime, { scheme }: Carrier): Promise<BrokerProcess> {
  return BrokerProcess.start(runtime, { url: `${scheme}://127.0.0.1:0` });
}

/** Pairs of Clients, and batches of messages of QoS 0 from one to the other. */
class Pairs {
  readonly broker: BrokerProcess;
  readonly ns: number[] = [];
  readonly carrier: Carrier;
  readonly #wires: Wire[] = [];
  readonly #lanes: (() => Promise<void>)[] = [];

  constructor(broker: BrokerProcess, carrier: Carrier) {
    this.broker = broker;
    this.carrier = carrier;
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
      subscriber.send(carried([encodePacket(subscribe, 4)], this.carrier));
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
      const batch = carried(Array<Uint8Array>(BATCH).fill(packet), this.carrier);
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
    const wire = await client(this.broker.port, this.carrier, wordsOf(this.carrier, id));
    this.#wires.push(wire);
    return wire;
  }

  async close(): Promise<void> {
    for (const wire of this.#wires) wire.close();
    await this.broker.close();
  }
}

async function cpuOf(runtime: Runtime, carriers: readonly Carrier[]): Promise<readonly Pairs[]> {
  const all: Pairs[] = [];
  try {
    for (const carrier of carriers) {
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

/**
 * Connections a second, CPU time of the broker and of the Clients for one, µs; and the broker's memory for each that is idle, KiB: by a
 * second burst, since with the first one its heap grows, and what is compiled.
 */
interface Burst {
  readonly rate: number;
  readonly cpuUs: number;
  readonly loadUs: number;
  readonly idleKib: number;
}

async function burstOf(runtime: Runtime, carrier: Carrier): Promise<Burst> {
  const broker = await start(runtime, carrier);
  const file = pathOf("scripts/bench/websocket/burst_child.ts");
  const words = [broker.port, carrier, connections].map((one) => JSON.stringify(one));
  const child = spawnKept([...bun(), file, ...words], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = new Inbox<"ready" | BurstLine>();
  createInterface(child.stdout!).on("line", (text) => lines.put(JSON.parse(text)));
  const heard = () => lines.take(`a line of the Clients by ${carrier.name}`, undefined, BURST_MS);
  try {
    const burst = async () => {
      child.stdin!.write("begin\n");
      return await heard() as BurstLine;
    };
    await heard();
    const before = await broker.report(true);
    const { seconds, cpuMs: loadMs } = await burst();
    const { cpuMs } = await broker.report();
    const first = await broker.report(true);
    await burst();
    const second = await broker.report(true);
    return {
      rate: connections / seconds,
      cpuUs: (cpuMs - before.cpuMs) * 1000 / connections,
      loadUs: loadMs * 1000 / connections,
      idleKib: (second.rssBytes - first.rssBytes) / 1024 / connections,
    };
  } finally {
    await killed(child);
    await broker.close();
  }
}

/** A row of the table; `ratio` is `ours` to `plain`, and what else is said of it. */
interface Row {
  readonly what: string;
  readonly plain: number;
  readonly ours: number;
  readonly ratio: number;
  readonly budget?: string;
  readonly holds?: boolean;
}

/** `tcp`: CPU time for a delivery over TCP, ns, round by round. */
function cpuRow(what: string, plain: Pairs, ours: Pairs, tcp: Pairs, most: number): Row {
  const more = median(ours.ns.map((ns, round) => 1 + (ns - plain.ns[round]!) / tcp.ns[round]!));
  const budget = plain === tcp ? `<= ${most}` : `<= TLS + ${(most - 1).toFixed(1)} TCP`;
  return {
    what: `ns a delivery, ${what}`,
    plain: median(plain.ns),
    ours: median(ours.ns),
    ratio: plain === tcp ? more : median(ours.ns.map((ns, round) => ns / plain.ns[round]!)),
    budget,
    holds: more <= most,
  };
}

async function cpuRows(runtime: Runtime, belows: readonly Below[]): Promise<Row[]> {
  const tcp = BELOW[0]!.plain;
  const carriers = new Set([tcp, ...belows.flatMap(({ plain, each, one }) => [plain, each, one])]);
  const all = await cpuOf(runtime, [...carriers]);
  const of = (carrier: Carrier) => all.find((pairs) => pairs.carrier === carrier)!;
  return belows.flatMap(({ plain, each, one }) => [
    cpuRow(each.name, of(plain), of(each), of(tcp), EACH_MAX),
    cpuRow(one.name, of(plain), of(one), of(tcp), ONE_MAX),
  ]);
}

async function burstRows(runtime: Runtime, { plain: without, one }: Below): Promise<Row[]> {
  const [plain, ours]: [Burst[], Burst[]] = [[], []];
  for (let i = 0; i < bursts; i++) {
    plain.push(await burstOf(runtime, without));
    ours.push(await burstOf(runtime, one));
  }
  const row = (what: string, key: keyof Burst): Row => ({
    what: `${one.scheme}: ${what}`,
    plain: median(plain.map((burst) => burst[key])),
    ours: median(ours.map((burst) => burst[key])),
    ratio: median(ours.map((burst, i) => burst[key] / plain[i]![key])),
  });
  const rate = row("connections a second", "rate");
  const idle = row("KiB idle, and more", "idleKib");
  const more = median(ours.map((burst, i) => burst.idleKib - plain[i]!.idleKib));
  return [
    { ...rate, budget: `>= ${RATE_LEAST}`, holds: rate.ratio >= RATE_LEAST },
    row("CPU µs a connection", "cpuUs"),
    row("CPU µs of its Client", "loadUs"),
    { ...idle, ratio: more, budget: `<= ${IDLE_KIB_MAX}`, holds: more <= IDLE_KIB_MAX },
  ];
}

const runtimes = (["bun", "deno"] as const).filter((name) =>
  args.runtime === "both" || args.runtime === name
);
const belows = BELOW.filter(({ name }) => args.below === "both" || args.below === name.toLowerCase());
const [hasCpu, hasBursts] = ["cpu", "burst"].map((name) => (args.only ?? name) === name);
if (args.help) console.log(USAGE);
else if (
  runtimes.length === 0 || belows.length === 0 || !hasCpu && !hasBursts ||
  ![rounds, messages, connections, bursts].every((one) => one >= 1)
) {
  console.error(USAGE);
  process.exit(2);
} else {
  const rows: string[][] = [];
  let failed = 0;
  for (const runtime of runtimes) {
    const all = hasCpu ? await cpuRows(runtime, belows) : [];
    if (hasBursts) { for (const below of belows) all.push(...await burstRows(runtime, below)); }
    for (const { what, plain, ours, ratio, budget = "", holds = true } of all) {
      if (!holds) failed++;
      const verdict = budget === "" ? "" : holds ? "ok" : "worse";
      rows.push([`${runtime}: ${what}`, short(plain), short(ours), short(ratio), budget, verdict]);
    }
  }
  console.log(tableOf(["", "without", "WebSocket", "ratio", "budget", "verdict"], rows));
  console.log(`${rows.length - failed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}
