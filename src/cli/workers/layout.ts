/**
 * The data directory of a broker of several processes: `workers/2-of-4/plumb.sqlite` is the store of worker 2 of 4; one process has
 * `plumb.sqlite`.
 * Knows names; refuses to know how one form becomes the other.
 * @module
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { isThere, STORE_FILE } from "../../store/files.ts";
import { CallError } from "../error.ts";

/** The directory of the stores of workers. */
export const WORKERS = "workers";
/** The same while it is written. */
export const NEW = "workers.new";
/** The same when it is complete, and counts. */
export const MOVED = "workers.moved";

/** The directory of the store of one worker. */
export function storeOf(data: string, number: number, of: number): string {
  return join(data, WORKERS, `${number}-of-${of}`);
}

/** Whether there are stores of several workers, or a move to or from them that is not over. */
export function isDivided(data: string): boolean {
  try {
    return [WORKERS, MOVED, NEW].some((name) => isThere(join(data, name)));
  } catch { // whoever opens the store says what is wrong with the directory
    return false;
  }
}

/**
 * The directories of the stores that are there: one, or those of all workers.
 * @throws {CallError} if not all of them are there, or if there are both kinds.
 */
export function storesIn(data: string): readonly string[] {
  const workers = join(data, WORKERS);
  if (!isDivided(data) || !isThere(workers)) return [data];
  const names = readdirSync(workers).filter((name) => /^\d+-of-\d+$/.test(name));
  const of = Number(/\d+$/.exec(names[0] ?? "")?.[0] ?? 0);
  const all = Array.from({ length: of }, (_, i) => storeOf(data, i + 1, of));
  if (of === 0 || names.length !== of || !all.every(isThere)) {
    throw new CallError(
      `${workers}: it has not the stores of all workers, but ${names.join(", ") || "none"}`,
    );
  }
  if (isThere(join(data, STORE_FILE))) {
    throw new CallError(
      `${data} has ${STORE_FILE}, of one process, and ${WORKERS}, of ${of}: move one of them away`,
    );
  }
  return all;
}
