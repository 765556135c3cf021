/**
 * All cases of the attack suite.
 * Knows their order; refuses to know what they do.
 * @module
 */
import type { Case } from "./case.ts";
import { MEMORY_CASES } from "./memory_cases.ts";
import { WORK_CASES } from "./work_cases.ts";

/** Nobody attacks: what the machine does by itself. */
const QUIET: Case = {
  id: "quiet",
  title: "nothing: what broker and machine do by themselves",
  run: async (attack) => {
    await attack.begins();
    await attack.rest();
  },
};

/** In the order of the table. */
export const CASES: readonly Case[] = [QUIET, ...WORK_CASES, ...MEMORY_CASES];

/** The cases of these ids, or of these kinds: `A5` is also `A5/ends`. Undefined for an id that no case has. */
export function casesOf(only: readonly string[]): Case[] | undefined {
  const fits = ({ id }: Case, wanted: string): boolean => id === wanted || id.startsWith(`${wanted}/`);
  if (only.some((wanted) => !CASES.some((one) => fits(one, wanted)))) return undefined;
  return CASES.filter((one) => only.length === 0 || only.some((wanted) => fits(one, wanted)));
}
