/** Which mutants are chosen, and how they are shown. @module */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { describe, test } from "node:test";
import { chosen, diffOf, isUnder, type Mutant, mutated, placeOf } from "./choice.ts";
import { mutationsOf } from "./mutators.ts";

function mutantsOf(file: string, text: string): Mutant[] {
  return mutationsOf(text).map((mutation) => ({ ...mutation, file, text }));
}

const LINES = Array.from({ length: 50 }, (_, i) => `x${i} = a${i} < b${i};`);
const MANY = mutantsOf("src/a.ts", LINES.join("\n"));

describe("a choice", () => {
  test("is the same for the same seed, and another for another", () => {
    assertEquals(chosen(MANY, 10, 1), chosen([...MANY].reverse(), 10, 1));
    assertNotEquals(chosen(MANY, 10, 1), chosen(MANY, 10, 2));
  });

  test("has no mutant twice, and is the beginning of a larger one", () => {
    const ten = chosen(MANY, 10, 1);
    assertEquals(new Set(ten.map(mutated)).size, 10);
    assertEquals(chosen(MANY, 20, 1).slice(0, 10), ten);
    assertEquals(chosen(MANY, 1_000, 1).length, MANY.length);
  });

  test("stays for most when lines come and go", () => {
    const shown = (mutants: readonly Mutant[]) => new Set(chosen(mutants, 20, 1).map(diffOf));
    const longer = mutantsOf("src/a.ts", ["// new", ...LINES.slice(0, 49)].join("\n"));
    assert(shown(MANY).intersection(shown(longer)).size >= 17);
  });
});

describe("a mutant", () => {
  const [, mutant] = mutantsOf("src/a.ts", "one;\nif (a <\n  b) c();\nlast;") as [Mutant, Mutant];

  test("is shown with its place and the lines it touches", () => {
    const [call] = mutantsOf("src/a.ts", "one;\nif (a) { b(); }\nlast;").filter(({ kind }) =>
      kind !== "condition"
    );
    assertEquals(placeOf(call!), "src/a.ts:2");
    assertEquals(diffOf(call!), "-if (a) { b(); }\n+if (a) { ; }");
    assertEquals(mutated(call!), "one;\nif (a) { ; }\nlast;");
  });

  test("may touch more than one line", () => {
    assertEquals(diffOf(mutant), "-if (a <\n-  b) c();\n+if (a <=\n+  b) c();");
  });

  test("is named by its folder, its file, or its line", () => {
    const names = ["src", "src/", "src/a.ts", "src/a.ts:2"];
    assertEquals(names.map((name) => isUnder(mutant, name)), [true, true, true, true]);
    const others = ["src/a", "src/a.ts:1", "src/b.ts", "a.ts"];
    assertEquals(others.map((name) => isUnder(mutant, name)), [false, false, false, false]);
  });
});
