/**
 * §4.7 Topic Names seen lately, by their bytes, each with its subscribers: a PUBLISH to one of them needs no decoding and no tree walk.
 * Knows names and their matches; refuses to know how a message is delivered.
 * @module
 */
import { copyBytes, sameBytes } from "../codec/copy.ts";
import { malformed, protocolError } from "../codec/error.ts";
import { decodeUtf8, putUtf8 } from "../codec/utf8.ts";
import { hasWildcard, levelCount } from "../topic/name.ts";
import { Changes } from "../topic/changes.ts";
import { mixed } from "../topic/edges.ts";
import type { FilterTree } from "../topic/tree.ts";
import { Budget } from "./budget.ts";
import { Ledger, OBJECT_BYTES } from "./ledger.ts";
import { type Match, matchOf, type Subscriber } from "./match.ts";

/** One Topic Name. */
export interface KnownTopic {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly levels: number;
  /** Whether it begins with `$` (§4.7.2). */
  readonly dollar: boolean;
  match: Match | undefined;
  /** `Changes.touching()` when `match` was found. */
  touching: number;
  /** `Changes.count` when `match` was last known to be right. */
  checked: number;
  /** CLOCK reference bit: the topic was found again since another one tried to take its place. */
  used: boolean;
}

/** A longer name is read anew each time: names have up to 64 KiB, and a Client may send as many as there are places. */
const NAME_BYTES_MAX = 256;
/** Subscribers that all matches together may hold, for each place: a thousand may have subscribed to everything. */
const SUBSCRIBERS_PER_PLACE = 16;
/** Steps for a node that is looked at, for a subscriber that is found, for a name that is read (and one more for eight bytes). */
const NODE_STEPS = 6;
const FOUND_STEPS = 2;
const NEW_NAME_STEPS = 10;
/** Empty places that are passed over in one go. */
const PLACES_AT_ONCE = 256;
/** Places in a row. */
const ROW = 4;

/**
 * A bounded cache. A name has its place in one of two rows, so that nearly as many are remembered as there are places. Where
 * both are full, a new topic gets the place of one that was not used since the last new topic tried that place, or none: a topic
 * that comes once does not drive out topics that are used again and again.
 */
export class KnownTopics {
  /** 0 where there is nothing. */
  #hashes: Int32Array;
  #topics: (KnownTopic | undefined)[];
  #rows: number;
  #tree: FilterTree<Subscriber>;
  #changes: Changes;
  readonly #budget: Budget;
  readonly #ledger: Ledger;
  /** For a filter's bytes: three for each UTF-16 unit, as `putUtf8` requires. */
  #scratch: Uint8Array = new Uint8Array(3 * NAME_BYTES_MAX);
  /** Of the eight places of a newcomer, the one to look at next. */
  #hand = 0;
  /** Subscribers in the matches that were made since all were forgotten. */
  #remembered = 0;

  constructor(
    tree: FilterTree<Subscriber>,
    most: number,
    budget: Budget = new Budget(),
    ledger: Ledger = new Ledger(),
  ) {
    this.#tree = tree;
    this.#budget = budget;
    this.#ledger = ledger;
    const places = 1 << (31 - Math.clz32(most));
    this.#rows = places / ROW;
    this.#hashes = new Int32Array(places);
    this.#topics = new Array<KnownTopic | undefined>(places).fill(undefined);
    this.#changes = new Changes(places);
  }

  /**
   * The topic whose name is `bytes[at, end)`.
   * @throws {PeerError} if that is no Topic Name.
   */
  find(bytes: Uint8Array, at: number, end: number): KnownTopic {
    const hash = hashOf(bytes, at, end);
    const known = this.#known(hash, bytes, at, end);
    if (known !== undefined) {
      known.used = true;
      return known;
    }
    this.#budget.spend(NEW_NAME_STEPS + (end - at >> 3));
    const topic = readTopic(bytes, at, end);
    if (end - at <= NAME_BYTES_MAX) this.#keep(hash, topic);
    return topic;
  }

  /** The subscribers that get a message on `topic` now. */
  match(topic: KnownTopic): Match {
    const { match } = topic;
    const { count } = this.#changes;
    if (match !== undefined && topic.checked === count) return match;
    const touching = this.#changes.touching(topic.name);
    topic.checked = count;
    if (match !== undefined && topic.touching === touching) return match;
    const found: Subscriber[] = [];
    const nodes = this.#tree.match(topic.name, found);
    this.#budget.spend(nodes * NODE_STEPS + found.length * FOUND_STEPS);
    this.#remembered += found.length;
    if (this.#remembered > this.#topics.length * SUBSCRIBERS_PER_PLACE) this.#forget();
    topic.match = matchOf(found);
    topic.touching = touching;
    return topic.match;
  }

  /** A subscription to this filter has come or gone. */
  changed(filter: string, wildcard: boolean): void {
    if (wildcard) {
      this.#changes.add(filter);
      return;
    }
    if (filter.length > NAME_BYTES_MAX) return;
    const bytes = this.#scratch;
    const end = putUtf8(bytes, 0, filter);
    const topic = this.#known(hashOf(bytes, 0, end), bytes, 0, end);
    if (topic !== undefined) topic.match = undefined;
  }

  #known(hash: number, bytes: Uint8Array, at: number, end: number): KnownTopic | undefined {
    const hashes = this.#hashes;
    const first = firstPlace(hash, this.#rows);
    for (let i = first; i < first + ROW; i++) {
      if (hashes[i] === hash && isNamed(this.#topics[i]!, bytes, at, end)) return this.#topics[i];
    }
    const second = secondPlace(hash, this.#rows);
    for (let i = second; i < second + ROW; i++) {
      if (hashes[i] === hash && isNamed(this.#topics[i]!, bytes, at, end)) return this.#topics[i];
    }
    return undefined;
  }

  /** Remembers it in the emptier of its rows, or in the place of another one, or not at all. */
  #keep(hash: number, topic: KnownTopic): void {
    const first = firstPlace(hash, this.#rows);
    const second = secondPlace(hash, this.#rows);
    const inFirst = this.#count(first);
    const inSecond = this.#count(second);
    let place = inFirst <= inSecond ? first + inFirst : second + inSecond;
    if (inFirst === ROW && inSecond === ROW) {
      this.#hand = (this.#hand + 1) % (2 * ROW);
      place = this.#hand < ROW ? first + this.#hand : second + this.#hand - ROW;
      const other = this.#topics[place]!;
      if (other.used) {
        other.used = false;
        return;
      }
    }
    const before = this.#topics[place];
    this.#ledger.topics += topicBytes(topic) - (before === undefined ? 0 : topicBytes(before));
    this.#hashes[place] = hash;
    this.#topics[place] = topic;
  }

  /** Forgets every topic. */
  clear(): void {
    this.#hashes.fill(0);
    this.#topics.fill(undefined);
    this.#ledger.topics = 0;
    this.#remembered = 0;
  }

  /** Their names, and undefined now and then where there is none; they may come and go meanwhile, and one that stays comes once. */
  *names(): Generator<string | undefined, void> {
    for (let i = 0; i < this.#topics.length; i++) {
      const topic = this.#topics[i];
      if (topic !== undefined || i % PLACES_AT_ONCE === 0) yield topic?.name;
    }
  }

  /** The memory that the topics take, counted anew: bytes. */
  get bytes(): number {
    const hashes = this.#hashes; // looked at alone: there are thousands of places, nearly all empty
    let sum = 0;
    for (let first = 0; first < hashes.length; first += ROW) {
      for (let i = first; i < first + ROW && hashes[i] !== 0; i++) sum += topicBytes(this.#topics[i]!);
    }
    return sum;
  }

  /** Topics in the row that begins at `first`; they are never taken out, so they stand together. */
  #count(first: number): number {
    let count = 0;
    while (count < ROW && this.#hashes[first + count] !== 0) count++;
    return count;
  }

  /** Forgets every match; making so many has taken far more time. */
  #forget(): void {
    for (const topic of this.#topics) if (topic !== undefined) topic.match = undefined;
    this.#remembered = 0;
  }
}

/** The memory that a topic takes, with its bytes and its text. */
function topicBytes({ bytes }: KnownTopic): number {
  return OBJECT_BYTES.topic + 2 * bytes.length;
}

function firstPlace(hash: number, rows: number): number {
  return (hash & (rows - 1)) * ROW;
}

function secondPlace(hash: number, rows: number): number {
  return ((Math.imul(hash, 0x9e37_79b1) >>> 10) & (rows - 1)) * ROW;
}

function isNamed({ bytes: own }: KnownTopic, bytes: Uint8Array, at: number, end: number): boolean {
  return own.length === end - at && sameBytes(own, 0, bytes, at, own.length);
}

/** Never 0. Four bytes at a time: most of the time to find a topic goes into this. */
function hashOf(bytes: Uint8Array, at: number, end: number): number {
  let hash = end - at;
  let i = at;
  for (const fours = end - 3; i < fours; i += 4) {
    const four = bytes[i]! | bytes[i + 1]! << 8 | bytes[i + 2]! << 16 | bytes[i + 3]! << 24;
    hash = Math.imul(hash ^ four, 0x21f0_aaad);
    hash ^= hash >>> 15;
  }
  for (; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x0100_0193);
  return mixed(hash) || 1;
}

/**
 * §4.7 The Topic Name `bytes[at, end)`.
 * @throws {PeerError} if that is none.
 */
export function readTopicName(bytes: Uint8Array, at: number, end: number): string {
  if (at === end) throw protocolError("MQTT-4.7.3-1", "Empty Topic Name", 0x90);
  const name = decodeUtf8(bytes, at, end);
  if (name === undefined) throw malformed("MQTT-1.5.4-1", "Topic Name is not UTF-8");
  if (name.includes("\0")) throw malformed("MQTT-1.5.4-2", "Topic Name with U+0000");
  if (hasWildcard(name)) throw protocolError("MQTT-3.3.2-2", "Wildcard in the Topic Name", 0x90); // [MQTT-4.7.0-1]
  return name;
}

function readTopic(bytes: Uint8Array, at: number, end: number): KnownTopic {
  const name = readTopicName(bytes, at, end);
  const own = new Uint8Array(end - at);
  copyBytes(own, 0, bytes, at, end);
  return {
    name,
    bytes: own,
    levels: levelCount(name),
    dollar: own[0] === 0x24,
    match: undefined,
    touching: 0,
    checked: 0,
    used: false,
  };
}
