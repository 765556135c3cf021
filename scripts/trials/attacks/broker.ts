/**
 * The brokers that can be attacked, each as anybody runs it and with what is durable on the disk.
 * Knows commands, flags and configurations; refuses to know attacks.
 * @module
 */
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { LimitName } from "../../../src/broker/mod.ts";
import { programOf } from "../../bench/peers/brokers.ts";
import { killed, spawnKept } from "../../lib/kept_child.ts";
import { runFlags, type Runtime, runtimeCommand } from "../../lib/broker_process.ts";
import { freePort, listening, mosquittoVersion, versionIn, versionSaid } from "../peers/start.ts";

/** A broker that the suite can start. */
export type BrokerName = `plumb-${Runtime}` | "mosquitto";
/** All of them, in the order of the table. */
export const BROKER_NAMES: readonly BrokerName[] = ["plumb-deno", "plumb-bun", "plumb-node", "mosquitto"];

/** What a case needs of it. */
export interface BrokerNeeds {
  /** Limits of Plumb. */
  readonly limits?: Readonly<Partial<Record<LimitName, number>>>;
  /** Lines of mosquitto's configuration that mean the same. */
  readonly mosquitto?: string;
  /** The log goes to a pipe that is full. */
  readonly deafLog?: boolean;
}

/** One that is attacked. */
export interface Target {
  readonly host: string;
  readonly port: number;
  /** Its process, if it is known. */
  readonly pid?: number;
}

/** One that the suite has started. */
export interface StartedBroker extends Target {
  readonly pid: number;
  /** Ends it with SIGTERM; ms until it is gone, or undefined if it had to be killed. */
  terminate(limitMs: number): Promise<number | undefined>;
  /** Kills it, if it still runs, and removes what it has kept. */
  stop(): Promise<void>;
}

/** The version; undefined if it is not installed. */
export function versionOf(name: BrokerName): string | undefined {
  if (name === "mosquitto") return mosquittoVersion();
  const runtime = runtimeOf(name);
  const version = versionSaid([...runtimeCommand(runtime), "--version"], /(\d+\.\d+\.\d+\S*)/);
  return version && `${versionIn("deno.json")}, ${runtime} ${version}`;
}

/** The flag of a limit, as `--packet-bytes-max`. */
export function flagOf(limit: string): string {
  return `--${limit.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** Starts one on a free port, with a folder of its own. `before`: what its command begins with. */
export async function startBroker(
  name: BrokerName,
  before: readonly string[] = [],
  needs: BrokerNeeds = {},
): Promise<StartedBroker> {
  const folder = mkdtempSync(join(tmpdir(), "plumb-attacks-"));
  const port = await freePort();
  let log = needs.deafLog ? deafPipe(join(folder, "log")) : undefined;
  const child = spawnKept([...before, ...commandOf(name, port, folder, needs)], {
    stdio: ["ignore", "ignore", log ?? "ignore"],
  });
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const stop = async (): Promise<void> => {
    await killed(child);
    if (log !== undefined) closeSync(log);
    log = undefined;
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await listening(child, port);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    host: "127.0.0.1",
    port,
    pid: child.pid!,
    terminate: async (limitMs) => {
      const began = performance.now();
      process.kill(child.pid!, "SIGTERM");
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<undefined>((resolve) => {
        timer = setTimeout(() => resolve(undefined), limitMs);
      });
      const ms = await Promise.race([gone.then(() => performance.now() - began), late]);
      clearTimeout(timer);
      return ms;
    },
    stop,
  };
}

function commandOf(name: BrokerName, port: number, folder: string, needs: BrokerNeeds): string[] {
  if (name === "mosquitto") {
    const file = join(folder, "mosquitto.conf");
    const lines = [
      `listener ${port} 127.0.0.1`,
      "allow_anonymous true",
      "persistence true",
      `persistence_location ${folder}/`,
      "user root", // the folder is ours
      needs.mosquitto ?? "",
    ];
    writeFileSync(file, lines.join("\n"));
    return ["mosquitto", "-c", file, ...needs.deafLog ? ["-v"] : []];
  }
  const runtime = runtimeOf(name);
  const limits = Object.entries(needs.limits ?? {}).flatMap(([limit, value]) => [flagOf(limit), `${value}`]);
  const level = needs.deafLog ? ["--log-level", "debug"] : [];
  const listen = ["--data", join(folder, "data"), "--listen", `mqtt://127.0.0.1:${port}`];
  return [programOf(runtime), ...runFlags(runtime), "mod.ts", ...listen, ...limits, ...level];
}

function runtimeOf(name: Exclude<BrokerName, "mosquitto">): Runtime {
  return name.slice("plumb-".length) as Runtime;
}

/** A pipe that nothing reads: open for reading here, so that a writer waits when it is full. */
function deafPipe(path: string): number {
  const made = spawnSync("mkfifo", [path]);
  if (made.status !== 0) throw new Error(`mkfifo ${path} failed: a log that nothing reads needs it`);
  return openSync(path, "r+");
}
