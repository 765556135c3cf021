/**
 * Pages that were built with this program: files in one compressed file, which listeners for WebSocket show.
 * Knows where such a file is, and how its parts are answered; refuses to know what is in them.
 * @module
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { embeddedFile } from "../runtime/embedded.ts";

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
};

/** Texts by the names of their files. */
export type PageFiles = ReadonlyMap<string, string>;

/** Where the file is, if it was built: from the source, and from the package, whose modules are in `dist/npm/src/cli`. */
function place(file: string): string | undefined {
  const paths = [`../../dist/${file}`, `../../../${file}`];
  return paths.map((path) => fileURLToPath(new URL(path, import.meta.url))).find((path) => existsSync(path));
}

/** Whether the file is in this program, or beside it. */
export function isBuilt(file: string): boolean {
  return embeddedFile(file) !== undefined || place(file) !== undefined;
}

/** Reads what scripts/lib/page_file.ts has written: compressed JSON by name. */
export async function builtFiles(file: string): Promise<PageFiles> {
  const bytes = await (embeddedFile(file)?.() ?? readFile(place(file)!));
  return new Map(Object.entries(JSON.parse(gunzipSync(bytes).toString())));
}

interface Packed {
  readonly bytes: Uint8Array;
  readonly tag: string;
}

/**
 * Answers requests for files below the path `at`, which ends with a slash; `at` itself is `index.html`. They are read with the first
 * request. `policy` is their Content-Security-Policy.
 */
export function showFiles(at: string, policy: string, files: () => Promise<PageFiles>): RequestListener {
  let packed: Promise<ReadonlyMap<string, Packed>> | undefined;
  return async (request, response) => {
    const [path = ""] = (request.url ?? "").split("?");
    if (request.method !== "GET" && request.method !== "HEAD") {
      return void response.writeHead(405, { allow: "GET, HEAD" }).end();
    }
    if (`${path}/` === at) return void response.writeHead(308, { location: at }).end();
    packed ??= files().then((all) =>
      new Map([...all].map(([name, text]) => {
        const bytes = gzipSync(text, { level: 9 });
        return [name, {
          bytes,
          tag: `"${createHash("sha256").update(text).digest("base64url").slice(0, 22)}"`,
        }];
      }))
    );
    const name = path.startsWith(at) ? path.slice(at.length) || "index.html" : "";
    const found = (await packed).get(name);
    if (found === undefined) {
      return void response.writeHead(404, { "content-type": "text/plain" }).end("There is no such page\n");
    }
    answer(request, response, found, {
      "content-type": TYPES[name.split(".").at(-1)!] ?? "application/octet-stream",
      "content-security-policy": policy,
    });
  };
}

function answer(
  { method, headers }: IncomingMessage,
  response: ServerResponse,
  { bytes, tag }: Packed,
  own: Readonly<Record<string, string>>,
): void {
  const always = {
    ...own,
    "cache-control": "no-cache",
    etag: tag,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    vary: "accept-encoding",
  };
  if (headers["if-none-match"] === tag) return void response.writeHead(304, always).end();
  const isPacked = /\bgzip\b/.test(String(headers["accept-encoding"] ?? ""));
  response.writeHead(200, { ...always, ...isPacked && { "content-encoding": "gzip" } });
  response.end(method === "HEAD" ? undefined : isPacked ? bytes : gunzipSync(bytes));
}
