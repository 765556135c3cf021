/** §4.7.1.1 The table of a tree's ways against a plain list of them. @module */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { copyOf, Edges, hashLevel, type Target } from "./edges.ts";

class Place implements Target {
  readonly parent: object;
  readonly level: string;

  constructor(parent: object, level: string) {
    this.parent = parent;
    this.level = level;
  }

  isAt(parent: object, text: string, from: number, end: number): boolean {
    return this.parent === parent && this.level === text.slice(from, end);
  }
}

describe("Edges", () => {
  test("a way is found as long as it is there, also where all hashes are the same", () => {
    const parents = [{}, {}];
    const step = fc.record({
      add: fc.boolean(),
      parent: fc.constantFrom(...parents),
      level: fc.nat({ max: 20 }).map(String),
    });
    fc.assert(
      fc.property(
        fc.constantFrom(1, 3, 0x7fff_ffff), // hashes there are
        fc.array(step, { maxLength: 200 }),
        (hashes, steps) => {
          const hashOf = (level: string): number => 1 + (hashLevel(0, level, 0, level.length) >>> 0) % hashes;
          const edges = new Edges<Place>();
          const model: Place[] = [];
          for (const { add, parent, level } of steps) {
            const known = model.find((place) => place.parent === parent && place.level === level);
            if (add && known === undefined) {
              const place = new Place(parent, level);
              edges.add(hashOf(level), place);
              model.push(place);
            } else if (add) {
              const other = new Place(parent, level);
              edges.replace(hashOf(level), known!, other);
              model.splice(model.indexOf(known!), 1, other);
            } else if (known !== undefined) {
              edges.remove(hashOf(level), known);
              model.splice(model.indexOf(known), 1);
            }
            for (const parent of parents) {
              for (let i = 0; i <= 20; i++) {
                const wanted = model.find((place) => place.parent === parent && place.level === `${i}`);
                const text = `x/${i}/x`;
                assert(edges.find(hashOf(`${i}`), parent, text, 2, text.length - 2) === wanted);
              }
            }
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  test("it grows and shrinks", () => {
    const parent = {};
    const edges = new Edges<Place>();
    const places = Array.from({ length: 10_000 }, (_, i) => new Place(parent, `${i}`));
    const hashOf = (level: string): number => hashLevel(7, level, 0, level.length);
    for (const place of places) edges.add(hashOf(place.level), place);
    for (const [i, place] of places.entries()) if (i % 100 !== 0) edges.remove(hashOf(place.level), place);
    for (const [i, place] of places.entries()) {
      const found = edges.find(hashOf(place.level), parent, place.level, 0, place.level.length);
      assert(found === (i % 100 === 0 ? place : undefined));
    }
  });
});

test("hashLevel() hashes what stands between, and is never 0", () => {
  assertEquals(hashLevel(5, "a/device/b", 2, 8), hashLevel(5, "device", 0, 6));
  assert(hashLevel(5, "device", 0, 6) !== hashLevel(6, "device", 0, 6));
  for (let seed = 0; seed < 1000; seed++) assert(hashLevel(seed, "", 0, 0) !== 0);
});

test("copyOf() is the text between", () => {
  for (const level of ["", "a", "é😀", "x".repeat(100)]) {
    assertEquals(copyOf(`a/${level}/b`, 2, 2 + level.length), level);
  }
});

describe("hashes of levels", () => {
  const LEVELS = Array.from({ length: 20_000 }, (_, i) => `sensor${i}`);

  /** How many different values the hashes have in these bits. */
  function different(seed: number, levels: readonly string[], mask: number): number {
    return new Set(levels.map((level) => hashLevel(seed, level, 0, level.length) & mask)).size;
  }

  test("are nearly all different, whatever the seed", () => {
    for (const seed of [0, 1, -1, 0x1234_5678]) {
      assert(different(seed, LEVELS, -1) > 19_980);
      assert(different(seed, LEVELS.map((level) => level.slice(6)), -1) > 19_980);
    }
  });

  test("spread over the low bits, which choose the place, and over the high ones", () => {
    const few = LEVELS.slice(0, 4096);
    // Of 4,096 that fall into 4,096 places at random, 63 of 100 places are taken.
    for (const mask of [0xfff, 0xfff << 10, 0xfff << 20]) {
      const taken = different(7, few, mask);
      assert(taken > 2_400 && taken < 2_800, `${taken} places`);
    }
  });

  test("are others with another seed, and never 0", () => {
    const same = LEVELS.filter((level) =>
      hashLevel(1, level, 0, level.length) === hashLevel(2, level, 0, level.length)
    );
    assert(same.length < 3);
    assert(hashLevel(0, "", 0, 0) !== 0);
    assertEquals(hashLevel(5, "a/b/c", 2, 3), hashLevel(5, "b", 0, 1));
  });
});
