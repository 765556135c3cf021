import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { codeOf, importsOf } from "./source.ts";

describe("codeOf()", () => {
  test("blanks comments and strings and keeps the lines", () => {
    const code = codeOf('a; // Deno\n/* Bun\n */ b("Deno", `x ${c + `${d}`} Bun`); e');
    assert(!/Deno|Bun/.test(code), code);
    for (const name of ["a", "b", "c", "d", "e"]) assert(new RegExp(`\\b${name}\\b`).test(code), code);
    assertEquals(code.split("\n").length, 3);
  });
  test("is not misled by regular expressions", () => {
    const code = codeOf('x = /["\'`/]/g; y = a / b; // Deno "\nz = 1 / 2 / 3; Bun');
    assert(!code.includes("Deno") && code.endsWith("Bun"), code);
  });
  test("is not misled by escaped quotes", () => {
    assert(codeOf('"\\"Deno"; Bun').endsWith("; Bun"));
  });
});

describe("importsOf()", () => {
  const find = (text: string) => importsOf(text).map(({ specifier, typeOnly }) => [specifier, typeOnly]);
  test("finds every way to import", () => {
    assertEquals(find('import a, { b as c } from "./1.ts";\nimport "./2.ts";\nawait import("./3.ts");'), [
      ["./1.ts", false],
      ["./2.ts", false],
      ["./3.ts", false],
    ]);
    assertEquals(
      find('export * from "./4.ts";\nexport { x, y } from "./5.ts";\nimport * as n from "node:fs";'),
      [
        ["./4.ts", false],
        ["./5.ts", false],
        ["node:fs", false],
      ],
    );
  });
  test("tells types from values", () => {
    assertEquals(find('import type { A } from "./1.ts";\nimport { type A, type B } from "./2.ts";'), [
      ["./1.ts", true],
      ["./2.ts", true],
    ]);
    assertEquals(find('import { type A, b } from "./1.ts";\nexport type { A } from "./2.ts";'), [
      ["./1.ts", false],
      ["./2.ts", true],
    ]);
    assertEquals(find('type A = typeof import("./1.ts");'), [["./1.ts", true]]);
  });
  test("skips comments and strings", () => {
    assertEquals(find('// import "./1.ts"\nconst text = "x";\n/** import { a } from "./2.ts" */'), []);
    assertEquals(find("const code = `import './1.ts'; export * from './2.ts'`;"), []);
  });
  test("gives the line", () => {
    assertEquals(importsOf('\n\nimport {\n  a,\n} from "./1.ts";')[0]?.line, 3);
  });
});
