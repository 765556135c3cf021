/**
 * Pages of ours in a browser, beside a broker of ours on one port.
 * Knows how a page gets its program; refuses to know browsers, and what is tested.
 * @module
 */
import { assertEquals } from "@std/assert";
import { build, stop } from "esbuild";
import { fileURLToPath } from "node:url";
import { serve, type ServeOptions, type Server } from "../server/serve.ts";
import { type Browser, closeBrowsers, type Engine, launch, type Tab } from "./browsers.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** A broker with pages, and a browser that knows none of them yet. */
export interface PageScene {
  readonly server: Server;
  /** `http:` of the pages. */
  readonly origin: string;
  /** `ws:` of the broker. */
  readonly url: string;
  readonly browser: Browser;
  /** Opens `/`, in a tab of its own; what goes wrong in the page fails the test. */
  open(): Promise<Tab>;
}

/** What is served: by path the source of a module, which is bundled, or a page. */
export type Sources = Readonly<Record<string, string>>;

/** A page that runs `/page.js`. */
export const PAGE =
  `<!doctype html><meta charset="utf-8"><title>page</title><script type="module" src="/page.js"></script>`;

/** Ends browsers and bundler: behind all tests of a file. */
export async function closePages(): Promise<void> {
  await closeBrowsers();
  await stop();
}

/** Suites that are bundled take these from page_tests.ts. */
const IN_PAGES: readonly string[] = ["node:test", "@std/assert"];

/** One program for a page. Its source may import modules by their paths from the root, suites of tests among them. */
export async function bundled(source: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: ROOT, loader: "ts" },
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022",
    alias: Object.fromEntries(IN_PAGES.map((name) => [name, `${ROOT}src/testing/page_tests.ts`])),
    logLevel: "silent",
  });
  return outputFiles[0]!.text;
}

const TYPES: Readonly<Record<string, string>> = {
  js: "text/javascript",
  css: "text/css",
  svg: "image/svg+xml",
};

/** Serves a broker and pages, and has a browser ready. */
export async function withPages(
  sources: Sources,
  options: ServeOptions,
  body: (scene: PageScene) => Promise<void>,
  engine: Engine = "chromium",
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
        const [path = ""] = (request.url ?? "/").split("?");
        const text = texts.get(path);
        response.writeHead(text === undefined ? 404 : 200, {
          "content-type": TYPES[path.slice(path.lastIndexOf(".") + 1)] ?? "text/html",
          "cache-control": "no-store",
        });
        response.end(text ?? "");
      },
    },
  });
  const url = server.addresses[0]!;
  const origin = new URL(url.replace(/^ws/, "http")).origin;
  const browser = await launch(engine);
  const tabs: Tab[] = [];
  try {
    await body({
      server,
      origin,
      url,
      browser,
      async open() {
        const tab = await browser.open(`${origin}/`);
        tabs.push(tab);
        return tab;
      },
    });
    assertEquals(tabs.flatMap(({ faults }) => faults).map(String), []);
  } finally {
    await browser.close();
    await server.close();
  }
}
