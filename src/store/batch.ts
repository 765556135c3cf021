/**
 * Facts as bytes, on their way from the thread of the broker to that of the disk, and deliveries on their way back.
 * Knows one compact layout that never leaves the process; refuses to know the fields of a fact (fact.ts has them).
 * @module
 */
import { PublishView } from "../codec/publish_view.ts";
import { decodeUtf8, putUtf8 } from "../codec/utf8.ts";

const NONE = 0xffff_ffff;

/** Writes values one behind the other. */
export class BatchWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #at = 0;

  constructor(capacity = 4096) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Bytes written. */
  get length(): number {
    return this.#at;
  }

  /** 0 to 255. */
  u8(value: number): void {
    this.#room(1);
    this.#bytes[this.#at++] = value;
  }

  /** As 1 or 0. */
  flag(value: boolean): void {
    this.u8(value ? 1 : 0);
  }

  /** 0 to 2^32 - 1. */
  u32(value: number): void {
    this.#room(4);
    this.#view.setUint32(this.#at, value);
    this.#at += 4;
  }

  /** Any number. */
  f64(value: number): void {
    this.#room(8);
    this.#view.setFloat64(this.#at, value);
    this.#at += 8;
  }

  /** A text that has a UTF-8 form, or none. */
  text(value: string | undefined): void {
    if (value === undefined) return this.u32(NONE);
    this.#room(4 + value.length * 3);
    const from = this.#at + 4;
    const end = putUtf8(this.#bytes, from, value);
    this.#view.setUint32(this.#at, end - from);
    this.#at = end;
  }

  /** `bytes[from, until)`. */
  blob(bytes: Uint8Array, from: number, until: number): void {
    this.#room(4 + until - from);
    this.#view.setUint32(this.#at, until - from);
    this.#bytes.set(bytes.subarray(from, until), this.#at + 4);
    this.#at += 4 + until - from;
  }

  /** Bytes that another writer has written. */
  raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** Everything written; the writer begins anew with a buffer of its own. */
  take(): Uint8Array<ArrayBuffer> {
    const bytes = this.#bytes.subarray(0, this.#at);
    this.#bytes = new Uint8Array(Math.max(4096, Math.min(this.#at * 2, 1 << 20)));
    this.#view = new DataView(this.#bytes.buffer);
    this.#at = 0;
    return bytes;
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + bytes));
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** Reads them in the same order. */
export class BatchReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Whether anything is left. */
  get more(): boolean {
    return this.#at < this.#bytes.length;
  }

  u8(): number {
    return this.#bytes[this.#at++]!;
  }

  flag(): boolean {
    return this.u8() === 1;
  }

  u32(): number {
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4);
  }

  f64(): number {
    this.#at += 8;
    return this.#view.getFloat64(this.#at - 8);
  }

  text(): string | undefined {
    const length = this.u32();
    if (length === NONE) return undefined;
    this.#at += length;
    return decodeUtf8(this.#bytes, this.#at - length, this.#at);
  }

  /** A PUBLISH frame, aimed at where it stands. */
  frame(level5: boolean): PublishView {
    const length = this.u32();
    const at = this.#at;
    const end = at + length;
    let body = at + 1;
    while (this.#bytes[body++]! > 127);
    const view = new PublishView();
    view.aim(this.#bytes, at, body, end, level5);
    this.#at = end;
    return view;
  }
}
