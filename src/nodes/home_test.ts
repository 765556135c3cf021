/**
 * Where the home of a name is: the same for ever, and evenly spread.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { test } from "node:test";
import { homeOf } from "./home.ts";

const KNOWN = [668, 569, 56, 243, 97, 177, 96];

test("a text has the home that files of earlier versions know: the hash never changes", () => {
  const texts = ["", "a", "sensor-1", "house/kitchen/temperature", "größe", "𝄞", "\u0000"];
  assertEquals(texts.map((text) => homeOf(text, 1000)), KNOWN);
});

test("with one node it is the only one, and always one that there is", () => {
  for (let i = 0; i < 1000; i++) {
    assertEquals(homeOf(`client-${i}`, 1), 0);
    const home = homeOf(`client-${i}`, 7);
    assert(Number.isInteger(home) && home >= 0 && home < 7);
  }
});

test("names that are numbered, or differ in one letter, are well spread", () => {
  const NAMES = 20_000;
  for (const nodes of [2, 3, 4, 8, 64]) {
    for (
      const nameOf of [
        (i: number) => `client-${i}`,
        (i: number) => `${i}`,
        (i: number) => `a/${i % 200}/${i}/b`,
      ]
    ) {
      const counts = new Array<number>(nodes).fill(0);
      for (let i = 0; i < NAMES; i++) counts[homeOf(nameOf(i), nodes)]!++;
      const [least, most] = [Math.min(...counts), Math.max(...counts)];
      // Five standard deviations of an even spread.
      const room = 5 * Math.sqrt(NAMES / nodes);
      assert(NAMES / nodes - least < room && most - NAMES / nodes < room, `${nodes}: ${counts}`);
    }
  }
});
