/** §1.5.4 Our own coder and decoder, beside those of the Web API: the same texts, the same bytes, and the same refused. @module */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { UTF8_EDGES } from "../testing/arbitrary.ts";
import { decodeOwn, putOwn } from "./own_utf8.ts";
import { decodeUtf8, encodeUtf8, putUtf8 } from "./utf8.ts";

function decoded(bytes: Uint8Array, start = 0, end: number = bytes.length): string | undefined {
  return decodeOwn(bytes, start, end);
}

function encodeOwn(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(3 * text.length);
  const end = putOwn(bytes, 0, text);
  return end < 0 ? undefined : bytes.slice(0, end);
}

/** Any UTF-16 units, those of surrogates often, alone and in pairs. */
const units = fc.array(
  fc.oneof(
    fc.integer({ min: 0, max: 0x7f }),
    fc.integer({ min: 0, max: 0xffff }),
    fc.integer({ min: 0xd7fe, max: 0xe001 }),
    fc.constantFrom(0x7f, 0x80, 0x7ff, 0x800, 0xfeff, 0xffff),
  ),
  { maxLength: 60 },
).map((all) => String.fromCharCode(...all));

const wellFormed = fc.string({ unit: "binary", maxLength: 60 });

describe("[MQTT-1.5.4-1] [MQTT-1.5.4-3] UTF-8 without the Web API", () => {
  test("any text has the bytes that TextEncoder gives it, and none with a lone surrogate", () => {
    fc.assert(
      fc.property(fc.oneof(units, wellFormed), (text) => {
        const bytes = text.isWellFormed() ? new TextEncoder().encode(text) : undefined;
        assertEquals(encodeOwn(text), bytes);
        assertEquals(encodeUtf8(text), bytes);
        const [ours, theirs] = [new Uint8Array(200), new Uint8Array(200)];
        const end = bytes === undefined ? -1 : 3 + bytes.length;
        assertEquals([putOwn(ours, 3, text), putUtf8(theirs, 3, text)], [end, end]);
        if (bytes !== undefined) assertEquals(ours, theirs);
      }),
      { numRuns: 2000 },
    );
  });

  test("any text is read as it was written, wherever it stands", () => {
    fc.assert(
      fc.property(wellFormed, fc.uint8Array({ maxLength: 4 }), (text, around) => {
        const bytes = new Uint8Array([...around, ...encodeOwn(text)!, ...around]);
        assertEquals(decoded(bytes, around.length, bytes.length - around.length), text);
      }),
    );
  });

  test("each code point has the same bytes both ways", () => {
    for (let point = 0; point <= 0x10_ffff; point += point < 0x1_1000 ? 1 : 251) {
      const text = String.fromCodePoint(point);
      const bytes = encodeOwn(text);
      if (point >= 0xd800 && point < 0xe000) assert(bytes === undefined, `U+${point.toString(16)}`);
      else assert(bytes !== undefined && decoded(bytes) === text, `U+${point.toString(16)}`);
    }
    assertEquals(encodeOwn("\u{10ffff}"), Uint8Array.of(0xf4, 0x8f, 0xbf, 0xbf));
  });

  test("any bytes have the text that a strict TextDecoder gives them, or none with it", () => {
    const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    const byte = fc.oneof(
      fc.integer({ min: 0, max: 0xff }),
      fc.constantFrom(...UTF8_EDGES),
    );
    const cut = fc.tuple(wellFormed, fc.nat(), byte).map(([text, at, other]) => {
      const bytes = encodeOwn(text)!;
      if (bytes.length > 0) bytes[at % bytes.length] = other;
      return at % 3 === 0 ? bytes.subarray(0, at % (bytes.length + 1)) : bytes;
    });
    const any = fc.array(byte, { maxLength: 8 }).map((all) => Uint8Array.from(all));
    fc.assert(
      fc.property(fc.oneof(any, cut), (bytes) => {
        let text: string | undefined;
        try {
          text = strict.decode(bytes);
        } catch {
          text = undefined;
        }
        assertEquals(decoded(bytes), text);
        assertEquals(decodeUtf8(bytes, 0, bytes.length), text);
      }),
      { numRuns: 3000 },
    );
  });
});
