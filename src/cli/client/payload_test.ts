/**
 * Lines of stdin, topics that are counted, and output that is not taken.
 * @module
 */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import { describe, test } from "node:test";
import { CallError } from "../error.ts";
import { Flows } from "./flows.ts";
import { linesOf, stdin } from "./payload.ts";
import { sizeText } from "./rate.ts";
import type { Shown } from "./shown.ts";

async function lines(...chunks: readonly string[]): Promise<string[]> {
  async function* input(): AsyncGenerator<Uint8Array, void> {
    for (const chunk of chunks) yield await Promise.resolve(Buffer.from(chunk, "latin1"));
  }
  const found: string[] = [];
  for await (const line of linesOf(input())) found.push(Buffer.from(line).toString("latin1"));
  return found;
}

describe("linesOf()", () => {
  test("gives lines without their ends, and what stands behind the last", async () => {
    assertEquals(await lines("one\n\ntwo\r\nthree"), ["one", "", "two\r", "three"]);
    assertEquals(await lines("a\0\xff\n"), ["a\0\xff"]);
    assertEquals(await lines(""), []);
    assertEquals(await lines("\n"), [""]);
  });

  test("wherever the stream is cut", async () => {
    const text = "first\n\nsecond line\nlast";
    for (let at = 0; at <= text.length; at++) {
      assertEquals(await lines(text.slice(0, at), text.slice(at)), ["first", "", "second line", "last"]);
    }
    assertEquals(await lines(...text), ["first", "", "second line", "last"]);
  });

  test("a chunk may be used again when the next one is asked for", async () => {
    const chunk = Buffer.from("a\nb");
    async function* input(): AsyncGenerator<Uint8Array, void> {
      yield await Promise.resolve(chunk);
      chunk.fill(0x78);
    }
    const found: string[] = [];
    for await (const line of linesOf(input())) found.push(Buffer.from(line).toString());
    assertEquals(found, ["a", "b"]);
  });
});

test("stdin that cannot be read is a call that is wrong", async () => {
  const broken: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      next: () => Promise.reject(Object.assign(new Error(), { code: "EISDIR" })),
    }),
  };
  await assertRejects(() => Array.fromAsync(linesOf(stdin(broken))), CallError, "stdin: that is a directory");
});

describe("--stats", () => {
  const message = (topic: string, length: number, retain = false): Shown => ({
    topic,
    payload: new Uint8Array(length),
    qos: 0,
    retain,
    dup: false,
    packetId: 0,
    properties: undefined,
  });

  test("counts messages and bytes of each topic, the most first", () => {
    const flows = new Flows(1000);
    for (const at of [1000, 2000, 3000]) flows.add(message("b", 1024, at === 1000), at);
    flows.add(message("a\x1b[2J", 10), 3500);
    const [head, first, second, total] = flows.table(5000, true).split("\n");
    assertMatch(head!, /^messages +\/s +bytes +mean +largest +retained +last +topic$/);
    assertMatch(first!, /^ +3 +0\.8 +3\.0 KiB +1\.0 KiB +1\.0 KiB +1 +2\.0 s +b$/);
    assertMatch(second!, /^ +1 +0\.3 +10 B +10 B +10 B +0 +1\.5 s +a\\x1b\[2J$/);
    assertEquals(total, "4 messages, 3.0 KiB, 2 topics in 4.0 s");
    const { seconds, topics } = JSON.parse(flows.json(5000)) as {
      seconds: number;
      topics: { topic: string }[];
    };
    assertEquals([seconds, topics.map(({ topic }) => topic)], [4, ["b", "a\x1b[2J"]]);
  });

  test("shows the rate since the last look, and how many topics are left out", () => {
    const flows = new Flows(0);
    for (let i = 0; i < 10; i++) flows.add(message("a", 1), 500);
    flows.add(message("b", 1), 500);
    assertMatch(flows.table(1000, false, 1), /^ +10 +10\.0 .*\nand 1 topics more\n/m);
    flows.add(message("a", 1), 1500);
    assertMatch(flows.table(2000, false, 1), /^ +11 +1\.0 /m);
  });

  test("counts topics above its limit together", () => {
    const flows = new Flows(0);
    for (let i = 0; i < 10_005; i++) flows.add(message(`t/${i}`, 1), 0);
    assertMatch(flows.table(1, true, 1), /^ +5 .* \(others\)$/m);
  });

  test("sizes have three digits or so", () => {
    assertEquals([0, 1023, 1024, 1_500_000, 2 ** 30 * 200].map(sizeText), [
      "0 B",
      "1023 B",
      "1.0 KiB",
      "1.4 MiB",
      "200 GiB",
    ]);
  });
});
