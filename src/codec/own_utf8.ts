/**
 * §1.5.4 The conversion between bytes and text where the engine has no `TextEncoder` and `TextDecoder`: by what the language has for URIs,
 * which is as strict, and keeps U+FEFF. Small rather than fast, since pages, which never call it, pay for its bytes.
 * Knows the escapes of URIs; refuses to know U+0000 and the fields of packets.
 * @module
 */

/** The text of `bytes[start, end)`, or `undefined` where that is not well-formed UTF-8. */
export function decodeOwn(bytes: Uint8Array, start: number, end: number): string | undefined {
  let escaped = "";
  for (let i = start; i < end; i++) escaped += (0x100 + bytes[i]!).toString(16).replace("1", "%");
  try {
    return decodeURIComponent(escaped);
  } catch {
    return undefined;
  }
}

/** Writes `text` into `bytes`, three bytes of room for each UTF-16 unit, and returns where it ends; -1 for a lone surrogate. */
export function putOwn(bytes: Uint8Array, at: number, text: string): number {
  try {
    for (const unit of encodeURIComponent(text).match(/%..|./g) ?? []) {
      bytes[at++] = unit.length > 1 ? Number(unit.replace("%", "0x")) : unit.charCodeAt(0);
    }
    return at;
  } catch {
    return -1;
  }
}
