/**
 * What one executable file is made of: the program, and the files that it shows by HTTP.
 * Knows which; refuses to know how they are compiled.
 * @module
 */
import { VERSION } from "../../src/cli/version.ts";
import { buildPage, PAGE_FILE } from "../browser_tests/bundle.ts";
import { BROKER_PAGE_FILE, buildBrokerPage, tellSizes } from "../page/bundle.ts";
import { buildSite, SITE_FILE } from "../site/build.ts";

/** Makes those that are made, and gives the paths of all. */
export async function builtEntries(): Promise<readonly string[]> {
  await buildPage(VERSION);
  buildSite();
  console.log(tellSizes((await buildBrokerPage()).sizes).text);
  return ["src/cli/main.ts", PAGE_FILE, SITE_FILE, BROKER_PAGE_FILE];
}
