/**
 * Breaks of §4.5.
 * @module
 */
import type { Mutant } from "./mutant.ts";

/** For the cases of `cases/4_5_receipt.ts`. */
export const MUTANTS: readonly Mutant[] = [
  {
    kills: "4.5/every-subscriber",
    file: "src/broker/run.ts",
    find:
      "for (const subscription of match.plain) {\n    const { session } = subscription;\n    const receiver",
    replace:
      "for (const subscription of match.plain.slice(0, 5)) {\n    const { session } = subscription;\n    const receiver",
  },
  {
    kills: "4.5/while-disconnected",
    file: "src/broker/deliver.ts",
    find: "if (session.ended || (connection === undefined && !session.kept)) return false;\n  const free",
    replace: "if (session.ended || connection === undefined) return false;\n  const free",
  },
];
