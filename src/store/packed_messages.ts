/**
 * §4.1 Messages that wait for `FactStore.retainedMessages()`, a million perhaps: a few large arrays of bytes instead of an object each.
 * Knows how they are packed; refuses to know their source.
 * @module
 */
import type { Message } from "../broker/mod.ts";
import { BatchReader, BatchWriter } from "./batch.ts";
import { readMessage, writeMessage } from "./message_row.ts";

/** Some messages, one behind the other. */
export type PackedMessages = Uint8Array;

const PACK_BYTES = 256 * 1024;

/** Packs messages as they come: none of them is kept. */
export function* packMessages(messages: Iterable<Message>): Iterable<PackedMessages> {
  const out = new BatchWriter(PACK_BYTES);
  for (const message of messages) {
    writeMessage(out, message);
    if (out.length >= PACK_BYTES) yield out.take().slice(); // the copy has no unused room
  }
  if (out.length > 0) yield out.take().slice();
}

/** Takes them out again. The list is emptied meanwhile, so that a pack whose messages have been taken is let go. */
export function* unpackMessages(packs: PackedMessages[]): Iterable<Message> {
  packs.reverse();
  for (let pack; (pack = packs.pop()) !== undefined;) {
    for (const from = new BatchReader(pack); from.more;) yield readMessage(from);
  }
}
