/**
 * The page of the browser tests at `/test/` of listeners for WebSocket.
 * Knows its path and its policy; refuses to know what is in it.
 * @module
 */
import type { RequestListener } from "node:http";
import type { HttpPart } from "../server/http_part.ts";
import { builtFiles, isBuilt, type PageFiles, showFiles } from "./built_page.ts";
import { CallError } from "./error.ts";

/** By scripts/browser_tests/bundle.ts. */
const FILE = "browser_tests.bin";

/** The page asks nobody but this host, and brokers that a person names. */
const POLICY = "default-src 'self'; connect-src 'self' ws: wss:; style-src 'unsafe-inline'; img-src data:; " +
  "worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

/** @throws {CallError} if the page is asked for and was not built. */
export function checkTestPage(): void {
  if (isBuilt(FILE)) return;
  throw new CallError(
    "--websocket-test-page: there is no test page here; deno task browser --build makes it",
  );
}

/** Answers requests for the page, whose files are read with the first one. */
export function testPage(files: () => Promise<PageFiles>): RequestListener {
  return showFiles("/test/", POLICY, files);
}

const builtTestPage = testPage(() => builtFiles(FILE));

/** The page that was built with this program: one function for all listeners and reloads. */
export const testPagePart: HttpPart = (request, response) => {
  if (!/^\/test(?:[/?]|$)/.test(request.url ?? "")) return false;
  builtTestPage(request, response);
  return true;
};
