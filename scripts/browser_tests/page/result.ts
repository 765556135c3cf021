/**
 * What the page has found: one record for each part, all of them as a report, and as a link.
 * Knows forms; refuses to know how results are come by and how they look.
 * @module
 */
import { type Cell, type EngineReport, type Result, type Row, Tally } from "../report.ts";
import type { Section } from "../section.ts";
import type { Chance } from "../suites.ts";

/** How a part stands. */
export type Status = "waiting" | "running" | "passed" | "failed" | "not run" | "stopped";

/** What is known of a part. */
export class PartResult {
  status: Status = "waiting";
  planned = 0;
  readonly tally: Tally = new Tally();
  reason = "";
  note = "";
  ms = 0;
  figures: Readonly<Record<string, number>> = {};

  get done(): number {
    const { passed, failed, skipped } = this.tally;
    return passed + failed + skipped;
  }

  add(result: Result): void {
    this.tally.add(result);
  }

  /** In a few words. */
  get words(): string {
    const { passed, failed, skipped } = this.tally;
    const others = skipped > 0 ? `, ${skipped.toLocaleString("en")} not for this target` : "";
    const words: Readonly<Record<Status, string>> = {
      waiting: "Not run yet",
      running: this.planned > 0 ? `Running: ${this.done} of ${this.planned}` : "Running",
      passed: `Passed: ${passed.toLocaleString("en")}${others}`,
      failed: `Failed: ${failed} of ${(passed + failed).toLocaleString("en")}${others}`,
      "not run": "Not run",
      stopped: `Stopped behind ${this.done}`,
    };
    return words[this.status];
  }
}

/** The engine, as far as a browser tells. */
export function engineOf(userAgent: string): EngineReport["engine"] {
  const version = (pattern: RegExp) => pattern.exec(userAgent)?.[1] ?? "";
  if (/Firefox\//.test(userAgent)) {
    return { name: "Firefox", version: version(/Firefox\/([\d.]+)/), script: "SpiderMonkey" };
  }
  if (/Chrom(e|ium)\//.test(userAgent)) {
    return { name: "Chromium", version: version(/Chrom(?:e|ium)\/([\d.]+)/), script: "V8" };
  }
  return { name: "WebKit", version: version(/Version\/([\d.]+)/), script: "JavaScriptCore" };
}

/** The report of the page: that of an engine, with every part. */
export interface PageReport extends EngineReport {
  readonly userAgent: string;
  readonly broker: string;
  readonly chance: Chance;
  readonly parts: Readonly<Record<string, object>>;
}

/** Puts the report together. A row with two parts has the later one that was run. */
export function reportOf(
  parts: ReadonlyMap<Section, PartResult>,
  about: {
    readonly userAgent: string;
    readonly broker: string;
    readonly chance: Chance;
    readonly date: string;
  },
): PageReport {
  const cells: Partial<Record<Row, Cell>> = {};
  const found: Record<string, object> = {};
  for (const [{ id, row, title }, { status, tally, reason, note, ms, figures }] of parts) {
    const seed = row === "codec properties" || row === "client simulation" ? { seed: about.chance.seed } : {};
    const count = tally.count({ ...seed, ...note !== "" && { note } });
    found[id] = {
      title,
      status,
      ...reason !== "" && { reason },
      ms,
      ...count,
      slowest: tally.slowest,
      skips: tally.skips,
      figures,
    };
    if (row === undefined) continue;
    if (status === "passed" || status === "failed") cells[row] = count;
    else cells[row] ??= { reason: reason || status };
  }
  return {
    format: "plumb-engine-report/1",
    engine: engineOf(about.userAgent),
    date: about.date,
    cells,
    userAgent: about.userAgent,
    broker: about.broker,
    chance: about.chance,
    parts: found,
  };
}

/** A result that a link brings along. */
export interface Shared {
  readonly seed?: number;
  readonly seeds?: number;
  readonly broker?: string;
  readonly engine?: string;
  readonly date?: string;
  /** By part: words. */
  readonly parts: readonly (readonly [id: string, status: string, passed: number, failed: number])[];
}

const STATUSES: readonly Status[] = ["passed", "failed", "not run", "stopped"];

/** The address with all that another person needs to run the same, and what came of it here. No password goes along. */
export function linkOf(base: string, report: PageReport): string {
  const { chance, broker, engine, date = "", parts } = report;
  const fields = new URLSearchParams({
    seed: String(chance.seed),
    seeds: String(chance.seeds),
    ...broker !== "" && { broker },
    engine: `${engine.name} ${engine.version}`.trim(),
    date: date.slice(0, 10),
    parts: Object.entries(parts)
      .map(([id, part]) => [id, part as { status: Status; passed: number; failed: number }] as const)
      .filter(([, { status }]) => STATUSES.includes(status))
      .map(([id, { status, passed, failed }]) => `${id}.${STATUSES.indexOf(status)}.${passed}.${failed}`)
      .join("~"),
  });
  return `${base.split("#")[0]}#${fields}`;
}

/** What the link says; what it does not say, or what is no number, is left out. */
export function sharedBy(hash: string): Shared {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  const number = (name: string) => {
    const text = fields.get(name) ?? "";
    return /^\d{1,10}$/.test(text) ? { [name]: Number(text) } : {};
  };
  const text = (name: string) => {
    const value = fields.get(name);
    return value === null ? {} : { [name]: value.slice(0, 200) };
  };
  const parts = (fields.get("parts") ?? "").split("~").slice(0, 50).flatMap((part) => {
    const [, id, status, passed, failed] = /^([a-z-]+)\.(\d)\.(\d{1,9})\.(\d{1,9})$/.exec(part) ?? [];
    return id === undefined
      ? []
      : [[id, STATUSES[Number(status)] ?? "", Number(passed), Number(failed)] as const];
  });
  return {
    ...number("seed"),
    ...number("seeds"),
    ...text("broker"),
    ...text("engine"),
    ...text("date"),
    parts,
  };
}

/** A URL without user name and password. */
export function withoutSecrets(url: string): string {
  try {
    const parsed = new URL(url);
    parsed.username = parsed.password = "";
    return parsed.href;
  } catch {
    return "";
  }
}
