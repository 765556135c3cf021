/**
 * Names of the places in Markdown files: what `#...` behind the name of a file means.
 * Knows how GitHub makes them of headings; refuses to know the files.
 * @module
 */

/** The anchor of a heading, as it is read. */
export function anchorOf(heading: string): string {
  return heading.toLowerCase().replace(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, "").replaceAll(" ", "-");
}

/** Anchors of one file in their order: the second heading of a name has `-1` behind it, the next one `-2`. */
export class Anchors {
  readonly #seen: Map<string, number> = new Map();

  next(heading: string): string {
    const anchor = anchorOf(heading);
    const count = this.#seen.get(anchor);
    this.#seen.set(anchor, (count ?? 0) + 1);
    return count === undefined ? anchor : `${anchor}-${count}`;
  }
}
