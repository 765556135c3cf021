/**
 * §4.7 A tree over topic levels: filters found by a name.
 * Knows levels and wildcards; refuses to know what it stores.
 * @module
 */
import { SEPARATOR } from "./name.ts";

/** One value, or several: most nodes hold one, and an array for each would cost a million filters dearly. */
type Values<V> = V | V[] | undefined;

interface FilterNode<V> {
  children: Map<string, FilterNode<V>> | undefined;
  /** The child for `+`. */
  plus: FilterNode<V> | undefined;
  /** Values of the filter that ends here. */
  here: Values<V>;
  /** Values of the filter that ends with `#` below this node. */
  hash: Values<V>;
}

/** §4.7.1 Values by Topic Filter, found by Topic Name. A value is not an array. */
export class FilterTree<V> {
  #root: FilterNode<V> = node();
  #size = 0;

  /** Values in the tree. */
  get size(): number {
    return this.#size;
  }

  /** Puts one value at `filter`, beside those that are there. */
  add(filter: string, value: V): void {
    const levels = filter.split(SEPARATOR);
    const hash = levels[levels.length - 1] === "#";
    if (hash) levels.pop();
    let at = this.#root;
    for (const level of levels) at = level === "+" ? (at.plus ??= node()) : child(at, level);
    if (hash) at.hash = plus(at.hash, value);
    else at.here = plus(at.here, value);
    this.#size++;
  }

  /** Takes that very value away from `filter`; false if it was not there. */
  remove(filter: string, value: V): boolean {
    const removed = removeFrom(this.#root, filter.split(SEPARATOR), 0, value);
    if (removed) this.#size--;
    return removed;
  }

  /** Appends to `out` the values of every filter that matches `topic`. */
  match(topic: string, out: V[]): void {
    const levels = topic.split(SEPARATOR);
    const root = this.#root;
    if (topic.charCodeAt(0) === 0x24) { // [MQTT-4.7.2-1] wildcards in first place do not match $-topics
      const next = root.children?.get(levels[0]!);
      if (next !== undefined) collect(next, levels, 1, out);
      return;
    }
    collect(root, levels, 0, out);
  }

  /** Nodes in use, the root included. Visits them all. */
  countNodes(): number {
    return countFrom(this.#root);
  }
}

function countFrom<V>({ plus, children }: FilterNode<V>): number {
  let count = plus === undefined ? 1 : 1 + countFrom(plus);
  for (const next of children?.values() ?? []) count += countFrom(next);
  return count;
}

function node<V>(): FilterNode<V> {
  return { children: undefined, plus: undefined, here: undefined, hash: undefined };
}

function child<V>(at: FilterNode<V>, level: string): FilterNode<V> {
  const children = (at.children ??= new Map());
  let next = children.get(level);
  if (next === undefined) children.set(level, next = node());
  return next;
}

function plus<V>(values: Values<V>, value: V): Values<V> {
  if (values === undefined) return value;
  if (!Array.isArray(values)) return [values, value];
  values.push(value);
  return values;
}

function minus<V>(values: Values<V>, value: V): Values<V> {
  if (!Array.isArray(values)) return values === value ? undefined : values;
  const at = values.indexOf(value);
  if (at >= 0) values.splice(at, 1);
  return values.length === 1 ? values[0] : values;
}

function has<V>(values: Values<V>, value: V): boolean {
  return Array.isArray(values) ? values.includes(value) : values !== undefined && values === value;
}

function append<V>(values: Values<V>, out: V[]): void {
  if (values === undefined) return;
  if (!Array.isArray(values)) out.push(values);
  else for (const value of values) out.push(value);
}

function collect<V>(at: FilterNode<V>, levels: string[], depth: number, out: V[]): void {
  append(at.hash, out); // `#` matches its parent level too
  if (depth === levels.length) {
    append(at.here, out);
    return;
  }
  const next = at.children?.get(levels[depth]!);
  if (next !== undefined) collect(next, levels, depth + 1, out);
  if (at.plus !== undefined) collect(at.plus, levels, depth + 1, out);
}

/** Removes on the way down, prunes empty nodes on the way up. */
function removeFrom<V>(at: FilterNode<V>, levels: string[], depth: number, value: V): boolean {
  if (depth === levels.length) {
    if (!has(at.here, value)) return false;
    at.here = minus(at.here, value);
    return true;
  }
  const level = levels[depth]!;
  if (level === "#") {
    if (!has(at.hash, value)) return false;
    at.hash = minus(at.hash, value);
    return true;
  }
  const next = level === "+" ? at.plus : at.children?.get(level);
  if (next === undefined || !removeFrom(next, levels, depth + 1, value)) return false;
  if (
    next.children === undefined && next.plus === undefined && next.here === undefined &&
    next.hash === undefined
  ) {
    if (level === "+") at.plus = undefined;
    else {
      at.children!.delete(level);
      if (at.children!.size === 0) at.children = undefined;
    }
  }
  return true;
}
