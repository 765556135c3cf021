/**
 * A bounded memory of what was used lately.
 * Knows two generations, of which the older one gives way as a whole; refuses to know what is remembered.
 *
 * A `Map` whose first entry gives way one at a time is slow on both runtimes: what is deleted is passed over at each look for the first.
 * @module
 */

/** Values by their keys. */
export class Recent<Value> {
  #young = new Map<string, Value>();
  #old = new Map<string, Value>();

  /** Values that are remembered. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** The value, without its being used. */
  get(key: string): Value | undefined {
    return this.#young.get(key) ?? this.#old.get(key);
  }

  /** The value is used: it stays until `most` / 2 others are, and at most `most` stay. */
  set(key: string, value: Value, most: number): void {
    if (!this.#young.has(key) && this.#young.size >= most >> 1) {
      this.#old = most > 1 ? this.#young : new Map();
      this.#young = new Map();
    }
    this.#old.delete(key);
    this.#young.set(key, value);
  }

  /** Forgets it. */
  delete(key: string): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }
}
