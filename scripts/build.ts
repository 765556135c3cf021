/**
 * Makes `dist/npm`: JavaScript and declarations of what is published to npm. `npm pack` runs it.
 * Knows the doors and the compiler; refuses to know what the modules do.
 * @module
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, posix } from "node:path";
import ts from "typescript";
import { buildPage, PAGE_FILE } from "./browser_tests/bundle.ts";
import { pathOf } from "./lib/tree.ts";
import { buildSite, SITE_FILE } from "./site/build.ts";
import { BROKER_PAGE_FILE, buildBrokerPage, tellSizes } from "./page/bundle.ts";

const OUT = "dist/npm";
/** What is run, or loaded by its name, and so imported by no door. */
const PROGRAMS = [
  "src/cli/main.ts",
  "src/store/worker.ts",
  "src/bench/worker.ts",
  "src/login/worker.ts",
  "src/rules/worker.ts",
];

const { exports: doors } = JSON.parse(readFileSync(pathOf("deno.json"), "utf8"));
const config = ts.readConfigFile(pathOf("tsconfig.json"), ts.sys.readFile).config;
const { options } = ts.convertCompilerOptionsFromJson(
  { ...config.compilerOptions, noEmit: false },
  pathOf("."),
);
/** Files of ours that are imported by the name of a package, which npm does not have. */
const own: Readonly<Record<string, readonly string[]>> = config.compilerOptions.paths;

/** What TypeScript's `lib` has from `esnext` on only. */
const DISPOSABLE = '/// <reference lib="esnext.disposable" />\n';

/** The file of ours that `name` stands for in `file`; undefined for a package and what the runtime has. */
function fileOf(file: string, name: string): string | undefined {
  return own[name]?.[0]?.slice(2) ??
    (name.startsWith(".") ? posix.join(posix.dirname(file), name) : undefined);
}

/** The text of a module with paths to JavaScript where those of its source are. */
function forJavaScript(file: string, text: string): string {
  return text.replaceAll(
    /(\bfrom |\bimport |\bimport\()"([^"\n]+)"/g,
    (all, before: string, name: string) => {
      const target = fileOf(file, name);
      if (target === undefined) return all;
      const path = posix.relative(posix.dirname(file), target).replace(/\.ts$/, ".js");
      return `${before}"${path.startsWith(".") ? path : `./${path}`}"`;
    },
  );
}

function write(file: string, text: string): void {
  const path = pathOf(`${OUT}/${file}`);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

rmSync(pathOf(OUT), { recursive: true, force: true });
const files = new Set([...Object.values<string>(doors), ...PROGRAMS].map((path) => posix.normalize(path)));
for (const file of files) { // grows on the way
  const source = readFileSync(pathOf(file), "utf8");
  for (const { fileName } of ts.preProcessFile(source, true, true).importedFiles) {
    const target = fileOf(file, fileName);
    if (target !== undefined) files.add(target);
  }
  const settings = { fileName: pathOf(file), compilerOptions: options };
  const stem = file.replace(/\.ts$/, "");
  write(`${stem}.js`, forJavaScript(file, ts.transpileModule(source, settings).outputText));
  // TypeScript 5.9 declares a method with a computed name twice here, first as a property.
  const declared = ts.transpileDeclaration(source, settings).outputText.replaceAll(
    /^ *\[Symbol\.\w+\]: .*\n/gm,
    "",
  );
  const types = forJavaScript(file, declared);
  write(`${stem}.d.ts`, types.includes("AsyncDisposable") ? DISPOSABLE + types : types);
}
await buildPage(JSON.parse(readFileSync(pathOf("deno.json"), "utf8")).version);
buildSite();
const { sizes } = await buildBrokerPage();
console.log(
  `${OUT}: ${files.size} modules, ${PAGE_FILE}, ${SITE_FILE} and ${BROKER_PAGE_FILE}\n${
    tellSizes(sizes).text
  }`,
);
