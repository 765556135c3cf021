/**
 * DER (ITU-T X.690): reading and writing one value at a time.
 * Knows tags, lengths, object identifiers and times; refuses to know what a structure means.
 * @module
 */

/** The tags that certificates are made of. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  sequence: 0x30,
  set: 0x31,
  utcTime: 0x17,
  generalizedTime: 0x18,
} as const;

/** One value. */
export interface Der {
  readonly tag: number;
  /** Its content. */
  readonly bytes: Uint8Array;
  /** Tag and length besides. */
  readonly whole: Uint8Array;
}

/** Bytes that are no DER, or not of the structure that is expected. */
export class DerError extends Error {
  /** As it stands in logs. */
  override readonly name = "DerError";
}

/** Where a value's content begins, and where it ends. */
export interface Span {
  readonly from: number;
  readonly end: number;
}

/**
 * The place of the content of the value that begins `at` this byte.
 * @throws {DerError} for one that is cut off, or whose length is not in its shortest form.
 */
export function spanAt(bytes: Uint8Array, at: number): Span {
  const [tag, short] = [bytes[at], bytes[at + 1]];
  if (tag === undefined || short === undefined || (tag & 0x1f) === 0x1f) throw new DerError("no DER value");
  let length = short;
  let from = at + 2;
  if (short > 0x7f) {
    const count = short & 0x7f;
    if (count === 0 || count > 4 || bytes.length < from + count) {
      throw new DerError("a length that is no DER");
    }
    length = 0;
    for (const end = from + count; from < end; from++) length = length * 256 + bytes[from]!;
    if (length < 0x80 || bytes[at + 2] === 0) throw new DerError("a length that is longer than need be");
  }
  if (length > bytes.length - from) throw new DerError("a value that is cut off");
  return { from, end: from + length };
}

/**
 * The value at the front of these bytes.
 * @throws {DerError}
 */
export function firstOf(bytes: Uint8Array): Der {
  const { from, end } = spanAt(bytes, 0);
  return { tag: bytes[0]!, bytes: bytes.subarray(from, end), whole: bytes.subarray(0, end) };
}

/**
 * The only value in these bytes.
 * @throws {DerError}
 */
export function onlyOf(bytes: Uint8Array, tag: number): Der {
  const first = firstOf(bytes);
  if (first.tag !== tag || first.whole.length !== bytes.length) throw new DerError("another value");
  return first;
}

/**
 * The values in a value.
 * @throws {DerError}
 */
export function partsOf({ bytes }: Pick<Der, "bytes">): Der[] {
  const parts: Der[] = [];
  for (let rest = bytes; rest.length > 0;) {
    const first = firstOf(rest);
    parts.push(first);
    rest = rest.subarray(first.whole.length);
  }
  return parts;
}

/**
 * An object identifier, with dots.
 * @throws {DerError}
 */
export function oidOf({ tag, bytes }: Der): string {
  if (tag !== TAG.oid || bytes.length === 0) throw new DerError("no object identifier");
  const arcs: number[] = [];
  let arc = 0;
  for (const byte of bytes) {
    arc = arc * 128 + (byte & 0x7f);
    if (arc > Number.MAX_SAFE_INTEGER / 128) throw new DerError("an object identifier that is too large");
    if (byte > 0x7f) continue;
    arcs.push(arc);
    arc = 0;
  }
  const [first = 0, ...rest] = arcs;
  const root = Math.min(2, Math.floor(first / 40));
  return [root, first - 40 * root, ...rest].join(".");
}

/**
 * A time, ms since the epoch (RFC 5280 section 4.1.2.5).
 * @throws {DerError}
 */
export function timeOf({ tag, bytes }: Der): number {
  const text = new TextDecoder("latin1").decode(bytes);
  const full = tag === TAG.generalizedTime ? text : `${Number(text.slice(0, 2)) < 50 ? "20" : "19"}${text}`;
  const found = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(full)?.slice(1).map(Number);
  if (found === undefined) throw new DerError("no time");
  const [year, month, ...rest] = found as [number, number, number, number, number, number];
  return Date.UTC(year, month - 1, ...rest);
}

/** A number in hexadecimal digits as OpenSSL prints it: two for each byte, without the leading zero byte that keeps it positive. */
export function hexOf(bytes: Uint8Array): string {
  let digits = "";
  for (let at = bytes.length > 1 && bytes[0] === 0 ? 1 : 0; at < bytes.length; at++) {
    digits += HEX[bytes[at]!];
  }
  return digits;
}

const HEX: readonly string[] = Array.from(
  { length: 256 },
  (_, byte) => byte.toString(16).padStart(2, "0").toUpperCase(),
);

/** A value with this content. */
export function der(tag: number, ...contents: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const length = contents.reduce((sum, one) => sum + one.length, 0);
  const lengthBytes = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) lengthBytes.unshift(rest % 256);
  const head = length < 0x80 ? [tag, length] : [tag, 0x80 | lengthBytes.length, ...lengthBytes];
  const bytes = new Uint8Array(head.length + length);
  bytes.set(head);
  let at = head.length;
  for (const one of contents) {
    bytes.set(one, at);
    at += one.length;
  }
  return bytes;
}

/** A sequence of values. */
export function sequence(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return der(TAG.sequence, ...parts);
}

/** A number of any size that is not negative. */
export function integer(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  let at = 0;
  while (at < bytes.length - 1 && bytes[at] === 0) at++;
  const least = bytes.subarray(at);
  return der(TAG.integer, ...least[0]! > 0x7f ? [Uint8Array.of(0)] : [], least);
}

/** An object identifier, from the form with dots. */
export function oid(text: string): Uint8Array<ArrayBuffer> {
  const [root = 0, next = 0, ...rest] = text.split(".").map(Number);
  return der(
    TAG.oid,
    ...[40 * root + next, ...rest].map((arc) => {
      const bytes = [arc % 128];
      for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) {
        bytes.unshift(0x80 | left % 128);
      }
      return Uint8Array.from(bytes);
    }),
  );
}

/** A time, of whole seconds: the short form until 2049, as RFC 5280 section 4.1.2.5 has it. */
export function time(ms: number): Uint8Array<ArrayBuffer> {
  const text = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, "");
  return Number(text.slice(0, 4)) < 2050
    ? der(TAG.utcTime, ascii(text.slice(2)))
    : der(TAG.generalizedTime, ascii(text));
}

/** Bytes of a text. */
export function ascii(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
