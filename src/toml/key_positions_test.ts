/**
 * Positions of keys: held against the parser for what keys there are, and against the writer for where they stand.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { parse } from "smol-toml";
import { keyPositions, type Path } from "./key_positions.ts";

/** `line:column` of each path, after the parser has accepted the text. */
function at(text: string, ...paths: readonly Path[]): (string | undefined)[] {
  parse(text);
  const found = keyPositions(text);
  return paths.map((path) => {
    const position = found.get(path);
    return position && `${position.line}:${position.column}`;
  });
}

describe("keyPositions()", () => {
  test("finds keys of the root and of tables", () =>
    assertEquals(
      at("# first\na = 1\n\n [ t ] # more\n  b = 2\n", ["a"], ["t"], ["t", "b"], ["b"]),
      ["2:1", "4:4", "5:3", undefined],
    ));

  test("counts the tables of an array, and those inside of them", () =>
    assertEquals(
      at(
        '[[l]]\nurl = "a"\n[l.limits]\nx = 1\n[[l]]\nlimits.x = 2\n[[l.in]]\ny=1\n[[l.in]]\ny=2\n',
        ["l", 0, "url"],
        ["l", 0, "limits", "x"],
        ["l", 1],
        ["l", 1, "limits", "x"],
        ["l", 1, "in", 1, "y"],
        ["l", 2],
      ),
      ["2:1", "4:1", "5:3", "6:1", "10:1", undefined],
    ));

  test("finds dotted and quoted keys, with blanks and escapes", () =>
    assertEquals(
      at('a . "b.c" . \'d\' = 1\n"\\u0065\\"" = 2\n"" = 3\n', ["a", "b.c", "d"], ['e"'], [""], ["a"]),
      ["1:1", "2:1", "3:1", "1:1"],
    ));

  test("finds keys in inline tables and lists, over several lines", () =>
    assertEquals(
      at(
        'a = { b = 1, c = { d = [1, "]}", { e = 2 }] } }\nf = [ # ]\n  { g = 1 },\n\n  { g = 2 }, # }\n]\nh = 1\n',
        ["a", "b"],
        ["a", "c", "d", 2, "e"],
        ["f", 1, "g"],
        ["h"],
      ),
      ["1:7", "1:36", "5:5", "7:1"],
    ));

  test("takes no string of several lines, and no comment, for a key", () =>
    assertEquals(
      at(
        'a = """\nb = 1\n\\""" [x]\n"""\nc = \'\'\'\nd = "\n\'\'\'\ne = """x"""""\nf = "# \\" = 2" # g = 1\nh = \'"\'\r\ni = 1',
        ["b"],
        ["d"],
        ["c"],
        ["e"],
        ["f"],
        ["g"],
        ["h"],
        ["i"],
      ),
      [undefined, undefined, "5:1", "8:1", "9:1", undefined, "10:1", "11:1"],
    ));

  test("passes over dates, numbers and words", () =>
    assertEquals(
      at(
        "a = 1979-05-27 07:32:00 # x = 1\nb = -inf\nc = [0x1f, 1e3, true]\nd = 1_0",
        ["a"],
        ["b"],
        ["c", 2],
        ["d"],
      ),
      ["1:1", "2:1", "3:17", "4:1"],
    ));

  test("finds each key of a random document where it was written", () => {
    fc.assert(fc.property(DOCUMENT, ({ text, places }) => {
      const value = parse(text);
      const found = keyPositions(text);
      for (const [path, line] of places) {
        assertEquals(found.get(path)?.line, line, JSON.stringify({ path, text }));
      }
      for (const path of pathsOf(value)) assert(found.get(path), JSON.stringify({ path, text }));
    }));
  });

  test("comes to an end with any text", () => {
    fc.assert(fc.property(fc.string({ unit: fc.constantFrom(..."[]{}\"'=.,#\n\\ab ") }), (text) => {
      keyPositions(text);
    }));
  });
});

/** The paths of all values that the parser has read. */
function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== "object" || value === null || value instanceof Date) return [];
  const entries: [string | number, unknown][] = Array.isArray(value)
    ? value.map((item, i) => [i, item])
    : Object.entries(value);
  return entries.flatMap(([key, item]) => [[...path, key], ...pathsOf(item, [...path, key])]);
}

interface Written {
  readonly text: string;
  readonly places: readonly (readonly [Path, number])[];
}

const NAME = fc.oneof(fc.stringMatching(/^[A-Za-z0-9_-]{1,6}$/), fc.string({ maxLength: 6 }));

function keyText(name: string): string {
  return /^[A-Za-z0-9_-]+$/.test(name) ? name : JSON.stringify(name).replaceAll("\x7f", "\\u007f");
}

/** A value and how many breaks of lines it has. */
const VALUE: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.integer().map(String),
    fc.constantFrom(
      "true",
      "1979-05-27 07:32:00",
      "3.5",
      "'x = 1'",
      '"""\nkey = 1\n[[t]]\n"""',
      "'''a\n'b'\n'''",
    ),
    fc.string().map((text) => JSON.stringify(text).replaceAll("\x7f", "\\u007f")),
    fc.array(tie("value"), { maxLength: 3 }).map((items) => `[ # ]\n ${items.join(",\n")}\n]`),
    fc.array(tie("value"), { maxLength: 3 }).map((items) =>
      `{ ${items.map((item, i) => `"k${i}" = ${item}`).join(", ")} }`
    ),
  ),
})).value;

/** Keys of the root, then tables and arrays of tables with different names. */
const DOCUMENT: fc.Arbitrary<Written> = fc.record({
  root: fc.uniqueArray(fc.tuple(NAME, VALUE), { selector: ([name]) => name, maxLength: 4 }),
  tables: fc.array(
    fc.record({
      isArray: fc.boolean(),
      which: fc.integer({ min: 0, max: 2 }),
      pairs: fc.uniqueArray(fc.tuple(NAME, VALUE), { selector: ([name]) => name, maxLength: 3 }),
      gap: fc.constantFrom("", "\n", "# [x]\n\n", "\r\n"),
    }),
    { maxLength: 5 },
  ),
}).map(({ root, tables }) => {
  let text = "";
  const places: [Path, number][] = [];
  const put = (table: Path, [name, value]: readonly [string, string]) => {
    places.push([[...table, name], text.split("\n").length]);
    text += `${keyText(name)} = ${value}\n`;
  };
  for (const pair of root) put([], pair);
  const counts = new Map<number, number>();
  const seen = new Set<string>(root.map(([name]) => name));
  for (const { isArray, which, pairs, gap } of tables) {
    const name = isArray ? `array ${which}` : `table ${seen.size}`;
    if (seen.has(name) && !counts.has(which)) continue;
    seen.add(isArray ? name : `${name} `);
    seen.add(name);
    text += gap;
    const path: (string | number)[] = [name];
    if (isArray) {
      counts.set(which, (counts.get(which) ?? -1) + 1);
      path.push(counts.get(which)!);
    }
    places.push([path, text.split("\n").length]);
    text += isArray ? `[[ "${name}" ]]\n` : `["${name}"] # = {\n`;
    for (const pair of pairs) put(path, pair);
  }
  return { text, places };
});
