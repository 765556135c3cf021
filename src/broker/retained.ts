/**
 * §3.3.1.3 Retained messages: the last one of each topic, found by filter.
 * Knows topics and frames; refuses to know subscribers.
 *
 * There may be millions, so none of them is an object: a small one is a run of bytes in a slab, whose place is the number
 * that the tree has for its topic. `read()` makes a message of it. Large ones are kept as they are, since
 * outboxes share their bytes.
 * @module
 */
import { copyBytes, sameBytes } from "../codec/copy.ts";
import { PublishView } from "../codec/publish_view.ts";
import { decodeUtf8, encodeUtf8, putUtf8 } from "../codec/utf8.ts";
import { invariant } from "../codec/error.ts";
import { type Message, SHARED_PAYLOAD_BYTES } from "../delivery/message.ts";
import type { Deadline, Timers } from "../engine/timers.ts";
import { NameCursor } from "../topic/name_cursor.ts";
import { LevelCursor } from "../topic/level_cursor.ts";
import { NameTree, NONE, ROOT } from "../topic/name_tree.ts";
import { Slabs } from "../topic/slabs.ts";
import { Ledger } from "./ledger.ts";
import type { LimitName, Limits } from "./limits.ts";

/**
 * Bytes that a retained message costs beside its frame and its topic's levels: 130 of the tree for a topic with two levels of
 * its own, 20 around the frame, and as much again for holes.
 */
export const RETAINED_OVERHEAD_BYTES: number = 256;

/** The value in the tree for a large message, which has no place in a slab. */
const LARGE = -2;

/** In front of a frame: whether it is of level 5, and the publisher, after its length. */
const PREFIX_BYTES = 3;
const LEVEL_5 = 1;
const PUBLISHER = 2;

/** A message that can be retained, whether it is kept elsewhere or not. */
export interface Retainable {
  readonly view: PublishView;
  /** ms since the epoch, Infinity for never. */
  readonly expiresAt: number;
  /** Client Identifier, for No Local. */
  readonly publisher: string | undefined;
  /** Needed if the payload is large: it is kept. */
  readonly message: Message | undefined;
}

/** Has a message removed when it expires. */
class Expiry implements Deadline {
  heapIndex = -1;
  heapTime = 0;
  readonly #retained: Retained;
  readonly #node: number;

  constructor(retained: Retained, node: number) {
    this.#retained = retained;
    this.#node = node;
  }

  due(): void {
    this.#retained.expired(this.#retained.read(this.#node).topic);
  }
}

/** All retained messages. */
export class Retained {
  readonly #tree: NameTree;
  readonly #frames: Slabs;
  readonly #large: Map<number, Message> = new Map();
  /** The deadlines of the messages that expire. */
  readonly #expiries: Map<number, Expiry> = new Map();
  #bytes = 0;
  readonly #timers: Timers;
  #limits: Limits;
  /** Called for a topic whose message has expired; calls `remove()`. */
  readonly expired: (topic: string) => void;
  readonly #ledger: Ledger;

  /** `seed` is a number that peers cannot guess. */
  constructor(
    timers: Timers,
    limits: Limits,
    seed: number,
    expired: (topic: string) => void,
    ledger: Ledger = new Ledger(),
  ) {
    this.#ledger = ledger;
    this.#tree = new NameTree({ seed });
    this.#frames = new Slabs((node, place) => this.#tree.put(node, place));
    this.#timers = timers;
    this.#limits = limits;
    this.expired = expired;
  }

  /** Other limits from now on; what is there stays. */
  limit(limits: Limits): void {
    this.#limits = limits;
  }

  /** How many there are. */
  get size(): number {
    return this.#tree.size;
  }

  /** The bytes that they count for in `retainedBytesMax`. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Topics on which walks stand. */
  get walks(): number {
    return this.#tree.pinned;
  }

  /** Makes `message` its topic's retained message, above the limits if need be: it was there before they were set. */
  restore(message: Message): void {
    const { view, expiresAt, publisher } = message;
    const isLarge = view.payloadLength >= SHARED_PAYLOAD_BYTES;
    this.#put({
      view,
      expiresAt,
      publisher,
      message: isLarge ? { ...message, view: view.copy(), holders: 0 } : undefined,
    });
  }

  /** Makes `message` its topic's retained message [MQTT-3.3.1-5], or names the limit that forbids it. */
  set(message: Retainable): LimitName | undefined {
    const limit = this.limitFor(message);
    if (limit === undefined) this.#put(message);
    return limit;
  }

  /** The limit that forbids to make `message` its topic's retained message. */
  limitFor(message: Pick<Retainable, "view" | "publisher">): LimitName | undefined {
    const { bytes, topicAt, topicEnd } = message.view;
    const node = this.#tree.find(bytes, topicAt, topicEnd);
    const before = node === NONE ? 0 : this.#bytesOf(node);
    const more = RETAINED_OVERHEAD_BYTES + runBytes(message.view, message.publisher);
    if (this.#bytes - before + more > this.#limits.retainedBytesMax) return "retainedBytesMax";
    if (this.#ledger.isAbove && more > before) return "memoryBytesMax";
    if (node === NONE && this.size >= this.#limits.retainedMessagesMax) return "retainedMessagesMax";
    return undefined;
  }

  #put({ view, expiresAt, publisher, message }: Retainable): void {
    const tree = this.#tree;
    const node = tree.add(view.bytes, view.topicAt, view.topicEnd);
    const value = tree.value(node);
    if (value !== NONE) this.#count(node, false);
    if (view.payloadLength >= SHARED_PAYLOAD_BYTES) {
      if (value !== NONE && value !== LARGE) this.#frames.remove(value);
      this.#large.set(node, message!);
      tree.put(node, LARGE);
    } else {
      if (value === LARGE) this.#large.delete(node);
      tree.put(node, this.#write(node, value, view, publisher));
    }
    this.#count(node, true);
    this.#expireAt(node, expiresAt);
  }

  /** Counts a message that is there from now on (true), or no longer. */
  #count(node: number, isThere: boolean): void {
    const bytes = this.#bytesOf(node);
    this.#bytes += isThere ? bytes : -bytes;
    const large = this.large(node);
    const frame = large === undefined ? 0 : large.view.end - large.view.at; // it is among the payloads
    const own = bytes - frame;
    this.#ledger.retained += isThere ? own : -own;
    if (large !== undefined) this.#ledger.retains(large, isThere);
  }

  /** Writes a frame, where the one before stands if it can; returns its place. */
  #write(node: number, before: number, view: PublishView, publisher: string | undefined): number {
    const frames = this.#frames;
    const nameBytes = utf8Length(publisher);
    const length = PREFIX_BYTES + nameBytes + view.end - view.at;
    let place = before;
    if (before === NONE || before === LARGE) place = frames.add(node, length);
    else if (!frames.resize(before, length)) {
      frames.remove(before);
      place = frames.add(node, length);
    }
    const bytes = frames.bytes(place);
    const at = frames.start(place);
    bytes[at] = (view.level5 ? LEVEL_5 : 0) | (publisher === undefined ? 0 : PUBLISHER);
    bytes[at + 1] = nameBytes >> 8;
    bytes[at + 2] = nameBytes & 255;
    if (publisher !== undefined) putUtf8(bytes, at + PREFIX_BYTES, publisher);
    copyBytes(bytes, at + PREFIX_BYTES + nameBytes, view.bytes, view.at, view.end);
    return place;
  }

  #bytesOf(node: number): number {
    const place = this.#tree.value(node);
    if (place !== LARGE) return this.#frames.length(place) + RETAINED_OVERHEAD_BYTES;
    const { view, publisher } = this.#large.get(node)!;
    return runBytes(view, publisher) + RETAINED_OVERHEAD_BYTES;
  }

  #expireAt(node: number, expiresAt: number): void {
    const expiry = this.#expiries.get(node);
    if (expiresAt < Infinity) {
      const place = expiry ?? new Expiry(this, node);
      if (expiry === undefined) this.#expiries.set(node, place);
      this.#timers.schedule(place, expiresAt);
    } else if (expiry !== undefined) {
      this.#expiries.delete(node);
      this.#timers.cancel(expiry);
    }
  }

  /** Removes the retained message of `topic` [MQTT-3.3.1-6]; false if there is none. */
  remove(topic: string): boolean {
    const node = this.#tree.findText(topic);
    if (node === NONE) return false;
    this.#count(node, false);
    const place = this.#tree.value(node);
    this.#expireAt(node, Infinity);
    this.#tree.remove(node);
    if (place === LARGE) this.#large.delete(node);
    else this.#frames.remove(place);
    return true;
  }

  /** The node of the topic `bytes[at, end)`, `NONE` if it has no retained message. */
  find(bytes: Uint8Array, at: number, end: number): number {
    return this.#tree.find(bytes, at, end);
  }

  /** The same for a text. */
  findText(topic: string): number {
    return this.#tree.findText(topic);
  }

  /** A walk over the nodes of all topics that `filter` matches. */
  walk(filter: string): NameCursor {
    return new NameCursor(this.#tree, filter);
  }

  /** A walk over the levels right below one, all levels above it included; below none for undefined. */
  levels(above: string | undefined): LevelCursor {
    const node = above === undefined ? ROOT : this.#tree.findLevels(above);
    return new LevelCursor(this.#tree, node);
  }

  /** Whether there are messages of this topic or below it. */
  hasLevels(topic: string): boolean {
    return this.#tree.findLevels(topic) !== NONE;
  }

  /** The level at a node: its text, whether others are below it, and how many messages there are, it and those below it, up to `most`. */
  levelAt(node: number, most: number): { name: string; hasChildren: boolean; count: number } {
    const name = this.#tree.levelText(node);
    return { name, hasChildren: this.#tree.first(node) !== NONE, count: this.#tree.count(node, most) };
  }

  /** Whether there still is a message at a node that a walk stands on. */
  has(node: number): boolean {
    return this.#tree.value(node) !== NONE;
  }

  /** When the message at a node expires: ms since the epoch, Infinity for never. */
  expiresAt(node: number): number {
    return this.#expiries.get(node)?.heapTime ?? Infinity;
  }

  /** The message at a node, if it is a large one: that may be kept. */
  large(node: number): Message | undefined {
    return this.#tree.value(node) === LARGE ? this.#large.get(node) : undefined;
  }

  /** Aims `view` at the message at a node, good until anything here is changed; returns its publisher if `asks` is true. */
  aim(view: PublishView, node: number, asks: boolean): string | undefined {
    const place = this.#tree.value(node);
    if (place === LARGE) {
      const message = this.#large.get(node)!;
      Object.assign(view, message.view);
      return message.publisher;
    }
    const bytes = this.#frames.bytes(place);
    const from = this.#frames.start(place);
    const nameEnd = from + PREFIX_BYTES + (bytes[from + 1]! << 8 | bytes[from + 2]!);
    const flags = bytes[from]!;
    view.aimFrame(bytes, nameEnd, from + this.#frames.length(place), (flags & LEVEL_5) !== 0);
    if (!asks || (flags & PUBLISHER) === 0) return undefined;
    return decodeUtf8(bytes, from + PREFIX_BYTES, nameEnd);
  }

  /** The message at a node, to be kept. */
  read(node: number): Message {
    const large = this.large(node);
    if (large !== undefined) return large;
    const at = new PublishView();
    const publisher = this.aim(at, node, true);
    const view = at.copy();
    const topic = decodeUtf8(view.bytes, view.topicAt, view.topicEnd)!;
    return { topic, view, expiresAt: this.expiresAt(node), publisher };
  }

  /** How many messages are large. */
  get largeCount(): number {
    return this.#large.size;
  }

  /** Bytes of their frames. */
  get largeFrames(): number {
    let bytes = 0;
    for (const { view } of this.#large.values()) bytes += view.end - view.at;
    return bytes;
  }

  /** Compares the counters with the messages. */
  assertInvariants(): void {
    let bytes = 0;
    let count = 0;
    const all = this.walk("#");
    for (let node = all.advance(Infinity); node !== NONE; node = all.advance(Infinity)) {
      if (!this.has(node)) continue;
      bytes += this.#bytesOf(node);
      count++;
    }
    all.close();
    for (const node of this.#expiries.keys()) invariant(this.has(node), "what expires is there");
    invariant(count <= this.size && bytes <= this.#bytes, "retained messages");
    invariant(count < this.size || bytes === this.#bytes, "bytes of retained messages"); // `#` does not match `$`-topics
  }

  /** Whether the message at a node is this very frame. */
  isSame(node: number, frame: PublishView): boolean {
    const view = new PublishView();
    this.aim(view, node, false);
    const length = frame.end - frame.at;
    return view.end - view.at === length && sameBytes(view.bytes, view.at, frame.bytes, frame.at, length);
  }
}

/** Bytes of a run: a frame and its prefix. */
function runBytes(view: PublishView, publisher: string | undefined): number {
  return PREFIX_BYTES + utf8Length(publisher) + view.end - view.at;
}

function utf8Length(text: string | undefined): number {
  if (text === undefined) return 0;
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0x7f) return encodeUtf8(text)?.length ?? 0;
  }
  return text.length;
}
