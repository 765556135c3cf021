/**
 * Embeds Plumb in programs of another folder, as its users do: by path, from the package that `npm pack` makes, by npm and by
 * Bun; checks their types with Deno and TypeScript, bundles them with esbuild, runs them, and calls the command. It asks npm for
 * TypeScript and esbuild.
 * Knows how a project is set up; refuses to know what the library does.
 * @module
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bun, deno, node, NODE_FLAGS, run } from "./lib/run.ts";
import { pathOf } from "./lib/tree.ts";

const { exports: doors, version } = JSON.parse(readFileSync(pathOf("deno.json"), "utf8")) as {
  exports: Record<string, string>;
  version: string;
};
/** Doors that have nothing when a program runs. */
const TYPES_ALONE: readonly string[] = ["./hooks"];
const LIMIT_MS = 5 * 60_000;
/** Strict, and the declarations of packages are looked at too. */
const TSC = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess"];

/** A program that uses every door; `door` says how one is imported. */
function program(door: (name: string) => string): string {
  const all = Object.keys(doors).filter((name) => name !== ".").map((name, i) =>
    `import * as door${i} from "${door(name)}";\nif (Object.keys(door${i}).length === 0 && ${!TYPES_ALONE
      .includes(name)}) throw new Error("${name} is empty");`
  );
  return `import { type BrokerHooks, LIMITS, serve, type Server } from "${door(".")}";
${all.join("\n")}
const connected: string[] = [];
const hooks: BrokerHooks = { connected: ({ clientId }) => connected.push(clientId) };
async function main(): Promise<void> {
  const limits = { connectionsMax: LIMITS.connectionsMax.default };
  const server: Server = await serve({ listen: ["mqtt://127.0.0.1:0"], hooks, limits });
  server.publish({ topic: "greetings", payload: "hello", retain: true });
  await server.close();
  console.log("embedded");
}
void main();
`;
}

const nodeCommand = node() ?? ["no Node that reads TypeScript"];
const folder = mkdtempSync(join(tmpdir(), "plumb-embed-"));
let failed = 0;

/** One step in a folder; says how it went. */
async function step(name: string, cwd: string, command: readonly string[], says = ""): Promise<void> {
  const { code, text, seconds } = await run(command, { quiet: true, limitMs: LIMIT_MS, cwd });
  const isOk = code === 0 && text.includes(says);
  if (!isOk) failed++;
  if (!isOk) console.log(text.trimEnd());
  console.log(`${isOk ? "ok" : "FAILED"} ${name} (${seconds.toFixed(1)} s)`);
}

/** A folder for a project, with its files. */
function project(name: string, files: Readonly<Record<string, string>>): string {
  const path = join(folder, name);
  mkdirSync(path);
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
  return path;
}

try {
  const byPath = project("by-path", { "app.ts": program((name) => pathOf(doors[name]!.slice(2))) });
  await step("by path: deno check", byPath, [...deno(), "check", "app.ts"]);
  await step("by path: deno run", byPath, [...deno(), "run", "-A", "app.ts"], "embedded");
  await step("by path: bun", byPath, [...bun(), "app.ts"], "embedded");
  await step("by path: node", byPath, [...nodeCommand, ...NODE_FLAGS, "app.ts"], "embedded");

  await step("npm pack", pathOf("."), ["npm", "pack", "--pack-destination", folder]);
  const packed = join(folder, readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "nothing.tgz");
  const packedProgram = program((name) => `@plumb/mqtt${name.slice(1)}`);
  const installers: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ["npm i", ["npm", "i", "--no-audit", "--no-fund"], ["npx", "--no-install"]],
    ["bun add", [...bun(), "add"], [...bun(), "x", "--no-install"]],
  ];
  for (const [name, install, call] of installers) {
    const path = project(name.replace(" ", "-"), {
      "package.json": '{ "private": true, "type": "module" }\n',
      "app.ts": packedProgram,
    });
    await step(`${name}: installs`, path, [...install, packed, "typescript@^5.9.3", "esbuild@^0.28.2"]);
    const tsc = [...call, "tsc", ...TSC, "--target", "es2022", "--lib", "es2022,dom"];
    await step(`${name}: tsc, NodeNext`, path, [...tsc, "--module", "nodenext", "app.ts"]);
    const bundler = ["--module", "esnext", "--moduleResolution", "bundler"];
    await step(`${name}: tsc, Bundler`, path, [...tsc, ...bundler, "app.ts"]);
    await step(`${name}: deno check`, path, [...deno(), "check", "app.ts"]);
    await step(`${name}: deno run`, path, [...deno(), "run", "-A", "app.ts"], "embedded");
    await step(`${name}: bun`, path, [...bun(), "app.ts"], "embedded");
    await step(`${name}: node`, path, [...nodeCommand, "app.ts"], "embedded");
    await step(`${name}: the command`, path, [...call, "plumb", "--version"], `plumb ${version}`);
    const command = [...nodeCommand, "node_modules/.bin/plumb", "--version"];
    await step(`${name}: the command on Node`, path, command, `plumb ${version}`);
    const esbuild = [...call, "esbuild", "--bundle", "--platform=node", "--log-level=error"];
    await step(`${name}: esbuild`, path, [...esbuild, "--format=esm", "app.ts", "--outfile=out.mjs"]);
    await step(`${name}: its bundle on Deno`, path, [...deno(), "run", "-A", "out.mjs"], "embedded");
    await step(`${name}: its bundle on Bun`, path, [...bun(), "out.mjs"], "embedded");
    await step(`${name}: its bundle on Node`, path, [...nodeCommand, "out.mjs"], "embedded");
    const source = pathOf("mod.ts");
    await step(`${name}: esbuild of mod.ts`, path, [...esbuild, "--format=esm", source, "--outfile=mod.mjs"]);
  }
} finally {
  rmSync(folder, { recursive: true });
}
console.log(failed === 0 ? "Embedding: all well" : `Embedding: ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
