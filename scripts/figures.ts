/**
 * `deno task figures`: writes the table of metrics in `docs/figures.md`, and the Grafana dashboard `docs/grafana.json`.
 * Knows the files; refuses to know what stands in them.
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import { dashboardText } from "./figures/dashboard.ts";
import { pageWithTable } from "./figures/page.ts";
import { pathOf } from "./lib/tree.ts";

if (import.meta.main) {
  const page = pathOf("docs/figures.md");
  writeFileSync(page, pageWithTable(readFileSync(page, "utf8")));
  writeFileSync(pathOf("docs/grafana.json"), dashboardText());
}
