/**
 * §4.7 A tree over topic levels: names found by a filter.
 * Knows levels and wildcards; refuses to know what it stores.
 * @module
 */
import { SEPARATOR } from "./name.ts";

interface NameNode<V> {
  children: Map<string, NameNode<V>> | undefined;
  value: V | undefined;
}

/** §4.7 One value by Topic Name, found by Topic Filter. */
export class NameTree<V> {
  #root: NameNode<V> = { children: undefined, value: undefined };
  #size = 0;

  /** Names that have a value. */
  get size(): number {
    return this.#size;
  }

  /** The value of `topic`. */
  get(topic: string): V | undefined {
    let at: NameNode<V> | undefined = this.#root;
    for (const level of topic.split(SEPARATOR)) {
      at = at.children?.get(level);
      if (at === undefined) return undefined;
    }
    return at.value;
  }

  /** Puts `value` at `topic`, in place of what was there. */
  set(topic: string, value: V): void {
    let at = this.#root;
    for (const level of topic.split(SEPARATOR)) {
      const children: Map<string, NameNode<V>> = (at.children ??= new Map());
      let next = children.get(level);
      if (next === undefined) children.set(level, next = { children: undefined, value: undefined });
      at = next;
    }
    if (at.value === undefined) this.#size++;
    at.value = value;
  }

  /** Takes the value of `topic` away; undefined if there was none. */
  delete(topic: string): V | undefined {
    const value = deleteFrom(this.#root, topic.split(SEPARATOR), 0);
    if (value !== undefined) this.#size--;
    return value;
  }

  /** Appends to `out` the value of every name that `filter` matches. */
  match(filter: string, out: V[]): void {
    const wanted = filter.split(SEPARATOR);
    find(this.#root, wanted, 0, wanted[0] === "+" || wanted[0] === "#", out);
  }

  /** Nodes in use, the root included. Visits them all. */
  countNodes(): number {
    return countNames(this.#root);
  }
}

function countNames<V>({ children }: NameNode<V>): number {
  let count = 1;
  for (const next of children?.values() ?? []) count += countNames(next);
  return count;
}

function deleteFrom<V>(at: NameNode<V>, levels: string[], depth: number): V | undefined {
  if (depth === levels.length) {
    const value = at.value;
    at.value = undefined;
    return value;
  }
  const next = at.children?.get(levels[depth]!);
  if (next === undefined) return undefined;
  const value = deleteFrom(next, levels, depth + 1);
  if (next.value === undefined && next.children === undefined) {
    at.children!.delete(levels[depth]!);
    if (at.children!.size === 0) at.children = undefined;
  }
  return value;
}

function find<V>(at: NameNode<V>, wanted: string[], depth: number, noDollar: boolean, out: V[]): void {
  if (depth === wanted.length) {
    if (at.value !== undefined) out.push(at.value);
    return;
  }
  const level = wanted[depth]!;
  if (level === "#") {
    findAll(at, depth === 0 && noDollar, out);
  } else if (level === "+") {
    if (at.children === undefined) return;
    for (const [name, next] of at.children) {
      if (depth === 0 && noDollar && name.charCodeAt(0) === 0x24) continue; // [MQTT-4.7.2-1]
      find(next, wanted, depth + 1, noDollar, out);
    }
  } else {
    const next = at.children?.get(level);
    if (next !== undefined) find(next, wanted, depth + 1, noDollar, out);
  }
}

function findAll<V>(at: NameNode<V>, noDollar: boolean, out: V[]): void {
  if (at.value !== undefined) out.push(at.value);
  if (at.children === undefined) return;
  for (const [name, next] of at.children) {
    if (noDollar && name.charCodeAt(0) === 0x24) continue; // [MQTT-4.7.2-1]
    findAll(next, false, out);
  }
}
