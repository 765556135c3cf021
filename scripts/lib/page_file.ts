/**
 * Files of a page in one compressed file, as src/cli/built_page.ts reads them, and beside it in a folder for any web server.
 * Knows the form; refuses to know the pages.
 * @module
 */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import process from "node:process";
import { gzipSync } from "node:zlib";
import { pathOf } from "./tree.ts";

/** Writes `dist/NAME/` and `dist/NAME.bin`. */
export function writePage(name: string, files: ReadonlyMap<string, string>): void {
  const folder = pathOf(`dist/${name}`);
  mkdirSync(folder, { recursive: true });
  for (const [file, text] of files) writeFileSync(`${folder}/${file}`, text);
  const packed = gzipSync(JSON.stringify(Object.fromEntries(files)), { level: 9 });
  const path = pathOf(`dist/${name}.bin`);
  writeFileSync(`${path}.${process.pid}`, packed);
  renameSync(`${path}.${process.pid}`, path); // a broker that reads it meanwhile gets one or the other
}
