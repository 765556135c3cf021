/**
 * A broker, and on the same port a page whose tabs share one connection to it: open it in several tabs.
 * Run: `deno run -A examples/shared_worker/serve.ts [URL]`, or `bun examples/shared_worker/serve.ts`; Ctrl-C ends it.
 * @module
 */
import { servePage } from "../shared/serve_page.ts";

await servePage(new URL(".", import.meta.url), { "/tab.js": "tab.ts", "/worker.js": "worker.ts" });
