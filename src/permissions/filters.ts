/**
 * §4.7 Sets of Topic Names that Topic Filters match: whether one is inside others, and whether two have a name in common. Exact.
 * Knows filters without variables and without `$share/`; refuses to know rules.
 * @module
 */
import { levelCount, SEPARATOR } from "../topic/name.ts";

/** A level that no filter has: U+0000 is in none [MQTT-1.5.4-2]. */
const FRESH = "\0";

/**
 * Topic Names of which each is matched by at least one of some filters if, and only if, these match all names that `filter` matches.
 * `levelsMax` is the most levels that one of these has.
 *
 * Why so few names are enough: a level that no filter mentions can be matched by `+` and `#` alone, and they match every other
 * level too (but for `$…` in first place, which a wildcard of `filter` does not match either [MQTT-4.7.2-1]). And beyond
 * `levelsMax` levels only `#` matches, which then matches any number.
 */
export function* probes(filter: string, levelsMax: number): Iterable<string> {
  const levels = filter.split(SEPARATOR).map((level) => level === "+" ? FRESH : level);
  if (levels.at(-1) !== "#") return yield levels.join(SEPARATOR);
  levels.pop();
  const most = Math.max(levelsMax, levels.length) + 1;
  for (; levels.length <= most; levels.push(FRESH)) {
    const name = levels.join(SEPARATOR);
    if (name !== "") yield name; // of no level, or of an empty one: not a Topic Name [MQTT-4.7.3-1]
  }
}

/** The most levels of any of these filters. */
export function levelsOf(filters: Iterable<string>): number {
  let most = 0;
  for (const filter of filters) most = Math.max(most, levelCount(filter));
  return most;
}

/** A name of `probes()` as a person may read it. */
export function readable(probe: string): string {
  return probe.replaceAll(FRESH, "<any>");
}

/** The levels of a filter. */
export function split(filter: string): readonly string[] {
  return filter.split(SEPARATOR);
}

/** Whether there is a Topic Name that both filters, given by their levels, match. */
export function overlap(a: readonly string[], b: readonly string[]): boolean {
  for (let i = 0;; i++) {
    const left = a[i];
    const right = b[i];
    if (left === undefined && right === undefined) return isName(a, b, i);
    if (left === "#" || right === "#") {
      const rest = left === "#" ? right : left;
      if (rest === undefined) return isName(a, b, i); // `#` matches its parent level too
      return i > 0 || !rest.startsWith("$");
    }
    if (left === undefined || right === undefined) return false;
    if (left === right && left !== "+") continue;
    if (left !== "+" && right !== "+") return false;
    if (i === 0 && (left.startsWith("$") || right.startsWith("$"))) return false;
  }
}

/** Whether a name of so many levels that both match is more than one empty level. */
function isName(a: readonly string[], b: readonly string[], levels: number): boolean {
  return levels > 1 || (a[0] !== "" && b[0] !== "");
}
