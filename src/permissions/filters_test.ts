/** §4.7 Filters inside filters, and filters that have names in common, against all names of a small universe. @module */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { patient } from "../testing/patience.ts";
import { matches } from "../topic/filter.ts";
import { levelsOf, overlap, probes, split } from "./filters.ts";

const LEVELS = ["", "a", "b", "$x", "z"];

/** All names of up to five levels: one more than the filters have. `z` is in no filter. */
const NAMES: readonly string[] = (() => {
  let last: string[] = [""];
  let all: string[] = [];
  for (let i = 0; i < 5; i++) {
    last = i === 0 ? [...LEVELS] : last.flatMap((name) => LEVELS.map((level) => `${name}/${level}`));
    all = all.concat(last);
  }
  return all.filter((name) => name !== "");
})();

const level = fc.constantFrom("", "a", "a", "b", "+", "+", "$x");
const filter = fc.record({
  levels: fc.array(level, { minLength: 0, maxLength: 3 }),
  isOpen: fc.boolean(),
}).map(({ levels, isOpen }) => [...levels, ...isOpen || levels.length === 0 ? ["#"] : []].join("/"))
  .filter((text) => text !== "");

function isInside(inner: string, outer: readonly string[]): boolean {
  const most = levelsOf(outer);
  for (const probe of probes(inner, most)) if (!outer.some((each) => matches(each, probe))) return false;
  return true;
}

describe("a filter", patient, () => {
  test("is inside others if, and only if, they match all names that it matches", patient, () => {
    fc.assert(
      fc.property(filter, fc.array(filter, { maxLength: 4 }), (inner, outer) => {
        const expected = NAMES.every((name) =>
          !matches(inner, name) || outer.some((each) => matches(each, name))
        );
        assertEquals(isInside(inner, outer), expected);
      }),
      { numRuns: 1_000 },
    );
  });

  test("overlaps another one if, and only if, there is a name that both match", patient, () => {
    fc.assert(
      fc.property(filter, filter, (one, other) => {
        assertEquals(
          overlap(split(one), split(other)),
          NAMES.some((name) => matches(one, name) && matches(other, name)),
        );
      }),
      { numRuns: 1_000 },
    );
  });

  for (
    const [inner, outer, is] of [
      ["a/#", ["a", "a/+", "a/+/#"], true],
      ["a/#", ["a/+/#"], false],
      ["#", ["+/#"], true],
      ["/#", ["/+/#"], true],
      ["$x/#", ["#"], false],
      ["a/+", ["a/b", "a/c"], false],
      ["+/b", ["+/+"], true],
      ["a/+/#", ["a/#"], true],
      ["#", [], false],
    ] as const
  ) {
    test(`${inner} is ${is ? "" : "not "}inside ${outer.join(", ") || "nothing"}`, () => {
      assertEquals(isInside(inner, outer), is);
    });
  }
});
