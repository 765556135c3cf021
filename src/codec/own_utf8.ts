/**
 * §1.5.4 The conversion between bytes and text where the engine has no `TextEncoder` and `TextDecoder`.
 * Knows how code points become bytes, and bytes code points; refuses to know which bytes are well-formed: `utf8.ts` does.
 * @module
 */

/** The text of `bytes[start, end)`, which must be well-formed UTF-8. U+FEFF stays where it stands. */
export function decodeOwn(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let i = start; i < end;) {
    const lead = bytes[i++]!;
    let more = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    let point = more === 0 ? lead : lead & 0x3f >> more;
    for (; more > 0; more--) point = point << 6 | bytes[i++]! & 0x3f;
    text += String.fromCodePoint(point);
  }
  return text;
}

/** Writes `text` into `bytes`, three bytes of room for each UTF-16 unit, and returns where it ends; -1 for a lone surrogate. */
export function putOwn(bytes: Uint8Array, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) {
    const point = text.codePointAt(i)!;
    let more = point < 0x80 ? 0 : point < 0x800 ? 1 : point < 0x1_0000 ? 2 : 3;
    if (more === 0) bytes[at++] = point;
    else {
      if (point >> 11 === 0x1b) return -1; // U+D800 to U+DFFF: a pair would be one code point
      if (more === 3) i++;
      bytes[at++] = 0xff00 >> more + 1 & 0xff | point >> 6 * more; // as many ones as bytes
      while (more-- > 0) bytes[at++] = 0x80 | point >> 6 * more & 0x3f;
    }
  }
  return at;
}

/** The UTF-8 bytes of `text`, or `undefined` where it has a lone surrogate. */
export function encodeOwn(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(3 * text.length);
  const end = putOwn(bytes, 0, text);
  return end < 0 ? undefined : bytes.slice(0, end);
}
