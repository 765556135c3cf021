/**
 * The workers of a broker of several processes, as Linux shows them.
 * Knows /proc; refuses to know what they do.
 * @module
 */
import { readFileSync } from "node:fs";

/** The process ids of the workers of a supervisor, or of the shards of a member. */
export function workersOf(supervisor: number): number[] {
  const children = textOf(`/proc/${supervisor}/task/${supervisor}/children`).trim();
  return children.split(" ").filter((pid) => /PLUMB_(WORKER|SHARD)=/.test(textOf(`/proc/${pid}/environ`)))
    .map(
      Number,
    );
}

/** Whether a process is there, and not only its status. */
export function isAlive(pid: number): boolean {
  const status = textOf(`/proc/${pid}/stat`);
  return status !== "" && !/^\d+ \(.*\) Z/s.test(status);
}

/** A file of /proc, or "": a process may be gone at any time. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
