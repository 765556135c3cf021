/** §4.1 Directories of a store that were made, and whose names must be on the disk. @module */
import { assertEquals } from "@std/assert";
import { mkdirSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, test } from "node:test";
import { inDirectory } from "../testing/store_files.ts";
import { madeBetween } from "./files.ts";

describe("madeBetween()", () => {
  for (const name of ["a", "a/b/c", "a/b/../b/c/"]) {
    test(`names all directories that mkdir has made for ${name}`, () =>
      inDirectory((parent) => {
        const directory = join(parent, name);
        const made = madeBetween(directory, mkdirSync(directory, { recursive: true })!);
        const expected = name === "a" ? ["a"] : ["a/b/c", "a/b", "a"];
        assertEquals(made.map((path) => relative(parent, path)), expected);
      }));
  }
});
