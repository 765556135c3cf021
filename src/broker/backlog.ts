/**
 * §4.1, §4.5 Messages that wait in a session, in their order: some in memory, and in a recorded session some in the store alone.
 * Knows how many and how large they are; refuses to know why they wait and how the store brings them back.
 * @module
 */
import { invariant } from "../codec/error.ts";
import { MESSAGE_OVERHEAD_BYTES, messageBytes } from "../delivery/message.ts";
import { Queue } from "../delivery/queue.ts";
import { type Delivery, revived } from "./delivery.ts";
import { Expiries } from "./expiries.ts";
import { Ledger } from "./ledger.ts";
import type { DeliveryRecord, StoredWaiting } from "./store.ts";
import type { UserAccount } from "./users.ts";

const NONE_EXPIRES: NonNullable<StoredWaiting["expiring"]> = [];

/** The part of a recorded session's backlog that memory may hold. */
export interface BacklogLimits {
  readonly residentMessagesMax: number;
  readonly residentBytesMax: number;
}

/** Messages that have expired, as `Backlog.expire()` gives them up. */
export interface Expired {
  /** The messages in memory. */
  readonly resident: readonly Delivery[];
  /** How many in the store alone: all that expire at `until` or before. */
  readonly paged: number;
  readonly until: number;
}

/** Looks at messages in memory that each message which comes pays for: see `Backlog.expire()`. */
const LOOKS_EACH = 8;

/** The messages that wait in one session. Messages that are paged out stand in the store alone, behind all that memory holds. */
export class Backlog {
  readonly #ledger: Ledger;
  #account: UserAccount | undefined;
  #queue: Queue<Delivery> = new Queue();
  #residentBytes = 0;
  #paged = 0;
  #pagedBytes = 0;
  /** Lower bound for the `order` of the messages that are paged out. */
  #pagedFrom: number = Infinity;
  /** A page is on its way back. */
  #paging = false;
  /** §3.3.2.3.3 of the messages that are paged out; undefined if none expires. */
  #pagedExpiries: Expiries | undefined;
  /** Messages with an expiry up to this that are paged out count no more. */
  #expiredUntil = 0;
  /** No message in memory expires before this. */
  #residentExpiry = Infinity;
  /** So many messages in memory may be looked at. */
  #looks = 0;

  constructor(ledger: Ledger = new Ledger(), account?: UserAccount) {
    this.#ledger = ledger;
    this.#account = account;
  }

  /** What waits counts for another user from now on, or for none. */
  charge(account: UserAccount | undefined): void {
    if (this.#account !== undefined) this.#account.queuedBytes -= this.bytes;
    if (account !== undefined) account.queuedBytes += this.bytes;
    this.#account = account;
  }

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

  /** No message expires before this: ms since the epoch; Infinity if none does. */
  get firstExpiry(): number {
    return Math.min(this.#residentExpiry, this.#pagedExpiries?.first ?? Infinity);
  }

  /** Appends a message that memory holds. */
  push(delivery: Delivery): void {
    const { message } = delivery;
    this.#queue.push(delivery);
    this.#ledger.queuedMessages++;
    this.#ledger.hold(message);
    this.#looks += LOOKS_EACH;
    this.#resident(messageBytes(message));
    if (message.expiresAt < this.#residentExpiry) this.#residentExpiry = message.expiresAt;
  }

  /** Whether one more may be held in memory: nothing behind it is paged out, and there is room. */
  canHold({ residentMessagesMax, residentBytesMax }: BacklogLimits): boolean {
    return this.#paged === 0 && this.#queue.length < residentMessagesMax &&
      this.#residentBytes < residentBytesMax;
  }

  /** Takes the first message; undefined if none waits, or if it is in the store alone. */
  shift(): Delivery | undefined {
    if (!this.isHere) return undefined;
    const delivery = this.#queue.shift()!;
    this.#ledger.queuedMessages--;
    this.#ledger.release(delivery.message);
    this.#resident(-messageBytes(delivery.message));
    return delivery;
  }

  /** Takes out of memory, in order, the messages that `test` accepts, the first `most` of them. */
  extract(test: (delivery: Delivery) => boolean, most?: number): Delivery[] {
    const out = this.#queue.extract(test, most);
    this.#ledger.queuedMessages -= out.length;
    for (const { message } of out) {
      this.#ledger.release(message);
      this.#resident(-messageBytes(message));
    }
    return out;
  }

  /** So many bytes more wait in memory. */
  #resident(bytes: number): void {
    this.#residentBytes += bytes;
    if (this.#account !== undefined) this.#account.queuedBytes += bytes;
  }

  /** So many messages more wait in the store alone. */
  #countPaged(messages: number): void {
    this.#paged += messages;
    this.#ledger.queuedMessages += messages;
  }

  /** So many bytes more wait in the store alone. */
  #pagedOut(bytes: number): void {
    this.#pagedBytes += bytes;
    if (this.#account !== undefined) this.#account.queuedBytes += bytes;
  }

  /** Calls `visit` for each message in memory. */
  each(visit: (delivery: Delivery) => void): void {
    this.#queue.each(visit);
  }

  /** The first messages in memory whose `order` is above this, at most so many. */
  behind(order: number, most: number): Delivery[] {
    let [from, end] = [0, this.#queue.length];
    while (from < end) {
      const middle = (from + end) >>> 1;
      if (this.#queue.at(middle)!.order > order) end = middle;
      else from = middle + 1;
    }
    const found: Delivery[] = [];
    for (; from < this.#queue.length && found.length < most; from++) found.push(this.#queue.at(from)!);
    return found;
  }

  /** Messages are in the store alone, behind all others that wait. */
  pageOut({ count, bytes, from, expiring = NONE_EXPIRES }: StoredWaiting): void {
    if (count === 0) return;
    for (const some of expiring) {
      (this.#pagedExpiries ??= new Expiries()).add(some.at, some.count, some.bytes);
    }
    this.#countPaged(count);
    this.#pagedOut(bytes + count * MESSAGE_OVERHEAD_BYTES);
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
    return isLow || !this.isHere ? this.#pagedFrom : undefined;
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
      const { expiresAt, view } = record.message;
      if (expiresAt <= this.#expiredUntil) continue; // it has been given up already
      if (expiresAt !== Infinity) this.#pagedExpiries?.remove(expiresAt, view.end - view.at);
      while (at < resident.length && resident[at]!.order < record.order) this.push(resident[at++]!);
      this.#countPaged(-1);
      this.#pagedOut(-messageBytes(record.message));
      this.push(revived(record));
    }
    while (at < resident.length) this.push(resident[at++]!);
    this.#pagedFrom = found.at(-1)!.order + 1;
    if (this.#paged === 0) this.forgetPaged();
    return true;
  }

  /** Nothing is in the store alone any more. */
  forgetPaged(): void {
    this.#countPaged(-this.#paged);
    this.#pagedOut(-this.#pagedBytes);
    this.#pagedFrom = Infinity;
    this.#pagedExpiries = undefined;
  }

  /**
   * §3.3.2.3.3 Gives up what has expired before `now`: it keeps no place for others. If `isUrgent` is false this may wait:
   * messages in memory are looked at one by one, and each message that comes, or cannot come, pays for a few looks,
   * so that a full backlog in which one message expires now and then does not cost a walk through it each time.
   */
  expire(now: number, isUrgent: boolean): Expired | undefined {
    this.#looks += LOOKS_EACH;
    if (this.firstExpiry >= now || (!isUrgent && this.#looks < this.#queue.length)) return undefined;
    const resident = this.#residentExpiry < now ? this.#expireResident(now) : [];
    const { count, bytes, until } = this.#pagedExpiries?.take(now) ?? NOTHING;
    if (count > 0) {
      this.#expiredUntil = until;
      this.#countPaged(-count);
      this.#pagedOut(-bytes - count * MESSAGE_OVERHEAD_BYTES);
      if (this.#paged <= 0) this.forgetPaged();
    }
    return count + resident.length === 0 ? undefined : { resident, paged: count, until };
  }

  /** What the `attempt`th call of `expire()` from now on would give up if none before it did, and if it may wait: how many, and their bytes. */
  foretellExpiry(now: number, attempt: number): { readonly count: number; readonly bytes: number } {
    if (this.firstExpiry >= now || this.#looks + LOOKS_EACH * attempt < this.#queue.length) return NOTHING;
    const paged = this.#pagedExpiries?.due(now) ?? NOTHING;
    let { count } = paged;
    let bytes = paged.bytes + paged.count * MESSAGE_OVERHEAD_BYTES;
    if (this.#residentExpiry < now) {
      this.#queue.each(({ message }) => {
        if (message.expiresAt >= now) return;
        count++;
        bytes += messageBytes(message);
      });
    }
    return { count, bytes };
  }

  #expireResident(now: number): Delivery[] {
    this.#looks = Math.max(0, this.#looks - this.#queue.length);
    this.#residentExpiry = Infinity;
    return this.extract(({ message: { expiresAt } }) => {
      if (expiresAt < now) return true;
      if (expiresAt < this.#residentExpiry) this.#residentExpiry = expiresAt;
      return false;
    });
  }

  /** Whether memory holds the next message. */
  get isHere(): boolean {
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

const NOTHING = { count: 0, bytes: 0, until: 0 } as const;

function sizeOf(deliveries: readonly Delivery[]): StoredWaiting {
  let bytes = 0;
  let expiring: { at: number; count: number; bytes: number }[] | undefined;
  for (const { message: { view, expiresAt: at } } of deliveries) {
    const own = view.end - view.at;
    bytes += own;
    if (at !== Infinity) (expiring ??= []).push({ at, count: 1, bytes: own });
  }
  return {
    count: deliveries.length,
    bytes,
    from: deliveries[0]?.order ?? Infinity,
    expiring: expiring ?? NONE_EXPIRES,
  };
}
