/**
 * Loads modules where there is nothing but the language and the text coders, so that "runs anywhere" is shown, not said.
 * Knows how to bundle and how to empty a context; refuses to know which modules are core.
 * @module
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createContext, runInContext } from "node:vm";
import { bun, run } from "./run.ts";
import { pathOf } from "./tree.ts";

/** Globals that throw when the core touches them. */
const ABSENT = [
  "Date",
  "performance",
  "crypto",
  "console",
  "process",
  "Buffer",
  "fetch",
  "require",
  "Deno",
  "Bun",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "queueMicrotask",
  "WebSocket",
];

const PRELUDE = `
for (const name of ${JSON.stringify(ABSENT)}) {
  Object.defineProperty(globalThis, name, { get() { throw new Error("The core touches " + name); } });
}
Math.random = () => { throw new Error("The core touches Math.random"); };
`;

/** What goes wrong when these modules are bundled and loaded in a bare context; nothing if all is well. */
export async function loadCore(modules: readonly string[]): Promise<string[]> {
  if (modules.length === 0) return ["There are no core modules"];
  const folder = mkdtempSync(join(tmpdir(), "plumb-core-"));
  try {
    const entry = join(folder, "entry.ts");
    const output = join(folder, "core.js");
    const lines = modules.map((path, i) => `import * as m${i} from ${JSON.stringify(pathOf(path))};`);
    const list = modules.map((_, i) => `m${i}`).join(", ");
    writeFileSync(entry, `${lines.join("\n")}\nglobalThis.loaded = [${list}];\n`);
    const built = await run([
      ...bun(),
      "build",
      entry,
      "--target=browser",
      "--format=iife",
      `--outfile=${output}`,
    ], {
      quiet: true,
    });
    return built.code === 0
      ? load(readFileSync(output, "utf8"))
      : [`The core does not bundle:\n${built.text}`];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What goes wrong when a script is run in a bare context. */
export function load(script: string): string[] {
  const context = createContext({ TextDecoder, TextEncoder });
  try {
    runInContext(PRELUDE, context);
    runInContext(script, context);
    return [];
  } catch (error) {
    return [`The core does not load in a bare context: ${error instanceof Error ? error.message : error}`];
  }
}
