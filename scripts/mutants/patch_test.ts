/**
 * Patches: applied where their text stands once, refused otherwise.
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { patched, PatchError } from "./patch.ts";

describe("patched()", () => {
  test("replaces what stands there once", () => assertEquals(patched("a b c", "b", "x"), "a x c"));
  test("takes the replacement as it is", () => assertEquals(patched("a b c", "b", "$&$1"), "a $&$1 c"));
  test("may take away", () => assertEquals(patched("a b c", " b", ""), "a c"));
  test("refuses what is not there", () =>
    void assertThrows(() => patched("a", "b", "c"), PatchError, "not there"));
  test("refuses what is there twice", () =>
    void assertThrows(() => patched("b b", "b", "c"), PatchError, "more than once"));
  test("refuses what overlaps itself", () =>
    void assertThrows(() => patched("aaa", "aa", "c"), PatchError, "more than once"));
  test("refuses an empty text", () => void assertThrows(() => patched("a", "", "c"), PatchError));
  test("refuses a patch that changes nothing", () =>
    void assertThrows(() => patched("a", "a", "a"), PatchError, "changes nothing"));
});
