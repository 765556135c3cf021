/**
 * `deno task edge`: the broker of `@plumb/mqtt/edge` in Cloudflare's runtime on this machine, under audit over WebSocket.
 * --workerd PATH of its program (`npm i workerd` in some folder); installs nothing.
 * Knows how it is started; refuses to judge.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { build } from "esbuild";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { audit } from "../../../conformance/mod.ts";
import { until } from "../../../src/testing/patience.ts";
import { spawnKept } from "../../lib/kept_child.ts";
import { pathOf } from "../../lib/tree.ts";

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
const child = spawnKept([flags.workerd, "serve", join(folder, "config.capnp")], {
  stdio: ["ignore", "inherit", "inherit"],
});
let failed = 0;
try {
  let isThere = false;
  child.on("error", ({ message }) => {
    console.error(`${flags.workerd} does not start: ${message}`);
    process.exit(1);
  });
  const look = (): void => {
    const socket = connect(port, "127.0.0.1", () => isThere = true);
    socket.on("connect", () => socket.destroy()).on("error", () => setTimeout(look, LOOK_MS));
  };
  look();
  await until(() => isThere, "it listens");
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
} finally {
  child.kill();
  rmSync(folder, { recursive: true });
}
process.exit(failed === 0 ? 0 : 1);

/** A port that was free a moment ago. */
function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
