/**
 * §4.7 A tree over the levels of Topic Names: a number for each name, found by the name.
 * Knows levels as bytes; refuses to know filters (`name_cursor.ts`) and what the numbers mean.
 *
 * A node is nine numbers in an array and its level's bytes in a slab: as objects, with a map for the children of each, a
 * million names cost three times the memory, and every collection of garbage looks at them all. Children of a node form a
 * list, in the order in which they came; one table of hashes finds a child of whatever node by its level.
 * @module
 */
import { copyBytes, sameBytes } from "../codec/copy.ts";
import { decodeUtf8, encodeUtf8 } from "../codec/utf8.ts";
import { hashUnit } from "./hash.ts";
import { Slabs } from "./slabs.ts";

/** No node; and the value of a node at which no name ends. */
export const NONE = -1;
/** The node above all first levels. */
export const ROOT = 0;

const SLASH = 0x2f;
const DOLLAR = 0x24;

/** The numbers of a node. */
const PARENT = 0;
const FIRST = 1;
const NEXT = 2;
/** Of the first child: the last one. */
const PREVIOUS = 3;
/** Ascending among siblings. */
const ORDER = 4;
const HASH = 5;
/** The next node in the same place of the table. */
const CHAIN = 6;
/** The place of its level. */
const NAME = 7;
const VALUE = 8;
const FIELDS = 9;

/** Nodes come in arrays of so many: one for all would have to be copied to grow. */
const NODE_BITS = 12;
const NODE_MASK = (1 << NODE_BITS) - 1;
/** And so do the places of the table. */
const TABLE_BITS = 12;
const TABLE_MASK = (1 << TABLE_BITS) - 1;

/** One level of a filter, to look children up by. */
export interface Level {
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly end: number;
  readonly hash: number;
}

/** How a tree may be changed. */
export interface NameTreeOptions {
  /** A number that peers cannot guess, so that they cannot choose names of the same hash. Default 0. */
  readonly seed?: number;
  /** For tests: the largest ORDER. */
  readonly orderMax?: number;
}

/** §4.7 One number, of 32 bits and not `NONE`, by Topic Name. A name is bytes `[at, end)`, of which it keeps a copy. */
export class NameTree {
  readonly #nodes: Int32Array[] = [];
  /** Nodes ever made. */
  #made = 0;
  /** The first of the free nodes, linked by NEXT. */
  #free = NONE;
  #used = 0;
  readonly #names: Slabs = new Slabs((node, place) => this.#put(node, NAME, place));
  /** First nodes. It grows by one place with each node, so that no single name waits for all others to be sorted anew. */
  readonly #table: Int32Array[] = [];
  #places = 0;
  /** The largest power of two that is not above `#places`. */
  #round = 1;
  #size = 0;
  /** Nodes on which cursors stand, and how many on each. */
  readonly #pins: Map<number, number> = new Map();
  readonly #seed: number;
  readonly #orderMax: number;

  constructor({ seed = 0, orderMax = 0x7fff_ffff }: NameTreeOptions = {}) {
    this.#seed = seed;
    this.#orderMax = orderMax;
    this.#make(NONE, 0, NONE);
  }

  /** Names that have a value. */
  get size(): number {
    return this.#size;
  }

  /** Nodes in use, the root included. */
  get nodes(): number {
    return this.#used;
  }

  /** The node at which the name ends; `NONE` if it has no value. */
  find(bytes: Uint8Array, at: number, end: number): number {
    let node = ROOT;
    for (let from = at; from <= end;) {
      const until = levelEnd(bytes, from, end);
      node = this.#child(node, this.#hash(bytes, from, until), bytes, from, until);
      if (node === NONE) return NONE;
      from = until + 1;
    }
    return this.value(node) === NONE ? NONE : node;
  }

  /** The same, for a name as a text. */
  findText(name: string): number {
    const bytes = encodeUtf8(name);
    return bytes === undefined ? NONE : this.find(bytes, 0, bytes.length);
  }

  /** The node at which the levels of a text end, whether it has a value or not; `NONE` if there is none. */
  findLevels(name: string): number {
    const bytes = encodeUtf8(name);
    let node = bytes === undefined ? NONE : ROOT;
    for (let from = 0; node !== NONE && from <= bytes!.length;) {
      const until = levelEnd(bytes!, from, bytes!.length);
      node = this.#child(node, this.#hash(bytes!, from, until), bytes!, from, until);
      from = until + 1;
    }
    return node;
  }

  /** The level of a node, as a text. */
  levelText(node: number): string {
    const name = this.#get(node, NAME);
    const at = this.#names.start(name);
    return decodeUtf8(this.#names.bytes(name), at, at + this.#names.length(name))!;
  }

  /** Names that have a value, that of a node and those below it, counted up to `most`. */
  count(node: number, most: number): number {
    let count = 0;
    for (let at = node;;) {
      if (this.value(at) !== NONE && ++count >= most) return count;
      let next = this.first(at);
      while (next === NONE) {
        if (at === node) return count;
        next = this.next(at);
        if (next === NONE) at = this.parent(at);
      }
      at = next;
    }
  }

  /** The node at which the name ends, made if it is not there. It must be given a value by `put()` before anything else is done. */
  add(bytes: Uint8Array, at: number, end: number): number {
    let node = ROOT;
    for (let from = at; from <= end;) {
      const until = levelEnd(bytes, from, end);
      const hash = this.#hash(bytes, from, until);
      let next = this.#child(node, hash, bytes, from, until);
      if (next === NONE) {
        const name = this.#names.add(this.#free === NONE ? this.#made : this.#free, until - from);
        copyBytes(this.#names.bytes(name), this.#names.start(name), bytes, from, until);
        next = this.#make(node, hashUnder(hash, node), name);
      }
      node = next;
      from = until + 1;
    }
    return node;
  }

  /** The value of the name that ends at a node, `NONE` if none does. */
  value(node: number): number {
    return this.#get(node, VALUE);
  }

  /** Gives the name that ends at a node its value. */
  put(node: number, value: number): void {
    if (this.#get(node, VALUE) === NONE) this.#size++;
    this.#put(node, VALUE, value);
  }

  /** Takes the value of a node away; nodes without value, child and cursor are free, for other names. */
  remove(node: number): void {
    this.#put(node, VALUE, NONE);
    this.#size--;
    this.#prune(node);
  }

  /** Keeps a node in its place until `unpin()`, with or without a value. While there is any, new names come first in their lists. */
  pin(node: number): void {
    this.#pins.set(node, (this.#pins.get(node) ?? 0) + 1);
  }

  /** Ends a `pin()`. */
  unpin(node: number): void {
    const count = this.#pins.get(node)!;
    if (count > 1) this.#pins.set(node, count - 1);
    else {
      this.#pins.delete(node);
      this.#prune(node);
    }
  }

  /** Nodes that are pinned. */
  get pinned(): number {
    return this.#pins.size;
  }

  /** A level to look up by `child()`. */
  level(bytes: Uint8Array, at: number, end: number): Level {
    return { bytes, at, end, hash: this.#hash(bytes, at, end) };
  }

  /** The child of that level, or `NONE`. */
  child(node: number, { bytes, at, end, hash }: Level): number {
    return this.#child(node, hash, bytes, at, end);
  }

  /** The first child, or `NONE`. */
  first(node: number): number {
    return this.#get(node, FIRST);
  }

  /** The next child of the same parent, or `NONE`. */
  next(node: number): number {
    return this.#get(node, NEXT);
  }

  /** The node above. */
  parent(node: number): number {
    return this.#get(node, PARENT);
  }

  /** Whether its level begins with `$`. */
  isDollar(node: number): boolean {
    const name = this.#get(node, NAME);
    return this.#names.length(name) > 0 && this.#names.bytes(name)[this.#names.start(name)] === DOLLAR;
  }

  /** Whether a walk over all nodes, each before its children, comes to `a` after `b`; false if they are the same. */
  isBehind(a: number, b: number): boolean {
    let deep = this.#depth(a) - this.#depth(b);
    const below = deep > 0;
    for (; deep > 0; deep--) a = this.parent(a);
    for (; deep < 0; deep++) b = this.parent(b);
    if (a === b) return below;
    while (this.parent(a) !== this.parent(b)) {
      a = this.parent(a);
      b = this.parent(b);
    }
    return this.#get(a, ORDER) > this.#get(b, ORDER);
  }

  #depth(node: number): number {
    let depth = 0;
    for (; node !== ROOT; node = this.parent(node)) depth++;
    return depth;
  }

  #get(node: number, field: number): number {
    return this.#nodes[node >>> NODE_BITS]![(node & NODE_MASK) * FIELDS + field]!;
  }

  #put(node: number, field: number, value: number): void {
    this.#nodes[node >>> NODE_BITS]![(node & NODE_MASK) * FIELDS + field] = value;
  }

  #child(parent: number, levelHash: number, bytes: Uint8Array, at: number, end: number): number {
    if (this.#places === 0) return NONE;
    const hash = hashUnder(levelHash, parent);
    const place = this.#place(hash);
    let node = this.#table[place >>> TABLE_BITS]![place & TABLE_MASK]!;
    while (node !== NONE) {
      const fields = this.#nodes[node >>> NODE_BITS]!;
      const from = (node & NODE_MASK) * FIELDS;
      if (fields[from + HASH] === hash && fields[from + PARENT] === parent) {
        const name = fields[from + NAME]!;
        const same = this.#names.length(name) === end - at &&
          sameBytes(this.#names.bytes(name), this.#names.start(name), bytes, at, end - at);
        if (same) return node;
      }
      node = fields[from + CHAIN]!;
    }
    return NONE;
  }

  /** Levels are short: quicker than `hashBytes()`. */
  #hash(bytes: Uint8Array, at: number, end: number): number {
    let hash = this.#seed ^ 0x811c_9dc5;
    for (let i = at; i < end; i++) hash = hashUnit(hash, bytes[i]!);
    return hash;
  }

  #make(parent: number, hash: number, name: number): number {
    let node = this.#free;
    if (node !== NONE) this.#free = this.#get(node, NEXT);
    else {
      node = this.#made++;
      if (node >>> NODE_BITS === this.#nodes.length) this.#nodes.push(new Int32Array(FIELDS << NODE_BITS));
    }
    this.#used++;
    const fields = this.#nodes[node >>> NODE_BITS]!;
    const from = (node & NODE_MASK) * FIELDS;
    fields[from + PARENT] = parent;
    fields[from + FIRST] = NONE;
    fields[from + NEXT] = NONE;
    fields[from + PREVIOUS] = node;
    fields[from + ORDER] = 0;
    fields[from + HASH] = hash;
    fields[from + CHAIN] = NONE;
    fields[from + NAME] = name;
    fields[from + VALUE] = NONE;
    if (parent !== NONE) {
      this.#link(parent, node);
      this.#growTable();
      this.#enter(node, hash);
    }
    return node;
  }

  /** To the end of its siblings; to their front while a cursor visits them, so that the cursor does not come to it. */
  #link(parent: number, node: number): void {
    const first = this.#get(parent, FIRST);
    if (first === NONE) return this.#put(parent, FIRST, node);
    const last = this.#get(first, PREVIOUS);
    const inFront = this.#pins.size > 0;
    let order = inFront ? this.#get(first, ORDER) - 1 : this.#get(last, ORDER) + 1;
    if (Math.abs(order) > this.#orderMax) {
      const count = this.#renumber(first);
      order = inFront ? -1 : count;
    }
    this.#put(node, ORDER, order);
    if (inFront) {
      this.#put(node, NEXT, first);
      this.#put(node, PREVIOUS, last);
      this.#put(first, PREVIOUS, node);
      this.#put(parent, FIRST, node);
    } else {
      this.#put(node, PREVIOUS, last);
      this.#put(last, NEXT, node);
      this.#put(first, PREVIOUS, node);
    }
  }

  /** Numbers siblings from 0 on, once in two thousand million new ones; returns how many there are. */
  #renumber(first: number): number {
    let count = 0;
    for (let node = first; node !== NONE; node = this.next(node)) this.#put(node, ORDER, count++);
    return count;
  }

  #unlink(parent: number, node: number): void {
    const first = this.#get(parent, FIRST);
    const next = this.#get(node, NEXT);
    const previous = this.#get(node, PREVIOUS);
    if (node === first) this.#put(parent, FIRST, next);
    else this.#put(previous, NEXT, next);
    if (next !== NONE) this.#put(next, PREVIOUS, previous);
    else if (node !== first) this.#put(first, PREVIOUS, previous);
  }

  /** Frees a node without value, child and cursor, and then each node above it that has become such a one. */
  #prune(node: number): void {
    while (
      node !== ROOT && this.#get(node, VALUE) === NONE && this.#get(node, FIRST) === NONE &&
      !this.#pins.has(node)
    ) {
      const parent = this.#get(node, PARENT);
      this.#unlink(parent, node);
      this.#leave(node);
      this.#names.remove(this.#get(node, NAME));
      this.#put(node, NEXT, this.#free);
      this.#free = node;
      this.#used--;
      node = parent;
    }
    if (this.#used === 1 && this.#made > 1 && this.#pins.size === 0) this.#reset();
  }

  /** Nothing is left: memory is given back. */
  #reset(): void {
    this.#nodes.length = this.#table.length = 0;
    this.#made = this.#used = this.#places = 0;
    this.#round = 1;
    this.#free = NONE;
    this.#make(NONE, 0, NONE);
  }

  /** Where in the table a hash belongs: the first places are split over twice as many already. */
  #place(hash: number): number {
    const place = hash & (this.#round * 2 - 1);
    return place < this.#places ? place : place - this.#round;
  }

  #enter(node: number, hash: number): void {
    const place = this.#place(hash);
    const table = this.#table[place >>> TABLE_BITS]!;
    this.#put(node, CHAIN, table[place & TABLE_MASK]!);
    table[place & TABLE_MASK] = node;
  }

  #leave(node: number): void {
    const place = this.#place(this.#get(node, HASH));
    const table = this.#table[place >>> TABLE_BITS]!;
    const after = this.#get(node, CHAIN);
    let before = table[place & TABLE_MASK]!;
    if (before === node) table[place & TABLE_MASK] = after;
    else {
      for (let next; (next = this.#get(before, CHAIN)) !== node;) before = next;
      this.#put(before, CHAIN, after);
    }
  }

  /** Adds a place, if there are more nodes than places, and gives it its part of another one's nodes (linear hashing). */
  #growTable(): void {
    if (this.#places >= this.#used) return;
    const fresh = this.#places++;
    if (fresh >>> TABLE_BITS === this.#table.length) {
      this.#table.push(new Int32Array(1 << TABLE_BITS).fill(NONE));
    }
    if (this.#places === this.#round * 2) this.#round *= 2;
    if (fresh === 0) return;
    const old = fresh - (1 << (31 - Math.clz32(fresh)));
    const table = this.#table[old >>> TABLE_BITS]!;
    let node = table[old & TABLE_MASK]!;
    table[old & TABLE_MASK] = NONE;
    while (node !== NONE) {
      const after = this.#get(node, CHAIN);
      this.#enter(node, this.#get(node, HASH));
      node = after;
    }
  }
}

/** Where the level ends that begins at `from`. */
function levelEnd(bytes: Uint8Array, from: number, end: number): number {
  while (from < end && bytes[from] !== SLASH) from++;
  return from;
}

/** The hash of a level under one parent, of 32 bits with a sign. Quicker than `mixed()`, and good enough for a table of chains. */
function hashUnder(level: number, parent: number): number {
  let hash = Math.imul(level ^ Math.imul(parent + 1, 0x9e37_79b1), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2_ae35);
  return hash ^ (hash >>> 16);
}
