/**
 * §4.1 Opens the store of a shard: claims its log, brings the file to where that ends, and keeps both in step.
 * Knows what follows what; refuses to know which shard it is, and why it is to be owned here.
 * @module
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { bytesOf, isThere } from "../../store/files.ts";
import type { StoreClock } from "../../store/clock.ts";
import { StoreError } from "../../store/error.ts";
import type { FactStore } from "../../store/fact_store.ts";
import { lockDirectory } from "../../store/lock.ts";
import { openStoreOver, ourWorker, STORE_FILE, type StoreEvent } from "../../store/open.ts";
import type { Place } from "../beat.ts";
import { CLUSTER } from "../limits.ts";
import type { Log } from "../log.ts";
import { type Claimed, claimShard, type NotClaimed } from "../shard_claim.ts";
import { ShardDisk, type ShardFigures } from "../shard_disk.ts";
import { makeCheckpoint } from "./checkpoint.ts";
import { placeIn, ShardReplay } from "./replay.ts";

/** A shard cannot be owned. The message is one line. */
export class ShardStoreError extends Error {
  /** Always `ShardStoreError`. */
  override readonly name = "ShardStoreError";
  /** `taken`: somebody else owns it. `failed`: its log does not answer. `damaged`: what is in it cannot be read. */
  readonly trouble: NotClaimed["trouble"];

  /** @internal */
  constructor({ trouble, reason }: NotClaimed) {
    super(`the log of the shard: ${reason}`);
    this.trouble = trouble;
  }
}

/** How a shard's store is opened. */
export interface OpenShardStoreOptions {
  readonly log: Log;
  readonly checkpoints: Log;
  /** Of its file. */
  readonly directory: string;
  /** `log`: what is acknowledged is in the log. `replicated`: it is on the disk here as well. */
  readonly durability: "log" | "replicated";
  /** Who claims it. */
  readonly member: string;
  readonly incarnation: string;
  /** See `OpenStoreOptions`. */
  readonly worker?: URL | false;
  readonly clock?: StoreClock;
  readonly onEvent?: (event: StoreEvent) => void;
  /** Told once: somebody else owns the shard. Nothing is acknowledged any more. */
  readonly fenced: () => void;
  /** Gives up while the shard is not owned yet. */
  readonly signal?: AbortSignal;
  /** Told why a checkpoint could not be made; it is tried again. */
  readonly troubled?: (why: string) => void;
}

/** A shard's store. */
export interface ShardStore {
  readonly store: FactStore;
  /** In which it is owned. */
  readonly epoch: number;
  /** How its log is at present. */
  figures(): ShardFigures;
  /** Looks whether somebody else owns it, which is told as `fenced()`. */
  look(): void;
  /** Makes a checkpoint now. */
  checkpoint(): Promise<void>;
}

/**
 * Claims a shard and opens its store.
 * @throws {ShardStoreError} if it cannot be claimed, {StoreError} for its file, and the reason of the signal.
 */
export async function openShardStore(options: OpenShardStoreOptions): Promise<ShardStore> {
  const { log, checkpoints, directory, durability, member, incarnation, worker = ourWorker() } = options;
  const sync = durability === "replicated" ? "fsync" : "os";
  let isSecond = false;
  mkdirSync(directory, { recursive: true });
  for (;;) {
    const lock = lockDirectory(directory); // until the store takes it
    let claimed: Claimed | NotClaimed;
    let epoch: number | undefined;
    let replay: ShardReplay | undefined;
    try {
      const file = replay = new ShardReplay(directory, sync, worker);
      claimed = await new Promise((resolve, reject) => {
        claimShard({ log, checkpoints, file, member, incarnation }, resolve);
        options.signal?.addEventListener("abort", () => reject(options.signal!.reason), { once: true });
      });
      // A file that is ahead says so until there is a checkpoint of it.
      if ("epoch" in claimed && !claimed.isAhead) epoch = claimed.epoch;
    } finally {
      await replay?.close(epoch);
      lock.release();
    }
    if ("trouble" in claimed) throw new ShardStoreError(claimed);
    try {
      return await opened(options, claimed, replay.path, worker);
    } catch (error) {
      if (!(error instanceof StoreError) || error.trouble !== "corrupt" || isSecond) throw error;
      isSecond = true;
      replay.clear(); // the log has all of it
    }
  }
}

async function opened(
  options: OpenShardStoreOptions,
  { epoch, last, logBytes, isAhead }: Claimed,
  path: string,
  worker: URL | false,
): Promise<ShardStore> {
  const { log, checkpoints, directory, durability, clock, onEvent, incarnation } = options;
  let disk: ShardDisk | undefined;
  let isOver = false;
  let isMaking = false;
  let made = 0;
  const checkpoint = async (): Promise<void> => {
    const id = `${incarnation.slice(0, 36)}-${++made}`;
    const script = worker === false ? undefined : worker;
    const isOurs = script === undefined || /\/store\/worker\.[jt]s$/.test(script.pathname);
    await makeCheckpoint({
      log,
      checkpoints,
      disk: disk!,
      path,
      id,
      script: isOurs ? undefined : script,
      isOver: () => isOver,
    });
  };
  const store = openStoreOver(
    directory,
    {
      durability: durability === "replicated" ? "fsync" : "os",
      strict: true,
      worker,
      ...clock && { clock },
      ...onEvent && { onEvent },
    },
    (events, inner) =>
      disk = new ShardDisk({
        log,
        epoch,
        last,
        logBytes,
        events,
        inner,
        now: () => performance.now(),
        fenced: () => {
          isOver = true;
          options.fenced();
        },
        due: () => {
          if (
            isMaking || isOver || disk!.figures.logBytes < Math.max(CLUSTER.checkpointBytes, bytesOf(path))
          ) return;
          isMaking = true;
          checkpoint().catch(({ message }: Error) => options.troubled?.(message)).finally(() =>
            isMaking = false
          );
        },
        closed: () => isOver = true,
      }),
  );
  if (isAhead) await checkpoint();
  return { store, epoch, figures: () => disk!.figures, look: () => disk!.look(), checkpoint };
}

/** How far the files are that are here. */
export function localFiles(directoryOf: (shard: number) => string, shards: number): Place[] {
  return Array.from({ length: shards }, (_, i) => i + 1).flatMap((shard) =>
    localFile(directoryOf(shard), shard) ?? []
  );
}

/** The same of one shard. */
export function localFile(directory: string, shard: number): Place | undefined {
  if (!isThere(join(directory, STORE_FILE))) return undefined;
  const place = placeIn(join(directory, STORE_FILE));
  return place && { shard, ...place };
}
