/** What is safe stays, and of the rest everything may happen that a disk does. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { Dice } from "../soak/dice.ts";
import {
  type Damage,
  Disk,
  type DiskOp,
  type NameChange,
  ROOT_NODE,
  SECTOR_BYTES,
  type Tree,
} from "./disk.ts";

const DAMAGES: readonly Damage[] = ["nothing", "all", "first", "any"];
const SEEDS = 200;
const FILE = 1;
const OTHER = 2;
const FOLDER = 3;

/** A disk to which things happen one behind the other. */
class Story {
  readonly disk: Disk = new Disk();
  #at = 0;

  write(text: string, offset = 0, node = FILE): this {
    return this.#op({ kind: "write", node, offset, data: new TextEncoder().encode(text), ...this.#place() });
  }

  resize(size: number): this {
    return this.#op({ kind: "size", node: FILE, size, ...this.#place() });
  }

  names(...changes: NameChange[]): this {
    return this.#op({ kind: "name", changes, ...this.#place() });
  }

  file(name: string, node = FILE, directory = ROOT_NODE): this {
    return this.names({ directory, name, node });
  }

  folder(name: string): this {
    const changes = [{ directory: ROOT_NODE, name, node: FOLDER }];
    return this.#op({ kind: "name", changes, isDirectory: true, ...this.#place() });
  }

  sync(node: number): this {
    return this.#op({ kind: "sync", node, from: ++this.#at, at: ++this.#at });
  }

  /** What is there, over all kinds of damage and many seeds. */
  outcomes<T>(of: (tree: Tree) => T, damages = DAMAGES): Set<T> {
    const found = new Set<T>();
    for (const damage of damages) {
      for (let seed = 0; seed < SEEDS; seed++) found.add(of(this.disk.afterCut(damage, new Dice(seed))));
    }
    return found;
  }

  #place(): { at: number; doneAt: number } {
    return { at: ++this.#at, doneAt: ++this.#at };
  }

  #op(op: DiskOp): this {
    this.disk.apply(op);
    return this;
  }
}

function textAt(path: string): (tree: Tree) => string | undefined {
  return (tree) => {
    const content = tree.get(path);
    return content && new TextDecoder().decode(content);
  };
}

const paths = (tree: Tree): string => [...tree.keys()].sort().join();

/** A file with a safe name. */
const begun = (): Story => new Story().file("f").sync(ROOT_NODE);

describe("content", () => {
  test("is never lost once it was synced", () => {
    assertEquals(begun().write("safe").sync(FILE).outcomes(textAt("f")), new Set(["safe"]));
  });
  test("that was synced stays below what was written later elsewhere", () => {
    const story = begun().write("safe").sync(FILE).write("new", 1000);
    const starts = story.outcomes((tree) => textAt("f")(tree)!.slice(0, 4));
    assertEquals(starts, new Set(["safe"]));
  });
  test("that was not synced may be there, or not", () => {
    assertEquals(begun().write("new").outcomes(textAt("f")), new Set(["", "new"]));
  });
  test("that was not synced is all there, or nothing of it, where that is asked", () => {
    const story = begun().write("old").sync(FILE).write("new");
    assertEquals(story.outcomes(textAt("f"), ["nothing"]), new Set(["old"]));
    assertEquals(story.outcomes(textAt("f"), ["all"]), new Set(["new"]));
  });
  test("may be torn between sectors, and nowhere else", () => {
    const offset = 100;
    const length = 3 * SECTOR_BYTES;
    const story = begun().write(".".repeat(offset + length)).sync(FILE).write("x".repeat(length), offset);
    const edges = story.outcomes((tree) => {
      const text = textAt("f")(tree)!;
      return [...text].flatMap((char, i) => i > 0 && char !== text[i - 1] ? [i] : []).join();
    });
    assert(edges.has(`${offset},${SECTOR_BYTES}`), "only its first sector");
    assert(edges.has(`${offset},${2 * SECTOR_BYTES}`), "its first sectors");
    assert(edges.has(`${SECTOR_BYTES},${2 * SECTOR_BYTES}`), "one in the middle");
    for (const edge of [...edges].join().split(",").filter((text) => text !== "").map(Number)) {
      const isWhole = edge % SECTOR_BYTES === 0 || edge === offset || edge === offset + length;
      assert(isWhole, `torn at ${edge}`);
    }
  });
  test("may be there without what was written before it, only in its order where that is asked", () => {
    const story = begun().write("a").write("b", 1);
    assert(story.outcomes(textAt("f"), ["any"]).has("\0b"));
    assertEquals(story.outcomes(textAt("f"), ["first"]), new Set(["", "a", "ab"]));
  });
  test("that was being written when the sync began is not safe by it", () => {
    const data = new TextEncoder().encode("new");
    const story = begun();
    story.disk.apply({ kind: "write", node: FILE, offset: 0, data, at: 100, doneAt: 102 });
    story.disk.apply({ kind: "sync", node: FILE, from: 101, at: 103 });
    assertEquals(story.outcomes(textAt("f")), new Set(["", "new"]));
  });
  test("whose writing never ended is kept or not, until it is known that it did not happen", () => {
    const data = new TextEncoder().encode("new");
    const story = begun().write("old").sync(FILE);
    story.disk.apply({ kind: "write", node: FILE, offset: 0, data, at: 100, doneAt: Infinity });
    assertEquals(story.outcomes(textAt("f")), new Set(["old", "new"]));
    story.disk.apply({ kind: "undone", node: FILE, at: 200 });
    assertEquals(story.outcomes(textAt("f")), new Set(["old"]));
  });
  test("of another file is not made safe", () => {
    const story = begun().file("g", OTHER).sync(ROOT_NODE).write("f").write("g", 0, OTHER).sync(OTHER);
    assertEquals(story.outcomes(textAt("g")), new Set(["g"]));
    assert(story.outcomes(textAt("f")).has(""));
  });
  test("that was cut off may be there again until that is synced", () => {
    const story = begun().write("long").sync(FILE).resize(1);
    assertEquals(story.outcomes(textAt("f")), new Set(["long", "l"]));
    assertEquals(story.sync(FILE).outcomes(textAt("f")), new Set(["l"]));
  });
  test("behind the old end is zeros where nothing was written", () => {
    const story = begun().write("long").resize(1).write("x", 3).sync(FILE);
    assertEquals(story.outcomes(textAt("f")), new Set(["l\0\0x"]));
  });
  test("of a mapped file may be anything, of its length", () => {
    const story = begun().write("zero").sync(FILE);
    story.disk.apply({ kind: "mapped", node: FILE, at: 100 });
    const found = story.outcomes((tree) => [...tree.get("f")!].join());
    assert(found.size > 10);
    assert([...found].every((bytes) => bytes.split(",").length === 4));
  });
});

describe("a name", () => {
  test("is not safe by a sync of its file, only by one of its directory", () => {
    const story = new Story().file("f").write("safe").sync(FILE);
    assertEquals(story.outcomes(textAt("f")), new Set([undefined, "safe"]));
    assertEquals(story.sync(ROOT_NODE).outcomes(textAt("f")), new Set(["safe"]));
  });
  test("that was given to another file is the old one's or the new one's", () => {
    const story = begun().write("old").sync(FILE).file("new", OTHER).sync(ROOT_NODE).write("new", 0, OTHER)
      .sync(OTHER)
      .names({ directory: ROOT_NODE, name: "new", node: undefined }, {
        directory: ROOT_NODE,
        name: "f",
        node: OTHER,
      });
    const found = story.outcomes((tree) => `${paths(tree)}: ${textAt("f")(tree)}`);
    assertEquals(found, new Set(["f,new: old", "f: new"]));
    assertEquals(story.sync(ROOT_NODE).outcomes(paths), new Set(["f"]));
  });
  test("that was removed may be there again, with what was safe", () => {
    const story = begun().write("safe").sync(FILE).names({
      directory: ROOT_NODE,
      name: "f",
      node: undefined,
    });
    assertEquals(story.outcomes(textAt("f")), new Set(["safe", undefined]));
  });
  test("is there only with those that came before it", () => {
    const story = new Story().file("a").file("b", OTHER);
    assertEquals(story.outcomes(paths), new Set(["", "a", "a,b"]));
  });
  test("of a directory that is not safe takes with it what is in it", () => {
    const story = new Story().folder("d").file("f", FILE, FOLDER).write("safe").sync(FILE).sync(FOLDER);
    assertEquals(story.outcomes(paths), new Set(["", "d,d/f"]));
    assertEquals(story.sync(ROOT_NODE).outcomes(textAt("d/f")), new Set(["safe"]));
  });
});
