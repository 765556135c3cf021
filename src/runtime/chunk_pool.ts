/**
 * Buffers of one size, lent and given back.
 * Knows how many are worth keeping; refuses to know their content.
 * @module
 */

/** Lends buffers; keeps at most `most` of the buffers that come back. */
export class ChunkPool {
  readonly bytes: number;
  readonly #most: number;
  readonly #free: Uint8Array<ArrayBuffer>[] = [];

  constructor(bytes: number, most: number) {
    this.bytes = bytes;
    this.#most = most;
  }

  take(): Uint8Array<ArrayBuffer> {
    return this.#free.pop() ?? new Uint8Array(this.bytes);
  }

  give(buffer: Uint8Array): void {
    if (this.#free.length < this.#most) this.#free.push(buffer as Uint8Array<ArrayBuffer>);
  }
}
