/** Each kind of change, in the smallest text that has it. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { mutationsOf } from "./mutators.ts";

/** The texts that one change makes of this one, of one kind or of all. */
function changed(text: string, kind?: string): string[] {
  return mutationsOf(text).filter((mutation) => kind === undefined || mutation.kind === kind)
    .map(({ start, end, replacement }) => text.slice(0, start) + replacement + text.slice(end));
}

describe("what a text is changed into", () => {
  test("a comparison moves its boundary, and turns round", () => {
    assertEquals(changed("a < b"), ["a <= b", "a >= b"]);
    assertEquals(changed("a >= b"), ["a > b", "a < b"]);
    assertEquals(changed("a === b"), ["a !== b"]);
  });

  test("a logical operator becomes another, in parentheses where it must", () => {
    assertEquals(changed("a && b"), ["a || b"]);
    assertEquals(changed("a ?? b"), ["a || b"]);
    assertEquals(changed("a || b || c"), ["(a || b) && c", "(a && b) || c"]);
    assertEquals(changed("x = a || b && c"), ["x = a && (b && c)", "x = a || (b || c)"]);
  });

  test("?? before an object stays: || would do the same", () => {
    for (const text of ["a ?? {}", "a ?? []", "a ?? new B()"]) assertEquals(changed(text), [], text);
  });

  test("arithmetic and bits", () => {
    assertEquals(changed("a + b"), ["a - b"]);
    assertEquals(changed("a * b - c"), ["a * b + c", "(a / b) - c"]);
    assertEquals(changed("a << b"), ["a >> b"]);
    assertEquals(changed("a += b"), ["a -= b"]);
    assertEquals(changed("a++"), ["a--"]);
    assertEquals(changed("--a"), ["++a"]);
    assertEquals(changed("x = -a"), ["x = (a)"]);
  });

  test("texts are not subtracted", () => {
    assertEquals(changed("'a' + b"), []);
  });

  test("a number is one more and one less, written as it was", () => {
    assertEquals(changed("x(7)", "constant"), ["x(8)", "x(6)"]);
    assertEquals(changed("x(0x9f)", "constant"), ["x(0xa0)", "x(0x9e)"]);
    assertEquals(changed("x(1_000)", "constant"), ["x(1001)", "x(999)"]);
    assertEquals(changed("x(0)", "constant"), ["x(1)", "x((-1))"]);
  });

  test("true and false, Math.min and Math.max change places", () => {
    assertEquals(changed("x = true"), ["x = false"]);
    assertEquals(changed("x = false"), ["x = true"]);
    assertEquals(changed("x = Math.min(a, b)"), ["x = Math.max(a, b)"]);
    assertEquals(changed("x = Math.max(a, b)"), ["x = Math.min(a, b)"]);
  });

  test("a condition is negated, and a negation is not", () => {
    assertEquals(changed("if (a) b;"), ["if (!(a)) b;"]);
    assertEquals(changed("if (!a) b;"), ["if (a) b;"]);
    assertEquals(changed("x = a ? b : c"), ["x = !(a) ? b : c"]);
    assertEquals(changed("while (a) b;"), ["while (!(a)) b;"]);
    assertEquals(changed("for (; a;) b;"), ["for (; !(a);) b;"]);
  });

  test("a call whose value nobody uses is left out, that of a super class is not", () => {
    assertEquals(changed("a.b?.(c);"), [";"]);
    assertEquals(changed("class A extends B { constructor() { super(); } }"), []);
  });

  test("a way out of a function or loop is left out where something stands behind it", () => {
    assertEquals(changed("function f() { if (a) return; b; }", "exit left out"), [
      "function f() { if (a) ; b; }",
    ]);
    assertEquals(changed("function f() { if (a) throw b; return c; }", "exit left out"), [
      "function f() { if (a) ; return c; }",
    ]);
    assertEquals(changed("for (;;) { if (a) continue; b; }", "exit left out"), [
      "for (;;) { if (a) ; b; }",
    ]);
    assertEquals(changed("function f() { a; if (b) return c; }", "exit left out"), []);
    assertEquals(changed("function f() { return a; }"), []);
  });
});

test("types, imports and exports stay as they are", () => {
  const texts = [
    'import { a } from "./a.ts";',
    'export { a } from "./a.ts";',
    "interface A { b: 1 | 2; }",
    "type A = true | 3;",
    "let a: 1 | 2;",
    "a as 0 | 1;",
  ];
  for (const text of texts) assertEquals(changed(text), [], text);
});
