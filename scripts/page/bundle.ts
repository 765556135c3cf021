/**
 * Bundles the page of the broker: `dist/page/` and `dist/page.bin`.
 * Knows esbuild, and what a visitor pays; refuses to know what the page shows.
 * @module
 */
import { build, type OutputFile, stop } from "esbuild";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { gzipSync } from "node:zlib";
import { standIns } from "../browser_tests/bundle.ts";
import { writePage } from "../lib/page_file.ts";
import { pathOf } from "../lib/tree.ts";

/** The same in one file, for the broker. */
export const BROKER_PAGE_FILE = "dist/page.bin";

/** Bytes, compressed, of what is loaded to see the page; what single views need besides comes when they are opened. */
const MOST_BYTES = 60_000;

/** What is loaded when: compressed bytes. */
export interface PageSizes {
  /** To see the page. */
  readonly first: number;
  /** With the Client of the console. */
  readonly console: number;
  /** The auditor. */
  readonly audit: number;
}

/** The files of the page by name, as they were written to `dist/`, and what they weigh. */
export async function buildBrokerPage(): Promise<
  { readonly files: ReadonlyMap<string, string>; readonly sizes: PageSizes }
> {
  const { outputFiles, metafile } = await build({
    entryPoints: { page: pathOf("src/page/main.tsx"), style: pathOf("src/page/style.css") },
    bundle: true,
    splitting: true,
    minify: true,
    write: false,
    outdir: pathOf("dist/page"),
    chunkNames: "[name]-[hash]",
    format: "esm",
    platform: "browser",
    target: "es2022",
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
    logLevel: "silent",
    metafile: true,
    plugins: [standIns],
  });
  await stop();
  const files = new Map([
    ["index.html", readFileSync(pathOf("src/page/index.html"), "utf8")],
    ...outputFiles.map((file) => [basename(file.path), file.text] as const),
  ]);
  writePage("page", files);
  return { files, sizes: sizesOf(outputFiles, metafile.outputs) };
}

type Outputs = Readonly<
  Record<string, { readonly imports: readonly { readonly path: string; readonly kind: string }[] }>
>;

function sizesOf(outputFiles: readonly OutputFile[], outputs: Outputs): PageSizes {
  const byName = new Map(
    outputFiles.map(({ path, contents }) => [basename(path), gzipSync(contents).length]),
  );
  /** A file and everything that it imports at once. */
  const closure = (name: string, into = new Set<string>()): Set<string> => {
    if (into.has(name)) return into;
    into.add(name);
    const [, output] = Object.entries(outputs).find(([path]) => basename(path) === name)!;
    for (const { path, kind } of output.imports) {
      if (kind === "import-statement") closure(basename(path), into);
    }
    return into;
  };
  const weight = (names: Iterable<string>) =>
    [...names].reduce((sum, name) => sum + (byName.get(name) ?? 0), 0);
  const first = closure("page.js");
  const besides = (start: string): number => {
    const name = [...byName.keys()].find((one) => one.startsWith(`${start}-`) && one.endsWith(".js"));
    if (name === undefined) throw new Error(`The page has no part ${start}`);
    return weight([...closure(name)].filter((one) => !first.has(one)));
  };
  return {
    first: weight([...first, "style.css"]),
    console: besides("console_client"),
    audit: besides("audit_server"),
  };
}

/** In words; and whether it is more than it should be. */
export function tellSizes(
  { first, console, audit }: PageSizes,
): { readonly text: string; readonly isTooMuch: boolean } {
  const kb = (bytes: number) => `${(bytes / 1000).toFixed(1)} KB`;
  return {
    text: `The page: ${kb(first)} compressed, at most ${kb(MOST_BYTES)}; besides the Client of the console ${
      kb(console)
    }, the auditor ${kb(audit)}`,
    isTooMuch: first > MOST_BYTES,
  };
}
