/**
 * The page of the broker at `/` of listeners for WebSocket.
 * Knows its paths and its policy; refuses to know what it shows, and where that comes from.
 * @module
 */
import type { RequestListener } from "node:http";
import type { HttpPart } from "../server/http_part.ts";
import { builtFiles, isBuilt, type PageFiles, showFiles } from "./built_page.ts";

/** By scripts/page/bundle.ts. */
const FILE = "page.bin";

/** Everything comes from this host, WebSockets too. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Answers requests for the page, whose files are read with the first one. */
export function brokerPage(files: () => Promise<PageFiles>): RequestListener {
  return showFiles("/", POLICY, files);
}

const builtBrokerPage = brokerPage(() => builtFiles(FILE));

/** From the source the page has to be built first; the API is there without it. */
const NO_PAGE = "The page of the broker was not built: deno task page --build makes it\n";

/** `/`, and the names of files. */
const PATHS = /^\/(?:[a-zA-Z0-9_-]+\.(?:js|css|svg))?(?:\?|$)/;

/** The page by these files, for what asks part after part. */
export function pagePartOf(page: RequestListener): HttpPart {
  return (request, response) => {
    if (!PATHS.test(request.url ?? "")) return false;
    page(request, response);
    return true;
  };
}

/** The page that was built with this program: one function for all listeners and reloads. */
export const brokerPagePart: HttpPart = pagePartOf((request, response) => {
  if (isBuilt(FILE)) return builtBrokerPage(request, response);
  response.writeHead(503, { "content-type": "text/plain; charset=utf-8" }).end(NO_PAGE);
});
