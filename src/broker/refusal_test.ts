/** §3.14.2.2.3 The Reason String of a refusal. @module */
import { assertEquals } from "@std/assert";
import { test } from "node:test";
import { reasonString } from "./refusal.ts";

/** The Reason String of this message. */
function shown(message: string): string {
  return reasonString({ code: 0x82, rule: "2.2.1/zero", message });
}

const PREFIX = "2.2.1/zero: ";

test("it is the rule and what was wrong", () => {
  assertEquals(shown("none"), `${PREFIX}none`);
});

test("it is cut behind 240 characters, and not before", () => {
  const most = "x".repeat(240 - PREFIX.length);
  assertEquals(shown(most), PREFIX + most);
  assertEquals(shown(`${most}y`), `${PREFIX}${most}…`);
  assertEquals(shown(`${most}yz`), `${PREFIX}${most}…`);
});

test("it stays a text where it is cut in the middle of a character", () => {
  const most = "x".repeat(239 - PREFIX.length);
  assertEquals(shown(`${most}😀`), `${PREFIX}${most}\ufffd…`);
});
