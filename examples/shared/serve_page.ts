/**
 * What the examples with a page share: a broker that listens for WebSocket, and on the same port a page with its scripts.
 * @module
 */
import { build, stop } from "esbuild";
import { readFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { serve } from "../../mod.ts"; // from a package: "@plumb/mqtt"

/** Serves `index.html` of a folder, and its scripts by their paths, until Ctrl-C. */
export async function servePage(folder: URL, scripts: Readonly<Record<string, string>>): Promise<void> {
  const [url = "ws://127.0.0.1:8083/mqtt"] = process.argv.slice(2);
  const pathOf = (name: string): string => fileURLToPath(new URL(name, folder));
  const pages = new Map([["/", ["text/html", readFileSync(pathOf("index.html"), "utf8")]]]);
  for (const [path, script] of Object.entries(scripts)) {
    const { outputFiles } = await build({
      entryPoints: [pathOf(script)],
      bundle: true,
      write: false,
      format: "esm",
      platform: "browser",
      target: "es2022",
    });
    pages.set(path, ["text/javascript", outputFiles[0]!.text]);
  }
  await stop();

  const server = await serve({
    listen: [url],
    webSocket: {
      http(request, response) {
        const [path = ""] = (request.url ?? "").split("?");
        const [type = "text/plain", text = "There is no such page\n"] = pages.get(path) ?? [];
        response.writeHead(pages.has(path) ? 200 : 404, { "content-type": type }).end(text);
      },
    },
  });
  console.log(`listening on ${server.addresses.join(", ")}`);
  await new Promise((resolve) => process.once("SIGINT", resolve));
  await server.close();
  console.log("closed");
}
