import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { hashBytes, hashText, mixed } from "./hash.ts";

/** Texts as they stand in Topic Names: numbered, so that they differ in few bits. */
const NAMES: readonly string[] = Array.from({ length: 20_000 }, (_, i) => `device/${i}`);

/** How many of the names have a hash that another one has too. */
function repeated(hashOf: (name: string) => number): number {
  return NAMES.length - new Set(NAMES.map(hashOf)).size;
}

describe("hashText()", () => {
  test("it hashes what stands between", () => {
    assertEquals(hashText(5, "a/device/b", 2, 8), hashText(5, "device", 0, 6));
    assert(hashText(5, "device", 0, 6) !== hashText(6, "device", 0, 6));
  });
  test("names that differ by a digit have different hashes, but for a few", () => {
    assert(repeated((name) => mixed(hashText(7, name, 0, name.length))) < 5);
  });
});

describe("hashBytes()", () => {
  const encode = (text: string) => new TextEncoder().encode(text);
  test("it hashes what stands between, wherever that is", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 12 }),
        fc.nat({ max: 5 }),
        fc.integer(),
        (part, before, seed) => {
          const around = new Uint8Array(before + part.length + 3).fill(0xff);
          around.set(part, before);
          const hash = hashBytes(seed, part, 0, part.length);
          assertEquals(hashBytes(seed, around, before, before + part.length), hash);
        },
      ),
    );
  });
  test("each byte counts, and the length, and the seed", () => {
    const hash = (text: string, seed = 0) => hashBytes(seed, encode(text), 0, text.length);
    const one = hash("abcdefg");
    for (const other of ["xbcdefg", "abcxefg", "abcdxfg", "abcdefx", "abcdefg\0", "abcdef"]) {
      assert(hash(other) !== one, other);
    }
    assert(hash("abcdefg", 1) !== one);
  });
  test("names that differ by a digit have different hashes, but for a few", () => {
    assert(repeated((name) => mixed(hashBytes(7, encode(name), 0, name.length))) < 5);
  });
});

test("mixed() changes about half of the bits of its result with any bit of its argument", () => {
  fc.assert(fc.property(fc.integer(), fc.nat({ max: 31 }), (hash, bit) => {
    assert(mixed(hash) !== mixed(hash ^ (1 << bit)));
  }));
  const ones = (n: number) => n.toString(2).replaceAll("0", "").length;
  let changed = 0;
  for (let i = 0; i < 3200; i++) changed += ones((mixed(i) ^ mixed(i ^ (1 << (i % 32)))) >>> 0);
  assert(changed > 3200 * 14 && changed < 3200 * 18, `${changed / 3200} bits`);
});
