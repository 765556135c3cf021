/** Spans as OpenTelemetry gets them. @module */
import { trace } from "@opentelemetry/api";
import { assert, assertEquals } from "@std/assert";
import { spawn } from "node:child_process";
import http from "node:http";
import process from "node:process";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { connect } from "../client_api/mod.ts";
import { patient, until } from "../testing/patience.ts";
import { otelSpans } from "./otel.ts";

describe("--otel", () => {
  after(() => trace.disable());

  test("hands spans to the tracer that an SDK has registered, with begin, end and error", async () => {
    const seen: unknown[] = [];
    const tracer = {
      startSpan: (name: string, options: object) => {
        seen.push(name, options);
        return { setStatus: (status: object) => seen.push(status), end: (time: unknown) => seen.push(time) };
      },
    };
    trace.setGlobalTracerProvider({ getTracer: () => tracer } as never);
    const sink = await otelSpans();
    sink({
      name: "mqtt.connect",
      startMs: 1_700_000_000_000.25,
      endMs: 1_700_000_000_002,
      attributes: { a: 1 },
      error: "limit/memory",
    });
    assertEquals(seen, [
      "mqtt.connect",
      { kind: 1, startTime: [1_700_000_000, 250_000], attributes: { a: 1 }, root: true },
      { code: 2, message: "limit/memory" },
      [1_700_000_000, 2_000_000],
    ]);
  });

  test("on Deno, which has an SDK, they come to a collector", {
    ...patient,
    skip: !("Deno" in globalThis) && "only Deno has an SDK of its own",
  }, async () => {
    let got = "";
    const collector = http.createServer((request, response) => {
      request.setEncoding("utf8").on("data", (text: string) => got += text).on(
        "end",
        () => response.end("{}"),
      );
    });
    await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
    const { port } = collector.address() as { port: number };
    const main = fileURLToPath(new URL("main.ts", import.meta.url));
    const args = ["run", "-A", "--no-check", main, "--memory", "--otel", "--listen", "mqtt://127.0.0.1:0"];
    const child = spawn(process.execPath, args, {
      env: {
        ...process.env,
        OTEL_DENO: "true",
        OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
        OTEL_BSP_SCHEDULE_DELAY: "100",
      },
      stdio: "pipe",
    });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => said += text);
    const over = new Promise((resolve) => child.on("close", resolve));
    try {
      const url = () => /mqtt:\/\/127\.0\.0\.1:[1-9]\d*/.exec(said)?.[0];
      await until(() => url() !== undefined || child.exitCode !== null, () => `it listens; ${said}`);
      const client = await connect(url()!, { clientId: "traced" });
      await client.subscribe("a/#", { qos: 0 });
      await until(
        () => got.includes("mqtt.connect") && got.includes("mqtt.subscribe"),
        () => `spans; ${got} ${said}`,
      );
      assert(got.includes('"traced"') && got.includes("@plumb/mqtt"), got);
      await client.close();
    } finally {
      child.kill("SIGTERM");
      await over;
      collector.close();
      collector.closeAllConnections();
    }
  });
});
