/**
 * Which of many mutants are tried.
 * Knows seeds; refuses to know what a mutant breaks.
 * @module
 */
import { createHash } from "node:crypto";
import { lineAt } from "../../lib/source.ts";
import type { Mutation } from "./mutators.ts";

/** One change in one file. */
export interface Mutant extends Mutation {
  /** Relative to the root. */
  readonly file: string;
  /** The file as it is. */
  readonly text: string;
}

/** The whole file with the change in it. */
export function mutated({ text, start, end, replacement }: Mutant): string {
  return text.slice(0, start) + replacement + text.slice(end);
}

/** `src/broker/run.ts:86` */
export function placeOf({ file, text, start }: Mutant): string {
  return `${file}:${lineAt(text, start)}`;
}

/** The lines that the change touches, as a diff. */
export function diffOf(mutant: Mutant): string {
  const { text, start, end } = mutant;
  const from = text.lastIndexOf("\n", start - 1) + 1;
  const next = text.indexOf("\n", end);
  const to = next < 0 ? text.length : next;
  const now = text.slice(from, start) + mutant.replacement + text.slice(end, to);
  const lines = (sign: string, part: string): string[] => part.split("\n").map((line) => `${sign}${line}`);
  return [...lines("-", text.slice(from, to)), ...lines("+", now)].join("\n");
}

/**
 * So many of the mutants, at random, always the same for a seed. The choice hangs on what each of them changes in which
 * file, not on the others: elsewhere in the source lines may come and go, and most of the choice stays.
 */
export function chosen(mutants: readonly Mutant[], count: number, seed: number): Mutant[] {
  const times = new Map<string, number>();
  const keyed = mutants.map((mutant) => {
    const what = `${seed} ${mutant.file} ${mutant.kind} ${diffOf(mutant)}`;
    const before = times.get(what) ?? 0;
    times.set(what, before + 1);
    return { mutant, key: createHash("sha256").update(`${what} ${before}`).digest("hex") };
  });
  keyed.sort((a, b) => a.key < b.key ? -1 : 1);
  return keyed.slice(0, count).map(({ mutant }) => mutant);
}

/** Whether `only` (`src/broker`, `src/broker/run.ts`, `src/broker/run.ts:86`) names a place where the mutant is. */
export function isUnder(mutant: Mutant, only: string): boolean {
  const { file } = mutant;
  return file === only || file.startsWith(`${only.replace(/\/$/, "")}/`) || placeOf(mutant) === only;
}
