/** §4.7 What makes a Topic Name. @module */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { hasWildcard, isTopicName, levelCount } from "./name.ts";
import { text, topicName } from "../testing/arbitrary.ts";

describe("isTopicName()", () => {
  test("[MQTT-4.7.3-1, MQTT-4.7.3-2, MQTT-4.7.0-1] no characters, U+0000 and wildcards make no Topic Name", () => {
    for (const name of ["", "\0", "a\0b", "+", "#", "a/+", "a+b", "a/#", "#a"]) {
      assertEquals(isTopicName(name), false, JSON.stringify(name));
    }
  });

  test("[MQTT-4.7.3-4] everything else is one, as it stands", () => {
    for (const name of ["a", "/", "//", "a/", " ", "$SYS/a", "\uFEFF", "é", "😀/b", "$share/g/a"]) {
      assertEquals(isTopicName(name), true, JSON.stringify(name));
    }
  });

  test("it says of any text what its characters say", () => {
    fc.assert(fc.property(fc.oneof(text, topicName), (name) => {
      assertEquals(isTopicName(name), /^[^+#\0]+$/u.test(name));
      assertEquals(hasWildcard(name), /[+#]/.test(name));
    }));
  });
});

describe("levelCount()", () => {
  test("empty levels count", () => {
    assertEquals(["", "a", "/", "a/b", "//", "a/b/", "/a"].map(levelCount), [1, 1, 2, 2, 3, 3, 2]);
  });

  test("it is the number of parts between separators", () => {
    fc.assert(fc.property(text, (name) => assertEquals(levelCount(name), name.split("/").length)));
  });
});
