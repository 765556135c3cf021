/** What is read of the URL of a target, and what is told of it. @module */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { AuditCallError } from "../call_error.ts";
import { parseTarget } from "./target.ts";

describe("parseTarget()", () => {
  test("takes the port of the host, which the path has nothing to do with", () => {
    const portOf = (text: string) => parseTarget(text).port;
    assertEquals(["mqtt://h:21", "ws://h:21/a", "ws://h/a:21", "wss://h/a:21/b"].map(portOf), [
      21,
      21,
      80,
      443,
    ]);
  });

  test("takes a password with @ in it, and repeats none in an error", () => {
    assertEquals(parseTarget("mqtt://ann:se@cret@h").password, "se@cret");
    for (const text of ["http://ann:se@cret@h", "mqtt://ann:se/cret@h", "mqtt://ann:se:cret@h/path"]) {
      const { message } = assertThrows(() => parseTarget(text), AuditCallError) as Error;
      assert(!/se|cret/.test(message.split(" ")[0]!), message);
    }
  });
});
