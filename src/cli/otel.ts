/**
 * `--otel`: spans of the broker for OpenTelemetry.
 * Knows the package `@opentelemetry/api`, which is loaded only here; refuses to know where spans go: that is for an SDK that is loaded before.
 * @module
 */
import type { SpanSink } from "../server/serve.ts";
import { CallError } from "./error.ts";
import { VERSION } from "./version.ts";

/** Not a literal where it is imported: no bundle has it, and no types. */
const PACKAGE: string = "@opentelemetry/api";

/** [s, ns] since the epoch. */
type Time = readonly [number, number];

/** What is used of the package. */
interface Api {
  readonly SpanKind: { readonly SERVER: number; readonly INTERNAL: number; readonly CLIENT: number };
  readonly SpanStatusCode: { readonly ERROR: number };
  readonly trace: {
    getTracer(name: string, version: string): {
      startSpan(name: string, options: object): {
        setStatus(status: { readonly code: number; readonly message: string }): unknown;
        end(time: Time): void;
      };
    };
  };
}

/**
 * Hands spans to the tracer of the process.
 * @throws {CallError} without the package.
 */
export async function otelSpans(): Promise<SpanSink> {
  const { trace, SpanKind, SpanStatusCode } = await load();
  const tracer = trace.getTracer("@plumb/mqtt", VERSION);
  return ({ name, startMs, endMs, attributes, error }) => {
    const isInside = name === "mqtt.commit" || name === "mqtt.page_in";
    const kind = isInside ? SpanKind.INTERNAL : name === "mqtt.bridge" ? SpanKind.CLIENT : SpanKind.SERVER;
    const span = tracer.startSpan(name, { kind, startTime: timeOf(startMs), attributes, root: true });
    if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error });
    span.end(timeOf(endMs));
  };
}

async function load(): Promise<Api> {
  try {
    return await import(PACKAGE);
  } catch (error) {
    throw new CallError(
      `--otel needs the package ${PACKAGE}, which is not here: npm install ${PACKAGE} (${
        (error as Error).message
      })`,
    );
  }
}

function timeOf(ms: number): Time {
  const seconds = Math.floor(ms / 1_000);
  return [seconds, Math.round((ms - seconds * 1_000) * 1e6)];
}
