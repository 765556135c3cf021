/**
 * One store for both Clients of a bridge: what one of them was given and what the other one has taken becomes safe in one transaction.
 * Knows keys and commits; refuses to know what is in the records.
 *
 * A message of QoS 2 goes over in two records: the identifier under which it came, and the message on its way out. Both are put in
 * one step of the program, so a process that is killed has both or none (decision 0040).
 * @module
 */
import type { ClientStore } from "../client_api/options.ts";

/** The two ends of a bridge. */
export const LOCAL = 0;
/** See `LOCAL`. */
export const REMOTE = 1;
/** One of them. */
export type SideIndex = typeof LOCAL | typeof REMOTE;

/** Keys of the store by what they are for: one of the sides, or what stands in `Known`. */
const KINDS = 4;
const KNOWN = 2;

/** What is under the bridge's store: commits are synchronous. */
export interface BaseStore {
  /** What was committed. */
  load(): Iterable<readonly [key: number, record: Uint8Array]>;
  /** Takes effect with the next commit. */
  put(key: number, record: Uint8Array): void;
  /** The same. */
  delete(key: number): void;
  /** One transaction; throws, and the next one has it all. */
  commit(): void;
  /** Nothing follows. */
  close(): void;
}

/** What an earlier process has left at one side. */
export interface Known {
  /** Which session it is: another Server, or another Client Identifier, is another one. */
  readonly session: string;
  /** The Topic Filters that were subscribed to. */
  readonly filters: readonly string[];
}

/** Records of both sides. */
export class BridgeStore {
  readonly #base: BaseStore;
  readonly #loaded: readonly [Map<number, Uint8Array>, Map<number, Uint8Array>] = [new Map(), new Map()];
  readonly #known: (Known | undefined)[] = [undefined, undefined];
  #isDirty = false;
  #whenSafe: (() => void)[] = [];

  /** @throws as the base does. */
  constructor(base: BaseStore) {
    this.#base = base;
    for (const [key, record] of base.load()) {
      const kind = ((key % KINDS) + KINDS) % KINDS;
      const own = (key - kind) / KINDS;
      if (kind === KNOWN) this.#known[own] = JSON.parse(new TextDecoder().decode(record)) as Known;
      else this.#loaded[kind as SideIndex].set(own, record);
    }
  }

  /** What an earlier process has left at a side; undefined: nothing of that session is here. */
  known(side: SideIndex): Known | undefined {
    return this.#known[side];
  }

  /** A session is there: from now on what is missing in the store was not in it. Takes effect with the next commit, which is at once. */
  know(side: SideIndex, known: Known): void {
    this.#known[side] = known;
    this.#put(side * KINDS + KNOWN, new TextEncoder().encode(JSON.stringify(known)));
    queueMicrotask(() => {
      try {
        this.commit();
      } catch { /* the next commit of a Client says so */ }
    });
  }

  /** The session of a side is another one: nothing that stands here is of it, but what is still to be sent. */
  forgetReceived(side: SideIndex): void {
    for (const key of [...this.#loaded[side].keys()]) {
      if (key > 0) continue;
      this.#loaded[side].delete(key);
      this.#isDirty = true;
      this.#base.delete(key * KINDS + side);
    }
  }

  /** The store of one of the Clients. */
  side(side: SideIndex): ClientStore {
    return {
      load: () => this.#loaded[side],
      put: (key, record) => this.#put(key * KINDS + side, record),
      delete: (key) => {
        this.#isDirty = true;
        this.#base.delete(key * KINDS + side);
      },
      commit: () => this.commit(),
    };
  }

  #put(key: number, record: Uint8Array): void {
    this.#isDirty = true;
    this.#base.put(key, record);
  }

  /** Runs `run` when all that was put so far is safe: the commit that a Client asks for does it. */
  whenSafe(run: () => void): void {
    if (this.#isDirty) this.#whenSafe.push(run);
    else run();
  }

  /** Makes safe what both sides have put and deleted. @throws as the base does; then nothing is lost, and the next one does it. */
  commit(): void {
    if (!this.#isDirty) return;
    this.#base.commit();
    this.#isDirty = false;
    for (const run of this.#whenSafe.splice(0)) run();
  }

  /** Commits, and closes. */
  close(): void {
    try {
      this.commit();
    } finally {
      this.#base.close();
    }
  }
}
