/**
 * What was found before, by a hash of everything that it was found from; outside of git.
 * Knows keys and findings; refuses to know what they are made of.
 * @module
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, posix } from "node:path";
import { importsOf } from "../lib/source.ts";
import { filesUnder, pathOf } from "../lib/tree.ts";

const FILE = ".cache/mutants.json";

/** Findings by key. */
export class Cache {
  readonly #known: Map<string, string>;
  readonly #used: Map<string, string> = new Map();

  constructor() {
    const path = pathOf(FILE);
    let known: Record<string, string> = {};
    try {
      if (existsSync(path)) known = JSON.parse(readFileSync(path, "utf8"));
    } catch { /* One that cannot be read is none. */ }
    this.#known = new Map(Object.entries(known));
  }

  get(key: string): string | undefined {
    const found = this.#known.get(key);
    if (found !== undefined) this.#used.set(key, found);
    return found;
  }

  put(key: string, finding: string): void {
    this.#known.set(key, finding);
    this.#used.set(key, finding);
  }

  /** Writes it down; with `forget` only what was asked for since. */
  save(forget: boolean): void {
    const path = pathOf(FILE);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, JSON.stringify(Object.fromEntries(forget ? this.#used : this.#known)));
  }
}

/** One word for any texts. */
export function hashOf(...texts: readonly string[]): string {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(`${text.length}:`).update(text);
  return hash.digest("hex").slice(0, 24);
}

/** One word for what stands in files. */
export function hashOfFiles(files: readonly string[]): string {
  return hashOf(...files.flatMap((file) => [file, readFileSync(pathOf(file), "utf8")]));
}

/** One word for what stands in modules of the auditor and in all that they import of it. */
export function hashOfModules(files: readonly string[]): string {
  const all = new Set<string>();
  const visit = (file: string) => {
    if (!file.startsWith("conformance/") || all.has(file)) return;
    all.add(file);
    importsOfFile(file).forEach(visit);
  };
  files.forEach(visit);
  return hashOfFiles([...all].sort());
}

const imports: Map<string, readonly string[]> = new Map();

function importsOfFile(file: string): readonly string[] {
  const known = imports.get(file);
  if (known !== undefined) return known;
  const found = importsOf(readFileSync(pathOf(file), "utf8"))
    .filter(({ specifier, typeOnly }) => specifier.startsWith(".") && !typeOnly)
    .map(({ specifier }) => posix.join(posix.dirname(file), specifier))
    .filter((path) => existsSync(pathOf(path))); // a mutant may be about an import of another module
  imports.set(file, found);
  return found;
}

/** The broker. */
export function brokerFiles(): string[] {
  return [
    ...filesUnder("src", ".ts").filter((file) => !file.endsWith("_test.ts") && !file.startsWith("src/cli/")),
    "scripts/lib/audited_brokers.ts",
  ];
}
