/**
 * A patch of one file: a text that stands in it exactly once, and what takes its place.
 * Knows texts; refuses to know files.
 * @module
 */

/** Says why a patch cannot be applied. */
export class PatchError extends Error {
  override readonly name = "PatchError";
}

/**
 * The text with the patch applied.
 * @throws {PatchError} unless `find` stands in it exactly once, or if the patch changes nothing.
 */
export function patched(text: string, find: string, replace: string): string {
  if (find === "") throw new PatchError("there is nothing to be found");
  const at = text.indexOf(find);
  if (at < 0) throw new PatchError(`not there: ${shown(find)}`);
  if (text.indexOf(find, at + 1) >= 0) throw new PatchError(`there more than once: ${shown(find)}`);
  if (find === replace) throw new PatchError(`it changes nothing: ${shown(find)}`);
  return text.slice(0, at) + replace + text.slice(at + find.length);
}

function shown(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text);
}
