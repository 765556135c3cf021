/**
 * `TextEncoder` and `TextDecoder` for tests where the engine has none, made of what the language has for URIs.
 * Knows nothing of our own coder, which it is to be compared with; refuses to know what the bytes are for.
 * @module
 */

/** As the Web API's. */
export class TextEncoder {
  encode(text = ""): Uint8Array {
    const escaped = encodeURIComponent(text.toWellFormed?.() ?? text);
    const bytes: number[] = [];
    for (let i = 0; i < escaped.length; i++) {
      if (escaped[i] !== "%") bytes.push(escaped.charCodeAt(i));
      else {
        bytes.push(Number.parseInt(escaped.slice(i + 1, i + 3), 16));
        i += 2;
      }
    }
    return Uint8Array.from(bytes);
  }

  encodeInto(text: string, target: Uint8Array): { read: number; written: number } {
    const bytes = this.encode(text);
    target.set(bytes);
    return { read: text.length, written: bytes.length };
  }
}

/** As the Web API's for UTF-8. One that is not fatal shows what is ill-formed as one U+FFFD for each byte. */
export class TextDecoder {
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;

  constructor(_label = "utf-8", { fatal = false, ignoreBOM = false }: TextDecoderOptions = {}) {
    this.fatal = fatal;
    this.ignoreBOM = ignoreBOM;
  }

  decode(bytes: Uint8Array = new Uint8Array()): string {
    const text = this.#decode(bytes);
    return !this.ignoreBOM && text.startsWith("\uFEFF") ? text.slice(1) : text;
  }

  #decode(bytes: Uint8Array): string {
    let escaped = "";
    for (const byte of bytes) escaped += `%${byte.toString(16).padStart(2, "0")}`;
    try {
      return decodeURIComponent(escaped);
    } catch (error) {
      if (this.fatal) throw new TypeError("The bytes are no UTF-8", { cause: error });
      return String.fromCharCode(...Array.from(bytes, (byte) => byte < 0x80 ? byte : 0xfffd));
    }
  }
}
