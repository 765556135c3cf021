/**
 * Checkpoints of a shard's file.
 * Knows how it is copied while it is in use; refuses to know what becomes of the copy.
 * @module
 */
import { closeSync, openSync, readSync } from "node:fs";
import { dirname, join } from "node:path";
import { bytesOf, removeDatabase } from "../../store/files.ts";
import { snapshotInThread } from "../../store/snapshot_thread.ts";
import { sendCheckpoint, type SendCheckpointOptions } from "./send_checkpoint.ts";
import { placeIn } from "./replay.ts";

/** What is copied, and to where. */
export interface CheckpointOptions extends Omit<SendCheckpointOptions, "place" | "bytes" | "read"> {
  /** The file of the shard. */
  readonly path: string;
  /** The script of a thread, if it is not our own. */
  readonly script: URL | undefined;
}

/**
 * Makes a checkpoint; its parts count for nothing until the shard's log says that it is whole.
 * @throws {Error} if it could not be made; then the one before stays.
 */
export async function makeCheckpoint({ path, script, ...options }: CheckpointOptions): Promise<void> {
  const copy = join(dirname(path), "checkpoint.sqlite");
  removeDatabase(copy);
  try {
    await snapshotInThread({ paths: [path], to: copy, isCopy: true }, script);
    const place = placeIn(copy);
    if (place === undefined || options.isOver()) return;
    const file = openSync(copy, "r");
    try {
      const read = (into: Uint8Array, at: number) => readSync(file, into, 0, into.length, at);
      await sendCheckpoint({ ...options, place, bytes: bytesOf(copy), read });
    } finally {
      closeSync(file);
    }
  } finally {
    removeDatabase(copy);
  }
}
