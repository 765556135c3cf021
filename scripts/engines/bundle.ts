/**
 * Bundles tests and simulations into one script for an engine that has the language and nothing else.
 * Knows esbuild and what stands in for a runtime; refuses to know engines. Only tests get text coders: the core must do without.
 * @module
 */
import { build, type Plugin } from "esbuild";
import { readFileSync } from "node:fs";
import { pathOf, ROOT } from "../lib/tree.ts";

/** What a bare engine has in place of modules of a runtime. */
const SHIMS: Readonly<Record<string, string>> = {
  "node:test": "runner",
  "node:util": "util",
  "node:timers": "timers",
  "node:process": "process",
};

/** Modules that get more than the language: tests, and what only tests use. */
const TESTS = /(_test\.ts|\/src\/testing\/[^/]*\.ts|\/fast-check\/.*)$/;
/** What those of some paths get, if they name it. */
const GIVEN: readonly { readonly at: RegExp; readonly names: RegExp; readonly line: string }[] = [
  {
    at: TESTS,
    names: /\bText(De|En)coder\b/,
    line: `import { TextDecoder, TextEncoder } from ${JSON.stringify(shim("text_coders"))};`,
  },
  {
    at: TESTS,
    names: /\bstructuredClone\b/,
    line: `import { structuredClone } from ${JSON.stringify(shim("util"))};`,
  },
  {
    at: /\/fast-check\//,
    names: /\b(set|clear)Timeout\b/,
    line: `import { clearTimeout, setTimeout } from ${JSON.stringify(shim("timers"))};`,
  },
];

function shim(name: string): string {
  return pathOf(`scripts/engines/shims/${name}.ts`);
}

const SHIMMED: Plugin = {
  name: "bare",
  setup(build) {
    build.onResolve({ filter: /^fast-check$/ }, ({ importer }) => {
      return importer.endsWith("/shims/fast_check.ts") ? undefined : { path: shim("fast_check") };
    });
    build.onResolve({ filter: /^node:/ }, ({ path }) => {
      const name = SHIMS[path];
      return name === undefined ? undefined : { path: shim(name) };
    });
    build.onLoad({ filter: TESTS }, ({ path }) => {
      const text = readFileSync(path, "utf8");
      const given = GIVEN.filter(({ at, names }) => at.test(path) && names.test(text)).map(({ line }) =>
        line
      );
      return { contents: [...given, text].join(" "), loader: path.endsWith(".ts") ? "ts" : "js" };
    });
  },
};

/** How a bundle is made. */
export interface BundleOptions {
  /** Of esbuild: what the engine knows, or `es5`, which TypeScript translates to. Default: es2022. */
  readonly target?: string;
  readonly minify?: boolean;
}

/** One script, of an entry in TypeScript whose imports are relative to the root. Throws what esbuild has against it. */
export async function bundle(entry: string, options: BundleOptions = {}): Promise<string> {
  const { target = "es2022", minify = false } = options;
  const isEs5 = target === "es5";
  const { outputFiles } = await build({
    stdin: { contents: entry, resolveDir: ROOT, loader: "ts", sourcefile: "entry.ts" },
    bundle: true,
    write: false,
    format: "iife",
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["import"],
    target: isEs5 ? "es2015" : target,
    minify,
    keepNames: !minify && !isEs5,
    legalComments: "none",
    logLevel: "silent",
    plugins: [SHIMMED],
  });
  const { text } = outputFiles[0]!;
  return isEs5 ? await toEs5(text) : text;
}

/** Without classes, generators, arrow functions; the library of the language stays as it is. */
async function toEs5(script: string): Promise<string> {
  const { default: ts } = await import("typescript");
  const compilerOptions = {
    target: ts.ScriptTarget.ES5,
    downlevelIteration: true,
    module: ts.ModuleKind.None,
  };
  return ts.transpileModule(script, { compilerOptions }).outputText;
}

/** `engine.digest(name, seed)`: the simulations. */
export const SIMULATION_ENTRY = `
import { digestOf } from "./src/testing/simulations.ts";
globalThis.engine = { digest: digestOf };
`;

/** `engine.count()` and `engine.run(at)`: the tests of these files. A property is tried `numRuns` times at most. */
export function testEntry(files: readonly string[], numRuns: number): string {
  const imports = files.map((file) => `import ${JSON.stringify(`./${file}`)};`);
  return `
import "./scripts/engines/shims/fast_check.ts";
globalThis.numRunsMax = ${numRuns};
import { count, runTest } from "./scripts/engines/shims/runner.ts";
${imports.join("\n")}
globalThis.engine = { count, run: runTest };
`;
}
