/**
 * Bundles the browser tests: the page of `dist/browser_tests/`, and the program of all rows for other engines.
 * Knows esbuild, and what stands in for the parts of Node that the tests import; refuses to know what is tested.
 * @module
 */
import { build, type Plugin, stop } from "esbuild";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { writePage } from "../lib/page_file.ts";
import { pathOf } from "../lib/tree.ts";

const OWN = "scripts/browser_tests";

/** Where the page is put, for any web server. */
export const PAGE_FOLDER = "dist/browser_tests";
/** The same in one file, for the broker. */
export const PAGE_FILE = "dist/browser_tests.bin";

/** Modules by the end of their path or their name, and what takes their place. */
const STAND_INS: Readonly<Record<string, string>> = {
  "node:test": "runner.ts",
  "node:timers": "stand_ins/node_timers.ts",
  "node:process": "stand_ins/node_process.ts",
  "node:fs": "stand_ins/node_fs.ts",
  "node:crypto": "stand_ins/node_crypto.ts",
  "node:util": "stand_ins/node_util.ts",
  "/runtime/listen.ts": "stand_ins/listen.ts",
};

/** Tables of the standard that tests read. */
const SPEC_TEXTS = ["mqtt-5.0-properties.tsv", "mqtt-5.0-reason-codes.tsv"];

/** For bundles with the auditor: what stands in for Node and its sockets. */
export const standIns: Plugin = {
  name: "stand-ins",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:|\/runtime\/listen\.ts$/ }, ({ path, importer }) => {
      const found = Object.entries(STAND_INS).find(([name]) => path === name || path.endsWith(name));
      if (found === undefined) throw new Error(`${importer} imports ${path}, which a page does not have`);
      return { path: pathOf(`${OWN}/${found[1]}`) };
    });
    // What an auditor without sockets does not come to.
    onResolve({ filter: /\/runtime\/(dial|tls\/tls)\.ts$/ }, ({ path }) => ({ path, namespace: "none" }));
    onLoad({ filter: /.*/, namespace: "none" }, () => ({
      contents: `const none = () => { throw new Error("There are no sockets here"); };
        export { none as dial, none as dialTcp, none as listenTls };
        export const dialTrouble = (error) => error instanceof Error ? error.message : String(error);`,
      loader: "js",
    }));
  },
};

/** Bundles one program. */
async function bundled(entry: string, more: Readonly<Record<string, string>> = {}): Promise<string> {
  const texts = SPEC_TEXTS.map((name) => [name, readFileSync(pathOf(`spec/${name}`), "utf8")]);
  const { outputFiles } = await build({
    entryPoints: [pathOf(`${OWN}/${entry}`)],
    bundle: true,
    minifyWhitespace: true, // names of classes stand in what tests compare; esbuild's keepNames takes time for each closure
    minifySyntax: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022",
    legalComments: "none",
    logLevel: "silent",
    plugins: [standIns],
    define: { PLUMB_SPEC_TEXTS: JSON.stringify(Object.fromEntries(texts)), ...more },
  });
  return outputFiles[0]!.text;
}

/** The files of the page by name, and one file with all of them: written to `dist/`. */
export async function buildPage(version: string): Promise<ReadonlyMap<string, string>> {
  const files = new Map([
    ["index.html", readFileSync(pathOf(`${OWN}/index.html`), "utf8")],
    ["page.js", await bundled("main.ts", { PLUMB_VERSION: JSON.stringify(version) })],
  ]);
  writePage("browser_tests", files);
  await stop();
  return files;
}

/** MQTT.js as a script that sets `mqtt`, for the comparison of speeds. */
export async function buildMqttjs(): Promise<string> {
  const { outputFiles } = await build({
    stdin: {
      contents: `import mqtt from "mqtt"; globalThis.mqtt = mqtt;`,
      resolveDir: pathOf("."),
      loader: "js",
    },
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    platform: "browser",
    target: "es2022",
    logLevel: "silent",
  });
  await stop();
  return outputFiles[0]!.text;
}

/** The program of all rows: its path. */
export async function buildEngineReport(): Promise<string> {
  mkdirSync(pathOf("dist/engines"), { recursive: true });
  const path = pathOf("dist/engines/engines.mjs");
  writeFileSync(path, await bundled("engine_report.ts"));
  await stop();
  return path;
}
