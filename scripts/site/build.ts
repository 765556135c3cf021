/**
 * Builds the documentation site: `dist/site/` and `dist/site.bin`.
 * Knows its parts; refuses to know Markdown.
 * @module
 */
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { writePage } from "../lib/page_file.ts";
import { ALL_IDS, placeOf } from "../lib/statement_places.ts";
import { pathOf } from "../lib/tree.ts";
import { MAIN_PAGES, sitePages } from "./pages.ts";
import { renderSite, type Site, WORKING_COPY } from "./render.ts";

/** The same in one file, for the broker. */
export const SITE_FILE = "dist/site.bin";

/** The site of the working copy, with what src/cli/docs_part.ts reads of it. */
export function siteOfWorkingCopy(): Site {
  const { files, faults } = renderSite({ pages: sitePages(), main: MAIN_PAGES, ...WORKING_COPY });
  const all = new Map(files);
  all.set("style.css", readFileSync(pathOf("scripts/site/style.css"), "utf8"));
  all.set("redirects.json", JSON.stringify(redirects(files)));
  return { files: all, faults };
}

/** Where the addresses lead that are no files: ids of statements in small letters, and folders. */
function redirects(files: ReadonlyMap<string, string>): Readonly<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const path of files.keys()) {
    if (!path.endsWith("/index.html")) continue;
    all[dirname(path)] = path;
    all[`${dirname(path)}/`] = path;
  }
  for (const id of ALL_IDS) {
    all[`statements/${id.toLowerCase()}`] = `statements/${placeOf(id).replace(".md", ".html")}`;
  }
  return all;
}

/** Writes the site; says what is wrong with it. */
export function buildSite(): readonly string[] {
  const { files, faults } = siteOfWorkingCopy();
  rmSync(pathOf("dist/site"), { recursive: true, force: true });
  for (const file of files.keys()) mkdirSync(dirname(pathOf(`dist/site/${file}`)), { recursive: true });
  writePage("site", files);
  return faults;
}
