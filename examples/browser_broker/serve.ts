/**
 * A page with a broker of its own, and on the same port the broker outside that it is joined with: open it, and stop this program for a while.
 * Run: `deno run -A examples/browser_broker/serve.ts [URL]`, or `bun examples/browser_broker/serve.ts`; Ctrl-C ends it.
 * @module
 */
import { build, stop } from "esbuild";
import { readFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { serve } from "../../mod.ts"; // from a package: "@plumb/mqtt"

const [url = "ws://127.0.0.1:8083/mqtt"] = process.argv.slice(2);

function pathOf(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

async function bundled(name: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [pathOf(name)],
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022",
  });
  return outputFiles[0]!.text;
}

const pages: Readonly<Record<string, readonly [type: string, text: string]>> = {
  "/": ["text/html", readFileSync(pathOf("index.html"), "utf8")],
  "/page.js": ["text/javascript", await bundled("page.js")],
  "/worker.js": ["text/javascript", await bundled("worker.ts")],
};
await stop();

const server = await serve({
  listen: [url],
  webSocket: {
    http(request, response) {
      const [path = ""] = (request.url ?? "").split("?");
      const [type, text] = pages[path] ?? [];
      response.writeHead(text === undefined ? 404 : 200, { "content-type": type ?? "text/plain" });
      response.end(text ?? "There is no such page\n");
    },
  },
});

console.log(`listening on ${server.addresses.join(", ")}`);
await new Promise((resolve) => process.once("SIGINT", resolve));
await server.close();
console.log("closed");
