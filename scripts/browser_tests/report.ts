/**
 * What one engine has shown, as data: for each row of the matrix a count, or in words why there is none.
 * Knows the form; refuses to know how tests are run.
 * @module
 */

/** The rows of the matrix. */
export const ROWS = [
  "codec properties",
  "broker simulation",
  "client simulation",
  "transport contract",
  "store contract",
  "audit of broker",
  "audit of client",
] as const;

/** One of them. */
export type Row = typeof ROWS[number];

/** The columns of the matrix. */
export const COLUMNS = ["Deno", "Bun", "Node", "Chromium", "Firefox", "WebKit", "QuickJS"] as const;

/** How many tests or cases came out how. */
export interface Count {
  readonly passed: number;
  readonly failed: number;
  readonly skipped?: number;
  /** What chance began with. */
  readonly seed?: number;
  /** What was run, in a few words. */
  readonly note?: string;
  /** The first of those that failed. */
  readonly failures?: readonly string[];
}

/** One cell. */
export type Cell = Count | { readonly reason: string };

/** The report of one engine. */
export interface EngineReport {
  readonly format: "plumb-engine-report/1";
  readonly engine: { readonly name: string; readonly version: string; readonly script: string };
  /** ISO 8601. */
  readonly date?: string;
  readonly cells: Partial<Readonly<Record<Row, Cell>>>;
}

/** How one test, or one case of an audit, came out. */
export interface Result {
  readonly name: string;
  readonly verdict: "passed" | "failed" | "skipped";
  readonly message?: string;
  /** How long it took. */
  readonly ms?: number;
}

/** Failures that a report names. */
const FAILURES_MAX = 20;

/** Results that are named as the slowest. */
const SLOWEST_MAX = 5;

/** Adds results up. */
export class Tally {
  passed = 0;
  failed = 0;
  skipped = 0;
  readonly failures: string[] = [];
  /** Why the first of those that were skipped were. */
  readonly skips: string[] = [];
  /** The slowest first. */
  slowest: (readonly [name: string, ms: number])[] = [];

  add({ name, verdict, message = "", ms = 0 }: Result): void {
    this[verdict]++;
    if (this.slowest.length < SLOWEST_MAX || ms > this.slowest.at(-1)![1]) {
      this.slowest = [...this.slowest, [name, ms] as const].sort((a, b) => b[1] - a[1]).slice(0, SLOWEST_MAX);
    }
    if (verdict === "skipped" && this.skips.length < FAILURES_MAX) this.skips.push(`${name}: ${message}`);
    if (verdict === "failed" && this.failures.length < FAILURES_MAX) {
      this.failures.push(`${name}: ${message.split("\n")[0]}`);
    }
  }

  count(more: Pick<Count, "seed" | "note"> = {}): Count {
    const { passed, failed, skipped, failures } = this;
    return { passed, failed, skipped, ...more, ...failures.length > 0 && { failures } };
  }
}
