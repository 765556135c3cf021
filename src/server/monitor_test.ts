/** Figures by HTTP, as monitors read them. @module */
import { assert, assertEquals } from "@std/assert";
import { spawnSync } from "node:child_process";
import http from "node:http";
import process from "node:process";
import { describe, test } from "node:test";
import { Broker } from "../broker/mod.ts";
import { patient } from "../testing/patience.ts";
import { BUCKET_BOUNDS, Histogram } from "./histogram.ts";
import { monitor, type MonitoredOthers } from "./monitor.ts";
import { type Figures, METRICS, type MetricsFormat, metricsText, sampleName } from "./open_metrics.ts";

/** The reference implementation of the format, from Debian's `python3-prometheus-client`. */
const PARSER = `
import sys, json
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
print(json.dumps([[f.name, f.type, f.unit, [[s.name, s.labels, s.value] for s in f.samples]]
  for f in parse(sys.stdin.read())]))`;
const PYTHON = "/usr/bin/python3";
const hasParser = spawnSync(PYTHON, ["-c", "import prometheus_client.openmetrics.parser"]).status === 0;
/** Of Debian's `prometheus`. */
const PROMTOOL = "promtool";
const hasPromtool = spawnSync(PROMTOOL, ["--version"]).status === 0;

const histogram = new Histogram();
histogram.add(0.015, 3);
histogram.add(20_000);
const times = histogram.stats;
/** A rule that an owner has made up, and the Client Identifier of someone who knows the format. */
const ODD = 'a "rule" of\nan owner \\ {le="1"} 5 # \u2028\r\t🙂';

function figures(more: Partial<Figures> = {}): Figures {
  const { stats } = new Broker();
  return {
    stats: { ...stats, received: 7, limits: { connectionsMax: 3 } },
    process: {
      version: "1.2.3",
      since: 1_700_000_000_000,
      residentBytes: 2 ** 27,
      heapBytes: 2 ** 25,
      cpuSeconds: 0.25,
    },
    listeners: [{ url: "mqtt://[::1]:1883", connections: 2, accepted: 5 }],
    latencies: {
      publishToWrite: times,
      commit: times,
      authenticate: times,
      authorize: times,
      pageIn: times,
      loopLag: times,
    },
    store: { batches: 4, bytes: 512, fileBytes: 4_096 },
    busiest: {
      clients: [{ name: ODD, messages: 12, perSecond: 3 }],
      prefixes: [{ name: "a/b", messages: 11, perSecond: 2.5 }],
    },
    ...more,
  };
}

/** What a monitor is asked for. */
interface Asked {
  readonly path: string;
  readonly method?: string;
  readonly accept?: string;
  readonly names?: boolean;
  readonly others?: MonitoredOthers;
}

/** Answers one request on a port of its own. */
async function asked(
  shown: Figures | undefined,
  { path, method = "GET", accept = "*/*", names = false, others }: Asked,
): Promise<{ status: number; type: string | null; text: string }> {
  const monitored = {
    stats: () => shown?.stats,
    figures: (isNamed: boolean) => shown && (isNamed ? shown : { ...shown, busiest: undefined }),
    others: () => others,
  };
  const answer = monitor(monitored, names);
  const server = http.createServer((request, response) => {
    if (!answer(request, response)) response.writeHead(404).end("none of its paths");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = server.address() as { port: number };
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers: { accept } });
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
  test("is told that the process lives, whatever the broker does", patient, async () => {
    assertEquals((await asked(undefined, { path: "/livez" })).text, "alive\n");
  });

  test("is told whether the broker takes Clients, and why not", patient, async () => {
    const path = "/readyz?verbose";
    const ready = await asked(figures(), { path });
    const failing = await asked(figures({ stats: { ...figures().stats, isFailing: true } }), { path });
    const stopping = await asked(undefined, { path });
    assertEquals([ready.status, ready.text], [200, "ready\n"]);
    assertEquals([failing.status, failing.text], [503, "not ready: the store fails\n"]);
    assertEquals(stopping.status, 503);
  });

  test(
    "gets figures as OpenMetrics if it takes that, else in the older format, and nothing for HEAD",
    patient,
    async () => {
      const accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
      const open = await asked(figures(), { path: "/metrics", accept });
      assertEquals([open.status, open.type], [
        200,
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
      ]);
      assert(open.text.endsWith("\n# EOF\n"));
      const plain = await asked(figures(), { path: "/metrics" });
      assertEquals([plain.status, plain.type], [200, "text/plain; version=0.0.4; charset=utf-8"]);
      assert(!plain.text.includes("# EOF"));
      assertEquals((await asked(figures(), { path: "/metrics", method: "HEAD" })).text, "");
      assertEquals((await asked(undefined, { path: "/metrics" })).status, 503);
    },
  );

  test("sees all processes that are the broker, if there are several", patient, async () => {
    const all = figures({ stats: { ...figures().stats, received: 99 } });
    const others = (why?: string) => ({
      unready: () => Promise.resolve(why),
      figures: () => Promise.resolve(all),
    });
    const ask = (path: string, why?: string) => asked(figures(), { path, others: others(why) });
    assertEquals((await ask("/readyz")).text, "ready\n");
    const unready = await ask("/readyz", "worker 2 does not take Clients");
    assertEquals([unready.status, unready.text], [503, "not ready: worker 2 does not take Clients\n"]);
    const { text } = await ask("/metrics");
    assert(text.includes("plumb_received_messages_total 99\n") && !text.includes('prefix="a/b"'));
    const broken = { unready: () => Promise.reject(new Error("a fault")), figures: () => Promise.reject() };
    assertEquals((await asked(figures(), { path: "/readyz", others: broken })).status, 500);
  });

  test("sees names of Clients and topics only where they are shown", patient, async () => {
    const [without, named] = [
      await asked(figures(), { path: "/metrics" }),
      await asked(figures(), { path: "/metrics", names: true }),
    ];
    assert(!without.text.includes('prefix="a/b"') && named.text.includes('prefix="a/b"'));
  });

  test("may not post, and other paths are for others", patient, async () => {
    assertEquals((await asked(figures(), { path: "/metrics", method: "POST" })).status, 405);
    assertEquals((await asked(figures(), { path: "/metrics/" })).text, "none of its paths");
  });
});

describe("metrics", () => {
  const shown = figures();
  const odd = { [ODD]: 2, "limit/memory": 1 } as Figures["stats"]["refusals"];
  const all = figures({ stats: { ...shown.stats, refusals: odd } });
  const text = (format: MetricsFormat) => metricsText(all, format);

  test("have each family once, a unit at the end of its name, and a line of help", () => {
    const names = [...text("openMetrics").matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name);
    assertEquals(names, METRICS.map(({ name }) => name));
    assertEquals(new Set(names).size, names.length);
    assertEquals([...text("openMetrics").matchAll(/^# HELP (\S+) \S.*\.$/gm)].map(([, name]) => name), names);
    for (const { name, kind, unit } of METRICS) {
      assert(/^(plumb|process)(_[a-z]+)*$/.test(name), name);
      assertEquals(/_(bytes|seconds)$/.exec(name)?.[1], unit, name);
      assert(kind !== "histogram" || unit === "seconds", name);
    }
  });

  test("have of several processes the lag and the state of each", () => {
    const worker = {
      number: 2,
      isUp: true,
      since: 1,
      connected: 3,
      sessions: 4,
      residentBytes: 5,
      cpuSeconds: 6,
    };
    const none = { since: null, connected: null, sessions: null, residentBytes: null, cpuSeconds: null };
    const workers = [{ ...none, number: 1, isUp: false, loopLag: null }, { ...worker, loopLag: times }];
    const lines = metricsText(figures({ workers }), "openMetrics").split("\n");
    const labelled = lines.filter((line) => line.includes("worker=") && !line.includes("_bucket"));
    assertEquals(labelled.map((line) => line.split(" ")[0]), [
      'plumb_loop_lag_seconds_count{worker="2"}',
      'plumb_loop_lag_seconds_sum{worker="2"}',
      'plumb_worker_up{worker="1"}',
      'plumb_worker_up{worker="2"}',
      'plumb_worker_connected_clients{worker="2"}',
      'plumb_worker_cpu_seconds_total{worker="2"}',
    ]);
    assert(!metricsText(figures(), "openMetrics").includes("worker="));
  });

  test("leave out what there is none of", () => {
    const none = metricsText(figures({ store: undefined, listeners: [], busiest: undefined }), "openMetrics");
    for (
      const name of [
        "plumb_store_file_bytes",
        "plumb_listener_connections",
        "plumb_busiest_client_messages_total",
      ]
    ) {
      assert(text("openMetrics").includes(`\n${name}`) && !none.includes(`\n${name}`), name);
    }
  });

  test("are what the reference parser reads, odd labels and histograms too", {
    skip: !hasParser && "no python3-prometheus-client",
  }, () => {
    const { stdout, stderr } = spawnSync(PYTHON, ["-c", PARSER], {
      input: text("openMetrics"),
      encoding: "utf8",
      env: { ...process.env, PYTHONIOENCODING: "utf-8" },
    });
    assertEquals(stderr, "");
    type Samples = readonly (readonly [name: string, labels: Record<string, string>, value: number])[];
    type Read = readonly [name: string, kind: string, unit: string, samples: Samples];
    const families = new Map((JSON.parse(stdout) as Read[]).map(([name, ...rest]) => [name, rest]));
    assertEquals([...families.keys()], METRICS.map(({ name }) => name));
    assertEquals(families.get("plumb"), ["info", "", [["plumb_info", { version: "1.2.3" }, 1]]]);
    assertEquals(families.get("plumb_received_messages"), [
      "counter",
      "",
      [["plumb_received_messages_total", {}, 7]],
    ]);
    assertEquals(families.get("plumb_refusals"), ["counter", "", [
      ["plumb_refusals_total", { rule: ODD }, 2],
      ["plumb_refusals_total", { rule: "limit/memory" }, 1],
    ]]);
    assertEquals(families.get("plumb_busiest_client_messages")![2], [
      ["plumb_busiest_client_messages_total", { client: ODD }, 12],
    ]);
    assertEquals(families.get("plumb_held_bytes")![1], "bytes");
    const [kind, unit, samples] = families.get("plumb_commit_seconds")!;
    assertEquals([kind, unit, samples.length], ["histogram", "seconds", BUCKET_BOUNDS.length + 3]);
    assertEquals(samples[0], ["plumb_commit_seconds_bucket", { le: "0.00001" }, 0]);
    assertEquals(samples.slice(-3), [
      ["plumb_commit_seconds_bucket", { le: "+Inf" }, 4],
      ["plumb_commit_seconds_count", {}, 4],
      ["plumb_commit_seconds_sum", {}, times.sum],
    ]);
  });

  test("in the older format are what promtool reads, without a remark", {
    skip: !hasPromtool && "no promtool (Debian's prometheus)",
  }, () => {
    const { status, stdout, stderr } = spawnSync(PROMTOOL, ["check", "metrics"], {
      input: text("prometheus"),
      encoding: "utf8",
    });
    assertEquals([status, stdout, stderr], [0, "", ""]);
    assert(text("prometheus").includes(`\n# TYPE ${sampleName(METRICS.at(-1)!)} counter\n`));
  });
});
