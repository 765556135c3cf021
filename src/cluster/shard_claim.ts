/**
 * How somebody comes to own a shard: brings a file to where the log ends, and writes a claim there.
 * Knows what of a file, a checkpoint and a log belongs together; refuses to know how a file is kept.
 *
 * A file is of use if the log goes on from where it is: then its place is one that the log has had. One that is further than the epoch
 * which it is in has become was never acknowledged there, and is thrown away; unless the log ends in that epoch: then the servers have lost
 * what they had acknowledged, all of them in one power cut, and the file has it still. Such a file is used again while the last claim is the one
 * that was made with it: what a claim says of its file is no proof that the log has that.
 * @module
 */
import type { Log, LogPage, ReadTrouble } from "./log.ts";
import {
  claimEntry,
  isBehind,
  readEntry,
  readPartOfCheckpoint,
  type ShardEntry,
  type ShardPlace,
} from "./shard_entry.ts";

/** A file while it is brought up to date. Every callback is called once, at once or later. */
export interface ReplayFile {
  /** How far it is; undefined if there is none, or none that can be used. */
  readonly place: ShardPlace | undefined;
  /** From now on it is empty; `place` is that of nothing. */
  clear(): void;
  /** Takes the next bytes of a checkpoint; all are there with `isLast`, and `place` is that of the checkpoint then. */
  restore(bytes: Uint8Array, isLast: boolean): void;
  /** Applies batches in their order; they have their places. Told what is wrong with the file, if anything is. */
  apply(batches: readonly Uint8Array[], place: ShardPlace, applied: (trouble?: string) => void): void;
}

/** What a claim is made with. */
export interface ClaimOptions {
  readonly log: Log;
  readonly checkpoints: Log;
  readonly file: ReplayFile;
  readonly member: string;
  readonly incarnation: string;
}

/** Owned. */
export interface Claimed {
  readonly epoch: number;
  /** The position of the claim: what the next append expects. */
  readonly last: number;
  /** Bytes in the log behind the last checkpoint. */
  readonly logBytes: number;
  /** The file has what the log has not: nothing is to be acknowledged before a checkpoint of it is whole. */
  readonly isAhead: boolean;
}

/**
 * Why it is not: `taken`, somebody else claims it or writes on; `failed`, the log did not answer; `damaged`, what is in it cannot be
 * read, or the file cannot be written.
 */
export interface NotClaimed {
  /** Its kind. */
  readonly trouble: "taken" | "failed" | "damaged";
  /** In words. */
  readonly reason: string;
}

/** So often somebody else's batches may come between the reading and the claim. */
const TRIES = 3;

/** Claims a shard; told once. */
export function claimShard(options: ClaimOptions, answered: (outcome: Claimed | NotClaimed) => void): void {
  new Claim(options, answered).survey();
}

/** What the log says before anything is applied. */
interface Survey {
  /** The highest epoch, and the last place in each that is known of. */
  epoch: number;
  readonly lasts: Map<number, number>;
  /** With what file the last claim was made, in an epoch in which nothing was written since. */
  claimedWith: ShardPlace | undefined;
  /** The last checkpoint that is whole. */
  checkpoint: { readonly id: string; readonly place: ShardPlace } | undefined;
}

const NOWHERE: ShardPlace = { epoch: 0, number: 0 };
const NOTHING_KNOWN = (): Survey => ({
  epoch: 0,
  lasts: new Map(),
  claimedWith: undefined,
  checkpoint: undefined,
});

class Claim {
  readonly #options: ClaimOptions;
  readonly #answered: (outcome: Claimed | NotClaimed) => void;
  #survey: Survey = NOTHING_KNOWN();
  #place: ShardPlace = NOWHERE;
  #logBytes = 0;
  #tries = 0;

  constructor(options: ClaimOptions, answered: (outcome: Claimed | NotClaimed) => void) {
    this.#options = options;
    this.#answered = answered;
  }

  /** Reads the log once to know what there is. */
  survey(): void {
    this.#survey = NOTHING_KNOWN();
    this.#readAll(this.#options.log, 0, ({ entries }, next) => {
      for (const { batch } of entries) {
        const entry = readEntry(batch);
        if (entry === undefined) {
          return this.#end("damaged", "its log has an entry that is none of this version");
        }
        this.#note(entry);
      }
      next();
    }, () => this.#choose());
  }

  #note(entry: ShardEntry): void {
    const survey = this.#survey;
    const note = ({ epoch, number }: ShardPlace) => {
      survey.epoch = Math.max(survey.epoch, epoch);
      survey.lasts.set(epoch, Math.max(survey.lasts.get(epoch) ?? 0, number));
    };
    survey.claimedWith = entry.kind === "claim" ? entry.after : undefined;
    if (entry.kind === "claim") return note({ epoch: entry.epoch, number: 0 });
    note(entry.place);
    if (entry.kind === "checkpoint") survey.checkpoint = entry;
  }

  /** Begins with the file that is there, else with the checkpoint, else with nothing. */
  #choose(): void {
    const { file } = this.#options;
    const { checkpoint, epoch, lasts, claimedWith } = this.#survey;
    const { place } = file;
    const isOld = place === undefined || checkpoint !== undefined && isBehind(checkpoint.place, place);
    const last = place === undefined ? undefined : lasts.get(place.epoch);
    const isOfLog = place !== undefined &&
      (place.epoch >= epoch || last !== undefined && place.number <= last ||
        isSame(place, checkpoint?.place) || isSame(place, claimedWith));
    if (place !== undefined && !isOld && isOfLog) {
      this.#place = place;
      return this.#replay(0);
    }
    file.clear();
    this.#place = NOWHERE;
    if (checkpoint === undefined) this.#replay(0);
    else this.#restore(checkpoint.id, checkpoint.place);
  }

  #restore(id: string, place: ShardPlace): void {
    const { file } = this.#options;
    let parts = 0;
    let isWhole = false;
    this.#readAll(this.#options.checkpoints, 0, ({ entries }, next) => {
      for (const { batch } of entries) {
        const part = readPartOfCheckpoint(batch);
        if (part === undefined || part.id !== id || isWhole || part.part !== parts) continue;
        parts++;
        isWhole = part.isLast;
        try {
          file.restore(part.bytes, part.isLast);
        } catch (error) {
          return this.#end("damaged", (error as Error).message);
        }
      }
      next();
    }, () => {
      if (!isWhole) return this.#end("damaged", `the checkpoint ${id} is not whole`);
      this.#place = file.place ?? NOWHERE;
      if (!isSame(this.#place, place)) {
        return this.#end("damaged", `the checkpoint ${id} is of another place`);
      }
      this.#replay(0);
    });
  }

  /** Applies what is behind the file, and claims. */
  #replay(after: number): void {
    const { file, log } = this.#options;
    this.#logBytes = after === 0 ? 0 : this.#logBytes;
    this.#readAll(log, after, ({ entries }, next) => {
      const batches: Uint8Array[] = [];
      for (const { batch } of entries) {
        const entry = readEntry(batch);
        if (entry === undefined) {
          return this.#end("damaged", "its log has an entry that is none of this version");
        }
        if (entry.kind === "claim" && entry.epoch > this.#survey.epoch) {
          return this.#end("taken", `${entry.member} claims it`);
        }
        this.#note(entry);
        if (entry.kind !== "facts") continue;
        this.#logBytes += batch.length;
        if (!isBehind(entry.place, this.#place)) continue;
        this.#place = entry.place;
        batches.push(entry.batch);
      }
      if (batches.length === 0) return next();
      file.apply(
        batches,
        this.#place,
        (trouble) => trouble === undefined ? next() : this.#end("damaged", trouble),
      );
    }, (last) => this.#claim(last));
  }

  #claim(last: number): void {
    const { log, member, incarnation } = this.#options;
    const survey = this.#survey;
    const place = this.#place;
    const isAhead = place.epoch > survey.epoch || place.number > (survey.lasts.get(place.epoch) ?? 0);
    const epoch = Math.max(survey.epoch, this.#place.epoch) + 1;
    const entry = claimEntry({ epoch, after: this.#place, member, incarnation });
    log.append(entry, last, (outcome) => {
      if (outcome.kind === "appended") {
        const { logBytes } = this;
        return this.#answered({ epoch, last: outcome.last, logBytes, isAhead });
      }
      if (outcome.kind !== "fenced") return this.#end("failed", outcome.reason);
      this.#tries++;
      if (this.#tries >= TRIES) return this.#end("taken", "its owner goes on writing");
      this.#replay(last);
    });
  }

  get logBytes(): number {
    return this.#logBytes;
  }

  #end(trouble: NotClaimed["trouble"], reason: string): void {
    this.#answered({ trouble, reason });
  }

  /** Reads page by page: the next one comes when `next` is called. */
  #readAll(
    log: Log,
    after: number,
    page: (page: LogPage, next: () => void) => void,
    ended: (last: number) => void,
  ): void {
    const reading = log.read(after);
    const next = (): void =>
      reading.next((read: LogPage | ReadTrouble) => {
        if ("trouble" in read) {
          // What has been applied is gone: a checkpoint has it now.
          if (read.trouble === "purged" && this.#tries++ < TRIES) return this.survey();
          return this.#end("failed", read.reason);
        }
        page(read, () => read.isEnd ? ended(read.last) : next());
      });
    next();
  }
}

function isSame(one: ShardPlace, other: ShardPlace | undefined): boolean {
  return one.epoch === other?.epoch && one.number === other.number;
}
