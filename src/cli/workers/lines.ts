/**
 * Lines that come in pieces.
 * Knows where a line ends, and how long it may be; refuses to know what it says.
 * @module
 */

const LINE_FEED = 0x0a;
/** Bytes of a line that is kept; a longer one comes in pieces. */
const LINE_BYTES_MAX = 1024 * 1024;

/** Calls for each line, without its end. */
export class Lines {
  readonly #line: (line: string) => void;
  #pieces: Uint8Array[] = [];
  #bytes = 0;

  constructor(line: (line: string) => void) {
    this.#line = line;
  }

  /** Bytes have come; they may be changed when this returns. */
  push(bytes: Uint8Array): void {
    let from = 0;
    for (let end; (end = bytes.indexOf(LINE_FEED, from)) >= 0; from = end + 1) {
      this.#keep(bytes.subarray(from, end));
      this.#tell();
    }
    if (from < bytes.length) this.#keep(bytes.slice(from));
    if (this.#bytes >= LINE_BYTES_MAX) this.#tell();
  }

  /** No more comes: what is there is a line too. */
  end(): void {
    if (this.#bytes > 0) this.#tell();
  }

  #keep(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
  }

  #tell(): void {
    const all = new Uint8Array(this.#bytes);
    let at = 0;
    for (const piece of this.#pieces) {
      all.set(piece, at);
      at += piece.length;
    }
    this.#pieces = [];
    this.#bytes = 0;
    this.#line(new TextDecoder().decode(all));
  }
}
