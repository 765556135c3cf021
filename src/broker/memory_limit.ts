/**
 * `memoryBytesMax`: what happens while more memory is held than may be. Why: spec/decisions/0022-memory-is-counted.md
 * Knows when and in which order connections are paused and ended; refuses to know what they hold.
 *
 * At the end of each turn one comparison. Above the limit, caches are emptied; if that is not enough, whatever would be kept is
 * refused by the parts that keep it (`Ledger.isAbove`), and the greediest connections, as many as together hold the excess, are not
 * read. After `GRACE_MS`, and again after each, those that are still among them are ended.
 * @module
 */
import { MODEST_BYTES } from "../engine/outflow.ts";
import type { Deadline } from "../engine/timers.ts";
import type { Ledger } from "./ledger.ts";
import type { Turn } from "./turn.ts";

/** So long a greedy connection is not read before it is ended: ms. Also the time between two searches for greedy ones. */
export const GRACE_MS = 1_000;
/** Memory is below its limit again at this part of it. */
const LOW_SHARE = 15 / 16;
/** No connection that holds less is greedy, whatever the limit: bytes. */
const LEAST_GREED_BYTES = 4 * 1024;
/** Where all greedy connections together do not hold the excess, only larger ones are ended: that the others go would not help. */
const LARGE_BYTES = 1024 * 1024;
/** Connections looked at for one step. */
const LOOKS_PER_STEP = 4;

/** @internal A connection, as far as it holds memory. */
export interface HoldsMemory {
  /** Bytes that would come free with its end. */
  readonly heldBytes: number;
  /** It is not read any more. */
  pauseForMemory(): void;
  /** It is read again. */
  resumeFromMemory(): void;
  /** It ends. */
  endForMemory(): void;
}

/** The limit on the memory of one broker. */
export class MemoryLimit<C extends HoldsMemory> implements Deadline {
  heapIndex = -1;
  heapTime = 0;
  #most: number;
  readonly #turn: Turn;
  readonly #ledger: Ledger;
  /** All connections that are not over. */
  readonly #all: () => readonly C[];
  /** Empties caches. */
  readonly #relieve: () => void;
  /** Since when each is paused. */
  readonly #paused: Map<C, number> = new Map();
  #searchedAt = -Infinity;

  constructor(most: number, turn: Turn, all: () => readonly C[], relieve: () => void) {
    this.#most = most;
    this.#turn = turn;
    this.#ledger = turn.ledger;
    this.#all = all;
    this.#relieve = relieve;
  }

  /** Another limit from now on. */
  limit(most: number): void {
    this.#most = most;
  }

  /** Connections that are paused are read on at this many bytes. */
  get #low(): number {
    return this.#most * LOW_SHARE;
  }

  /** Whether `endTurn()` has something to do. */
  get isDue(): boolean {
    const { total, isAbove } = this.#ledger;
    return isAbove ? total <= (this.#paused.size > 0 ? this.#low : this.#most) : total > this.#most;
  }

  /** The end of a turn. */
  endTurn(): void {
    if (!this.isDue) return;
    if (this.#ledger.isAbove) return this.#isOver();
    const { now, timers } = this.#turn;
    const isEarly = now - this.#searchedAt < GRACE_MS; // memory comes and goes: all connections are not looked at each time
    if (!isEarly) this.#relieve();
    if (this.#ledger.total <= this.#most) return;
    this.#ledger.isAbove = true;
    if (isEarly) timers.schedule(this, this.#searchedAt + GRACE_MS);
    else this.#search();
  }

  /** The grace time is over. */
  due(): void {
    this.#relieve();
    if (this.#ledger.total > this.#most) this.#search();
    else this.#isOver();
  }

  /** More came from a connection that is not complete or not taken: while memory is above its limit, it is read no further. */
  grows(connection: C): void {
    if (this.#paused.has(connection)) return;
    this.#paused.set(connection, this.#turn.now);
    connection.pauseForMemory();
  }

  /** The connection is over. */
  forget(connection: C): void {
    if (this.#paused.size > 0) this.#paused.delete(connection);
  }

  #isOver(): void {
    this.#ledger.isAbove = false;
    this.#turn.timers.cancel(this);
    this.#resumeBut(undefined);
  }

  #resumeBut(greedy: ReadonlySet<C> | undefined): void {
    for (const connection of [...this.#paused.keys()]) {
      if (greedy?.has(connection) === true) continue;
      this.#paused.delete(connection);
      connection.resumeFromMemory();
    }
  }

  /** Finds the greediest: pauses those that are new among them, ends those that have been long enough. */
  #search(): void {
    const { now, timers } = this.#turn;
    this.#searchedAt = now;
    timers.schedule(this, now + GRACE_MS);
    const greedy = this.#greediest(this.#ledger.total - this.#low);
    const ends: C[] = [];
    for (const connection of greedy) {
      if (now - (this.#paused.get(connection) ?? now) >= GRACE_MS) ends.push(connection);
      else this.grows(connection);
    }
    this.#resumeBut(greedy);
    for (const connection of ends) {
      this.#paused.delete(connection);
      connection.endForMemory();
    }
  }

  /** The connections that hold most, as many as together hold `excess`; all that are greedy if that is less. Two passes, no order. */
  #greediest(excess: number): Set<C> {
    const all = this.#all();
    this.#turn.budget.spend(Math.ceil(all.length / LOOKS_PER_STEP));
    // If all hold no more than this, half of the limit is free of them.
    const fair = Math.min(MODEST_BYTES, Math.max(LEAST_GREED_BYTES, this.#most / 2 / all.length));
    const classes = new Float64Array(CLASSES);
    const found: { readonly connection: C; readonly bytes: number }[] = [];
    let sum = 0;
    for (const connection of all) {
      const bytes = connection.heldBytes;
      if (bytes <= fair) continue;
      found.push({ connection, bytes });
      classes[classOf(bytes)]! += bytes;
      sum += bytes;
    }
    const least = sum >= excess ? fair : LARGE_BYTES;
    let threshold = CLASSES;
    let above = 0;
    while (threshold > 0 && above < excess) above += classes[--threshold]!;
    const greedy = new Set<C>();
    let held = above - (classes[threshold] ?? 0); // of all classes above the threshold: whole
    for (const { connection, bytes } of found) {
      const own = classOf(bytes);
      if (bytes <= least || own < threshold || (own === threshold && held >= excess)) continue;
      if (own === threshold) held += bytes;
      greedy.add(connection);
    }
    return greedy;
  }

  /** The connections that are not read. */
  get paused(): number {
    return this.#paused.size;
  }
}

/** Classes of sizes: four for each power of two. */
const CLASSES = 128;

function classOf(bytes: number): number {
  const size = Math.min(bytes, 0xffff_ffff);
  const power = 31 - Math.clz32(size);
  return power * 4 + ((size >>> (power - 2)) & 3);
}
