/** The documents about figures say what the broker says. @module */
import { assert, assertEquals } from "@std/assert";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { SYSTEM_TOPICS } from "../../src/broker/system_topics.ts";
import { METRICS, sampleName } from "../../src/server/open_metrics.ts";
import { patient } from "../../src/testing/patience.ts";
import { pathOf } from "../lib/tree.ts";
import { dashboardText, QUERIES } from "./dashboard.ts";
import { pageWithTable } from "./page.ts";

const page = readFileSync(pathOf("docs/figures.md"), "utf8");
const hasPromtool = spawnSync("promtool", ["--version"]).status === 0;

/** The names that a scrape has. */
const NAMES: ReadonlySet<string> = new Set(
  METRICS.flatMap((family) => {
    const name = sampleName(family);
    return family.kind === "histogram" ? [`${name}_bucket`, `${name}_count`, `${name}_sum`] : [name];
  }),
);

describe("docs/figures.md", () => {
  test("has the present table of metrics: deno task figures", patient, () => {
    assertEquals(pageWithTable(page), page);
  });

  test("names each topic below $SYS/broker, and no others", () => {
    const rows = page.slice(page.indexOf("| below `$SYS/broker/`")).split("\n\n")[0]!.split("\n").slice(2);
    const written = rows.flatMap((row) =>
      [...row.split("|")[1]!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!)
    );
    const loads = (name: string) =>
      name.replace(/^(load\/.*)\/(1min|5min|15min|…)$/, "$1").replace(/^load\/…$/, "");
    const names = new Set(written.filter((name) => !name.startsWith("…")).map(loads));
    assertEquals([...names].sort(), [...new Set(SYSTEM_TOPICS.map(loads))].sort());
  });
});

describe("docs/grafana.json", () => {
  test("is the present dashboard: deno task figures", () => {
    assertEquals(readFileSync(pathOf("docs/grafana.json"), "utf8"), dashboardText());
  });

  test("asks for metrics that there are, and for each kind of them", () => {
    const asked = QUERIES.map((expr) => [...expr.matchAll(/\b(?:plumb|process)_\w+/g)].map(([name]) => name));
    for (const [i, names] of asked.entries()) {
      assert(names.length > 0, QUERIES[i]);
      for (const name of names) assert(NAMES.has(name), name);
    }
    const all = new Set(asked.flat());
    const unasked = [...NAMES].filter((name) => !all.has(name) && !/_(bucket|count|sum)$/.test(name));
    // What others have in another form, and what says little over time.
    assertEquals(unasked, [
      "plumb_info",
      "plumb_connections",
      "plumb_listener_accepted_connections_total",
      "plumb_retained_bytes",
      "plumb_received_packets_total",
      "plumb_sent_packets_total",
      "plumb_recorded_facts_total",
      "process_start_time_seconds",
    ]);
  });

  test("has queries that Prometheus can read", {
    ...patient,
    skip: !hasPromtool && "no promtool (Debian's prometheus)",
  }, () => {
    const folder = mkdtempSync(join(tmpdir(), "plumb-queries-"));
    try {
      const rules = QUERIES.map((expr, i) => ({
        record: `query:${i}`,
        expr: expr.replaceAll("$__rate_interval", "1m").replaceAll("$instance", ".*"),
      }));
      const file = join(folder, "rules.yml");
      writeFileSync(file, JSON.stringify({ groups: [{ name: "queries", rules }] })); // JSON is YAML
      const { status, stdout, stderr } = spawnSync("promtool", ["check", "rules", file], {
        encoding: "utf8",
      });
      assertEquals(status, 0, stdout + stderr);
      assert(stdout.includes(`${QUERIES.length} rules found`), stdout);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
