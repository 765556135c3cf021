/**
 * §4.7 Which Topic Names a subscription with wildcards can touch when it comes or goes: all names below the levels before its
 * first wildcard.
 * Knows how often something changed below each name; refuses to know the change.
 * @module
 */
import { mixed } from "./edges.ts";

const SLASH = 0x2f;
const PLUS = 0x2b;
const HASH = 0x23;
const BASIS = 0x811c_9dc5 | 0;
const PRIME = 0x0100_0193;

/**
 * Counts changes in a bounded number of cells, each for the levels before a first wildcard whose hash falls into it. A Topic
 * Name looks at one cell for each number of its own first levels, from none to all. So a change that can touch
 * the name is never missed; when two hashes collide, a change that cannot touch it counts too.
 */
export class Changes {
  /** Never goes down, and so no sum of several stays the same when one of them changes. */
  #cells: Float64Array;
  #count = 0;

  /** With so many cells, a power of two. */
  constructor(cells: number) {
    this.#cells = new Float64Array(cells);
  }

  /** All of them. */
  get count(): number {
    return this.#count;
  }

  /** A subscription to this filter, which has a wildcard, has come or gone. */
  add(filter: string): void {
    let hash = BASIS; // of what begins with a wildcard: every name looks there
    let before = BASIS;
    for (let i = 0; i < filter.length; i++) {
      const code = filter.charCodeAt(i);
      if (code === PLUS || code === HASH) break;
      if (code === SLASH) before = hash;
      hash = Math.imul(hash ^ code, PRIME);
    }
    this.#cells[this.#cellOf(before)]!++;
    this.#count++;
  }

  /** Another number than before if there was a change that can touch this Topic Name. */
  touching(name: string): number {
    const cells = this.#cells;
    let hash = BASIS;
    let sum = cells[this.#cellOf(hash)]!;
    for (let i = 0; i < name.length; i++) {
      const code = name.charCodeAt(i);
      if (code === SLASH) sum += cells[this.#cellOf(hash)]!;
      hash = Math.imul(hash ^ code, PRIME);
    }
    return sum + cells[this.#cellOf(hash)]!;
  }

  #cellOf(hash: number): number {
    return mixed(hash) & (this.#cells.length - 1);
  }
}
