/**
 * §4.7.1.1 The way from one node of a tree over topic levels to the next: all of a tree's ways in one hash table.
 * Knows nodes and levels; refuses to know wildcards, and the values of nodes.
 *
 * A level is hashed and compared where it stands in its text: nothing is cut out of it. A `Map` by level would need a
 * string for each, twice over on V8, which looks every key up in its table of unique strings first, and looks very long
 * where a million of them are numbers.
 * @module
 */
import { decodeUtf8, encodeUtf8 } from "../codec/utf8.ts";
import { hashText, mixed } from "./hash.ts";

export { mixed };

/** Where a way leads. */
export interface Target {
  /** Whether the way that leads here begins at `parent` and is the level `text[from, end)`. */
  isAt(parent: object, text: string, from: number, end: number): boolean;
}

const LEAST = 16;

/** An open table, probed one place after the other. */
export class Edges<T extends Target> {
  /** 0 where there is nothing. */
  #hashes: Int32Array = new Int32Array(LEAST);
  #targets: (T | undefined)[] = places(LEAST);
  #size = 0;

  /** The target of the way from `parent` that is the level `text[from, end)`; `hash` is the level's. */
  find(hash: number, parent: object, text: string, from: number, end: number): T | undefined {
    const hashes = this.#hashes;
    const mask = hashes.length - 1;
    for (let i = hash & mask; hashes[i] !== 0; i = (i + 1) & mask) {
      if (hashes[i] === hash && this.#targets[i]!.isAt(parent, text, from, end)) return this.#targets[i];
    }
    return undefined;
  }

  /** Adds a way; there must be none that is the same. */
  add(hash: number, target: T): void {
    if (++this.#size > this.#hashes.length * 3 / 4) this.#resize(this.#hashes.length * 2);
    put(this.#hashes, this.#targets, hash, target);
  }

  /** The way that led to `target` leads to `other`. */
  replace(hash: number, target: T, other: T): void {
    this.#targets[this.#indexOf(hash, target)] = other;
  }

  /** Takes a way out; ways behind it that stand there because of it move up. */
  remove(hash: number, target: T): void {
    const hashes = this.#hashes;
    const targets = this.#targets;
    const mask = hashes.length - 1;
    let hole = this.#indexOf(hash, target);
    for (let i = (hole + 1) & mask; hashes[i] !== 0; i = (i + 1) & mask) {
      const away = (i - hashes[i]!) & mask; // from where it would like to be
      if (away < ((i - hole) & mask)) continue;
      hashes[hole] = hashes[i]!;
      targets[hole] = targets[i];
      hole = i;
    }
    hashes[hole] = 0;
    targets[hole] = undefined;
    if (--this.#size < hashes.length / 8 && hashes.length > LEAST) this.#resize(hashes.length / 2);
  }

  #indexOf(hash: number, target: T): number {
    const mask = this.#hashes.length - 1;
    let i = hash & mask;
    while (this.#targets[i] !== target) i = (i + 1) & mask;
    return i;
  }

  #resize(length: number): void {
    const hashes = new Int32Array(length);
    const targets = places<T>(length);
    for (let i = 0; i < this.#hashes.length; i++) {
      if (this.#hashes[i] !== 0) put(hashes, targets, this.#hashes[i]!, this.#targets[i]!);
    }
    this.#hashes = hashes;
    this.#targets = targets;
  }
}

function places<T>(length: number): (T | undefined)[] {
  return new Array<T | undefined>(length).fill(undefined);
}

function put<T>(hashes: Int32Array, targets: (T | undefined)[], hash: number, target: T): void {
  const mask = hashes.length - 1;
  let i = hash & mask;
  while (hashes[i] !== 0) i = (i + 1) & mask;
  hashes[i] = hash;
  targets[i] = target;
}

/** Of the level `text[from, end)`; never 0. Another `seed`, other hashes: each node has its own. */
export function hashLevel(seed: number, text: string, from: number, end: number): number {
  return mixed(hashText(seed, text, from, end)) || 1;
}

/** A copy of `text[from, end)` that does not hold all of `text`, as a slice may. */
export function copyOf(text: string, from: number, end: number): string {
  const bytes = encodeUtf8(text.slice(from, end))!;
  return decodeUtf8(bytes, 0, bytes.length)!;
}
