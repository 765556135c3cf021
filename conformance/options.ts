/**
 * What may be said of an audit, of a Server or a Client, and how far it is.
 * Knows the defaults; refuses to know how an audit is run.
 * @module
 */
import type { TlsClientOptions } from "../src/runtime/dial.ts";
import type { CertificateAndKey } from "../src/runtime/tls/tls.ts";
import type { Case } from "./case.ts";
import type { RunOptions } from "./case_run.ts";
import type { About } from "./report/json.ts";
import { selectCases } from "./select.ts";
import type { Declared } from "./server/profile.ts";
import type { Verdict } from "./verdict.ts";
import { AUDITOR_VERSION } from "./version.ts";
import type { Level } from "./wire/bytes.ts";

/** How far an audit is. */
export interface AuditProgress {
  /** The level that is audited now. */
  readonly level: Level;
  /** Cases that were run at it. */
  readonly done: number;
  /** Cases that are to be run at it. */
  readonly all: number;
  /** The case that has just been run. */
  readonly caseId: string;
  /** What it found. */
  readonly verdict: Verdict;
}

/** What may be said of an audit. */
export interface AuditOptions {
  /** Default: both. */
  readonly levels?: readonly Level[];
  /** Ids of cases (`3.3.1/qos-3`), of statements (`MQTT-3.3.1-4`), or sections (`3.3`); default all. */
  readonly only?: readonly string[];
  /** Runs the cases that wait on purpose too; default false. */
  readonly timing?: boolean;
  /** What cannot be probed; user name and password take the place of those of the URL. */
  readonly declared?: Declared;
  /** How long an answer may take in ms; default 2000. */
  readonly patienceMs?: number;
  /** Cases that run at the same time; default 16. */
  readonly atOnce?: number;
  /** Whom to trust at `mqtts:`; default whom the system trusts. */
  readonly tls?: TlsClientOptions;
  /** What the target is, as `mosquitto 2.0.11`; stands in the report. Default: what a Server says in `$SYS/broker/version`. */
  readonly product?: string;
  /** ISO 8601, for the report; default now. */
  readonly date?: string;
  /** What runs the auditor, for the report. */
  readonly runtime?: string;
  /** Called after each case. */
  readonly progress?: (progress: AuditProgress) => void;
}

/** What may be said of the audit of a Client. */
export interface ClientAuditOptions extends Omit<AuditOptions, "declared" | "tls"> {
  /** Waits for the Client over WebSocket (§6), at a `ws:` URL; default false, over TCP. */
  readonly webSocket?: boolean;
  /** Waits for it over TLS, at an `mqtts:` or `wss:` URL, and shows this certificate; default none, without TLS. */
  readonly tls?: CertificateAndKey;
}

/** How long an answer may take when nothing is said. */
export const DEFAULT_PATIENCE_MS = 2000;
/** Cases at the same time when nothing is said. */
export const DEFAULT_AT_ONCE = 16;

/** What an audit is made of when everything is said. */
export interface Settled<C extends Case> {
  readonly levels: readonly Level[];
  /** How the cases are run at one level. */
  run(level: Level): RunOptions<C>;
  /** What the report says of the audit. */
  readonly about: Omit<About, "target" | "allCases">;
}

/**
 * Puts the defaults in the place of what is not said.
 * @throws {AuditCallError} for an unknown statement in `only`.
 */
export function settle<C extends Case>(
  all: readonly C[],
  options: Omit<ClientAuditOptions, "tls">,
): Settled<C> {
  const { levels = [4, 5], only = [], timing = false, product, runtime, progress } = options;
  const { patienceMs = DEFAULT_PATIENCE_MS, atOnce = DEFAULT_AT_ONCE } = options;
  const cases = selectCases(all, only, levels);
  // What is asked for by its name is not to be left out for it waits.
  const waits = timing || (only.length > 0 && cases.every((one) => one.timing === true));
  return {
    levels,
    run: (level) => ({
      level,
      cases,
      timing: waits,
      patienceMs,
      atOnce,
      now: () => performance.now(),
      run: Math.random().toString(36).slice(2, 8),
      progress: (done, all, last) =>
        progress?.({ level, done, all, caseId: last.case.id, verdict: last.verdict }),
    }),
    about: {
      date: options.date ?? new Date().toISOString().replace(/\.\d+Z$/, "Z"),
      ...product !== undefined && { product },
      version: AUDITOR_VERSION,
      ...runtime !== undefined && { runtime },
      timing: waits,
      only,
      patienceMs,
    },
  };
}
