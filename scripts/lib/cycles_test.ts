import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { cyclesOf, importGraph } from "./cycles.ts";

/** The circles among modules, given by the text of each. */
function circles(texts: Readonly<Record<string, string>>): string[][] {
  return cyclesOf(importGraph(new Map(Object.entries(texts))));
}

describe("cyclesOf(importGraph())", () => {
  test("finds nothing where imports only go down", () => {
    const texts = {
      "src/a.ts": 'import { b } from "./b.ts";\nimport { c } from "./sub/c.ts";',
      "src/b.ts": 'import { c } from "./sub/c.ts";',
      "src/sub/c.ts": 'import { join } from "node:path";',
    };
    assertEquals(circles(texts), []);
  });

  const ways: readonly [what: string, text: string][] = [
    ["a value", 'import { a } from "../a.ts";'],
    ["a type", 'import type { A } from "../a.ts";'],
    ["a dynamic import", 'const a = await import("../a.ts");'],
    ["the type of a module", 'type A = typeof import("../a.ts");'],
    ["a re-export", 'export * from "../a.ts";'],
    ["a side effect", 'import "../a.ts";'],
  ];
  for (const [what, text] of ways) {
    test(`finds the way back by ${what}`, () => {
      assertEquals(circles({ "src/a.ts": 'export { b } from "./sub/b.ts";', "src/sub/b.ts": text }), [
        ["src/a.ts", "src/sub/b.ts", "src/a.ts"],
      ]);
    });
  }

  test("finds a module that imports itself", () => {
    assertEquals(circles({ "a.ts": 'import { a } from "./a.ts";' }), [["a.ts", "a.ts"]]);
  });

  test("does not take a comment or a string for an import", () => {
    assertEquals(circles({ "a.ts": '// import "./a.ts";\nconst text = `import "./a.ts"`;' }), []);
  });

  test("shows the shortest circle of a knot, and each knot once", () => {
    const graph = new Map([
      ["a", ["b"]],
      ["b", ["c", "x"]],
      ["c", ["a", "d"]],
      ["d", ["c"]],
      ["x", ["y"]],
      ["y", ["x"]],
    ]);
    assertEquals(cyclesOf(graph).sort(), [["c", "d", "c"], ["x", "y", "x"]]);
  });

  test("each circle it shows is one, and without them there is none only if modules can be put in an order", () => {
    const graphs = fc.array(fc.array(fc.nat({ max: 7 }), { maxLength: 3 }), { minLength: 8, maxLength: 8 })
      .map((rows) => new Map(rows.map((row, i) => [String(i), row.map(String)])));
    fc.assert(fc.property(graphs, (graph) => {
      const found = cyclesOf(graph);
      for (const circle of found) {
        assertEquals(circle[0], circle.at(-1));
        for (const [i, path] of circle.slice(1).entries()) {
          assertEquals(graph.get(circle[i]!)!.includes(path), true);
        }
      }
      assertEquals(found.length === 0, canBeOrdered(graph));
    }));
  });
});

/** Whether every module can come behind all that it imports: takes away those whose imports are gone until none is left. */
function canBeOrdered(graph: ReadonlyMap<string, readonly string[]>): boolean {
  const left = new Set(graph.keys());
  for (let before = -1; before !== left.size;) {
    before = left.size;
    for (const path of left) if (!graph.get(path)!.some((target) => left.has(target))) left.delete(path);
  }
  return left.size === 0;
}
