/**
 * Audits an MQTT Client: plays the Server to it, case by case, and puts down what was found.
 * Knows how such an audit is asked for and what comes of it; refuses to know files and terminals.
 * @module
 */
import { ALL_CASES } from "../all_cases.ts";
import { type ClientAuditOptions, settle } from "../options.ts";
import { type AuditReport, reportOf } from "../report/json.ts";
import { CLIENT_CASES } from "./cases/mod.ts";
import type { Driver } from "./drivers/driver.ts";
import { runClientCases } from "./run_cases.ts";

/**
 * Audits the Client that `driver` starts. One that does not start or falls silent gives a report that says so.
 * @throws {AuditCallError} when the call is wrong: an unknown statement.
 */
export async function auditClient(driver: Driver, options: ClientAuditOptions = {}): Promise<AuditReport> {
  const { levels, run, about } = settle(CLIENT_CASES, options);
  const { webSocket = false, tls } = options;
  const flags = `${driver.flags}${webSocket ? " --websocket" : ""}${tls ? " --cert FILE --key FILE" : ""}`;
  const found = [];
  for (const level of levels) found.push(await runClientCases({ ...run(level), driver, webSocket, tls }));
  return reportOf(found, {
    ...about,
    role: "client",
    target: driver.name,
    allCases: ALL_CASES,
    command: (id, level) => `plumb audit ${flags} --level ${level} --only ${id}`,
  });
}
