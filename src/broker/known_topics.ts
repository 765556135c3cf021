/**
 * §4.7 Topic Names seen lately, by their bytes, each with its subscribers: no decoding and no tree walk for those.
 * Knows names and what matched them; refuses to know how a message is delivered.
 * @module
 */
import { copyBytes, sameBytes } from "../codec/copy.ts";
import { malformed, protocolError } from "../codec/error.ts";
import { decodeUtf8, encodeUtf8 } from "../codec/utf8.ts";
import { hasWildcard, levelCount } from "../topic/name.ts";
import type { FilterTree } from "../topic/tree.ts";
import type { Session, Subscription } from "./session.ts";
import type { SharedGroup } from "./shared.ts";

/** What the tree holds: ordinary subscriptions, and one group for all members of a Shared Subscription. */
export type Subscriber = Subscription | SharedGroup;

/** Who gets a message: sessions with one matching subscription, those with several, and groups. */
export interface Match {
  readonly plain: readonly Subscription[];
  readonly overlapping: readonly (readonly Subscription[])[];
  readonly groups: readonly SharedGroup[];
  /** No session and no group. */
  readonly empty: boolean;
}

/** One Topic Name. */
export interface KnownTopic {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly levels: number;
  /** Whether it begins with `$` (§4.7.2). */
  readonly dollar: boolean;
  match: Match | undefined;
  /** The generation in which `match` was found. */
  generation: number;
}

/** A longer name is read anew each time: names have up to 64 KiB, and somebody may send as many as there are places. */
const NAME_BYTES_MAX = 256;
/** Subscribers that all matches together may hold, for each place: a thousand may have subscribed to everything. */
const SUBSCRIBERS_PER_PLACE = 16;

/** A bounded cache, two places for each hash; what does not fit is found by the tree again. */
export class KnownTopics {
  #slots: (KnownTopic | undefined)[];
  #mask: number;
  #tree: FilterTree<Subscriber>;
  /** Goes up with each change that can touch any topic. */
  #generation = 0;
  /** Subscribers in the matches that were made since all were forgotten. */
  #remembered = 0;

  constructor(tree: FilterTree<Subscriber>, most: number) {
    this.#tree = tree;
    const slots = 1 << (31 - Math.clz32(most));
    this.#mask = slots - 1;
    this.#slots = new Array<KnownTopic | undefined>(slots).fill(undefined);
  }

  /**
   * The topic whose name is `bytes[at, end)`.
   * @throws {PeerError} if that is no Topic Name.
   */
  find(bytes: Uint8Array, at: number, end: number): KnownTopic {
    const slot = hash(bytes, at, end) & this.#mask;
    const length = end - at;
    const first = this.#slots[slot];
    if (
      first !== undefined && first.bytes.length === length && sameBytes(first.bytes, 0, bytes, at, length)
    ) {
      return first;
    }
    const second = this.#slots[slot ^ 1];
    if (
      second !== undefined && second.bytes.length === length && sameBytes(second.bytes, 0, bytes, at, length)
    ) {
      return second;
    }
    const topic = readTopic(bytes, at, end);
    if (length > NAME_BYTES_MAX) return topic;
    if (first !== undefined) this.#slots[slot ^ 1] = first;
    this.#slots[slot] = topic;
    return topic;
  }

  /** Who gets a message on `topic` now. */
  match(topic: KnownTopic): Match {
    if (topic.match !== undefined && topic.generation === this.#generation) return topic.match;
    const found: Subscriber[] = [];
    this.#tree.match(topic.name, found);
    this.#remembered += found.length;
    if (this.#remembered > this.#slots.length * SUBSCRIBERS_PER_PLACE) this.#forget();
    topic.match = sort(found);
    topic.generation = this.#generation;
    return topic.match;
  }

  /** Forgets every match; who made so many has spent far more time on them. */
  #forget(): void {
    for (const topic of this.#slots) if (topic !== undefined) topic.match = undefined;
    this.#remembered = 0;
  }

  /** A subscription to this filter has come or gone. */
  changed(filter: string, wildcard: boolean): void {
    if (wildcard) {
      this.#generation++;
      return;
    }
    const bytes = encodeUtf8(filter)!;
    const slot = hash(bytes, 0, bytes.length) & this.#mask;
    for (const topic of [this.#slots[slot], this.#slots[slot ^ 1]]) {
      if (topic?.name === filter) topic.match = undefined;
    }
  }
}

/** FNV-1a. */
function hash(bytes: Uint8Array, at: number, end: number): number {
  let hash = 0x811c_9dc5;
  for (let i = at; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x0100_0193);
  return hash ^ (hash >>> 15);
}

function readTopic(bytes: Uint8Array, at: number, end: number): KnownTopic {
  if (at === end) throw protocolError("MQTT-4.7.3-1", "Empty Topic Name", 0x90);
  const name = decodeUtf8(bytes, at, end);
  if (name === undefined) throw malformed("MQTT-1.5.4-1", "Topic Name is not UTF-8");
  if (name.includes("\0")) throw malformed("MQTT-1.5.4-2", "Topic Name with U+0000");
  if (hasWildcard(name)) throw protocolError("MQTT-3.3.2-2", "Wildcard in the Topic Name", 0x90); // [MQTT-4.7.0-1]
  const own = new Uint8Array(end - at);
  copyBytes(own, 0, bytes, at, end);
  return {
    name,
    bytes: own,
    levels: levelCount(name),
    dollar: own[0] === 0x24,
    match: undefined,
    generation: 0,
  };
}

function sort(found: readonly Subscriber[]): Match {
  const groups: SharedGroup[] = [];
  const bySession = new Map<Session, Subscription[]>();
  for (const subscriber of found) {
    if ("members" in subscriber) groups.push(subscriber);
    else {
      const others = bySession.get(subscriber.session);
      if (others === undefined) bySession.set(subscriber.session, [subscriber]);
      else others.push(subscriber);
    }
  }
  const plain: Subscription[] = [];
  const overlapping: Subscription[][] = [];
  for (const subscriptions of bySession.values()) {
    if (subscriptions.length === 1) plain.push(subscriptions[0]!);
    else overlapping.push(subscriptions);
  }
  return { plain, overlapping, groups, empty: found.length === 0 };
}
