/** §4.7 Topics with parameters. @module */
import { assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { UsageError } from "../codec/error.ts";
import { matches } from "../topic/filter.ts";
import { text } from "./payload.ts";
import { topic } from "./topic.ts";

describe("topic()", () => {
  const temperature = topic("home/{room}/temperature", text);
  const log = topic("log/{path...}");

  test("has a filter that its names match", () => {
    assertEquals([temperature.filter, log.filter, topic("a/b").filter], [
      "home/+/temperature",
      "log/#",
      "a/b",
    ]);
    const name = temperature.name({ room: "kitchen" });
    assertEquals([name, matches(temperature.filter, name)], ["home/kitchen/temperature", true]);
    assertEquals(log.name({ path: "a/b" }), "log/a/b");
    assertEquals(topic("a/b").name({}), "a/b");
  });

  test("finds the parameters of a name, and none of another", () => {
    assertEquals(temperature.match("home/kitchen/temperature"), { room: "kitchen" });
    assertEquals(log.match("log/a/b/c"), { path: "a/b/c" });
    for (
      const name of [
        "home/kitchen",
        "home/kitchen/humidity",
        "home/kitchen/temperature/x",
        "house/x/temperature",
      ]
    ) {
      assertEquals(temperature.match(name), undefined);
    }
    assertEquals(log.match("log"), undefined);
  });

  test("refuses parameters that would change the levels", () => {
    for (const room of ["", "a/b", "+", "#", "a\0"]) {
      assertThrows(() => temperature.name({ room }), UsageError, "Parameter room");
    }
    assertThrows(() => log.name({ path: "a/#" }), UsageError);
    // @ts-expect-error no such parameter
    assertThrows(() => temperature.name({ rom: "kitchen" }), UsageError);
  });

  test("refuses patterns that are none", () => {
    for (const pattern of ["a/+", "a/#", "a{b}", "{a}b", "{}", "{a...}/b", "{a b}"]) {
      assertThrows(() => topic(pattern), UsageError);
    }
  });
});
