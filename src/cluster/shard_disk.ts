/**
 * §4.1 The disk of a shard: batches go to its log and to a file at the same time, and are safe when both have them.
 * Knows numbers, order and the fence; refuses to know streams, and how the file is kept.
 * @module
 */
import { StoreError } from "../store/error.ts";
import type { Disk, DiskEvents, LoadRequest } from "../store/disk.ts";
import { CLUSTER } from "./limits.ts";
import type { Appended, Log } from "./log.ts";
import { checkpointEntry, factsEntry, type ShardPlace } from "./shard_entry.ts";
import { writePlaceBehind } from "./shard_facts.ts";

/** What the disk is made of. */
export interface ShardDiskOptions {
  readonly log: Log;
  readonly epoch: number;
  /** The position of the claim. */
  readonly last: number;
  readonly events: DiskEvents;
  /** Makes the disk of the file; called once. */
  readonly inner: (events: DiskEvents) => Disk;
  /** Told once: somebody else owns the shard. Nothing is safe any more. */
  readonly fenced: () => void;
  /** Told when a checkpoint is due, again and again until there is one. */
  readonly due?: () => void;
  /** Told when it is being closed. */
  readonly closed?: () => void;
  /** Bytes in the log at the start. */
  readonly logBytes: number;
  /** ms, for figures. */
  readonly now: () => number;
}

/** What waits for the log. */
interface Waiting {
  readonly bytes: Uint8Array;
  /** Of a batch; 0 for another entry. */
  readonly number: number;
  readonly appended?: (position: number) => void;
}

/** Figures of a shard's log. */
export interface ShardFigures {
  /** In which the shard is owned. */
  readonly epoch: number;
  /** Entries that were appended, and their bytes. */
  readonly appends: number;
  /** The bytes of these. */
  readonly appendedBytes: number;
  /** ms in all, from when the log was asked to its answer. */
  readonly appendMs: number;
  /** Entries that wait for the log. */
  readonly waiting: number;
  /** The last position. */
  readonly position: number;
  /** Bytes in the log behind the last checkpoint. */
  readonly logBytes: number;
  /** That were made since it is owned. */
  readonly checkpoints: number;
  /** The log did not take the last append. */
  readonly isFailing: boolean;
}

/** See the module. */
export class ShardDisk implements Disk {
  readonly #options: ShardDiskOptions;
  readonly #inner: Disk;
  readonly #queue: Waiting[] = [];
  #last: number;
  #isAppending = false;
  /** The number of an append whose end is not known. */
  #unsure: number | undefined;
  #isFailing = false;
  #isFenced = false;
  #number = 0;
  /** Batches that the log has, and that the file has. */
  #appended = 0;
  #applied = 0;
  #told = 0;
  #logBytes: number;
  #appends = 0;
  #appendedBytes = 0;
  #appendMs = 0;
  #checkpoints = 0;
  /** Where batches are, some of them: ascending. */
  #positions: { readonly number: number; readonly position: number }[] = [];

  constructor(options: ShardDiskOptions) {
    this.#options = options;
    this.#last = options.last;
    this.#logBytes = options.logBytes;
    const { events } = options;
    this.#inner = options.inner({
      applied: (count) => {
        this.#applied = count;
        this.#tell();
      },
      failed: (error) => this.#isFenced || events.failed(error),
      damaged: (error) => events.damaged(error),
      loaded: (request, page) => events.loaded(request, page),
    });
  }

  /** How it is at present. */
  get figures(): ShardFigures {
    return {
      epoch: this.#options.epoch,
      appends: this.#appends,
      appendedBytes: this.#appendedBytes,
      appendMs: this.#appendMs,
      waiting: this.#queue.length,
      position: this.#last,
      logBytes: this.#logBytes,
      checkpoints: this.#checkpoints,
      isFailing: this.#isFailing,
    };
  }

  apply(batch: Uint8Array<ArrayBuffer>): void {
    if (this.#isFenced) return this.#refuse();
    const place: ShardPlace = { epoch: this.#options.epoch, number: ++this.#number };
    const whole = writePlaceBehind(batch, place);
    this.#append({ bytes: factsEntry(place, whole), number: place.number });
    this.#inner.apply(whole);
  }

  retry(): void {
    if (this.#isFenced) return this.#refuse();
    this.#isFailing = false;
    this.#inner.retry();
    this.#next();
  }

  load(request: LoadRequest): void {
    this.#inner.load(request);
  }

  close(): ReturnType<Disk["close"]> {
    this.#options.closed?.();
    return this.#inner.close();
  }

  /** Looks whether somebody else has written in the log; whoever writes finds that anyway. */
  look(): void {
    const isIdle = (): boolean => this.#queue.length === 0 && !this.#isFenced;
    const last = this.#last;
    if (!isIdle()) return;
    this.#options.log.last((found) => {
      if (typeof found === "number" && found > last && last === this.#last && isIdle()) this.#fence();
    });
  }

  /**
   * A checkpoint of this place is whole: says so in the log, which is the proof that the shard is still ours and that the log has all of
   * it. Told then the position up to which nothing is needed any more.
   */
  confirm(id: string, place: ShardPlace, confirmed: (through: number) => void): void {
    this.#append({
      bytes: checkpointEntry({ id, place }),
      number: 0,
      appended: () => {
        this.#checkpoints++;
        const known = this.#positions.filter(({ number }) =>
          place.epoch === this.#options.epoch && number <= place.number
        );
        const through = known.at(-1);
        this.#positions = this.#positions.slice(known.length);
        // Of the log what is behind that place, which is little, is still needed.
        this.#logBytes = 0;
        confirmed(through?.position ?? 0);
      },
    });
  }

  #append(waiting: Waiting): void {
    this.#queue.push(waiting);
    this.#next();
  }

  #next(): void {
    const first = this.#queue[0];
    if (first === undefined || this.#isAppending || this.#isFailing || this.#isFenced) return;
    this.#isAppending = true;
    const { log, now } = this.#options;
    const since = now();
    log.append(first.bytes, this.#last, (outcome) => {
      this.#isAppending = false;
      this.#appendMs += now() - since;
      this.#answered(first, outcome);
    }, this.#unsure);
  }

  #answered(first: Waiting, outcome: Appended): void {
    if (this.#isFenced) return;
    if (outcome.kind === "fenced") return this.#fence();
    if (outcome.kind !== "appended") {
      if (outcome.kind === "unsure") this.#unsure = outcome.number;
      this.#isFailing = true;
      return this.#options.events.failed(new StoreError("io", `the log of the shard: ${outcome.reason}`));
    }
    this.#unsure = undefined;
    this.#queue.shift();
    this.#last = outcome.last;
    this.#appends++;
    this.#appendedBytes += first.bytes.length;
    this.#logBytes += first.bytes.length;
    if (first.number > 0) {
      this.#appended = first.number;
      if (first.number % CLUSTER.positionEvery === 0) {
        this.#positions.push({ number: first.number, position: outcome.last });
        if (this.#positions.length > CLUSTER.positionsMax) {
          this.#positions = this.#positions.filter((_, i) => i % 2 === 1);
        }
      }
    }
    first.appended?.(outcome.last);
    this.#tell();
    if (this.#logBytes >= CLUSTER.checkpointBytes) this.#options.due?.();
    this.#next();
  }

  #fence(): void {
    this.#isFenced = true;
    this.#queue.length = 0;
    this.#options.fenced();
    this.#refuse();
  }

  #refuse(): void {
    this.#options.events.failed(new StoreError("io", "the shard has another owner"));
  }

  #tell(): void {
    const safe = Math.min(this.#appended, this.#applied);
    if (safe <= this.#told || this.#isFenced) return;
    this.#told = safe;
    this.#options.events.applied(safe);
  }
}
