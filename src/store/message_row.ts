/**
 * §3.3 A message in its three forms: a PUBLISH frame, the columns of a row, and bytes in a batch.
 * Knows the layout of PUBLISH; refuses to know in which tables the columns stand.
 * @module
 */
import type { Message } from "../broker/mod.ts";
import { EMPTY, PublishView } from "../codec/publish_view.ts";
import { decodeUtf8 } from "../codec/utf8.ts";
import type { BatchReader, BatchWriter } from "./batch.ts";

/** A message in a row. */
export interface MessageColumns {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** As they came, without their length; null below level 5. */
  readonly properties: Uint8Array | null;
  /** The first byte of the PUBLISH. */
  readonly header: number;
  /** ms since the epoch, null is never. */
  readonly expires_at: number | null;
  readonly publisher: string | null;
}

/** A message into a batch, for `readColumns()` or `readMessage()`. */
export function writeMessage(out: BatchWriter, { view, expiresAt, publisher }: Message): void {
  out.flag(view.level5);
  out.f64(expiresAt);
  out.text(publisher);
  out.blob(view.bytes, view.at, view.end);
}

/** The message for a row. Its bytes are those of the batch. */
export function readColumns(from: BatchReader): MessageColumns {
  const { topic, view, expiresAt, publisher } = readMessage(from);
  return {
    topic,
    payload: view.bytes.subarray(view.payloadAt, view.end),
    properties: view.level5 ? view.bytes.subarray(view.propertiesAt, view.propertiesEnd) : null,
    header: view.bytes[view.at]! & WITHOUT_DUP,
    expires_at: expiresAt === Infinity ? null : expiresAt,
    publisher: publisher ?? null,
  };
}

/** The message for a session that it is to be delivered to. Its bytes are those of the batch. */
export function readMessage(from: BatchReader): Message {
  const level5 = from.flag();
  const expiresAt = from.f64();
  const publisher = from.text();
  const view = from.frame(level5);
  const topic = decodeUtf8(view.bytes, view.topicAt, view.topicEnd)!; // it was a text when it was written
  return { topic, view, expiresAt, publisher };
}

/** §3.3.1.1 DUP belongs to a connection. */
const WITHOUT_DUP = 0xf7;

const encoder = /* @__PURE__ */ new TextEncoder();

/** Small frames share buffers of this size: one buffer each would cost more than all else. */
const SLAB_BYTES = 1024;
/** Larger ones have their own. */
const SMALL_BYTES_MAX = SLAB_BYTES / 2;

/** Makes messages of rows. */
export class MessageMaker {
  #slab: Uint8Array = EMPTY;
  #used = 0;

  /**
   * The message of a row.
   * @throws when the row cannot be one.
   */
  make(row: MessageColumns): Message {
    const { topic, payload, properties, header } = row;
    const identified = (header & 6) !== 0; // by an identifier that means nothing
    const propertiesBytes = properties === null ? 0 : varintBytes(properties.length) + properties.length;
    const fixed = 2 + (identified ? 2 : 0) + propertiesBytes + payload.length;
    const room = 5 + fixed + topic.length * 3;
    if (room > SMALL_BYTES_MAX) return this.#write(row, new Uint8Array(room), 0, fixed);
    if (this.#used + room > this.#slab.length) {
      this.#slab = new Uint8Array(SLAB_BYTES);
      this.#used = 0;
    }
    const message = this.#write(row, this.#slab, this.#used, fixed);
    this.#used = message.view.end;
    return message;
  }

  /** `fixed` counts the bytes behind the fixed header, but those of the topic. */
  #write(row: MessageColumns, bytes: Uint8Array, start: number, fixed: number): Message {
    const { topic, payload, properties, header } = row;
    const nameAt = start + 5 + 2; // where it is if the Remaining Length takes four bytes
    const nameBytes = encoder.encodeInto(topic, bytes.subarray(nameAt)).written;
    const from = start + 4 - varintBytes(fixed + nameBytes);
    bytes[from] = header;
    const body = putVarint(bytes, from + 1, fixed + nameBytes);
    bytes[body] = nameBytes >> 8;
    bytes[body + 1] = nameBytes & 255;
    let at = nameAt + nameBytes;
    if ((header & 6) !== 0) {
      bytes[at] = 0;
      bytes[at + 1] = 1;
      at += 2;
    }
    if (properties !== null) {
      at = putVarint(bytes, at, properties.length);
      bytes.set(properties, at);
      at += properties.length;
    }
    bytes.set(payload, at);
    const view = new PublishView();
    view.aim(bytes, from, body, at + payload.length, properties !== null);
    return { topic, view, expiresAt: row.expires_at ?? Infinity, publisher: row.publisher ?? undefined };
  }
}

function varintBytes(value: number): number {
  return value < 128 ? 1 : value < 16_384 ? 2 : value < 2_097_152 ? 3 : 4;
}

function putVarint(bytes: Uint8Array, at: number, value: number): number {
  for (; value > 127; value >>>= 7) bytes[at++] = value & 127 | 128;
  bytes[at] = value;
  return at + 1;
}
