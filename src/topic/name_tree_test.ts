/** §4.7 Names found by a filter, against the plain definition of a match; and in portions, while names come and go. @module */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { encodeUtf8 } from "../codec/utf8.ts";
import { matches } from "./filter.ts";
import { MORE, NameCursor } from "./name_cursor.ts";
import { NameTree, type NameTreeOptions, NONE } from "./name_tree.ts";
import { patient } from "../testing/patience.ts";

/** Few levels, so that names and filters meet: empty ones, `$`, letters of one and of several bytes. */
const part = fc.constantFrom("", "a", "b", "$", "$x", "é", "e\u0301", "😀", "\uFEFF");
const name = fc.array(part, { minLength: 1, maxLength: 4 }).map((levels) => levels.join("/") || "n");
const filter = fc.tuple(
  fc.array(fc.oneof(part, fc.constant("+")), { maxLength: 4 }),
  fc.boolean(),
).map(([levels, hash]) => (hash ? [...levels, "#"] : levels).join("/") || "f");

type Step = { add: boolean; at: string; value: number };
const step: fc.Arbitrary<Step> = fc.record({ add: fc.boolean(), at: name, value: fc.nat({ max: 3 }) });

const sorted = (values: Iterable<number | string>) => [...values].sort();

/** A tree, and what must be in it. */
class Scene {
  readonly tree: NameTree;
  readonly model: Map<string, number> = new Map();
  /** By node. */
  readonly names: Map<number, string> = new Map();

  constructor(options: NameTreeOptions = {}) {
    this.tree = new NameTree(options);
  }

  set(name: string, value: number): void {
    const bytes = encodeUtf8(`x${name}`)!; // not from its first byte on
    const node = this.tree.add(bytes, 1, bytes.length);
    this.tree.put(node, value);
    this.model.set(name, value);
    this.names.set(node, name);
  }

  delete(name: string): void {
    const node = this.tree.findText(name);
    assertEquals(node !== NONE, this.model.has(name));
    if (node !== NONE) this.tree.remove(node);
    this.model.delete(name);
  }

  run({ add, at, value }: Step): void {
    if (add) this.set(at, value);
    else this.delete(at);
  }

  assertRight(): void {
    assertEquals(this.tree.size, this.model.size);
    for (const [name, value] of this.model) assertEquals(this.tree.value(this.tree.findText(name)), value);
  }

  /** What `filter` finds at once. */
  match(filter: string): string[] {
    const cursor = new NameCursor(this.tree, filter);
    const found: string[] = [];
    for (let node; (node = cursor.advance(Infinity)) !== NONE;) found.push(this.names.get(node)!);
    assertEquals(this.tree.pinned, 0);
    return found;
  }
}

describe("NameTree", () => {
  test("[MQTT-4.7.2-1] it finds the names that the plain definition matches, whatever came and went", () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 40 }),
        fc.array(filter, { minLength: 1, maxLength: 8 }),
        fc.nat(),
        (steps, filters, seed) => {
          const scene = new Scene({ seed });
          for (const one of steps) scene.run(one);
          scene.assertRight();
          for (const filter of filters) {
            const wanted = [...scene.model.keys()].filter((at) => matches(filter, at));
            assertEquals(sorted(scene.match(filter)), sorted(wanted), filter);
          }
          for (const at of [...scene.model.keys()]) scene.delete(at);
          assertEquals(scene.tree.nodes, 1);
        },
      ),
      { numRuns: 500 },
    );
  });

  test("a name is not its parent's, nor its child's", () => {
    const scene = new Scene();
    scene.set("a/b", 1);
    assertEquals(scene.tree.findText("a"), NONE);
    assertEquals(scene.tree.findText("a/b/"), NONE);
    assertEquals(scene.tree.findText("a/b/c"), NONE);
    assertEquals(scene.tree.value(scene.tree.findText("a/b")), 1);
  });

  test("a hundred thousand names come, are found and go, in any order", patient, () => {
    const scene = new Scene({ seed: 0x1234_5678 });
    const names = Array.from({ length: 100_000 }, (_, i) => `${i % 7}/${(i * 7919) % 100_000}/state`);
    for (const [i, name] of names.entries()) scene.set(name, i);
    scene.assertRight();
    assertEquals(scene.match("#").length, 100_000);
    for (const [i, name] of names.entries()) if (i % 3 > 0) scene.delete(name);
    scene.assertRight();
    assertEquals(scene.match("+/+/state").length, scene.model.size);
    for (const name of [...scene.model.keys()]) scene.delete(name);
    assertEquals([scene.tree.nodes, scene.tree.size], [1, 0]);
    scene.set("again", 5);
    scene.assertRight();
  });

  test("names are found in the order in which they came", () => {
    const scene = new Scene();
    for (const name of ["z", "b", "a/2", "a/1", "y"]) scene.set(name, 0);
    assertEquals(scene.match("#"), ["z", "b", "a/2", "a/1", "y"]);
  });

  test("a value takes the place of another, and 32 bits of it are kept", () => {
    const scene = new Scene();
    for (const value of [0, 5, 0x7fff_ffff, -0x8000_0000, -2]) {
      scene.set("a", value);
      scene.assertRight();
    }
  });
});

describe("NameCursor", () => {
  type Turn = { steps: number; changes: Step[] };
  const turn: fc.Arbitrary<Turn> = fc.record({
    steps: fc.integer({ min: 1, max: 5 }),
    changes: fc.array(step, { maxLength: 4 }),
  });

  for (const orderMax of [0x7fff_ffff, 3]) {
    test(`[MQTT-3.3.1-9] while names come and go, those that stay are found once, those that went are not (numbers up to ${orderMax})`, () => {
      fc.assert(
        fc.property(
          fc.array(name, { maxLength: 20 }),
          filter,
          fc.array(turn, { maxLength: 30 }),
          (before, filter, turns) => {
            const scene = new Scene({ orderMax });
            for (const name of before) scene.set(name, 1);
            const stayed = new Set([...scene.model.keys()].filter((at) => matches(filter, at)));
            const cursor = new NameCursor(scene.tree, filter);
            const found: string[] = [];
            const ahead = new Map<string, boolean>();
            let node = 0;
            for (let i = 0; node !== NONE; i++) {
              const { steps, changes } = turns[i] ?? { steps: 50, changes: [] };
              node = cursor.advance(steps);
              assertEquals(cursor.steps <= steps, true);
              if (node >= 0) {
                const name = scene.names.get(node)!;
                assertEquals(scene.model.has(name) && matches(filter, name), true);
                assertEquals(ahead.get(name) !== false, true, `${name} was said to be behind`);
                found.push(name);
              }
              for (const change of changes) {
                scene.run(change);
                if (!change.add) stayed.delete(change.at);
              }
              ahead.clear();
              for (const at of stayed) {
                const isAhead = node !== NONE && cursor.isAhead(scene.tree.findText(at));
                ahead.set(at, isAhead);
                assertEquals(isAhead, !found.includes(at), `${at} ahead`);
              }
            }
            for (const at of stayed) assertEquals(found.filter((one) => one === at).length, 1, at);
            assertEquals(scene.tree.pinned, 0);
            for (const at of [...scene.model.keys()]) scene.delete(at);
            assertEquals(scene.tree.nodes, 1);
          },
        ),
        { numRuns: 1000 },
      );
    });
  }

  test("a filter that matches nothing takes as many steps as there are nodes to look at, so many at a time", () => {
    const scene = new Scene();
    for (let i = 0; i < 10_000; i++) scene.set(`${i}/state`, i);
    const cursor = new NameCursor(scene.tree, "+/nothing");
    let turns = 0;
    for (; cursor.advance(100) === MORE; turns++) assertEquals(cursor.steps, 100);
    assertEquals(turns, 100);
  });

  test("a name that comes while it is under way does not keep it from its end", () => {
    const scene = new Scene();
    scene.set("0", 0);
    scene.set("1", 0);
    const cursor = new NameCursor(scene.tree, "#");
    let found = 0;
    for (let i = 2; cursor.advance(1) !== NONE; i++) {
      scene.set(`${i}`, 0);
      found++;
    }
    assertEquals([found, cursor.advance(1)], [2, NONE]);
  });

  test("one that is closed finds nothing more and holds no node", () => {
    const scene = new Scene();
    scene.set("a", 0);
    scene.set("b", 0);
    const cursor = new NameCursor(scene.tree, "+");
    cursor.advance(9);
    scene.delete("a");
    assertEquals(scene.tree.nodes, 3);
    cursor.close();
    assertEquals([scene.tree.nodes, cursor.advance(9)], [2, NONE]);
    cursor.close();
  });

  test("two stand on one node", () => {
    const scene = new Scene();
    for (const name of ["a", "b"]) scene.set(name, 0);
    const cursors = [new NameCursor(scene.tree, "#"), new NameCursor(scene.tree, "+")];
    for (const cursor of cursors) cursor.advance(9);
    scene.delete("a");
    for (const cursor of cursors) {
      assertEquals(scene.names.get(cursor.advance(9)), "b");
      assertEquals(cursor.advance(9), NONE);
    }
    assertEquals([scene.tree.nodes, scene.tree.pinned], [2, 0]);
  });
});
