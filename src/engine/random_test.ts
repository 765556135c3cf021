/** Numbers from a seed. @module */
import { assertEquals, assertNotEquals } from "@std/assert";
import { describe, test } from "node:test";
import { seededRandom } from "./random.ts";

const take = (seed: number, count: number) => {
  const random = seededRandom(seed);
  return Array.from({ length: count }, random);
};

describe("seededRandom()", () => {
  test("the same seed gives the same numbers on every machine", () => {
    assertEquals(take(1, 3), take(1, 3));
    assertEquals(take(0, 2), [1_684_164_658, 3_653_269_916]);
    assertNotEquals(take(1, 3), take(2, 3));
  });

  test("numbers are whole, of 32 bits, and each bit is set about half the time", () => {
    const numbers = take(7, 4096);
    assertEquals(numbers.every((n) => Number.isInteger(n) && n >= 0 && n <= 0xffff_ffff), true);
    assertEquals(new Set(numbers).size > 4090, true);
    for (let bit = 0; bit < 32; bit++) {
      const set = numbers.filter((n) => (n >>> bit & 1) === 1).length;
      assertEquals(set > 1848 && set < 2248, true, `bit ${bit} is set ${set} times`);
    }
  });
});
