/** Figures by HTTP, as monitors read them. @module */
import { assert, assertEquals } from "@std/assert";
import { spawnSync } from "node:child_process";
import http from "node:http";
import { describe, test } from "node:test";
import { Broker, type BrokerStats } from "../broker/mod.ts";
import { patient } from "../testing/patience.ts";
import { monitor } from "./monitor.ts";
import { openMetrics } from "./open_metrics.ts";

const PROCESS = { version: "1.2.3", since: 1_700_000_000_000, residentBytes: 2 ** 27, cpuSeconds: 0.25 };
/** The reference implementation of the format, from Debian's `python3-prometheus-client`. */
const PARSER = `
import sys, json
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
print(json.dumps([[f.name, f.type, f.unit, [[s.name, s.labels, s.value] for s in f.samples]]
  for f in parse(sys.stdin.read())]))`;
const PYTHON = "/usr/bin/python3";
const hasParser = spawnSync(PYTHON, ["-c", "import prometheus_client.openmetrics.parser"]).status === 0;

/** Answers one request on a port of its own. */
async function asked(
  stats: () => BrokerStats | undefined,
  path: string,
  method = "GET",
): Promise<{ status: number; type: string | null; text: string }> {
  const answer = monitor({ stats, process: () => PROCESS });
  const server = http.createServer((request, response) => {
    if (!answer(request, response)) response.writeHead(404).end("none of its paths");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = server.address() as { port: number };
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method });
    return {
      status: response.status,
      type: response.headers.get("content-type"),
      text: await response.text(),
    };
  } finally {
    server.close();
  }
}

describe("a monitor", () => {
  const { stats } = new Broker();

  test("is told that the process lives, whatever the broker does", patient, async () => {
    assertEquals((await asked(() => undefined, "/livez")).text, "alive\n");
  });

  test("is told whether the broker takes Clients, and why not", patient, async () => {
    const [ready, failing, stopping] = [
      await asked(() => stats, "/readyz?verbose"),
      await asked(() => ({ ...stats, isFailing: true }), "/readyz"),
      await asked(() => undefined, "/readyz"),
    ];
    assertEquals([ready.status, ready.text], [200, "ready\n"]);
    assertEquals([failing.status, failing.text], [503, "not ready: the store fails\n"]);
    assertEquals(stopping.status, 503);
  });

  test("gets figures as OpenMetrics, and nothing for HEAD", patient, async () => {
    const { status, type, text } = await asked(() => stats, "/metrics");
    assertEquals([status, type], [200, "application/openmetrics-text; version=1.0.0; charset=utf-8"]);
    assert(text.endsWith("\n# EOF\n"));
    assertEquals((await asked(() => stats, "/metrics", "HEAD")).text, "");
    assertEquals((await asked(() => undefined, "/metrics")).status, 503);
  });

  test("may not post, and other paths are for others", patient, async () => {
    assertEquals((await asked(() => stats, "/metrics", "POST")).status, 405);
    assertEquals((await asked(() => stats, "/metrics/")).text, "none of its paths");
  });
});

describe("OpenMetrics", () => {
  const odd = 'a "rule" of\nan owner \\';
  const { stats } = new Broker();
  const text = openMetrics({
    ...stats,
    received: 7,
    limits: { connectionsMax: 3 },
    refusals: { [odd]: 2, "limit/memory": 1 } as BrokerStats["refusals"],
  }, PROCESS);

  test("has each family once, and a line of help for each", () => {
    const names = [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name);
    assertEquals(new Set(names).size, names.length);
    assertEquals([...text.matchAll(/^# HELP (\S+) \S.*\.$/gm)].map(([, name]) => name), names);
  });

  test("is what the reference parser reads, odd labels too", {
    skip: !hasParser && "no python3-prometheus-client",
  }, () => {
    const { stdout, stderr } = spawnSync(PYTHON, ["-c", PARSER], { input: text, encoding: "utf8" });
    assertEquals(stderr, "");
    const families = new Map<string, unknown[]>(
      (JSON.parse(stdout) as [string, ...unknown[]][]).map(([name, ...rest]) => [name, rest]),
    );
    assertEquals(families.get("plumb"), ["info", "", [["plumb_info", { version: "1.2.3" }, 1]]]);
    assertEquals(families.get("plumb_received_messages"), [
      "counter",
      "",
      [["plumb_received_messages_total", {}, 7]],
    ]);
    assertEquals(families.get("plumb_refusals"), ["counter", "", [
      ["plumb_refusals_total", { rule: odd }, 2],
      ["plumb_refusals_total", { rule: "limit/memory" }, 1],
    ]]);
    assertEquals((families.get("plumb_held_bytes") as [string, string])[1], "bytes");
  });
});
