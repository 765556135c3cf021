/**
 * Audits an MQTT Client: plays the Server to it, case by case, and puts down what was found.
 * Knows how such an audit is asked for and what comes of it; refuses to know files and terminals.
 * @module
 */
import type { Level } from "./bytes.ts";
import { CLIENT_CASES } from "./cases/client.ts";
import { SERVER_CASES } from "./cases/mod.ts";
import { runClientCases } from "./client_audit.ts";
import type { Driver } from "./drivers/driver.ts";
import { execDriver } from "./drivers/exec.ts";
import { manualDriver } from "./drivers/manual.ts";
import { mqttjsDriver } from "./drivers/mqttjs.ts";
import type { AuditOptions } from "./mod.ts";
import { type AuditReport, reportOf } from "./report/json.ts";
import { selectCases } from "./select.ts";
import { AuditCallError } from "./target.ts";
import { AUDITOR_VERSION } from "./version.ts";

/** What may be said of the audit of a Client. */
export type ClientAuditOptions = Omit<AuditOptions, "declared">;

/** What says which Client is meant. */
export interface ClientChoice {
  /** A command line with placeholders. */
  readonly exec?: string | undefined;
  /** `mqttjs`. */
  readonly driver?: string | undefined;
  /** A port to which a person connects a Client by hand. */
  readonly port?: number | undefined;
}

/** The names that `--driver` knows. */
export const DRIVERS: readonly string[] = ["mqttjs"];

const PATIENCE_MS = 2_000;
const AT_ONCE = 16;

/**
 * The driver that is meant; `say` is for the person that starts Clients by hand.
 * @throws {AuditCallError} unless exactly one is.
 */
export async function chooseDriver(choice: ClientChoice, say: (text: string) => void): Promise<Driver> {
  const { exec, driver, port } = choice;
  const chosen = [exec, driver, port].filter((one) => one !== undefined).length;
  if (chosen !== 1) {
    throw new AuditCallError(
      `--client needs ${chosen === 0 ? "one" : "only one"} of --exec COMMAND, --driver mqttjs and --port N`,
    );
  }
  if (exec !== undefined) return execDriver(exec);
  if (port !== undefined) return manualDriver(port, say);
  if (driver === "mqttjs") return await mqttjsDriver();
  throw new AuditCallError(`--driver ${JSON.stringify(driver)}: there is ${DRIVERS.join(", ")}`);
}

/**
 * Audits the Client that `driver` starts. One that does not start or falls silent gives a report that says so.
 * @throws {AuditCallError} when the call is wrong: an unknown statement.
 */
export async function auditClient(driver: Driver, options: ClientAuditOptions = {}): Promise<AuditReport> {
  const { levels = [4, 5], only = [], timing = false, product, runtime, progress } = options;
  const { patienceMs = PATIENCE_MS, atOnce = AT_ONCE } = options;
  const cases = selectCases(CLIENT_CASES, only, levels);
  // What is asked for by its name is not to be left out for it waits.
  const waits = timing || (only.length > 0 && cases.every((one) => one.timing === true));
  const found = [];
  for (const level of levels) {
    found.push(
      ...await runClientCases({
        driver,
        levels: [level],
        cases,
        timing: waits,
        patienceMs,
        atOnce,
        now: () => performance.now(),
        run: Math.random().toString(36).slice(2, 8),
        progress: (done, all, last) =>
          progress?.({ level, done, all, caseId: last.case.id, verdict: last.verdict }),
      }),
    );
  }
  return reportOf(found, {
    role: "client",
    target: driver.name,
    date: options.date ?? new Date().toISOString().replace(/\.\d+Z$/, "Z"),
    ...product !== undefined && { product },
    version: AUDITOR_VERSION,
    ...runtime !== undefined && { runtime },
    timing: waits,
    only,
    patienceMs,
    allCases: [...SERVER_CASES, ...CLIENT_CASES],
    command: (id: string, level: Level) => `plumb audit ${driver.flags} --level ${level} --only ${id}`,
  });
}
