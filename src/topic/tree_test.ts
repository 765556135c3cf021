/** §4.7 Filters found by a name, against the plain definition of a match. @module */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { matches } from "./filter.ts";
import { FilterTree } from "./tree.ts";

/** Few levels, so that names and filters meet: empty ones, `$`, letters of one and of several bytes. */
const part = fc.constantFrom("", "a", "b", "$", "$x", "é", "e\u0301", "😀", "\uFEFF");
const name = fc.array(part, { minLength: 1, maxLength: 4 }).map((levels) => levels.join("/") || "n");
const filter = fc.tuple(
  fc.array(fc.oneof(part, fc.constant("+")), { maxLength: 4 }),
  fc.boolean(),
).map(([levels, hash]) => (hash ? [...levels, "#"] : levels).join("/") || "f");

type Step = { add: boolean; at: string; value: number };
const steps = (at: fc.Arbitrary<string>): fc.Arbitrary<Step[]> =>
  fc.array(fc.record({ add: fc.boolean(), at, value: fc.nat({ max: 3 }) }), { maxLength: 40 });

const sorted = (values: Iterable<number | string>) => [...values].sort();

describe("FilterTree", () => {
  test("[MQTT-4.7.2-1, MQTT-4.7.3-4] it finds what the plain definition matches, whatever came and went", () => {
    fc.assert(
      fc.property(steps(filter), fc.array(name, { minLength: 1, maxLength: 8 }), (steps, names) => {
        const tree = new FilterTree<number>();
        const model: { at: string; value: number }[] = [];
        for (const { add, at, value } of steps) {
          const found = model.findIndex((entry) => entry.at === at && entry.value === value);
          if (add) {
            tree.add(at, value);
            model.push({ at, value });
          } else {
            assertEquals(tree.remove(at, value), found >= 0);
            if (found >= 0) model.splice(found, 1);
          }
          assertEquals(tree.size, model.length);
        }
        for (const topic of names) {
          const out: number[] = [];
          tree.match(topic, out);
          assertEquals(
            sorted(out),
            sorted(model.filter(({ at }) => matches(at, topic)).map(({ value }) => value)),
            topic,
          );
        }
        for (const { at, value } of model) tree.remove(at, value);
        assertEquals(tree.nodes, 1);
      }),
      { numRuns: 500 },
    );
  });

  test("[MQTT-3.3.2-3] one name against filters of each form", () => {
    const tree = new FilterTree<string>();
    for (const at of ["a/b", "a/+", "#", "+/b", "a/#", "a", "+/+", "$a/b", "+"]) tree.add(at, at);
    const out: string[] = [];
    tree.match("a/b", out);
    assertEquals(sorted(out), sorted(["a/b", "a/+", "#", "+/b", "a/#", "+/+"]));
    out.length = 0;
    tree.match("$a/b", out);
    assertEquals(out, ["$a/b"]);
  });

  test("match() appends to what is there", () => {
    const tree = new FilterTree<number>();
    tree.add("a", 1);
    const out = [7];
    tree.match("a", out);
    assertEquals(out, [7, 1]);
  });

  test("removing in any order leaves nothing behind", () => {
    fc.assert(fc.property(fc.shuffledSubarray([...Array(24).keys()], { minLength: 24 }), (order) => {
      const filters = ["a", "a/b", "a/+", "a/#", "#", "+", "/", "+/+", "a/b/c", "$x/#", "a/b/#", "//"];
      const tree = new FilterTree<number>();
      for (const index of order.keys()) tree.add(filters[index % 12]!, index);
      for (const index of order) assertEquals(tree.remove(filters[index % 12]!, index), true);
      assertEquals(tree.size, 0);
      assertEquals(tree.nodes, 1);
    }));
  });
});
