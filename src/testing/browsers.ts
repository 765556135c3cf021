/**
 * Three browser engines, driven alike: a tab is opened, asked, photographed and closed.
 * Knows how each browser is started and spoken to; refuses to know what its pages are for.
 *
 * Chromium and Firefox are driven by puppeteer-core (the protocols CDP and WebDriver BiDi), WebKit by plain WebDriver under
 * an X server without a screen. Debian's packages: chromium, firefox-esr, webkit2gtk-driver with xvfb.
 * @module
 */
import { assertEquals } from "@std/assert";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, globSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import type { Browser as PuppeteerBrowser, Page } from "puppeteer-core";
import { WAIT_MS } from "./patience.ts";
import { freePort } from "./free_port.ts";

/** The engines by name. */
export type Engine = "chromium" | "firefox" | "webkit";

/** All of them. */
export const ENGINES: readonly Engine[] = ["chromium", "firefox", "webkit"];

/** What is called in a page: an expression as text, or a function that uses nothing but its arguments and the page's globals. */
export type InPage<A extends readonly unknown[], T> = string | ((...args: A) => T | Promise<T>);

/** One tab. */
export interface Tab {
  /** Resolves with what the expression or function gives, awaited, as JSON would have it. */
  evaluate<T, A extends readonly unknown[]>(what: InPage<A, T>, ...args: A): Promise<T>;
  /** Resolves once it is true in the page, looked at every 20 ms, also behind a reload; rejects after `WAIT_MS`. */
  waitFor<A extends readonly unknown[]>(what: InPage<A, unknown>, ...args: A): Promise<void>;
  /** Goes to another address, or the same one anew; resolves when it is loaded. */
  goto(url: string): Promise<void>;
  /** Loads the page anew. */
  reload(): Promise<void>;
  /** The part that can be seen gets this size in CSS pixels; WebKit's window keeps its frame, and shows 447 at least. */
  resize(width: number, height: number): Promise<void>;
  /** What is seen, as PNG. */
  screenshot(): Promise<Uint8Array>;
  /** Exceptions that no one caught in the page. WebKit's driver does not tell of them. */
  readonly faults: readonly unknown[];
  /** puppeteer's page, for what one engine alone can; undefined for WebKit. */
  readonly puppeteer: Page | undefined;
  /** Closes the tab. */
  close(): Promise<void>;
}

/** A browser that knew nothing when it was launched: no storage, no cache. Its tabs share both. */
export interface Browser {
  /** Which one it is. */
  readonly engine: Engine;
  /** Its name and version, in its own words. */
  readonly version: string;
  /** Opens a tab, and resolves when its page is loaded. Own certificates are taken. */
  open(url: string): Promise<Tab>;
  /** Closes all tabs, and forgets what they kept. */
  close(): Promise<void>;
}

/** Programs by engine, the first one that is there. */
const PROGRAMS: Readonly<Record<Engine, string | undefined>> = {
  chromium: first("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"),
  firefox: first("/usr/bin/firefox-esr", "/usr/bin/firefox"),
  webkit: first("/usr/bin/WebKitWebDriver"),
};
const MINI_BROWSER = globSync("/usr/{lib,libexec}/{,*/}webkit2gtk-4.1/MiniBrowser")[0];
const X_SERVER = first("/usr/bin/Xvfb");

/** Why an engine cannot be launched on this machine; undefined if it can. */
export function missingEngine(engine: Engine): string | undefined {
  if (engine === "chromium" && PROGRAMS.chromium === undefined) {
    return "Chromium is not installed (Debian's package: chromium)";
  }
  if (engine === "firefox" && PROGRAMS.firefox === undefined) {
    return "Firefox is not installed (Debian's package: firefox-esr)";
  }
  if (engine !== "webkit") return undefined;
  return PROGRAMS.webkit !== undefined && MINI_BROWSER !== undefined && X_SERVER !== undefined
    ? undefined
    : "WebKitGTK is not installed (Debian's packages: webkit2gtk-driver, xvfb)";
}

/** A page does the same whichever runtime drives its browser: one is enough. */
const DRIVEN_ELSEWHERE = "Bun" in globalThis ? undefined : "The tests on Bun drive this browser";

/**
 * Registers tests in a browser, on Bun, or on every runtime; where there is none, one that is skipped and says so, or fails if
 * `PLUMB_REQUIRE_BROWSERS` lists the engine: `chromium,firefox,webkit`.
 */
export function inBrowser(engine: Engine, name: string, register: () => void, onEveryRuntime = false): void {
  const title = `${name} (${engine})`;
  if (!onEveryRuntime && DRIVEN_ELSEWHERE !== undefined) {
    return void test(title, { skip: DRIVEN_ELSEWHERE }, () => {});
  }
  const missing = missingEngine(engine);
  if (missing === undefined) describe(title, register);
  else if ((process.env["PLUMB_REQUIRE_BROWSERS"] ?? "").split(",").includes(engine)) {
    test(title, () => assertEquals(missing, undefined, "PLUMB_REQUIRE_BROWSERS asks for it"));
  } else test(title, { skip: missing }, () => {});
}

/** Starts a browser. @throws {Error} if it is not installed, or does not come up. */
export async function launch(engine: Engine): Promise<Browser> {
  const missing = missingEngine(engine);
  if (missing !== undefined) throw new Error(missing);
  if (engine === "webkit") return await WebKitBrowser.launch();
  const browser = await (running[engine] ??= launched(engine));
  const context = await browser.createBrowserContext();
  return {
    engine,
    version: await browser.version(),
    async open(url) {
      const page = await context.newPage();
      page.setDefaultTimeout(WAIT_MS);
      const tab = new PuppeteerTab(page);
      await tab.goto(url);
      return tab;
    },
    close: () => context.close(),
  };
}

/** Ends the processes that `launch()` shares among browsers of one engine: behind all tests of a file. */
export async function closeBrowsers(): Promise<void> {
  const browsers = Object.values(running);
  for (const engine of ENGINES) delete running[engine];
  for (const browser of browsers) await (await browser).close();
}

function first(...paths: string[]): string | undefined {
  return paths.find((path) => existsSync(path));
}

// Chromium and Firefox

const running: Partial<Record<Engine, Promise<PuppeteerBrowser>>> = {};

async function launched(engine: "chromium" | "firefox"): Promise<PuppeteerBrowser> {
  const { default: puppeteer } = await import("puppeteer-core");
  return await puppeteer.launch({
    browser: engine === "chromium" ? "chrome" : "firefox",
    executablePath: PROGRAMS[engine]!,
    args: engine === "chromium" ? ["--no-sandbox"] : [],
    acceptInsecureCerts: true,
    timeout: WAIT_MS,
    protocolTimeout: WAIT_MS,
  });
}

/** For `waitForFunction()`: a tab in the background paints nothing, on which it waits by default. */
const POLLING = { polling: 20 };

class PuppeteerTab implements Tab {
  readonly puppeteer: Page;
  readonly faults: unknown[] = [];

  constructor(page: Page) {
    this.puppeteer = page;
    page.on("pageerror", (error) => this.faults.push(error));
  }

  evaluate<T, A extends readonly unknown[]>(what: InPage<A, T>, ...args: A): Promise<T> {
    return this.puppeteer.evaluate(what as string, ...args) as Promise<T>;
  }

  async waitFor<A extends readonly unknown[]>(what: InPage<A, unknown>, ...args: A): Promise<void> {
    const handle = await this.puppeteer.waitForFunction(what as string, POLLING, ...args);
    await handle.dispose();
  }

  async goto(url: string): Promise<void> {
    await this.puppeteer.goto(url);
  }

  async reload(): Promise<void> {
    await this.puppeteer.reload();
  }

  resize(width: number, height: number): Promise<void> {
    return this.puppeteer.setViewport({ width, height });
  }

  screenshot(): Promise<Uint8Array> {
    return this.puppeteer.screenshot();
  }

  close(): Promise<void> {
    return this.puppeteer.close();
  }
}

// WebKit

/** ms between two looks. */
const LOOK_MS = 20;

/** One session of WebDriver: each has an X server and a driver of its own, for a driver has one session at a time. */
class WebKitBrowser implements Browser {
  readonly engine = "webkit";
  readonly version: string;
  readonly #driver: Driver;
  readonly #session: string;
  /** The tab that the session begins with, until it is used. */
  #unused: string | undefined;
  /** The tab that commands go to. */
  #present: string;
  /** Commands come one behind the other, since each goes to the present tab. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(driver: Driver, session: string, version: string, handle: string) {
    this.#driver = driver;
    this.#session = session;
    this.version = version;
    this.#unused = this.#present = handle;
  }

  static async launch(): Promise<WebKitBrowser> {
    const driver = await Driver.start();
    try {
      const { sessionId, capabilities } = await driver.call<Session>("POST", "/session", {
        capabilities: {
          alwaysMatch: {
            acceptInsecureCerts: true,
            timeouts: { script: WAIT_MS, pageLoad: WAIT_MS },
            "webkitgtk:browserOptions": { binary: MINI_BROWSER, args: ["--automation"] },
          },
        },
      });
      const session = `/session/${sessionId}`;
      const handle = await driver.call<string>("GET", `${session}/window`);
      const { browserName, browserVersion } = capabilities;
      return new WebKitBrowser(driver, session, `${browserName} ${browserVersion}`, handle);
    } catch (error) {
      await driver.stop();
      throw error;
    }
  }

  /** A window of its own: a tab behind another one paints nothing, and its screenshot never comes. */
  async open(url: string): Promise<Tab> {
    const handle = this.#unused ??
      (await this.call<{ handle: string }>("POST", "/window/new", { type: "window" })).handle;
    this.#unused = undefined;
    const tab = new WebKitTab(this, handle);
    await tab.goto(url);
    return tab;
  }

  async close(): Promise<void> {
    await this.call("DELETE", "").catch(() => {});
    await this.#driver.stop();
  }

  /** One command, to this tab if one is named. */
  call<T>(method: Method, path: string, body?: unknown, handle?: string): Promise<T> {
    const answer = this.#last.then(async () => {
      if (handle !== undefined && handle !== this.#present) {
        await this.#driver.call("POST", `${this.#session}/window`, { handle });
        this.#present = handle;
      }
      return await this.#driver.call<T>(method, `${this.#session}${path}`, body);
    });
    this.#last = answer.catch(() => {});
    return answer;
  }
}

interface Session {
  readonly sessionId: string;
  readonly capabilities: { readonly browserName: string; readonly browserVersion: string };
}

class WebKitTab implements Tab {
  readonly faults: readonly unknown[] = [];
  readonly puppeteer = undefined;
  readonly #browser: WebKitBrowser;
  readonly #handle: string;

  constructor(browser: WebKitBrowser, handle: string) {
    this.#browser = browser;
    this.#handle = handle;
  }

  async evaluate<T, A extends readonly unknown[]>(what: InPage<A, T>, ...args: A): Promise<T> {
    const expression = typeof what === "string" ? what : `(${what})(...${JSON.stringify(args)})`;
    const script = `const done = arguments[arguments.length - 1];
      Promise.resolve().then(() => (${expression}))
        .then((value) => done({ value }), (error) => done({ error: String(error) }));`;
    const answer = await this.#call<{ value: T; error?: string }>("POST", "/execute/async", {
      script,
      args: [],
    });
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer.value;
  }

  async waitFor<A extends readonly unknown[]>(what: InPage<A, unknown>, ...args: A): Promise<void> {
    const end = performance.now() + WAIT_MS;
    while (!(await this.evaluate(what, ...args).catch(() => false))) {
      if (performance.now() > end) throw new Error(`It never came to this in the page: ${what}`);
      await later(LOOK_MS);
    }
  }

  async goto(url: string): Promise<void> {
    await this.#call("POST", "/url", { url });
  }

  async reload(): Promise<void> {
    await this.#call("POST", "/refresh", {});
  }

  async resize(width: number, height: number): Promise<void> {
    await this.#call("POST", "/window/rect", { width, height });
  }

  async screenshot(): Promise<Uint8Array> {
    return Uint8Array.from(atob(await this.#call<string>("GET", "/screenshot")), (c) => c.charCodeAt(0));
  }

  async close(): Promise<void> {
    await this.#call("DELETE", "/window");
  }

  #call<T>(method: Method, path: string, body?: unknown): Promise<T> {
    return this.#browser.call(method, path, body, this.#handle);
  }
}

type Method = "GET" | "POST" | "DELETE";

/** The program that speaks WebDriver, and the X server that its browser paints on. */
class Driver {
  readonly #origin: string;
  readonly #processes: readonly ChildProcess[];
  /** A test that is given up does not leave them behind. */
  readonly #exit = (): void => this.#processes.forEach((child) => child.kill("SIGKILL"));

  private constructor(origin: string, processes: readonly ChildProcess[]) {
    this.#origin = origin;
    this.#processes = processes;
    process.once("exit", this.#exit);
  }

  static async start(): Promise<Driver> {
    const screen = spawn(X_SERVER!, ["-displayfd", "1", "-screen", "0", "1600x1400x24", "-nolisten", "tcp"], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    let number = "";
    for await (const text of screen.stdout!.setEncoding("utf8")) if ((number += text).endsWith("\n")) break;
    const port = await freePort();
    const program = spawn(PROGRAMS.webkit!, [`--port=${port}`], {
      stdio: "ignore",
      env: {
        ...process.env,
        DISPLAY: `:${number.trim()}`,
        WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: "1",
        LIBGL_ALWAYS_SOFTWARE: "1",
        WEBKIT_SKIA_ENABLE_CPU_RENDERING: "1", // or screenshots are black; without compositing they never come
      },
    });
    const driver = new Driver(`http://127.0.0.1:${port}`, [program, screen]);
    for (const end = performance.now() + WAIT_MS;;) {
      try {
        await driver.call("GET", "/status");
        return driver;
      } catch (error) {
        if (performance.now() > end) {
          await driver.stop();
          throw error;
        }
        await later(LOOK_MS);
      }
    }
  }

  async call<T>(method: Method, path: string, body?: unknown): Promise<T> {
    const response = await fetch(`${this.#origin}${path}`, {
      method,
      ...body !== undefined &&
        { body: JSON.stringify(body), headers: { "content-type": "application/json" } },
    });
    const { value } = await response.json() as { value: T & { error?: string; message?: string } | null };
    if (!response.ok) throw new Error(`${method} ${path}: ${value?.error}: ${value?.message}`);
    return value as T;
  }

  /** Ends the processes, one behind the other. */
  async stop(): Promise<void> {
    process.off("exit", this.#exit);
    for (const child of this.#processes) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const over = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      await over;
    }
  }
}

function later(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
