/**
 * §4.1, §4.5 Messages that wait in a session, in their order: some in memory, and in a recorded session some in the store alone.
 * Knows how many and how large they are; refuses to know why they wait and how the store brings them back.
 * @module
 */
import { invariant } from "../codec/error.ts";
import { MESSAGE_OVERHEAD_BYTES, messageBytes } from "../delivery/message.ts";
import { Queue } from "../delivery/queue.ts";
import { type Delivery, revived } from "./delivery.ts";
import type { DeliveryRecord, StoredSession } from "./store.ts";

/** The part of a recorded session's backlog that memory may hold. */
export interface BacklogLimits {
  readonly residentMessagesMax: number;
  readonly residentBytesMax: number;
}

/** The messages that wait in one session. Messages that are paged out stand in the store alone, behind all that memory holds. */
export class Backlog {
  #queue: Queue<Delivery> = new Queue();
  #residentBytes = 0;
  #paged = 0;
  #pagedBytes = 0;
  /** Lower bound for the `order` of the messages that are paged out. */
  #pagedFrom: number = Infinity;
  /** A page is on its way back. */
  #paging = false;

  /** Messages that wait. */
  get length(): number {
    return this.#paged + this.#queue.length;
  }

  /** The bytes that all of them count for in `queuedBytesMax`. */
  get bytes(): number {
    return this.#residentBytes + this.#pagedBytes;
  }

  /** The bytes that the messages in memory count for. */
  get residentBytes(): number {
    return this.#residentBytes;
  }

  /** How many of them are in the store alone. */
  get paged(): number {
    return this.#paged;
  }

  /** Lower bound for the `order` of the messages in the store alone; Infinity if there are none. */
  get pagedFrom(): number {
    return this.#pagedFrom;
  }

  /** Appends a message that memory holds. */
  push(delivery: Delivery): void {
    this.#queue.push(delivery);
    this.#residentBytes += messageBytes(delivery.message);
  }

  /** Whether one more may be held in memory: nothing behind it is paged out, and there is room. */
  canHold({ residentMessagesMax, residentBytesMax }: BacklogLimits): boolean {
    return this.#paged === 0 && this.#queue.length < residentMessagesMax &&
      this.#residentBytes < residentBytesMax;
  }

  /** Takes the first message; undefined if none waits, or if it is in the store alone. */
  shift(): Delivery | undefined {
    if (!this.#isHere()) return undefined;
    const delivery = this.#queue.shift()!;
    this.#residentBytes -= messageBytes(delivery.message);
    return delivery;
  }

  /** Takes out of memory, in order, the messages that `test` accepts, the first `most` of them. */
  extract(test: (delivery: Delivery) => boolean, most?: number): Delivery[] {
    const out = this.#queue.extract(test, most);
    for (const { message } of out) this.#residentBytes -= messageBytes(message);
    return out;
  }

  /** Messages are in the store alone, behind all others that wait. */
  pageOut({ count, bytes, from }: StoredSession["waiting"]): void {
    if (count === 0) return;
    this.#paged += count;
    this.#pagedBytes += bytes + count * MESSAGE_OVERHEAD_BYTES;
    this.#pagedFrom = Math.min(this.#pagedFrom, from);
  }

  /** Leaves all messages to the store except messages of a Shared Subscription, which go to another member as soon as there is one. */
  pageOutAll(): void {
    this.pageOut(sizeOf(this.extract(({ share }) => share === undefined)));
  }

  /** Leaves one message to the store. */
  pageOutOne(delivery: Delivery): void {
    this.pageOut(sizeOf([delivery]));
  }

  /** Where the next page begins, if it is to be asked for now: memory holds at most half of its limits. */
  nextPage({ residentMessagesMax, residentBytesMax }: BacklogLimits): number | undefined {
    if (this.#paged === 0 || this.#paging) return undefined;
    const isLow = this.#queue.length <= residentMessagesMax >> 1 &&
      this.#residentBytes <= residentBytesMax / 2;
    return isLow || !this.#isHere() ? this.#pagedFrom : undefined;
  }

  /** A page is asked for. */
  pageAsked(): void {
    this.#paging = true;
  }

  /** The page that was asked for is there, or is not needed any more. */
  pageCame(): void {
    this.#paging = false;
  }

  /** Puts a page that begins at `from` among the messages in memory; false if another page was put there meanwhile. */
  pageIn(from: number, found: readonly DeliveryRecord[]): boolean {
    if (this.#pagedFrom !== from || found.length === 0) return false;
    const resident = this.extract(() => true);
    let at = 0;
    for (const record of found) {
      while (at < resident.length && resident[at]!.order < record.order) this.push(resident[at++]!);
      this.#paged--;
      this.#pagedBytes -= messageBytes(record.message);
      this.push(revived(record));
    }
    while (at < resident.length) this.push(resident[at++]!);
    this.#pagedFrom = found.at(-1)!.order + 1;
    if (this.#paged === 0) this.forgetPaged();
    return true;
  }

  /** Nothing is in the store alone any more. */
  forgetPaged(): void {
    this.#paged = this.#pagedBytes = 0;
    this.#pagedFrom = Infinity;
  }

  /** Whether memory holds the next message. */
  #isHere(): boolean {
    const first = this.#queue.peek();
    return first !== undefined && first.order <= this.#pagedFrom;
  }

  /** Compares the counters with the messages. */
  assertInvariants(): void {
    let bytes = 0;
    let before = 0;
    this.#queue.each(({ order, message }) => {
      bytes += messageBytes(message);
      invariant(order > before, "messages wait in their order");
      before = order;
    });
    invariant(bytes === this.#residentBytes, "bytes of the messages that memory holds");
    invariant((this.#paged === 0) === (this.#pagedFrom === Infinity), "the beginning of what is paged out");
    invariant(this.#paged >= 0 && this.#pagedBytes >= 0, "what is paged out");
  }
}

function sizeOf(deliveries: readonly Delivery[]): StoredSession["waiting"] {
  let bytes = 0;
  for (const { message: { view } } of deliveries) bytes += view.end - view.at;
  return { count: deliveries.length, bytes, from: deliveries[0]?.order ?? Infinity };
}
