/** What a file of hooks exports. @module */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, test } from "node:test";
import { checkHooks } from "./check_hooks.ts";

describe("the export of a file of hooks", () => {
  test("is an object with functions, and functions by Topic Filter", () => {
    const found = checkHooks({
      connect() {},
      subscribe: undefined,
      publish: { "a/+": () => {}, "#": () => {} },
    });
    assert(typeof found !== "string");
    assertEquals(found.wants, { kinds: ["connect"], filters: ["a/+", "#"] });
    assertEquals(found.hookOf(1, {} as never).name, "publish #");
    assertEquals(found.hookOf(-1, { kind: "connect" } as never).name, "connect");
  });

  const WRONG: readonly (readonly [exported: unknown, says: string])[] = [
    [undefined, "not undefined"],
    [null, "not null"],
    ["x", "not a string"],
    [{ conect() {} }, 'there is no hook "conect"; there are connect'],
    [{ connect: 1 }, "connect is a function, not a number"],
    [{ publish() {} }, "publish is an object with a function for each Topic Filter, not a function"],
    [{ publish: { "a/#/b": () => {} } }, '"a/#/b" is not a Topic Filter for a hook [MQTT-4.7.1-1]'],
    [{ publish: { "$share/g/a": () => {} } }, "it is shared"],
    [{ publish: { a: "b" } }, '"a" has a string in place of a function'],
  ];
  for (const [exported, says] of WRONG) {
    test(`is refused with what would be right: ${says}`, () => {
      const found = checkHooks(exported);
      assert(typeof found === "string");
      assertStringIncludes(found, says);
    });
  }
});
