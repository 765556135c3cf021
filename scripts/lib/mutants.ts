/**
 * Every mutant there is, with the file that it stands in.
 * Knows where they are written down; refuses to know how they are run.
 * @module
 */
import { pathToFileURL } from "node:url";
import type { Mutant } from "../../conformance/mutants/mutant.ts";
import { filesUnder, pathOf } from "./tree.ts";

/** One mutant and where it stands. */
export interface FoundMutant {
  readonly mutant: Mutant;
  /** From the root of the project. */
  readonly file: string;
  /** Its place in `MUTANTS` of that file. */
  readonly index: number;
}

const FOLDER = "conformance/mutants";

/** Reads the files of mutants, each of which exports `MUTANTS`. */
export async function allMutants(): Promise<FoundMutant[]> {
  const found: FoundMutant[] = [];
  for (const file of filesUnder(FOLDER, ".ts")) {
    const module: { readonly MUTANTS?: readonly Mutant[] } = await import(pathToFileURL(pathOf(file)).href);
    found.push(...(module.MUTANTS ?? []).map((mutant, index) => ({ mutant, file, index })));
  }
  return found;
}
