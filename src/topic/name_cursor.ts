/**
 * §4.7 A way through the names that a filter matches, to be gone in as many steps as there is time for.
 * Knows wildcards; refuses to know what is done with what it finds.
 *
 * Between two steps names may come and go. A name that was there all the time is found once; a name that went is not
 * found; a name that came is found unless the cursor has passed its place. The cursor holds no list of names: it stands
 * on a node, which keeps its place as long as a cursor stands on it.
 * @module
 */
import { encodeUtf8 } from "../codec/utf8.ts";
import { type Level, type NameTree, NONE, ROOT } from "./name_tree.ts";
import { SEPARATOR } from "./name.ts";

/** What `advance()` returns when its steps are used up. */
export const MORE = -2;

/** One walk. `close()` it unless it has come to its end. */
export class NameCursor {
  readonly #tree: NameTree;
  /** Undefined for `+`. Without a `#` at the end. */
  readonly #levels: (Level | undefined)[];
  readonly #hash: boolean;
  /** It begins with a wildcard, which does not match names that begin with `$` [MQTT-4.7.2-1]. */
  readonly #noDollar: boolean;
  #at = ROOT;
  #depth = 0;
  /** Steps that the last `advance()` took. */
  steps = 0;

  /** For the names in `tree` that `filter` matches. */
  constructor(tree: NameTree, filter: string) {
    this.#tree = tree;
    const levels = filter.split(SEPARATOR);
    this.#noDollar = levels[0] === "+" || levels[0] === "#";
    this.#hash = levels.at(-1) === "#";
    if (this.#hash) levels.pop();
    this.#levels = levels.map((level) => level === "+" ? undefined : levelOf(tree, level));
  }

  /**
   * The node of the next name that matches, `NONE` if there is no other, `MORE` if it was not found in so many steps. A step
   * is a node looked at, whether a name ends there or not.
   */
  advance(steps: number): number {
    const before = this.#at;
    let at = before;
    this.steps = 0;
    while (this.steps < steps) {
      const next = this.#after(at);
      this.steps++;
      if (next === NONE) {
        this.close();
        return NONE;
      }
      at = next;
      if (this.#matches(at)) {
        this.#stand(at);
        return at;
      }
    }
    if (at !== before) this.#stand(at);
    return MORE;
  }

  /** Whether this name's node, which the filter matches, is still to be found. */
  isAhead(node: number): boolean {
    return this.#at === ROOT ? this.#depth === 0 : this.#tree.isBehind(node, this.#at);
  }

  /** Ends it: nothing is found any more. */
  close(): void {
    const at = this.#at;
    this.#at = ROOT;
    this.#depth = -1;
    if (at !== ROOT) this.#tree.unpin(at);
  }

  #stand(at: number): void {
    this.#tree.pin(at);
    if (this.#at !== ROOT) this.#tree.unpin(this.#at);
    this.#at = at;
  }

  /** The node to look at after this one, with `#depth` its depth: its first child, or else what comes after all below it. */
  #after(node: number): number {
    if (this.#depth < 0) return NONE;
    const tree = this.#tree;
    let next = this.#below(node);
    if (next !== NONE) {
      this.#depth++;
      return next;
    }
    for (let at = node; at !== ROOT; at = tree.parent(at)) {
      const isOneOfMany = this.#depth > this.#levels.length || this.#levels[this.#depth - 1] === undefined;
      next = isOneOfMany ? tree.next(at) : NONE;
      if (next !== NONE) return next;
      this.#depth--;
    }
    return NONE;
  }

  #below(node: number): number {
    const depth = this.#depth;
    if (depth === 1 && this.#noDollar && this.#tree.isDollar(node)) return NONE;
    if (depth >= this.#levels.length) return this.#hash ? this.#tree.first(node) : NONE;
    const level = this.#levels[depth];
    return level === undefined ? this.#tree.first(node) : this.#tree.child(node, level);
  }

  #matches(node: number): boolean {
    const depth = this.#depth;
    if (depth < this.#levels.length || this.#tree.value(node) === NONE) return false;
    return !(depth === 1 && this.#noDollar && this.#tree.isDollar(node));
  }
}

function levelOf(tree: NameTree, level: string): Level {
  const bytes = encodeUtf8(level)!;
  return tree.level(bytes, 0, bytes.length);
}
