/**
 * Log lines: levels, formats, and what a Client cannot do to them.
 * @module
 */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers";
import { Log, type LogOptions } from "./log.ts";

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
