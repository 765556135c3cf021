/**
 * Messages as they are printed, on a terminal and elsewhere.
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { describe, test } from "node:test";
import { CallError } from "../error.ts";
import { SUB_OPTIONS } from "../sub.ts";
import { readArguments } from "./arguments.ts";
import { printerOf } from "./printer.ts";

const PIPE = { isTerminal: false, colour: false };
const ROWS = SUB_OPTIONS.flatMap(({ rows }) => rows);

function printed(args: readonly string[], topic: string, payload: string, terminal = PIPE): string {
  const notes: string[] = [];
  const printer = printerOf(
    readArguments(args, () => undefined, ROWS, ""),
    terminal,
    (text) => notes.push(text),
  );
  const message = {
    topic,
    payload: Buffer.from(payload, "latin1"),
    qos: 0,
    retain: false,
    dup: false,
    packetId: 0,
    properties: undefined,
  };
  return Buffer.concat(printer(message)).toString("latin1") + notes.map((note) => `[${note}]`).join("");
}

describe("a message", () => {
  test("is its bytes and an end of line in a pipe", () => {
    assertEquals(printed([], "t", "\x1b[2J\xff\0"), "\x1b[2J\xff\0\n");
    assertEquals(printed(["-N"], "t", "a"), "a");
    assertEquals([printed([], "t", ""), printed(["-N"], "t", "")], ["", ""]);
    assertEquals(printed(["-v"], "t", "a b"), "t a b\n");
    assertEquals([printed(["-v"], "t", ""), printed(["-v", "-N"], "t", "")], ["t (null)\n", ""]);
    assertEquals(printed(["-N", "-F", "%t\x1b%p"], "t", "\x1b"), "t\x1b\x1b");
  });

  test("does nothing to a terminal, though the form may", () => {
    const terminal = { isTerminal: true, colour: false };
    assertEquals(printed([], "t", "a\x1b[2J\tb\r\n\x7f", terminal), "a\\x1b[2J\tb\\x0d\n\\x7f\n");
    assertEquals(printed(["-v"], "t\x07", "a", terminal), "t\\x07 a\n");
    assertEquals(printed(["-F", "\\e[1m%p\\e[0m"], "t", "\x1b", terminal), "\x1b[1m\\x1b\x1b[0m\n");
    assertEquals(printed(["-F", "%x"], "t", "\x1b", terminal), "1b\n");
  });

  test("has its topic in colour where colours are", () => {
    const terminal = { isTerminal: true, colour: true };
    assertEquals(printed(["-v"], "t", "a", terminal), "\x1b[36mt\x1b[39m a\n");
  });

  test("that %J cannot show is told of, and the rest of the form is there", () => {
    assertEquals(printed(["-F", "%t %J."], "t", "no"), "t .\n[t: the payload is no JSON]");
  });

  test("has one form", () => {
    assertThrows(() => printed(["-v", "--json"], "t", ""), CallError, "--json and -v exclude each other");
    assertThrows(() => printed(["-v", "-F", "%p"], "t", ""), CallError, "-v and -F exclude each other");
  });
});
