/**
 * Mutations: never an error of their own, the same for the same seed, and almost never nothing.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { test } from "node:test";
import { Dice } from "./dice.ts";
import { mutate } from "./mutate.ts";

const FRAMES = [[0xc0, 0], [0x30, 5, 0, 1, 0x74, 1, 2], [0xe0, 0], [0x10, 0x80, 1]].map((frame) =>
  Uint8Array.from(frame)
);

test("mutate() is the same for the same seed, and leaves its frames alone", () => {
  const before = JSON.stringify(FRAMES);
  for (let seed = 0; seed < 2_000; seed++) {
    assertEquals(mutate(FRAMES, new Dice(seed)), mutate(FRAMES, new Dice(seed)));
  }
  assertEquals(JSON.stringify(FRAMES), before);
});

test("mutate() changes nearly always something", () => {
  const whole = JSON.stringify(FRAMES.flatMap((frame) => [...frame]));
  let same = 0;
  for (let seed = 0; seed < 2_000; seed++) {
    if (JSON.stringify([...mutate(FRAMES, new Dice(seed))]) === whole) same++;
  }
  assert(same < 200, `${same} of 2000 are as before`);
});
