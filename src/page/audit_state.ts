/**
 * The audit of this broker that goes on or has ended, also while another view is looked at.
 * Knows counts and findings; refuses to know how they are shown.
 * @module
 */
import { Store } from "./store.ts";

/** A case that did not pass. */
export interface AuditFinding {
  readonly name: string;
  /** What was done, and what should have come of it. */
  readonly words: string;
  readonly verdict: "fail" | "lenient" | "inconclusive";
  readonly reason: string;
}

/** What is shown. */
export interface AuditView {
  readonly is: "not begun" | "running" | "over" | "stopped";
  readonly planned: number;
  readonly passed: number;
  readonly unsupported: number;
  readonly findings: readonly AuditFinding[];
  readonly error?: Error;
  /** How long it took, in seconds. */
  readonly seconds?: number;
}

const NOTHING: AuditView = { is: "not begun", planned: 0, passed: 0, unsupported: 0, findings: [] };

/** The present one. */
export const audit: Store<AuditView> = new Store(NOTHING);

let controller: AbortController | undefined;

/** Ends the audit behind the case that goes on. */
export function stopAudit(): void {
  controller?.abort(new Error("The audit was stopped"));
}

/** Audits the broker of this page, in both levels; a login is used if there is one. */
export async function beginAudit(username: string, password: string): Promise<void> {
  controller = new AbortController();
  const { signal } = controller;
  const begun = performance.now();
  audit.set({ ...NOTHING, is: "running" });
  const change = (by: Partial<AuditView>): void => audit.set({ ...audit.value, ...by });
  try {
    const { auditServer, nameOf, webSocketDial, wordsOf } = await import("./audit_server.ts");
    const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/mqtt`;
    await auditServer({
      dial: webSocketDial(url, signal),
      declared: { ...username !== "" && { username, password } },
    }, {
      planned: (planned) => change({ planned }),
      told: (result) => {
        const { case: { id }, level, verdict, reason } = result;
        const { passed, unsupported, findings } = audit.value;
        if (signal.aborted) return;
        if (verdict === "pass") change({ passed: passed + 1 });
        else if (verdict === "unsupported") change({ unsupported: unsupported + 1 });
        else {change({
            findings: [...findings, { name: nameOf(id, level), words: wordsOf(result), verdict, reason }],
          });}
      },
    });
    change({ is: signal.aborted ? "stopped" : "over" });
  } catch (error) {
    change(signal.aborted ? { is: "stopped" } : { is: "over", error: error as Error });
  }
  change({ seconds: (performance.now() - begun) / 1_000 });
}
