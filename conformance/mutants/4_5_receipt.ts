/**
 * Breaks of §4.5.
 * @module
 */
import type { Mutant } from "./mutant.ts";

/** For the cases of `cases/4_5_receipt.ts`. */
export const MUTANTS: readonly Mutant[] = [
  {
    kills: "4.5/every-subscriber",
    file: "src/broker/batch.ts",
    find: "for (const target of match.targets) {",
    replace: "for (const target of match.targets.slice(0, 5)) {",
  },
  {
    kills: "4.5/while-disconnected",
    file: "src/broker/deliver.ts",
    find: "if (session.ended || (connection === undefined && !session.persists)) return false;",
    replace: "if (session.ended || connection === undefined) return false;",
  },
];
