/**
 * The known word that an unknown one was probably meant to be.
 * Knows spelling; refuses to know commands and flags.
 * @module
 */

/** The candidate with the fewest letters to change, the first of equals. */
export function nearest(word: string, candidates: readonly string[]): string {
  let best = candidates[0] ?? "";
  let least = Infinity;
  for (const candidate of candidates) {
    const changes = distance(word.toLowerCase(), candidate);
    if (changes >= least) continue;
    least = changes;
    best = candidate;
  }
  return best;
}

/** Letters to insert, drop or replace (Levenshtein), row by row. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[to.length]!;
}
