/**
 * §4.2 Bytes from one transport to another: as they come, and no faster than they are taken.
 * Knows back-pressure; refuses to know what the bytes mean.
 * @module
 */
import type { Transport } from "./transport.ts";

/** Bytes that one side has not taken yet: the other side is not read while there are any. */
export class Way {
  readonly #from: Transport;
  readonly #to: Transport;
  #rest: Uint8Array | undefined;

  constructor(from: Transport, to: Transport) {
    this.#from = from;
    this.#to = to;
  }

  /** Bytes that are kept. */
  get kept(): number {
    return this.#rest === undefined ? 0 : this.#rest.length;
  }

  write(chunk: Uint8Array): void {
    if (this.#rest !== undefined) { // a chunk that was under way when reading stopped
      const all = new Uint8Array(this.#rest.length + chunk.length);
      all.set(this.#rest);
      all.set(chunk, this.#rest.length);
      this.#rest = all;
      return;
    }
    const taken = this.#to.write(chunk);
    if (taken === chunk.length) return;
    this.#rest = chunk.slice(taken);
    this.#from.pause();
  }

  drained(): void {
    const rest = this.#rest;
    if (rest === undefined) return;
    const taken = this.#to.write(rest);
    this.#rest = taken === rest.length ? undefined : rest.subarray(taken);
    if (this.#rest === undefined) this.#from.resume();
  }
}

/** Two connections as one: bytes go on both ways as they come, and the end of one is that of the other. Neither is started yet. */
export function join(one: Transport, other: Transport): void {
  const [there, back] = [new Way(one, other), new Way(other, one)];
  const handler = (from: Way, to: Way, end: Transport) => ({
    received: (chunk: Uint8Array) => from.write(chunk),
    drained: () => to.drained(),
    closed: (error?: Error) => error === undefined && from.kept === 0 ? end.close() : end.abort(),
  });
  one.start(handler(there, back, other));
  other.start(handler(back, there, one));
}
