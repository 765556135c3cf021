/**
 * Runs the cases for Clients at one level, one Client for each.
 * Knows how a Client is found to be there; refuses to know what a case does and how a Client is started.
 * @module
 */
import type { ClientCase } from "../case.ts";
import { casesToRun, notRun, runCase, type RunOptions, runSideBySide, workersFor } from "../case_run.ts";
import { type CaseResult, type LevelReport, statementResults } from "../result.ts";
import { Finding, type UnreachableKind } from "../verdict.ts";
import type { CertificateAndKey } from "../../src/runtime/tls/tls.ts";
import { TYPE } from "../wire/bytes.ts";
import type { Driver } from "./drivers/driver.ts";
import { ClientTrial } from "./trial.ts";

/** How to run; `atOnce` Clients at the same time. */
export interface ClientRunOptions extends RunOptions<ClientCase> {
  readonly driver: Driver;
  /** Whether the auditor waits for WebSockets. */
  readonly webSocket: boolean;
  /** What it shows, if it waits over TLS. */
  readonly tls: CertificateAndKey | undefined;
}

/** What a case may take beside the time that its Client has to connect. */
const CASE_SLACK_MS = 30_000;
const OVER_TCP = "The audit does not go over WebSocket; with --websocket it does";

/** Runs the cases; none if the Client cannot be audited at this level, and the report says why. */
export async function runClientCases(options: ClientRunOptions): Promise<LevelReport> {
  const { level, driver, atOnce, progress } = options;
  const all = casesToRun(options);
  // A person who starts Clients by hand is not asked for one more than the cases need.
  const byHand = driver.port !== 0;
  const absence = byHand ? undefined : await probe(options);
  const verdict = absence?.kind === "level" ? "unsupported" : "inconclusive";
  let done = 0;
  const results = await runSideBySide(
    all,
    byHand ? 1 : workersFor(all, atOnce),
    async (one, index) =>
      absence === undefined
        ? await tryCase(options, one, index)
        : notRun(one, level, verdict, absence.reason),
    (result) => progress?.(++done, all.length, result),
  );
  return {
    level,
    unreachable: absence?.reason,
    unreachableKind: absence?.kind,
    stopped: undefined,
    profile: undefined,
    results,
    statements: statementResults(results, level),
  };
}

interface Absence {
  readonly kind: UnreachableKind;
  readonly reason: string;
}

/** Starts the Client once; says why it cannot be audited at this level, or undefined. */
async function probe(options: ClientRunOptions): Promise<Absence | undefined> {
  const { driver, webSocket, tls, level, patienceMs, now, run } = options;
  const trial = new ClientTrial({
    level,
    driver,
    webSocket,
    tls,
    unique: `${run}${level}p`,
    patienceMs,
    now,
  });
  try {
    // What a command does it does; no order of ours is needed for that.
    await trial.start();
    const peer = await trial.accept();
    const words = trial.words === "" ? "" : `: ${trial.words}`;
    if (peer === undefined) {
      const why = trial.notUpgraded === undefined ? "" : `: ${trial.notUpgraded}`;
      return { kind: "host", reason: `The Client does not connect${why}${words}` };
    }
    const first = await peer.next();
    if (first === undefined) {
      return { kind: "silent", reason: `The Client sends nothing within ${patienceMs} ms` };
    }
    if (first.type === "end") return { kind: "silent", reason: `The Client ends the connection${words}` };
    if (first.type !== TYPE.CONNECT) return undefined; // For the cases to say.
    const { version } = first.connect!;
    return version === level
      ? undefined
      : { kind: "level", reason: `The Client speaks level ${version}, not level ${level}` };
  } catch (error) {
    if (!(error instanceof Finding)) throw error;
    return { kind: error.verdict === "unsupported" ? "level" : "silent", reason: error.message };
  } finally {
    await trial.cleanUp();
  }
}

async function tryCase(
  { driver, webSocket, tls, level, patienceMs, now, run }: ClientRunOptions,
  one: ClientCase,
  index: number,
): Promise<CaseResult> {
  if (!webSocket && one.needs?.includes("websocket")) return notRun(one, level, "unsupported", OVER_TCP);
  const unique = `${run}${level}${index.toString(36)}`;
  const trial = new ClientTrial({ level, driver, webSocket, tls, unique, patienceMs, now });
  const limitMs = driver.connectMs + patienceMs + CASE_SLACK_MS;
  const { result } = await runCase(one, level, trial, limitMs, async () => {
    await one.run(trial);
    const { broken } = trial;
    if (broken !== undefined) {
      throw new Finding("lenient", `The Client does what it must only by breaking down: ${broken}`);
    }
  });
  await trial.cleanUp();
  return result;
}
