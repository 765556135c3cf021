/** The lines of several processes read as those of one. @module */
import { assertEquals } from "@std/assert";
import { test } from "node:test";
import { LIMITS } from "../../broker/limits.ts";
import { Lines } from "./lines.ts";
import { isOfLog, StartLines, withNumber } from "./one_log.ts";
import { SHARED, sharesOf } from "./shares.ts";

test("lines come whole, however they are cut, also within a character, and the last one without its end", () => {
  const text = "one\n\nthree with größe 𝄞\nlast";
  const bytes = new TextEncoder().encode(text);
  for (let size = 1; size <= bytes.length; size++) {
    const lines: string[] = [];
    const parts = new Lines((line) => lines.push(line));
    for (let at = 0; at < bytes.length; at += size) {
      const piece = bytes.slice(at, at + size);
      parts.push(piece);
      piece.fill(0); // it was the callee's only during the call
    }
    assertEquals(lines, ["one", "", "three with größe 𝄞"]);
    parts.end();
    parts.end();
    assertEquals(lines.at(-1), "last");
  }
});

test("a line says which worker has written it, in the form that it has", () => {
  assertEquals(withNumber("time=2026 level=info msg=x", "worker", 3), "time=2026 level=info msg=x worker=3");
  assertEquals(JSON.parse(withNumber('{"time":"2026","msg":"a}"}', "worker", 3)), {
    time: "2026",
    msg: "a}",
    worker: 3,
  });
  assertEquals(["time=1 a", '{"time":"1"}', "Error: out of memory", '{"a":1}'].map(isOfLog), [
    true,
    true,
    false,
    false,
  ]);
});

test("of the lines of a start stands once what all have said, without a worker; the rest in the order of each", () => {
  const lines = new StartLines();
  lines.add("time=1 msg=made file=1", 1);
  lines.add("time=2 msg=listening", 2);
  lines.add('{"time":"3","msg":"json"}', 2);
  lines.add("time=4 msg=listening", 1);
  lines.add("time=5 msg=made file=2", 2);
  lines.add('{"time":"6","msg":"json"}', 1);
  lines.add("time=7 msg=twice", 1);
  lines.add("time=8 msg=twice", 1);
  assertEquals(lines.take(2), [
    { line: "time=1 msg=made file=1", worker: 1 },
    { line: "time=2 msg=listening", worker: undefined },
    { line: '{"time":"3","msg":"json"}', worker: undefined },
    { line: "time=5 msg=made file=2", worker: 2 },
    { line: "time=7 msg=twice", worker: 1 },
    { line: "time=8 msg=twice", worker: 1 },
  ]);
  assertEquals(lines.take(2), []);
});

test("the shares of workers add up to what holds for the broker, or a little more, and never below the least", () => {
  for (const count of [2, 3, 64]) {
    const given = { connectionsMax: 100, memoryBytesMax: 2 ** 20, sessionsMax: 7, packetBytesMax: 1000 };
    const shares = sharesOf(given, count);
    assertEquals(shares.packetBytesMax, 1000);
    assertEquals(shares.connectRateMax, Math.ceil(LIMITS.connectRateMax.default / count));
    assertEquals(shares.memoryBytesMax, 2 ** 20, "that is the least");
    for (const name of SHARED) {
      const whole = (given as Partial<Record<typeof name, number>>)[name] ?? LIMITS[name].default;
      const sum = shares[name]! * count;
      if (sum < whole) throw new Error(`${name}: ${sum} of ${whole}`);
    }
  }
  assertEquals(sharesOf({ connectRateMax: 0 }, 2).connectRateMax, 0, "no limit stays none");
  assertEquals(sharesOf({}, 2).memoryBytesMax, undefined, "that goes by the machine");
});
