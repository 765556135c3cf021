/** §4.13 errors: who is at fault, and which code the peer is told. @module */
import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { invariant, malformed, PeerError, protocolError, refused, UsageError } from "./error.ts";

describe("errors", () => {
  test("of the peer carry kind, code, rule and message", () => {
    const all = [
      [malformed("2.1.4/short", "a"), "malformed", 0x81],
      [protocolError("2.1.4/short", "a"), "protocol", 0x82],
      [protocolError("2.1.4/short", "a", 0x94), "protocol", 0x94],
      [refused(0x97, "2.1.4/short", "a"), "refused", 0x97],
    ] as const;
    for (const [error, kind, code] of all) {
      assertInstanceOf(error, PeerError);
      assertInstanceOf(error, Error);
      assertEquals(
        [error.name, error.kind, error.code, error.rule, error.message],
        ["PeerError", kind, code, "2.1.4/short", "a"],
      );
    }
  });

  test("of our caller are not the peer's", () => {
    const error = new UsageError("a");
    assertEquals([error.name, error.message, error instanceof PeerError], ["UsageError", "a", false]);
  });

  test("of our own are neither", () => {
    invariant(true, "holds");
    const error = assertThrows(() => invariant(false, "1 is 2"), Error, "1 is 2");
    assertEquals([error instanceof PeerError, error instanceof UsageError], [false, false]);
  });
});
