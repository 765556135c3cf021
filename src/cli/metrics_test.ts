/** The figures of a running broker, as programs of others read them: Prometheus, and mosquitto's own names. @module */
import { assert, assertEquals } from "@std/assert";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { connect } from "../client_api/mod.ts";
import { METRICS, sampleName } from "../server/open_metrics.ts";
import { startPlumb } from "../testing/plumb_process.ts";
import { patient, until } from "../testing/patience.ts";
import { freePort } from "../testing/free_port.ts";

const folder = mkdtempSync(join(tmpdir(), "plumb-metrics-"));
after(() => rmSync(folder, { recursive: true }));

const hasPrometheus = spawnSync("prometheus", ["--version"]).status === 0;

async function ended(child: ChildProcess, signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
  if (child.exitCode !== null) return;
  const over = new Promise((resolve) => child.on("close", resolve));
  child.kill(signal);
  await over;
}

/** Starts a broker with TCP and WebSocket, and waits for both. */
async function broker(
  ...args: readonly string[]
): Promise<{ child: ChildProcess; mqtt: string; http: string }> {
  const child = startPlumb([...args, "--listen", "mqtt://127.0.0.1:0", "--listen", "ws://127.0.0.1:0/mqtt"]);
  let said = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => said += text);
  const isDone = () => said.split("msg=listening").length > 2 || child.exitCode !== null;
  await until(isDone, () => `it listens; ${said}`);
  const port = (scheme: string) => new RegExp(`url="?${scheme}://127.0.0.1:(\\d+)`).exec(said)![1];
  return { child, mqtt: `mqtt://127.0.0.1:${port("mqtt")}`, http: `http://127.0.0.1:${port("ws")}` };
}

/** Lines without those of help, by what stands before the value. */
async function figures(http: string): Promise<Map<string, number>> {
  const text = await (await fetch(`${http}/metrics`)).text();
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.split(" ").at(-1))]));
}

describe("the figures of a running broker", () => {
  test(
    "grow with what is done, on disk too; names are shown only if that is asked for",
    patient,
    async () => {
      const data = join(folder, "data");
      const { child, mqtt, http } = await broker("--data", data, "--websocket-metrics-names");
      try {
        const before = await figures(http);
        assertEquals(before.get('plumb_listener_connections{listener="mqtt://127.0.0.1:0"}'), 0);
        await using client = await connect(mqtt, { clientId: "busy" });
        const subscription = await client.subscribe("a/b/#", { qos: 0 });
        for (let i = 0; i < 5; i++) await client.publish("a/b/c", "x", { qos: 1, retain: i === 0 });
        const got = await figures(http);
        const grown = (name: string) => (got.get(name) ?? 0) - (before.get(name) ?? 0);
        assertEquals(got.get('plumb_listener_connections{listener="mqtt://127.0.0.1:0"}'), 1);
        assertEquals(grown("plumb_received_messages_total"), 5);
        assertEquals(grown("plumb_sent_messages_total"), 5);
        assertEquals(got.get("plumb_retained_messages"), 1);
        assertEquals(grown("plumb_publish_to_write_seconds_count"), 5);
        assert(grown("plumb_publish_to_write_seconds_sum") > 0);
        assert(grown("plumb_commit_seconds_count") > 0 && grown("plumb_commits_total") > 0);
        assert(grown("plumb_store_written_bytes_total") > 0 && got.get("plumb_store_file_bytes")! > 0);
        assertEquals(got.get('plumb_busiest_client_messages_total{client="busy"}'), 5);
        assertEquals(got.get('plumb_busiest_prefix_messages_total{prefix="a/b"}'), 5);
        for (
          const name of ["process_resident_memory_bytes", "process_heap_bytes", "process_cpu_seconds_total"]
        ) {
          assert(got.get(name)! > 0, name);
        }
        await subscription.unsubscribe();
      } finally {
        await ended(child);
      }
    },
  );

  test("are shown to nobody who was not to see them", patient, async () => {
    const { child, http } = await broker("--memory");
    try {
      for (const path of ["/metrics", "/livez", "/readyz"]) {
        const { status, body } = await fetch(http + path);
        await body?.cancel();
        assert(status >= 400, `${path}: ${status}`);
      }
    } finally {
      await ended(child);
    }
  });

  test("are scraped by a Prometheus, each family of them", {
    ...patient,
    skip: !hasPrometheus && "no prometheus (Debian's prometheus)",
  }, async () => {
    const { child, mqtt, http } = await broker("--memory", "--websocket-metrics");
    const port = await freePort();
    const config = join(folder, "prometheus.yml");
    const target = new URL(http).host;
    writeFileSync(
      config,
      `scrape_configs:\n  - job_name: plumb\n    scrape_interval: 1s\n    static_configs: [{ targets: ["${target}"] }]\n`,
    );
    const prometheus = spawn("prometheus", [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder, "tsdb")}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ], { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    prometheus.stderr.setEncoding("utf8").on("data", (text: string) => said += text);
    type Vector = readonly {
      readonly metric: Record<string, string>;
      readonly value: readonly [number, string];
    }[];
    /** Undefined while Prometheus does not answer. */
    const query = async (text: string): Promise<Vector | undefined> => {
      const url = `http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(text)}`;
      const answer = await fetch(url).catch(() => undefined);
      if (answer?.status !== 200) return void await answer?.body?.cancel();
      return (await answer.json()).data.result;
    };
    /** Asks again and again until it is so. */
    const asked = async (text: string, isThere: (found: Vector) => boolean): Promise<void> => {
      let found: Vector | undefined;
      let isAsking = false;
      await until(() => {
        if (found !== undefined && isThere(found)) return true;
        if (!isAsking) {
          isAsking = true;
          query(text).then((now) => {
            found = now;
            isAsking = false;
          });
        }
        return false;
      }, () => `${text} in Prometheus, which has ${JSON.stringify(found)}; ${said}`);
    };
    try {
      await using client = await connect(mqtt, { clientId: "one" });
      await client.subscribe("t", { qos: 0 });
      await client.publish("t", "x", { qos: 1 });
      await asked("up", ([one]) => one?.value[1] === "1");
      await asked("plumb_received_messages_total", ([one]) => one?.value[1] === "1");
      await asked(
        "histogram_quantile(0.99, plumb_loop_lag_seconds_bucket)",
        ([one]) => Number(one?.value[1]) >= 0,
      );
      const names = await query('group by (__name__) ({job="plumb"})');
      const known = new Set(names!.map(({ metric }) => metric["__name__"]!));
      // There is nothing yet that these could be about.
      const empty =
        /^plumb_(refusals|limits_reached|busiest|bridge|hook|webhook|worker|store_(batches|written|file))/;
      for (const family of METRICS) {
        if (empty.test(family.name)) continue;
        const name = sampleName(family) + (family.kind === "histogram" ? "_bucket" : "");
        assert(known.has(name), name);
      }
    } finally {
      await ended(prometheus);
      await ended(child);
    }
  });
});
