/**
 * §3.3.1.3 The retained messages that every node has: which of two on one topic is the later one, and what a node is told that comes.
 * Knows stamps; refuses to know links.
 *
 * Each change has a stamp, from the clock of the node that it came in at; the higher one wins at every node, so that all come to the same
 * whatever order they hear of changes in. The store of a topic's home keeps its stamp; a message from a store without stamps has 0: whatever was
 * said later wins.
 * @module
 */
import type { Ledger } from "../broker/ledger.ts";
import type { Given } from "../broker/nodes.ts";
import { decodeUtf8, encodeUtf8 } from "../codec/utf8.ts";
import { PublishView } from "../codec/publish_view.ts";

/** Topics whose retained message was removed: so many are remembered, so that an older message does not bring it back. */
const REMOVED_MAX = 65_536;
/** The memory that a stamp takes beside its topic: bytes. */
const STAMP_BYTES = 64;
/** Bytes in front of the topic: the length of all, stamp, expiry, flags, and the lengths of topic and publisher. */
const HEAD_BYTES = 4 + 8 + 8 + 1 + 2 + 2;
const IS_LEVEL_5 = 1;
const HAS_PUBLISHER = 2;
const HAS_MESSAGE = 4;

/** A change of what is retained on a topic. */
export interface RetainedChange {
  readonly stamp: number;
  readonly topic: string;
  /** Undefined if it was removed. */
  readonly message: Given | undefined;
}

/** The stamps of this node. */
export class RetainedCopies {
  readonly #nodes: number;
  readonly #place: number;
  readonly #ledger: Ledger;
  readonly #stamps: Map<string, number> = new Map();
  /** Of topics without a message, the oldest first. */
  readonly #removed: Set<string> = new Set();
  readonly #forgotten: (topic: string) => void;
  #last = 0;
  #bytes = 0;

  /** `place` is that of this node among so many; `forgotten` is told of each topic whose stamp is known no more. */
  constructor(place: number, nodes: number, ledger: Ledger, forgotten: (topic: string) => void) {
    this.#forgotten = forgotten;
    this.#place = place;
    this.#nodes = nodes;
    this.#ledger = ledger;
  }

  /** The memory that they take: bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A stamp for a change that comes in here. */
  next(now: number): number {
    this.#last = Math.max(Math.floor(now), this.#last + 1);
    return this.#last * this.#nodes + this.#place;
  }

  /** Whether the change of this stamp came in at this node. */
  isOwn(stamp: number): boolean {
    return stamp % this.#nodes === this.#place;
  }

  /** The stamp of the last change of a topic; undefined if none is known. */
  stampOf(topic: string): number | undefined {
    return this.#stamps.get(topic);
  }

  /** Topics of which it is remembered that nothing is retained. */
  get removed(): Iterable<string> {
    return this.#removed;
  }

  /** A change of a topic, made here or elsewhere. */
  set(topic: string, stamp: number, isThere: boolean): void {
    this.#last = Math.max(this.#last, Math.floor(stamp / this.#nodes));
    if (!this.#stamps.has(topic)) this.#count(STAMP_BYTES + topic.length);
    this.#stamps.set(topic, stamp);
    this.#removed.delete(topic);
    if (isThere) return;
    this.#removed.add(topic);
    if (this.#removed.size <= REMOVED_MAX) return;
    const [oldest] = this.#removed;
    this.forget(oldest!);
  }

  /** As where a message has expired (§3.3.2.3.3), at every node by itself. */
  forget(topic: string): void {
    this.#removed.delete(topic);
    if (!this.#stamps.delete(topic)) return;
    this.#count(-STAMP_BYTES - topic.length);
    this.#forgotten(topic);
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    this.#ledger.subscriptions += bytes;
  }
}

/** A change as bytes for another node. */
export function writeChange({ stamp, topic, message }: RetainedChange): Uint8Array {
  const name = encodeUtf8(topic)!;
  const publisher = message?.publisher === undefined ? undefined : encodeUtf8(message.publisher);
  const frame = message === undefined ? 0 : message.view.end - message.view.at;
  const out = new Uint8Array(HEAD_BYTES + name.length + (publisher?.length ?? 0) + frame);
  const head = new DataView(out.buffer);
  head.setUint32(0, out.length);
  head.setFloat64(4, stamp);
  head.setFloat64(12, message?.expiresAt ?? Infinity);
  out[20] = (message === undefined ? 0 : HAS_MESSAGE) | (publisher === undefined ? 0 : HAS_PUBLISHER) |
    (message?.view.level5 === true ? IS_LEVEL_5 : 0);
  head.setUint16(21, name.length);
  head.setUint16(23, publisher?.length ?? 0);
  out.set(name, HEAD_BYTES);
  let at = HEAD_BYTES + name.length;
  if (publisher !== undefined) out.set(publisher, at);
  at += publisher?.length ?? 0;
  if (message !== undefined) out.set(message.view.bytes.subarray(message.view.at, message.view.end), at);
  return out;
}

/** Changes one behind the other, read again; their frames stand in `bytes`. It ends before bytes that are none. */
export function* readChanges(bytes: Uint8Array): Generator<RetainedChange> {
  for (let at = 0; at + HEAD_BYTES <= bytes.length;) {
    const length = new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0);
    if (length < HEAD_BYTES || at + length > bytes.length) return;
    const change = readChange(bytes.subarray(at, at + length));
    if (change === undefined) return;
    yield change;
    at += length;
  }
}

function readChange(bytes: Uint8Array): RetainedChange | undefined {
  const head = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const flags = bytes[20]!;
  const nameEnd = HEAD_BYTES + head.getUint16(21);
  const publisherEnd = nameEnd + head.getUint16(23);
  const topic = publisherEnd > bytes.length ? undefined : decodeUtf8(bytes, HEAD_BYTES, nameEnd);
  if (topic === undefined) return undefined;
  const stamp = head.getFloat64(4);
  if ((flags & HAS_MESSAGE) === 0) return { stamp, topic, message: undefined };
  const view = new PublishView();
  view.aimFrame(bytes, publisherEnd, bytes.length, (flags & IS_LEVEL_5) !== 0);
  const publisher = (flags & HAS_PUBLISHER) === 0 ? undefined : decodeUtf8(bytes, nameEnd, publisherEnd);
  return { stamp, topic, message: { view, expiresAt: head.getFloat64(12), publisher } };
}
