/**
 * `plumb audit` as it is called: output, reports, exit status.
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { serve } from "../server/serve.ts";
import { type Outcome, plumb } from "../testing/plumb_process.ts";
import { AUDIT_OPTIONS, auditHelp } from "./audit.ts";
import { patient } from "../testing/patience.ts";

const audit = (...args: string[]) => plumb(["audit", ...args]);

/** A broker of ours and a folder, for one test. */
async function onStage(body: (url: string, folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "plumb-audit-"));
  const server = await serve({
    listen: ["mqtt://127.0.0.1:0"],
    authenticate: ({ username, password }) => {
      const isKnown = username === "u" && new TextDecoder().decode(password) === "p@ss";
      return { code: username === undefined || isKnown ? 0x00 : 0x86 };
    },
  });
  try {
    await body(server.addresses[0]!, folder);
  } finally {
    await server.close();
    rmSync(folder, { recursive: true });
  }
}

describe("plumb audit", () => {
  test("prints a table and ends with 0 when all is well", patient, () =>
    onStage(async (url) => {
      const { host } = new URL(url.replace(/^mqtt/, "http")); // the short form
      const { status, out, err } = await audit(host, "--only", "3.12", "--only", "MQTT-3.3.1-4");
      assertEquals([status, err], [0, ""]);
      assertMatch(out, /MQTT 5\.0/);
      assertMatch(out, /MQTT 3\.1\.1/);
      assertMatch(out, /^Cases +3/m);
      assert(!out.includes("\x1b"));
    }));

  test("writes reports in every form", patient, () =>
    onStage(async (url, folder) => {
      const files = ["a.html", "a.json", "a.md", "a.xml", "a.svg"].map((name) => join(folder, name));
      const reports = files.flatMap((file) => ["--report", file]);
      const { status } = await audit(url, "--level", "5", "--only", "3.12", "--product", "ours", ...reports);
      assertEquals(status, 0);
      const [html, json, markdown, junit, svg] = files.map((file) => readFileSync(file, "utf8"));
      assertMatch(html!, /^<!doctype html>/);
      assertEquals(JSON.parse(json!).product, "ours");
      assertMatch(JSON.parse(json!).auditor.runtime, /^(Deno|Bun|Node) \d/);
      assertMatch(markdown!, /^# MQTT audit of ours/);
      assertMatch(junit!, /^<\?xml/);
      assertMatch(svg!, /^<svg/);
      const same = await audit("--diff", files[1]!, files[1]!);
      assertEquals(same.status, 0);
      assertMatch(same.out, /0 changed, 0 new, 0 gone/);
    }));

  test("writes JSON on stdout", patient, () =>
    onStage(async (url) => {
      const { status, out } = await audit(url, "--json", "--level=4", "--only=3.12/answered");
      assertEquals(status, 0);
      const report = JSON.parse(out);
      assertEquals(report.levels[0].cases.map((one: { id: string }) => one.id), ["3.12/answered"]);
    }));

  test("takes user and password from the URL or a file", patient, () =>
    onStage(async (url, folder) => {
      const only = ["--only", "3.1.4/bad-credentials", "--level", "5", "--json"];
      const verdict = ({ out }: Outcome) => JSON.parse(out).levels[0].cases[0].verdict;
      assertEquals(verdict(await audit(url, ...only)), "unsupported");
      const named = url.replace("//", "//u:p%40ss@");
      assertEquals(verdict(await audit(named, ...only)), "pass");
      const file = join(folder, "target.toml");
      writeFileSync(file, `username = "u"\npassword = "p@ss"\n`);
      const { status, out } = await audit(url, "--profile", file, ...only);
      assertEquals([status, verdict({ status, out, err: "" })], [0, "pass"]);
      assert(!out.includes("p@ss") && !out.includes("7040737373"));
      const wrong = await audit(url.replace("//", "//u:x@"), ...only);
      assertEquals(wrong.status, 2);
      assertMatch(wrong.err, /^plumb: mqtt:\/\/u@127.*refuses a CONNECT of level 5 with 0x86.*\n$/);
    }));

  test("counts what it covers", patient, async () => {
    const { status, out } = await audit("--list");
    assertEquals(status, 0);
    assertMatch(out, /MQTT 5\.0\n +251 {2}statements/);
    assertMatch(out, /MQTT 3\.1\.1\n +141 {2}statements/);
    const [five] = JSON.parse((await audit("--list", "--json", "--level", "5")).out);
    assert(five.covered > 200);
  });
});

describe("plumb audit refuses with one line and status 2", () => {
  const wrong: readonly (readonly [what: string, args: readonly string[], line: RegExp])[] = [
    ["no target", [], /say what to audit/],
    ["two targets", ["mqtt://a", "mqtt://b"], /unexpected argument "mqtt:\/\/b"/],
    ["what is no URL", ["a b"], /"mqtt:\/\/a b" is no target/],
    ["an unreachable host in short", ["127.0.0.1:1"], /mqtt:\/\/127\.0\.0\.1:1: it cannot be reached/],
    ["another scheme", ["http://a"], /http: cannot be audited yet/],
    ["a path", ["mqtt://a/b"], /more than a host and a port/],
    ["a query", ["ws://a/b?c"], /more than a host and a port/],
    ["WebSocket of a Client's audit at a Server's", ["mqtt://a", "--websocket"], /ws:\/\/HOST:PORT/],
    [
      "whom to trust of a Client's audit",
      ["--client", "--port", "1", "--insecure"],
      /takes no --ca and no --ins/,
    ],
    ["a command that is not told where to go", ["--client", "--exec", "c"], /no \{port\} and no \{url\}/],
    [
      "an unreachable host",
      ["mqtt://127.0.0.1:1"],
      /127\.0\.0\.1:1: it cannot be reached: nothing listens there/,
    ],
    [
      "an unknown host",
      ["no.such.invalid"],
      /mqtt:\/\/no\.such\.invalid: it cannot be reached: no such host is known/,
    ],
    [
      "an unknown statement",
      ["mqtt://a", "--only", "MQTT-3.3.1-99"],
      /no case.*did you mean MQTT-3\.3\.1-9\?/,
    ],
    ["what is nothing", ["mqtt://a", "--only", "xyz"], /--list names what there is/],
    ["a statement without case", ["mqtt://a", "--only", "MQTT-4.2-1"], /every test over TCP/],
    ["a wrong level", ["mqtt://a", "--level", "3"], /--level takes 5, 4, not "3"/],
    ["a level that the case has not", ["mqtt://a", "--level=4", "--only=MQTT-3.3.2-14"], /runs at level 4/],
    ["an unknown report", ["mqtt://a", "--report", "a.pdf"], /must end in \.html/],
    ["a report in no folder", ["mqtt://a", "--report", "no/such/a.md"], /there is no folder no\/such/],
    ["a profile that is not there", ["mqtt://a", "--profile", "no.toml"], /no\.toml cannot be read/],
    ["an unknown flag", ["mqtt://a", "--levl", "5"], /unknown flag --levl; did you mean --level\?/],
    ["one report to compare", ["--diff", "a.json"], /--diff takes two reports/],
    [
      "what is no report",
      ["--diff", "deno.json", "deno.json"],
      /deno\.json.*(no report|not a report|cannot be read)/,
    ],
  ];
  for (const [what, args, line] of wrong) {
    test(what, patient, async () => {
      const { status, out, err } = await audit(...args);
      assertEquals([status, out], [2, ""]);
      assertMatch(err, /^plumb: [^\n]+\n$/);
      assertMatch(err, line);
    });
  }

  test("a profile with an unknown key", patient, () =>
    onStage(async (url, folder) => {
      const file = join(folder, "a.toml");
      writeFileSync(file, "user = 1\n");
      const { status, err } = await audit(url, "--profile", file);
      assertEquals(status, 2);
      assertMatch(err, /a\.toml: unknown key "user"; the keys are product, username/);
      writeFileSync(file, "username = 1\n");
      assertMatch((await audit(url, "--profile", file)).err, /username takes a text/);
      writeFileSync(file, "username =\n");
      assertMatch((await audit(url, "--profile", file)).err, /it is not TOML/);
    }));
});

describe("the long help of plumb audit", () => {
  test("has every flag in lines that fit", () => {
    const help = auditHelp(true);
    for (const { name } of AUDIT_OPTIONS.flatMap(({ rows }) => rows)) {
      assert(help.includes(`--${name}`), name);
    }
    for (const line of help.split("\n")) assert(line.length <= 120, line);
  });
});
