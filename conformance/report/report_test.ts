/**
 * Reports in all forms, made from one small audit.
 * @module
 */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import config from "../../deno.json" with { type: "json" };
import type { TranscriptLine } from "../wire/peer.ts";
import { AUDITOR_VERSION } from "../version.ts";
import { badge } from "./badge.ts";
import { diffReports, diffText } from "./diff.ts";
import { escapeMarkup } from "./escape.ts";
import { maskSecrets, shorten } from "./evidence.ts";
import { htmlReport } from "./html.ts";
import { parseReport, withoutPassword } from "./json.ts";
import { junitReport } from "./junit.ts";
import { markdownReport } from "./markdown.ts";
import { NASTY, sampleReport, SECRET, unreachableReport } from "./sample_report.ts";
import { compareSections, topSection } from "./sections.ts";
import { progressLine, sumLine, terminalReport } from "./terminal.ts";

const report = sampleReport();
const [five, four] = report.levels as [typeof report.levels[number], typeof report.levels[number]];

function statement(id: string) {
  return five.statements.find((one) => one.id === id)!;
}

/** Elements and text of XML without attributes looked at; throws where a tag is not closed by its like. */
function readXml(xml: string): string[] {
  const open: string[] = [];
  const seen: string[] = [];
  const body = xml.replace(/^<\?xml[^?]*\?>\n/, "");
  for (
    const [, closing, name, attributes, self] of body.matchAll(
      /<(\/?)([a-z-]+)((?:\s+[\w-]+="[^"<]*")*)\s*(\/?)>/gi,
    )
  ) {
    if (closing === "/") assertEquals(open.pop(), name);
    else if (self !== "/") open.push(name!);
    if (closing !== "/") seen.push(`${name}${attributes}`);
  }
  assertEquals(open, []);
  const text = body.replace(/<\/?[a-z-]+(?:\s+[\w-]+="[^"<]*")*\s*\/?>/gi, "");
  assert(!/[<>]/.test(text), "there is markup that is none");
  assert(!/&(?!amp;|lt;|gt;|quot;|#39;)/.test(xml), "there is an & that is none");
  return seen;
}

describe("the report", () => {
  test("gives a statement the worst verdict of its cases", () => {
    assertEquals(statement("MQTT-3.3.1-4").verdict, "fail");
    assertEquals(statement("MQTT-3.3.1-4").cases, ["3.3.1/qos-3", "3.3.1/twice"]);
    assertEquals(statement("MQTT-3.3.1-2").verdict, "lenient");
    assertEquals(statement("MQTT-3.3.1-5").verdict, "unsupported");
    assertEquals(statement("MQTT-3.3.1-6").verdict, "inconclusive");
  });
  test("has all statements of both versions, and says why some are untested", () => {
    assertEquals(five.statements.filter(({ kind }) => kind === "statement").length, 251);
    assertEquals(four.statements.filter(({ kind }) => kind === "statement").length, 141);
    const untested = five.statements.filter(({ verdict }) => verdict === "untested");
    assert(untested.length > 200);
    assert(untested.every(({ why }) => why !== ""));
    assertMatch(statement("MQTT-1.5.4-1").why, /codec/);
  });
  test("has duties in their section at level 5, and apart from sections of 5.0 at level 4", () => {
    assertEquals(statement("2.2.1/zero").group, "2.2");
    assertEquals(four.statements.find(({ id }) => id === "2.2.1/zero")!.group, "duties");
    assertEquals(five.totals.duties.pass, 1);
  });
  test("counts", () => {
    assertEquals(five.totals.cases, {
      pass: 1,
      lenient: 1,
      fail: 1,
      inconclusive: 1,
      unsupported: 1,
      untested: 0,
    });
    const all = Object.values(five.totals.statements).reduce((sum, count) => sum + count, 0);
    assertEquals(all, 251);
    const publish = five.sections.find(({ section }) => section === "3.3")!;
    assertEquals([publish.totals.fail, publish.totals.lenient], [1, 1]);
  });
  test("tells no password", () => {
    const text = JSON.stringify(report);
    assert(!text.includes(SECRET));
    const hex = [...new TextEncoder().encode(SECRET)].map((byte) => byte.toString(16).padStart(2, "0")).join(
      "",
    );
    assert(!text.includes(hex));
    assertEquals(report.target, "mqtt://user@127.0.0.1:1883");
    assertEquals(withoutPassword("mqtt://[::1]:1883"), "mqtt://[::1]:1883");
    assertEquals(withoutPassword("mqtt://a:b:c@h"), "mqtt://a@h");
    assertEquals(withoutPassword("ws://a:b@c@h/d@e"), "ws://a@h/d@e");
  });
  test("says how to do it again", () => {
    const { command, sent } = five.cases[0]!.reproducer;
    assertEquals(command, "plumb audit --level 5 --only 3.3.1/qos-3 mqtt://user@127.0.0.1:1883");
    assertEquals(sent.length, 2);
    assertEquals(sent[1]!.hex, "c000");
  });
  test("of a narrowed audit has only what was looked at", () => {
    const narrow = sampleReport(undefined, { only: ["3.3.1"] });
    assertEquals(narrow.levels[0]!.statements.length, 5);
  });
  test("is read again", () => assertEquals(parseReport(JSON.stringify(report)), report));
  test("of another version, or none, is refused", () => {
    assertThrows(() => parseReport("{"), Error, "not JSON");
    assertThrows(() => parseReport("{}"), Error, "no");
    assertThrows(() => parseReport("null"), Error, "not a report");
    assertThrows(() => parseReport(JSON.stringify({ ...report, formatVersion: 99 })), Error, "version 99");
  });
  test("has the version of this package", () => assertEquals(AUDITOR_VERSION, config.version));
});

describe("evidence", () => {
  const line = (hex: string): TranscriptLine => ({ at: 0, peer: "a", direction: "sent", hex, text: "" });
  test("is shortened in the middle", () => {
    const long = shorten(Array.from({ length: 1000 }, (_, i) => line(String(i))));
    assertEquals(long.length, 401);
    assertEquals(long[200]!.text, "600 lines are left out here");
    assertEquals(long.at(-1)!.hex, "999");
    assertEquals(shorten([line("c000")]).length, 1);
  });
  test("has * for secrets where they are a field", () => {
    assertEquals(maskSecrets([line("00000461626364ff")], ["abcd"])[0]!.hex, "0000042a2a2a2aff");
    assertEquals(maskSecrets([line("61626364")], ["abcd"])[0]!.hex, "61626364");
    assertEquals(maskSecrets([line("0000")], [""])[0]!.hex, "0000");
  });
});

describe("the HTML page", () => {
  const page = htmlReport(report);
  test("names no resource outside itself", () => {
    assert(!/(?:src|href)="(?!#)/.test(page));
    assert(!/url\(|@import|<link|<iframe|<img/.test(page));
  });
  test("lets no text become markup", () => {
    assert(!page.includes(NASTY));
    assert(!page.includes("<b>&"));
    assertEquals(page.match(/<\/script>/g)!.length, 1);
    assert(page.includes(escapeMarkup(NASTY)));
  });
  test("shows statements, transcripts and reproducers without a script", () => {
    for (
      const text of ["MQTT-3.3.1-4", "PINGREQ", "c000", "→ sent", "← received", "plumb audit --level 5"]
    ) {
      assert(page.includes(text), text);
    }
    assertMatch(page, /<details class="item statement fail" id="s5-MQTT-3.3.1-4"/);
  });
  test("has long transcripts only of cases that did not pass, and each but once", () => {
    const line = { peer: "client", direction: "event", hex: "", text: "waits", at: 0 } as const;
    const transcript = Array.from({ length: 100 }, () => line);
    const withCases = (verdict: "pass" | "fail") =>
      htmlReport({ ...report, levels: [{ ...five, cases: [{ ...five.cases[0]!, verdict, transcript }] }] });
    const lines = (text: string) => text.split("<td>waits").length - 1;
    assertEquals([lines(withCases("fail")), lines(withCases("pass"))], [100, 12]);
    assertMatch(withCases("pass"), /88 lines are left out here/);
  });
  test("links to what is there", () => {
    const ids = new Set([...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id));
    for (const [, target] of page.matchAll(/href="#([^"]+)"/g)) assert(ids.has(target), target);
    assertEquals(ids.size, [...page.matchAll(/ id="([^"]+)"/g)].length);
  });
  test("says why nothing could be audited", () =>
    assertMatch(htmlReport(unreachableReport()), /class="trouble">It cannot be reached: &lt;b&gt;/));
});

describe("JUnit XML", () => {
  const xml = junitReport(report);
  test("is well formed, with a suite for each level and a case for each case", () => {
    const elements = readXml(xml);
    assertEquals(elements.filter((one) => one.startsWith("testsuite ")).length, 2);
    assertEquals(elements.filter((one) => one.startsWith("testcase ")).length, 8);
  });
  test("has no character that XML cannot say", () => {
    // deno-lint-ignore no-control-regex
    assert(!/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/.test(xml));
  });
  test("counts failures, errors and skipped ones", () => {
    assertMatch(xml, /<testsuite name="MQTT 5.0"[^>]* tests="5" failures="1" errors="1" skipped="1"/);
    assertEquals(xml.match(/<failure /g)!.length, 2);
    assertEquals(xml.match(/<error /g)!.length, 1);
    assertEquals(xml.match(/<skipped /g)!.length, 1);
    assertMatch(xml, /<system-out>lenient/);
  });
  test("tells why nothing could be audited", () => {
    readXml(junitReport(unreachableReport()));
    assertMatch(junitReport(unreachableReport()), /<system-err>It cannot be reached/);
  });
});

describe("Markdown", () => {
  const text = markdownReport(report);
  test("has a table by section and what is not as it should be", () => {
    assertMatch(text, /\| 3\.3 PUBLISH \|/);
    assertMatch(text, /### Against the standard\n\n#### `3\.3\.1\/qos-3`/);
    assertMatch(text, /### Lenient/);
  });
  test("lets no text become markup", () => {
    assert(text.includes("\\<b\\>"));
    assert(!/^- Does: .*[^\\]<b>/m.test(text));
  });
  test("says why nothing could be audited", () =>
    assertMatch(markdownReport(unreachableReport()), /Nothing could be audited: It cannot be reached/));
});

describe("the badge", () => {
  test("counts what is kept", () => {
    assertMatch(badge(sampleReport("pass")), /MQTT 5\.0, 3\.1\.1: \d+ of \d+ kept/);
    assertMatch(badge(sampleReport("pass")), /#2a7e3b/);
    assertMatch(badge(report), /#b3261e/);
    assertMatch(badge(unreachableReport()), /not audited/);
  });
  test("is XML", () => void readXml(badge(report).replace(/ xmlns="[^"]*"/, "")));
});

describe("the terminal", () => {
  test("has colours only where they are wanted", () => {
    assert(!terminalReport(report, { colour: false }).includes("\x1b"));
    assert(terminalReport(report, { colour: true }).includes("\x1b[31;1mfail"));
  });
  test("has a row for each section and each case that did not pass", () => {
    const text = terminalReport(report, { colour: false });
    assertMatch(text, /^3\.3 +PUBLISH/m);
    assertMatch(text, /^fail 3\.3\.1\/qos-3 {2}MQTT-3\.3\.1-4$/m);
    assertMatch(text, /^lenient 3\.3\.1\/dup-at-qos-0/m);
    assert(!/^pass 3/m.test(text));
  });
  test("says why nothing could be audited", () =>
    assertMatch(terminalReport(unreachableReport(), { colour: false }), /It cannot be reached/));
  test("is not moved by what a target says", () => {
    // deno-lint-ignore no-control-regex
    assert(!/[\u0000-\u0009\u000b-\u001f]/.test(terminalReport(report, { colour: false })));
  });
  test("ends with counts and where the reports are", () => {
    const plain = { colour: false };
    assertEquals(
      sumLine(report, ["a.html", "a.json"], plain),
      "MQTT 5.0: 1 pass, 1 lenient, 1 fail, 1 inconclusive, 1 unsupported; MQTT 3.1.1: 1 pass, 1 lenient, 1 fail; " +
        "written to a.html, a.json\n",
    );
    assertMatch(sumLine(report, [], plain), /; --report FILE.html keeps the bytes\n$/);
    assertMatch(sumLine(unreachableReport(), [], plain), /: not audited/);
  });
  test("has a bar no wider than it", () => {
    const how = { done: 5, all: 10, level: 5, verdicts: ["fail", "pass"] as const, caseId: "3.3.1/qos-3" };
    assertEquals(
      progressLine({ ...how, columns: 200 }),
      "level 5 [############............] 5/10  1 fail  3.3.1/qos-3",
    );
    assertEquals(progressLine({ ...how, columns: 20 }).length, 19);
  });
});

describe("the comparison", () => {
  test("of a report with itself finds nothing", () => {
    const { levels, newFails } = diffReports(report, report);
    assertEquals(newFails, 0);
    assert(levels.every(({ changed, added, gone }) => changed.length + added.length + gone.length === 0));
  });
  test("names what has changed, with the reason", () => {
    const diff = diffReports(sampleReport("pass"), report);
    const [at5] = diff.levels as [typeof diff.levels[number]];
    const change = at5.changed.find(({ id }) => id === "MQTT-3.3.1-4")!;
    assertEquals([change.before, change.now], ["pass", "fail"]);
    assertEquals(change.reasons.map((one) => one.case), ["3.3.1/qos-3"]);
    assertEquals(diff.newFails, 2);
    assertMatch(diffText(diff), /MQTT-3\.3\.1-4: pass -> fail/);
    assertMatch(diffText(diff), /2 statements fail that did not/);
  });
  test("names what is new and what is gone", () => {
    const only5 = { ...report, levels: [five] };
    const diff = diffReports(only5, report);
    assertEquals(diff.levels[1]!.added.map(({ id }) => id), [
      "MQTT311-3.3.1-2",
      "MQTT311-3.3.1-4",
      "2.2.1/zero",
    ]);
    const back = diffReports(report, only5);
    assertEquals(back.levels[1]!.gone.length, 3);
    assertMatch(diffText(back), /MQTT311-3\.3\.1-2: gone, was lenient/);
  });
});

describe("sections", () => {
  test("are in the order of the standard", () => {
    const given = ["3.10", "duties", "3.2", "6", "1.5", "3.1.2.11"];
    assertEquals(given.toSorted(compareSections), ["1.5", "3.1.2.11", "3.2", "3.10", "6", "duties"]);
    assertEquals(topSection("3.3.2.1"), "3.3");
  });
});
