/**
 * Whether a mutant is one of those that no test can notice.
 * Knows how an entry of the list is written; refuses to know the list.
 * @module
 */
import { type Mutant, mutated } from "./choice.ts";

/** Changes that no test can notice, or none should. */
export interface Equivalent {
  /** Relative to the root. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  /** What takes its place; without it, every change inside of `find` is meant, */
  readonly replace?: string;
  /** or every change of this kind. */
  readonly kind?: string;
  /** Why the behaviour is the same. */
  readonly reason: string;
}

/** What is wrong with the entries for a file that says `text`; undefined if there is no such file. */
export function faultsOf(entries: readonly Equivalent[], file: string, text: string | undefined): string[] {
  return entries.filter((entry) => entry.file === file).flatMap(({ find }) => {
    const at = text?.indexOf(find) ?? -1;
    if (at < 0) return [`${file}: an equivalent's text is gone: ${JSON.stringify(find)}`];
    const again = text!.indexOf(find, at + 1) >= 0;
    return again ? [`${file}: an equivalent's text is there more than once: ${JSON.stringify(find)}`] : [];
  });
}

/** The entry that says so of this mutant. */
export function equivalentOf(mutant: Mutant, entries: readonly Equivalent[]): Equivalent | undefined {
  return entries.find(({ file, find, replace, kind }) => {
    if (file !== mutant.file || (kind ?? mutant.kind) !== mutant.kind) return false;
    const at = mutant.text.indexOf(find);
    if (at < 0) return false;
    if (replace === undefined) return at <= mutant.start && mutant.end <= at + find.length;
    return mutant.text.slice(0, at) + replace + mutant.text.slice(at + find.length) === mutated(mutant);
  });
}
