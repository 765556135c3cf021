/**
 * `deno task bench:small`: the memory of a broker for a board: 20 Clients in QuickJS, and on Node with 64 MiB of heap.
 * Knows what is done and how memory is asked for; refuses to know why it takes so much.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { bundle } from "../engines/bundle.ts";
import { QuickJs } from "../engines/quickjs.ts";
import { run } from "../lib/run.ts";
import { short, tableOf } from "./table.ts";

const USAGE = `Usage: bench:small [--clients N] [--messages N] [--heap MIB] [--json]
  --clients N   (default 20)
  --messages N  of 64 B at QoS 1, each to two Clients (default 10000)
  --heap MIB    that Node's old space may have (default 64)
  --json        JSON instead of a table

QuickJS: bytes of its allocator that are in use. Node: heap in use behind a collection of garbage, and RSS of the process.`;

const flags = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["clients", "messages", "heap"],
  boolean: ["help", "json"],
  default: { clients: "20", messages: "10000", heap: "64" },
  unknown: (arg) => wrong(`Unknown: ${arg}`),
});
const [clients, messages, heap] = [Number(flags.clients), Number(flags.messages), Number(flags.heap)];
if (![clients, messages, heap].every((number) => Number.isInteger(number) && number > 0)) {
  wrong("Each number is whole and above 0");
}
if (flags.help) {
  console.log(USAGE);
  process.exit(0);
}

/** The one limit that a board sets: its default, 65,536, is a table of 1.3 MB. */
const KNOWN_TOPICS = 256;

/** What the board does, one step after the other. */
const BOARD = `
import { publishBytes, Stage } from "./scripts/bench/micro/offline_broker.ts";
let stage, clients;
const send = (client, topic, qos, more) => {
  const packetId = client.ids.next();
  client.connection.received(publishBytes(5, topic, qos, 64, { ...qos > 0 && { packetId }, ...more }), stage.now);
  stage.turn();
};
globalThis.steps = {
  "a broker": () => void (stage = new Stage({ limits: { knownTopicsMax: ${KNOWN_TOPICS} } })),
  "${clients} Clients, 3 subscriptions each": () => {
    clients = Array.from({ length: ${clients} }, (_, i) => stage.connect(5, "device-" + i));
    clients.forEach((client, i) => {
      for (const filter of ["device/" + i + "/#", "device/" + (i + 1) % ${clients} + "/+", "all"]) {
        stage.subscribe(client, filter, 1);
      }
    });
  },
  "${messages} messages, acknowledged": () => {
    const given = clients.map(() => 0);
    for (let i = 0; i < ${messages}; i++) {
      const to = i % clients.length;
      send(clients[(i * 7) % clients.length], "device/" + to + "/state", 1, {});
      for (const receiver of [to, (to + clients.length - 1) % clients.length]) {
        stage.finish(clients[receiver], 1, [given[receiver] = given[receiver] % 0xffff + 1]);
      }
    }
    const open = clients.filter(({ connection }) => stage.sessionOf(connection).inFlight > 0);
    if (open.length > 0) throw new Error("not all are acknowledged");
  },
  "1,000 retained messages": () => {
    for (let i = 0; i < 1_000; i++) send(clients[0], "retained/" + i, 0, { retain: true });
    if (stage.broker.stats.retainedMessages !== 1_000) throw new Error("not all are retained");
  },
};
`;

/** In QuickJS: KiB. */
async function inQuickJs(): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const js = await QuickJs.open("");
  const note = (step: string): void => void found.set(step, js.memoryBytes / 1024);
  note("the engine");
  js.evaluate(await bundle(BOARD, { minify: true }));
  note("the script");
  for (const step of js.evaluate("Object.keys(steps).join('\\n')").split("\n")) {
    js.evaluate(`steps[${JSON.stringify(step)}]()`);
    note(step);
  }
  return found;
}

const ON_NODE = `
const note = (step) => {
  gc();
  gc();
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  console.log(JSON.stringify([step, rss, heapUsed + arrayBuffers]));
};
for (const [step, act] of Object.entries(steps)) {
  act();
  note(step);
}`;

/** On Node: MiB of RSS and of heap; undefined without Node. */
async function onNode(): Promise<Map<string, readonly [rss: number, heap: number]> | undefined> {
  if (spawnSync("node", ["--version"], { stdio: "ignore" }).status !== 0) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "plumb-small-"));
  try {
    const found = new Map<string, readonly [number, number]>();
    const scripts = [
      ["the engine", "globalThis.steps = {};"],
      ["", await bundle(BOARD, { minify: true })],
    ] as const;
    for (const [what, script] of scripts) {
      const file = join(folder, "board.cjs");
      const first = `note(${JSON.stringify(what === "" ? "the script" : what)});`;
      writeFileSync(file, `${script}\n${ON_NODE.replace("for (", `${first}\nfor (`)}`);
      const command = ["node", `--max-old-space-size=${heap}`, "--expose-gc", file];
      const { code, text } = await run(command, { quiet: true });
      if (code !== 0) throw new Error(text);
      for (const line of text.trim().split("\n")) {
        const [step, rss, used] = JSON.parse(line) as [string, number, number];
        found.set(step, [rss / 2 ** 20, used / 2 ** 20]);
      }
    }
    return found;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const quickjs = await inQuickJs();
const node = await onNode();
if (flags.json) {
  const all = [...quickjs].map(([step, kib]) => ({ step, kib, node: node?.get(step) }));
  console.log(JSON.stringify(all, undefined, 2));
} else {
  const rows = [...quickjs].map(([step, kib]) => {
    const [rss, used] = node?.get(step) ?? [];
    return [step, short(kib), used === undefined ? "" : short(used), rss === undefined ? "" : short(rss)];
  });
  console.log(tableOf(["behind", "QuickJS KiB", "Node heap MiB", "Node RSS MiB"], rows));
  if (node === undefined) console.log("There is no Node on the PATH");
}

function wrong(message: string): never {
  console.error(`${message}\n${USAGE}`);
  process.exit(2);
}
