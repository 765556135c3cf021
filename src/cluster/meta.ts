/**
 * What a cluster is, as its first member has said it: in how many shards its sessions are.
 * Knows the one entry that says so; refuses to know members.
 * @module
 */
import type { Log, LogPage, ReadTrouble } from "./log.ts";

/** A cluster of another version is refused. */
const VERSION = 1;
const SHARDS_MAX = 64;

/** What never changes. */
export interface Meta {
  readonly shards: number;
}

/**
 * Tells what the cluster is; if it is new, it is begun with so many shards. Of several members that begin it one is the first. Told a text:
 * why it cannot be said.
 */
export function openMeta(log: Log, shards: number, answered: (meta: Meta | string) => void): void {
  log.read(0).next((page: LogPage | ReadTrouble) => {
    if ("trouble" in page) return answered(page.reason);
    const [first] = page.entries;
    if (first !== undefined) return answered(read(first.batch));
    const batch = new TextEncoder().encode(JSON.stringify({ version: VERSION, shards }));
    log.append(batch, page.last, (outcome) => {
      if (outcome.kind === "appended") answered({ shards });
      else if (outcome.kind === "fenced") openMeta(log, shards, answered);
      else answered(outcome.reason);
    });
  });
}

function read(batch: Uint8Array): Meta | string {
  try {
    const { version, shards } = JSON.parse(new TextDecoder().decode(batch));
    if (version !== VERSION) {
      return `the cluster is of version ${JSON.stringify(version)}, and this program of ${VERSION}`;
    }
    if (Number.isInteger(shards) && shards >= 1 && shards <= SHARDS_MAX) return { shards };
  } catch { // the same
  }
  return "what the first member has said of the cluster cannot be read";
}
