/**
 * The words of cases.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { ALL_CASES } from "./all_cases.ts";
import { textAt } from "./case.ts";

describe("textAt()", () => {
  test("leaves out the words for the other level", () => {
    const text = "It is closed{5|; 0x81 may say why}. It has {4|nine}{5|twelve}.";
    assertEquals(textAt(text, 5), "It is closed; 0x81 may say why. It has twelve.");
    assertEquals(textAt(text, 4), "It is closed. It has nine.");
  });

  test("leaves texts of cases that speak of their own level alone, as sentences", () => {
    for (const one of ALL_CASES) {
      for (const level of one.levels) {
        const other = level === 5 ? "level 4" : "level 5";
        for (const text of [one.does, one.requires].map((each) => textAt(each, level))) {
          const isAbout = /level/.test(one.id); // of the levels themselves
          assert(isAbout || !text.toLowerCase().includes(other), `${one.id} at level ${level}: ${text}`);
          assert(!/[{|}]| {2}| [.,;]/.test(text), `${one.id} at level ${level}: ${text}`);
          assert(/\.\)?$/.test(text), `${one.id} at level ${level}: ${text}`);
        }
      }
    }
  });
});
