/**
 * What processes and threads have used: CPU time and memory, from Linux's /proc.
 * Knows its files; refuses to know what was done meanwhile. Where there is no /proc, nothing is known.
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";

/** Of a process, all threads, since it began. */
export interface Usage {
  readonly cpuUs: number;
  readonly rssBytes: number;
}

/** The clock of CPU times on every Linux that people have: 100 ticks a second. */
const TICK_US = 10_000;

/** What a process has used; undefined if it is not there or nothing can be known of it. */
export function usageOf(pid: number): Usage | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // the name before may hold anything
    const rss = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0";
    return { cpuUs: (Number(fields[11]) + Number(fields[12])) * TICK_US, rssBytes: Number(rss) * 1024 };
  } catch {
    return undefined;
  }
}

/** µs of CPU time that this thread has used; where that is not to be known, those of the process. */
export function threadCpuUs(): number {
  try {
    return Number(readFileSync("/proc/thread-self/schedstat", "utf8").split(" ")[0]) / 1000;
  } catch {
    const { user, system } = process.cpuUsage();
    return user + system;
  }
}
