/** What was found of other brokers: what is kept, and the page of it. @module */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import type { AuditReport, ReportCase } from "../../../conformance/mod.ts";
import { foundIn, peersFound, withoutNames } from "../../lib/peers_found.ts";
import { pathOf } from "../../lib/tree.ts";
import { PEERS } from "./peers.ts";
import { READINGS } from "./readings.ts";
import { withTable } from "./table.ts";

/** A report at 5.0 of these cases, all of one statement. */
function report(cases: Readonly<Record<string, ReportCase["verdict"]>>): AuditReport {
  const all = Object.entries(cases).map(([id, verdict]) => ({
    id,
    verdict,
    statements: ["a statement"],
    reason: `A message on plumb-audit/x7/t came for pa12345678`,
  }));
  const verdict = all.some((one) => one.verdict === "fail") ? "fail" : "pass";
  const statements = [{ id: "a statement", verdict }];
  const levels = [{ version: "5.0", statements, cases: all }];
  return { product: "slow 1.0", date: "2026-11-30T10:00:00Z", levels } as unknown as AuditReport;
}

describe("what is kept of an audit", () => {
  test("has the verdicts, and the fails without the names of one run", () => {
    const { product, date, levels } = foundIn(report({ "a/one": "pass", "a/two": "fail" }));
    assertEquals([product, date], ["slow 1.0", "2026-11-30"]);
    assertEquals(levels[0]!.verdicts, { "a statement": "fail" });
    assertEquals(levels[0]!.fails.map(({ id, reason }) => [id, reason]), [
      ["a/two", "A message on plumb-audit/RUN/t came for CLIENT"],
    ]);
  });

  test("has of a case that was run once more what was found then, and so for its statements", () => {
    const first = report({ "a/one": "pass", "a/two": "fail", "a/three": "fail" });
    const partly = foundIn(first, report({ "a/two": "pass" })).levels[0]!;
    assertEquals([partly.verdicts["a statement"], partly.fails.map(({ id }) => id)], ["fail", ["a/three"]]);
    const wholly = foundIn(first, report({ "a/two": "pass", "a/three": "pass" })).levels[0]!;
    assertEquals([wholly.verdicts["a statement"], wholly.fails], ["pass", []]);
  });

  test("is without the names of Clients and topics, and without what would act on a terminal", () => {
    assertEquals(withoutNames(`"${"\0".repeat(1000)}" came\tfirst`), '"…" came first');
    assertEquals(withoutNames("pa258tdf55d1  got plumb-audit/258tdf55d/x"), "CLIENT got plumb-audit/RUN/x");
  });
});

describe("the page of other brokers", () => {
  const page = readFileSync(pathOf("docs/peers.md"), "utf8");

  test("says what was found last", () => {
    const words = (text: string) => text.replace(/[\s|:-]+/g, " ");
    assertEquals(words(withTable(page, peersFound())), words(page));
  });

  test("has every broker that is audited", () => {
    for (const { name } of PEERS) assertStringIncludes(page, `| ${name}`);
  });

  test("has no reading for a fail that nobody found", () => {
    for (const [name, readings] of Object.entries(READINGS)) {
      const found = peersFound().find(({ product }) => product.startsWith(`${name} `))!;
      const fails = found.levels.flatMap(({ fails }) => fails);
      for (const { of } of readings) {
        if (of instanceof RegExp) assert(fails.some(({ reason }) => of.test(reason)), `${name}: ${of}`);
        else for (const id of of) assert(fails.some((one) => one.id === id), `${name}: ${id}`);
      }
    }
  });
});
