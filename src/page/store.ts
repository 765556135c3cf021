/**
 * A value that views show and follow.
 * Knows who is told of a change; refuses to know what the value means.
 * @module
 */
import { useEffect, useState } from "preact/hooks";

/** One value. */
export class Store<T> {
  #value: T;
  readonly #listeners: Set<() => void> = new Set();

  constructor(value: T) {
    this.#value = value;
  }

  /** The present one. */
  get value(): T {
    return this.#value;
  }

  /** Another one: views that use it are drawn again. */
  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) listener();
  }

  /** Calls `listener` behind each change; returns how to end that. */
  follow(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

/** The value, for a component that is drawn again with each change. */
export function useStore<T>(store: Store<T>): T {
  const [value, set] = useState(store.value);
  useEffect(() => {
    const look = () => set(() => store.value);
    look(); // it may have changed since the first drawing
    return store.follow(look);
  }, [store]);
  return value;
}
