/**
 * The page of the browser tests at `/test/` of listeners for WebSocket.
 * Knows where its files are, and what is answered; refuses to know what is in them.
 * @module
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import type { HttpPart } from "../server/http_part.ts";
import { embeddedFile } from "../runtime/embedded.ts";
import { CallError } from "./error.ts";

/** By scripts/browser_tests/bundle.ts: all files of the page, compressed JSON by name. */
const FILE = "browser_tests.bin";
/** From the source, and from the package, whose modules are in `dist/npm/src/cli`. */
const PLACES = [`../../dist/${FILE}`, `../../../${FILE}`];

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
};

/** The page asks nobody but this host, and brokers that a person names. */
const POLICY = "default-src 'self'; connect-src 'self' ws: wss:; style-src 'unsafe-inline'; img-src data:; " +
  "worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

/** Where the files are, if they were built. */
function place(): string | undefined {
  const paths = PLACES.map((path) => fileURLToPath(new URL(path, import.meta.url)));
  return paths.find((path) => existsSync(path));
}

/** @throws {CallError} if the page is asked for and was not built. */
export function checkTestPage(): void {
  if (embeddedFile(FILE) !== undefined || place() !== undefined) return;
  throw new CallError(
    "--websocket-test-page: there is no test page here; deno task browser --build makes it",
  );
}

async function builtFiles(): Promise<ReadonlyMap<string, string>> {
  const path = place();
  const bytes = await (embeddedFile(FILE)?.() ?? readFile(path!));
  return new Map(Object.entries(JSON.parse(gunzipSync(bytes).toString())));
}

/** Answers requests for the page, whose files are read with the first one. */
export function testPage(files: () => Promise<ReadonlyMap<string, string>>): RequestListener {
  let packed: Promise<ReadonlyMap<string, Uint8Array>> | undefined;
  return async (request, response) => {
    const [path = ""] = (request.url ?? "").split("?");
    const [, name] = /^\/test\/([a-z.]*)$/.exec(path) ?? [];
    if (request.method !== "GET" && request.method !== "HEAD") return void response.writeHead(405).end();
    if (path === "/test") return void response.writeHead(308, { location: "/test/" }).end();
    packed ??= files().then((all) =>
      new Map([...all].map(([name, text]) => [name, gzipSync(text, { level: 9 })]))
    );
    const own = name === "" ? "index.html" : name;
    const bytes = own === undefined ? undefined : (await packed).get(own);
    if (bytes === undefined) {
      return void response.writeHead(404, { "content-type": "text/plain" }).end("There is no such page\n");
    }
    const isPacked = /\bgzip\b/.test(String(request.headers["accept-encoding"] ?? ""));
    response.writeHead(200, {
      "content-type": TYPES[own!.split(".").at(-1)!] ?? "application/octet-stream",
      "cache-control": "no-cache",
      "content-security-policy": POLICY,
      "x-content-type-options": "nosniff",
      vary: "accept-encoding",
      ...isPacked && { "content-encoding": "gzip" },
    });
    response.end(request.method === "HEAD" ? undefined : isPacked ? bytes : gunzipSync(bytes));
  };
}

const builtTestPage = testPage(builtFiles);

/** The page that was built with this program: one function for all listeners and reloads. */
export const testPagePart: HttpPart = (request, response) => {
  if (!/^\/test(?:[/?]|$)/.test(request.url ?? "")) return false;
  builtTestPage(request, response);
  return true;
};
