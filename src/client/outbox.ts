/**
 * Bytes on their way to the Server: gathered during a turn, written at its end.
 * Knows bytes, and how many of them are held until a commit; refuses to know packets.
 * @module
 */
import { copyBytes } from "../codec/copy.ts";

/** Takes bytes as `Transport.write` does: returns how many, the chunk is the caller's again. */
export interface ByteSink {
  write(chunk: Uint8Array): number;
}

/** The first buffer, and what an empty outbox may keep: bytes. */
const FIRST_BYTES = 1024;
const KEPT_BYTES = 256 * 1024;
/** A buffer grows by its contents, and by this at most: bytes. */
const GROWTH_BYTES = 1024 * 1024;

/** One connection's bytes, in one buffer: a Client has one connection. Positions count from its first byte ever. */
export class Outbox {
  /** Where `room()` made room; changes with each call of it. */
  buffer: Uint8Array = new Uint8Array(FIRST_BYTES);
  /** Bytes from this position on stay; Infinity for none. */
  limit: number = Infinity;
  #start = 0;
  #end = 0;
  #taken = 0;

  /** Bytes not yet taken by the sink. */
  get size(): number {
    return this.#end - this.#start;
  }

  /** The position behind the last byte. */
  get position(): number {
    return this.#taken + this.#end - this.#start;
  }

  /** Makes room for `bytes` more: write them to `buffer` from the returned offset on, all of them. */
  room(bytes: number): number {
    if (this.#end + bytes > this.buffer.length) this.#grow(bytes);
    const at = this.#end;
    this.#end = at + bytes;
    return at;
  }

  #grow(bytes: number): void {
    const before = this.buffer;
    const size = this.size;
    const needed = size + bytes;
    // Less than half may be in use: else a backlog would be moved again and again.
    if (needed * 2 > before.length) this.buffer = new Uint8Array(needed + Math.min(needed, GROWTH_BYTES));
    this.buffer.set(before.subarray(this.#start, this.#end));
    this.#start = 0;
    this.#end = size;
  }

  /** Appends a copy of `bytes[from, until)`. */
  append(bytes: Uint8Array, from: number, until: number): void {
    const at = this.room(until - from);
    copyBytes(this.buffer, at, bytes, from, until);
  }

  /** Writes the bytes that may leave; true if the sink took all of them. */
  flush(sink: ByteSink): boolean {
    const allowed = Math.min(this.size, this.limit - this.#taken);
    if (allowed > 0) {
      const taken = sink.write(this.buffer.subarray(this.#start, this.#start + allowed));
      this.#taken += taken;
      this.#start += taken;
      if (taken < allowed) return false;
    }
    if (this.size === 0) this.clear();
    return true;
  }

  /** Drops the bytes from `position` on, which the sink has not been offered. */
  truncate(position: number): void {
    this.#end -= Math.max(0, this.position - position);
  }

  /** Drops everything that is not taken. */
  clear(): void {
    this.#start = this.#end = 0;
    if (this.buffer.length > KEPT_BYTES) this.buffer = new Uint8Array(FIRST_BYTES);
  }
}
