/**
 * The file of a shard in memory, and a shard's store on it: what a process leaves when it is killed, and a machine when its power goes.
 * Knows batches and what is safe of them; refuses to know files and threads, which have their own tests.
 * @module
 */
import type { OpenShardStoreOptions, ShardStore } from "../cluster/files/open.ts";
import { ShardStoreError } from "../cluster/files/open.ts";
import { CLUSTER } from "../cluster/limits.ts";
import { sendCheckpoint } from "../cluster/files/send_checkpoint.ts";
import { type Claimed, claimShard, type NotClaimed, type ReplayFile } from "../cluster/shard_claim.ts";
import { ShardDisk } from "../cluster/shard_disk.ts";
import type { ShardPlace } from "../cluster/shard_entry.ts";
import { writePlaceBehind } from "../cluster/shard_facts.ts";
import type { Random } from "../engine/random.ts";
import type { Loop } from "../runtime/loop.ts";
import { Applier } from "../store/apply.ts";
import type { StoreClock } from "../store/clock.ts";
import { Database } from "../store/database.ts";
import { type Disk, type DiskEvents, LocalDisk } from "../store/disk.ts";
import { PLACE_BYTES } from "../store/fact.ts";
import { FactStore } from "../store/fact_store.ts";
import { foundIn } from "../store/open.ts";
import { Ended } from "../store/tidy.ts";

const MAKE = "CREATE TABLE place (id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, number INTEGER NOT NULL)";
/** ms until a batch is in the file. */
const WRITE_MS = 20;

interface Written {
  readonly batch: Uint8Array;
  readonly place: ShardPlace;
}

/** See the module. */
export class ShardFile implements ReplayFile {
  #written: Written[] = [];
  /** So many of them stay when the power goes. */
  #safe = 0;
  #database: Database | undefined;
  #coming: Uint8Array[] = [];

  get place(): ShardPlace | undefined {
    return this.#written.at(-1)?.place;
  }

  clear(): void {
    this.#written = [];
    this.#safe = 0;
    this.#close();
  }

  restore(bytes: Uint8Array, isLast: boolean): void {
    this.#coming.push(bytes.slice());
    if (!isLast) return;
    const all: readonly { readonly batch: string; readonly place: ShardPlace }[] = JSON.parse(
      new TextDecoder().decode(joined(this.#coming)),
    );
    this.#coming = [];
    this.clear();
    for (const { batch, place } of all) this.#written.push({ batch: fromHex(batch), place });
  }

  apply(batches: readonly Uint8Array[], _last: ShardPlace, applied: (trouble?: string) => void): void {
    for (const batch of batches) this.write(batch, placeOf(batch));
    this.#close();
    applied();
  }

  /** What it has, as a checkpoint has it. */
  get bytes(): Uint8Array {
    const all = this.#written.map(({ batch, place }) => ({ batch: toHex(batch), place }));
    return new TextEncoder().encode(JSON.stringify(all));
  }

  /** A batch is in it. */
  write(batch: Uint8Array, place: ShardPlace): void {
    this.#written.push({ batch: new Uint8Array(batch), place });
  }

  /** It has been claimed in this epoch. */
  claimed(epoch: number): void {
    const place = { epoch, number: 0 };
    this.write(writePlaceBehind(new Uint8Array(), place), place);
    this.#close();
  }

  /** Nothing that is in it now goes with the power. */
  sync(): void {
    this.#safe = this.#written.length;
  }

  /** The power goes: of what was not synced the last may be lost. */
  cut(random: Random): void {
    const least = this.#safe;
    this.#written.length = least + random() % (this.#written.length - least + 1);
    this.#close();
  }

  /** What it holds, for a broker. */
  get database(): Database {
    if (this.#database === undefined) {
      const made = this.#database = new Database(":memory:", "os");
      made.run(MAKE);
      new Applier(made, new Ended(made)).applyAll(this.#written.map(({ batch }) => batch));
    }
    return this.#database;
  }

  #close(): void {
    this.#database?.close();
    this.#database = undefined;
  }
}

/** A disk whose batches take a while, and which leaves its file open when it is closed. */
class SlowDisk implements Disk {
  readonly #inner: Disk;
  readonly #file: ShardFile;
  readonly #options: ShardFileOptions;
  readonly #isSynced: boolean;
  /** Batches that are not in the file yet. */
  readonly #queue: { readonly batch: Uint8Array<ArrayBuffer>; readonly place: ShardPlace }[] = [];
  readonly #epoch: number;
  #number = 0;
  #isWriting = false;
  #isClosed = false;

  constructor(
    options: ShardFileOptions,
    { epoch, isSynced }: { readonly epoch: number; readonly isSynced: boolean },
    clock: StoreClock,
    events: DiskEvents,
  ) {
    this.#options = options;
    this.#file = options.file;
    this.#epoch = epoch;
    this.#isSynced = isSynced;
    const { database } = options.file;
    this.#inner = new LocalDisk(database, new Ended(database), clock, events);
  }

  apply(batch: Uint8Array<ArrayBuffer>): void {
    this.#queue.push({ batch, place: { epoch: this.#epoch, number: ++this.#number } });
    this.#writeLater();
  }

  #writeLater(): void {
    const { clock, random } = this.#options;
    if (this.#isWriting || this.#queue.length === 0 || this.#isClosed) return;
    this.#isWriting = true;
    clock.at(clock.now() + random() % WRITE_MS, () => {
      this.#isWriting = false;
      if (this.#isClosed) return;
      if (this.#queue.length > 0) this.#write();
      this.#writeLater();
    });
  }

  #write(): void {
    const { batch, place } = this.#queue.shift()!;
    this.#file.write(batch, place);
    if (this.#isSynced) this.#file.sync();
    this.#inner.apply(batch);
  }

  retry(): void {
    this.#inner.retry();
  }

  load(request: Parameters<Disk["load"]>[0]): void {
    while (this.#queue.length > 0) this.#write(); // a page finds what was given before it
    this.#inner.load(request);
  }

  close(): Promise<void> {
    this.#isClosed = true;
    return Promise.resolve();
  }
}

/** Where it is. */
export interface ShardFileOptions {
  readonly file: ShardFile;
  readonly clock: Loop;
  readonly random: Random;
}

/** As `openShardStore()`. */
export async function openShardInMemory(
  options: OpenShardStoreOptions,
  where: ShardFileOptions,
): Promise<ShardStore> {
  const { log, checkpoints, durability, member, incarnation } = options;
  const { file, clock } = where;
  const claimed = await new Promise<Claimed | NotClaimed>((resolve) =>
    claimShard({ log, checkpoints, file, member, incarnation }, resolve)
  );
  if ("trouble" in claimed) throw new ShardStoreError(claimed);
  const { epoch, last, logBytes, isAhead } = claimed;
  const isSynced = durability === "replicated";
  if (!isAhead) file.claimed(epoch);
  if (isSynced) file.sync();
  const storeClock: StoreClock = {
    now: () => clock.now(),
    after: (ms, run) => clock.at(clock.now() + ms, run),
  };
  let disk: ShardDisk | undefined;
  let isOver = false;
  let made = 0;
  const checkpoint = async (): Promise<void> => {
    const { place, bytes } = file;
    if (place === undefined || isOver) return;
    await sendCheckpoint({
      log,
      checkpoints,
      disk: disk!,
      id: `${incarnation}-${++made}`,
      place,
      bytes: bytes.length,
      read(into, at): number {
        const length = Math.min(into.length, CLUSTER.checkpointPartBytes, bytes.length - at);
        into.set(bytes.subarray(at, at + length));
        return length;
      },
      isOver: () => isOver,
    });
  };
  const store = new FactStore({
    found: foundIn(file.database),
    disk: (events) =>
      disk = new ShardDisk({
        log,
        epoch,
        last,
        logBytes,
        events,
        inner: (events) => new SlowDisk(where, { epoch, isSynced }, storeClock, events),
        now: () => clock.now(),
        fenced: () => {
          isOver = true;
          options.fenced();
        },
        closed: () => isOver = true,
      }),
    intervalMs: 0,
    clock: storeClock,
    damaged: (error) => {
      throw error;
    },
    closed: () => {},
  });
  if (isAhead) await checkpoint();
  return { store, epoch, figures: () => disk!.figures, look: () => disk!.look(), checkpoint };
}

/** Each batch says at its end where it leads. */
function placeOf(batch: Uint8Array): ShardPlace {
  const view = new DataView(batch.buffer, batch.byteOffset + batch.length - PLACE_BYTES, PLACE_BYTES);
  return { epoch: view.getFloat64(1), number: view.getFloat64(9) };
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}
