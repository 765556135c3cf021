/**
 * Builds the page of the broker, and shows it with a broker that has something to see: `--build` builds only, `--shots` photographs every
 * view in Chromium and Firefox (`--only NAME,NAME`, `--engine NAME`).
 * Knows the command line; refuses to know the page.
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import type { Engine } from "../src/testing/browsers.ts";
import { BROKER_PAGE_FILE, buildBrokerPage, tellSizes } from "./page/bundle.ts";
import { Scene } from "./page/scene.ts";
import { takeShots } from "./page/shots.ts";

const { values: asked } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== "--"),
  options: {
    build: { type: "boolean", default: false },
    shots: { type: "boolean", default: false },
    only: { type: "string" },
    engine: { type: "string", default: "chromium,firefox" },
  },
});

const { sizes } = await buildBrokerPage();
const { text, isTooMuch } = tellSizes(sizes);
console.log(`${BROKER_PAGE_FILE}\n${text}`);
if (asked.build) process.exit(isTooMuch ? 1 : 0);
if (asked.shots) {
  const shots = await takeShots(asked.only?.split(","), asked.engine.split(",") as Engine[]);
  console.log(`${shots} photographs`);
  process.exit(0);
}
const scene = await Scene.start();
await scene.fill();
scene.liven();
console.log(`The page: ${scene.origin}/#token=${scene.token()}\nCtrl-C ends it.`);
await new Promise((resolve) => process.once("SIGINT", resolve));
await scene.close();
