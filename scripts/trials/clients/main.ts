/**
 * `deno task clients`: other people's Clients against Plumb on both runtimes, with its default settings and its data on the disk.
 * What they can do and how long a message to themselves takes. Installs nothing, and says what is missing.
 * Knows which programs there are; refuses to know what they do.
 * @module
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { run } from "../../lib/run.ts";
import { pathOf } from "../../lib/tree.ts";
import { startBroker } from "../attacks/broker.ts";

/** One that awaits each of its messages waits so long at most, ms in the median. */
const MEDIAN_MS = 3;
const ROUNDS = 500;
/** Packets of QoS 2 at once: more than any Receive Maximum. */
const BURST = 3_000;
const LIMIT_MS = 300_000;

interface Trial {
  readonly name: string;
  readonly command: (host: string, port: number) => readonly string[];
}

/** What a program writes in its last line. */
interface Found {
  readonly medianMs?: number;
  readonly worstMs?: number;
  readonly seconds?: number;
  /** What held. */
  readonly checks?: number;
  /** Connections lost. */
  readonly cuts?: number;
}

const file = (name: string): string => pathOf(`scripts/trials/clients/${name}`);
const isThere = (...command: string[]): boolean =>
  spawnSync(command[0]!, command.slice(1), { stdio: "ignore" }).status === 0;

const folder = mkdtempSync(join(tmpdir(), "plumb-clients-"));
const missing: string[] = [];
const trials: Trial[] = [];

const mqttjs = (level: 4 | 5, what: "each" | "burst", count: number) => (host: string, port: number) => [
  "node",
  file("mqttjs.mjs"),
  host,
  `${port}`,
  `${level}`,
  what,
  `${count}`,
];
if (isThere("node", "--version")) {
  for (const level of [4, 5] as const) {
    trials.push({ name: `MQTT.js, level ${level}, each awaited`, command: mqttjs(level, "each", ROUNDS) });
  }
  trials.push({ name: "MQTT.js, level 4, 3,000 QoS 2 at once", command: mqttjs(4, "burst", BURST) });
} else missing.push("Node, for MQTT.js");

const python = ["python3", "/usr/bin/python3"].find((name) => isThere(name, "-c", "import paho.mqtt.client"));
if (python !== undefined) {
  for (const level of [4, 5]) {
    trials.push({
      name: `paho-mqtt (Python), level ${level}, each awaited`,
      command: (host, port) => [python, file("round_trip.py"), host, `${port}`, `${level}`, `${ROUNDS}`],
    });
  }
} else missing.push("paho-mqtt for Python (Debian: python3-paho-mqtt)");

const paho = join(folder, "paho");
const compiled = spawnSync("gcc", ["-Wall", "-o", paho, file("paho.c"), "-lpaho-mqtt3c"], {
  encoding: "utf8",
});
if (compiled.status === 0) {
  for (const level of [4, 5]) {
    trials.push({
      name: `Paho C, level ${level}, QoS 0 to 2, retained, Will, a Session with a queue`,
      command: (host, port) => [paho, `tcp://${host}:${port}`, `${level}`],
    });
  }
} else missing.push(`Paho C (Debian: gcc libpaho-mqtt-dev) ${compiled.stderr?.split("\n")[0] ?? ""}`);

/** What a program that ended well has found, in words; throws if it is not good enough. */
function judged({ medianMs, worstMs, seconds, cuts, checks }: Found): string {
  if (cuts !== undefined && cuts > 0) throw new Error(`it was cut ${cuts} times`);
  if (checks !== undefined) return `${checks} checks`;
  if (seconds !== undefined) return `${seconds.toFixed(2)} s, never cut`;
  const text = `median ${medianMs!.toFixed(2)} ms, worst ${worstMs!.toFixed(1)} ms`;
  if (medianMs! >= MEDIAN_MS) throw new Error(`${text}: not below ${MEDIAN_MS} ms`);
  return text;
}

let [passed, failed] = [0, 0];
try {
  for (const runtime of ["deno", "bun"] as const) {
    for (const { name, command } of trials) {
      const broker = await startBroker(`plumb-${runtime}`);
      try {
        const { code, text } = await run(command(broker.host, broker.port), {
          quiet: true,
          limitMs: LIMIT_MS,
        });
        if (code !== 0) throw new Error(text.trim());
        const found = JSON.parse(text.trim().split("\n").at(-1)!) as Found;
        console.log(`ok      ${runtime.padEnd(5)} ${name}: ${judged(found)}`);
        passed++;
      } catch (error) {
        console.log(`FAILED  ${runtime.padEnd(5)} ${name}: ${(error as Error).message}`);
        failed++;
      } finally {
        await broker.stop();
      }
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}
for (const one of missing) console.log(`missing ${one}`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
