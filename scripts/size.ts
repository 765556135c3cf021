/**
 * Bundles what small users import and fails if the broker comes along, or more than a limit; prints the bytes.
 * The Clients are bundled by esbuild, as other people's Clients are for the table; the rest by Bun.
 * Knows what may be in such a bundle; refuses to know how the modules are arranged.
 * @module
 */
import { build as esbuild, stop } from "esbuild";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { bun, run } from "./lib/run.ts";
import { pathOf, ROOT } from "./lib/tree.ts";

/** Less than this is a bundle of nothing: an export that is not there makes no error. */
const SMALLEST_BYTES = 1500;

interface Bundle {
  readonly what: string;
  readonly exports: string;
  readonly from: string;
  /** Whether the broker belongs into it. */
  readonly broker: boolean;
}

/** A name that only the broker's table of limits has, and that no minifier shortens. */
const MARKER = "sessionExpirySecondsMax";

const BUNDLES: readonly Bundle[] = [
  {
    what: "encodePublish() by ./codec",
    exports: "encodePublish, Writer",
    from: "src/codec/mod.ts",
    broker: false,
  },
  { what: "encodePacket() by mod.ts", exports: "encodePacket", from: "mod.ts", broker: false },
  { what: "decodePacket() by mod.ts", exports: "decodePacket", from: "mod.ts", broker: false },
  { what: "all of ./codec", exports: "*", from: "src/codec/mod.ts", broker: false },
  { what: "all of ./transport", exports: "*", from: "src/transport/mod.ts", broker: false },
  { what: "all of ./client/browser", exports: "*", from: "src/client_api/browser.ts", broker: false },
  {
    what: "a Client with a dialer of its own",
    exports: "connectBy",
    from: "src/client_api/whole.ts",
    broker: false,
  },
  { what: "the engine of a Client", exports: "ClientEngine", from: "src/client/engine.ts", broker: false },
  { what: "Broker by mod.ts", exports: "Broker", from: "mod.ts", broker: true },
];

/** What a page pays for a Client. */
interface PageBundle {
  readonly what: string;
  readonly source: string;
  /** Compressed, from which on it fails: a little above what it is. */
  readonly mostBytes?: number;
  /** Compressed, what it should come to. */
  readonly goalBytes?: number;
  /** Whether the broker belongs into it. */
  readonly broker?: true;
}

const PAGE_BUNDLES: readonly PageBundle[] = [
  {
    what: "Client of a page, without parts, levels 5, 4 and 3",
    source: `export { connect } from "./src/client_api/page.ts";`,
    mostBytes: 23_700,
    goalBytes: 13_824,
  },
  {
    what: "Client by WebSocket, with all parts",
    source: `export { connect } from "./src/client_api/browser.ts";`,
    mostBytes: 25_600,
  },
  {
    what: "the same, with topics, JSON and explain()",
    source: `export { connect, explain, json, topic } from "./src/client_api/browser.ts";`,
    mostBytes: 28_100,
  },
  {
    what: "Publisher by WebSocket, level 5, QoS 0 and 1",
    source: `export { connectPublisher } from "./src/client_api/publisher.ts";`,
    mostBytes: 5_120,
    goalBytes: 5_120,
  },
  { what: "codec alone", source: `export * from "./src/codec/mod.ts";`, mostBytes: 10_900 },
  {
    what: "Broker by ports, in memory",
    source: `export { servePorts } from "./src/browser/mod.ts";`,
    mostBytes: 73_600,
    broker: true,
  },
  {
    what: "the same, with its store in IndexedDB and snapshots",
    source: `export * from "./src/browser/mod.ts";`,
    mostBytes: 82_400,
    broker: true,
  },
  {
    what: "the way from a page to it",
    source: `export { dialWorker } from "./src/runtime/in_process.ts";`,
    mostBytes: 1_300,
  },
  { what: "MQTT.js 5", source: `export { default } from "mqtt";` },
  { what: "paho-mqtt 1", source: `export { default } from "paho-mqtt";` },
  { what: "u8-mqtt 0.6", source: `export * from "u8-mqtt";` },
];

/** What a device without a runtime pays, and what an edge does. */
const CORE_BUNDLES: readonly PageBundle[] = [
  { what: "codec", source: `export * from "./src/codec/mod.ts";` },
  {
    what: "engine of a Client, transport in memory",
    source: `export * from "./src/client/engine.ts"; export { memoryPair } from "./src/transport/memory.ts";`,
  },
  {
    what: "Broker, transport in memory",
    source:
      `export { Broker } from "./src/broker/broker.ts"; export { memoryPair } from "./src/transport/memory.ts";`,
    mostBytes: 69_100,
  },
  {
    what: "the same with its driver",
    source:
      `export { Broker } from "./src/broker/broker.ts"; export { Driver } from "./src/server/driver.ts";`,
  },
  { what: "edgeBroker()", source: `export { edgeBroker } from "./src/edge/broker.ts";`, mostBytes: 71_500 },
  { what: "Client by fetch()", source: `export { connect } from "./src/edge/dial.ts";`, mostBytes: 25_900 },
];

/** Modules of the broker that serve one feature, for what a build without it would save at most. */
const FEATURES: readonly (readonly [feature: string, modules: RegExp])[] = [
  ["codec", /^src\/codec\/(?!mend)/],
  ["topics and the tree of subscriptions", /^src\/topic\//],
  ["links, outboxes, timers, exchanges", /^src\/(engine|delivery)\/(?!token)/],
  ["retained messages", /^src\/broker\/retained/],
  ["shared subscriptions", /^src\/broker\/shared/],
  ["batches of PUBLISH (speed)", /^src\/broker\/(batch|frames|known_topics|gather)/],
  ["Wills", /^src\/broker\/will/],
  [
    "enhanced authentication, verdicts, permissions",
    /^src\/broker\/(auth|login_end|access|permissions|regrant)/,
  ],
  ["the store: journal, restoring, paging", /^src\/broker\/(journal|restore|backlog|memory_store)/],
  [
    "bounds of memory, work and rate",
    /^src\/(broker\/(ledger|memory_limit|budget|rate|users)|engine\/token)/,
  ],
  ["tolerances", /^src\/(broker\/tolerance|codec\/mend)/],
  ["messages of the owner, taps", /^src\/broker\/owner/],
  ["settings at run time, counts", /^src\/broker\/(reconfigure|limits|policy|counts|observer)/],
  ["sessions, routing, packets: the rest", /./],
];

/** Bundles one entry; the text of the bundle, or what the bundler had against it. */
async function build({ exports, from }: Bundle, folder: string): Promise<{ code: number; text: string }> {
  const entry = join(folder, "entry.ts");
  const output = join(folder, "bundle.js");
  const names = exports === "*" ? "*" : `{ ${exports} }`;
  writeFileSync(entry, `export ${names} from ${JSON.stringify(pathOf(from))};\n`);
  const command = [...bun(), "build", entry, "--target=browser", "--minify", `--outfile=${output}`];
  const built = await run(command, { quiet: true });
  return { code: built.code, text: built.code === 0 ? readFileSync(output, "utf8") : built.text };
}

/** Bundles for a page; throws what esbuild has against it. */
async function buildPage(source: string): Promise<string> {
  return (await buildWith(source)).text;
}

/** The same, with the bytes of each module. */
async function buildWith(source: string): Promise<{ text: string; bytesOf: ReadonlyMap<string, number> }> {
  const { outputFiles, metafile } = await esbuild({
    stdin: { contents: source, resolveDir: ROOT, loader: "ts" },
    bundle: true,
    minify: true,
    metafile: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022",
    legalComments: "none",
    logLevel: "silent",
  });
  const inputs = Object.entries(Object.values(metafile.outputs)[0]!.inputs);
  return {
    text: outputFiles[0]!.text,
    bytesOf: new Map(inputs.map(([path, { bytesInOutput }]) => [path, bytesInOutput])),
  };
}

/** What a feature's modules weigh in the broker. */
async function weighFeatures(): Promise<void> {
  console.log("\nOf the Broker, by what its modules are for:\n\n| | bytes |\n| --- | ---: |");
  const { bytesOf } = await buildWith(`export { Broker } from "./src/broker/broker.ts";`);
  const sums = new Map(FEATURES.map(([feature]) => [feature, 0]));
  for (const [path, bytes] of bytesOf) {
    const [feature] = FEATURES.find(([, modules]) => modules.test(path))!;
    sums.set(feature, sums.get(feature)! + bytes);
  }
  for (const [feature, bytes] of sums) console.log(`| ${feature} | ${bytes} |`);
}

const folder = mkdtempSync(join(tmpdir(), "plumb-size-"));
let failed = 0;
try {
  for (const bundle of BUNDLES) {
    const { code, text } = await build(bundle, folder);
    const wrong = code !== 0
      ? `does not bundle\n${text}`
      : text.length < SMALLEST_BYTES
      ? "is too small to hold what it is asked for"
      : text.includes(MARKER) === bundle.broker
      ? ""
      : bundle.broker
      ? `has no ${MARKER}, so this check shows nothing`
      : `has the broker inside (${MARKER})`;
    if (wrong !== "") failed++;
    console.log(`${bundle.what}: ${wrong || `${text.length} bytes, ${gzipSync(text).length} compressed`}`);
  }
  console.log("For a page, by esbuild, minified:\n");
  console.log("| | bytes | compressed |\n| --- | ---: | ---: |");
  for (const { what, source, mostBytes = Infinity, goalBytes, broker } of PAGE_BUNDLES) {
    const text = await buildPage(source);
    const bytes = gzipSync(text, { level: 9 }).length;
    const goal = goalBytes === undefined || bytes <= goalBytes ? "" : ` (the goal is ${goalBytes})`;
    const wrong = text.length < SMALLEST_BYTES
      ? " FAILED: it is empty"
      : text.includes(MARKER) !== (broker ?? false)
      ? ` FAILED: the broker is ${broker ? "not " : ""}in it`
      : bytes > mostBytes
      ? ` FAILED: at most ${mostBytes}`
      : "";
    if (wrong !== "") failed++;
    console.log(`| ${what} | ${text.length} | ${bytes}${goal}${wrong} |`);
  }
  console.log("\nWithout a runtime, and on an edge:\n\n| | bytes | compressed |\n| --- | ---: | ---: |");
  for (const { what, source, mostBytes = Infinity } of CORE_BUNDLES) {
    const text = await buildPage(source);
    const bytes = gzipSync(text, { level: 9 }).length;
    const outside = /\bfrom\s*"node:|\bimport\(/.test(text);
    const wrong = outside
      ? " FAILED: it needs a runtime"
      : bytes > mostBytes
      ? ` FAILED: at most ${mostBytes}`
      : "";
    if (wrong !== "") failed++;
    console.log(`| ${what} | ${text.length} | ${bytes}${wrong} |`);
  }
  await weighFeatures();
} finally {
  await stop();
  rmSync(folder, { recursive: true });
}
process.exit(failed === 0 ? 0 : 1);
