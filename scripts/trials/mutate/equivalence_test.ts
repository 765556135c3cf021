/** Entries of the list of equivalents: whether they are still right, and what they cover. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { Mutant } from "./choice.ts";
import { type Equivalent, equivalentOf, faultsOf } from "./equivalence.ts";
import { mutationsOf } from "./mutators.ts";

const TEXT = "const MAX = 10;\nif (a < b) c(MAX);\n";
const mutants = mutationsOf(TEXT).map((mutation): Mutant => ({ ...mutation, file: "src/a.ts", text: TEXT }));

function entry(find: string, replace?: string): Equivalent {
  const base = { file: "src/a.ts", find, reason: "none" };
  return replace === undefined ? base : { ...base, replace };
}

/** What of the text the entry covers, as it would be. */
function covered(one: Equivalent): string[] {
  return mutants.filter((mutant) => equivalentOf(mutant, [one]) === one)
    .map(({ start, end, replacement }) => `${TEXT.slice(start, end)} -> ${replacement}`);
}

describe("an entry covers", () => {
  test("the one mutant that it spells out, whatever stands around it", () => {
    assertEquals(covered(entry("if (a < b)", "if (a <= b)")), ["a < b -> a <= b"]);
    assertEquals(covered(entry("if (a < b)", "if (a > b)")), []);
  });

  test("without a replacement every mutant inside of its text", () => {
    assertEquals(covered(entry("const MAX = 10;")), ["10 -> 11", "10 -> 9"]);
  });

  test("of those only one kind, if it names it", () => {
    assertEquals(covered({ ...entry(TEXT.trim()), kind: "call left out" }), ["c(MAX); -> ;"]);
  });

  test("nothing of another file", () => {
    assertEquals(covered({ ...entry("const MAX = 10;"), file: "src/b.ts" }), []);
  });
});

describe("an entry is wrong", () => {
  test("when its text is gone", () => {
    const [fault = ""] = faultsOf([entry("const MIN = 10;")], "src/a.ts", TEXT);
    assertEquals(fault, `src/a.ts: an equivalent's text is gone: "const MIN = 10;"`);
    assertEquals(faultsOf([entry("MAX")], "src/a.ts", undefined).length, 1);
  });

  test("when its text is there twice", () => {
    assertEquals(faultsOf([entry("MAX")], "src/a.ts", TEXT).length, 1);
  });

  test("and otherwise not", () => {
    assertEquals(faultsOf([entry("MAX = 10"), entry("c(MAX)")], "src/a.ts", TEXT), []);
  });
});
