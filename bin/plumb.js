#!/usr/bin/env node
/**
 * The command `plumb` for who has npm: starts it on Bun or Deno, in this process if that is one of them.
 * Knows how the runtimes are started; refuses to know what the command does. Plain JavaScript, since Node runs it.
 * @module
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";

// A clone has the sources; the package has what `scripts/build.ts` has made of them.
const source = new URL("../src/cli/main.ts", import.meta.url);
const main = existsSync(source) ? source : new URL("../dist/npm/src/cli/main.js", import.meta.url);

/** How each runtime is called; the first that is there is taken. */
const RUNTIMES = [["bun"], ["deno", "run", "-A"]];
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];

function start([runtime, ...before]) {
  const child = spawn(runtime, [...before, fileURLToPath(main), ...process.argv.slice(2)], {
    stdio: "inherit",
  });
  const passOn = (signal) => child.kill(signal);
  child.once("spawn", () => SIGNALS.forEach((signal) => process.on(signal, passOn)));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (status, signal) => {
      SIGNALS.forEach((signal) => process.off(signal, passOn));
      resolve([status, signal]);
    });
  });
}

async function startFirst() {
  for (const runtime of RUNTIMES) {
    try {
      const [status, signal] = await start(runtime);
      if (signal !== null) return process.kill(process.pid, signal);
      process.exitCode = status;
      return;
    } catch (error) {
      if (error.code !== "ENOENT") throw error;
    }
  }
  process.stderr.write(
    "plumb: it runs on Bun or Deno, and neither is on the PATH: npm install -g bun, or npm install -g deno\n",
  );
  process.exitCode = 2;
}

if ("Bun" in globalThis || "Deno" in globalThis) await import(main.href);
else await startFirst();
