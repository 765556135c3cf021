/**
 * Whether the source is still well typed with a break in it: a break by names that are gone would end the broker instead,
 * and any case notices that.
 * Knows the compiler; refuses to know what the breaks are for.
 * @module
 */
import { readFileSync } from "node:fs";
import ts from "typescript";
import type { SourceMutant } from "../../conformance/mutants/mutant.ts";
import { pathOf, ROOT } from "../lib/tree.ts";
import { brokerFiles } from "./cache.ts";
import { patched } from "./patch.ts";

/** The source under a compiler that reads again only what changes. */
export class TypedSource {
  /** What stands in a file instead of its text. */
  readonly #broken: Map<string, string> = new Map();
  readonly #versions: Map<string, number> = new Map();
  readonly #service: ts.LanguageService;

  /** `files` are all that breaks are made in; what they import is read too. */
  constructor(files: readonly string[] = brokerFiles()) {
    const { config } = ts.readConfigFile(pathOf("tsconfig.json"), ts.sys.readFile);
    const { options } = ts.parseJsonConfigFileContent({ ...config, files: [] }, ts.sys, ROOT);
    const paths = files.map(pathOf);
    this.#service = ts.createLanguageService({
      getCompilationSettings: () => options,
      getScriptFileNames: () => paths,
      getScriptVersion: (path) => `${this.#versions.get(path) ?? 0}`,
      getScriptSnapshot: (path) => {
        const text = this.#broken.get(path) ?? ts.sys.readFile(path);
        return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
      },
      getCurrentDirectory: () => ROOT,
      getDefaultLibFileName: ts.getDefaultLibFilePath,
      fileExists: ts.sys.fileExists,
      readFile: ts.sys.readFile,
    });
  }

  /**
   * The first error of the compiler in the file of that break; undefined if there is none.
   * @throws {PatchError} if the patch does not fit.
   */
  faultOf({ file, find, replace }: SourceMutant): string | undefined {
    const path = pathOf(file);
    this.#broken.set(path, patched(readFileSync(path, "utf8"), find, replace));
    this.#changed(path);
    const [fault] = [
      ...this.#service.getSyntacticDiagnostics(path),
      ...this.#service.getSemanticDiagnostics(path),
    ];
    this.#broken.delete(path);
    this.#changed(path);
    return fault && ts.flattenDiagnosticMessageText(fault.messageText, " ");
  }

  #changed(path: string): void {
    this.#versions.set(path, (this.#versions.get(path) ?? 0) + 1);
  }
}
