/**
 * §1.5.4 UTF-8 Encoded String: the strict conversion between bytes and text.
 * Knows well-formed UTF-8 and U+0000; refuses to know length prefixes and the fields of packets.
 *
 * Strict means: U+FEFF stays where it stands [MQTT-1.5.4-3]; surrogates, overlong and truncated forms are refused.
 * @module
 */
import { decodeOwn, putOwn } from "./own_utf8.ts";

/** Up to this many bytes our ASCII loop is faster than the call of the runtime's converter (Deno: to 64, Bun: to 16). */
const SHORT = 32;

let decoder: TextDecoder | undefined;
let encoder: TextEncoder | undefined;

/** The text of `bytes[start, end)`, or `undefined` where that is not well-formed UTF-8. Accepts U+0000. */
export function decodeUtf8(bytes: Uint8Array, start: number, end: number): string | undefined {
  if (end - start > SHORT) return decodeAny(bytes, start, end);
  let text = "";
  let i = start;
  for (const eights = end - 7; i < eights; i += 8) { // a string grown by eight at a time costs half of one grown by one
    const a = bytes[i]!, b = bytes[i + 1]!, c = bytes[i + 2]!, d = bytes[i + 3]!;
    const e = bytes[i + 4]!, f = bytes[i + 5]!, g = bytes[i + 6]!, h = bytes[i + 7]!;
    if ((a | b | c | d | e | f | g | h) > 0x7f) return decodeAny(bytes, start, end);
    text += String.fromCharCode(a, b, c, d, e, f, g, h);
  }
  for (; i < end; i++) {
    const byte = bytes[i]!;
    if (byte > 0x7f) return decodeAny(bytes, start, end);
    text += String.fromCharCode(byte);
  }
  return text;
}

function decodeAny(bytes: Uint8Array, start: number, end: number): string | undefined {
  if (decoder === undefined) {
    if (typeof TextDecoder === "undefined") return decodeOwn(bytes, start, end);
    decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }); // ignoreBOM: keep it [MQTT-1.5.4-3]
  }
  try {
    return decoder.decode(bytes.subarray(start, end));
  } catch {
    return undefined;
  }
}

/** That of the Web API, if it is there, with what it needs beside it: XS has it, and no `isWellFormed()`. */
function webEncoder(): TextEncoder | undefined {
  if (encoder === undefined && typeof TextEncoder !== "undefined" && "isWellFormed" in String.prototype) {
    encoder = new TextEncoder();
  }
  return encoder;
}

/**
 * Writes `text` into `bytes` from `at` on and returns where it ends. `bytes` must have room for three bytes per
 * UTF-16 unit. A lone surrogate, which has no UTF-8 form, gives -1.
 */
export function putUtf8(bytes: Uint8Array, at: number, text: string): number {
  if (text.length > SHORT) return putAny(bytes, at, text);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return putAny(bytes, at, text);
    bytes[at + i] = unit;
  }
  return at + text.length;
}

function putAny(bytes: Uint8Array, at: number, text: string): number {
  const encoder = webEncoder();
  if (encoder === undefined) return putOwn(bytes, at, text);
  if (!text.isWellFormed()) return -1;
  return at + encoder.encodeInto(text, bytes.subarray(at)).written;
}

/** The UTF-8 bytes of `text`, or `undefined` where it has a lone surrogate. */
export function encodeUtf8(text: string): Uint8Array | undefined {
  const encoder = webEncoder();
  if (encoder === undefined) {
    const bytes = new Uint8Array(3 * text.length);
    const end = putOwn(bytes, 0, text);
    return end < 0 ? undefined : bytes.slice(0, end);
  }
  return text.isWellFormed() ? encoder.encode(text) : undefined;
}

/** §1.5.4 whether `bytes[start, end)` can be a UTF-8 Encoded String: well-formed UTF-8 without U+0000. */
export function isUtf8(bytes: Uint8Array, start = 0, end: number = bytes.length): boolean {
  return isWellFormed(bytes, start, end, 1);
}

/** §3.3.2.3.2 whether a payload is UTF-8 text, as Payload Format Indicator 1 says. Here U+0000 is text too. */
export function isUtf8Text(bytes: Uint8Array, start = 0, end: number = bytes.length): boolean {
  return isWellFormed(bytes, start, end, 0);
}

/** Well-formed UTF-8 (Unicode Table 3-7), all code points from `least` up, which is 0 or 1. */
function isWellFormed(bytes: Uint8Array, start: number, end: number, least: number): boolean {
  let i = start;
  while (i < end) {
    const lead = bytes[i++]!;
    if (lead < 0x80) {
      if (lead < least) return false;
      continue;
    }
    const more = lead < 0xc2 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : lead < 0xf5 ? 3 : 0;
    if (more === 0 || i + more > end) return false;
    const second = bytes[i]!;
    if (second < secondLeast(lead) || second > secondMost(lead)) return false;
    for (let k = 1; k < more; k++) {
      if ((bytes[i + k]! & 0xc0) !== 0x80) return false;
    }
    i += more;
  }
  return true;
}

/** Lower second bytes would be overlong forms. */
function secondLeast(lead: number): number {
  return lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
}

/** Higher second bytes would be surrogates (0xED) or above U+10FFFF (0xF4). */
function secondMost(lead: number): number {
  return lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
}

/** Whether `text` is longer than so many bytes of UTF-8. */
export function isLonger(text: string, bytes: number): boolean {
  if (text.length * 3 <= bytes) return false; // three bytes for a UTF-16 unit at most
  return text.length > bytes || (encodeUtf8(text)?.length ?? 0) > bytes;
}
