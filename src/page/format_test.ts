/** Numbers, payloads and times as the page writes them. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import {
  bytes,
  count,
  counted,
  duration,
  fromBase64,
  hex,
  quantile,
  rate,
  readable,
  short,
  spaced,
  textOf,
  withUnit,
} from "./format.ts";

describe("a number on the page", () => {
  test("has three digits at most, and commas above", () => {
    const of = [0, 0.012345, 0.25, 1, 7.123, 9.96, 34.56, 99.4, 99.6, 1234.5, 1_234_567];
    assertEquals(of.map(short), [
      "0",
      "0.012",
      "0.25",
      "1",
      "7.1",
      "9.96",
      "34.6",
      "99.4",
      "100",
      "1,235",
      "1,234,567",
    ]);
    assertEquals(count(1_234_567), "1,234,567");
    assertEquals([0, 1, 2_000].map((one) => counted(one, "message")), [
      "no messages",
      "1 message",
      "2,000 messages",
    ]);
    assertEquals(rate(65.7), "65.7/s");
  });

  test("of bytes is told in units of 1,024", () => {
    assertEquals([0, 17, 1_023, 1_024, 1_536, 241_172_480, 2 ** 50].map(bytes), [
      "0 B",
      "17 B",
      "1,023 B",
      "1 KiB",
      "1.5 KiB",
      "230 MiB",
      "1,024 TiB",
    ]);
  });

  test("of seconds is told in the two units that matter", () => {
    assertEquals([0, 0.00002, 0.0004, 0.25, 35, 59.9, 302, 7_500, 3_600, 356_400, 86_400].map(duration), [
      "0 s",
      "20 µs",
      "400 µs",
      "250 ms",
      "35 s",
      "59.9 s",
      "5 min 2 s",
      "2 h 5 min",
      "1 h",
      "4 d 3 h",
      "1 d",
    ]);
  });

  test("has the unit of its limit", () => {
    assertEquals(
      [
        withUnit(65_536, "bytes"),
        withUnit(1_500, "ms"),
        withUnit(90, "seconds"),
        withUnit(1_000, "connections"),
      ],
      ["64 KiB", "1.5 s", "1 min 30 s", "1,000 connections"],
    );
  });
});

describe("a quantile", () => {
  const bounds = [0.001, 0.01, 0.1];

  test("is the bound of the bucket that it falls into, and of the last one above all", () => {
    assertEquals(quantile({ bounds, counts: [50, 49, 1, 0] }, 0.5), 0.001);
    assertEquals(quantile({ bounds, counts: [50, 49, 1, 0] }, 0.99), 0.01);
    assertEquals(quantile({ bounds, counts: [0, 0, 0, 3] }, 0.5), 0.1);
  });

  test("of nothing is none", () => assertEquals(quantile({ bounds, counts: [0, 0, 0, 0] }, 0.5), undefined));
});

describe("a payload on the page", () => {
  test("is a text if it is UTF-8 without control characters", () => {
    assertEquals(textOf(new TextEncoder().encode("größer\n\tals")), "größer\n\tals");
    assertEquals(textOf(Uint8Array.of(0xff, 0xd8)), undefined);
    assertEquals(textOf(Uint8Array.of(65, 0, 66)), undefined);
  });

  test("is bytes in hexadecimal else, sixteen in a line", () => {
    assertEquals(hex(fromBase64("AP8=")), "00 ff");
    assertEquals(hex(new Uint8Array(17)).split("\n").map((line) => line.length), [47, 2]);
  });

  test("of JSON has its lines if it is long, and stays as it is if it is short or none", () => {
    assertEquals(readable('{"a":1}'), '{"a":1}');
    const long = `{"a":"${"x".repeat(100)}"}`;
    assertEquals(readable(long), JSON.stringify(JSON.parse(long), undefined, 2));
    assertEquals(readable(long.slice(0, -1)), long.slice(0, -1));
  });
});

test("a name is told word by word", () => assertEquals(spaced("publishToWrite"), "publish to write"));
