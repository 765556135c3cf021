/**
 * `deno task edge`: the broker of `@plumb/mqtt/edge` in Cloudflare's runtime on this machine, under audit over WebSocket.
 * --workerd PATH of its program (`npm i workerd` in some folder); installs nothing.
 * Then it is killed, and what was acknowledged must be there.
 * Knows how it is started; refuses to judge.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { build } from "esbuild";
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect as dial } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { audit } from "../../../conformance/mod.ts";
import { connect } from "../../../src/client_api/mod.ts";
import { until } from "../../../src/testing/patience.ts";
import { killed, spawnKept } from "../../lib/kept_child.ts";
import { pathOf } from "../../lib/tree.ts";
import { freePort } from "../../../src/testing/free_port.ts";

const flags = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["workerd"],
  boolean: ["timing"],
  default: { workerd: "workerd" },
  unknown: (arg) => {
    console.error(`Unknown: ${arg}\nUsage: edge [--workerd PATH] [--timing]`);
    process.exit(2);
  },
});

const DATE = "2026-01-01";
const LEVELS = [5, 4] as const;
const LOOK_MS = 100;
/** Messages of QoS 1 that wait over the end of the runtime. */
const KEPT = 50;
/** What such a runtime does not let us fulfil (decision 0039). */
const BEYOND_US = new Set(["3.3.2/time-unread-is-counted"]);

const folder = mkdtempSync(join(tmpdir(), "plumb-edge-"));
const port = await freePort();
await build({
  entryPoints: [pathOf("scripts/trials/edge/worker.ts")],
  outfile: join(folder, "worker.js"),
  bundle: true,
  format: "esm",
  target: "es2022",
});
writeFileSync(
  join(folder, "config.capnp"),
  `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .mqtt),
    (name = "disk", disk = (path = "${folder}", writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const mqtt :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.js")],
  compatibilityDate = "${DATE}",
  durableObjectNamespaces = [(className = "Mqtt", uniqueKey = "mqtt", enableSql = true)],
  durableObjectStorage = (localDisk = "disk"),
  bindings = [(name = "MQTT", durableObjectNamespace = "Mqtt")],
);
`,
);
let child: ChildProcess | undefined;
let failed = 0;
try {
  await start();
  const url = `ws://127.0.0.1:${port}/mqtt`;
  for (const level of LEVELS) {
    const [found] = (await audit(url, { levels: [level], timing: flags.timing, patienceMs: 60_000 })).levels;
    const { cases, unreachable, stopped } = found!;
    const of = (verdict: string): number => cases.filter((one) => one.verdict === verdict).length;
    console.log(`level ${level}: ${of("pass")} pass, ${of("fail")} fail, ${of("unsupported")} unsupported`);
    if (unreachable !== undefined || stopped !== undefined) console.log(unreachable?.reason ?? stopped);
    for (const { id, verdict, reason } of cases) {
      if (verdict !== "pass" && verdict !== "unsupported") console.log(`  ${verdict} ${id}: ${reason}`);
    }
    failed += cases.filter(({ id, verdict }) => verdict === "fail" && !BEYOND_US.has(id)).length;
    if (of("pass") === 0) failed++;
  }
  await outlives(url);
} finally {
  if (child !== undefined) await killed(child);
  rmSync(folder, { recursive: true });
}
process.exit(failed === 0 ? 0 : 1);

/** Starts the runtime, and waits until it listens. */
async function start(): Promise<void> {
  child = spawnKept([flags.workerd, "serve", join(folder, "config.capnp")], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  child.on("error", ({ message }) => {
    console.error(`${flags.workerd} does not start: ${message}`);
    process.exit(1);
  });
  let isThere = false;
  const look = (): void => {
    const socket = dial(port, "127.0.0.1", () => isThere = true);
    socket.on("connect", () => socket.destroy()).on("error", () => setTimeout(look, LOOK_MS));
  };
  look();
  await until(() => isThere, "it listens");
}

/** The runtime is killed: what was acknowledged is there when it is back. */
async function outlives(url: string): Promise<void> {
  const durable = { clientId: "durable", sessionExpiry: 600 };
  const client = await connect(url, durable);
  await client.subscribe("kept/#", { qos: 1 });
  await client.close();
  const publisher = await connect(url);
  for (let i = 0; i < KEPT; i++) await publisher.publish(`kept/${i}`, `${i}`, { qos: 1, retain: true });
  await killed(child!);
  await publisher.close({ timeoutMs: 0 });
  await start();
  const again = await connect(url, durable);
  const texts: string[] = [];
  again.on("unmatched", ({ bytes }) => void texts.push(new TextDecoder().decode(bytes)));
  await until(() => texts.length >= KEPT, () => `what waited comes: ${texts}`);
  await again.close();
  const isSame = texts.join() === Array.from({ length: KEPT }, (_, i) => i).join();
  if (!isSame) failed++;
  console.log(
    `killed and started again: ${KEPT} messages that waited come ${isSame ? "" : "NOT "}once and in order`,
  );
}
