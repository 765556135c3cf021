/**
 * `node:fs` where there is none: the tables of the standard that tests read, by their names.
 * Knows the texts that the bundle brings along; refuses to know paths.
 * @module
 */

/** Put in by the bundler: texts by file name. */
declare const PLUMB_SPEC_TEXTS: Readonly<Record<string, string>>;

/** The text of a table in `spec/`. */
export function readFileSync(path: URL | string): string {
  const name = String(path).split("/").at(-1)!;
  const text = PLUMB_SPEC_TEXTS[name];
  if (text === undefined) throw new Error(`${name} is not in the bundle`);
  return text;
}
