/**
 * The Clients of a burst, in a process of their own: on Bun, since what they take must not be what bounds the broker.
 * Knows when to begin; refuses to know the broker. Run: `burst_child.ts PORT CARRIER CONNECTIONS`, the carrier as JSON. It says `ready`
 * when some connections are made; a line on standard input begins a burst, and another one the second; it says what each took, and ends
 * with its standard input.
 * @module
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { within } from "../../lib/within.ts";
import { type Carrier, client, type Wire, type Words, wordsOf } from "./wire.ts";

/** What a burst took: seconds, and CPU time of its Clients, ms. */
export interface BurstLine {
  readonly seconds: number;
  readonly cpuMs: number;
}

/** Connections that are made before, so that what is rare is loaded, on both sides. */
const FIRST = 200;
/** Connections that are under way. */
const UNDERWAY = 500;

const [port, carrier, connections] = process.argv.slice(2).map((text) => JSON.parse(text)) as [
  number,
  Carrier,
  number,
];
const wires: Wire[] = [];

function prepared(name: string, count: number): Words[] {
  return Array.from({ length: count }, (_, i) => wordsOf(carrier, `${name}-${i}`));
}

async function connect(all: readonly Words[]): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < all.length) wires.push(await client(port, carrier, all[next++]!));
  };
  const lanes = Array.from({ length: UNDERWAY }, lane);
  await within(Promise.all(lanes), "all connections of a burst");
}

await connect(prepared("first", FIRST));
const bursts = ["a", "b"].map((name) => prepared(name, connections));
createInterface(process.stdin).on("line", async () => {
  const began = performance.now();
  const before = process.cpuUsage();
  await connect(bursts.shift()!);
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(before);
  const line: BurstLine = { seconds, cpuMs: (user + system) / 1000 };
  console.log(JSON.stringify(line));
}).on("close", () => process.exit(0));
console.log(JSON.stringify("ready"));
