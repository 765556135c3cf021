/**
 * `plumb bench` as it is called: output, reports, exit status.
 * @module
 */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { SCENARIOS } from "../bench/scenario.ts";
import { serve } from "../server/serve.ts";
import { plumb } from "../testing/plumb_process.ts";
import { BENCH_OPTIONS, benchHelp, benchMain } from "./bench.ts";
import { CallError } from "./error.ts";
import { patient } from "../testing/patience.ts";

const nothing = () => undefined;

const bench = (...args: string[]) => plumb(["bench", ...args]);

/** A broker of ours and a folder, for one test. */
async function onStage(body: (url: string, folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "plumb-bench-"));
  const server = await serve({
    listen: ["mqtt://127.0.0.1:0"],
    authorize: ({ action, topic }) => action === "subscribe" && topic.startsWith("$share") ? 0x87 : 0,
  });
  try {
    await body(server.addresses[0]!, folder);
  } finally {
    await server.close();
    rmSync(folder, { recursive: true });
  }
}

const TINY = ["--publishers", "2", "--messages", "50"];

describe("plumb bench", () => {
  test("prints a table and ends with 0 when all is well", patient, () =>
    onStage(async (url) => {
      const { status, out, err } = await bench(url, "--scenario", "pairs", "--scenario", "fanin", ...TINY);
      assertEquals([status, err], [0, ""]);
      assertMatch(out, /^pairs +0 +2 > 2 +[\d,]+ .*\nfanin +0 +2 > 1 /m);
      assertMatch(out, /Nothing lost, nothing out of order\.\n$/);
      assert(!out.includes("\x1b"));
    }));

  test("compares two brokers, and writes reports", patient, () =>
    onStage(async (url, folder) => {
      const files = ["a.json", "a.svg"].map((name) => join(folder, name));
      const reports = files.flatMap((file) => ["--report", file]);
      const against = ["--vs", url, "--rounds", "2", "--threads", "2", "--plot"];
      const { status, out } = await bench(url, "--scenario", "pairs", ...TINY, ...against, ...reports);
      assertEquals(status, 0);
      assertMatch(out, /^ +A\/B +\d/m);
      assertMatch(out, /^latency of pairs QoS 0$/m);
      assert(out.indexOf("latency of pairs") < out.indexOf("scenario"), "the table comes last");
      const report = JSON.parse(readFileSync(files[0]!, "utf8"));
      assertEquals([report.format, report.rounds, report.targets], ["plumb-bench", 2, [url, url]]);
      assertMatch(report.generator.runtime, /^(Deno|Bun|Node) \d/);
      assertMatch(readFileSync(files[1]!, "utf8"), /^<svg/);
    }));

  test("prints JSON, and ends with 1 when a run failed", patient, () =>
    onStage(async (url) => {
      const { status, out } = await bench(
        url,
        "--scenario",
        "suite-shared",
        ...TINY,
        "--rate",
        "0",
        "--json",
      );
      assertEquals(status, 1);
      const [side] = JSON.parse(out).scenarios[0].sides;
      assertMatch(side.failures[0], /^subscriber \d may not subscribe: SUBACK 0x87/);
    }));

  test("says in one line that nobody is there, before anything is measured", async () => {
    const call = benchMain(["mqtt://127.0.0.1:1"], nothing);
    const { message } = await assertRejects(() => call, CallError);
    assertMatch(message, /^mqtt:\/\/127\.0\.0\.1:1 cannot be reached: .+$/);
  });

  test("takes a host, or a host and a port, for a URL", async () => {
    for (const short of ["127.0.0.1:1", "localhost:1"]) {
      const { message } = await assertRejects(() => benchMain([short], nothing), CallError);
      assertEquals(message, `mqtt://${short} cannot be reached: nothing listens there`);
    }
  });

  for (
    const args of [
      ["--scenario", "pears"],
      ["http://localhost"],
      ["mqtt://a", "mqtt://b"],
      ["--vs", "non sense"],
      ["--vs-pid", "1"],
      ["--pid", "2147483000"],
      ["--seconds", "0"],
      ["--seconds", "1e9"],
      ["--seconds", "9999"],
      ["--warmup", "-1"],
      ["--qos", "3"],
      ["--size", "15"],
      ["--publishers", "0"],
      ["--publishers", "2", "--subscribers", "3", "--scenario", "pairs"],
      ["--report", "x.pdf"],
      ["--report", "/there/is/no/such/folder/x.json"],
      ["--secnods", "3"],
    ]
  ) {
    test(`refuses ${args.join(" ")} in one line`, async () => {
      const { message } = await assertRejects(() => benchMain(args, nothing), CallError);
      assert(!message.includes("\n"), message);
    });
  }
});

test("the long help names every flag and every scenario", () => {
  const help = benchHelp(true);
  for (const { name } of BENCH_OPTIONS.flatMap(({ rows }) => rows)) assert(help.includes(`--${name}`), name);
  for (const { name } of SCENARIOS) assert(help.includes(`  ${name} `), name);
});
