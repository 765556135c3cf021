/**
 * §4.7 A tree over topic levels: filters found by a name.
 * Knows levels and wildcards; refuses to know the values it stores.
 *
 * A filter has nodes of its own only as far as another filter goes the same way; the rest of it stays text, at a leaf.
 * So most of a million filters cost one leaf each, whatever their length.
 * @module
 */
import { copyOf, Edges, hashLevel, type Target } from "./edges.ts";
import { mixed } from "./hash.ts";
import { SEPARATOR } from "./name.ts";
import { append, each, has, minus, plus, type Values } from "./values.ts";

const PLUS = 0x2b;
const HASH = 0x23;
const SLASH = 0x2f;

/** Where one filter goes on alone. */
class Leaf<V> implements Target {
  readonly filter: string;
  parent: Branch<V>;
  /** Where the rest of `filter` begins: one past its end if there is no rest. */
  at: number;
  values: Values<V>;

  constructor(filter: string, parent: Branch<V>, at: number, values: Values<V>) {
    this.filter = filter;
    this.parent = parent;
    this.at = at;
    this.values = values;
  }

  isAt(parent: object, text: string, from: number, end: number): boolean {
    const { filter } = this;
    const begin = this.at - 1 - (end - from);
    if (this.parent !== parent || begin < 0 || (begin > 0 && filter.charCodeAt(begin - 1) !== SLASH)) {
      return false;
    }
    for (let i = from; i < end; i++) {
      if (text.charCodeAt(i) !== filter.charCodeAt(begin + i - from)) return false;
    }
    return true;
  }
}

/** Where filters part. */
class Branch<V> implements Target {
  readonly parent: Branch<V> | undefined;
  readonly level: string;
  /** For the hashes of the levels below it. */
  readonly seed: number;
  /** Ways by a level that is no wildcard. */
  ways = 0;
  /** The child for `+`. */
  plus: Node<V> | undefined = undefined;
  /** Values of the filter that ends here. */
  here: Values<V> = undefined;
  /** Values of the filter that ends with `#` below this node. */
  hash: Values<V> = undefined;

  constructor(parent: Branch<V> | undefined, level: string, seed: number) {
    this.parent = parent;
    this.level = level;
    this.seed = seed;
  }

  get empty(): boolean {
    return this.ways === 0 && this.plus === undefined && this.here === undefined && this.hash === undefined;
  }

  isAt(parent: object, text: string, from: number, end: number): boolean {
    return this.parent === parent && this.level.length === end - from && text.startsWith(this.level, from);
  }
}

type Node<V> = Leaf<V> | Branch<V>;

/** §4.7.1 Values by Topic Filter, found by Topic Name. A value is neither an array nor a Set. */
export class FilterTree<V> {
  #root: Branch<V>;
  #edges: Edges<Node<V>> = new Edges();
  #size = 0;
  #nodes = 1;
  #visited = 0;
  /** Of the next branch. */
  #seed: number;

  /** An unguessable `seed` keeps peers from choosing filters that are slow to find. */
  constructor(seed = 0) {
    this.#seed = seed | 0;
    this.#root = new Branch<V>(undefined, "", mixed(this.#seed));
  }

  /** Values in the tree. */
  get size(): number {
    return this.#size;
  }

  /** Nodes in use, the root included. */
  get nodes(): number {
    return this.#nodes;
  }

  /** Puts one value at `filter`, beside the values that are there. */
  add(filter: string, value: V): void {
    this.#size++;
    let branch = this.#root;
    for (let from = 0;;) {
      const end = endOf(filter, from);
      const kind = kindOf(filter, from, end);
      if (kind === END) {
        branch.here = plus(branch.here, value);
        return;
      }
      if (kind === HASH) {
        branch.hash = plus(branch.hash, value);
        return;
      }
      const child = this.#child(branch, filter, from, end, kind);
      from = end + 1;
      if (child === undefined) {
        this.#nodes++;
        this.#place(new Leaf(filter, branch, from, value));
        return;
      }
      if (child instanceof Branch) branch = child;
      else if (isSameRest(child, filter, from)) {
        child.values = plus(child.values, value);
        return;
      } else branch = this.#part(child);
    }
  }

  /** Takes that very value away from `filter`; false if it was not there. */
  remove(filter: string, value: V): boolean {
    let branch = this.#root;
    for (let from = 0;;) {
      const end = endOf(filter, from);
      const kind = kindOf(filter, from, end);
      if (kind === END || kind === HASH) {
        const values = kind === END ? branch.here : branch.hash;
        if (!has(values, value)) return false;
        if (kind === END) branch.here = minus(values, value);
        else branch.hash = minus(values, value);
        break;
      }
      const child = this.#child(branch, filter, from, end, kind);
      from = end + 1;
      if (child === undefined) return false;
      if (child instanceof Branch) {
        branch = child;
        continue;
      }
      if (!isSameRest(child, filter, from) || !has(child.values, value)) return false;
      child.values = minus(child.values, value);
      if (child.values === undefined) this.#displace(child);
      break;
    }
    this.#size--;
    while (branch.empty && branch.parent !== undefined) {
      this.#displace(branch);
      branch = branch.parent;
    }
    return true;
  }

  /**
   * Appends to `out` the values of every filter that matches `topic` [MQTT-3.3.2-3], character by character [MQTT-4.7.3-4].
   * Returns how many nodes it looked at.
   */
  match(topic: string, out: V[]): number {
    this.#visited = 0;
    if (topic.charCodeAt(0) !== 0x24) this.#collect(this.#root, topic, 0, out);
    else { // [MQTT-4.7.2-1] wildcards in first place do not match $-topics
      const end = endOf(topic, 0);
      const next = this.#literal(this.#root, topic, 0, end);
      if (next !== undefined) this.#enter(next, topic, end + 1, out);
    }
    return this.#visited;
  }

  /** The same values one by one, for a caller who may have enough; meanwhile nothing may come or go. */
  *each(topic: string): Generator<V, void> {
    if (topic.charCodeAt(0) !== 0x24) return yield* this.#eachBelow(this.#root, topic, 0);
    const end = endOf(topic, 0); // [MQTT-4.7.2-1]
    const next = this.#literal(this.#root, topic, 0, end);
    if (next !== undefined) yield* this.#eachAt(next, topic, end + 1);
  }

  *#eachBelow(at: Branch<V>, topic: string, from: number): Generator<V, void> {
    yield* each(at.hash);
    if (from > topic.length) return yield* each(at.here);
    const end = endOf(topic, from);
    const next = at.ways > 0 ? this.#literal(at, topic, from, end) : undefined;
    if (next !== undefined) yield* this.#eachAt(next, topic, end + 1);
    if (at.plus !== undefined) yield* this.#eachAt(at.plus, topic, end + 1);
  }

  *#eachAt(node: Node<V>, topic: string, from: number): Generator<V, void> {
    if (node instanceof Branch) yield* this.#eachBelow(node, topic, from);
    else if (matchesRest(node.filter, node.at, topic, from)) yield* each(node.values);
  }

  #collect(at: Branch<V>, topic: string, from: number, out: V[]): void {
    this.#visited++;
    append(at.hash, out); // `#` matches its parent level too
    if (from > topic.length) {
      append(at.here, out);
      return;
    }
    const end = endOf(topic, from);
    if (at.ways > 0) {
      const next = this.#literal(at, topic, from, end);
      if (next !== undefined) this.#enter(next, topic, end + 1, out);
    }
    if (at.plus !== undefined) this.#enter(at.plus, topic, end + 1, out);
  }

  #enter(node: Node<V>, topic: string, from: number, out: V[]): void {
    if (node instanceof Branch) this.#collect(node, topic, from, out);
    else if (matchesRest(node.filter, node.at, topic, from)) append(node.values, out);
  }

  #literal(at: Branch<V>, text: string, from: number, end: number): Node<V> | undefined {
    return this.#edges.find(hashLevel(at.seed, text, from, end), at, text, from, end);
  }

  #child(at: Branch<V>, filter: string, from: number, end: number, kind: number): Node<V> | undefined {
    return kind === PLUS ? at.plus : this.#literal(at, filter, from, end);
  }

  /** A branch in the place of a leaf, which moves one level down. */
  #part(leaf: Leaf<V>): Branch<V> {
    const { filter, parent, at } = leaf;
    const end = at - 1;
    const from = beginOf(filter, end);
    this.#seed = (this.#seed + 0x9e37_79b9) | 0;
    const branch = new Branch(parent, copyOf(filter, from, end), mixed(this.#seed));
    if (parent.plus === leaf) parent.plus = branch;
    else this.#edges.replace(hashLevel(parent.seed, filter, from, end), leaf, branch);
    const next = endOf(filter, at);
    const kind = kindOf(filter, at, next);
    if (kind === END) branch.here = leaf.values;
    else if (kind === HASH) branch.hash = leaf.values;
    else {
      this.#nodes++;
      leaf.parent = branch;
      leaf.at = next + 1;
      this.#place(leaf);
    }
    return branch;
  }

  /** Puts a leaf below its parent. */
  #place(leaf: Leaf<V>): void {
    const { filter, parent, at } = leaf;
    const from = beginOf(filter, at - 1);
    if (at - from === 2 && filter.charCodeAt(from) === PLUS) parent.plus = leaf;
    else {
      parent.ways++;
      this.#edges.add(hashLevel(parent.seed, filter, from, at - 1), leaf);
    }
  }

  /** Takes a node away from below its parent. */
  #displace(node: Node<V>): void {
    this.#nodes--;
    const parent = node.parent!;
    if (parent.plus === node) {
      parent.plus = undefined;
      return;
    }
    parent.ways--;
    const text = node instanceof Branch ? node.level : node.filter;
    const end = node instanceof Branch ? text.length : node.at - 1;
    const from = node instanceof Branch ? 0 : beginOf(text, end);
    this.#edges.remove(hashLevel(parent.seed, text, from, end), node);
  }
}

/** A level that begins behind the end of its text. */
const END = -1;

/** Where the level that begins at `from` ends. */
function endOf(text: string, from: number): number {
  const end = text.indexOf(SEPARATOR, from);
  return end < 0 ? text.length : end;
}

/** Where the level that ends at `end` begins. */
function beginOf(text: string, end: number): number {
  return end === 0 ? 0 : text.lastIndexOf(SEPARATOR, end - 1) + 1;
}

/** The kind of the level `filter[from, end)`: `END`, `PLUS`, `HASH`, or another. */
function kindOf(filter: string, from: number, end: number): number {
  if (from > filter.length) return END;
  if (end - from !== 1) return 0;
  const code = filter.charCodeAt(from);
  return code === PLUS || code === HASH ? code : 0;
}

/** Whether the rest of a leaf's filter equals `filter` from `from` on. */
function isSameRest({ filter: own, at }: Leaf<unknown>, filter: string, from: number): boolean {
  if (own.length - at !== filter.length - from) return false;
  for (let i = from; i < filter.length; i++) {
    if (filter.charCodeAt(i) !== own.charCodeAt(at + i - from)) return false;
  }
  return true;
}

/** Whether a filter from `at` on matches a name from `from` on; both places begin a level. */
function matchesRest(filter: string, at: number, topic: string, from: number): boolean {
  const end = filter.length;
  for (;;) {
    if (at > end) return from > topic.length;
    const code = filter.charCodeAt(at); // NaN for an empty level at the end
    if (code === HASH) return true; // it matches its parent level too
    if (from > topic.length) return false;
    if (code === PLUS) {
      at += 2;
      from = endOf(topic, from) + 1;
      continue;
    }
    for (;; at++, from++) {
      const left = at < end ? filter.charCodeAt(at) : SLASH;
      if (left !== (from < topic.length ? topic.charCodeAt(from) : SLASH)) return false;
      if (left === SLASH) break;
    }
    at++;
    from++;
  }
}
