/**
 * §3.3.1.3 Retained messages at every node: what the others are told of a change, and what a node that comes is told of all.
 * Knows who was told how much; refuses to know which of two changes is the later one (retained_copies.ts).
 * @module
 */
import { COST } from "../broker/budget.ts";
import type { Given } from "../broker/nodes.ts";
import type { Parts } from "../broker/parts.ts";
import type { Message } from "../delivery/message.ts";
import { MORE, type NameCursor } from "../topic/name_cursor.ts";
import { NONE } from "../topic/name_tree.ts";
import { homeOf } from "./home.ts";
import type { Other } from "./other.ts";
import { readChanges, type RetainedChange, RetainedCopies, writeChange } from "./retained_copies.ts";
import { type Telling, Told } from "./telling.ts";

/** Messages that may be on their way to a node while it is told of what is retained; each has many changes. */
const COPIES_UNDER_WAY_MAX = 16;
/** Steps of a walk through the retained messages for one such message, and its bytes. */
const COPY_STEPS = 1_024;
const COPY_BYTES = 64 * 1024;

/** Retained messages on their way to a node that has come. */
interface Copying {
  readonly other: Other;
  /** For each message that may be on its way, the count of acknowledgements at which it is not. */
  readonly underWay: number[];
  readonly cursor: NameCursor;
}

/** The retained messages of one node among several. */
export class RetainedTold {
  readonly #parts: Parts;
  readonly #telling: Telling;
  readonly #others: readonly Other[];
  readonly #place: number;
  readonly #copies: RetainedCopies;
  #copying: Copying[] = [];

  /** `place` is that of this node. */
  constructor(parts: Parts, telling: Telling, others: readonly Other[], place: number) {
    this.#parts = parts;
    this.#telling = telling;
    this.#others = others;
    this.#place = place;
    this.#copies = new RetainedCopies(place, others.length + 1, parts.turn.ledger, (topic) => {
      if (this.keeps(topic)) parts.journal.stamped(topic, 0);
    });
  }

  /** The memory that their stamps take: bytes. */
  get bytes(): number {
    return this.#copies.bytes;
  }

  /** Whether the retained message of this topic goes to the store of this node. */
  keeps(topic: string): boolean {
    return this.#homeOf(topic) === this.#place;
  }

  #homeOf(topic: string): number {
    return homeOf(topic, this.#others.length + 1);
  }

  /** It has changed here; `message` is the same, kept for a store. */
  changed(topic: string, given: Given | undefined, message: Message | undefined): void {
    const stamp = this.#copies.next(this.#parts.turn.now);
    this.#copies.set(topic, stamp, given !== undefined);
    if (this.keeps(topic)) {
      this.#parts.journal.retained(topic, message);
      this.#parts.journal.stamped(topic, stamp);
    }
    this.#telling.tellAll(Told.RETAINED, writeChange({ stamp, topic, message: given }));
  }

  /** The store has kept these stamps, so that what is older is known as that. */
  restore(stamps: Iterable<readonly [topic: string, stamp: number]>): void {
    const { retained } = this.#parts.router;
    for (const [topic, stamp] of stamps) this.#copies.set(topic, stamp, retained.findText(topic) !== NONE);
  }

  /** §3.3.2.3.3 It has expired. */
  expired(topic: string): void {
    this.#copies.forget(topic);
  }

  /** A node tells of changes. */
  heard(from: Other, payload: Uint8Array): void {
    for (const change of readChanges(payload)) this.#changedElsewhere(from, change);
  }

  #changedElsewhere(from: Other, change: RetainedChange): void {
    const { stamp, topic, message } = change;
    const { router, turn } = this.#parts;
    turn.budget.spend(COST.alone);
    const known = this.#copies.stampOf(topic) ?? (router.retained.findText(topic) === NONE ? -1 : 0);
    const isOfStore = stamp === 0 && known === 0 && this.#homeOf(topic) === from.place; // which may have changed before its node ended
    if (stamp <= known && !isOfStore) return;
    const isThere = message !== undefined && message.expiresAt > turn.now;
    this.#copies.set(topic, stamp, isThere);
    const kept = isThere
      ? { ...message, topic, view: message.view.copy(), holders: 0, counted: 0 }
      : undefined;
    const isKept = this.keeps(topic);
    router.retainForNode(topic, kept, isKept);
    if (isKept) this.#parts.journal.stamped(topic, stamp);
    if (!this.#copies.isOwn(stamp)) return;
    for (const other of this.#others) { // it came in here before this node started anew, perhaps not in time for all
      if (other !== from) this.#telling.tell(other, Told.RETAINED, writeChange(change));
    }
  }

  /** A node has come: it is told of all, in portions. */
  begin(other: Other): void {
    this.#copying.push({ other, underWay: [], cursor: this.#parts.router.retained.walk("#") });
  }

  /** It has left. */
  end(other: Other): void {
    this.#copying.find((one) => one.other === other)?.cursor.close();
    this.#copying = this.#copying.filter((one) => one.other !== other);
  }

  /** Whether a node is being told of all. */
  get isCopying(): boolean {
    return this.#copying.length > 0;
  }

  /** Whether `goOn()` would do something. */
  get isBehind(): boolean {
    return this.#copying.some(hasRoom);
  }

  /** Goes on with telling nodes that have come, as far as they keep up: their acknowledgements have it go on. */
  goOn(): void {
    this.#copying = this.#copying.filter((copying) => !hasRoom(copying) || this.#copySome(copying));
  }

  /** One message with as many as it may have; false if these are the last ones. */
  #copySome({ other, cursor, underWay }: Copying): boolean {
    const { retained } = this.#parts.router;
    const changes: Uint8Array[] = [];
    let bytes = 0;
    let isOver = false;
    for (let steps = COPY_STEPS; steps > 0 && bytes < COPY_BYTES; steps -= cursor.steps) {
      const node = cursor.advance(steps);
      isOver = node === NONE;
      if (isOver || node === MORE) break;
      if (!retained.has(node)) continue;
      const message = retained.read(node);
      const { topic } = message;
      const stamp = this.#copies.stampOf(topic) ?? 0;
      const home = this.#homeOf(topic);
      if (stamp === 0 && home !== this.#place && home !== other.place) continue;
      const change = writeChange({ stamp, topic, message });
      changes.push(change);
      bytes += change.length;
    }
    this.#parts.turn.budget.spend(COPY_STEPS);
    if (isOver) {
      for (const topic of this.#copies.removed) {
        changes.push(writeChange({ stamp: this.#copies.stampOf(topic)!, topic, message: undefined }));
      }
    }
    if (changes.length > 0) {
      this.#telling.tell(other, Told.RETAINED, joined(changes));
      underWay.push(other.target);
    }
    if (isOver) this.#telling.tell(other, Told.IN_STEP);
    return !isOver;
  }
}

function joined(all: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(all.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const one of all) {
    out.set(one, at);
    at += one.length;
  }
  return out;
}

/** Whether one more message with retained messages may go. */
function hasRoom({ other, underWay }: Copying): boolean {
  while (underWay.length > 0 && underWay[0]! <= other.acknowledged) underWay.shift();
  return underWay.length < COPIES_UNDER_WAY_MAX;
}
