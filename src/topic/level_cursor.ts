/**
 * §4.7.1.1 The levels right below one level of a tree of names, one after the other.
 * Knows siblings; refuses to know filters (`name_cursor.ts`) and what the numbers mean.
 *
 * Names may come and go between two steps, as with a `NameCursor`: a level that is there all the time is found once.
 * @module
 */
import { type NameTree, NONE } from "./name_tree.ts";

/** One walk. `close()` it unless it has come to its end. */
export class LevelCursor {
  readonly #tree: NameTree;
  #next: (() => number) | undefined;
  #at: number = NONE;

  /** For the children of `node`, which may be `NONE`. */
  constructor(tree: NameTree, node: number) {
    this.#tree = tree;
    this.#next = node === NONE ? undefined : () => tree.first(node);
  }

  /** The node of the next level, `NONE` if there is no other. It stays one as long as the cursor stands on it. */
  advance(): number {
    const tree = this.#tree;
    if (this.#next === undefined) return NONE;
    const next = this.#next();
    if (next === NONE) this.close();
    else {
      tree.pin(next);
      if (this.#at !== NONE) tree.unpin(this.#at);
      this.#at = next;
      this.#next = () => tree.next(next);
    }
    return next;
  }

  /** Ends it: nothing is found any more. */
  close(): void {
    const at = this.#at;
    this.#at = NONE;
    this.#next = undefined;
    if (at !== NONE) this.#tree.unpin(at);
  }
}
