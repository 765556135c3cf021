/**
 * Makes `dist/docs`, the API reference of every door as pages.
 * Knows the doors; refuses to know what is behind them.
 * @module
 */
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import process from "node:process";
import { deno, run } from "./lib/run.ts";
import { pathOf } from "./lib/tree.ts";

const OUT = "dist/docs";

const { exports: doors } = JSON.parse(readFileSync(pathOf("deno.json"), "utf8")) as {
  exports: Record<string, string>;
};
rmSync(pathOf(OUT), { recursive: true, force: true });
mkdirSync(pathOf(OUT), { recursive: true });
const command = [...deno(), "doc", "--html", "--name=Plumb", `--output=${OUT}`, ...Object.values(doors)];
const { code } = await run(command);
process.exit(code);
