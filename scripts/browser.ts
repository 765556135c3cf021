/**
 * Builds the page of the browser tests and serves it beside a broker; or drives it in browsers:
 * `--drive all|chromium,firefox,webkit`, `--build` builds only, `--listen ws://HOST:PORT`, `--mqttjs`, `--seeds N`, `--only PART,PART`,
 * `--parallel`.
 * Knows the command line; refuses to know what the page tests.
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { VERSION } from "../src/cli/version.ts";
import { buildPage, PAGE_FOLDER } from "./browser_tests/bundle.ts";
import { drive } from "./browser_tests/drive.ts";
import { servePage } from "./browser_tests/serve.ts";

const { values: asked } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== "--"),
  options: {
    build: { type: "boolean", default: false },
    drive: { type: "string" },
    listen: { type: "string", default: "ws://127.0.0.1:8083/mqtt" },
    mqttjs: { type: "boolean", default: false },
    seeds: { type: "string", default: "20" },
    only: { type: "string" },
    parallel: { type: "boolean", default: false },
  },
});

const files = await buildPage(VERSION);
if (asked.build) {
  for (const [name, text] of files) console.log(`${PAGE_FOLDER}/${name}: ${text.length} bytes`);
  process.exit(0);
}
if (asked.drive !== undefined) {
  process.exit(
    await drive(files, asked.drive, {
      seeds: Number(asked.seeds),
      only: asked.only?.split(","),
      parallel: asked.parallel,
    }),
  );
}
const { server, page } = await servePage(files, asked);
console.log(
  `The browser tests: ${page}\nThe broker:        ${server.addresses.join(" ")}\nCtrl-C ends both.`,
);
await new Promise((resolve) => process.once("SIGINT", resolve));
await server.close();
