import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, test } from "node:test";
import { circles, violations } from "./layers.ts";
import { load } from "./lib/bare_context.ts";

const HEAD = "/** Knows nothing. @module */\n";

/** The one thing wrong with a module of this text. */
function only(path: string, text: string): string {
  const found = violations(path, HEAD + text);
  assertEquals(found.length, 1, found.join("\n"));
  return found[0] ?? "";
}

describe("violations() of imports", () => {
  const bad: [path: string, text: string][] = [
    ["src/codec/a.ts", 'import { x } from "../topic/name.ts";'],
    ["src/codec/a.ts", 'import { STATEMENTS } from "../../spec/statements.ts";'],
    ["src/codec/a.ts", 'import { x } from "node:buffer";'],
    ["src/topic/a.ts", 'import type { X } from "../delivery/sender.ts";'],
    ["src/client/a.ts", 'import { x } from "../broker/engine.ts";'],
    ["src/broker/a.ts", 'import { x } from "../client/engine.ts";'],
    ["src/broker/a.ts", 'import { memoryPair } from "../transport/memory.ts";'],
    ["src/broker/a.ts", 'import { x } from "../runtime/listen.ts";'],
    ["src/broker/a.ts", 'const x = import("../runtime/listen.ts");'],
    ["src/store/a.ts", 'import { Broker } from "../broker/engine.ts";'],
    ["src/transport/a.ts", 'export * from "../broker/mod.ts";'],
    ["src/runtime/a.ts", 'import { x } from "../testing/pair.ts";'],
    ["src/runtime/a.ts", 'import type { Broker } from "../broker/mod.ts";'],
    ["src/runtime/a.ts", 'import { Driver } from "../server/driver.ts";'],
    ["src/broker/a.ts", 'import type { Driver } from "../server/driver.ts";'],
    ["conformance/a.ts", 'import { decode } from "../src/codec/decode.ts";'],
    ["src/cli/a.ts", 'import { x } from "../../scripts/lib/tsv.ts";'],
  ];
  for (const [path, text] of bad) {
    test(`refuses ${text} in ${path}`, () => assertStringIncludes(only(path, text), `${path}:2: `));
  }
  const good: [path: string, text: string][] = [
    ["src/codec/a.ts", 'import type { StatementId } from "../../spec/statements.ts";'],
    ["src/codec/a.ts", 'import { b } from "./b.ts";'],
    ["src/broker/a.ts", 'import { decode } from "../codec/decode.ts";'],
    ["src/broker/a.ts", 'import type { Transport } from "../transport/transport.ts";'],
    [
      "src/store/a.ts",
      'import type { SessionStore } from "../broker/store.ts";\nimport { x } from "node:sqlite";',
    ],
    [
      "src/server/a.ts",
      'import { Broker } from "../broker/mod.ts";\nimport { dial } from "../runtime/dial.ts";',
    ],
    ["conformance/a.ts", 'import { ReasonCode } from "../src/codec/reason_code.ts";'],
    ["src/codec/a_test.ts", 'import { x } from "../broker/engine.ts";'],
  ];
  for (const [path, text] of good) {
    test(`allows ${text} in ${path}`, () => assertEquals(violations(path, HEAD + text), []));
  }
});

describe("circles()", () => {
  const back = 'import type { A } from "./a.ts";';
  const there = (folder: string, name: string) =>
    new Map([[`${folder}/a.ts`, `export { b } from "./${name}";`], [`${folder}/${name}`, back]]);
  test("shows a circle in src and conformance as a path", () => {
    assertEquals(circles(there("src/topic", "b.ts")), ["src/topic/a.ts -> src/topic/b.ts -> src/topic/a.ts"]);
    assertEquals(circles(there("conformance", "b.ts")), [
      "conformance/a.ts -> conformance/b.ts -> conformance/a.ts",
    ]);
  });
  test("leaves out scripts and tests", () => {
    assertEquals(circles(there("scripts", "b.ts")), []);
    assertEquals(circles(there("src/topic", "b_test.ts")), []);
  });
});

describe("violations() of purity", () => {
  const bad = [
    "export async function f() {}",
    "const x = await y;",
    "let p: Promise<void>;",
    "setTimeout(f, 1);",
    "const now = Date.now();",
    "const now = new Date();",
    "const now = performance.now();",
    "const x = Math.random();",
    "crypto.getRandomValues(x);",
    'console.log("x");',
    "process.exit(1);",
    "Deno.exit(1);",
    "if (typeof Bun === undefined) {}",
    "const x = `${console}`;",
  ];
  for (const text of bad) {
    test(`refuses ${text}`, () => assertStringIncludes(only("src/broker/a.ts", text), "src/broker/a.ts:2: "));
  }
  const good = [
    "// await console.log(Deno)",
    'const text = "await Deno";',
    "connection.process(x); update.crypto;",
    "const kinds = { async: true, process: 1 };",
    "const awaited = 1, BunLike = 2;",
    "type Update = { at: number };",
  ];
  for (const text of good) {
    test(`allows ${text}`, () => assertEquals(violations("src/broker/a.ts", HEAD + text), []));
  }
  test("allows Promise in the store's interface and nowhere else", () => {
    const text = `${HEAD}export interface S { commit(): void | Promise<void> }`;
    assertEquals(violations("src/broker/store.ts", text), []);
    assertEquals(violations("src/broker/other.ts", text).length, 1);
  });
  test("allows a runtime to be named in src/runtime only", () => {
    assertEquals(violations("src/runtime/a.ts", `${HEAD}Deno.listen(); await x;`), []);
    assertEquals(violations("src/cli/a.ts", `${HEAD}Deno.listen();`).length, 1);
    const asked = `${HEAD}if ("Deno" in globalThis) x();`;
    assertEquals(
      [violations("src/runtime/a.ts", asked).length, violations("src/server/a.ts", asked).length],
      [0, 1],
    );
  });
});

describe("violations() of form", () => {
  test("refuses a module without a first doc", () => {
    assertStringIncludes(violations("src/codec/a.ts", "export const a = 1;").join(), "@module");
  });
  test("refuses a name that is not snake_case", () => {
    assertStringIncludes(only("src/codec/newName.ts", ""), "snake_case");
  });
  test("refuses a module outside every layer", () => {
    assertStringIncludes(violations("src/misc/a.ts", HEAD).join(), "no layer");
  });
});

describe("load()", () => {
  test("loads what needs only the language", () => {
    assertEquals(load("globalThis.x = new TextDecoder().decode(new Uint8Array([65]));"), []);
  });
  for (
    const script of ["const t = Date.now();", "Math.random();", "setTimeout(() => {}, 1);", "process.pid;"]
  ) {
    test(`fails for ${script}`, () => assertEquals(load(script).length, 1));
  }
});

test("violations() refuses what Node 22 cannot read, in what programs import", () => {
  const text = "export async function a(): Promise<void> {\n  await using server = await serve();\n}";
  assertStringIncludes(only("src/server/a.ts", text), "src/server/a.ts:3: Node 22 cannot read");
  assertEquals(violations("src/testing/a.ts", HEAD + text), []);
});
