/**
 * A store in the hands of a test: that says when a commit is done or fails and when a page comes, and finds what a crash leaves.
 * Knows `MemoryStore`; refuses to know what should be in it.
 * @module
 */
import { assert } from "@std/assert";
import { byHand } from "./by_hand.ts";
import { type Commit, type DeliveryRecord, type Later, MemoryStore, type SessionKey } from "../broker/mod.ts";

/** As fast as memory until the test wants otherwise. */
export class HandStore extends MemoryStore {
  /** Commits are done when `settle()` says so. */
  slow = false;
  /** Commits fail, at once. */
  broken = false;
  /** Pages come when `bring()` says so. */
  late = false;
  commits = 0;
  #pending: ((error?: Error) => void) | undefined;
  #pages: (() => void)[] = [];
  readonly #stamps: Map<string, number> = new Map();
  #safe: HandStore | undefined;

  /** What another process finds after this one has died now. */
  crashed(): HandStore {
    const left = new HandStore();
    const safe = this.#safe;
    if (safe !== undefined) {
      copy(safe, left);
      for (const [topic, stamp] of safe.#stamps) left.stamped(topic, stamp);
    }
    left.commit();
    left.commits = 0;
    return left;
  }

  /** Who has asked is dead: no answer goes there any more. */
  abandon(): void {
    this.#pending = undefined;
    this.#pages = [];
  }

  /** Makes safe what is told so far, as it is now. */
  override commit(): Commit {
    this.commits++;
    if (this.broken) throw new Error("disk full");
    const covered = new HandStore();
    copy(this, covered);
    for (const [topic, stamp] of this.#stamps) covered.stamped(topic, stamp);
    if (!this.slow) {
      this.#safe = covered;
      return undefined;
    }
    assert(this.#pending === undefined, "two commits at a time");
    return byHand((done, failed) => {
      this.#pending = (error) => {
        this.#pending = undefined;
        if (error !== undefined) return failed(error);
        this.#safe = covered;
        done();
      };
    });
  }

  /** Whether a commit is under way. */
  get isCommitting(): boolean {
    return this.#pending !== undefined;
  }

  /** Ends the commit under way. */
  settle(error?: Error): void {
    assert(this.#pending !== undefined, "no commit is under way");
    this.#pending(error);
  }

  stamped(topic: string, stamp: number): void {
    if (stamp === 0) this.#stamps.delete(topic);
    else this.#stamps.set(topic, stamp);
  }

  stamps(): Iterable<readonly [topic: string, stamp: number]> {
    return this.#stamps;
  }

  /** How many pages are asked for. */
  get pagesAsked(): number {
    return this.#pages.length;
  }

  /** Reads the page at once, and hands it over at once or by `bring()`. */
  override load(
    key: SessionKey,
    from: number,
    messages: number,
    bytes: number,
  ): Later<readonly DeliveryRecord[]> {
    const found = this.page(key, from, messages, bytes);
    return this.late ? byHand((done) => this.#pages.push(() => done(found))) : found;
  }

  /** A page at once, whatever `late` says; all that waits unless told otherwise. */
  page(
    key: SessionKey,
    from: number = 0,
    messages: number = Infinity,
    bytes: number = Infinity,
  ): readonly DeliveryRecord[] {
    return super.load(key, from, messages, bytes) as readonly DeliveryRecord[];
  }

  /** Hands over the first page that is asked for; false if there is none. */
  bring(): boolean {
    const page = this.#pages.shift();
    page?.();
    return page !== undefined;
  }
}

/** Tells one store what is in the other. */
function copy(from: MemoryStore, to: MemoryStore): void {
  for (const { session, storeId, subscriptions, deliveries, received } of from.sessions()) {
    const key = { clientId: session.clientId, storeId: 0 };
    to.saved(key, session);
    for (const one of subscriptions) to.subscribed(key, one);
    for (const one of deliveries) to.queued(key, one);
    const waiting = MemoryStore.prototype.load.call(from, { ...key, storeId }, 0, Infinity, Infinity);
    for (const one of waiting as readonly DeliveryRecord[]) to.queued(key, one);
    for (const id of received) to.received(key, id, true);
  }
  for (const message of from.retainedMessages()) to.retained(message.topic, message);
}
