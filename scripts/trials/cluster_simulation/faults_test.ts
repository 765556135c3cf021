/** The planted faults follow the source. @module */
import { assertEquals } from "@std/assert";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { FAULTS } from "./faults.ts";

test("the text that each fault of a cluster changes stands once in its file", () => {
  for (const { about, file, from } of FAULTS) {
    const text = readFileSync(new URL(`../../../${file}`, import.meta.url), "utf8");
    assertEquals(text.split(from).length - 1, 1, about);
  }
});
