/**
 * The files of the working copy, for scripts that read the project itself.
 * Knows where the root is and what is no source; refuses to know what the files say.
 * @module
 */
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The project's root, with a slash at the end. */
export const ROOT: string = fileURLToPath(new URL("../../", import.meta.url));

const SKIPPED = new Set(["node_modules", "dist", "plumb-data"]);

/** The absolute path of a file given relative to the root. */
export function pathOf(relative: string): string {
  return ROOT + relative;
}

/** The files under a folder whose names end so, relative to the root, sorted; none if there is no such folder. */
export function filesUnder(folder: string, suffix: string): string[] {
  if (!existsSync(pathOf(folder))) return [];
  const found: string[] = [];
  const visit = (at: string): void => {
    for (const entry of readdirSync(pathOf(at), { withFileTypes: true })) {
      if (entry.name.startsWith(".") || SKIPPED.has(entry.name)) continue;
      const path = at === "." ? entry.name : `${at}/${entry.name}`;
      if (entry.isDirectory()) visit(path);
      else if (path.endsWith(suffix)) found.push(path);
    }
  };
  visit(folder);
  return found.sort();
}
