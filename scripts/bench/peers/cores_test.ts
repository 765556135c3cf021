import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { coresHere, coresIn } from "./cores.ts";

describe("coresIn()", () => {
  test("reads single cores and ranges", () => {
    assertEquals(coresIn("0-2,7"), [0, 1, 2, 7]);
    assertEquals(coresIn("3"), [3]);
    assertEquals(coresIn(""), []);
  });
});

test("broker and load share no core where they are kept apart", () => {
  const { broker, load, threads, areApart } = coresHere();
  assert(threads >= 1);
  if (!areApart) return assertEquals([broker, load], [[], []]);
  const [one, others] = [broker, load].map((command) => coresIn(command.at(-1)!));
  assertEquals(one!.length, 1);
  assert(!others!.includes(one![0]!));
});
