/**
 * Children that do not outlive this process, however it ends but by SIGKILL.
 * Knows processes; refuses to know what they are for.
 * @module
 */
import { type ChildProcess, spawn, type SpawnOptions } from "node:child_process";
import process from "node:process";
import { ROOT } from "./tree.ts";

const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
const running = new Set<ChildProcess>();
let isWatching = false;

/** Starts a command in the root of the project. It is killed when this process ends. */
export function spawnKept([file = "", ...args]: readonly string[], options: SpawnOptions): ChildProcess {
  watch();
  const child = spawn(file, args, { cwd: ROOT, ...options });
  running.add(child);
  const gone = () => running.delete(child);
  child.once("close", gone).once("error", gone);
  return child;
}

/** Kills a child; resolves when it is gone. */
export async function killed(child: ChildProcess): Promise<void> {
  if (!running.has(child)) return;
  const gone = new Promise((resolve) => child.once("close", resolve).once("error", resolve));
  child.kill("SIGKILL");
  await gone;
}

function watch(): void {
  if (isWatching) return;
  isWatching = true;
  process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));
  for (const [signal, status] of Object.entries(SIGNALS)) process.on(signal, () => process.exit(status));
}
