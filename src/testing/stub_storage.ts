/**
 * The transactional storage of a Durable Object in memory: values are cloned, keys are short, a transaction is whole or nothing.
 * Knows the bounds of such a storage; refuses to know what is kept in it.
 * @module
 */
import { assert } from "@std/assert";
import type { Storage, StorageWriter } from "../edge/storage_store.ts";

const KEYS_MAX = 128;
const KEY_BYTES_MAX = 2048;

/** Fails for a while when `isBroken`. */
export class StubStorage implements Storage {
  isBroken = false;
  transactions = 0;
  readonly #values: Map<string, unknown> = new Map();

  get size(): number {
    return this.#values.size;
  }

  list({ prefix }: { readonly prefix: string }): Promise<ReadonlyMap<string, unknown>> {
    const found = [...this.#values].filter(([key]) => key.startsWith(prefix));
    found.sort(([a], [b]) => a < b ? -1 : 1);
    return Promise.resolve(new Map(found.map(([key, value]) => [key, structuredClone(value)])));
  }

  async transaction(act: (transaction: StorageWriter) => Promise<void>): Promise<void> {
    this.transactions++;
    const changes: (readonly [string, unknown])[] = [];
    await act({
      put(entries) {
        check(Object.keys(entries));
        for (const [key, value] of Object.entries(entries)) changes.push([key, structuredClone(value)]);
        return Promise.resolve();
      },
      delete(keys) {
        check(keys);
        for (const key of keys) changes.push([key, undefined]);
        return Promise.resolve();
      },
    });
    if (this.isBroken) throw new Error("disk full");
    for (const [key, value] of changes) {
      if (value === undefined) this.#values.delete(key);
      else this.#values.set(key, value);
    }
  }
}

function check(keys: readonly string[]): void {
  assert(keys.length > 0 && keys.length <= KEYS_MAX, `${keys.length} keys at once`);
  for (const key of keys) assert(key.length <= KEY_BYTES_MAX, `a key of ${key.length} bytes`);
}
