import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { claimsOf, sectionsOf } from "./sections.ts";

const doc = (text: string) => `/**\n * ${text}\n * @module\n */\nimport "./x.ts"; // §9.9\n`;

describe("claimsOf()", () => {
  test("finds single sections and ranges", () => {
    assertEquals(claimsOf(doc("§3.4–3.7 PUBACK and so on. Knows the steps.")), ["3.4", "3.5", "3.6", "3.7"]);
    assertEquals(claimsOf(doc("§3.15, §4.12 AUTH. Knows it.")), ["3.15", "4.12"]);
    assertEquals(claimsOf(doc("§3.8–3.11 SUBSCRIBE. Knows it.")), ["3.8", "3.9", "3.10", "3.11"]);
  });
  test("takes what a doc mentions behind its claim for none", () => {
    assertEquals(claimsOf(doc("§3.3.1.3 Retained messages.\n * Knows topics.\n *\n * A queue (§4.1).")), [
      "3.3.1.3",
    ]);
    assertEquals(claimsOf(doc("Copies bytes. Knows what is fast, not §4.3.")), []);
  });
});

describe("sectionsOf()", () => {
  const titles = "section\ttitle\n3.3\tPUBLISH\n3.3.1.3\tRETAIN\n4.9\tFlow Control\n";

  test("puts each module at the sections it claims", () => {
    const faults: string[] = [];
    const modules = new Map([["a.ts", doc("§3.3.1.3 A. Knows.")], ["b.ts", doc("§3.3.1.3, §4.9 B. Knows.")]]);
    assertEquals(Object.fromEntries(sectionsOf(modules, titles, faults)), {
      "3.3": { title: "PUBLISH", files: [] },
      "3.3.1.3": { title: "RETAIN", files: ["a.ts", "b.ts"] },
      "4.9": { title: "Flow Control", files: ["b.ts"] },
    });
    assertEquals(faults, []);
  });
  test("names a section that no module claims, and a claim without a title", () => {
    const faults: string[] = [];
    sectionsOf(new Map([["a.ts", doc("§3.3, §7.1 A. Knows.")]]), titles, faults);
    assertEquals(faults, [
      "a.ts:2: §7.1 has no title in spec/mqtt-5.0-sections.tsv",
      "spec/mqtt-5.0-sections.tsv: §3.3.1.3: no module claims it in its first doc",
      "spec/mqtt-5.0-sections.tsv: §4.9: no module claims it in its first doc",
    ]);
  });
});
