/**
 * Makes the documentation site, `dist/site/` and `dist/site.bin`, from the Markdown files of the project; fails on a link that leads
 * nowhere. With `--check` it writes nothing.
 * Knows what is asked for; refuses to know the pages.
 * @module
 */
import { statSync } from "node:fs";
import process from "node:process";
import { pathOf } from "./lib/tree.ts";
import { buildSite, SITE_FILE, siteOfWorkingCopy } from "./site/build.ts";

const check = process.argv.includes("--check");
const faults = check ? siteOfWorkingCopy().faults : buildSite();
for (const fault of faults) console.log(fault);
if (!check) console.log(`${SITE_FILE}: ${Math.round(statSync(pathOf(SITE_FILE)).size / 1000)} KB`);
console.log(`Site: ${faults.length} faults`);
process.exit(faults.length === 0 ? 0 : 1);
