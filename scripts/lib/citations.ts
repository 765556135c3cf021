/**
 * Finds where statements and unnumbered duties are cited: as a quoted value, `"MQTT-3.3.1-4"`, or in brackets,
 * `[MQTT-3.3.1-4]`, `[MQTT-3.3.1-4, 3.3.4/alias-zero]`.
 * Knows how an id looks; refuses to know which ids there are.
 * @module
 */

const NUMBERED = String.raw`MQTT(?:311)?-[0-9.]+-[0-9]+`;
/** With a letter behind the slash: `10.0.0.0/8` is a network. */
const UNNUMBERED = String.raw`(?:[0-9]+(?:\.[0-9]+)*|limit|policy)/[0-9-]*[a-z][a-z0-9-]*`;
const ID = `(?:${NUMBERED}|${UNNUMBERED})`;

const BRACKETED = new RegExp(String.raw`\[(${ID}(?:[ ,]+${ID})*)\]`, "g");
const QUOTED = new RegExp(`(["'\`])(${ID})\\1`, "g");

/** One place where a text cites an id. */
export interface Citation {
  readonly id: string;
  /** From 1. */
  readonly line: number;
}

/** Every citation of a text, in the order of its lines; an id that a line repeats is there once. */
export function citationsIn(text: string): Citation[] {
  const found: Citation[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    const ids = new Set<string>();
    for (const [, list = ""] of line.matchAll(BRACKETED)) list.split(/[ ,]+/).forEach((id) => ids.add(id));
    for (const [, , id = ""] of line.matchAll(QUOTED)) ids.add(id);
    for (const id of ids) found.push({ id, line: index + 1 });
  }
  return found;
}

/** The numbered ids that a text names in any way, prose included. */
export function mentionsIn(text: string): Set<string> {
  return new Set([...text.matchAll(new RegExp(`\\b${NUMBERED}\\b`, "g"))].map(([id]) => id));
}
