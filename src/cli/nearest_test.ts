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
      ["log-l", "log-level"],
      ["listen-address", "listen-addr"],
    ] as const
  ) {
    test(`${word} was probably meant to be ${meant}`, () => assertEquals(nearest(word, words), meant));
  }

  const commands = ["serve", "audit", "bench", "backup", "verify", "compact", "help", "version"];
  for (const word of ["pub", "config", "start", "run", "x", ""]) {
    test(`${JSON.stringify(word)} is near to no command`, () =>
      assertEquals(nearest(word, commands), undefined));
  }

  test("--config is not near to --port", () => assertEquals(nearest("config", words), undefined));
});
