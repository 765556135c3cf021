/**
 * §1.5.2–1.5.7, §2.1.4 Data representation, writing: the wire types into a growing buffer, packet by packet.
 * Knows integers, strings, binary data and the Remaining Length; refuses to know packets.
 * @module
 */
import { UsageError } from "./error.ts";
import { putUtf8 } from "./utf8.ts";
import { putVarint, VARINT_MAX, varintSize } from "./varint.ts";

/** A fixed header is at most a byte and a four-byte Remaining Length. */
const HEADER_MAX = 5;
/** What most packets need; a longer one that is not the first in the buffer is moved once. */
const HEADER_USUAL = 2;
/** A buffer above this is not kept for the next packet. */
const KEEP_MAX = 1 << 20;

/**
 * Writes packets one behind the other. A packet is visible in {@linkcode bytes} once {@linkcode end} was called: where a
 * value cannot be written (`UsageError`) nothing of the packet is seen, and the next `begin` starts in its place.
 */
export class Writer {
  readonly #capacity: number;
  #buffer: Uint8Array;
  /** Where the first finished packet begins. */
  #from = 0;
  /** Where the last finished packet ends. */
  #done = 0;
  /** Where the body of the open packet begins. */
  #body = 0;
  /** Where the next byte goes. */
  #at = 0;
  #first = 0;

  /** `capacity`: bytes to begin with; the buffer grows as needed. */
  constructor(capacity = 256) {
    this.#capacity = capacity;
    this.#buffer = new Uint8Array(capacity);
  }

  /** Begins a packet with its first byte: packet type and flags. */
  begin(first: number): void {
    this.#first = first;
    // The header is known last. For the first packet it is set before the body, flush right, and nothing moves.
    this.#body = this.#done + (this.#done === this.#from ? HEADER_MAX : HEADER_USUAL);
    this.#at = this.#body;
    this.#reserve(0);
  }

  /** Ends the packet: its fixed header is written and it becomes visible. Returns its bytes, header included. */
  end(): number {
    const length = this.#at - this.#body;
    if (length > VARINT_MAX) throw tooLarge();
    const header = 1 + varintSize(length);
    let start = this.#body - header;
    if (this.#done === this.#from) {
      this.#from = start;
    } else if (start !== this.#done) {
      start = this.#done;
      this.#reserve(header - HEADER_USUAL);
      this.#buffer.copyWithin(start + header, this.#body, this.#at);
    }
    this.#buffer[start] = this.#first;
    putVarint(this.#buffer, start + 1, length);
    this.#done = start + header + length;
    return header + length;
  }

  /** The finished packets, as a view: valid until the next `begin` or `reset`. */
  bytes(): Uint8Array {
    return this.#buffer.subarray(this.#from, this.#done);
  }

  /** Bytes of the finished packets. */
  get length(): number {
    return this.#done - this.#from;
  }

  /** Forgets everything written. */
  reset(): void {
    this.#from =
      this.#done =
      this.#body =
      this.#at =
        0;
    if (this.#buffer.length > KEEP_MAX) this.#buffer = new Uint8Array(this.#capacity);
  }

  /** §1.5.1 one byte, 0 to 255. */
  u8(value: number): void {
    if (value !== (value & 0xff)) throw new UsageError(`Not a byte: ${value}`);
    this.#reserve(1);
    this.#buffer[this.#at++] = value;
  }

  /** §1.5.2 Two Byte Integer, 0 to 65535. */
  u16(value: number): void {
    if (value !== (value & 0xffff)) throw new UsageError(`Not a Two Byte Integer: ${value}`);
    this.#reserve(2);
    this.#buffer[this.#at] = value >>> 8;
    this.#buffer[this.#at + 1] = value;
    this.#at += 2;
  }

  /** §1.5.3 Four Byte Integer, 0 to 4294967295. */
  u32(value: number): void {
    if (value !== value >>> 0) throw new UsageError(`Not a Four Byte Integer: ${value}`);
    this.#reserve(4);
    const at = this.#at;
    this.#buffer[at] = value >>> 24;
    this.#buffer[at + 1] = value >>> 16;
    this.#buffer[at + 2] = value >>> 8;
    this.#buffer[at + 3] = value;
    this.#at = at + 4;
  }

  /** §1.5.5 Variable Byte Integer, 0 to 268435455, in its shortest form. */
  varint(value: number): void {
    if (value !== (value & VARINT_MAX)) throw new UsageError(`Not a Variable Byte Integer: ${value}`);
    this.#reserve(4);
    this.#at = putVarint(this.#buffer, this.#at, value); // [MQTT-1.5.5-1]
  }

  /** §1.5.4 UTF-8 Encoded String: at most 65535 bytes, no U+0000, no lone surrogate. */
  utf8(text: string): void {
    if (text.includes("\0")) throw new UsageError("U+0000 in a string [MQTT-1.5.4-2]");
    if (text.length > 0xffff) throw tooLong("String"); // every UTF-16 unit takes at least a byte
    this.#reserve(2 + 3 * text.length);
    const start = this.#at + 2;
    const end = putUtf8(this.#buffer, start, text);
    if (end < 0) throw new UsageError("Lone surrogate in a string [MQTT-1.5.4-1]");
    if (end - start > 0xffff) throw tooLong("String"); // [MQTT-4.7.3-3]
    this.u16(end - start);
    this.#at = end;
  }

  /** §1.5.6 Binary Data: at most 65535 bytes. */
  binary(bytes: Uint8Array): void {
    if (bytes.length > 0xffff) throw tooLong("Binary Data");
    this.u16(bytes.length);
    this.raw(bytes);
  }

  /** §1.5.7 UTF-8 String Pair; both obey the rules of a string. */
  pair(pair: readonly [name: string, value: string]): void {
    this.utf8(pair[0]); // [MQTT-1.5.7-1]
    this.utf8(pair[1]);
  }

  /** Bytes as they are, without a length: a payload. */
  raw(bytes: Uint8Array): void {
    if (this.#at - this.#body + bytes.length > VARINT_MAX) throw tooLarge(); // before the buffer grows to that size
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** Begins a part with its length before it, as the properties. Returns the mark that {@linkcode close} needs. */
  open(): number {
    this.#reserve(1);
    return ++this.#at;
  }

  /** Ends what {@linkcode open} began: writes the length as a Variable Byte Integer, moving the part if that is long. */
  close(start: number): void {
    const length = this.#at - start;
    const shift = varintSize(length) - 1;
    if (shift > 0) {
      this.#reserve(shift);
      this.#buffer.copyWithin(start + shift, start, this.#at);
      this.#at += shift;
    }
    putVarint(this.#buffer, start - 1, length);
  }

  /** Makes room for `count` more bytes. */
  #reserve(count: number): void {
    const needed = this.#at + count;
    if (needed <= this.#buffer.length) return;
    let size = Math.max(this.#buffer.length, 64);
    while (size < needed) size *= 2;
    const grown = new Uint8Array(size);
    grown.set(this.#buffer.subarray(0, this.#at));
    this.#buffer = grown;
  }
}

function tooLong(what: string): UsageError {
  return new UsageError(`${what} of more than 65535 bytes`);
}

function tooLarge(): UsageError {
  return new UsageError(`Packet with a Remaining Length above ${VARINT_MAX}`);
}
