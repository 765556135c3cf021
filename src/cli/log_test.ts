/**
 * Log lines: levels, formats, and what a Client cannot do to them.
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers";
import { Log, LOG_FORMATS, type LogOptions } from "./log.ts";

/** A log, and what it wrote. */
function logTo(options: Partial<LogOptions> = {}, colours = false): { log: Log; writes: string[] } {
  const writes: string[] = [];
  const stream = {
    colours,
    write(text: string, done?: () => void): void {
      writes.push(text);
      done?.();
    },
  };
  const log = new Log({ level: "info", format: "logfmt", stream, clock: () => 0, ...options });
  return { log, writes };
}

const TIME = "time=1970-01-01T00:00:00.000Z";

describe("Log", () => {
  test("writes logfmt, quoting what needs it and leaving out what is undefined", async () => {
    const { log, writes } = logTo();
    log.info("client connected", {
      client: "a b",
      user: undefined,
      keepalive: 60,
      peer: "tcp:[::1]:5",
      empty: "",
    });
    await log.flush();
    assertEquals(writes, [
      `${TIME} level=info msg="client connected" client="a b" keepalive=60 peer=tcp:[::1]:5 empty=""\n`,
    ]);
  });

  test("writes JSON", async () => {
    const { log, writes } = logTo({ format: "json" });
    log.warn("limit reached", { limit: "sessionsMax", who: undefined, count: 3 });
    await log.flush();
    assertEquals(JSON.parse(writes[0]!), {
      time: "1970-01-01T00:00:00.000Z",
      level: "warn",
      msg: "limit reached",
      limit: "sessionsMax",
      count: 3,
    });
  });

  for (const [level, count] of [["debug", 4], ["info", 3], ["warn", 2], ["error", 1], ["off", 0]] as const) {
    test(`writes ${count} of four levels at ${level}`, async () => {
      const { log, writes } = logTo({ level });
      log.debug("a");
      log.info("a");
      log.warn("a");
      log.error("a");
      await log.flush();
      assertEquals(writes.join("").split("\n").length - 1, count);
    });
  }

  test("a Client's text cannot forge a line nor reach the terminal", async () => {
    const { log, writes } = logTo();
    log.info("connected", { client: 'x\nlevel=error "\x1b[31m\u009b31m\u202e' });
    await log.flush();
    assertEquals(
      writes[0],
      `${TIME} level=info msg=connected client="x\\nlevel=error \\"\\u001b[31m\\u009b31m\\u202e"\n`,
    );
  });

  // Controls (C0, DEL, C1), breaks of lines, marks of direction, what is invisible, and the same outside the first plane.
  const acting =
    "\x00\x1b\n\x7f\x85\x9b\u00ad\u061c\u200b\u200d\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069\ufeff\u{e0041}";
  for (const format of LOG_FORMATS) {
    test(`escapes in ${format} each character that acts on what shows it`, async () => {
      const { log, writes } = logTo({ format });
      log.info("connected", { client: `é${acting}✓` });
      await log.flush();
      const line = writes.join("");
      assertMatch(line, /^[^\p{C}\p{Zl}\p{Zp}]+\n$/u);
      const value = /"?client"?[=:]("[^"]*")/.exec(line)![1]!;
      assertEquals(JSON.parse(value), `é${acting}✓`);
    });
  }

  test("cuts a text of a peer at a stated length, and not within a character", () => {
    const { log } = logTo({ limits: { logTextCharactersMax: 16 } });
    assertEquals(log.cut("0123456789abcdef"), "0123456789abcdef");
    assertEquals(log.cut("0123456789abcdefg"), "0123456789abcdef… (17 characters)");
    assertEquals(log.cut("0123456789abcde\u{1f600}"), "0123456789abcde… (17 characters)");
    assertEquals(logTo().log.cut("x".repeat(65_535)), `${"x".repeat(200)}… (65535 characters)`);
  });

  test("writes so many lines of one kind in a second, and then how many more there were", async () => {
    let now = 0;
    const { log, writes } = logTo({ limits: { logLinesPerSecondMax: 2 }, clock: () => now });
    for (let i = 0; i < 5; i++) log.warn("refused", { i });
    log.info("connected", { i: 0 });
    now = 999;
    log.warn("refused", { i: 5 });
    now = 1000;
    log.warn("refused", { i: 6 });
    now = 500; // a clock that is put back
    for (let i = 7; i < 10; i++) log.warn("refused", { i });
    await log.flush();
    assertEquals(writes.join("").replace(/^time=\S+ level=/gm, "").trimEnd().split("\n"), [
      "warn msg=refused i=0",
      "warn msg=refused i=1",
      "info msg=connected i=0",
      'warn msg="and 4 more" of=refused more=4',
      "warn msg=refused i=6",
      "warn msg=refused i=7",
      "warn msg=refused i=8",
      'warn msg="and 1 more" of=refused more=1',
    ]);
  });

  test("says how many more there were without a further line of the kind", async () => {
    const { log, writes } = logTo({ limits: { logLinesPerSecondMax: 1 } });
    log.info("connected");
    log.info("connected");
    while (!writes.join("").includes("and 1 more")) await new Promise((resolve) => setImmediate(resolve));
  });

  /** Lines without time and level. */
  const linesOf = (writes: string[]) =>
    writes.join("").replace(/^time=\S+ level=\S+ /gm, "").trimEnd().split("\n");

  test("writes one line a minute for each cause that strangers bring about, and then how many more there were", async () => {
    let now = 0;
    const { log, writes } = logTo({ clock: () => now });
    for (let i = 0; i < 5; i++) log.warnSeldom("a", "refused", { i });
    log.warnSeldom("b", "refused", { i: 5 });
    now = 59_999;
    log.warnSeldom("a", "refused", { i: 6 });
    now = 60_000;
    for (let i = 7; i < 10; i++) log.warnSeldom("a", "refused", { i });
    log.warnSeldom("b", "refused", { i: 10 });
    await log.flush(); // the end: what is left
    assertEquals(linesOf(writes), [
      "msg=refused i=0",
      "msg=refused i=5",
      "msg=refused i=7 more=5",
      "msg=refused i=10",
      "msg=refused i=9 more=1",
    ]);
  });

  test("the last line of a minute is written without a further one of its cause", async () => {
    let now = 0;
    const { log, writes } = logTo({ clock: () => now });
    for (let i = 0; i < 3; i++) log.warnSeldom("a", "refused", { i });
    now = 60_000;
    while (!writes.join("").includes("more=1")) await new Promise((resolve) => setImmediate(resolve));
    assertEquals(linesOf(writes), ["msg=refused i=0", "msg=refused i=2 more=1"]);
  });

  test("writes all of them at debug, and none below warn", async () => {
    const { log, writes } = logTo({ level: "debug" });
    for (let i = 0; i < 3; i++) log.warnSeldom("a", "refused", { i });
    await log.flush();
    assertEquals(writes.join("").match(/level=\S+ msg=refused i=\d( more=\d)?/g), [
      "level=warn msg=refused i=0",
      "level=debug msg=refused i=1",
      "level=debug msg=refused i=2",
      "level=warn msg=refused i=2 more=1",
    ]);
    const { log: quiet, writes: none } = logTo({ level: "error" });
    for (let i = 0; i < 3; i++) quiet.warnSeldom("a", "refused", { i });
    await quiet.flush();
    assertEquals(none, []);
  });

  test("keeps so much while nobody reads, drops the rest, and says how many", async () => {
    const waiting: (() => void)[] = [];
    const writes: string[] = [];
    const stream = {
      colours: false,
      write(text: string, done: () => void): void {
        writes.push(text);
        waiting.push(done);
      },
    };
    const limits = { logWaitingCharactersMax: 4096, logLinesPerSecondMax: 1000 };
    const log = new Log({ level: "info", format: "logfmt", stream, limits, clock: () => 0 });
    log.info("first");
    void log.flush();
    for (let i = 0; i < 1000; i++) log.info("line", { i });
    assertEquals(writes.length, 1);
    waiting.shift()!();
    assertEquals(writes.length, 2);
    const lines = writes[1]!.trimEnd().split("\n");
    const written = lines.filter((line) => line.includes("msg=line")).length;
    assert(writes[1]!.length < 4096 + 256, `${writes[1]!.length} characters`);
    assertEquals(
      lines.at(-1),
      `${TIME} level=warn msg="log lines dropped" count=${1000 - written} why="stderr was not read"`,
    );
    assert(written > 10);
    log.info("again");
    waiting.shift()!();
    assertEquals(writes[2], `${TIME} level=info msg=again\n`);
    const flushed = log.flush();
    waiting.shift()!();
    await flushed;
  });

  test("does not wait without end for its last lines to be read", async () => {
    const stream = { colours: false, write: (): void => {} };
    const log = new Log({ level: "info", format: "logfmt", stream });
    log.info("last");
    await log.flush();
  });

  test("colours on a terminal only", async () => {
    const { log, writes } = logTo({}, true);
    log.error("broken", { why: "x" });
    await log.flush();
    assertEquals(writes[0], `${TIME} level=\x1b[31merror\x1b[0m msg=broken \x1b[2mwhy\x1b[0m=x\n`);
  });

  test("writes the lines of one turn at once, by itself", async () => {
    const { log, writes } = logTo();
    log.info("a");
    log.info("b");
    assertEquals(writes.length, 0);
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    assertEquals(writes.map((text) => text.split("\n").length - 1), [2]);
  });
});
