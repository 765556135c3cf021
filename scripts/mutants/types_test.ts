/**
 * Breaks of the source that the compiler looks at.
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { PatchError } from "./patch.ts";
import { TypedSource } from "./types.ts";

const file = "src/delivery/exchange.ts";
const find = "sender.step(id) !== Step.PUBCOMP";

describe("TypedSource", () => {
  const source = new TypedSource([file]);
  const faultOf = (replace: string) => source.faultOf({ kills: "", file, find, replace });

  test("finds nothing wrong with a break that is made of names that are there", () =>
    assertEquals(faultOf("sender.step(id) === Step.FREE"), undefined));
  test("names what is not there", () =>
    assertEquals(faultOf("sender.steps > 0")?.includes("'steps' does not exist"), true));
  test("sees a broken syntax", () => assertEquals(faultOf("if (")?.includes("expected"), true));
  test("forgets one break before the next one", () => assertEquals(faultOf("true"), undefined));
  test("refuses a patch that does not fit", () =>
    void assertThrows(() => source.faultOf({ kills: "", file, find: "not there", replace: "" }), PatchError));
});
