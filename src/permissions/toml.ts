/**
 * A file of permissions in TOML.
 * Knows the text and its lines; refuses to know where it is kept, and what the keys mean.
 * @module
 */
import { type Path, type PermissionsData, PermissionsError, type Rules, rulesOf } from "./rules.ts";
import { type KeyPositions, keyPositions } from "../toml/key_positions.ts";

/**
 * The permissions in the text of a file; the parser is loaded only now.
 * @throws {PermissionsError} with the name of the file, the line, what is wrong and what would be right.
 */
export async function readPermissions(text: string, file: string): Promise<Rules> {
  const { parse } = await import("smol-toml");
  let data: unknown;
  try {
    data = parse(text);
  } catch (error) {
    const { line, message } = error as { readonly line?: number; readonly message: string };
    const what = message.split("\n")[0]!.replace(/^Invalid TOML document: /, "");
    throw new PermissionsError(`${file}:${line ?? 1}: not TOML: ${what}`);
  }
  let places: KeyPositions | undefined;
  const placeOf = (path: Path): string => `${file}:${(places ??= keyPositions(text)).line(path)}`;
  return rulesOf(data as PermissionsData, placeOf);
}
