/**
 * Finds where statements and unnumbered duties are cited: as a quoted value, `"MQTT-3.3.1-4"`, or in brackets,
 * `[MQTT-3.3.1-4]`, `[MQTT-3.3.1-4, 3.3.4/alias-zero]`.
 * Knows how an id looks; refuses to know which ids there are.
 * @module
 */

const NUMBERED = String.raw`MQTT(?:311)?-[0-9.]+-[0-9]+`;
const UNNUMBERED = String.raw`(?:[0-9]+(?:\.[0-9]+)*|limit|policy)/[a-z0-9-]+`;
const ID = `(?:${NUMBERED}|${UNNUMBERED})`;

const BRACKETED = new RegExp(String.raw`\[(${ID}(?:[ ,]+${ID})*)\]`, "g");
const QUOTED = new RegExp(`(["'\`])(${ID})\\1`, "g");

/** The ids that a text cites, each once. */
export function citationsIn(text: string): Set<string> {
  const found = new Set<string>();
  for (const [, list = ""] of text.matchAll(BRACKETED)) list.split(/[ ,]+/).forEach((id) => found.add(id));
  for (const [, , id = ""] of text.matchAll(QUOTED)) found.add(id);
  return found;
}

/** The numbered ids that a text names in any way, prose included. */
export function mentionsIn(text: string): Set<string> {
  return new Set([...text.matchAll(new RegExp(`\\b${NUMBERED}\\b`, "g"))].map(([id]) => id));
}
