/**
 * Pages of ours in Chromium, without a window, beside a broker of ours on one port.
 * Knows the browser and how a page gets its program; refuses to know what is tested.
 * @module
 */
import { assertEquals } from "@std/assert";
import { build, stop } from "esbuild";
import { existsSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Browser, BrowserContext, Page } from "puppeteer-core";
import { serve, type ServeOptions, type Server } from "../server/serve.ts";
import { WAIT_MS } from "./patience.ts";

const PROGRAM = ["chromium", "chromium-browser", "google-chrome"].map((name) => `/usr/bin/${name}`)
  .find((path) => existsSync(path));
const missing = PROGRAM === undefined ? "Chromium is not installed (Debian's package: chromium)" : undefined;
const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** A broker with pages, and a browser that knows none of them yet. */
export interface PageScene {
  readonly server: Server;
  /** `http:` of the pages. */
  readonly origin: string;
  /** `ws:` of the broker. */
  readonly url: string;
  readonly context: BrowserContext;
  /** Opens `/`, in a tab of its own; what goes wrong in the page fails the test. */
  open(): Promise<Page>;
}

/** What is served: by path the source of a module, which is bundled, or a page. */
export type Sources = Readonly<Record<string, string>>;

/** A page that runs `/page.js`. */
export const PAGE =
  `<!doctype html><meta charset="utf-8"><title>page</title><script type="module" src="/page.js"></script>`;

/** For `waitForFunction()`: a tab in the background paints nothing, on which it waits by default. */
export const POLLING: { readonly polling: number } = { polling: 20 };

let browser: Promise<Browser> | undefined;

/** Registers tests in a browser; where there is none, one that says so. */
export function inChromium(name: string, register: () => void): void {
  if (missing === undefined) describe(`${name} (Chromium)`, register);
  else if (process.env["PLUMB_REQUIRE_CHROMIUM"] === "1") {
    test(`${name} (Chromium)`, () =>
      assertEquals(missing, undefined, "PLUMB_REQUIRE_CHROMIUM=1 asks for it"));
  } else test(`${name} (Chromium)`, { skip: missing }, () => {});
}

/** Ends the browser: behind all tests of a file. */
export async function closeChromium(): Promise<void> {
  await (await browser)?.close();
  browser = undefined;
  await stop();
}

async function launched(): Promise<Browser> {
  const { default: puppeteer } = await import("puppeteer-core");
  return await puppeteer.launch({
    browser: "chrome",
    executablePath: PROGRAM!,
    args: ["--no-sandbox"],
    timeout: WAIT_MS,
    protocolTimeout: WAIT_MS,
  });
}

/** One program for a page. Its source may import modules by their paths from the root. */
export async function bundled(source: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: ROOT, loader: "ts" },
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022",
    logLevel: "silent",
  });
  return outputFiles[0]!.text;
}

/** Serves a broker and pages, and has a browser ready. */
export async function withPages(
  sources: Sources,
  options: ServeOptions,
  body: (scene: PageScene) => Promise<void>,
): Promise<void> {
  const texts = new Map<string, string>();
  for (const [path, source] of Object.entries(sources)) {
    texts.set(path, path.endsWith(".js") ? await bundled(source) : source);
  }
  const server = await serve({
    ...options,
    listen: ["ws://127.0.0.1:0"],
    webSocket: {
      http(request, response) {
        const path = request.url ?? "/";
        const text = texts.get(path);
        const type = path.endsWith(".js") ? "text/javascript" : "text/html";
        response.writeHead(text === undefined ? 404 : 200, {
          "content-type": type,
          "cache-control": "no-store",
        });
        response.end(text ?? "");
      },
    },
  });
  const url = server.addresses[0]!;
  const origin = new URL(url.replace(/^ws/, "http")).origin;
  const context = await (await (browser ??= launched())).createBrowserContext();
  const faults: unknown[] = [];
  try {
    await body({
      server,
      origin,
      url,
      context,
      async open() {
        const page = await context.newPage();
        page.setDefaultTimeout(WAIT_MS);
        page.on("pageerror", (error) => faults.push(error));
        await page.goto(`${origin}/`);
        return page;
      },
    });
    assertEquals(faults.map(String), []);
  } finally {
    await context.close();
    await server.close();
  }
}
