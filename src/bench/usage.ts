/**
 * What processes and threads have used: CPU time and memory, from Linux's /proc.
 * Knows its files; refuses to know what was done meanwhile. Where there is no /proc, nothing is known.
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { nowUs } from "./clock.ts";

/** Of a process, all threads, since it began. */
export interface Usage {
  readonly cpuUs: number;
  readonly rssBytes: number;
}

/** The clock of CPU times on every Linux that people have: 100 ticks a second. */
const TICK_US = 10_000;

/** The CPU time and memory of a process; undefined if it is not there or nothing can be known of it. */
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

/** How a thread used its time, µs. */
export interface ThreadTime {
  /** It worked. */
  readonly cpuUs: number;
  /** It had to work and others had the cores; 0 where that is not to be known. */
  readonly waitUs: number;
  readonly wallUs: number;
}

/** Returns a function that says how this thread has used its time since. */
export function watchThread(): () => ThreadTime {
  const before = threadTime();
  return () => {
    const now = threadTime();
    return {
      cpuUs: now.cpuUs - before.cpuUs,
      waitUs: now.waitUs - before.waitUs,
      wallUs: now.wallUs - before.wallUs,
    };
  };
}

function threadTime(): ThreadTime {
  const wallUs = nowUs();
  try {
    const [cpuNs, waitNs] = readFileSync("/proc/thread-self/schedstat", "utf8").split(" ");
    return { cpuUs: Number(cpuNs) / 1000, waitUs: Number(waitNs) / 1000, wallUs };
  } catch { // that of the process is too much if it has other threads, and it is all there is
    const { user, system } = process.cpuUsage();
    return { cpuUs: user + system, waitUs: 0, wallUs };
  }
}
