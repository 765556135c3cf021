import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import {
  brokeOff,
  count,
  countBun,
  countJunit,
  countNode,
  failuresInBun,
  failuresInJunit,
  failuresInNode,
} from "./tally.ts";

const JUNIT = `<testsuites>
<testcase name="group" classname="x"><failure message="1 test step failed">1 test step failed.</failure></testcase>
<testcase name="group &gt; good" classname="x"></testcase>
<testcase name="group &gt; bad" classname="x"><failure message="no">no</failure></testcase>
<testcase name="flat" classname="x">
</testcase>
<testcase name="later" classname="x"><skipped/></testcase>
</testsuites>`;

describe("countJunit()", () => {
  test("counts tests and leaves out their groups", () => {
    assertEquals(countJunit(JUNIT), { passed: 2, failed: 1, skipped: 1 });
  });
});

describe("countBun()", () => {
  test("reads the closing lines", () => {
    const text = "(pass) 3 pass\n\n 12 pass\n 2 skip\n 1 fail\n 1 error\nRan 15 tests across 2 files.";
    assertEquals(countBun(text), { passed: 12, failed: 2, skipped: 2 });
  });
});

describe("countNode()", () => {
  test("reads the closing lines", () => {
    const text =
      "▶ outer\n  ✔ ℹ pass 3 (1ms)\nℹ tests 12\nℹ suites 2\nℹ pass 7\nℹ fail 1\nℹ cancelled 1\nℹ skipped 2\nℹ todo 1";
    assertEquals(countNode(text), { passed: 7, failed: 2, skipped: 3 });
  });
});

describe("The failed tests by name", () => {
  test("are those of a JUnit report, without their groups", () => {
    assertEquals(failuresInJunit(JUNIT), ["group > bad"]);
  });
  test("are those of Bun's lines", () => {
    const text = "(pass) outer > good [1.00ms]\n(fail) outer > bad [5.21ms]\n(fail) flat\n 1 pass\n 2 fail";
    assertEquals(failuresInBun(text), ["outer > bad", "flat"]);
  });
  test("are those of Node's summary", () => {
    const text =
      "  ✖ bad (1.5ms)\nℹ fail 1\n\n✖ failing tests:\n\ntest at a_test.ts:1:1\n✖ bad (1.5ms)\n  Error: no";
    assertEquals(failuresInNode(text), ["bad"]);
    assertEquals(failuresInNode("ℹ pass 1\nℹ fail 0\n"), []);
  });
});

describe("count()", () => {
  test("fails a run of nothing", () => {
    assertEquals(count(0, () => countBun("")), { passed: 0, failed: 1, skipped: 0 });
  });
  test("fails a run that ended badly though no test failed", () => {
    assertEquals(count(1, () => countBun(" 3 pass\n 0 fail")), { passed: 3, failed: 1, skipped: 0 });
  });
  test("fails a run without a report", () => {
    const read = () => {
      throw new Error("No such file");
    };
    assertEquals(count(0, read), { passed: 0, failed: 1, skipped: 0 });
  });
});

describe("brokeOff()", () => {
  const deno = [
    "running 1 test from ./src/a_test.ts",
    "outer ...",
    "  first ...",
    "------- output -------",
    "some output",
    "----- output end -----",
    "  first ... ok (3ms)",
    "  inner ...",
    "    second ...",
  ];
  const bun = ["bun test v1", "", "src/a_test.ts:", "(pass) outer > first [5.21ms]", "src/b_test.ts:"];

  test("names the file and the test that began last, of Deno's output", () => {
    assertEquals(brokeOff(deno.join("\n")), 'in ./src/a_test.ts, at "outer > inner > second"');
    assertEquals(brokeOff([...deno.slice(0, 7)].join("\n")), 'in ./src/a_test.ts, at "outer"');
  });
  test("names the file and the test that ended last, of Bun's output, which names no beginnings", () => {
    assertEquals(brokeOff(bun.join("\n")), 'in src/b_test.ts, behind "outer > first"');
  });
  test("says that nothing began", () => assertEquals(brokeOff("error: no\n"), "before the first file"));
  test("says nothing of a run that has a summary", () => {
    assertEquals(brokeOff([...deno, "", "FAILED | 0 passed | 1 failed (554ms)"].join("\n")), undefined);
    assertEquals(brokeOff([...bun, "", "Ran 1 test across 2 files. [1s]"].join("\n")), undefined);
    assertEquals(brokeOff("▶ outer\n  ✔ first (1ms)\nℹ tests 1\nℹ suites 1\nℹ pass 1\n"), undefined);
  });
});
