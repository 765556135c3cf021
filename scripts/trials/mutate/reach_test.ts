/** Which tests can notice a change of which module. @module */
import { assertEquals } from "@std/assert";
import { test } from "node:test";
import { graphOf, testsFor } from "./reach.ts";

const GRAPH = graphOf(
  new Map([
    ["src/low/a.ts", ""],
    ["src/low/b.ts", 'import { a } from "./a.ts";'],
    ["src/low/a_test.ts", 'import { a } from "./a.ts";'],
    ["src/low/c_test.ts", 'import { b } from "./b.ts";'],
    ["src/high/d.ts", 'import { b } from "../low/b.ts";'],
    ["src/high/d_test.ts", 'import { d } from "./d.ts";'],
    ["src/high/e_test.ts", 'import { a } from "../low/a.ts";'],
    ["src/high/types_test.ts", 'import type { A } from "../low/a.ts";'],
    ["src/high/other_test.ts", 'import { test } from "node:test";'],
  ]),
);
const TESTS = [...GRAPH.keys()].filter((file) => file.endsWith("_test.ts")).reverse();

test("the test of its name comes first, then those beside it, then by the number of imports between", () => {
  assertEquals(testsFor(GRAPH, "src/low/a.ts", TESTS), [
    "src/low/a_test.ts",
    "src/low/c_test.ts",
    "src/high/e_test.ts",
    "src/high/d_test.ts",
  ]);
});

test("one that has noticed others comes before those that have not", () => {
  const noticed = new Map([["src/high/d_test.ts", 1], ["src/high/e_test.ts", 2]]);
  assertEquals(testsFor(GRAPH, "src/low/a.ts", TESTS, noticed), [
    "src/low/a_test.ts",
    "src/high/e_test.ts",
    "src/high/d_test.ts",
    "src/low/c_test.ts",
  ]);
});

test("a test that does not reach it is left out", () => {
  assertEquals(testsFor(GRAPH, "src/high/d.ts", TESTS), ["src/high/d_test.ts"]);
  assertEquals(testsFor(GRAPH, "src/low/nowhere.ts", TESTS), []);
});
