/**
 * The documentation at `/docs/` of listeners for WebSocket; `/docs/statements/ID` leads to the statement.
 * Knows its paths and its policy; refuses to know what is in it.
 * @module
 */
import type { RequestListener } from "node:http";
import type { HttpPart } from "../server/http_part.ts";
import { builtFiles, isBuilt, type PageFiles, showFiles } from "./built_page.ts";

/** By scripts/site/build.ts. */
const FILE = "site.bin";
const AT = "/docs/";

/** Nothing is run, and nothing is loaded from elsewhere. */
const POLICY =
  "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** From the source the site has to be built first. */
const NO_SITE = "The documentation was not built: deno task site makes it\n";

/** Answers requests for the site, whose files are read with the first one. */
export function docsSite(files: () => Promise<PageFiles>): RequestListener {
  let read: Promise<PageFiles> | undefined;
  const once = () => read ??= files();
  const show = showFiles(AT, POLICY, once);
  return async (request, response) => {
    const [path = ""] = (request.url ?? "").split("?");
    const redirects: Record<string, string> = JSON.parse((await once()).get("redirects.json") ?? "{}");
    const name = path.slice(AT.length).replaceAll(/%2f/gi, "/").toLowerCase();
    if (Object.hasOwn(redirects, name)) {
      return void response.writeHead(302, { location: AT + redirects[name], "cache-control": "no-cache" })
        .end();
    }
    show(request, response);
  };
}

const builtDocs = docsSite(() => builtFiles(FILE));

/** The documentation that was built with this program: one function for all listeners and reloads. */
export const docsPart: HttpPart = (request, response) => {
  if (!/^\/docs(?:[/?]|$)/.test(request.url ?? "")) return false;
  if (isBuilt(FILE)) builtDocs(request, response);
  else response.writeHead(503, { "content-type": "text/plain; charset=utf-8" }).end(NO_SITE);
  return true;
};
