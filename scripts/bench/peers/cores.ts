/**
 * Which cores broker and load run on: one for the broker, the others for the load, where the system lets us say so.
 * Knows Linux's taskset; refuses to know what runs.
 * @module
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** Who runs where. */
export interface Cores {
  /** What a broker's command begins with, and the load's. */
  readonly broker: readonly string[];
  readonly load: readonly string[];
  /** Of the load. */
  readonly threads: number;
  /** The broker has a core that the load does not use. */
  readonly areApart: boolean;
}

/** The load takes no more threads than this: they have to talk with each other. */
const THREADS_MAX = 4;

/** The cores of this machine that this process may use. */
export function coresHere(): Cores {
  const allowed = allowedCores();
  const [first, ...others] = allowed;
  const areApart = others.length > 0 && spawnSync("taskset", ["--version"], { stdio: "ignore" }).status === 0;
  const count = areApart ? others.length : Math.max(1, availableParallelism() - 1);
  return {
    broker: areApart ? ["taskset", "-c", `${first}`] : [],
    load: areApart ? ["taskset", "-c", others.join(",")] : [],
    threads: Math.min(count, THREADS_MAX),
    areApart,
  };
}

function allowedCores(): number[] {
  try {
    return coresIn(/^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "");
  } catch { // no Linux
    return [];
  }
}

/** The numbers in `0-2,7`. */
export function coresIn(list: string): number[] {
  return list.split(",").filter((part) => part !== "").flatMap((part) => {
    const [from = 0, to = from] = part.split("-").map(Number);
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
}
