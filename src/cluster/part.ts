/**
 * A batch cut into messages: each says whose it is, which batch of that writer, which part of it, and whether it is the last.
 * Knows these bytes; refuses to know streams.
 * @module
 */

/** u8 version, u8 flags, u16 part, 8 bytes writer, u64 number; in network order. */
export const PART_HEAD_BYTES = 20;
const VERSION = 1;
const LAST = 1;
const PARTS_MAX = 0x1_0000;

/** A part as it was read. */
export interface Part {
  readonly writer: Uint8Array;
  readonly number: number;
  readonly part: number;
  readonly isLast: boolean;
  readonly bytes: Uint8Array;
}

/** Bytes that name one life of a writer; two lives have different ones. */
export const WRITER_BYTES = 8;

/** Cuts a batch into messages of at most `bytesMax` bytes, one at least. */
export function cutBatch(
  writer: Uint8Array,
  number: number,
  batch: Uint8Array,
  bytesMax: number,
): Uint8Array[] {
  const room = bytesMax - PART_HEAD_BYTES;
  const count = Math.max(1, Math.ceil(batch.length / room));
  if (count > PARTS_MAX) {
    throw new RangeError(`A batch of ${batch.length} bytes has more than ${PARTS_MAX} parts`);
  }
  const messages: Uint8Array[] = [];
  for (let part = 0; part < count; part++) {
    const bytes = batch.subarray(part * room, (part + 1) * room);
    const message = new Uint8Array(PART_HEAD_BYTES + bytes.length);
    const view = new DataView(message.buffer);
    message[0] = VERSION;
    message[1] = part === count - 1 ? LAST : 0;
    view.setUint16(2, part);
    message.set(writer, 4);
    view.setBigUint64(12, BigInt(number));
    message.set(bytes, PART_HEAD_BYTES);
    messages.push(message);
  }
  return messages;
}

/** Reads a message; undefined if it is none of ours. */
export function readPart(message: Uint8Array): Part | undefined {
  if (message.length < PART_HEAD_BYTES || message[0] !== VERSION) return undefined;
  const view = new DataView(message.buffer, message.byteOffset);
  return {
    writer: message.subarray(4, 4 + WRITER_BYTES),
    number: Number(view.getBigUint64(12)),
    part: view.getUint16(2),
    isLast: (message[1]! & LAST) !== 0,
    bytes: message.subarray(PART_HEAD_BYTES),
  };
}

/** Both are parts of the same batch. */
export function isSameBatch(one: Part, writer: Uint8Array, number: number): boolean {
  return one.number === number && one.writer.every((byte, i) => byte === writer[i]);
}

/** Puts parts together as they are read. A batch whose last part never came is dropped when another one begins. */
export class Joiner {
  #parts: Part[] = [];

  /** The whole batch when this was its last part. */
  add(message: Uint8Array): Uint8Array | undefined {
    const part = readPart(message);
    if (part === undefined) {
      this.#parts = [];
      return undefined;
    }
    const first = this.#parts[0];
    if (part.part === 0) this.#parts = [];
    else if (
      first === undefined || part.part !== this.#parts.length || !isSameBatch(first, part.writer, part.number)
    ) {
      this.#parts = [];
      return undefined;
    }
    this.#parts.push(part);
    if (!part.isLast) return undefined;
    const parts = this.#parts;
    this.#parts = [];
    if (parts.length === 1) return part.bytes;
    const batch = new Uint8Array(parts.reduce((sum, { bytes }) => sum + bytes.length, 0));
    let at = 0;
    for (const { bytes } of parts) {
      batch.set(bytes, at);
      at += bytes.length;
    }
    return batch;
  }
}
