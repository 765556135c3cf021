/**
 * Which files of the project are pages of the documentation site, and where.
 * Knows paths; refuses to know Markdown.
 * @module
 */
import { posix } from "node:path";
import { filesUnder } from "../lib/tree.ts";

/** Files outside of `docs` that are pages too, by where they are. */
const BESIDES: Readonly<Record<string, string>> = {
  "ARCHITECTURE.md": "architecture.html",
  "CHANGELOG.md": "changelog.html",
  "CONTRIBUTING.md": "contributing.html",
  "SECURITY.md": "security.html",
  "conformance/README.md": "auditor.html",
  "conformance/engines.md": "engines.html",
  "scripts/bench/README.md": "benchmarks.html",
  "spec/refusals.md": "refusals.html",
};

/** The main pages, in their order: what leads through the site. */
export const MAIN_PAGES: readonly (readonly [file: string, name: string])[] = [
  ["docs/start.md", "Start"],
  ["docs/run.md", "Run"],
  ["docs/cluster.md", "Many machines"],
  ["docs/secure.md", "Secure"],
  ["docs/embed.md", "Embed"],
  ["docs/client.md", "Client"],
  ["docs/audit.md", "Audit"],
  ["docs/operate.md", "Operate"],
  ["docs/reference.md", "Reference"],
  ["docs/statements/README.md", "Statements"],
  ["docs/peers.md", "What brokers do"],
];

/** Pages of the site by the files that they are made from. */
export function sitePages(): ReadonlyMap<string, string> {
  const pages = new Map<string, string>();
  for (const file of filesUnder("docs", ".md")) pages.set(file, page(file.slice("docs/".length)));
  for (const file of filesUnder("spec/decisions", ".md")) {
    pages.set(file, `decisions/${page(posix.basename(file))}`);
  }
  for (const [file, path] of Object.entries(BESIDES)) pages.set(file, path);
  return pages;
}

function page(path: string): string {
  return path.replace(/(^|\/)README\.md$/, "$1index.md").replace(/\.md$/, ".html");
}
