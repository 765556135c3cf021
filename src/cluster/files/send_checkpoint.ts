/**
 * A checkpoint of a shard on its way: a copy of its file goes to a log of its own, and what the shard's log has up to there goes.
 * Knows the order of the steps, each of which may be the last; refuses to know how a file is copied, and what is in it.
 * @module
 */
import { CLUSTER } from "../limits.ts";
import type { Appended, Log, ReadTrouble } from "../log.ts";
import type { ShardDisk } from "../shard_disk.ts";
import { checkpointPart, type ShardPlace } from "../shard_entry.ts";

/** What is sent, and to where. */
export interface SendCheckpointOptions {
  readonly log: Log;
  readonly checkpoints: Log;
  readonly disk: ShardDisk;
  /** Another one for each checkpoint. */
  readonly id: string;
  /** Where the copy is, and how many bytes it has. */
  readonly place: ShardPlace;
  readonly bytes: number;
  /** Fills `into` with bytes of the copy, and tells how many those are. */
  readonly read: (into: Uint8Array, at: number) => number;
  /** The shard is another's, or the store is closed: nothing more is to be done. */
  readonly isOver: () => boolean;
}

/** So often another writer's parts may come between. */
const TRIES = 20;

/**
 * Sends a checkpoint; its parts count for nothing until the shard's log says that it is whole.
 * @throws {Error} if it could not be sent; then the one before stays.
 */
export async function sendCheckpoint(options: SendCheckpointOptions): Promise<void> {
  const { log, checkpoints, disk, id, place, bytes, read, isOver } = options;
  let last = await lastOf(checkpoints);
  const before = last;
  const piece = new Uint8Array(CLUSTER.checkpointPartBytes);
  for (let at = 0, part = 0; at < bytes; part++) {
    const length = read(piece, at);
    at += length;
    const isLast = at >= bytes;
    const whole = checkpointPart({ id, part, isLast, bytes: piece.subarray(0, length) });
    last = await append(checkpoints, whole, last, isOver);
    if (isOver()) return;
  }
  const through = await new Promise<number>((resolve) => disk.confirm(id, place, resolve));
  // From here on it counts. What is purged too late is only too much.
  await purge(checkpoints, before);
  await purge(log, through);
}

async function append(
  log: Log,
  bytes: Uint8Array,
  expected: number,
  isOver: () => boolean,
): Promise<number> {
  let last = expected;
  let again: number | undefined;
  for (let tries = 0; tries < TRIES && !isOver(); tries++) {
    const outcome = await new Promise<Appended>((resolve) => log.append(bytes, last, resolve, again));
    if (outcome.kind === "appended") return outcome.last;
    again = outcome.kind === "unsure" ? outcome.number : undefined;
    // Whoever owned the shard before may still be writing one: its parts are left out by who reads.
    if (outcome.kind === "fenced") last = await lastOf(log);
  }
  throw new Error("the log of checkpoints does not take it");
}

async function lastOf(log: Log): Promise<number> {
  const last = await new Promise<number | ReadTrouble>((resolve) => log.last(resolve));
  if (typeof last === "number") return last;
  throw new Error(last.reason);
}

async function purge(log: Log, through: number): Promise<void> {
  if (through > 0) await new Promise<void>((resolve) => log.purge(through, () => resolve()));
}
