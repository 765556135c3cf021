/**
 * A page with a broker of its own, and on the same port the broker outside that it is joined with: open it, and stop this program for a while.
 * Run: `deno run -A examples/browser_broker/serve.ts [URL]`, or `bun examples/browser_broker/serve.ts`; Ctrl-C ends it.
 * @module
 */
import { servePage } from "../shared/serve_page.ts";

await servePage(new URL(".", import.meta.url), { "/page.js": "page.js", "/worker.js": "worker.ts" });
