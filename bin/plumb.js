#!/usr/bin/env node
/**
 * The command `plumb` for who has npm: runs it in this process, or, where Node is too old for it, on Bun or Deno.
 * Knows how the runtimes are started; refuses to know what the command does. Plain JavaScript, since an old Node runs it too.
 * @module
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";

// A clone has the sources; the package has what `scripts/build.ts` has made of them.
const source = new URL("../src/cli/main.ts", import.meta.url);
const isClone = existsSync(source);
const main = isClone ? source : new URL("../dist/npm/src/cli/main.js", import.meta.url);

/** The oldest Node that has SQLite and, for a clone, reads TypeScript. */
const NODE = [22, 18];

function isRecentNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  const isRecent = major > NODE[0] || (major === NODE[0] && minor >= NODE[1]);
  return isRecent && (!isClone || Boolean(process.features.typescript));
}

/** How each of the others is called; the first that is there is taken. */
const RUNTIMES = [["bun"], ["deno", "run", "-A"]];
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];

function start([runtime, ...before]) {
  const child = spawn(runtime, [
    ...before,
    fileURLToPath(main),
    ...process.argv.slice(2),
  ], {
    stdio: "inherit",
  });
  const passOn = (signal) => child.kill(signal);
  child.once(
    "spawn",
    () => SIGNALS.forEach((signal) => process.on(signal, passOn)),
  );
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
  const { node } = process.versions;
  process.stderr.write(
    `plumb: it runs on Node ${
      NODE.join(".")
    } or later (this is ${node}), Bun or Deno: npm install -g node@24, or bun, or deno\n`,
  );
  process.exitCode = 2;
}

async function runHere() {
  if (isClone) {
    await import(new URL("../scripts/jsr/node.js", import.meta.url).href);
  }
  await import(main.href);
}

if ("Bun" in globalThis || "Deno" in globalThis) await import(main.href);
else if (isRecentNode()) await runHere();
else await startFirst();
