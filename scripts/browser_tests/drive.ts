/**
 * Runs the page in browsers, one after the other, and keeps what came of it: reports as JSON, and screenshots at the width of a phone and of a
 * desk, light and dark, in `dist/browser_tests/reports`; the report for the matrix in `dist/engines`.
 * Knows browsers and files; refuses to know what the page tests.
 * @module
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import {
  closeBrowsers,
  type Engine,
  ENGINES,
  launch,
  missingEngine,
  type Tab,
} from "../../src/testing/browsers.ts";
import { withinTime } from "../../conformance/case_run.ts";
import { pathOf } from "../lib/tree.ts";
import type { PageReport } from "./page/result.ts";
import { type Served, servePage } from "./serve.ts";

const REPORTS = "dist/browser_tests/reports";
const ENGINE_REPORTS = "dist/engines";
/** CSS pixels. */
const WIDTHS = { phone: 320, desk: 1_280 } as const;
/** ms that the page may take: it only turns a hang into a failure that says where. */
const RUN_MS = 600_000;
const LOOK_MS = 500;
/** Firefox tells of connections that the auditors end on purpose as of faults of the page. */
const LOST_CONNECTION = /connection to (the server at )?ws:/;
/** Of a picture that shows the whole page. */
const HEIGHT_MAX = 9_000;
const SEEN_HEIGHT = 1_200;
const PICTURE_MS = 20_000;

/** What is asked of the page. */
export interface DriveOptions {
  readonly seeds: number;
  /** Parts by name; default: all that need nobody. */
  readonly only: readonly string[] | undefined;
  /** All browsers at the same time: figures of speed are worth nothing then. */
  readonly parallel: boolean;
}

interface DrivenPage {
  readonly plumbTests: { run(ids?: readonly string[]): Promise<PageReport> };
}

/** Drives these browsers; gives the exit status. Prints `N passed, N failed, N skipped`, of parts and browsers. */
export async function drive(
  files: ReadonlyMap<string, string>,
  names: string,
  options: DriveOptions,
): Promise<number> {
  const engines = names === "all" ? ENGINES : names.split(",").map((name) => {
    const engine = ENGINES.find((one) => one === name);
    if (engine === undefined) throw new Error(`--drive ${name}: there is all, ${ENGINES.join(", ")}`);
    return engine;
  });
  mkdirSync(pathOf(REPORTS), { recursive: true });
  mkdirSync(pathOf(ENGINE_REPORTS), { recursive: true });
  const sum = { passed: 0, failed: 0, skipped: 0 };
  // One for each: what one page publishes to measure speed is not in the way of another that audits `#`.
  const served = new Map<Engine, Served>();
  for (const engine of engines) { // in turn: each bundles MQTT.js, and a bundler that is done ends what others have begun
    served.set(engine, await servePage(files, { listen: "ws://127.0.0.1:0/mqtt", mqttjs: true }));
  }
  try {
    const one = async (engine: Engine): Promise<void> => {
      const missing = missingEngine(engine);
      if (missing !== undefined) {
        console.log(`${engine}: not driven. ${missing}`);
        sum.skipped++;
        if ((process.env["PLUMB_REQUIRE_BROWSERS"] ?? "").split(",").includes(engine)) sum.failed++;
        return;
      }
      const { parts } = await driveOne(engine, served.get(engine)!.page, options);
      for (const part of Object.values(parts) as { status: string }[]) {
        if (part.status === "passed") sum.passed++;
        else if (part.status === "failed") sum.failed++;
      }
    };
    if (options.parallel) await Promise.all(engines.map(one));
    else for (const engine of engines) await one(engine);
  } finally {
    await closeBrowsers();
    for (const { server } of served.values()) await server.close();
  }
  console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
  return sum.failed === 0 && sum.passed + sum.skipped > 0 ? 0 : 1;
}

async function driveOne(engine: Engine, page: string, { seeds, only }: DriveOptions): Promise<PageReport> {
  const begun = performance.now();
  const browser = await launch(engine);
  try {
    const tab = await browser.open(`${page}#seed=1&seeds=${seeds}`);
    await tab.resize(WIDTHS.desk, SEEN_HEIGHT);
    await tab.waitFor("globalThis.plumbTests !== undefined");
    // Started, and then looked for: a driver waits for one answer not as long as all of it takes.
    await tab.evaluate((ids: readonly string[] | null) => {
      const world = globalThis as unknown as DrivenPage & { plumbReport?: PageReport };
      void world.plumbTests.run(ids ?? undefined).then((report) => world.plumbReport = report);
    }, only ?? null);
    const isOver = await over(tab);
    // As a text, since WebKit's driver sorts the keys of objects.
    const text = await tab.evaluate<string, []>(
      `JSON.stringify(globalThis.plumbReport ?? plumbTests.report())`,
    );
    const found: PageReport = JSON.parse(text);
    // A driver knows its browser better than the page does.
    const version = /[\d.]+/.exec(browser.version)?.[0] ?? found.engine.version;
    const report = { ...found, engine: { ...found.engine, version } };
    writeFileSync(pathOf(`${REPORTS}/${engine}.json`), `${JSON.stringify(report, undefined, 2)}\n`);
    const { format, date, cells } = report;
    // Parts that were run alone take the place of what they found before.
    const path = pathOf(`${ENGINE_REPORTS}/${engine}.json`);
    const before = only === undefined || !existsSync(path)
      ? {}
      : (JSON.parse(readFileSync(path, "utf8")) as PageReport).cells;
    const counted = Object.entries(cells).filter(([, cell]) => only === undefined || "passed" in cell);
    const own = { format, engine: report.engine, date, cells: { ...before, ...Object.fromEntries(counted) } };
    writeFileSync(path, `${JSON.stringify(own, undefined, 2)}\n`);
    await photograph(engine, tab).catch((error) => console.log(`${engine}: no more screenshots: ${error}`));
    tell(engine, report, (performance.now() - begun) / 1_000);
    if (!isOver) throw new Error(`${engine}: the page is not done after ${RUN_MS / 1_000} s`);
    const faults = tab.faults.map(String).filter((words) => !LOST_CONNECTION.test(words));
    if (faults.length > 0) throw new Error(`${engine}: ${faults.join("; ")}`);
    return report;
  } finally {
    await browser.close();
  }
}

/** Looks at the page until it is done, or has taken too long. */
async function over(tab: Tab): Promise<boolean> {
  for (const end = performance.now() + RUN_MS; performance.now() < end;) {
    if (await tab.evaluate<boolean, []>("globalThis.plumbReport !== undefined")) return true;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return false;
}

/** Resolves as `what` does, within the time that a picture may take. */
async function soon<T>(what: Promise<T>): Promise<T> {
  return await withinTime(what, PICTURE_MS, () => new Error(`nothing came for ${PICTURE_MS / 1_000} s`));
}

/** At both widths, light and dark where the engine can be told. */
async function photograph(engine: Engine, tab: Tab): Promise<void> {
  for (const [size, width] of Object.entries(WIDTHS)) {
    for (
      const scheme of tab.puppeteer === undefined || engine === "firefox" ? ["light"] : ["light", "dark"]
    ) {
      await tab.puppeteer?.emulateMediaFeatures?.([{ name: "prefers-color-scheme", value: scheme }])
        .catch(() => {});
      await soon(tab.resize(width, SEEN_HEIGHT));
      if (tab.puppeteer !== undefined) { // a window of WebKit's is no higher than its screen
        const height = await soon(tab.evaluate<number, []>("document.documentElement.scrollHeight"));
        await soon(tab.resize(width, Math.min(height, HEIGHT_MAX)));
      }
      await soon(tab.evaluate("globalThis.scrollTo(0, 0)"));
      const picture = await soon(tab.screenshot());
      writeFileSync(pathOf(`${REPORTS}/${engine}-${size}-${scheme}.png`), picture);
    }
  }
}

function tell(engine: Engine, { engine: { version }, parts }: PageReport, seconds: number): void {
  console.log(`${engine} ${version}: ${seconds.toFixed(0)} s`);
  for (const [id, part] of Object.entries(parts)) {
    const { status, passed, failed, skipped = 0, ms, reason = "", failures = [], figures } = part as {
      readonly status: string;
      readonly passed: number;
      readonly failed: number;
      readonly skipped?: number;
      readonly ms: number;
      readonly reason?: string;
      readonly failures?: readonly string[];
      readonly figures: Readonly<Record<string, number>>;
    };
    if (status === "waiting") continue;
    const more = Object.entries(figures).map(([name, value]) => `${name} ${Math.round(value * 100) / 100}`);
    console.log(
      `  ${status} ${id}: ${passed} passed, ${failed} failed, ${skipped} skipped, ${
        (ms / 1_000).toFixed(1)
      } s` +
        `${reason && ` (${reason})`}${more.length > 0 ? ` ${more.join(", ")}` : ""}`,
    );
    for (const failure of failures) console.log(`    ${failure}`);
  }
}
