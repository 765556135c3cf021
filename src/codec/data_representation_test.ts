/** §1.5 Data representation: integers, strings and binary data, read and written at their bounds. @module */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { UsageError } from "./error.ts";
import { Reader } from "./reader.ts";
import { decodeUtf8, encodeUtf8, isUtf8, isUtf8Text } from "./utf8.ts";
import { VARINT_MAX, varintSize } from "./varint.ts";
import { Writer } from "./writer.ts";
import { text, UTF8_EDGES } from "../testing/arbitrary.ts";
import { binary, bytesOf, type Part, utf8, varint } from "../testing/frame.ts";
import { assertRefused } from "../testing/refused.ts";

function reader(...parts: Part[]): Reader {
  return new Reader(bytesOf(...parts));
}

/** What `write` writes as the body of a packet. */
function written(write: (writer: Writer) => void): number[] {
  const writer = new Writer(4);
  writer.begin(0);
  write(writer);
  writer.end();
  const bytes = writer.bytes();
  return [...bytes.subarray(bytes.findIndex((byte, i) => i > 0 && byte < 0x80) + 1)];
}

describe("§1.5.1 to §1.5.3 integers", () => {
  test("are big-endian and unsigned", () => {
    assertEquals(reader(0xff).u8(), 0xff);
    assertEquals(reader(0xfe, 0x01).u16(), 0xfe01);
    assertEquals(reader(0xff, 0xfe, 0x02, 0x01).u32(), 0xfffe0201);
    assertEquals(written((writer) => writer.u8(0xff)), [0xff]);
    assertEquals(written((writer) => writer.u16(0xfe01)), [0xfe, 0x01]);
    assertEquals(written((writer) => writer.u32(0xfffe0201)), [0xff, 0xfe, 0x02, 0x01]);
  });

  test("encode refuses what does not fit", () => {
    for (const value of [-1, 256, 0.5, NaN, Infinity]) {
      assertThrows(() => written((w) => w.u8(value)), UsageError);
    }
    for (const value of [-1, 65_536, 0.5]) assertThrows(() => written((w) => w.u16(value)), UsageError);
    for (const value of [-1, 2 ** 32, 0.5]) assertThrows(() => written((w) => w.u32(value)), UsageError);
  });

  test("[2.1.4/short] decode refuses to read past the end", () => {
    assertRefused(() => reader().u8(), "2.1.4/short", 0x81);
    assertRefused(() => reader(0).u16(), "2.1.4/short", 0x81);
    assertRefused(() => reader(0, 0, 0).u32(), "2.1.4/short", 0x81);
    assertRefused(() => reader(0x80).varint(), "2.1.4/short", 0x81);
    assertRefused(() => reader(0, 2, 0x61).utf8(), "2.1.4/short", 0x81);
    assertRefused(() => reader(0, 2, 0x61).binary(), "2.1.4/short", 0x81);
  });
});

describe("§1.5.5 Variable Byte Integer", () => {
  const bounds = [0, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, VARINT_MAX];

  test("[MQTT-1.5.5-1] is written in the shortest form and read again", () => {
    const values = fc.oneof(fc.constantFrom(...bounds), fc.integer({ min: 0, max: VARINT_MAX }));
    fc.assert(fc.property(values, (value) => {
      assertEquals(written((writer) => writer.varint(value)), varint(value));
      assertEquals(varintSize(value), varint(value).length);
      assertEquals(reader(varint(value)).varint(), value);
    }));
  });

  test("[MQTT-1.5.5-1] decode refuses a form longer than needed", () => {
    for (const form of [[0x80, 0], [0xff, 0], [0x80, 0x80, 0], [0xff, 0xff, 0xff, 0]]) {
      assertRefused(() => reader(form).varint(), "MQTT-1.5.5-1", 0x81);
    }
  });

  test("[1.5.5/fifth-byte] decode refuses a fifth byte", () => {
    assertRefused(() => reader(0x80, 0x80, 0x80, 0x80, 1).varint(), "1.5.5/fifth-byte", 0x81);
    assertRefused(() => reader(0xff, 0xff, 0xff, 0xff).varint(), "1.5.5/fifth-byte", 0x81);
  });

  test("encode refuses what does not fit", () => {
    for (const value of [-1, VARINT_MAX + 1, 2 ** 32, 0.5, NaN]) {
      assertThrows(() => written((writer) => writer.varint(value)), UsageError);
    }
  });
});

describe("§1.5.4 UTF-8 Encoded String", () => {
  const refusing = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const long = "x".repeat(60); // beyond where the runtime's converter takes over

  function wellFormed(bytes: Uint8Array): boolean {
    try {
      refusing.decode(bytes);
      return true;
    } catch {
      return false;
    }
  }

  test("any text is read as it was written", () => {
    fc.assert(fc.property(text, (value) => {
      assertEquals(written((writer) => writer.utf8(value)), utf8(value));
      assertEquals(reader(utf8(value)).utf8(), value);
      assertEquals([...encodeUtf8(value)!], [...new TextEncoder().encode(value)]);
    }));
  });

  test("[MQTT-1.5.4-1] decode refuses surrogates, overlong and truncated forms", () => {
    const ill = [
      [0xed, 0xa0, 0x80], // U+D800
      [0xed, 0xbf, 0xbf], // U+DFFF
      [0xed, 0xa0, 0x80, 0xed, 0xb0, 0x80], // U+10000 as two surrogates
      [0xc0, 0x80], // U+0000 in two bytes
      [0xc1, 0xbf],
      [0xe0, 0x80, 0xaf],
      [0xf0, 0x80, 0x80, 0xaf],
      [0xf4, 0x90, 0x80, 0x80], // above U+10FFFF
      [0xf8, 0x88, 0x80, 0x80, 0x80],
      [0x80],
      [0xc3],
      [0xe2, 0x82],
      [0xf0, 0x9f, 0x98],
      [0xff],
      [0xfe],
    ];
    for (const bytes of ill) {
      for (const tail of ["", "a", long]) {
        const value = [...bytes, ...new TextEncoder().encode(tail)];
        assertRefused(() => reader(utf8(value)).utf8(), "MQTT-1.5.4-1", 0x81);
        assertEquals(isUtf8(Uint8Array.from(value)), false);
        assertEquals(isUtf8Text(Uint8Array.from(value)), false);
      }
    }
  });

  test("[MQTT-1.5.4-1] encode refuses lone surrogates", () => {
    for (const value of ["\ud800", "a\udfff", "\udc00\ud800", `${long}\ud800`]) {
      assertThrows(() => written((writer) => writer.utf8(value)), UsageError, "MQTT-1.5.4-1");
      assertEquals(encodeUtf8(value), undefined);
    }
  });

  test("[MQTT-1.5.4-2] decode and encode refuse U+0000", () => {
    for (const value of ["\0", "a\0b", "ü\0", `${long}\0`]) {
      assertRefused(() => reader(utf8(value)).utf8(), "MQTT-1.5.4-2", 0x81);
      assertThrows(() => written((writer) => writer.utf8(value)), UsageError, "MQTT-1.5.4-2");
      assertEquals(isUtf8(new TextEncoder().encode(value)), false);
      assertEquals(isUtf8Text(new TextEncoder().encode(value)), true);
    }
  });

  test("[MQTT-1.5.4-3] U+FEFF is kept wherever it stands", () => {
    for (const value of ["\ufeff", "\ufeffa", "a\ufeff", `\ufeff${long}`, "\ufeff\ufeff"]) {
      assertEquals(reader(utf8(value)).utf8(), value);
      assertEquals(written((writer) => writer.utf8(value)), utf8(value));
    }
    assertEquals(reader(utf8([0xef, 0xbb, 0xbf, 0x61])).utf8(), "\ufeffa");
  });

  test("control characters and non-characters are taken as they are", () => {
    for (const value of ["\u0001", "\u001f\u007f\u009f", "\uffff", "\ufdd0", "\u{10ffff}"]) {
      assertEquals(reader(utf8(value)).utf8(), value);
      assertEquals(written((writer) => writer.utf8(value)), utf8(value));
    }
  });

  test("isUtf8() agrees with the runtime's own decoder", () => {
    const tails = [[], [0x61], [0x80], [0xbf], [0x80, 0x80], [0x80, 0x7f], [0xbf, 0xc0]];
    for (const lead of UTF8_EDGES) {
      for (const second of UTF8_EDGES) {
        for (const tail of tails) {
          const bytes = Uint8Array.of(lead, second, ...tail);
          const expected = wellFormed(bytes);
          assert(isUtf8Text(bytes) === expected && isUtf8(bytes) === expected, [...bytes].join());
          assert((decodeUtf8(bytes, 0, bytes.length) !== undefined) === expected, [...bytes].join());
        }
      }
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 6 }), (any) => {
      assertEquals(isUtf8Text(any), wellFormed(any));
      assertEquals(isUtf8(any), wellFormed(any) && !any.includes(0));
    }));
  });

  test("[MQTT-4.7.3-3] encode refuses strings above 65535 bytes", () => {
    assertEquals(written((writer) => writer.utf8("a".repeat(65_535))).length, 65_537);
    for (const value of ["a".repeat(65_536), "ü".repeat(32_768), "€".repeat(21_846)]) {
      assertThrows(() => written((writer) => writer.utf8(value)), UsageError, "65535");
    }
    assertEquals(reader(utf8("€".repeat(21_845))).utf8(), "€".repeat(21_845));
  });
});

describe("§1.5.6 Binary Data", () => {
  test("any bytes are read as they were written, as a view", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (value) => {
      assertEquals(written((writer) => writer.binary(value)), binary(value));
      const frame = bytesOf(binary(value));
      const view = new Reader(frame).binary();
      assertEquals(view, value);
      assert(view.buffer === frame.buffer);
    }));
  });

  test("encode refuses more than 65535 bytes", () => {
    assertEquals(written((writer) => writer.binary(new Uint8Array(65_535))).length, 65_537);
    assertThrows(() => written((writer) => writer.binary(new Uint8Array(65_536))), UsageError, "65535");
  });
});

describe("Reader", () => {
  test("aim() goes to a part of a frame and forgets the one before", () => {
    const frame = Uint8Array.of(1, 2, 3, 4, 5);
    const aimed = new Reader(frame);
    aimed.sub(1);
    aimed.aim(frame, 2, 4);
    assertEquals([aimed.left, aimed.u8(), aimed.left, aimed.u8(), aimed.left], [2, 3, 1, 4, 0]);
    assertRefused(() => aimed.u8(), "2.1.4/short");
    aimed.end();
  });

  test("sub() narrows, resume() widens again", () => {
    const aimed = reader(1, 2, 3, 4);
    const outer = aimed.sub(2);
    assertEquals(aimed.u8(), 1);
    assertRefused(() => aimed.u16(), "2.2.2.1/past-end");
    aimed.resume(outer);
    assertEquals([aimed.u8(), aimed.left], [3, 1]);
    assertRefused(() => aimed.sub(2), "2.1.4/short");
  });

  test("rest() is all that is left; end() asserts that nothing is", () => {
    const aimed = reader(1, 2, 3);
    aimed.u8();
    assertRefused(() => aimed.end(), "2.1.4/trailing");
    assertEquals([...aimed.rest()], [2, 3]);
    aimed.end();
    assertEquals(aimed.rest().length, 0);
  });
});

describe("Writer", () => {
  test("grows from any capacity, and reset() begins anew", () => {
    for (const capacity of [0, 1, 5, 64]) {
      const writer = new Writer(capacity);
      for (let round = 0; round < 3; round++) {
        writer.begin(0x30);
        writer.raw(new Uint8Array(200).fill(round));
        assertEquals(writer.end(), 203);
        writer.begin(0xc0);
        assertEquals(writer.end(), 2);
        assertEquals([...writer.bytes()], [0x30, 0xc8, 0x01, ...new Array(200).fill(round), 0xc0, 0x00]);
        writer.reset();
        assertEquals([writer.length, writer.bytes().length], [0, 0]);
      }
    }
  });

  test("a packet that was begun and not ended is not seen", () => {
    const writer = new Writer();
    writer.begin(0x10);
    writer.u16(1);
    assertEquals(writer.bytes().length, 0);
    writer.begin(0xd0);
    writer.end();
    assertEquals([...writer.bytes()], [0xd0, 0x00]);
  });

  test("a long second packet moves no byte of the first", () => {
    const writer = new Writer(0);
    for (const length of [3, 127, 128, 16_384]) {
      writer.begin(0x30);
      writer.raw(new Uint8Array(length).fill(length));
      writer.end();
    }
    const whole = [3, 127, 128, 16_384].flatMap((
      length,
    ) => [0x30, ...varint(length), ...new Array(length).fill(length & 0xff)]);
    assertEquals([...writer.bytes()], whole);
  });

  test("reset() gives a large buffer back", () => {
    const writer = new Writer(16);
    writer.begin(0x30);
    writer.raw(new Uint8Array(3 << 20));
    writer.end();
    writer.reset();
    writer.begin(0xc0);
    writer.end();
    assert(writer.bytes().buffer.byteLength < 1024);
  });

  test("encode refuses a Remaining Length above 268435455", () => {
    const writer = new Writer();
    writer.begin(0x30);
    writer.u8(0);
    const payload = { length: VARINT_MAX } as Uint8Array; // never read: its length is enough
    assertThrows(() => writer.raw(payload), UsageError, "Remaining Length");
    assertEquals(writer.bytes().length, 0);
  });
});
