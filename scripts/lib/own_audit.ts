/**
 * Our broker under audit: in this process, in any of its forms and over any of its transports, or as several processes.
 * Knows how they are put together; refuses to judge.
 * @module
 */
import { audit, type AuditOptions, type Level, type ReportLevel } from "../../conformance/mod.ts";
import { SERVER_CASES } from "../../conformance/server/cases/mod.ts";
import { serve } from "../../src/server/serve.ts";
import { CA, CERT, KEY } from "../../src/testing/tls.ts";
import { type AuditedBroker, NO_OCCASION } from "./audited_brokers.ts";
import type { Runtime } from "./broker_process.ts";
import { WorkersProcess } from "./workers_process.ts";

/** The schemes of what our broker listens on. */
export const SCHEMES = ["mqtt", "mqtts", "ws", "wss"] as const;

/** One of them. */
export type Scheme = typeof SCHEMES[number];

/** Slow machines are no fault of the broker's. */
const PATIENCE_MS = 60_000;

/** One audit at one level; rejects if it was not brought to its end, or if something failed in the broker. */
export async function auditOwn(
  { options, declared }: AuditedBroker,
  scheme: Scheme,
  level: Level,
  more: Pick<AuditOptions, "only" | "timing"> = {},
): Promise<ReportLevel> {
  const failures: unknown[] = [];
  const server = await serve({
    ...options,
    listen: [`${scheme}://127.0.0.1:0`],
    ...(scheme === "mqtts" || scheme === "wss") && { tls: { cert: CERT, key: KEY } },
    hooks: { failed: (error) => failures.push(error) },
  });
  try {
    return await auditAt(server.addresses[0]!, level, { declared, ...more }, failures);
  } finally {
    await server.close();
  }
}

/** The same of `plumb serve --workers N` as it comes, over TCP. */
export async function auditWorkers(
  runtime: Runtime,
  workers: number,
  level: Level,
  more: Pick<AuditOptions, "only" | "timing"> = {},
): Promise<ReportLevel> {
  const flags = ["--memory", "--listen", "mqtt://127.0.0.1:0"];
  const broker = await WorkersProcess.start(runtime, workers, flags);
  try {
    const found = await auditAt(`mqtt://127.0.0.1:${broker.port}`, level, more, []);
    const failure = broker.log.split("\n").find((line) => line.includes("level=error"));
    if (failure !== undefined) throw new Error(failure);
    return found;
  } finally {
    await broker.killAll();
  }
}

async function auditAt(
  url: string,
  level: Level,
  more: Partial<AuditOptions>,
  failures: readonly unknown[],
): Promise<ReportLevel> {
  const asked = { levels: [level], patienceMs: PATIENCE_MS, tls: { ca: CA }, ...more };
  const [found] = (await audit(url, asked)).levels;
  const trouble = found!.unreachable?.reason ?? found!.stopped ?? failures[0];
  if (trouble !== undefined) throw trouble instanceof Error ? trouble : new Error(String(trouble));
  return found!;
}

const ofWebSocket: ReadonlySet<string> = new Set(
  SERVER_CASES.filter(({ needs = [] }) => needs.includes("websocket")).map(({ id }) => id),
);

/** Whether a case may be left without a verdict in every form of our broker, over that transport. */
export function mayBeLeft(id: string, scheme: Scheme): boolean {
  return id in NO_OCCASION || !scheme.startsWith("ws") && ofWebSocket.has(id);
}
