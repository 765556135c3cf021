/** §4.7 Names found by a filter, against the plain definition of a match. @module */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { matches } from "./filter.ts";
import { NameTree } from "./name_tree.ts";

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

describe("NameTree", () => {
  test("[MQTT-4.7.2-1] it finds the names that the plain definition matches, whatever came and went", () => {
    fc.assert(
      fc.property(steps(name), fc.array(filter, { minLength: 1, maxLength: 8 }), (steps, filters) => {
        const tree = new NameTree<string>();
        const model = new Map<string, string>();
        for (const { add, at, value } of steps) {
          if (add) {
            tree.set(at, `${at} ${value}`);
            model.set(at, `${at} ${value}`);
          } else {
            assertEquals(tree.delete(at), model.get(at));
            model.delete(at);
          }
          assertEquals(tree.get(at), model.get(at));
          assertEquals(tree.size, model.size);
        }
        for (const filter of filters) {
          const out: string[] = [];
          tree.match(filter, out);
          const wanted = [...model].filter(([at]) => matches(filter, at)).map(([, value]) => value);
          assertEquals(sorted(out), sorted(wanted), filter);
        }
        for (const at of [...model.keys()]) tree.delete(at);
        assertEquals(tree.countNodes(), 1);
      }),
      { numRuns: 500 },
    );
  });

  test("a name is not its parent's, nor its child's", () => {
    const tree = new NameTree<number>();
    tree.set("a/b", 1);
    assertEquals([tree.get("a"), tree.get("a/b"), tree.get("a/b/")], [undefined, 1, undefined]);
    assertEquals([tree.delete("a"), tree.delete("a/b/c"), tree.size], [undefined, undefined, 1]);
  });
});
