/** @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { nearest } from "./nearest.ts";

describe("nearest()", () => {
  const words = ["listen", "listen-addr", "port", "log-level", "log-format"];
  for (
    const [word, meant] of [
      ["listne", "listen"],
      ["prot", "port"],
      ["LOG-LEVEL", "log-level"],
      ["loglevel", "log-level"],
      ["listen-address", "listen-addr"],
    ] as const
  ) {
    test(`${word} was probably meant to be ${meant}`, () => assertEquals(nearest(word, words), meant));
  }
});
