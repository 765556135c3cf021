/**
 * §3.3 A message in its three forms: a PUBLISH frame, the columns of a row, and bytes in a batch.
 * Knows the layout of PUBLISH; refuses to know in which tables the columns stand.
 * @module
 */
import type { Message } from "../broker/mod.ts";
import { PublishView } from "../codec/publish_view.ts";
import { decodeUtf8 } from "../codec/utf8.ts";
import { putVarint, varintSize } from "../codec/varint.ts";
import { FrameKeeper } from "../delivery/message.ts";
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

/** The message for a row. It shares the bytes of the batch. */
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

/** The message for a session that it is to be delivered to. It shares the bytes of the batch. */
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

/** A frame up to this size is put together in a buffer that is used again, and copied where it stays. */
const SCRATCH_BYTES = 1024;

/** Makes messages of rows. */
export class MessageMaker {
  readonly #scratch: Uint8Array = new Uint8Array(SCRATCH_BYTES);
  readonly #view: PublishView = new PublishView();
  readonly #keeper: FrameKeeper = new FrameKeeper();

  /**
   * The message of a row.
   * @throws when the row cannot be one.
   */
  make(row: MessageColumns): Message {
    const message = this.passing(row);
    return message.view === this.#view ? { ...message, view: this.#keeper.keep(this.#view) } : message;
  }

  /**
   * The message of a row, good until the next call.
   * @throws when the row cannot be one.
   */
  passing(row: MessageColumns): Message {
    const { topic, payload, properties, header } = row;
    const propertiesBytes = properties === null ? 0 : varintSize(properties.length) + properties.length;
    /** Bytes behind the fixed header, without the topic. */
    const rest = 2 + (isIdentified(header) ? 2 : 0) + propertiesBytes + payload.length;
    const room = 5 + rest + topic.length * 3;
    const isSmall = room <= SCRATCH_BYTES;
    const view = isSmall ? this.#view : new PublishView();
    aimAtRow(view, row, isSmall ? this.#scratch : new Uint8Array(room), rest);
    return { topic, view, expiresAt: row.expires_at ?? Infinity, publisher: row.publisher ?? undefined };
  }
}

/** Writes the frame of a row into `bytes`, near their begin, and aims `view` at it. */
function aimAtRow(view: PublishView, row: MessageColumns, bytes: Uint8Array, rest: number): void {
  const { topic, payload, properties, header } = row;
  const topicAt = 5 + 2; // where it is if the Remaining Length takes four bytes
  const topicBytes = encoder.encodeInto(topic, bytes.subarray(topicAt)).written;
  const from = 4 - varintSize(rest + topicBytes);
  bytes[from] = header;
  const body = putVarint(bytes, from + 1, rest + topicBytes);
  bytes[body] = topicBytes >> 8;
  bytes[body + 1] = topicBytes & 255;
  let at = topicAt + topicBytes;
  if (isIdentified(header)) { // the identifier means nothing here
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
  view.aim(bytes, from, body, at + payload.length, properties !== null);
}

/** §2.2.1 Whether a PUBLISH with this first byte has a Packet Identifier: its QoS is above 0. */
function isIdentified(header: number): boolean {
  return (header & 6) !== 0;
}
