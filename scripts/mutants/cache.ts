/**
 * What was found before, by a hash of everything that it was found from; outside of git.
 * Knows keys and findings; refuses to know what they are made of.
 * @module
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
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

/** The auditor without its cases, mutants and reports: what runs a case. */
export function auditorFiles(): string[] {
  return filesUnder("conformance", ".ts").filter((file) =>
    !/^conformance\/(cases|mutants|report)\//.test(file) && !file.endsWith("_test.ts") &&
    !/\/(mod|main|list|select|declared|coverage|target|version|try)\.ts$/.test(file)
  );
}

/** The broker. */
export function brokerFiles(): string[] {
  return [
    ...filesUnder("src", ".ts").filter((file) => !file.endsWith("_test.ts") && !file.startsWith("src/cli/")),
    "scripts/lib/audited_brokers.ts",
  ];
}
