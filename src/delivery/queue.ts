/**
 * §4.6 First in, first out: a queue that moves no item when another one is taken.
 * Knows order; refuses to know what the items are.
 * @module
 */

/** Below this many taken items the array is not shortened. */
const COMPACT_MIN = 64;

/**
 * A queue whose `shift` costs the same however long it is. One for each session, whatever the topics: so all topics are
 * Ordered Topics [MQTT-4.6.0-5] [MQTT-4.6.0-6].
 */
export class Queue<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  /** How many items it has. */
  get length(): number {
    return this.#items.length - this.#head;
  }

  /** Appends. */
  push(item: T): void {
    this.#items.push(item);
  }

  /** The first item; undefined if there is none. */
  peek(): T | undefined {
    return this.#items[this.#head];
  }

  /** The item in that place, counted from 0; undefined if there is none. */
  at(place: number): T | undefined {
    return this.#items[this.#head + place];
  }

  /** Takes the first item; undefined if there is none. */
  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    } else if (this.#head >= COMPACT_MIN && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Takes out, in order, the items that `test` accepts, the first `most` of them. */
  extract(test: (item: T) => boolean, most: number = Infinity): T[] {
    const out: T[] = [];
    const kept: T[] = [];
    for (let i = this.#head; i < this.#items.length; i++) {
      const item = this.#items[i]!;
      (out.length < most && test(item) ? out : kept).push(item);
    }
    this.#items = kept;
    this.#head = 0;
    return out;
  }

  /** Calls `visit` for each item, in order. */
  each(visit: (item: T) => void): void {
    for (let i = this.#head; i < this.#items.length; i++) visit(this.#items[i]!);
  }

  /** Takes everything. */
  clear(): T[] {
    return this.extract(() => true);
  }
}
