/**
 * Audits an MQTT Server: calls it, case by case, and puts down what was found.
 * Knows how such an audit is asked for and what comes of it; refuses to know files and terminals.
 * @module
 */
import { dial } from "../../src/runtime/dial.ts";
import { ALL_CASES } from "../all_cases.ts";
import { type AuditOptions, settle } from "../options.ts";
import { type AuditReport, reportOf } from "../report/json.ts";
import { SERVER_CASES } from "./cases/mod.ts";
import type { Declared } from "./profile.ts";
import { productOf } from "./product.ts";
import { runServerCases } from "./run_cases.ts";
import { checkTolerated } from "./tolerated.ts";
import { overWebSocket } from "./over_websocket.ts";
import { parseTarget } from "./target.ts";

/**
 * Audits the Server at `target`, a URL as `mqtt://user:password@host:1883` or `mqtts:`, over WebSocket `ws://host:8083/mqtt` or
 * `wss:`. What cannot be reached or falls silent gives a report that says so, not an exception.
 * @throws {AuditCallError} when the call is wrong: a URL of another kind, an unknown statement, an unknown deviation.
 */
export async function audit(target: string, options: AuditOptions = {}): Promise<AuditReport> {
  const { host, port, isSecure, webSocket: asked, ...inUrl } = parseTarget(target);
  const tls = isSecure ? options.tls ?? {} : undefined;
  const declared: Declared = { ...inUrl, ...options.declared };
  checkTolerated(declared.tolerates ?? []);
  const { levels, run, about } = settle(SERVER_CASES, options);
  const found = [];
  const below = () => dial({ host, port }, tls);
  const webSocket = asked && { dial: below, ...asked };
  const call = webSocket === undefined ? below : overWebSocket(webSocket, about.patienceMs);
  for (const level of levels) {
    found.push(await runServerCases({ ...run(level), dial: call, webSocket, declared }));
  }
  const reached = found.find(({ unreachable, stopped }) =>
    unreachable === undefined && stopped === undefined
  );
  const product = options.product ??
    (reached && await productOf(call, reached.level, declared, about.patienceMs));
  return reportOf(found, {
    ...about,
    ...product !== undefined && { product },
    target,
    ...declared.tolerates?.length && { tolerates: declared.tolerates },
    secrets: [declared.password ?? "", ...declared.authenticationData ?? []],
    allCases: ALL_CASES,
  });
}
