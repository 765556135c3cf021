/**
 * §1.5.2–1.5.7 Data representation, reading: the wire types out of one frame.
 * Knows integers, strings and binary data; refuses to know packets. Never reads outside the part it is aimed at.
 * @module
 */
import { malformed, type PeerError } from "./error.ts";
import { decodeUtf8 } from "./utf8.ts";

/**
 * Reads wire types from a part of a frame. One per connection is enough: it is aimed anew at each frame. Every method
 * that takes bytes throws a {@linkcode PeerError} (Malformed Packet) where the part ends too early.
 */
export class Reader {
  #frame: Uint8Array;
  #at: number;
  #end: number;
  /** Whether reading is narrowed by {@linkcode sub}. */
  #narrowed = false;

  /** Aimed at all of `frame`, or at nothing. */
  constructor(frame: Uint8Array = new Uint8Array(0)) {
    this.#frame = frame;
    this.#at = 0;
    this.#end = frame.length;
  }

  /** Reads from `frame[start, end)` next. Binary values are views of `frame`: valid as long as its bytes are. */
  aim(frame: Uint8Array, start: number, end: number): this {
    this.#frame = frame;
    this.#at = start;
    this.#end = end;
    this.#narrowed = false;
    return this;
  }

  /** Bytes not yet read. */
  get left(): number {
    return this.#end - this.#at;
  }

  /** §1.5.1 one byte. */
  u8(): number {
    if (this.#at >= this.#end) throw this.#short();
    return this.#frame[this.#at++]!;
  }

  /** §1.5.2 Two Byte Integer. */
  u16(): number {
    const at = this.#take(2);
    return this.#frame[at]! << 8 | this.#frame[at + 1]!;
  }

  /** §1.5.3 Four Byte Integer, unsigned. */
  u32(): number {
    const at = this.#take(4);
    const frame = this.#frame;
    return (frame[at]! << 24 | frame[at + 1]! << 16 | frame[at + 2]! << 8 | frame[at + 3]!) >>> 0;
  }

  /** §1.5.5 Variable Byte Integer; a form longer than needed or than four bytes is refused. */
  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.u8();
      value |= (byte & 0x7f) << shift;
      if (byte > 0x7f) continue;
      if (byte === 0 && shift > 0) {
        throw malformed("MQTT-1.5.5-1");
      }
      return value;
    }
    throw malformed("1.5.5/fifth-byte");
  }

  /** §1.5.4 UTF-8 Encoded String. */
  utf8(): string {
    const length = this.u16();
    const start = this.#take(length);
    const text = decodeUtf8(this.#frame, start, start + length);
    if (text === undefined) throw malformed("MQTT-1.5.4-1");
    if (text.includes("\0")) throw malformed("MQTT-1.5.4-2");
    return text;
  }

  /** §1.5.6 Binary Data, as a view. */
  binary(): Uint8Array {
    const length = this.u16();
    const start = this.#take(length);
    return this.#frame.subarray(start, start + length);
  }

  /** §1.5.7 UTF-8 String Pair; both obey the rules of a string. */
  pair(): readonly [name: string, value: string] {
    const name = this.utf8(); // [MQTT-1.5.7-1]
    return [name, this.utf8()];
  }

  /** Narrows reading to the next `length` bytes. Returns the mark that {@linkcode resume} needs to widen it again. */
  sub(length: number): number {
    if (length > this.#end - this.#at) throw this.#short();
    const outer = this.#end;
    this.#end = this.#at + length;
    this.#narrowed = true;
    return outer;
  }

  /** Ends what {@linkcode sub} began; bytes left in the part are skipped. */
  resume(outer: number): void {
    this.#at = this.#end;
    this.#end = outer;
    this.#narrowed = false;
  }

  /** All bytes left, as a view. */
  rest(): Uint8Array {
    const start = this.#at;
    this.#at = this.#end;
    return this.#frame.subarray(start, this.#end);
  }

  /** Asserts that nothing is left. */
  end(): void {
    if (this.#at < this.#end) throw malformed("2.1.4/trailing");
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.#end - at) throw this.#short();
    this.#at = at + count;
    return at;
  }

  #short(): PeerError {
    if (this.#narrowed) {
      return malformed("2.2.2.1/past-end");
    }
    return malformed("2.1.4/short");
  }
}
