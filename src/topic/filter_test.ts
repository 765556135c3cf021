/** §4.7, §4.8.2 What makes a Topic Filter, and what it matches. @module */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { matches, parseFilter } from "./filter.ts";
import { topicFilter, topicName } from "../testing/arbitrary.ts";

/** The rule a filter breaks, undefined if none. */
function ruleOf(filter: string): string | undefined {
  const parsed = parseFilter(filter);
  return typeof parsed === "string" ? parsed : undefined;
}

describe("parseFilter()", () => {
  test("[MQTT-4.7.1-1] # is the last level, alone in it", () => {
    for (const bad of ["a#", "#a", "a/#/b", "#/", "#/a", "a/b#", "##", "a/##", "+#", "a/#/", "#+"]) {
      assertEquals(ruleOf(bad), "MQTT-4.7.1-1", bad);
    }
    for (const good of ["#", "a/#", "/#", "+/#", "a/+/#", "$SYS/#"]) {
      assertEquals(ruleOf(good), undefined, good);
    }
  });

  test("[MQTT-4.7.1-2] + fills its level", () => {
    for (const bad of ["a+", "+a", "a/b+", "+a/b", "++", "a/+b/c", "a/b+/#"]) {
      assertEquals(ruleOf(bad), "MQTT-4.7.1-2", bad);
    }
    for (const good of ["+", "+/+", "/+", "+/", "a/+/b", "+/+/#", "//+//"]) {
      assertEquals(ruleOf(good), undefined, good);
    }
  });

  test("[MQTT-4.7.3-1, MQTT-4.7.3-2] no filter is empty or has U+0000", () => {
    assertEquals(ruleOf(""), "MQTT-4.7.3-1");
    assertEquals(ruleOf("a\0"), "MQTT-4.7.3-2");
    assertEquals(ruleOf("\0/#"), "MQTT-4.7.3-2");
    assertEquals(ruleOf("$share/g/\0"), "MQTT-4.7.3-2");
  });

  test("[MQTT-4.8.2-1] a ShareName has one character or more", () => {
    for (const bad of ["$share/", "$share//", "$share//a"]) assertEquals(ruleOf(bad), "MQTT-4.8.2-1", bad);
  });

  test("[MQTT-4.8.2-2] a ShareName has no wildcard, and a filter stands behind it", () => {
    for (const bad of ["$share/g", "$share/g/", "$share/+/a", "$share/g+/a", "$share/#/a", "$share/g#/a"]) {
      assertEquals(ruleOf(bad), "MQTT-4.8.2-2", bad);
    }
  });

  test("[MQTT-4.8.2-2] the filter behind a ShareName keeps the rules of every filter", () => {
    assertEquals(ruleOf("$share/g/a#"), "MQTT-4.7.1-1");
    assertEquals(ruleOf("$share/g/a+"), "MQTT-4.7.1-2");
  });

  test("a shared filter is taken apart at the third level, and only $share/ is one", () => {
    const shared = { text: "$share/g/a/+", share: "g", match: "a/+", wildcard: true };
    assertEquals(parseFilter("$share/g/a/+"), shared);
    assertEquals(parseFilter("$share/g//"), { text: "$share/g//", share: "g", match: "/", wildcard: false });
    for (const plain of ["$share", "$Share/g/a", "$shared/g/a", "a/$share/g"]) {
      assertEquals(parseFilter(plain), { text: plain, share: undefined, match: plain, wildcard: false });
    }
  });

  test("it takes every filter that is well formed", () => {
    fc.assert(fc.property(topicFilter, (filter) => {
      fc.pre(!filter.startsWith("$share"));
      const wildcard = filter.split("/").some((level) => level === "+" || level === "#");
      assertEquals(parseFilter(filter), { text: filter, share: undefined, match: filter, wildcard });
      const text = `$share/g/${filter}`;
      assertEquals(parseFilter(text), { text, share: "g", match: filter, wildcard });
    }));
  });
});

describe("matches()", () => {
  test("[MQTT-4.7.1-1, MQTT-4.7.1-2] the examples of the standard", () => {
    const tennis = "sport/tennis/player1";
    const table: [filter: string, topic: string, match: boolean][] = [
      [`${tennis}/#`, tennis, true],
      [`${tennis}/#`, `${tennis}/ranking`, true],
      [`${tennis}/#`, `${tennis}/score/wimbledon`, true],
      ["sport/#", "sport", true],
      ["#", "a/b/c", true],
      ["sport/tennis/+", tennis, true],
      ["sport/tennis/+", `${tennis}/ranking`, false],
      ["sport/+", "sport", false],
      ["sport/+", "sport/", true],
      ["+/+", "/finance", true],
      ["/+", "/finance", true],
      ["+", "/finance", false],
    ];
    for (const [filter, topic, match] of table) {
      assertEquals(matches(filter, topic), match, `${filter} ${topic}`);
    }
  });

  test("[MQTT-4.7.2-1] a wildcard in first place does not match a topic that begins with $", () => {
    for (const filter of ["#", "+/monitor/Clients", "+/#", "+/+/+"]) {
      assertEquals(matches(filter, "$SYS/monitor/Clients"), false, filter);
    }
    for (const filter of ["$SYS/#", "$SYS/monitor/+", "$SYS/+/Clients"]) {
      assertEquals(matches(filter, "$SYS/monitor/Clients"), true, filter);
    }
    assertEquals(matches("a/+", "a/$b"), true);
  });

  test("[MQTT-4.7.3-4] names are compared as they are", () => {
    const pairs = [["A", "a"], ["\u00E9", "e\u0301"], ["/a", "a"], ["a/", "a"], ["a//b", "a/b"], ["a ", "a"]];
    for (const [filter, topic] of pairs) {
      assertEquals(matches(filter!, topic!), false, `${filter} ${topic}`);
      assertEquals(matches(topic!, filter!), false, `${topic} ${filter}`);
    }
  });

  test("[MQTT-3.3.2-3] every name is matched by itself, by its parents with # and by + in place of any level", () => {
    fc.assert(fc.property(topicName, fc.nat(), (topic, pick) => {
      fc.pre(!topic.startsWith("$"));
      const levels = topic.split("/");
      const at = pick % levels.length;
      assertEquals(matches(topic, topic), true);
      assertEquals(matches([...levels.slice(0, at), "#"].join("/"), topic), true);
      assertEquals(matches(levels.with(at, "+").join("/"), topic), true);
      assertEquals(matches([...levels, "+"].join("/"), topic), false);
      assertEquals(matches([...levels, "#"].join("/"), topic), true);
    }));
  });
});
